"""How many seeds a comparison needs: the power of a t test, with the standard deviations that were seen.

K groups of seeds, such as two algorithms on one task, or on each of several tasks. Scores are on 0..1.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.special import nctdtr, stdtrit

POWER = 0.8  # the probability to find the difference, with the number of seeds that is named


def standard_error(variances: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Standard error of a sum or difference of K means of `sizes` seeds each, and its degrees of freedom
    (Welch-Satterthwaite). At least one variance is above 0.
    """
    parts = np.asarray(variances, float) / sizes
    total = parts.sum()
    return math.sqrt(total), float(total**2 / (parts**2 / (np.asarray(sizes) - 1)).sum())


def power(effect: float, freedom: float, alpha: float) -> float:
    """The probability that a two-sided t test at level alpha finds an effect, given in standard errors.

    The chance of finding it with the wrong sign is not counted.
    """
    critical = float(stdtrit(freedom, 1 - alpha / 2))
    if effect > critical + 10:  # certain; the noncentral distribution fails for large effects
        return 1.0
    return float(1 - nctdtr(freedom, effect, critical))


def seeds_to_add(variances: np.ndarray, sizes: np.ndarray, margin: float, alpha: float) -> int:
    """How many seeds each of K groups needs besides its own, at least 1, so that the t test at level alpha
    finds a true difference of `margin` with a probability of POWER, if the variances stay as observed.
    """

    def enough(more: int) -> bool:
        error, freedom = standard_error(variances, np.asarray(sizes) + more)
        return power(margin / error, freedom, alpha) >= POWER

    return smallest(enough)


def smallest(enough: Callable[[int], bool]) -> int:
    """The smallest number from 1 on that is enough; from there on all are."""
    high = 1
    while not enough(high):
        high *= 2
    low = high // 2  # not enough, or 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
