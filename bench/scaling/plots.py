"""The figure of test-time scaling: score against network evaluations, and against milliseconds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from bench.leaderboard.plots import DASHES, MARKERS, PALETTE, Theme, dress, plain
from bench.scaling.axes import Pairs
from bench.scaling.points import Point

DODGE = 0.1  # octaves between neighbours in colour, so that equal costs do not hide each other


class Keys:
    """What panel, colour and marker stand for: a training value, the first test axes, the last one."""

    def __init__(self, points: Sequence[Point], axes: Sequence[str]) -> None:
        self.axis, self.lines_of = axes[-1], axes[:-1]
        self.trains = list(dict.fromkeys(point.train for point in points))
        self.lines = list(dict.fromkeys(map(self.line, points)))
        self.values = sorted({self.value(point) for point in points})

    def line(self, point: Point) -> Pairs:
        """The setting without the option along which its line runs."""
        return tuple((option, value) for option, value in point.test if option in self.lines_of)

    def value(self, point: Point) -> Any:
        """Of the option along which its line runs."""
        return dict(point.test)[self.axis]

    def color(self, line: Pairs) -> str:
        return PALETTE[self.lines.index(line) % len(PALETTE)]

    def dash(self, line: Pairs) -> Any:
        """The largest setting is solid."""
        return DASHES[(len(self.lines) - 1 - self.lines.index(line)) % len(DASHES)]

    def marker(self, value: Any) -> str:
        return MARKERS[self.values.index(value) % len(MARKERS)]


def figure(points: Sequence[Point], axes: Sequence[str], title: str, theme: Theme) -> Figure:
    """The same scores against both costs, a column of panels for every training value (side by side where
    there is one); `axes` are the test-time options, the last runs along a line.
    """
    keys = Keys(points, axes)
    several = len(keys.trains) > 1
    rows, columns = (2, len(keys.trains)) if several else (1, 2)
    drawing = Figure(figsize=(1.8 + 2.6 * columns if several else 9, 2.9 * rows + 1), layout="constrained")
    panels = drawing.subplots(rows, columns, sharey=True, sharex="row" if several else False, squeeze=False)
    for number, train in enumerate(keys.trains):
        own = [point for point in points if point.train == train]
        first, second = panels[:, number] if several else panels[0]
        _panel(first, own, keys, lambda point: point.evaluations * _dodge(point, keys), theme)
        _panel(second, own, keys, lambda point: point.ms, theme)
        if several:
            first.set_title(
                plain(f"{_names(train)} = {_values(train)}"), color=theme.ink, fontsize=9, loc="left"
            )
        first.set_xlabel("network evaluations per action", color=theme.ink, fontsize=8.5)
        second.set_xlabel("milliseconds per action, one thread", color=theme.ink, fontsize=8.5)
        _doublings(first)
        second.set_xlim(0, 1.05 * max(point.ms for point in points))
    panels[0, 0].set_ylim(*_range(points))
    for row in panels:
        row[0].set_ylabel("score, mean over tasks", color=theme.ink, fontsize=8.5)
    drawing.suptitle(
        plain(f"{title}; 95% intervals", 100),
        color=theme.ink,
        fontsize=10,
        x=0.01,
        ha="left",
        fontweight="bold",
    )
    _legend(drawing, keys, theme)
    return drawing


def _doublings(panel: Axes) -> None:
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_locator(LogLocator(4, numticks=20))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:g}"))


def _range(points: Sequence[Point]) -> tuple[float, float]:
    """Of the score axis: from 0 to 100 at least, so that small differences look small."""
    estimates = [point.found.score for point in points]
    ends = [end for e in estimates for end in (e.value, e.low, e.high)]
    return min(0, 100 * np.nanmin(ends)) - 3, max(100, 100 * np.nanmax(ends)) + 3


def _dodge(point: Point, keys: Keys) -> float:
    """A factor near 1 that sets colours apart."""
    place = keys.lines.index(keys.line(point)) - (len(keys.lines) - 1) / 2
    return 2.0 ** (DODGE * place)


def _panel(
    panel: Axes, points: Sequence[Point], keys: Keys, cost: Callable[[Point], float], theme: Theme
) -> None:
    for line in keys.lines:
        own = sorted((point for point in points if keys.line(point) == line), key=keys.value)
        _line(panel, own, [cost(point) for point in own], keys)
    dress(panel, theme, "y")


def _line(panel: Axes, points: Sequence[Point], costs: Sequence[float], keys: Keys) -> None:
    """Points of one policy whose cost grows along one option, with their intervals."""
    if not points:
        return
    line = keys.line(points[0])
    color = keys.color(line)
    value, low, high = (
        100 * np.array([getattr(point.found.score, name) for point in points])
        for name in ("value", "low", "high")
    )
    panel.vlines(costs, low, high, color=color, alpha=0.3, linewidth=1.1)
    panel.plot(costs, value, color=color, linestyle=keys.dash(line), linewidth=1.3, alpha=0.9)
    for cost, height, point in zip(costs, value, points, strict=True):
        panel.plot(cost, height, keys.marker(keys.value(point)), color=color, markersize=4.5)


def _legend(drawing: Figure, keys: Keys, theme: Theme) -> None:
    """Beside the panels, where it never covers data: colours and markers, each under its option."""
    groups: dict[str, list[Line2D]] = {}
    if len(keys.lines) > 1:
        groups[_names(keys.lines[0])] = [
            _handle(_values(line), color=keys.color(line), linestyle=keys.dash(line), linewidth=1.6)
            for line in keys.lines
        ]
    groups[keys.axis] = [
        _handle(str(value), color=theme.ink, linestyle="", marker=keys.marker(value), markersize=5)
        for value in keys.values
    ]
    handles = [handle for head, group in groups.items() for handle in (_handle(head, linestyle=""), *group)]
    legend = drawing.legend(
        handles=handles, loc="outside right upper", frameon=False, labelcolor=theme.ink, fontsize=8.5,
        handlelength=2.6,
    )  # fmt: skip
    for text in legend.get_texts():
        if text.get_text() in groups:
            text.set_fontweight("bold")


def _handle(label: str, **style: Any) -> Line2D:
    return Line2D([], [], label=label, **style)


def _names(pairs: Pairs) -> str:
    return plain(", ".join(option for option, _ in pairs))


def _values(pairs: Pairs) -> str:
    return plain(", ".join(str(value) for _, value in pairs))
