"""Every line of an import, checked: names, numbers, seeds, scale. The first fault is one sentence."""

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.errors import UserError, unknown
from bench.published.placing import Places
from bench.published.text import Line
from bench.task import Suite

LOW, HIGH = -200.0, 400.0  # points; the best that papers report on a task with human data is about 170
MOST_SEEDS = 10_000
STATUSES = ("primary", "secondary", "optimistic")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Checked:
    """One line that is sound. Scores are points; None: not given."""

    where: str
    source: str
    status: str
    suite: str
    task: str
    of_suite: bool  # else the task is in the publication's own words
    algorithm: str
    seed: str
    step: str
    score: float | None
    mean: float | None
    std: float | None
    n_seeds: int | None


def check(
    lines: Sequence[Line],
    suites: Mapping[str, Suite],
    suite: str | None = None,
    source: str = "",
    status: str = "primary",
    scale: float | None = None,
) -> list[Checked]:
    """The lines, checked. Raises UserError at the first fault.

    source, status: of lines that name none. scale: what the best known counts in the file, 1 or 100;
    None: 100, unless all scores are so small that it must be asked.
    """
    places = Places(suites, suite)
    found = [_check(line, places, source, status, scale or 100.0) for line in lines]
    places.check_versions(zip(lines, (line.suite for line in found), strict=True))
    if scale is None:
        _check_scale(found)
    _check_range(found, suites)
    _check_doubles(found)
    return found


def _check(line: Line, places: Places, source: str, status: str, scale: float) -> Checked:
    where = line.where
    for column in ("algorithm", "task", "seed", "step", "source"):
        check_text(f"{where}: the {column}", getattr(line, column), 500 if column == "source" else 120)
    if not line.algorithm or not line.task:
        raise UserError(f"{where}: no {'task' if line.algorithm else 'algorithm'}; every line needs one")
    if "[reported" in line.algorithm.lower():
        raise UserError(f"{where}: the algorithm {line.algorithm!r} holds the mark '[reported'; leave it out")
    cited = line.source or source
    if not cited:
        raise UserError(f"{where}: no source; give --source 'AUTHORS, TITLE, TABLE' or a column source")
    cited, status = _status(where, cited, line.status or status)
    suite, task, of_suite = places.place(line)
    score, mean, std = (_number(line, column, scale) for column in ("score", "mean", "std"))
    n_seeds = _seeds(line)
    _check_form(line, std, n_seeds)
    return Checked(
        where, cited, status, suite, task, of_suite, line.algorithm, _whole(line.seed), _whole(line.step),
        score, mean, std, n_seeds,
    )  # fmt: skip


def check_text(what: str, text: str, longest: int = 500) -> None:
    """Raise UserError for a text that a terminal, a spreadsheet or a page could take for something else."""
    if len(text) > longest:
        raise UserError(f"{what} {text[:40]!r}... has {len(text)} characters; at most {longest} are allowed")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in text):
        raise UserError(f"{what} {text[:80]!r} holds a character that does not show; leave it out")
    if text.startswith(("=", "@")) or (text[:1] in ("+", "-") and not _NUMBER.fullmatch(text)):
        raise UserError(f"{what} {text[:80]!r} begins like a formula of a spreadsheet; write it without")
    if "<" in text or ">" in text:
        raise UserError(f"{what} {text[:80]!r} holds '<' or '>'; write it without markup")


def _status(where: str, source: str, status: str) -> tuple[str, str]:
    """Citation and status; words behind the status go into the citation.

    "primary, quoted there from prior work" is not the authors' own number, so it counts as secondary.
    """
    word, _, more = re.sub(r"[:,;]", " ", status, count=1).partition(" ")
    if word not in STATUSES:
        raise UserError(f"{where}: {unknown('status', word[:40], STATUSES)}")
    if not more.strip():
        return source, word
    check_text(f"{where}: the status", more)
    return f"{source} ({more.strip()})", "secondary"


def _number(line: Line, column: str, scale: float) -> float | None:
    text = getattr(line, column)
    if not text:
        return None
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        hint = "; write the decimal point as '.'" if re.fullmatch(r"[+-]?\d+,\d+", text) else ""
        raise UserError(f"{line.where}: the {column} {text[:40]!r} is no finite number{hint}; mend the line")
    return round(value * 100 / scale, 10)


