"""What stands under, beside and inside the tables of a report: rules, feet, labels, numbers as text."""

import math
from collections.abc import Iterable, Iterator

from bench.bootstrap import BOOTSTRAPS
from bench.published import tables as published
from bench.records import settings_kind
from bench.scores import Row, Scores
from bench.stats import FEW_SEEDS, Estimate, Summary
from bench.tables import Entry

BOLD = (
    "Bold: the best of its column, and every entry for which the 95% interval of the difference to the best "
    "(over the same bootstrap replicates) includes 0; none where that holds for all entries."
)
IMPROVEMENT = (
    "Entry: the probability that a run of the row scores higher than a run of the column on the same task "
    "(ties count half), mean over tasks. Bold: its 95% interval excludes 0.50."
)
SETTINGS = {
    "paper": "paper – the defaults of the algorithm's file and what it gives for a task",
    "suite": "suite – some options are set by the suite for all algorithms",
    "by hand": "by hand – some were given on the command line",
    "trial": "trial – made to choose settings by: picked among others, it is too good",
    "tuned": "tuned – for each task the best of so many trials, trained again with fresh seeds",
}

RANKS = (
    "Mean rank: 1 is the highest mean score of a task, ties share, mean over tasks; P(k): the share of tasks "
    "and bootstrap replicates in which the algorithm has rank k. Where algorithms are close, ranks are drawn "
    "towards the middle by the noise of seeds, and their intervals cover less than 95%."
)
WINS = (
    "A task is won where the means differ by Welch's test over seeds at 5%, corrected by Holm's method for "
    "the tasks of the pair (as in bench compare), lost where the other wins, tied otherwise: too few seeds "
    "make ties. Not counted: a task where one of the two has a single seed, or that is marked ‡."
)


def foot(summary: Summary) -> list[str]:
    """The sentences under every table: protocol, seeds, intervals, diverged seeds, marks."""
    scores = summary.scores
    counts = [seed_count(scores, row, task) for row, task in scores.cells]
    seeds = f"{range_of(counts or [0])} {'seed' if set(counts) == {1} else 'seeds'} per algorithm and task"
    draws = (
        f"{seeds}; intervals are 95% percentiles of {summary.replicates:,} stratified bootstrap replicates "
        f"({BOOTSTRAPS[summary.bootstrap]}; definitions of rliable)."
    )
    sentences = [scores.sentence(), *([draws] if counts else [])]
    if summary.bootstrap == "episodes":
        sentences.append("A seed with one episode has no interval.")
    elif any(0 < count < FEW_SEEDS for count in counts):
        sentences.append(
            f"With fewer than {FEW_SEEDS} seeds such intervals are too narrow, those of a single task most "
            "of all; a task with one seed has no interval."
        )
    if any(each.low == each.high for each in _estimates(summary)):
        sentences.append(
            "An interval without width is no certainty: the seeds at hand agree, others might not."
        )
    broken = [(row, scores.diverged(row)) for row in summary.order if scores.diverged(row)]
    if broken:
        named = ", ".join(f"{row.label} {number}" for row, number in broken)
        sentences.append(f"†: diverged seeds enter as 0 ({named}).")
    if scores.flagged:
        sentences.append("‡: runs that are not strictly comparable stand together; see the notes.")
    return sentences + published.foot(scores)


def _estimates(summary: Summary) -> Iterator[Estimate]:
    for aggregates in summary.aggregates.values():
        yield from aggregates.values()
    for estimates in (summary.tasks, summary.improvement, summary.ranks):
        yield from estimates.values()


def settings(scores: Scores) -> list[str]:
    """What the column of settings says, for the kinds that occur."""
    kinds = {settings_kind(run.info) for run in scores.runs}
    found = [text for kind, text in SETTINGS.items() if kind in kinds]
    return [f"Settings: {'; '.join(found)}."] if found else []


def label(scores: Scores, thing: Row | str, diverged: bool = False) -> str:
    """The name of a row or a task with its marks; † only where `diverged` asks for it."""
    name = thing if isinstance(thing, str) else thing.label
    if diverged and isinstance(thing, Row) and scores.diverged(thing):
        name += "†"
    return name + " ‡" * (thing in scores.flagged)


def entry(e: Estimate, diverged: bool = False, scale: int = 100, bare: bool = False) -> Entry:
    """An estimate as text: scores times 100 with one decimal, probabilities with two."""
    digits = 1 if scale == 100 else 2
    value, low, high = (f"{number * scale:z.{digits}f}" for number in (e.value, e.low, e.high))
    known = not (bare or math.isnan(e.low))
    return Entry(value, f"[{low}, {high}]" if known else "", e.bold, diverged)


def seed_count(scores: Scores, row: Row, task: str) -> int:
    """How many seeds of the row have a score on the task."""
    return sum(not math.isnan(cell.score) for cell in scores.cells.get((row, task), {}).values())


def seeds_of(scores: Scores, row: Row, task: str | None = None) -> str:
    """`5`, or `3–5` where tasks differ."""
    return range_of(seed_count(scores, row, t) for t in (scores.tasks if task is None else [task]))


def range_of(counts: Iterable[int]) -> str:
    low, *_, high = [*sorted(counts)] * 2
    return str(low) if low == high else f"{low}–{high}"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)
