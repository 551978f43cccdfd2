"""The plots of the leaderboard. Equal statistics give equal bytes, and names are shown as plain text.

SVG files carry a style sheet for light and dark pages; PNG files have a white background.
"""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.leaderboard.curves import Curve, overall
from bench.metrics import METRICS
from bench.report import label
from bench.scores import Row
from bench.stats import THRESHOLDS, Estimate, Summary

# Okabe and Ito's palette for all kinds of colour vision (2008), without black and yellow, which vanish
# on a dark or on a light page; grey is added.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
DASHES: Final = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Look:
    """How one row is drawn, everywhere."""

    color: str
    dash: Literal["-", "--", ":", "-."]
    marker: str


@dataclass(frozen=True)
class Theme:
    """Colours of everything that is not data."""

    ink: str
    grid: str


PAPER = Theme(ink="#24292f", grid="#d8dce0")
# stand-ins that `save_svg` replaces by variables of the style sheet, which follow the reader's page
_VARIABLE = Theme(ink="#010203", grid="#040506")
_SHEET = (
    "<style>:root{--ink:#24292f;--grid:#d8dce0}"
    "@media (prefers-color-scheme:dark){:root{--ink:#d5dae0;--grid:#3a4048}}</style>"
)
_RC: Any = {
    "svg.hashsalt": "bench",  # otherwise the identifiers inside an SVG are random
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
}


def looks(rows: Iterable[Row]) -> dict[Row, Look]:
    """One colour and marker per algorithm, in alphabetical order; its variants differ in dash."""
    rows = sorted(set(rows))
    algorithms = sorted({row.algorithm for row in rows})
    result = {}
    for number, algorithm in enumerate(algorithms):
        turn, color = divmod(number, len(PALETTE))  # more algorithms than colours: the next dash and marker
        marker = MARKERS[(number + turn) % len(MARKERS)]
        for variant, row in enumerate(row for row in rows if row.algorithm == algorithm):
            result[row] = Look(PALETTE[color], DASHES[(turn + variant) % len(DASHES)], marker)
    return result


def save(draw: Callable[[Theme], Figure], stem: Path) -> None:
    """Write the figure as `stem`.svg and `stem`.png."""
    save_svg(draw, stem.with_name(stem.name + ".svg"))
    save_png(draw, stem.with_name(stem.name + ".png"))


def save_svg(draw: Callable[[Theme], Figure], svg: Path) -> None:
    """Write the figure as SVG in the colours of the reader's page."""
    with mpl.rc_context(_RC):
        draw(_VARIABLE).savefig(svg, transparent=True, metadata={"Date": None, "Creator": None})
        text = svg.read_text(encoding="utf-8")
        head, start, rest = text.partition(" <defs>\n")
        text = head + _SHEET + start + rest
        for name in ("ink", "grid"):
            text = text.replace(getattr(_VARIABLE, name), f"var(--{name})")
        svg.write_text(text, encoding="utf-8")


def save_png(draw: Callable[[Theme], Figure], path: Path) -> None:
    """Write the figure as PNG on white."""
    with mpl.rc_context(_RC):
        draw(PAPER).savefig(path, dpi=150, facecolor="white", metadata={"Software": None})


def intervals(summary: Summary, look: Mapping[Row, Look], theme: Theme) -> Figure:
    """One panel per aggregate, one bar per algorithm: its 95% interval, with a mark at the value."""
    rows = [row for row in summary.order if row in summary.aggregates]
    figure = Figure(figsize=(10, 0.9 + 0.34 * max(len(rows), 2)), layout="constrained")
    axes = figure.subplots(1, len(METRICS), sharey=True)
    for axis, metric in zip(axes, METRICS, strict=True):
        _bars(axis, rows, [summary.aggregates[row][metric] for row in rows], look, theme)
        axis.set_yticks(range(len(rows)), _labels(summary, rows))
        arrow = "lower is better" if metric == "Optimality gap" else "higher is better"
        axis.set_title(metric, color=theme.ink, fontsize=10, loc="left", fontweight="bold")
        axis.set_xlabel(f"score, {arrow}", color=theme.ink, fontsize=8)
    return figure


