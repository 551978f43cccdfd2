"""The figure of tuning curves: panels for every kind of curve and every domain, or every task."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bench.leaderboard.plots import Look, Theme, dress, looks, plain
from bench.scores import Row
from bench.tuning.summary import BANDIT, EACH, SHARED, Curve

ACROSS = {EACH: "settings tried", SHARED: "settings tried", BANDIT: "episodes of evaluation, per task"}
MARGIN = 8  # points of score around the curves; wider intervals are cut off
COLUMNS = 4


def figure(found: Sequence[Curve], scopes: Sequence[str], title: str, theme: Theme) -> Figure:
    """Score against budget for the scopes (domains or tasks), with 95% bands; a row for each kind of curve.

    A single scope has its kinds side by side. More than four scopes go on in the next row.
    """
    kinds = [kind for kind in ACROSS if any(c.kind == kind and c.scope in scopes for c in found)]
    rows = [[(kind, scope) for scope in part] for kind in kinds for part in _cut(scopes)]
    if len(scopes) == 1:
        rows = [[panel for row in rows for panel in row]]
    names = sorted({curve.algorithm for curve in found})
    look = dict(zip(names, looks(Row(name, "", 0, "") for name in names).values(), strict=True))
    columns = max(map(len, rows))
    drawing = Figure(figsize=(max(3.4 * columns, 6), 2.7 * len(rows) + 0.9), layout="constrained")
    panels = drawing.subplots(len(rows), columns, squeeze=False)
    heights = {scope: _height([curve for curve in found if curve.scope == scope]) for scope in scopes}
    for line, row in zip(panels, rows, strict=True):
        for panel, (kind, scope) in zip(line, row, strict=False):
            own = [curve for curve in found if (curve.kind, curve.scope) == (kind, scope)]
            _panel(panel, own, look, theme)
            panel.set_ylim(*heights[scope])  # equal for all kinds, so that they can be compared
            panel.set_title(f"{plain(scope)}\n{kind}", color=theme.ink, fontsize=8.5, loc="left")
            panel.set_xlabel(ACROSS[kind], color=theme.ink, fontsize=8.5)
        for empty in line[len(row) :]:
            empty.set_visible(False)
        line[0].set_ylabel("score, 95% interval", color=theme.ink, fontsize=8.5)
    drawing.suptitle(plain(title, 80), color=theme.ink, fontsize=10, fontweight="bold", x=0.01, ha="left")
    _legend(drawing, look, theme)
    return drawing


def _cut(scopes: Sequence[str]) -> list[Sequence[str]]:
    return [scopes[start : start + COLUMNS] for start in range(0, len(scopes), COLUMNS)]


def _height(found: Sequence[Curve]) -> tuple[float, float]:
    """The range of the score axis: that of the curves, not of their intervals, which may be very wide."""
    values = 100 * np.concatenate([curve.value for curve in found])
    return values.min() - MARGIN, values.max() + MARGIN


def _panel(panel: Axes, found: Sequence[Curve], look: Mapping[str, Look], theme: Theme) -> None:
    for curve in found:
        n, own = np.arange(1, len(curve.value) + 1), look[curve.algorithm]
        low, high = 100 * curve.low, 100 * curve.high
        panel.fill_between(n, low, high, color=own.color, alpha=0.13, linewidth=0)
        panel.vlines(n[:1], low[:1], high[:1], color=own.color, alpha=0.4, linewidth=1.1)  # a band needs two
        # markers of many points would hide their line
        panel.plot(
            n, 100 * curve.value, color=own.color, linestyle=own.dash, linewidth=1.6, marker=own.marker,
            markersize=4, markevery=max(1, len(n) // 8),
        )  # fmt: skip
    panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    dress(panel, theme, "y")


def _legend(drawing: Figure, look: Mapping[str, Look], theme: Theme) -> None:
    """Below all panels, where it never covers data."""
    handles = [
        Line2D(
            [], [], color=own.color, linestyle=own.dash, marker=own.marker, markersize=4, linewidth=1.6,
            label=plain(name),
        )
        for name, own in look.items()
    ]  # fmt: skip
    longest = 8 + max(len(plain(name)) for name in look)
    columns = min(len(look), max(1, int(10.2 * drawing.get_figwidth()) // longest))
    drawing.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, handlelength=3,
        labelcolor=theme.ink,
    )  # fmt: skip
