"""Welch's t interval and test (Welch 1947) for a difference of means, on one task or over several.

They assume neither equal variances nor equal numbers of seeds. Percentiles of a bootstrap are too narrow for
five seeds, Welch's interval is not. Shapes: S seeds, T tasks. Scores are on the scale 0..1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from bench.power import standard_error

ALPHA = 0.05  # an interval has the level 1 - ALPHA
EQUAL = 1e-9  # scores that differ by less than this, on the scale 0..1, are the same number


@dataclass(frozen=True)
class Welch:
    """Mean of A minus mean of B; low, high and p (two-sided, uncorrected) are NaN where there is none."""

    value: float
    low: float
    high: float
    p: float


def welch(a: np.ndarray, b: np.ndarray) -> Welch:
    """Welch's t interval and test for the difference of the means of a (n,) and b (m,).

    One seed has no spread, so there is no interval and no p. Where neither group varies there is no
    interval either: a width of 0 would claim certainty. Then p is that of the exact permutation test,
    2 / (n + m choose n), which is as small as n and m seeds permit; 1 where the groups are equal.
    """
    found = welch_over([a], [b])
    if min(len(a), len(b)) < 2 or not (constant(a) and constant(b)):
        return found
    p = 1.0 if abs(found.value) <= EQUAL else permutation_p(len(a), len(b))
    return Welch(found.value, math.nan, math.nan, p)


def welch_over(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> Welch:
    """The same for the mean over T tasks of the differences of the means of a[t] (n,) and b[t] (m,).

    The tasks are fixed: it is what new seeds on them would show, whatever the tasks have in common. Degrees
    of freedom by Satterthwaite (1946) over the 2 T groups. Neither an interval nor p where a group has
    fewer than two seeds, or where no group varies.
    """
    groups = [*a, *b]
    if not all(map(len, groups)):
        return Welch(math.nan, math.nan, math.nan, math.nan)
    value = float(np.mean([x.mean() - y.mean() for x, y in zip(a, b, strict=True)]))
    if min(map(len, groups)) < 2 or all(map(constant, groups)):
        return Welch(value, math.nan, math.nan, math.nan)
    variances = np.array([group.var(ddof=1) for group in groups]) / len(a) ** 2
    error, freedom = standard_error(variances, np.array([len(group) for group in groups]))
    half = float(stdtrit(freedom, 1 - ALPHA / 2)) * error
    return Welch(value, value - half, value + half, float(2 * stdtr(freedom, -abs(value) / error)))


def permutation_p(n: int, m: int) -> float:
    """Two-sided p where every one of n seeds beats every one of m, all equal among themselves."""
    return min(1.0, 2 / math.comb(n + m, n))


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
