"""The page of a task: its data, its scale, and every algorithm on it."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from bench import captions, report
from bench.data.card import Card, from_json, show
from bench.leaderboard import figures, plots
from bench.leaderboard.board import Board
from bench.leaderboard.curves import Curve
from bench.leaderboard.pages import reported
from bench.leaderboard.pages.parts import (
    HOME,
    Crumb,
    Picture,
    row_cell,
    run_cell,
    settings_cell,
    suite_crumb,
    task_href,
)
from bench.leaderboard.tables import EMPTY, Cell, Line, Mark, Table
from bench.leaderboard.words import NOT_COMPARABLE, bar, counted, span_of, task_cell, value
from bench.records import RunRecord
from bench.scores import Row, Scores
from bench.stats import Summary


def context(
    board: Board, task: str, found: Mapping[tuple[Row, str], Curve], draw: Callable[..., None]
) -> dict[str, Any]:
    """What the template shows; writes the learning curves."""
    summary = board.first
    assert summary
    runs = [run for run in summary.scores.runs if run.info["task"] == task]
    info = runs[0].info["task_info"]
    lines = [(row, found[row, task]) for row in summary.order if (row, task) in found]
    stem = f"plots/{board.stem}-task-{board.task_stems[task]}"
    if lines:
        draw(stem, lambda theme: plots.one_panel(summary, lines, board.look, task, theme))
    return {
        "title": f"{task} · {board.suite}",
        "heading": task,
        "crumbs": [HOME, suite_crumb(board), Crumb(task, task_href(board, task))],
        "about": str(info.get("summary", "")),
        "remarks": [str(note) for note in info.get("notes", [])],
        "flagged": NOT_COMPARABLE.text if task in summary.scores.flagged else "",
        "notes": [*_diverged(summary.scores, task), *_notes(summary.scores, task)],
        "sentence": summary.scores.sentence(),
        "table": _table(board, summary, task),
        "runs": _runs(board, task, runs),
        "reported": reported.table(
            board,
            [r for r in board.reported if r.task == task],
            f"tables/{board.stem}-task-{board.task_stems[task]}-reported",
            f"{task}: reported by others",
        ),
        "curves": Picture(
            stem,
            f"Learning curves of {counted(len(lines), 'algorithm')} on {task}; the last values are in the "
            "table.",
            "Learning curves: mean over seeds at every evaluation, with 95% bands; a seed counts as 0 from "
            "where it diverges.",
            figures.curves(summary.scores, lines, board.look),
        )
        if lines
        else None,
        "cards": cards(runs),
        "scale": _scale(info),
        "identities": identities(runs),
    }  # fmt: skip


def _diverged(scores: Scores, task: str) -> list[str]:
    """A sentence about the seeds that diverged on the task, if any did."""
    found = [(row.label, scores.diverged(row, task)) for row in scores.rows if scores.diverged(row, task)]
    named = ", ".join(f"{name} {counted(number, 'seed')}" for name, number in found)
    return [f"† Diverged, which counts as 0: {named}."] if found else []


def _notes(scores: Scores, task: str) -> list[str]:
    """The notes that name the task, and not just one whose name holds its name."""
    return [note for note in scores.notes if re.search(rf"(?<![\w-]){re.escape(task)}(?![\w@-])", note)]


def _table(board: Board, summary: Summary, task: str) -> Table:
    """Every algorithm on the task, the best first."""
    scores = summary.scores
    rows = sorted(
        (row for row in summary.order if (row, task) in scores.cells),
        key=lambda row: -summary.tasks[row, task].value if (row, task) in summary.tasks else math.inf,
    )
    span = span_of(summary.tasks[row, task] for row in rows if (row, task) in summary.tasks)
    lines = []
    for row in rows:
        e = summary.tasks.get((row, task))
        picture = bar(e, span, board.look[row].color) if e else None
        seeds = captions.seed_count(scores, row, task)
        cells = scores.cells[row, task]
        values = [Cell(f"{100 * cells[seed].score:z.1f}" if seed in cells else "–") for seed in sorted(cells)]
        each = ", ".join("–" if text.text == "nan" else text.text for text in values)
        lines.append(Line([
            row_cell(board, row), task_cell(summary, row, task),
            Cell("", bar=picture, sort=math.nan) if picture else EMPTY,
            Cell(str(seeds), sort=float(seeds)),
            Cell(each), settings_cell(scores, row),
        ]))  # fmt: skip
    return Table(
        f"{task}: all algorithms", ["Algorithm", "Mean", "95% interval", "Seeds", "Each seed", "Settings"],
        lines, [*report.foot(summary), report.BOLD], scores.notes, frozenset({"Mean", "Seeds"}),
        f"tables/{board.stem}-task-{board.task_stems[task]}",
    )  # fmt: skip


def _scale(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is scored, and what 0 and 100 are."""
    reference = info["reference"]
    return [
        ("Scored", str(reference.get("of", "return"))),
        ("Score 0", f"{float(reference['random']):g}"),
        ("Score 100", f"{float(reference['best']):g}"),
        ("Source of the two", str(reference.get("source", "unknown"))),
        ("Steps of an episode, at most", str(info.get("max_steps", "unknown"))),
    ]


