"""Figures of a paper as PDF, with vector fonts and sizes of a column or a page. Equal statistics
give equal bytes.

Colours are those of the leaderboard, for all kinds of colour vision; in grey, dashes and markers tell rows
apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.captions import label
from bench.leaderboard.curves import Curve
from bench.leaderboard.plots import DASHES, PAPER, Look, dress, plain
from bench.scores import Row
from bench.stats import METRICS, THRESHOLDS, Summary

COLUMN, TEXT = 3.25, 6.75  # inches
PAGE = 8.2  # inches of height that a figure may take
_RC: Any = {
    "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.1,
}


def write_figures(
    summary: Summary, found: Mapping[tuple[Row, str], Curve], look: Mapping[Row, Look], folder: Path
) -> list[str]:
    """Write those figures for which there are data; the names of the files."""
    # the leaderboard has dashes for the variants of one algorithm; here neighbours differ too
    look = {row: replace(look[row], dash=DASHES[n % len(DASHES)]) for n, row in enumerate(sorted(look))}
    drawn: dict[str, Figure] = {}
    with mpl.rc_context(_RC):
        if summary.aggregates:
            drawn["intervals.pdf"] = _intervals(summary, look)
            drawn["profiles.pdf"] = _profiles(summary, look)
        for number, tasks in enumerate(_pages(summary.scores.tasks, 18), 1):
            drawn[f"curves-{number}.pdf"] = _curves(summary, tasks, found, look)
        for name, figure in drawn.items():
            nothing = {"CreationDate": None, "Creator": None, "Producer": None}
            figure.savefig(folder / name, metadata=nothing)
    return list(drawn)


def _pages(tasks: Sequence[str], size: int) -> list[Sequence[str]]:
    return [tasks[start : start + size] for start in range(0, len(tasks), size)]


def _intervals(summary: Summary, look: Mapping[Row, Look]) -> Figure:
    rows = [row for row in summary.order if row in summary.aggregates]
    figure = Figure(figsize=(TEXT, min(PAGE, 0.6 + 0.17 * max(len(rows), 3))), layout="constrained")
    for axis, metric in zip(figure.subplots(1, len(METRICS), sharey=True), METRICS, strict=True):
        for place, row in enumerate(rows):
            e, color = summary.aggregates[row][metric], look[row].color
            if not np.isnan(e.low):
                axis.plot([100 * e.low, 100 * e.high], [place] * 2, color=color, linewidth=3.2, alpha=0.5)
            axis.plot(100 * e.value, place, look[row].marker, color=color, markersize=3.6)
        axis.set_yticks(range(len(rows)), _labels(summary, rows))
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.set_title(metric, color=PAPER.ink, loc="left")
        axis.set_xlabel("score (lower is better)" if metric == "Optimality gap" else "score", color=PAPER.ink)
        _dress(axis, "x")
    return figure


def _profiles(summary: Summary, look: Mapping[Row, Look]) -> Figure:
    rows = [row for row in summary.order if row in summary.profiles]
    legend_lines = -(-len(rows) // 2)
    figure = Figure(figsize=(COLUMN, 2.1 + 0.13 * legend_lines), layout="constrained")
    axis = figure.subplots()
    for row in rows:
        value, low, high = summary.profiles[row]
        every = (7 * rows.index(row) % 20, 20)  # markers of different rows at different places
        axis.plot(100 * THRESHOLDS, value, markevery=every, **_line(look[row]))
        axis.fill_between(100 * THRESHOLDS, low, high, color=look[row].color, alpha=0.12, linewidth=0)
    axis.set(xlim=(0, 100 * THRESHOLDS[-1]), ylim=(0, 1.02))
    axis.set_xlabel("score s", color=PAPER.ink)
    axis.set_ylabel("fraction of runs above s", color=PAPER.ink)
    _dress(axis, "both")
    _legend(figure, summary, rows, look, 2)
    return figure


def _curves(
    summary: Summary, tasks: Sequence[str], found: Mapping[tuple[Row, str], Curve], look: Mapping[Row, Look]
) -> Figure:
    columns = min(3, len(tasks))
    lines = -(-len(tasks) // columns)
    legend = 0.14 * -(-len(summary.order) // 5)
    figure = Figure(figsize=(TEXT, min(PAGE, 1.45 * lines + 0.2 + legend)), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for place, (axis, task) in enumerate(zip(axes.flat, tasks, strict=False)):
        for row in summary.order:
            if c := found.get((row, task)):
                axis.plot(c.steps, 100 * c.mean, markevery=max(1, len(c.steps) // 6), **_line(look[row]))
                axis.fill_between(
                    c.steps, 100 * c.low, 100 * c.high, color=look[row].color, alpha=0.12, linewidth=0
                )
        axis.set_title(plain(task, 42 if columns > 1 else 90), color=PAPER.ink, loc="left")
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.xaxis.set_major_formatter(
            FuncFormatter(lambda x, _: f"{x / 1000:g}k" if x >= 1000 else f"{x:g}")
        )
        axis.set_xlim(left=0)
        if place + columns >= len(tasks):
            axis.set_xlabel("gradient updates", color=PAPER.ink)
        if place % columns == 0:
            axis.set_ylabel("score", color=PAPER.ink)
        _dress(axis, "y")
    for axis in axes.flat[len(tasks) :]:
        axis.set_visible(False)
    _legend(figure, summary, summary.order, look, 5)
    return figure


def _line(look: Look) -> dict[str, Any]:
    return {"color": look.color, "linestyle": look.dash, "marker": look.marker, "markersize": 2.6}


def _dress(axis: Axes, grid: str) -> None:
    dress(axis, PAPER, grid)
    axis.tick_params(labelsize=6.5, pad=2)


def _legend(
    figure: Figure, summary: Summary, rows: Sequence[Row], look: Mapping[Row, Look], columns: int
) -> None:
    names = _labels(summary, rows)
    longest = max(map(len, names), default=0)
    columns = max(1, min(columns, int(figure.get_figwidth() * 19 / (longest + 9))))  # letters per inch
    handles = [Line2D([], [], label=name, **_line(look[row])) for row, name in zip(rows, names, strict=True)]
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=columns, fontsize=6.5, frameon=False,
            handlelength=2.6, labelspacing=0.25, columnspacing=1.2, labelcolor=PAPER.ink,
        )  # fmt: skip


def _labels(summary: Summary, rows: Sequence[Row]) -> list[str]:
    return [plain(label(summary.scores, row, diverged=True), 34) for row in rows]
