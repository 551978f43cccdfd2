"""Plots that answer to a reader, as Plotly figures: plain data that a page carries as JSON.

The script of the pages adds the colours of everything that is not data. Plotly reads a little HTML in texts,
so every name is escaped.
"""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.leaderboard.cost import Point, front
from bench.leaderboard.curves import Curve
from bench.leaderboard.plots import PALETTE, Look, plain
from bench.metrics import METRICS
from bench.report import label
from bench.scores import Row, Scores
from bench.stats import THRESHOLDS, Summary

Figure = dict[str, Any]
_DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
_MARKERS = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down",
    "P": "cross", "X": "x",
}  # fmt: skip


def intervals(summary: Summary, look: Mapping[Row, Look]) -> Figure:
    """One panel per aggregate, the algorithms below one another."""
    rows = [row for row in summary.order if row in summary.aggregates][::-1]  # the first line is at the top
    traces, layout = [], _layout(90 + 26 * max(len(rows), 3))
    for number, metric in enumerate(METRICS):
        suffix = "" if number == 0 else str(number + 1)
        found = [summary.aggregates[row][metric] for row in rows]
        traces.append({
            "type": "scatter", "mode": "markers", "xaxis": f"x{suffix}", "yaxis": "y", "showlegend": False,
            "x": [_points(e.value) for e in found],
            "y": [_name(summary.scores, row) for row in rows],
            "marker": {"color": [look[row].color for row in rows], "size": 9, "symbol": "line-ns-open",
                       "line": {"width": 3}},
            "error_x": {"type": "data", "symmetric": False, "thickness": 7, "width": 0,
                        "color": "rgba(120,130,140,0.45)",
                        "array": [_points(e.high - e.value) for e in found],
                        "arrayminus": [_points(e.value - e.low) for e in found]},
            "text": [_said(e.value, e.low, e.high) for e in found],
            "hovertemplate": "%{y}: %{text}<extra></extra>",
        })  # fmt: skip
        width = 1 / len(METRICS)
        layout[f"xaxis{suffix}"] = {
            "domain": [round(number * width, 4), round((number + 0.86) * width, 4)],
            "title": {"text": metric + (" (lower is better)" if metric == "Optimality gap" else "")},
        }
    layout["yaxis"] = {"automargin": True, "type": "category"}
    return {"data": traces, "layout": layout}


def profiles(summary: Summary, look: Mapping[Row, Look]) -> Figure:
    """Fraction of runs above a score, with bands."""
    rows = [row for row in summary.order if row in summary.profiles]
    layout = _layout(max(430, 120 + 20 * len(rows))) | {  # the legend has a line for each
        "xaxis": {"title": {"text": "score s"}, "range": [0, 120]},
        "yaxis": {"title": {"text": "fraction of runs with a score above s"}, "range": [0, 1.02]},
        "hovermode": "x",
    }
    traces: list[Figure] = []
    for row in rows:
        value, low, high = summary.profiles[row][:, ::2]
        name = _name(summary.scores, row)
        traces += _line(name, look[row], 100 * THRESHOLDS[::2], value, low, high, digits=3)
    return {"data": traces, "layout": layout}


def curves(scores: Scores, found: Sequence[tuple[Row, Curve]], look: Mapping[Row, Look]) -> Figure:
    """Mean score over seeds against gradient updates, with bands."""
    layout = _layout(max(480, 120 + 20 * len(found))) | {
        "xaxis": {"title": {"text": "gradient updates"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "score"}},
        "hovermode": "x",
    }
    traces: list[Figure] = []
    for row, c in found:
        traces += _line(
            _name(scores, row), look[row], c.steps, 100 * c.mean, 100 * c.low, 100 * c.high, digits=2
        )
    return {"data": traces, "layout": layout}


def seeds(lines: Mapping[str, Sequence[tuple[int, float]]], mean: Sequence[tuple[int, float]]) -> Figure:
    """Score (0..1) of every seed of a run at every evaluation, and their mean."""
    traces: list[Figure] = []
    for name, line, width in [*((name, line, 1) for name, line in lines.items()), ("mean", mean, 3)]:
        traces.append({
            "type": "scatter", "mode": "lines", "name": name, "x": [step for step, _ in line],
            "y": [_points(score) for _, score in line], "opacity": 1 if width > 1 else 0.65,
            "line": {"width": width, "color": PALETTE[0] if width > 1 else "#8C8C8C"},
            "hovertemplate": "%{fullData.name}: %{y}<extra></extra>",
        })  # fmt: skip
    layout = _layout(300) | {
        "xaxis": {"title": {"text": "gradient updates"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "score"}},
        "hovermode": "x",
    }
    return {"data": traces, "layout": layout}