def _runs(board: Board, task: str, runs: Sequence[RunRecord]) -> Table:
    lines = [
        Line([
            run_cell(board, run), Cell(str(run.info["algorithm"])),
            Cell(", ".join(map(str, run.info["seeds"]))),
            Cell(f"{run.info['steps']:,}", sort=float(run.info["steps"])),
            Cell(str(run.info["created"])[:10]),
        ])
        for run in sorted(runs, key=lambda run: (str(run.info["algorithm"]), str(run.path)))
    ]  # fmt: skip
    return Table(
        f"{task}: runs", ["Run", "Algorithm", "Seeds", "Updates", "Created"], lines,
        numeric=frozenset({"Updates"}),
        stem=f"tables/{board.stem}-task-{board.task_stems[task]}-runs",
    )  # fmt: skip


def identities(runs: Sequence[RunRecord]) -> list[tuple[str, str, tuple[Mark, ...]]]:
    """What makes the task this task; several values, marked, where runs differ."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for key, held in run.info["task_info"].get("identity", {}).items():
            found.setdefault(str(key), set()).add(value(held))
    return [
        (key, ", ".join(sorted(values)), (NOT_COMPARABLE,) * (len(values) > 1))
        for key, values in sorted(found.items())
    ]


def cards(runs: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """What the data are; one for each data set that the runs name."""
    found: dict[str, Card] = {}
    for run in runs:
        info = run.info["task_info"]
        if "card" in info:
            with suppress(ValueError):
                found.setdefault(str(info.get("identity", {}).get("dataset")), from_json(info["card"]))
    return [{"sha256": sha256} | _card(card) for sha256, card in sorted(found.items())]


def _card(card: Card) -> dict[str, Any]:
    shortest, mean, longest = map(show, card.length)
    returns, quality = card.returns, card.trajectory_quality
    most = max(returns.counts, default=0) or 1
    return {
        "facts": [
            ("Episodes", f"{card.episodes:,}"),
            ("Transitions", f"{card.transitions:,}"),
            ("Observation, action", f"{card.obs_dim}, {card.action_dim} numbers"),
            ("Episode length", shortest if shortest == longest else f"{shortest} to {longest}, mean {mean}"),
            ("Returns", f"{show(returns.minimum)} to {show(returns.maximum)}, mean {show(returns.mean)}"),
            ("Trajectory quality (TQ)", "unknown" if quality is None else f"{quality:.3f}"),
            ("Coverage (SACo)", f"{card.coverage:.3f}: {card.cells:,} cells of {card.counted:,} transitions"),
        ],
        "bars": [round(count / most, 4) for count in returns.counts],
        "low": show(returns.minimum),
        "high": show(returns.maximum),
    }  # fmt: skip
