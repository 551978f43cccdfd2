"""Scores that others report, as `results/published/<name>.csv` holds them.

    source,status,suite,task,algorithm,seed,step,score,mean,std,n_seeds

A line has the score of one seed (seed, score), or the mean of several (mean, std, n_seeds); what is unknown
is empty. `task` is a task of the suite where the publication names one, else the publication's own words
(such as an average of several). Scores are points as published, 0 to 100 on the scale of the suite.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COLUMNS = (
    "source", "status", "suite", "task", "algorithm", "seed", "step", "score", "mean", "std", "n_seeds",
)  # fmt: skip


@dataclass(frozen=True)
class Reported:
    """What one source says of one algorithm on one task. Scores are on the scale 0..1."""

    name: str  # of the file, the `--as` of the import
    source: str  # citation
    # "primary": the authors' own numbers; "optimistic": these, of the best evaluation of each run;
    # "secondary": taken from elsewhere, which `source` says
    status: str
    suite: str
    task: str
    algorithm: str
    step: str  # gradient updates or "final"; empty where unknown
    seeds: Mapping[str, float]  # by the source's own name of the seed; empty where only a mean is known
    mean: float
    std: float | None
    n_seeds: int | None

    @property
    def badge(self) -> str:
        """What stands behind an algorithm's name in tables: `corl-best, optimistic`."""
        return self.name + (", optimistic" if self.status == "optimistic" else "")


def read_published(results: Path, suite: str | None = None) -> tuple[list[Reported], list[str]]:
    """All reported scores below `results` (of one suite), and a sentence for every unreadable file."""
    found: list[Reported] = []
    problems: list[str] = []
    for path in sorted((Path(results) / "published").glob("*.csv")):
        try:
            found += [r for r in _read(path) if suite in (None, r.suite)]
        except (OSError, ValueError, csv.Error) as error:
            problems.append(f"results/published/{path.name} cannot be read ({error}); it is left out")
    return found, problems


def _read(path: Path) -> list[Reported]:
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        if lacking := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
            raise ValueError(f"it lacks the column {', '.join(lacking)}")
        groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
        for line in reader:
            if None in line.values():
                raise ValueError(f"line {reader.line_num} is too short")
            key = tuple(line[column] for column in ("source", "status", "suite", "task", "algorithm", "step"))
            groups.setdefault(key, []).append(line)
    return [_reported(path.stem, group) for group in groups.values()]


def _reported(name: str, lines: list[dict[str, str]]) -> Reported:
    first = lines[0]
    seeds = {line["seed"]: _finite(line["score"]) / 100 for line in lines if line["score"]}
    if len(lines) != max(1, len(seeds)):
        raise ValueError(f"{first['algorithm']} on {first['task']} is there twice")
    return Reported(
        name,
        first["source"],
        first["status"],
        first["suite"],
        first["task"],
        first["algorithm"],
        first["step"],
        seeds,
        sum(seeds.values()) / len(seeds) if seeds else _finite(first["mean"]) / 100,
        _finite(first["std"]) / 100 if first["std"] else None,
        int(_finite(first["n_seeds"])) if first["n_seeds"] else len(seeds) or None,
    )


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    return value