def _seeds(line: Line) -> int | None:
    if not line.n_seeds:
        return None
    value = float(line.n_seeds) if _NUMBER.fullmatch(line.n_seeds) else math.nan
    if not 1 <= value <= MOST_SEEDS or value != int(value):
        raise UserError(
            f"{line.where}: n_seeds {line.n_seeds[:40]!r} is no whole number from 1 to {MOST_SEEDS:,}"
        )
    return int(value)


def _check_form(line: Line, std: float | None, n_seeds: int | None) -> None:
    """A line is one seed or one mean, never both."""
    if bool(line.score) == bool(line.mean):
        held = "both a score and a mean" if line.score else "neither a score nor a mean"
        raise UserError(f"{line.where}: {held}; a line is one seed (seed, score) or one mean (mean, std)")
    if line.score and not line.seed:
        raise UserError(f"{line.where}: a score without a seed; name the seed, or call the column mean")
    if line.score and (line.std or line.n_seeds):
        raise UserError(f"{line.where}: the score of one seed has no std and n_seeds; leave them empty")
    if line.mean and line.seed:
        raise UserError(
            f"{line.where}: a mean of the seed {line.seed!r}; call the column score, or drop seed"
        )
    if std is not None and (std < 0 or (std > 0 and n_seeds == 1)):
        fault = "is negative" if std < 0 else "needs two seeds or more"
        raise UserError(f"{line.where}: the std {line.std} {fault}; mend the line")


def _whole(text: str) -> str:
    """Tables write whole numbers as `3.0` where some are missing."""
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text


def _values(lines: Iterable[Checked]) -> list[float]:
    return [line.score if line.mean is None else line.mean for line in lines]  # type: ignore[misc]


def _check_scale(lines: Sequence[Checked]) -> None:
    values = _values(lines)
    if max(map(abs, values)) <= 1.5 and any(value != int(value) for value in values):
        raise UserError(
            f"all {len(values):,} scores lie between {min(values):g} and {max(values):g}, as fractions do; "
            "scores are points (100 = best known). Give --scale 1 if 1 is the best known, or --scale 100 "
            "if the scores are so low"
        )


def small_algorithms(lines: Sequence[Checked]) -> list[str]:
    """Algorithms whose scores, unlike others', are all between 0 and 1 and not whole: perhaps fractions."""
    by_algorithm: dict[str, list[Checked]] = {}
    for line in lines:
        by_algorithm.setdefault(line.algorithm, []).append(line)
    small = []
    for algorithm, own in sorted(by_algorithm.items()):
        values, tasks = _values(own), {line.task for line in own}
        if len(tasks) > 2 and 0.1 < max(values) <= 1 and min(values) >= 0 and any(v % 1 for v in values):
            small.append(algorithm)
    return small if len(small) < len(by_algorithm) else []


def _check_range(lines: Sequence[Checked], suites: Mapping[str, Suite]) -> None:
    for line in lines:
        low, high = _range(line, suites[line.suite])
        (value,) = _values([line])
        if not low <= value <= high:
            raise UserError(
                f"{line.where}: {value:g} is no plausible score on {line.task[:80]}, where scores lie "
                f"between {low:g} and {high:g}; give normalized scores in points, not returns"
            )
        if line.std is not None and line.std > high:
            raise UserError(f"{line.where}: the std {line.std:g} is wider than the scale; mend the line")


def _range(line: Checked, suite: Suite) -> tuple[float, float]:
    """Of the task, or, for the publication's own words, what all tasks of the suite allow."""
    tasks = [suite.tasks[line.task]] if line.of_suite else suite.tasks.values()
    return (0.0, 100.0) if all(task.reference.of == "success" for task in tasks) else (LOW, HIGH)


def _check_doubles(lines: Sequence[Checked]) -> None:
    first: dict[tuple[str, ...], Checked] = {}
    form: dict[tuple[str, ...], Checked] = {}
    for line in lines:
        key = (line.suite, line.task, line.algorithm, line.step)
        other = first.setdefault((*key, line.seed), line)
        same = form.setdefault(key, line)
        if other is not line:
            seed = f", seed {line.seed!r}" if line.seed else ""
            raise UserError(
                f"{line.where}: {line.algorithm} on {line.task[:80]}{seed} is there twice (also in "
                f"{other.where.rpartition(', ')[2]}); remove one, or import each source under its own name"
            )
        if (same.mean is None) != (line.mean is None) or same.source != line.source:
            raise UserError(
                f"{line.where}: {line.algorithm} on {line.task[:80]} has another form or source in "
                f"{same.where.rpartition(', ')[2]}; import each source under its own name"
            )
