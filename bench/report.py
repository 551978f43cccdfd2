"""`bench report`: the statistics of a suite as Markdown, LaTeX or CSV; a pure function of the records."""

import csv
import io
import math
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from bench.errors import unknown
from bench.protocol import Protocol
from bench.records import settings_kind
from bench.scores import Row, Scores, load
from bench.stats import FEW_SEEDS, METRICS, REPLICATES, Estimate, Summary, summarize
from bench.tables import NO_ENTRY, Entry, Sheet, latex, markdown

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


def render(
    results: Path,
    suite: str,
    fmt: str,
    protocol: Protocol,
    inference: str = "default",
    replicates: int = REPLICATES,
    tasks: Collection[str] | None = None,
    trials: bool = False,
) -> str:
    """The report on `suite` (or on `tasks` of it) from the records below `results`, as md, csv or latex.

    Equal records give equal bytes. Raises UserError for an unknown format or where there are no runs.
    """
    if fmt not in FORMATS:
        raise unknown("format", fmt, FORMATS)
    return FORMATS[fmt](summarize(load(Path(results), suite, protocol, inference, tasks, trials), replicates))


def _markdown(summary: Summary) -> str:
    return "\n".join(map(markdown, [aggregates(summary), tasks(summary), improvements(summary)]))


def _latex(summary: Summary) -> str:
    sheets = [aggregates(summary), tasks(summary), against_leader(summary)]
    return "% needs \\usepackage{booktabs,graphicx,textcomp}\n" + "\n".join(map(latex, sheets))


def _csv(summary: Summary) -> str:
    """Tidy: one number per line, scores times 100, probabilities from 0 to 1; sentences at the end."""
    scores = summary.scores
    lines: list[list[object]] = []
    for row in summary.order:
        for metric, e in summary.aggregates.get(row, {}).items():
            lines.append(["aggregate", "", row.label, metric, *_numbers(e, 100), seeds_of(scores, row)])
            lines[-1].append(scores.diverged(row))
    for (row, task), e in sorted(summary.tasks.items(), key=lambda item: (item[0][1], item[0][0])):
        lines.append(["task", task, row.label, "Mean", *_numbers(e, 100), seeds_of(scores, row, task)])
        lines[-1].append(scores.diverged(row, task))
    for (x, y), e in summary.improvement.items():
        lines.append(["improvement", "", x.label, f"P(> {y.label})", *_numbers(e, 1), "", ""])
    lines += [["note", "", "", sentence, "", "", "", "", ""] for sentence in foot(summary)]
    lines += [["note", "", "", note, "", "", "", "", ""] for note in scores.notes]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["level", "task", "row", "metric", "value", "low", "high", "seeds", "diverged"])
    writer.writerows(lines)
    return text.getvalue()


FORMATS: dict[str, Callable[[Summary], str]] = {"md": _markdown, "csv": _csv, "latex": _latex}


def aggregates(summary: Summary) -> Sheet:
    """Algorithms by IQM, with the four aggregates of rliable and the number of seeds."""
    scores, rows = summary.scores, []
    for row in summary.order:
        found = summary.aggregates.get(row)
        diverged = scores.diverged(row) > 0
        entries = [entry(found[name], diverged) for name in METRICS] if found else [NO_ENTRY] * len(METRICS)
        rows.append(
            (label(scores, row), [*entries, Entry(seeds_of(scores, row)), Entry(scores.settings(row))])
        )
    rule = [BOLD] + ["–: no aggregate, because a whole task is missing."] * (
        len(summary.aggregates) < len(summary.order)
    )
    title = f"{scores.heading}: scores over {_counted(len(scores.tasks), 'task')}"
    return Sheet(
        title,
        "Algorithm",
        [*METRICS, "Seeds", "Settings"],
        rows,
        foot(summary) + settings(scores) + rule,
        scores.notes,
    )


