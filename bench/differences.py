"""Whether two algorithms differ: the difference of their mean scores on each task and over all tasks.

On one task: Welch's t interval and test (Welch 1947), which assume neither equal variances nor equal
numbers of seeds. Percentiles of a bootstrap are too narrow for five seeds, Welch's interval is not. The
p-values of the tasks are corrected together by Holm's method (1979): under it the chance that even one of
several equal tasks is called different is at most 5%.
The paired permutation test (bench.permutation) stands beside it. It cannot be the verdict on one task: five
pairs permit no p below 2/32. Over all tasks it has many pairs, and needs no assumption on their scores.

Shapes: S seeds, T tasks. Scores are on the scale 0..1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from bench.bootstrap import REPLICATES, Draws, draw, draw_tasks, interval
from bench.metrics import everyone, improvement, iqm, mean
from bench.permutation import Permutation, permutation_of
from bench.power import POWER, seeds_to_add, smallest, standard_error
from bench.scores import Row, Scores
from bench.stats import Estimate

ALPHA = 0.05  # an interval has the level 1 - ALPHA
NOTHING = Estimate(math.nan, math.nan, math.nan)
EQUAL = 1e-9  # scores that differ by less than this, on the scale 0..1, are the same number


@dataclass(frozen=True)
class Welch:
    """Mean of A minus mean of B; low, high and p (two-sided, uncorrected) are NaN where there is none."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class TaskDifference:
    """Two algorithms on one task; a and b are the scores of their seeds, without missing ones."""

    task: str
    a: np.ndarray  # (S,)
    b: np.ndarray  # (S,), of seeds of its own
    welch: Welch
    p_holm: float  # corrected for all tasks of the comparison that have a p
    permutation: Permutation  # its p is not corrected
    improvement: Estimate  # P(A > B)
    verdict: str


@dataclass(frozen=True)
class OverallDifference:
    """Two algorithms over all tasks that both have, for one aggregate."""

    name: str
    a: float
    b: float
    difference: Estimate
    improvement: Estimate
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """A against B. margin: differences of this size (scale 0..1) are of interest."""

    scores: Scores
    a: Row
    b: Row
    margin: float
    replicates: int
    tasks: Sequence[TaskDifference]
    overall: Sequence[OverallDifference]  # none where no task has both
    permutation: Permutation  # of the difference of the means over all tasks that both have
    bootstrap: str


def welch(a: np.ndarray, b: np.ndarray) -> Welch:
    """Welch's t interval and test for the difference of the means of a (n,) and b (m,).

    One seed has no spread, so there is no interval and no p. Where neither group varies there is no
    interval either: a width of 0 would claim certainty. Then p is that of the exact permutation test,
    2 / (n + m choose n), which is as small as n and m seeds permit; 1 where the groups are equal.
    """
    if not len(a) or not len(b):
        return Welch(math.nan, math.nan, math.nan, math.nan)
    value = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return Welch(value, math.nan, math.nan, math.nan)
    if constant(a) and constant(b):
        p = 1.0 if abs(value) <= EQUAL else _permutation_p(len(a), len(b))
        return Welch(value, math.nan, math.nan, p)
    error, freedom = standard_error(np.array([a.var(ddof=1), b.var(ddof=1)]), np.array([len(a), len(b)]))
    half = float(stdtrit(freedom, 1 - ALPHA / 2)) * error
    return Welch(value, value - half, value + half, float(2 * stdtr(freedom, -abs(value) / error)))


