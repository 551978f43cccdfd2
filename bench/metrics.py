"""The numbers that rliable defines (Agarwal et al. 2021, arXiv 2108.13264), for all replicates at once.

`scores` are (S, T) where every replicate draws from the same numbers, or (R, S, T) where each has its own;
NaN is a missing seed. `counts` (T, R, S) say how often replicate r of R has drawn seed s of S on task t
of T; a missing seed has count 0. Tasks may have different numbers of seeds. The scale is 0..1.
"""

from collections.abc import Callable, Mapping

import numpy as np


def everyone(scores: np.ndarray) -> np.ndarray:
    """Counts (T, 1, S) of the data (S, T) themselves: every seed that is there, once."""
    return (~np.isnan(scores)).T[:, None, :].astype(np.uint16)


def task_means(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over seeds, (T, R); NaN for a task without seeds."""
    if scores.ndim == 2:
        total = (counts @ np.nan_to_num(scores.T)[:, :, None])[:, :, 0]
    else:
        total = (counts * np.nan_to_num(scores.transpose(2, 0, 1))).sum(2)
    drawn = counts.sum(2, dtype=float)
    return np.divide(total, drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0)


def mean(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean of the task means, (R,)."""
    return task_means(scores, counts).mean(0)


def median(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Median of the task means, (R,)."""
    return np.median(task_means(scores, counts), axis=0)


def optimality_gap(scores: np.ndarray, counts: np.ndarray, gamma: float = 1.0) -> np.ndarray:
    """gamma minus the mean of the scores, those above gamma counted as gamma, (R,); every task has the same
    weight.
    """
    return gamma - mean(np.minimum(scores, gamma), counts)


def iqm(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Interquartile mean, (R,): the mean of all runs of all tasks without the lowest and highest quarter.

    Every task has the same weight: where tasks differ in their number of seeds, a run counts the more the
    fewer its task has. Otherwise seeds that lack on a hard task would raise the number. Like
    scipy.stats.trim_mean, each side loses the whole part of a quarter of the runs.
    """
    pooled = _pooled(scores)
    order = np.argsort(pooled, 1)  # NaN last, where the counts are 0
    drawn = _flat(_balanced(counts))
    drawn = drawn[:, order[0]] if len(order) == 1 else np.take_along_axis(drawn, order, 1)
    rank = drawn.cumsum(1, dtype=drawn.dtype)
    total = counts.sum((0, 2), dtype=np.int32)[:, None]  # exact, unlike a sum of weights
    cut = total // 4
    kept = np.diff(rank.clip(cut, total - cut), axis=1, prepend=cut)
    values = np.nan_to_num(np.take_along_axis(pooled, order, 1))
    return (kept * values).sum(1) / (total - 2 * cut)[:, 0]


def profile(scores: np.ndarray, counts: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Performance profile (R, K): the fraction of runs above each of the K ascending thresholds, mean over
    tasks. What rliable calls the score distribution.
    """
    weights = _flat(counts / counts.sum(2, keepdims=True, dtype=float) / len(counts))
    pooled = _pooled(scores)
    if len(pooled) == 1:
        return weights @ (pooled[0][:, None] > thresholds).astype(float)  # False for NaN
    places = np.searchsorted(thresholds, pooled)  # how many thresholds a score is above
    width = len(thresholds) + 1
    where = (places + width * np.arange(len(pooled))[:, None]).ravel()
    mass = np.bincount(where, weights.ravel(), minlength=width * len(pooled)).reshape(-1, width)
    return mass[:, ::-1].cumsum(1)[:, -2::-1]


def average_profile(scores: np.ndarray, counts: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The fraction of tasks whose mean is above each threshold, (R, K); rliable's average score distribution.

    Unlike `profile` it is biased by the number of seeds: a mean of few seeds varies more.
    """
    means = task_means(scores, counts)
    above = sum((task[:, None] > thresholds).astype(float) for task in means)
    return above / len(means)


def improvement(x: np.ndarray, y: np.ndarray, counts_x: np.ndarray, counts_y: np.ndarray) -> np.ndarray:
    """P(X > Y), (R,): how often a run of X beats a run of Y on the same task, ties half, mean over tasks.

    The same number as the Mann-Whitney statistic divided by the number of pairs.
    """
    pairs = counts_x.sum(2, dtype=float) * counts_y.sum(2)  # (T, R)
    return (_wins(x, y, counts_x, counts_y) / pairs).mean(0)


def _wins(x: np.ndarray, y: np.ndarray, counts_x: np.ndarray, counts_y: np.ndarray) -> np.ndarray:
    if x.ndim == 2:
        left, right = x.T[:, :, None], y.T[:, None, :]
        beats = (left > right) + 0.5 * (left == right)  # (T, Sx, Sy)
        return ((counts_x @ beats) * counts_y).sum(2)
    wins = np.zeros(counts_x.shape[:2])
    for i in range(x.shape[1]):  # one seed of X at a time bounds the memory
        left, right = x[:, i].T[:, :, None], y.transpose(2, 0, 1)
        beats = (left > right) + 0.5 * (left == right)  # (T, R, Sy)
        wins += counts_x[:, :, i] * (beats * counts_y).sum(2)
    return wins


def _balanced(counts: np.ndarray) -> np.ndarray:
    """The counts (T, R, S), or weights that add up to as much and are equal for all tasks with seeds."""
    seeds = counts.sum(2, dtype=np.int32)  # (T, R)
    if (seeds == seeds[0]).all():
        return counts.astype(np.int32)
    each = seeds.sum(0) / (seeds > 0).sum(0)
    return counts * np.divide(each, seeds, out=np.zeros(seeds.shape), where=seeds > 0)[:, :, None]


def _pooled(scores: np.ndarray) -> np.ndarray:
    """Scores as (1 or R, T * S)."""
    batch = scores if scores.ndim == 3 else scores[None]
    return batch.transpose(0, 2, 1).reshape(len(batch), -1)


def _flat(counts: np.ndarray) -> np.ndarray:
    """Counts or weights as (R, T * S)."""
    return counts.transpose(1, 0, 2).reshape(counts.shape[1], -1)


Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]
METRICS: Mapping[str, Metric] = {
    "IQM": iqm, "Median": median, "Mean": mean, "Optimality gap": optimality_gap,
}  # fmt: skip
LOWER_IS_BETTER = {"Optimality gap"}
