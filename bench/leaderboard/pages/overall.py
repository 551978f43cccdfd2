"""Tables of all algorithms over all tasks and on each task."""

import math

from bench import report
from bench.leaderboard.board import Board
from bench.leaderboard.pages.parts import (
    foot,
    heading,
    part_stem,
    row_cell,
    settings_cell,
    short_names,
    task_href,
)
from bench.leaderboard.tables import Cell, Line, Table
from bench.leaderboard.words import NOT_COMPARABLE, bar, counted, marks_of, metric_cell, span_of, task_cell
from bench.metrics import METRICS
from bench.stats import Summary


def aggregates(board: Board, summary: Summary, what: str = "aggregates") -> Table:
    """Algorithms by IQM; `what` is the end of the downloads' name."""
    scores = summary.scores
    span = span_of(found["IQM"] for found in summary.aggregates.values())
    lines = []
    for row in summary.order:
        found = summary.aggregates.get(row)
        picture = bar(found["IQM"], span, board.look[row].color) if found else None
        interval = Cell("", bar=picture, sort=math.nan)
        cells = [row_cell(board, row, marks_of(scores, row)), metric_cell(summary, row, "IQM"), interval]
        cells += [metric_cell(summary, row, metric) for metric in METRICS if metric != "IQM"]
        seeds = Cell(report.seeds_of(scores, row), sort=float(len(scores.seeds(row))))
        lines.append(Line([*cells, seeds, settings_cell(scores, row)]))
    said = [*foot(board, summary), report.BOLD]
    if len(summary.aggregates) < len(summary.order):
        said.append("–: no aggregate, because a whole task is missing.")
    others = [metric for metric in METRICS if metric != "IQM"]
    return Table(
        f"{heading(board, summary)}: scores over {counted(len(scores.tasks), 'task')}",
        ["Algorithm", "IQM", "95% interval of the IQM", *others, "Seeds", "Settings"],
        lines, said, scores.notes, frozenset({*METRICS, "Seeds"}),
        f"tables/{part_stem(board, summary, what)}",
    )  # fmt: skip


def tasks(board: Board, summary: Summary) -> Table:
    """The mean of every algorithm on every task."""
    scores = summary.scores
    lines = [
        Line([
            Cell(task, href=task_href(board, task), marks=(NOT_COMPARABLE,) * (task in scores.flagged)),
            *(task_cell(summary, row, task, shaded=True) for row in summary.order),
        ])
        for task in scores.tasks
    ]  # fmt: skip
    names = short_names(summary.order)
    said = [*foot(board, summary), report.BOLD.replace("column", "line")]
    return Table(
        f"{heading(board, summary)}: mean score on each task", ["Task", *names], lines, said, scores.notes,
        frozenset(names), f"tables/{part_stem(board, summary, 'tasks')}", "heat",
    )  # fmt: skip
