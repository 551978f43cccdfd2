"""The figure of tuning curves: one line of panels per kind of curve, one column per domain."""

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


def figure(found: Sequence[Curve], scopes: Sequence[str], title: str, theme: Theme) -> Figure:
    """Score against budget for the scopes (domains, or a task), with 95% bands."""
    kinds = [kind for kind in ACROSS if any(c.kind == kind and c.scope in scopes for c in found)]
    names = sorted({curve.algorithm for curve in found})
    look = dict(zip(names, looks(Row(name, "", 0, "") for name in names).values(), strict=True))
    drawing = Figure(figsize=(max(3.4 * len(scopes), 6), 2.7 * len(kinds) + 0.9), layout="constrained")
    panels = drawing.subplots(len(kinds), len(scopes), squeeze=False)
    for line, kind in zip(panels, kinds, strict=True):
        for panel, scope in zip(line, scopes, strict=True):
            own = [curve for curve in found if (curve.kind, curve.scope) == (kind, scope)]
            _panel(panel, own, look, theme)
            panel.set_title(plain(f"{scope}: {kind}", 60), color=theme.ink, fontsize=8.5, loc="left")
            panel.set_xlabel(ACROSS[kind], color=theme.ink, fontsize=8.5)
        line[0].set_ylabel("score, 95% interval", color=theme.ink, fontsize=8.5)
    drawing.suptitle(plain(title, 80), color=theme.ink, fontsize=10, fontweight="bold", x=0.01, ha="left")
    _legend(drawing, look, theme)
    return drawing


def _panel(panel: Axes, found: Sequence[Curve], look: Mapping[str, Look], theme: Theme) -> None:
    for curve in found:
        n, own = np.arange(1, len(curve.value) + 1), look[curve.algorithm]
        panel.fill_between(n, 100 * curve.low, 100 * curve.high, color=own.color, alpha=0.13, linewidth=0)
        # one setting is a point, and markers of many points would hide their line
        marks = max(1, len(n) // 8)
        panel.plot(
            n, 100 * curve.value, color=own.color, linestyle=own.dash, linewidth=1.6, marker=own.marker,
            markersize=4, markevery=marks,
        )  # fmt: skip
    if found:
        values = np.concatenate([100 * curve.value for curve in found])
        panel.set_ylim(values.min() - MARGIN, values.max() + MARGIN)
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
