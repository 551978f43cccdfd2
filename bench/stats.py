"""Scores -> statistics with 95% intervals, as defined by rliable (Agarwal et al. 2021, arXiv 2108.13264).

Intervals are percentiles of a stratified bootstrap: the seeds of every task are drawn with replacement
among themselves. A resample is stored as counts (T, R, S): how often replicate r of R has drawn seed s of
S on task t of T. Every statistic is then a product with the counts, which also carries over to tasks with
different numbers of seeds (a missing seed has count 0) and needs no loop over replicates.
The draws depend on the names of suite, row and task alone: neither on the global state of numpy nor on
which other rows and tasks are in the report.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bench.scores import Row, Scores
from bench.streams import stream

REPLICATES = 2000
LEVEL = (2.5, 97.5)  # percentiles of the replicates: a 95% interval
THRESHOLDS = np.linspace(0.0, 1.2, 121)  # scores at which a performance profile is drawn
FEW_SEEDS = 5  # below, percentile intervals are known to be too narrow


@dataclass(frozen=True)
class Estimate:
    """A statistic and its 95% interval; low and high are NaN where a task has a single seed."""

    value: float
    low: float
    high: float
    bold: bool = False  # the best, or not distinguishable from the best; see `embolden`


@dataclass(frozen=True)
class Summary:
    """All statistics of one suite. Scores are on the scale 0..1; the metrics are those of METRICS."""

    scores: Scores
    replicates: int
    order: list[Row]  # by IQM, the best first; rows without an aggregate last
    aggregates: Mapping[Row, Mapping[str, Estimate]]  # only rows that have every task
    tasks: Mapping[tuple[Row, str], Estimate]  # mean over the seeds of one task
    improvement: Mapping[tuple[Row, Row], Estimate]  # P(first > second), rows that have every task
    profiles: Mapping[Row, np.ndarray]  # (3, thresholds): fraction of runs above, low, high


def resample(present: np.ndarray, replicates: int, *name: str) -> np.ndarray:
    """Bootstrap indices (R, S, T) of seeds, drawn for each task among its own seeds.

    `present` (S, T) says which seeds a task has. A task with n seeds fills the first n places of
    axis 1; the others are -1. Column t is drawn from the stream of (*name, t-th name); `name` ends
    with one name per task.
    """
    tasks = present.shape[1]
    prefix, task_names = name[: len(name) - tasks], name[len(name) - tasks :]
    indices = np.full((replicates, *present.shape), -1)
    for t, task in enumerate(task_names):
        own = np.flatnonzero(present[:, t])
        if len(own):
            drawn = stream("bootstrap", *prefix, task).integers(len(own), size=(replicates, len(own)))
            indices[:, : len(own), t] = own[drawn]
    return indices


def tally(indices: np.ndarray) -> np.ndarray:
    """Indices (R, S, T) as counts (T, R, S), uint16: how often each seed was drawn; -1 is not counted."""
    replicates, seeds, tasks = indices.shape
    counts = np.empty((tasks, replicates, seeds), np.uint16)
    first = (seeds + 1) * np.arange(replicates)[:, None]
    for t in range(tasks):
        # index -1 falls into an extra place in front, which is cut off
        places = (first + indices[:, :, t] + 1).ravel()
        flat = np.bincount(places, minlength=replicates * (seeds + 1))
        counts[t] = flat.reshape(replicates, seeds + 1)[:, 1:]
    return counts


def task_means(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over seeds: scores (S, T) and counts (T, R, S) give (T, R); NaN for a task without seeds."""
    total = counts @ np.nan_to_num(scores.T)[:, :, None]
    drawn = counts.sum(2, dtype=float)
    return np.divide(total[:, :, 0], drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0)


