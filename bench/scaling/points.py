"""Records -> points: what every setting costs and what it scores."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.bootstrap import resample, tally
from bench.metrics import mean
from bench.plan import Run
from bench.protocol import Protocol
from bench.records import RunRecord, read_run, run_path
from bench.scaling.axes import Pairs, Variant
from bench.stats import Estimate, estimate_of


@dataclass(frozen=True)
class Scored:
    """What a setting scores on all tasks together."""

    score: Estimate  # mean over tasks and seeds, 0..1
    seeds: int  # the fewest of any task
    diverged: int  # seeds of all tasks that count as 0


@dataclass(frozen=True)
class Point:
    """One policy under one test-time setting: what it costs and what it scores."""

    train: Pairs
    test: Pairs
    evaluations: int  # rows through networks per action
    ms: float  # per action
    found: Scored
    run: str  # id of the run on the first task


def score(
    records: Sequence[RunRecord], setting: Pairs, protocol: Protocol, replicates: int, name: str
) -> Scored | None:
    """Mean over the tasks (one record each) with its 95% interval; None where a task has no score.

    The interval is that of a stratified bootstrap whose draws depend on `name` and the tasks alone, so
    that all settings of a policy are resampled alike.
    """
    seeds = sorted({seed for record in records for seed in record.info["seeds"]})
    found = [[protocol.score(record, seed, dict(setting)) for record in records] for seed in seeds]
    matrix = np.array([[one.value for one in line] for line in found])  # (S, T)
    counts = (~np.isnan(matrix)).sum(0)
    if not counts.all():
        return None
    tasks = [record.info["task"] for record in records]
    drawn = tally(resample(~np.isnan(matrix), replicates, "scaling", name, *tasks)).astype(float)
    value = estimate_of(mean, matrix, mean(matrix, drawn))
    return Scored(value, int(counts.min()), sum(one.diverged for line in found for one in line))


def read_records(variant: Variant, results: Path) -> list[RunRecord] | None:
    """What is recorded of the runs of a variant; None where one of them has no finished record."""
    records = [read_run(_folder(run, results))[0] for run in variant.runs if _folder(run, results).is_dir()]
    finished = [record for record in records if record is not None and record.finished]
    return finished if len(finished) == len(variant.runs) else None


def _folder(run: Run, results: Path) -> Path:
    return run_path(results, run.suite, run.task, run.algorithm, run.id)


def write_csv(path: Path, points: Sequence[Point], device: str) -> None:
    """One line per point, scores times 100; `read_milliseconds` reads it again."""
    train, test = [name for name, _ in points[0].train], [name for name, _ in points[0].test]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*train, *test, *_COLUMNS])
        for point in points:
            options = [value for _, value in (*point.train, *point.test)]
            found = point.found
            numbers = [100 * x for x in (found.score.value, found.score.low, found.score.high)]
            texts = ["" if math.isnan(number) else f"{number:.4f}" for number in numbers]
            costs = [point.evaluations, f"{point.ms:.4f}"]
            writer.writerow([*options, *costs, *texts, found.seeds, found.diverged, point.run, device])


_COLUMNS = (
    "network_evaluations", "ms_per_action", "score", "low", "high", "seeds", "diverged", "run", "device",
)  # fmt: skip


def read_milliseconds(path: Path, test: Sequence[str], device: str) -> Mapping[tuple[str, Pairs], float]:
    """Milliseconds that were measured before on this device: (run, setting as text) -> number.

    What is not there, or cannot be read, is measured again.
    """
    if not path.is_file():
        return {}
    known = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            try:
                if row["device"] == device:
                    known[row["run"], as_text([(name, row[name]) for name in test])] = float(
                        row["ms_per_action"]
                    )
            except (KeyError, ValueError, TypeError):
                continue
    return {key: value for key, value in known.items() if math.isfinite(value)}


def as_text(setting: Sequence[tuple[str, object]]) -> Pairs:
    """A setting with its values as a file holds them."""
    return tuple((name, str(value)) for name, value in setting)
