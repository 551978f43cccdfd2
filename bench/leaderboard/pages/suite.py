"""The page of a suite under one protocol."""

import math
from collections.abc import Mapping
from typing import Any

from bench.leaderboard.board import Board, Known
from bench.leaderboard.cost import Cost
from bench.leaderboard.pages import reported
from bench.leaderboard.pages.overall import aggregates, tasks
from bench.leaderboard.pages.parts import HOME, row_cell, suite_crumb
from bench.leaderboard.pages.versus import improvement, ranks, wins
from bench.leaderboard.tables import EMPTY, Cell, Line, Table
from bench.leaderboard.twins import sentences
from bench.leaderboard.words import counted, duration, notices, versions
from bench.scores import Row
from bench.stats import Summary


def context(board: Board, summary: Summary, known: Known) -> dict[str, Any]:
    """Everything of the page that is neither a plot nor about cost."""
    scores = summary.scores
    algorithms = len({row.algorithm for row in scores.rows})
    protocols = [(name, _page(board, name)) for name in board.summaries]
    return {
        "title": f"{board.suite} · {scores.protocol.name}",
        "heading": scores.heading,
        "crumbs": [HOME, suite_crumb(board)],
        "about": known.suites.get(board.suite, ""),
        "statement": f"{counted(algorithms, 'algorithm')} on {counted(len(scores.tasks), 'task')}. Each "
        "is trained on the fixed data set of a task and scored by the episodes that its policy then plays.",
        "protocols": protocols,
        "protocol": scores.protocol.name,
        "twins": sentences({name: each.scores.protocol for name, each in board.summaries.items()}),
        "sentence": scores.sentence(),
        "notices": notices(summary),
        "notes": scores.notes,
        "aggregates": aggregates(board, summary),
        "tasks": tasks(board, summary),
        "versus": against(board, summary),
        "published": published(board) if summary is board.first else None,
        "reported": reported.table(
            board, board.reported, f"tables/{board.stem}-reported", f"{board.suite}: reported by others"
        ),
        "versions": versions(scores.runs),
        "commands": sorted({str(run.info["command"]) for run in scores.runs}),
    }


def empty_context(board: Board, known: Known) -> dict[str, Any]:
    """The page of a suite that has reported scores only."""
    return {
        "title": board.suite,
        "heading": board.suite,
        "crumbs": [HOME, suite_crumb(board)],
        "about": known.suites.get(board.suite, ""),
        "published": published(board),
        "reported": reported.table(
            board, board.reported, f"tables/{board.stem}-reported", f"{board.suite}: reported by others"
        ),
    }


def against(board: Board, summary: Summary) -> list[tuple[str, str, Table]]:
    """Tables of the algorithms against one another, each with an anchor and a heading; none for one alone."""
    if len(summary.aggregates) < 2:
        return []
    return [
        ("ranks", "Ranks", ranks(board, summary)),
        ("wins", "Tasks won, tied and lost", wins(board, summary)),
        ("improvement", "Probability of improvement", improvement(board, summary)),
    ]


def published(board: Board) -> dict[str, Any] | None:
    """Scores of single seeds that others report, with the same statistics; None where there are none."""
    summary = board.published
    if not summary:
        return None
    tables = against(board, summary)
    return {
        "statement": f"{counted(len(summary.scores.rows), 'algorithm')} on "
        f"{counted(len(summary.scores.tasks), 'task')}, for which others give the score of every seed.",
        "aggregates": aggregates(board, summary),
        "tasks": tasks(board, summary),
        "versus": [(f"reported-{anchor}", heading, table) for anchor, heading, table in tables],
        "notes": summary.scores.notes,
    }


def page_path(board: Board, protocol: str) -> str:
    """The first protocol has the suite's own page."""
    return f"{board.stem}/{_page(board, protocol)}"


def _page(board: Board, protocol: str) -> str:
    return "index.html" if protocol == next(iter(board.summaries)) else f"protocol-{protocol}.html"


def cost_table(board: Board, summary: Summary, costs: Mapping[Row, Cost]) -> Table:
    """What training, evaluation and acting took."""
    lines = []
    for row in summary.order:
        cost = costs[row]
        low, high = (f"{speed:,.0f}" for speed in cost.updates)
        lines.append(Line([
            row_cell(board, row), Cell(str(cost.runs), sort=float(cost.runs)), Cell(cost.group),
            _seconds(cost.train_seconds),
            EMPTY if math.isnan(cost.updates[0]) else Cell(
                low if low == high else f"{low} to {high}", sort=cost.updates[0]
            ),
            _seconds(cost.eval_seconds),
            EMPTY if math.isnan(cost.evaluations) else Cell(f"{cost.evaluations:g}", sort=cost.evaluations),
            Cell(cost.devices),
        ]))  # fmt: skip
    head = [
        "Algorithm", "Runs", "Seeds per run", "Training per seed", "Updates per second",
        "Evaluation per episode", "Network evaluations per action", "Device",
    ]  # fmt: skip
    foot = [
        "Wall-clock time, mean over finished runs; a run trains its seeds at once, and its time is divided "
        "by them. Times compare only between runs on the same device with the same number of seeds per run. "
        "Network evaluations: rows that pass through networks while one action is chosen, counted; an "
        "ensemble is one network. –: not recorded, or not counted for algorithms whose code is not here."
    ]
    return Table(
        f"{board.suite}: cost", head, lines, foot, (), frozenset(head[1:7]), f"tables/{board.stem}-cost"
    )


def _seconds(seconds: float) -> Cell:
    if math.isnan(seconds):
        return EMPTY
    return Cell(duration(seconds) if seconds >= 0.1 else f"{1000 * seconds:.1f} ms", sort=seconds)