def mean(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean of the task means, (R,)."""
    return task_means(scores, counts).mean(0)


def median(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Median of the task means, (R,)."""
    return np.median(task_means(scores, counts), axis=0)


def optimality_gap(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """1 minus the mean of the scores, those above 1 counted as 1, (R,); every task has the same weight."""
    return 1 - mean(np.minimum(scores, 1), counts)


def iqm(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Interquartile mean, (R,): the mean of all runs of all tasks without the lowest and highest quarter.

    The runs of all tasks are pooled, so a task with more seeds has more weight. Like
    scipy.stats.trim_mean, each side loses the whole part of a quarter of the runs.
    """
    pooled = scores.T.ravel()  # (T * S,)
    order = np.argsort(pooled)  # NaN last, where the counts are 0
    drawn = counts.transpose(1, 0, 2).reshape(counts.shape[1], -1)[:, order]  # (R, T * S)
    rank = drawn.cumsum(1, dtype=np.int32)
    total = rank[0, -1]
    cut = total // 4
    kept = np.diff(rank.clip(cut, total - cut), axis=1, prepend=cut)
    return kept @ np.nan_to_num(pooled[order]) / (total - 2 * cut)


def profile(scores: np.ndarray, counts: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Performance profile (R, thresholds): the fraction of runs above each threshold, mean over tasks."""
    above = (scores.T[:, :, None] > thresholds).astype(float)  # (T, S, thresholds), False for NaN
    weights = counts / counts.sum(2, keepdims=True, dtype=float) / len(counts)
    flat = weights.transpose(1, 0, 2).reshape(counts.shape[1], -1)
    return flat @ above.reshape(flat.shape[1], -1)


def improvement(x: np.ndarray, y: np.ndarray, counts_x: np.ndarray, counts_y: np.ndarray) -> np.ndarray:
    """P(X > Y), (R,): how often a run of X beats a run of Y on the same task, ties half, mean over tasks.

    The same number as the Mann-Whitney statistic divided by the number of pairs.
    """
    left, right = x.T[:, :, None], y.T[:, None, :]
    beats = (left > right) + 0.5 * (left == right)  # (T, Sx, Sy)
    wins = ((counts_x @ beats) * counts_y).sum(2)  # (T, R)
    return (wins / (counts_x.sum(2, dtype=float) * counts_y.sum(2))).mean(0)


Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]
METRICS: Mapping[str, Metric] = {
    "IQM": iqm, "Median": median, "Mean": mean, "Optimality gap": optimality_gap,
}  # fmt: skip
LOWER_IS_BETTER = {"Optimality gap"}


def everyone(scores: np.ndarray) -> np.ndarray:
    """Counts (T, 1, S) of the data themselves: every seed that is there, once."""
    return (~np.isnan(scores)).T[:, None, :].astype(np.uint16)


def interval(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95% percentile interval over axis 0 of replicates (R, ...)."""
    low, high = np.percentile(replicates, LEVEL, axis=0)
    return low, high


def embolden(
    estimates: Mapping[Row, Estimate], replicates: Mapping[Row, np.ndarray], lower: bool = False
) -> dict[Row, Estimate]:
    """Mark the best entry and every entry whose difference to it may be zero.

    May be zero: the 95% interval of the replicates' differences includes 0. Nothing is marked when
    that holds for every entry, or when the best has no interval.
    """
    known = {row: e.value for row, e in estimates.items() if not np.isnan(e.value)}
    if not known:
        return dict(estimates)
    best = (min if lower else max)(known, key=lambda row: known[row])
    bold = set()
    for row in known:
        low, high = interval(replicates[row] - replicates[best])
        if not np.isnan(estimates[row].low) and low <= 0 <= high:
            bold.add(row)
    if best not in bold or len(bold) == len(estimates):
        return dict(estimates)
    return {row: replace(e, bold=row in bold) for row, e in estimates.items()}


def summarize(scores: Scores, replicates: int = REPLICATES) -> Summary:
    """All statistics of a suite."""
    matrices = {row: scores.matrix(row) for row in scores.rows}
    counts = {
        row: tally(resample(~np.isnan(matrix), replicates, scores.suite, row.label, *scores.tasks))
        for row, matrix in matrices.items()
    }
    complete = [row for row in scores.rows if (~np.isnan(matrices[row])).any(0).all()]
    aggregates: dict[Row, dict[str, Estimate]] = {row: {} for row in complete}
    for name, metric in METRICS.items():
        drawn = {row: metric(matrices[row], counts[row]) for row in complete}
        found = {row: estimate_of(metric, matrices[row], drawn[row]) for row in complete}
        for row, estimate in embolden(found, drawn, name in LOWER_IS_BETTER).items():
            aggregates[row][name] = estimate
    order = sorted(complete, key=lambda row: (-aggregates[row]["IQM"].value, row))
    order += [row for row in scores.rows if row not in aggregates]
    return Summary(
        scores,
        replicates,
        order,
        aggregates,
        _by_task(scores, matrices, counts),
        _improvements(order[: len(complete)], matrices, counts),
        {row: _profile(matrices[row], counts[row]) for row in complete},
    )


def lone(matrix: np.ndarray) -> bool:
    """Whether some task has a single seed: resampling it shows no variation, so there is no interval."""
    return bool(((~np.isnan(matrix)).sum(0) < 2).any())


def estimate_of(metric: Metric, matrix: np.ndarray, drawn: np.ndarray) -> Estimate:
    """The metric of scores (S, T) with the interval of its replicates `drawn` (R,)."""
    value = float(metric(matrix, everyone(matrix))[0])
    if lone(matrix):
        return Estimate(value, np.nan, np.nan)
    low, high = interval(drawn)
    return Estimate(value, float(low), float(high))


def _by_task(
    scores: Scores, matrices: Mapping[Row, np.ndarray], counts: Mapping[Row, np.ndarray]
) -> dict[tuple[Row, str], Estimate]:
    result: dict[tuple[Row, str], Estimate] = {}
    drawn = {row: task_means(matrices[row], counts[row]) for row in scores.rows}
    for t, task in enumerate(scores.tasks):
        found = {
            row: estimate_of(mean, matrices[row][:, [t]], drawn[row][t])
            for row in scores.rows
            if not np.isnan(matrices[row][:, t]).all()
        }
        for row, estimate in embolden(found, {row: drawn[row][t] for row in found}).items():
            result[row, task] = estimate
    return result


def _improvements(
    rows: list[Row], matrices: Mapping[Row, np.ndarray], counts: Mapping[Row, np.ndarray]
) -> dict[tuple[Row, Row], Estimate]:
    result: dict[tuple[Row, Row], Estimate] = {}
    for i, x in enumerate(rows):
        counts_x = counts[x].astype(float)
        for y in rows[i + 1 :]:
            a, b = matrices[x], matrices[y]
            value = float(improvement(a, b, everyone(a), everyone(b))[0])
            low, high = map(float, interval(improvement(a, b, counts_x, counts[y])))
            if lone(a) or lone(b):
                low = high = np.nan
            bold = low > 0.5 or high < 0.5
            result[x, y] = Estimate(value, low, high, bold)
            result[y, x] = Estimate(1 - value, 1 - high, 1 - low, bold)
    return result


def _profile(matrix: np.ndarray, counts: np.ndarray) -> np.ndarray:
    value = profile(matrix, everyone(matrix), THRESHOLDS)[0]
    if lone(matrix):
        return np.stack([value, np.full_like(value, np.nan), np.full_like(value, np.nan)])
    return np.stack([value, *interval(profile(matrix, counts, THRESHOLDS))])
