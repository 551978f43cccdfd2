"""`bench report`: the statistics of a suite as Markdown, LaTeX or CSV; a pure function of the records."""

import csv
import io
import math
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from bench.captions import (
    BOLD,
    IMPROVEMENT,
    RANKS,
    WINS,
    counted,
    entry,
    foot,
    label,
    seeds_of,
    settings,
)
from bench.errors import unknown
from bench.pairs import win_records
from bench.protocol import Protocol
from bench.published import tables as published
from bench.scores import Scores, load
from bench.stats import METRICS, REPLICATES, Estimate, Summary, summarize
from bench.tables import NO_ENTRY, Entry, Sheet, latex, markdown

__all__ = ["aggregates", "entry", "foot", "improvements", "label", "render", "render_scores", "tasks"]
MANY = 8  # columns that are still read side by side


def render(
    results: Path,
    suite: str,
    fmt: str,
    protocol: Protocol,
    inference: str = "default",
    replicates: int = REPLICATES,
    tasks: Collection[str] | None = None,
    bootstrap: str = "seeds",
    trials: bool = False,
) -> str:
    """The report on `suite` (or on `tasks` of it) from the records below `results`, as md, csv or latex.

    Equal records give equal bytes. Raises UserError for an unknown format or bootstrap, or where
    there are no runs.
    """
    if fmt not in FORMATS:  # before all records are read
        raise unknown("format", fmt, FORMATS)
    scores = load(Path(results), suite, protocol, inference, tasks, trials)
    return render_scores(scores, fmt, replicates, bootstrap)


def render_scores(scores: Scores, fmt: str, replicates: int = REPLICATES, bootstrap: str = "seeds") -> str:
    """The report on scores that are loaded already. Raises UserError for an unknown format."""
    if fmt not in FORMATS:
        raise unknown("format", fmt, FORMATS)
    return FORMATS[fmt](summarize(scores, replicates, bootstrap))


def _markdown(summary: Summary) -> str:
    sheets = [aggregates(summary), narrow(tasks(summary))]
    if len(summary.aggregates) > 1:
        sheets += [improvements(summary), ranks(summary), wins(summary)]
    return "\n".join(map(markdown, [*sheets, *_own_words(summary)]))


def _own_words(summary: Summary) -> list[Sheet]:
    return [narrow(published.own_words(summary.scores))] if summary.scores.words else []


def _latex(summary: Summary) -> str:
    sheets = [aggregates(summary), narrow(tasks(summary))]
    if len(summary.aggregates) > 1:
        sheets += [against_leader(summary), ranks(summary), wins(summary, leader_only=True)]
    sheets += _own_words(summary)
    return "% needs \\usepackage{booktabs,graphicx,textcomp}\n" + "\n".join(map(latex, sheets))