def constant(scores: np.ndarray) -> bool:
    """Whether all seeds have the same score, up to rounding."""
    return bool(np.ptp(scores) <= EQUAL)


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for being several (Holm 1979); NaN stays NaN and does not count as a test."""
    values = np.asarray(p, float)
    order = np.argsort(values)[: int((~np.isnan(values)).sum())]  # NaN last
    raised = values[order] * np.arange(len(order), 0, -1)
    result = np.full(len(values), np.nan)
    result[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return result.tolist()


def more_seeds(a: np.ndarray, b: np.ndarray, margin: float, tests: int = 1) -> int:
    """How many seeds each of two algorithms needs besides a (n,) and b (m,), at least 1, so that Welch's
    test finds a true difference of `margin` with a probability of POWER if the standard deviations stay as
    observed.

    The test is at the level ALPHA / tests, the strictest that Holm's method asks for. Standard deviations of
    few seeds are uncertain themselves, so this is a guide. Raises ValueError for fewer than 2 seeds or where
    neither group varies.
    """
    if min(len(a), len(b)) < 2 or (constant(a) and constant(b)):
        raise ValueError("the standard deviations are not known")
    variances, sizes = np.array([a.var(ddof=1), b.var(ddof=1)]), np.array([len(a), len(b)])
    return seeds_to_add(variances, sizes, margin, ALPHA / tests)


def more_constant_seeds(n: int, m: int, tests: int) -> int:
    """How many seeds each of two algorithms needs besides n and m, at least 1, so that the permutation
    test can find a difference among `tests` tasks where no seed of a group varies.
    """
    return smallest(lambda more: _permutation_p(n + more, m + more) <= ALPHA / tests)


def verdict(a: np.ndarray, b: np.ndarray, found: Welch, p_holm: float, margin: float, tests: int = 1) -> str:
    """What may be said about one task, in words; `tests` is how many tasks have a p.

    differs: the corrected p is at most 5%. no difference seen of X or more: the (uncorrected) interval lies
    inside ±margin. Otherwise there are too few seeds, and how many more are needed.
    """
    points = f"{100 * margin:g}"
    if p_holm <= ALPHA:
        return "differs"
    if min(len(a), len(b)) < 2:
        return "too few seeds: 2 of each are the least"
    if constant(a) and constant(b):
        if abs(found.value) < margin:
            return f"no difference seen of {points} or more (no seed varies)"
        more = more_constant_seeds(len(a), len(b), tests)
        return f"too few seeds: {more} more of each would be needed (no seed varies)"
    if -margin < found.low and found.high < margin:
        return f"no difference seen of {points} or more"
    more = more_seeds(a, b, margin, tests)
    return f"too few seeds: {more} more of each would find a difference of {points} with {POWER:.0%} power"


def compare(
    scores: Scores, a: Row, b: Row, margin: float, replicates: int = REPLICATES, bootstrap: str = "seeds"
) -> Comparison:
    """Everything about A against B; `scores` hold these two rows. bootstrap: one of BOOTSTRAPS.

    Tasks whose runs are not comparable get neither a difference nor a part in the aggregates.
    """
    tasks = scores.tasks
    matrices = [scores.matrix(row).reshape(-1, len(tasks)) for row in (a, b)]  # (S, T), S may be 0
    draws = [draw(scores, row, replicates, bootstrap) for row in (a, b)]
    columns = [[column[~np.isnan(column)] for column in matrix.T] for matrix in matrices]
    found = [
        welch(x, y) if task not in scores.flagged else Welch(math.nan, math.nan, math.nan, math.nan)
        for task, x, y in zip(tasks, *columns, strict=True)
    ]
    corrected = holm([each.p for each in found])
    tests = sum(not math.isnan(p) for p in corrected)
    both = [
        t
        for t, (task, x, y) in enumerate(zip(tasks, *columns, strict=True))
        if len(x) and len(y) and task not in scores.flagged
    ]
    result = []
    for t, (task, x, y) in enumerate(zip(tasks, *columns, strict=True)):
        better = NOTHING
        if t in both:
            better = improvement_of([each[:, [t]] for each in matrices], [each.on([t]) for each in draws])
            words = verdict(x, y, found[t], corrected[t], margin, tests)
        else:
            words = _absent(a, b, x, y) if not (len(x) and len(y)) else "not comparable ‡"
        permuted = permutation_of(scores, a, b, task)
        result.append(TaskDifference(task, x, y, found[t], corrected[t], permuted, better, words))
    overall: Sequence[OverallDifference] = ()
    if both:
        chosen = draw_tasks(replicates, bootstrap, scores.suite, [tasks[t] for t in both])
        shared = [each.on(both).over(chosen) for each in draws]
        overall = _overall([each[:, both] for each in matrices], shared, margin)
    everything = permutation_of(scores, a, b)
    return Comparison(scores, a, b, margin, replicates, result, overall, everything, bootstrap)


def _permutation_p(n: int, m: int) -> float:
    """Two-sided p where every one of n seeds beats every one of m, all equal among themselves."""
    return min(1.0, 2 / math.comb(n + m, n))


def _absent(a: Row, b: Row, x: np.ndarray, y: np.ndarray) -> str:
    lacking = [row.label for row, scores in ((a, x), (b, y)) if not len(scores)]
    return f"no scores of {' and '.join(lacking)}"


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


def _overall(
    matrices: Sequence[np.ndarray], draws: Sequence[Draws], margin: float
) -> list[OverallDifference]:
    better = improvement_of(matrices, draws)
    first, second = draws
    result = []
    for name, metric in (("mean", mean), ("IQM", iqm)):
        a, b = (float(metric(matrix, everyone(matrix))[0]) for matrix in matrices)
        low = high = np.array(math.nan)
        if first.known and second.known:
            low, high = interval(metric(first.scores, first.counts) - metric(second.scores, second.counts))
        difference = Estimate(a - b, float(low), float(high))
        result.append(OverallDifference(name, a, b, difference, better, _overall_verdict(difference, margin)))
    return result


def _overall_verdict(difference: Estimate, margin: float) -> str:
    points = f"{100 * margin:g}"
    if math.isnan(difference.low):
        return "too few seeds: 2 of each on every task are the least"
    if difference.high == difference.low:
        return "no interval (no seed varies)"
    if difference.low > 0 or difference.high < 0:
        return "differs"
    if -margin < difference.low and difference.high < margin:
        return f"no difference seen of {points} or more"
    return f"too few seeds to see or to exclude a difference of {points}"