def _bars(
    axis: Axes, rows: Sequence[Row], estimates: Sequence[Estimate], look: Mapping[Row, Look], theme: Theme
) -> None:
    for place, (row, e) in enumerate(zip(rows, estimates, strict=True)):
        color = look[row].color
        if not np.isnan(e.low):
            axis.barh(place, 100 * (e.high - e.low), 0.56, 100 * e.low, color=color, alpha=0.55, linewidth=0)
        axis.plot([100 * e.value] * 2, [place - 0.36, place + 0.36], color=color, linewidth=2.2)
    axis.use_sticky_edges = False  # room beside the outermost bars
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    dress(axis, theme, "x")
    axis.tick_params(axis="y", length=0)


def profiles(summary: Summary, look: Mapping[Row, Look], theme: Theme) -> Figure:
    """Fraction of runs above a score, for every score."""
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axis = figure.subplots()
    rows = [row for row in summary.order if row in summary.profiles]
    for row in rows:
        value, low, high = summary.profiles[row]
        axis.plot(100 * THRESHOLDS, value, color=look[row].color, linestyle=look[row].dash, linewidth=1.8)
        axis.fill_between(100 * THRESHOLDS, low, high, color=look[row].color, alpha=0.15, linewidth=0)
    axis.set(xlim=(0, 100 * THRESHOLDS[-1]), ylim=(0, 1.02))
    axis.set_xlabel("score s", color=theme.ink)
    axis.set_ylabel("fraction of runs with a score above s", color=theme.ink)
    dress(axis, theme, "both")
    _legend(figure, summary, rows, look, theme, beside=True)
    return figure


MOST_PANELS = 12


