"""Score against cost, drawn once for pages without a script and for papers."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.leaderboard.cost import Point, front
from bench.leaderboard.plots import Look, Theme, dress, plain
from bench.report import label
from bench.scores import Row, Scores


def pareto(
    scores: Scores, found: Sequence[Point], look: Mapping[Row, Look], axis_name: str, theme: Theme
) -> Figure:
    """One mark per row with its interval; a stepped line joins those that nothing beats in cost and score."""
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axis = figure.subplots()
    best = front(list(found))
    axis.step(
        [p.cost for p in best], [100 * p.score.value for p in best], where="post", color="#8C8C8C",
        linestyle=":", linewidth=1.4, zorder=1,
    )  # fmt: skip
    for p in found:
        kind = look[p.row]
        if not math.isnan(p.score.low):
            axis.plot([p.cost] * 2, [100 * p.score.low, 100 * p.score.high], color=kind.color, linewidth=1.3)
        name = plain(label(scores, p.row, diverged=True))
        axis.plot([p.cost], [100 * p.score.value], kind.marker, color=kind.color, markersize=7, label=name)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel(axis_name, color=theme.ink)
    axis.set_ylabel("score: IQM", color=theme.ink)
    dress(axis, theme, "both")
    figure.legend(loc="outside right upper", frameon=False, labelcolor=theme.ink, fontsize=8)
    return figure