def _csv(summary: Summary) -> str:
    """Tidy: one number per line, scores times 100, probabilities from 0 to 1, ranks from 1, numbers of tasks
    won and tied; sentences at the end.
    """
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
    for row, e in summary.ranks.items():
        lines.append(["rank", "", row.label, "Mean rank", *_numbers(e, 1), seeds_of(scores, row)])
        lines[-1].append(scores.diverged(row))
        lines += [
            ["rank", "", row.label, f"P(rank {rank})", f"{share:.4f}", "", "", "", ""]
            for rank, share in enumerate(summary.shares[row], 1)
        ]
    for (x, y), record in win_records(scores, list(summary.aggregates)).items():
        for metric, count in ((f"Wins over {y.label}", record.wins), (f"Ties with {y.label}", record.ties)):
            lines.append(["wins", "", x.label, metric, count, "", "", "", ""])
    head = ["level", "task", "row", "metric", "value", "low", "high", "seeds", "diverged"]
    whose = {row.label: scores.settings(row) for row in summary.order}
    lines = [[*line, whose.get(str(line[2]), "")] for line in lines]
    head.append("settings")
    if scores.reported or scores.words:
        reported = {row.label for row in summary.order if row.source}
        lines = [[*line, "reported" if line[2] in reported else "run here", ""] for line in lines]
        lines += published.csv_lines(scores)
        head += ["origin", "std"]
    nothing = [""] * (len(head) - 4)
    lines += [
        ["note", "", "", sentence, *nothing]
        for sentence in [*foot(summary), *settings(scores), *scores.notes]
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return text.getvalue()


FORMATS: dict[str, Callable[[Summary], str]] = {"md": _markdown, "csv": _csv, "latex": _latex}


def narrow(sheet: Sheet) -> Sheet:
    """The table turned where it has many columns and fewer lines, as with many algorithms on few tasks."""
    if len(sheet.head) <= MANY or len(sheet.rows) >= len(sheet.head):
        return sheet
    turned = [(name, [entries[i] for _, entries in sheet.rows]) for i, name in enumerate(sheet.head)]
    foot = [sentence.replace("of its line", "of its column") for sentence in sheet.foot]
    return replace(sheet, corner="Algorithm", head=[name for name, _ in sheet.rows], rows=turned, foot=foot)


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
    rule = [BOLD] * (len(summary.aggregates) > 0) + ["–: no aggregate, because a whole task is missing."] * (
        len(summary.aggregates) < len(summary.order)
    )
    over = f"over {counted(len(scores.tasks), 'task')}" if scores.tasks else "are reported as means only"
    title = f"{scores.heading}: scores {over}"
    head = [*METRICS, "Seeds", "Settings"]
    rows += published.aggregate_rows(scores, head)
    return Sheet(title, "Algorithm", head, rows, foot(summary) + settings(scores) + rule, scores.notes)


def tasks(summary: Summary) -> Sheet:
    """The mean of every algorithm on every task."""
    scores, rows = summary.scores, []
    means = published.means(scores)
    for task in published.lines(scores):
        entries = [
            entry(summary.tasks[row, task], scores.diverged(row, task) > 0)
            if (row, task) in summary.tasks
            else published.entry(scores.reported.get((row, task)))
            for row in summary.order
        ]
        entries += [published.entry(own.get(task)) for own in means.values()]
        rows.append((label(scores, task), entries))
    head = [label(scores, row) for row in [*summary.order, *means]]
    rule = [BOLD.replace("column", "line")] * (len(summary.tasks) > 0)
    title = f"{scores.heading}: mean score on each task"
    return Sheet(title, "Task", head, rows, [*foot(summary), *rule], scores.notes)


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


def ranks(summary: Summary) -> Sheet:
    """Mean rank over tasks with its interval, and how often each rank is held."""
    scores = summary.scores
    rows = [
        (
            label(scores, row, diverged=True),
            [entry(e, scale=1), *(Entry(f"{share:.2f}") for share in summary.shares[row])],
        )
        for row, e in summary.ranks.items()
    ]
    head = ["Mean rank", *(f"P({rank})" for rank in range(1, len(rows) + 1))]
    absent = [row.label for row in summary.order if row not in summary.ranks]
    rule = [RANKS + " " + BOLD] + [
        f"Without a rank, because a whole task is missing: {', '.join(absent)}."
    ] * (len(absent) > 0)
    title = f"{scores.heading}: ranks over {counted(len(scores.tasks), 'task')}"
    return Sheet(title, "Algorithm", head, rows, [*foot(summary), *rule], scores.notes)


def wins(summary: Summary, leader_only: bool = False) -> Sheet:
    """Tasks won, tied and lost by every row against every column, or against the leader alone."""
    complete = [row for row in summary.order if row in summary.aggregates]
    records = win_records(summary.scores, complete)
    columns = complete[:1] if leader_only else complete
    rows = [
        (
            label(summary.scores, x, diverged=True),
            [Entry(str(records[x, y])) if x != y else NO_ENTRY for y in columns],
        )
        for x in complete
    ]
    head = [label(summary.scores, row, diverged=True) for row in columns]
    title = f"{summary.scores.heading}: tasks won / tied / lost by the row against the column"
    return Sheet(title, "Row", head, rows, [*foot(summary), WINS], summary.scores.notes)


def _numbers(e: Estimate, scale: int) -> list[str]:
    return ["" if math.isnan(x) else f"{x * scale:.4f}" for x in (e.value, e.low, e.high)]