def pareto(scores: Scores, found: list[Point], look: Mapping[Row, Look], axis: str) -> Figure:
    """Score against cost on a logarithmic axis; a line joins those that nothing beats in both."""
    best = front(found)
    traces: list[Figure] = [{
        "type": "scatter", "mode": "lines", "name": "Pareto front", "hoverinfo": "skip",
        "line": {"shape": "hv", "color": "#8C8C8C", "width": 1.5, "dash": "dot"},
        "x": [_round(p.cost) for p in best], "y": [_points(p.score.value) for p in best],
    }]  # fmt: skip
    for p in found:
        traces.append({
            "type": "scatter", "mode": "markers", "name": _name(scores, p.row),
            "x": [_round(p.cost)], "y": [_points(p.score.value)],
            "marker": {"color": look[p.row].color, "symbol": _MARKERS[look[p.row].marker], "size": 11},
            "error_y": {"type": "data", "symmetric": False, "thickness": 1.5, "width": 3,
                        "array": [_points(p.score.high - p.score.value)],
                        "arrayminus": [_points(p.score.value - p.score.low)]},
            "text": [_said(p.score.value, p.score.low, p.score.high)],
            "hovertemplate": "%{fullData.name}: %{text} at %{x}<extra></extra>",
        })  # fmt: skip
    layout = _layout(430) | {
        "xaxis": {"title": {"text": axis}, "type": "log", **_ticks([p.cost for p in found])},
        "yaxis": {"title": {"text": "score: IQM"}},
    }
    return {"data": traces, "layout": layout}


def _ticks(costs: Sequence[float]) -> Figure:
    """Marks of a logarithmic axis at 1, 2 and 5 of every power of ten around the costs."""
    low, high = math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs)))
    values = [_round(lead * 10.0**power) for power in range(low - 1, high + 1) for lead in (1, 2, 5)]
    return {"tickmode": "array", "tickvals": values, "ticktext": [f"{value:g}" for value in values]}


def _layout(height: int) -> Figure:
    return {"height": height, "margin": {"l": 60, "r": 20, "t": 36, "b": 50}}


def _line(
    name: str, look: Look, x: np.ndarray, value: np.ndarray, low: np.ndarray, high: np.ndarray, digits: int
) -> list[Figure]:
    """A line and its band, which share an entry of the legend."""
    kept = ~(np.isnan(low) | np.isnan(high))
    xs = [_round(float(v)) for v in x]
    line: Figure = {
        "type": "scatter", "mode": "lines", "name": name, "legendgroup": name, "x": xs,
        "y": _rounded(value, digits), "line": {"color": look.color, "dash": _DASHES[look.dash], "width": 2},
        "hovertemplate": "%{fullData.name}: %{y}<extra></extra>",
    }  # fmt: skip
    if not kept.any():
        return [line]
    inside = [v for v, k in zip(xs, kept, strict=True) if k]
    band: Figure = {
        "type": "scatter", "mode": "lines", "legendgroup": name, "showlegend": False, "hoverinfo": "skip",
        "x": inside + inside[::-1], "y": _rounded(high[kept], digits) + _rounded(low[kept], digits)[::-1],
        "fill": "toself", "fillcolor": _faint(look.color), "line": {"width": 0},
    }  # fmt: skip
    return [band, line]


def _faint(color: str) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.14)"


def _name(scores: Scores, row: Row) -> str:
    return html.escape(plain(label(scores, row, diverged=True)), quote=False)


def _said(value: float, low: float, high: float) -> str:
    interval = "" if math.isnan(low) else f" [{100 * low:z.1f}, {100 * high:z.1f}]"
    return f"{100 * value:z.1f}{interval}"


def _rounded(numbers: np.ndarray, digits: int) -> list[float | None]:
    return [None if math.isnan(n) else round(float(n), digits) + 0.0 for n in numbers]


def _points(score: float) -> float | None:
    return None if math.isnan(score) else round(100 * score, 2) + 0.0


def _round(number: float) -> float:
    return float(f"{number:.6g}")
