"""The plots of a suite: files that are always there, and figures that answer to a reader."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.leaderboard import figures, pareto, plots
from bench.leaderboard.board import Board
from bench.leaderboard.cost import Cost, Point, points
from bench.leaderboard.curves import Curve
from bench.leaderboard.pages.parts import Picture, part_stem
from bench.leaderboard.words import listed
from bench.scores import Row
from bench.stats import Summary

Draw = Callable[[str, Callable[[plots.Theme], Any]], None]  # writes a plot below the site's folder


def pictures(
    board: Board, summary: Summary, found: Mapping[tuple[Row, str], Curve], draw: Draw
) -> dict[str, Picture]:
    """Writes the plots of the statistics."""
    look, mark, made = board.look, summary.scores.protocol.mark, {}
    if summary.aggregates:
        leader = summary.order[0].label
        made["intervals"] = Picture(
            f"plots/{part_stem(board, summary, 'intervals')}",
            f"IQM, median, mean and optimality gap of each algorithm with intervals; highest IQM: {leader}. "
            "The numbers are in the table above.",
            f"Aggregate scores{mark}: the line is the value, the bar its 95% interval.",
            figures.intervals(summary, look),
            wide=True,
        )
        draw(made["intervals"].stem, lambda theme: plots.intervals(summary, look, theme))
        made["profiles"] = Picture(
            f"plots/{part_stem(board, summary, 'profiles')}",
            "Performance profile of each algorithm: the fraction of its runs above each score.",
            f"Performance profile{mark}: the higher a curve, the more of the algorithm's runs exceed the "
            "score below it. Bands are pointwise 95% intervals.",
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
        f"IQM{summary.scores.protocol.mark} against {axis}, with 95% intervals. The dotted line joins "
        "what nothing beats in both score and "
        "cost" + (f"; without a place: {left}." if left else "."),
        figures.pareto(summary.scores, list(found), board.look, axis),
    )
    draw(stem, lambda theme: pareto.pareto(summary.scores, found, board.look, axis, theme))