def curves(
    summary: Summary, found: Mapping[tuple[Row, str], Curve], look: Mapping[Row, Look], theme: Theme
) -> Figure:
    """One panel per task: mean score over seeds against gradient updates. Of more than MOST_PANELS tasks a
    single panel: the mean over the tasks, of rows whose tasks were all evaluated at the same steps.
    """
    tasks = summary.scores.tasks
    if len(tasks) > MOST_PANELS:
        averaged = {row: overall(found, row, tasks) for row in summary.order}
        lines = [(row, c) for row, c in averaged.items() if c is not None]
        return one_panel(summary, lines, look, f"mean of {len(tasks)} tasks", theme)
    columns = min(3, len(tasks))
    lines_of_panels = -(-len(tasks) // columns)
    size = (max(3.3 * columns, 5), 2.3 * lines_of_panels + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(lines_of_panels, columns, squeeze=False, sharey=True)
    for place, (axis, task) in enumerate(zip(axes.flat, tasks, strict=False)):
        drawn = [(row, found[row, task]) for row in summary.order if (row, task) in found]
        _panel(axis, drawn, look, textwrap.fill(plain(task, 80), 36), theme)  # a panel is that wide
        if place + columns >= len(tasks):  # nothing below
            axis.set_xlabel("gradient updates", color=theme.ink, fontsize=8.5)
        if place % columns == 0:
            axis.set_ylabel("score", color=theme.ink, fontsize=8.5)
    for axis in axes.flat[len(tasks) :]:
        axis.set_visible(False)
    _legend(figure, summary, summary.order, look, theme, beside=False)
    return figure


def one_panel(
    summary: Summary, lines: Sequence[tuple[Row, Curve]], look: Mapping[Row, Look], title: str, theme: Theme
) -> Figure:
    """Learning curves in one panel, with the legend beside it."""
    figure = Figure(figsize=(7.4, max(3.6, 0.6 + 0.19 * len(lines))), layout="constrained")
    axis = figure.subplots()
    _panel(axis, lines, look, textwrap.fill(plain(title, 80), 60), theme)
    axis.set_xlabel("gradient updates", color=theme.ink, fontsize=8.5)
    axis.set_ylabel("score", color=theme.ink, fontsize=8.5)
    _legend(figure, summary, [row for row, _ in lines], look, theme, beside=True)
    return figure


def _panel(
    axis: Axes, lines: Sequence[tuple[Row, Curve]], look: Mapping[Row, Look], title: str, theme: Theme
) -> None:
    for row, found in lines:
        _line(axis, found, look[row])
    axis.set_title(title, color=theme.ink, fontsize=9, loc="left", fontweight="bold")
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.xaxis.set_major_formatter(FuncFormatter(_thousands))
    axis.set_xlim(left=0)
    dress(axis, theme, "y")


def _line(axis: Axes, c: Curve, look: Look) -> None:
    axis.plot(c.steps, 100 * c.mean, color=look.color, linestyle=look.dash, linewidth=1.6)
    axis.fill_between(c.steps, 100 * c.low, 100 * c.high, color=look.color, alpha=0.13, linewidth=0)
    every = max(1, len(c.steps) // 8)
    axis.plot(c.steps[::-every], 100 * c.mean[::-every], look.marker, color=look.color, markersize=4)


def overview(summary: Summary, look: Mapping[Row, Look], theme: Theme) -> Figure:
    """The picture of a README: IQM with intervals, and beside it the mean score on each task."""
    rows, tasks = summary.order, summary.scores.tasks
    figure = Figure(figsize=(8, 1.7 + 0.3 * max(len(rows), 3)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, max(1.2, min(2.2, 0.3 * len(tasks)))))
    nothing = Estimate(np.nan, np.nan, np.nan)
    found = [summary.aggregates[row]["IQM"] if row in summary.aggregates else nothing for row in rows]
    _bars(left, rows, found, look, theme)
    left.set_yticks(range(len(rows)), _labels(summary, rows))
    left.set_title(
        "IQM over all tasks, 95% interval", color=theme.ink, fontsize=9, loc="left", fontweight="bold"
    )
    values = np.array(
        [[100 * summary.tasks.get((row, task), nothing).value for task in tasks] for row in rows]
    )
    # pale enough everywhere for dark numbers
    shades = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#9cc7e4"])
    right.imshow(values, cmap=shades, vmin=0, vmax=100, aspect="auto", interpolation="nearest")
    if len(tasks) <= 12:
        for (i, j), value in np.ndenumerate(values):
            text = "–" if np.isnan(value) else f"{value:z.0f}"
            text += "†" * (summary.scores.diverged(rows[i], tasks[j]) > 0)
            right.text(j, i, text, ha="center", va="center", color=theme.ink, fontsize=8.5)
    right.set_title("mean score on each task", color=theme.ink, fontsize=9, loc="left", fontweight="bold")
    names = [plain(task) for task in tasks]
    right.set_xticks(range(len(tasks)), names, rotation=30, ha="right", rotation_mode="anchor")
    right.tick_params(length=0, colors=theme.ink, labelleft=False)
    right.spines[:].set_visible(False)
    left.set_xlabel("score: 0 uniformly random, 100 best known", color=theme.ink, fontsize=8)
    return figure


def dress(axis: Axes, theme: Theme, grid: str) -> None:
    """Axes in the colours of the theme, with a grid behind the data along `grid` (x, y or both)."""
    axis.set_facecolor("none")
    axis.set_axisbelow(True)
    axis.grid(True, axis=grid, color=theme.grid, linewidth=0.7)  # type: ignore[arg-type]
    axis.tick_params(colors=theme.ink, labelsize=8.5, length=0)
    for spine in axis.spines.values():
        spine.set_color(theme.grid)


def _legend(
    figure: Figure,
    summary: Summary,
    rows: Sequence[Row],
    look: Mapping[Row, Look],
    theme: Theme,
    beside: bool,
) -> None:
    """A legend outside of all panels, where it never covers data."""
    labels = _labels(summary, rows)
    handles = [
        Line2D(
            [], [], color=look[row].color, linestyle=look[row].dash, linewidth=1.8,
            marker=None if beside else look[row].marker, markersize=4, label=name,
        )
        for row, name in zip(rows, labels, strict=True)
    ]  # fmt: skip
    if handles and beside:
        figure.legend(
            handles=handles, loc="outside right upper", handlelength=3, frameon=False, labelcolor=theme.ink
        )
    elif handles:
        letters = int(10.2 * figure.get_figwidth())  # that fit side by side
        columns = min(len(rows), max(1, letters // (8 + max(map(len, labels)))))
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=columns,
            handlelength=3,
            frameon=False,
            labelcolor=theme.ink,
        )


def _labels(summary: Summary, rows: Sequence[Row]) -> list[str]:
    return [plain(label(summary.scores, row, diverged=True)) for row in rows]


def plain(text: str, longest: int = 40) -> str:
    """A name that XML can hold and that leaves room for the plot."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _thousands(steps: float, _: int) -> str:
    if steps >= 1e6:
        return f"{steps / 1e6:g}M"
    return f"{steps / 1e3:g}k" if steps >= 1e3 else f"{steps:g}"
