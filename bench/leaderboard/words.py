"""Scores as cells of tables: numbers with intervals, and marks in words where a reader must know more."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.captions import seed_count
from bench.leaderboard.tables import EMPTY, Bar, Cell, Mark, number
from bench.records import RunRecord
from bench.scores import Row, Scores
from bench.stats import Estimate, Summary

NOT_COMPARABLE = Mark("not strictly comparable, see the notes", "‡")
MEAN_ONLY = "no IQM: only means are reported"


def counted(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number:,} {noun}" + "s" * (number != 1)


def listed(values: Iterable[object]) -> str:
    """All values once, in the order of their text."""
    return ", ".join(sorted({str(value) for value in values}))


def marks_of(scores: Scores, row: Row, task: str | None = None) -> tuple[Mark, ...]:
    """What must be known of the row (on one task): diverged seeds, seeds that lack, runs that differ."""
    marks = []
    diverged = scores.diverged(row, task)
    if diverged:
        marks.append(Mark(f"{counted(diverged, 'diverged seed')} as 0", "†"))
    tasks = scores.tasks if task is None else [task]
    expected = len(scores.seeds(row))
    counts = [seed_count(scores, row, t) for t in tasks]
    if task is not None and counts[0] < expected:
        marks.append(Mark(f"{counts[0]} of {counted(expected, 'seed')}"))
    if task is None and min(counts) < expected:
        lacking = sum(count == 0 for count in counts)
        fewer = sum(0 < count < expected for count in counts)
        said = [f"no score on {lacking} of {counted(len(tasks), 'task')}"] * bool(lacking)
        said += [f"fewer seeds on {counted(fewer, 'task')}"] * bool(fewer)
        marks.append(Mark(", ".join(said)))
    if row in scores.flagged or (task is not None and task in scores.flagged):
        marks.append(NOT_COMPARABLE)
    mixed = sum((row, t) in scores.cells and t in scores.flagged for t in tasks) if task is None else 0
    if mixed:
        marks.append(Mark(f"{counted(mixed, 'task')} not strictly comparable", "‡"))
    return tuple(marks)


def task_cell(summary: Summary, row: Row, task: str, shaded: bool = False) -> Cell:
    """The mean of a row on a task."""
    e = summary.tasks.get((row, task))
    marks = marks_of(summary.scores, row, task)
    if e is None:
        seeds = len(summary.scores.seeds(row))
        return Cell("missing", marks=(Mark(f"0 of {counted(seeds, 'seed')}"),), sort=math.nan)
    return number(e, marks=marks, shade=min(1.0, max(0.0, e.value)) * 0.6 if shaded else None)


def metric_cell(summary: Summary, row: Row, metric: str) -> Cell:
    """An aggregate of a row; rows that lack a whole task have none."""
    found = summary.aggregates.get(row)
    return number(found[metric]) if found else EMPTY


def bar(e: Estimate, span: tuple[float, float], color: str) -> Bar | None:
    """The estimate as a picture on a scale from span[0] to span[1]."""
    if math.isnan(e.value):
        return None
    low, high = span

    def place(x: float) -> float:
        return round(min(1.0, max(0.0, (x - low) / (high - low))), 4)

    ends = (e.value, e.value) if math.isnan(e.low) else (e.low, e.high)
    return Bar(place(ends[0]), place(e.value), place(ends[1]), place(0), place(1), color)


def span_of(estimates: Iterable[Estimate]) -> tuple[float, float]:
    """From the least to the largest number, at least from 0 to 1, with some room."""
    numbers = [x for e in estimates for x in (e.value, e.low, e.high) if not math.isnan(x)]
    low, high = min([0.0, *numbers]), max([1.0, *numbers])
    return low - 0.03 * (high - low), high + 0.03 * (high - low)


def notices(summary: Summary) -> list[str]:
    """What stands above every table: in a sentence each, what no reader should miss."""
    scores, said = summary.scores, []
    flagged_tasks = sorted(t for t in scores.flagged if isinstance(t, str))
    flagged_rows = sorted(row.label for row in scores.flagged if isinstance(row, Row))
    if flagged_tasks or flagged_rows:
        said.append(
            f"‡ Not strictly comparable: {_some([*flagged_rows, *flagged_tasks])}. Runs that differ in more "
            "than the algorithm stand together there; the notes say in what."
        )
    broken = [f"{row.label} on {t}" for row in scores.rows for t in scores.tasks if scores.diverged(row, t)]
    if broken:
        seeds = sum(scores.diverged(row) for row in scores.rows)
        verb = "seed has diverged and counts" if seeds == 1 else "seeds have diverged and count"
        said.append(f"† {seeds} {verb} as 0: {_some(broken)}.")
    fewer, none = [], []
    for row in scores.rows:
        expected = len(scores.seeds(row))
        for task in scores.tasks:
            count = seed_count(scores, row, task)
            if count == 0:
                none.append(f"{row.label} on {task}")
            elif count < expected:
                fewer.append(f"{row.label} on {task} ({count} of {expected})")
    if none:
        said.append(f"Missing: {_some(none)}. Such an algorithm has no aggregate over all tasks.")
    if fewer:
        said.append(f"Missing seeds: {_some(fewer)}.")
    open_runs = sum(not run.finished for run in scores.runs)
    if open_runs:
        said.append(f"{counted(open_runs, 'run')} not finished: the notes say how far, and how to go on.")
    return said


def _some(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def runs_of(scores: Scores, row: Row) -> list[RunRecord]:
    """The runs that fill the cells of the row, by path."""
    found = {
        str(cell.run.path): cell.run
        for task in scores.tasks
        for cell in scores.cells.get((row, task), {}).values()
    }
    return [found[path] for path in sorted(found)]


def device(run: RunRecord) -> str:
    """`cpu (x86_64)`."""
    found = run.info.get("device")
    if isinstance(found, Mapping):
        return f"{found.get('type')} ({found.get('name')})"
    return str(found or "unknown")


def duration(seconds: float) -> str:
    """Seconds as a reader says them."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def value(content: Any) -> str:
    """A value of a JSON file in short."""
    if isinstance(content, list):
        return ", ".join(map(value, content))
    if content is None:
        return "none"
    return ("yes" if content else "no") if isinstance(content, bool) else str(content)


def versions(runs: Iterable[RunRecord]) -> list[tuple[str, str]]:
    """What the runs were made with; several values where they differ."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for prefix, content in (("", run.info.get("versions")), ("git ", run.info.get("git"))):
            if isinstance(content, Mapping):
                for key, held in content.items():
                    found.setdefault(f"{prefix}{key}", set()).add(value(held))
    return [(key, ", ".join(sorted(values))) for key, values in sorted(found.items())]
