"""The page of a suite under one protocol."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench import report
from bench.leaderboard import figures, pareto, plots
from bench.leaderboard.board import Board, Known
from bench.leaderboard.cost import Cost, Point, points
from bench.leaderboard.curves import Curve
from bench.leaderboard.pages import reported
from bench.leaderboard.pages.parts import HOME, Picture, row_cell, settings_cell, suite_crumb, task_href
from bench.leaderboard.tables import EMPTY, Cell, Line, Table, number
from bench.leaderboard.words import (
    NOT_COMPARABLE,
    bar,
    counted,
    duration,
    listed,
    marks_of,
    metric_cell,
    notices,
    span_of,
    task_cell,
    versions,
)  # fmt: skip
from bench.metrics import METRICS
from bench.scores import Row
from bench.stats import Summary

Draw = Callable[[str, Callable[[plots.Theme], Any]], None]  # writes a plot below the site's folder


def context(board: Board, summary: Summary, known: Known) -> dict[str, Any]:
    """Everything of the page that is neither a plot nor about cost."""
    scores = summary.scores
    algorithms = len({row.algorithm for row in scores.rows})
    protocols = [(name, _page(board, name)) for name in board.summaries]
    return {
        "title": f"{board.suite} · {scores.protocol.name}",
        "heading": board.suite,
        "crumbs": [HOME, suite_crumb(board)],
        "about": known.suites.get(board.suite, ""),
        "statement": f"{counted(algorithms, 'algorithm')} on {counted(len(scores.tasks), 'task')}. Each "
        "is trained on the fixed data set of a task and scored by the episodes that its policy then plays.",
        "protocols": protocols,
        "protocol": scores.protocol.name,
        "sentence": scores.sentence(),
        "notices": notices(summary),
        "notes": scores.notes,
        "aggregates": aggregates(board, summary),
        "tasks": tasks(board, summary),
        "improvement": improvement(board, summary) if len(summary.aggregates) > 1 else None,
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
        "reported": reported.table(
            board, board.reported, f"tables/{board.stem}-reported", f"{board.suite}: reported by others"
        ),
    }


def page_path(board: Board, protocol: str) -> str:
    """The first protocol has the suite's own page."""
    return f"{board.stem}/{_page(board, protocol)}"


def _page(board: Board, protocol: str) -> str:
    return "index.html" if protocol == next(iter(board.summaries)) else f"protocol-{protocol}.html"


def _stem(board: Board, summary: Summary, what: str) -> str:
    return f"{board.stem}-{summary.scores.protocol.name}-{what}"


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
    foot = [*report.foot(summary), report.BOLD]
    if len(summary.aggregates) < len(summary.order):
        foot.append("–: no aggregate, because a whole task is missing.")
    others = [metric for metric in METRICS if metric != "IQM"]
    return Table(
        f"{board.suite}: scores over {counted(len(scores.tasks), 'task')}",
        ["Algorithm", "IQM", "95% interval of the IQM", *others, "Seeds", "Settings"],
        lines, foot, scores.notes, frozenset({*METRICS, "Seeds"}), f"tables/{_stem(board, summary, what)}",
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
    names = [row.label for row in summary.order]
    foot = [*report.foot(summary), report.BOLD.replace("column", "line")]
    return Table(
        f"{board.suite}: mean score on each task", ["Task", *names], lines, foot, scores.notes,
        frozenset(names), f"tables/{_stem(board, summary, 'tasks')}", "heat",
    )  # fmt: skip


def improvement(board: Board, summary: Summary) -> Table:
    """P(row > column) for every pair of algorithms that have every task."""
    rows = [row for row in summary.order if row in summary.aggregates]
    lines = []
    for x in rows:
        cells = []
        for y in rows:
            e = summary.improvement.get((x, y))
            cells.append(number(e, scale=1, shade=1.1 * (e.value - 0.5)) if e else EMPTY)
        lines.append(Line([row_cell(board, x, marks_of(summary.scores, x)), *cells]))
    names = [row.label for row in rows]
    return Table(
        f"{board.suite}: probability of improvement", ["Row above column", *names], lines,
        [*report.foot(summary), report.IMPROVEMENT], summary.scores.notes, frozenset(names),
        f"tables/{_stem(board, summary, 'improvement')}", "heat matrix",
    )  # fmt: skip


def pictures(
    board: Board, summary: Summary, found: Mapping[tuple[Row, str], Curve], draw: Draw
) -> dict[str, Picture]:
    """Writes the plots of the statistics."""
    look, made = board.look, {}
    if summary.aggregates:
        leader = summary.order[0].label
        made["intervals"] = Picture(
            f"plots/{_stem(board, summary, 'intervals')}",
            f"IQM, median, mean and optimality gap of each algorithm with intervals; highest IQM: {leader}. "
            "The numbers are in the table above.",
            "Aggregate scores: the line is the value, the bar its 95% interval.",
            figures.intervals(summary, look),
            wide=True,
        )
        draw(made["intervals"].stem, lambda theme: plots.intervals(summary, look, theme))
        made["profiles"] = Picture(
            f"plots/{_stem(board, summary, 'profiles')}",
            "Performance profile of each algorithm: the fraction of its runs above each score.",
            "Performance profile: the higher a curve, the more of the algorithm's runs exceed the score "
            "below it. Bands are pointwise 95% intervals.",
            figures.profiles(summary, look),
        )
        draw(made["profiles"].stem, lambda theme: plots.profiles(summary, look, theme))
    if summary is board.first:
        made["curves"] = Picture(
            f"plots/{board.stem}-curves",
            "Learning curves of each algorithm; the page of each task has them with their numbers.",
            "Learning curves: mean over seeds at every evaluation, with 95% bands; a seed counts as 0 from "
            "where it diverges. Each task has a page with a larger plot.",
        )
        draw(made["curves"].stem, lambda theme: plots.curves(summary, found, look, theme))
    return made


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


def pareto_pictures(
    board: Board, training: Mapping[Row, Cost], acting: Summary, acting_costs: Mapping[Row, Cost], draw: Draw
) -> dict[str, Picture]:
    """Writes score against training time, and against computation per action (or time per episode)."""
    assert board.first
    made: dict[str, Picture] = {}
    found = points(board.first, {row: cost.train_seconds for row, cost in training.items()})
    _add(made, "training", board, board.first, found, "seconds of training per seed", draw)
    counts = {row: cost.evaluations for row, cost in acting_costs.items()}
    axis = "network evaluations per action"
    if all(math.isnan(count) for count in counts.values()):
        counts = {row: cost.eval_seconds for row, cost in acting_costs.items()}
        axis = "seconds per evaluation episode"
    _add(made, "acting", board, acting, points(acting, counts), axis, draw)
    return made


def _add(
    made: dict[str, Picture],
    name: str,
    board: Board,
    summary: Summary,
    found: Sequence[Point],
    axis: str,
    draw: Draw,
) -> None:
    if not found:
        return
    shown = {point.row for point in found}
    left = listed(row.label for row in summary.order if row not in shown)
    stem = f"plots/{board.stem}-{name}"
    made[name] = Picture(
        stem,
        f"Score of each algorithm against {axis}. The numbers are in the tables.",
        f"IQM against {axis}, with 95% intervals. The dotted line joins what nothing beats in both score and "
        "cost" + (f"; without a place: {left}." if left else "."),
        figures.pareto(summary.scores, list(found), board.look, axis),
    )
    draw(stem, lambda theme: pareto.pareto(summary.scores, found, board.look, axis, theme))