def tasks(summary: Summary) -> Sheet:
    """The mean of every algorithm on every task."""
    scores, rows = summary.scores, []
    for task in scores.tasks:
        entries = [
            entry(summary.tasks[row, task], scores.diverged(row, task) > 0)
            if (row, task) in summary.tasks
            else NO_ENTRY
            for row in summary.order
        ]
        rows.append((label(scores, task), entries))
    head = [label(scores, row) for row in summary.order]
    rule = BOLD.replace("column", "line")
    return Sheet(
        f"{scores.heading}: mean score on each task", "Task", head, rows, [*foot(summary), rule], scores.notes
    )


def improvements(summary: Summary) -> Sheet:
    """P(row > column) for every pair of algorithms that have every task."""
    complete = [row for row in summary.order if row in summary.aggregates]
    names = [label(summary.scores, row, diverged=True) for row in complete]
    rows = [
        (
            name,
            [entry(summary.improvement[x, y], scale=1, bare=True) if x != y else NO_ENTRY for y in complete],
        )
        for name, x in zip(names, complete, strict=True)
    ]
    title = f"{summary.scores.heading}: probability of improvement"
    return Sheet(title, "Row > column", names, rows, [*foot(summary), IMPROVEMENT], summary.scores.notes)


def against_leader(summary: Summary) -> Sheet:
    """P(leader > other) with intervals: the line of the matrix that fits into a paper."""
    complete = [row for row in summary.order if row in summary.aggregates]
    rows = [
        (label(summary.scores, y, diverged=True), [entry(summary.improvement[complete[0], y], scale=1)])
        for y in complete[1:]
    ]
    leader = label(summary.scores, complete[0], diverged=True) if complete else "leader"
    rule = IMPROVEMENT.replace("the row", "the column").replace(
        "a run of the column on", "a run of the row on"
    )
    title = f"{summary.scores.heading}: probability that {leader} improves on the others"
    return Sheet(title, "Other", [f"P({leader} > other)"], rows, [*foot(summary), rule], summary.scores.notes)


def foot(summary: Summary) -> list[str]:
    """The sentences under every table: protocol, seeds, intervals, diverged seeds, marks."""
    scores = summary.scores
    counts = [seed_count(scores, row, task) for row, task in scores.cells]
    seeds = f"{_range(counts)} {'seed' if set(counts) == {1} else 'seeds'} per algorithm and task"
    draws = (
        f"{seeds}; intervals are 95% percentiles of {summary.replicates:,} stratified bootstrap replicates "
        "(seeds resampled within each task; definitions of rliable)."
    )
    sentences = [scores.sentence(), draws]
    if any(0 < count < FEW_SEEDS for count in counts):
        sentences.append(
            f"With fewer than {FEW_SEEDS} seeds such intervals are too narrow, those of a single task most "
            "of all; a task with one seed has no interval."
        )
    broken = [(row, scores.diverged(row)) for row in summary.order if scores.diverged(row)]
    if broken:
        named = ", ".join(f"{row.label} {number}" for row, number in broken)
        sentences.append(f"†: diverged seeds enter as 0 ({named}).")
    if scores.flagged:
        sentences.append("‡: runs that are not strictly comparable stand together; see the notes.")
    return sentences


def settings(scores: Scores) -> list[str]:
    """What the column of settings says, for the kinds that occur."""
    kinds = {settings_kind(run.info) for run in scores.runs}
    return [f"Settings: {'; '.join(text for kind, text in SETTINGS.items() if kind in kinds)}."]


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
    return _range(seed_count(scores, row, t) for t in (scores.tasks if task is None else [task]))


def _range(counts: Iterable[int]) -> str:
    low, *_, high = [*sorted(counts)] * 2
    return str(low) if low == high else f"{low}–{high}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def _numbers(e: Estimate, scale: int) -> list[str]:
    return ["" if math.isnan(x) else f"{x * scale:.4f}" for x in (e.value, e.low, e.high)]
