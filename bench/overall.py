"""Whether two algorithms differ over several tasks: tests, intervals and verdicts.

The verdict is on the mean, by Welch's test over the 2 T groups of seeds (bench.welch). Simulated with five
seeds on six tasks, it calls 4 to 5% of equal algorithms different; percentiles of the bootstrap exclude 0 in
8 to 9% of them. The paired permutation test cannot replace it: swapping runs also swaps what the algorithms
gain and lose on different tasks, so that it misses differences of the means where each wins some tasks. It
stands in where Welch's does not exist. tests/simulations/overall.py repeats the numbers.

Shapes: S seeds, T tasks. Scores are on the scale 0..1.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.bootstrap import Draws, interval
from bench.metrics import everyone, improvement, iqm, mean
from bench.permutation import Permutation
from bench.power import POWER, seeds_to_add
from bench.stats import Estimate
from bench.welch import ALPHA, constant, welch_over

Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class OverallDifference:
    """Two algorithms over all tasks that both have, for one aggregate."""

    name: str
    a: float
    b: float
    difference: Estimate
    p: float  # not corrected; NaN for all but the mean
    improvement: Estimate
    verdict: str


@dataclass(frozen=True)
class MeanDifference:
    """The difference of the means over tasks, and how unusual it is if there is none."""

    estimate: Estimate
    p: float  # not corrected; NaN where there is no test


def by_task(matrix: np.ndarray) -> list[np.ndarray]:
    """The scores of the seeds on each task that are there, from the scores (S, T)."""
    return [column[~np.isnan(column)] for column in matrix.T]


def mean_difference(
    matrices: Sequence[np.ndarray], draws: Sequence[Draws], permuted: Permutation, bootstrap: str
) -> MeanDifference:
    """A against B from their scores (S, T), draws and permutation test on the same tasks.

    The interval is Welch's, or from the draws where the bootstrap is not the one over seeds: intervals for
    other tasks, or for these very policies, are not its business.
    """
    found = welch_over(*map(by_task, matrices))
    p = permuted.p if math.isnan(found.p) else found.p
    if bootstrap == "seeds":
        return MeanDifference(Estimate(found.value, found.low, found.high), p)
    return MeanDifference(_drawn(mean, matrices, draws), p)


def improvement_of(matrices: Sequence[np.ndarray], draws: Sequence[Draws]) -> Estimate:
    """P(A > B), mean over tasks, from the scores (S, T) of both and their draws of the same tasks."""
    x, y = matrices
    value = float(improvement(x, y, everyone(x), everyone(y))[0])
    first, second = draws
    if not (first.known and second.known):
        return Estimate(value, math.nan, math.nan)
    drawn = improvement(first.scores, second.scores, first.counts.astype(float), second.counts)
    low, high = interval(drawn)
    return Estimate(value, float(low), float(high))


def overall_differences(
    matrices: Sequence[np.ndarray],
    draws: Sequence[Draws],
    permuted: Permutation,
    margin: float,
    bootstrap: str,
) -> list[OverallDifference]:
    """A against B for the mean and for the IQM, from their scores (S, T), draws and permutation test."""
    better = improvement_of(matrices, draws)
    found = mean_difference(matrices, draws, permuted, bootstrap)
    groups = [group for matrix in matrices for group in by_task(matrix)]
    words = overall_verdict(groups, found.estimate, found.p, margin)
    middle = _drawn(iqm, matrices, draws)
    return [
        OverallDifference("mean", *_values(mean, matrices), found.estimate, found.p, better, words),
        OverallDifference("IQM", *_values(iqm, matrices), middle, math.nan, better, _zero(middle)),
    ]


def overall_verdict(
    groups: Sequence[np.ndarray], difference: Estimate, p: float, margin: float, tests: int = 1
) -> str:
    """What may be said of the means; `groups` are the seeds of A on each task, then those of B.

    p: corrected for `tests` tests. Both it and the interval must speak for a difference.
    """
    points = f"{100 * margin:g}"
    if p <= ALPHA:
        contains = difference.low <= 0 <= difference.high
        return "unclear: the test finds a difference, the interval contains 0" if contains else "differs"
    if min(map(len, groups)) < 2:
        return "too few seeds: 2 of each on every task are the least"
    if all(map(constant, groups)):
        return "too few seeds for the test (no seed varies)"
    if -margin < difference.low and difference.high < margin:
        return f"no difference seen of {points} or more"
    if difference.low > 0 or difference.high < 0:
        return "unclear: the interval excludes 0, the corrected test does not"
    variances = np.array([group.var(ddof=1) for group in groups]) / (len(groups) / 2) ** 2
    more = seeds_to_add(variances, np.array([len(group) for group in groups]), margin, ALPHA / tests)
    return f"too few seeds: {more:,} more per task would find a difference of {points} with {POWER:.0%} power"


def _values(metric: Metric, matrices: Sequence[np.ndarray]) -> tuple[float, float]:
    a, b = (float(metric(matrix, everyone(matrix))[0]) for matrix in matrices)
    return a, b


def _drawn(metric: Metric, matrices: Sequence[np.ndarray], draws: Sequence[Draws]) -> Estimate:
    """A minus B with the percentiles of the draws."""
    a, b = _values(metric, matrices)
    if not all(each.known for each in draws):
        return Estimate(a - b, math.nan, math.nan)
    first, second = (metric(each.scores, each.counts) for each in draws)
    low, high = interval(first - second)
    return Estimate(a - b, float(low), float(high))


def _zero(difference: Estimate) -> str:
    if math.isnan(difference.low) or difference.low == difference.high:
        return "no interval"
    return "the interval contains 0" if difference.low <= 0 <= difference.high else "the interval excludes 0"
