"""The page of an algorithm in a suite: what it is, its settings and their sources, scores and cost."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench import report
from bench.leaderboard.board import Board, Known
from bench.leaderboard.cost import Cost
from bench.leaderboard.pages.parts import (
    HOME,
    Crumb,
    algorithm_href,
    protocol_cell,
    row_cell,
    run_cell,
    settings_cell,
    suite_crumb,
    task_href,
)
from bench.leaderboard.pages.suite import cost_table
from bench.leaderboard.tables import EMPTY, Cell, Line, Table
from bench.leaderboard.words import NOT_COMPARABLE, listed, marks_of, metric_cell, task_cell, value
from bench.metrics import METRICS
from bench.records import RunRecord, inference_label, variant_label
from bench.scores import Row
from bench.stats import Summary


def context(board: Board, name: str, known: Known, costs: Mapping[Row, Cost]) -> dict[str, Any]:
    """What the template shows."""
    summary = board.first
    assert summary
    scores = summary.scores
    rows = [row for row in summary.order if row.algorithm == name]
    runs = [run for run in scores.runs if str(run.info["algorithm"]) == name]
    stem = f"tables/{board.stem}-algorithm-{board.algorithm_stems[name]}"
    every = cost_table(board, summary, costs)
    own = [line for line, row in zip(every.lines, summary.order, strict=True) if row in rows]
    cost = Table(f"{name}: cost", every.head, own, every.foot, (), every.numeric, f"{stem}-cost")
    return {
        "title": f"{name} · {board.suite}",
        "heading": name,
        "crumbs": [HOME, suite_crumb(board), Crumb(name, algorithm_href(board, name))],
        "about": known.algorithms.get(name),
        "flagged": NOT_COMPARABLE.text if any(row in scores.flagged for row in rows) else "",
        "notes": [note for note in scores.notes if _is_about(note, name)],
        "sentence": scores.sentence(),
        "aggregates": _aggregates(board, name, rows, f"{stem}-aggregates"),
        "tasks": _tasks(board, summary, name, rows, f"{stem}-tasks"),
        "options": options(name, runs, f"{stem}-options"),
        "inferences": listed(
            filter(None, (inference_label(s) for run in runs for s in run.info["inferences"]))
        ),
        "codes": listed(str(run.info["code"]) for run in runs),
        "cost": cost,
        "runs": _runs(board, name, runs, f"{stem}-runs"),
    }


def _is_about(note: str, name: str) -> bool:
    """Whether a note names the algorithm, and not just one whose name begins with its name."""
    return re.search(rf"(/|‡ ){re.escape(name)}(?![\w/-])", note) is not None


def _aggregates(board: Board, name: str, rows: Sequence[Row], stem: str) -> Table:
    """The rows under every protocol."""
    lines = []
    for summary in board.summaries.values():
        for row in (row for row in rows if row in summary.scores.rows):
            cells = [metric_cell(summary, row, metric) for metric in METRICS]
            first = row_cell(board, row, marks_of(summary.scores, row))
            seeds = Cell(report.seeds_of(summary.scores, row))
            lines.append(
                Line(
                    [
                        first,
                        protocol_cell(summary.scores),
                        *cells,
                        seeds,
                        settings_cell(summary.scores, row),
                    ]
                )
            )
    head = ["Variant", "Protocol", *METRICS, "Seeds", "Settings"]
    foot = [
        "Under each protocol the same runs are scored again. –: no aggregate, as a whole task is missing. "
        "Bold: the best of all algorithms under the protocol, and whatever cannot be told from it."
    ]
    return Table(
        f"{name}: scores over all tasks", head, lines, foot, numeric=frozenset({*METRICS, "Seeds"}), stem=stem
    )


def _tasks(board: Board, summary: Summary, name: str, rows: Sequence[Row], stem: str) -> Table:
    lines = [
        Line(
            [
                Cell(task, href=task_href(board, task)),
                *(task_cell(summary, row, task, shaded=True) for row in rows),
            ]
        )
        for task in summary.scores.tasks
    ]
    heads = [row.label for row in rows]
    foot = [*report.foot(summary), "Bold: the best on the task, and whatever cannot be told from it."]
    return Table(
        f"{name}: mean score on each task", ["Task", *heads], lines, foot, summary.scores.notes,
        frozenset(heads), stem, "heat",
    )  # fmt: skip


def options(name: str, runs: Sequence[RunRecord], stem: str) -> Table:
    """Every option with its values, and who gave each: by the records of the runs; of several tasks also on
    which.
    """
    held: dict[str, dict[tuple[str, str], set[str]]] = {}
    for run in runs:
        for option, content in run.info["config"].items():
            source = str(run.info.get("sources", {}).get(option, "default"))
            held.setdefault(option, {}).setdefault((value(content), source), set()).add(str(run.info["task"]))
    tasks = {str(run.info["task"]) for run in runs}
    head = ["Option", "Value", "Source", "On"]
    lines, width = [], len(head) if len(tasks) > 1 else len(head) - 1
    for option, found in held.items():
        for (content, source), where in sorted(found.items()):
            on = "all tasks" if where == tasks else ", ".join(sorted(where))
            kind = "plain" if source == "default" else "settings"
            shown = Cell("by hand", badge=kind) if source == "user" else Cell(source, badge=kind)
            cells = [Cell(option, code=True), Cell(content, code=True) if content else EMPTY, shown, Cell(on)]
            lines.append(Line(cells[:width]))
    foot = [
        "default: of the algorithm's file; by hand: given on the command line; otherwise as the source says."
    ]
    return Table(f"{name}: settings", head[:width], lines, foot, stem=stem, kind="words")


def _runs(board: Board, name: str, runs: Sequence[RunRecord], stem: str) -> Table:
    lines = [
        Line([
            run_cell(board, run), Cell(str(run.info["task"]), href=task_href(board, str(run.info["task"]))),
            Cell(variant_label(run.info) or "–"), Cell(", ".join(map(str, run.info["seeds"]))),
            Cell(f"{run.info['steps']:,}", sort=float(run.info["steps"])),
            Cell(str(run.info["created"])[:10]),
        ])
        for run in sorted(runs, key=lambda run: (str(run.info["task"]), str(run.path)))
    ]  # fmt: skip
    head = ["Run", "Task", "Given by hand", "Seeds", "Updates", "Created"]
    return Table(f"{name}: runs", head, lines, numeric=frozenset({"Updates"}), stem=stem)
