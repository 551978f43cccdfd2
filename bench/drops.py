"""Whether the scores of some seeds are worse than those of other seeds by more than a margin.

On one task p is the largest of three, each of which guards against what the others overlook:

- Welch's and Student's one-sided t tests of the difference of the means minus the margin. Each group is
  judged by the spread of its own cell alone: in offline RL the spread of one cell says nothing about that
  of another (on the diagnostic suite half of the standard deviations are below 1 point, a tenth above 40).
- The bound for seeds that either learn or fail. Where the baseline's seeds happen to learn and those here
  happen to fail, no spread is seen at all; with 5 and 5 seeds that happens in up to 1 of 1024 cases without
  any change. So p is at least the chance, under the worst share of failing seeds, of a separation as large
  as that which the best threshold finds (Barnard's unconditional test, 1945), where the margin is lost
  already: as many points as `margin` are that share of seeds, if one learns 100 points or none.

Ordinary permutation tests are no help here: 5 and 5 seeds have no p below 1/252. Seeds are not paired:
seeds share batches and start states with their namesakes, but after a change of rounding alone training
leads elsewhere, and pairs would halve the degrees of freedom. Where they do agree the test errs on the safe
side. All cells together are corrected by Holm's method (`differences.holm`).
"""

import math
from functools import lru_cache

import numpy as np
from scipy.special import stdtr
from scipy.stats import binom

from bench.welch import EQUAL, constant

SHARES = np.linspace(0, 1, 401)  # of seeds that learn


def drop_p(base: np.ndarray, here: np.ndarray, margin: float) -> float:
    """One-sided p for: the mean of `base` (n,) exceeds the mean of `here` (m,) by no more than `margin`.

    Scores and margin have the same unit. NaN where a group has fewer than 2 seeds.
    """
    if min(len(base), len(here)) < 2:
        return math.nan
    excess = float(base.mean() - here.mean()) - margin
    if constant(base) and constant(here):
        by_spread = 0.0 if excess > EQUAL else 1.0
    else:
        by_spread = max(_welch(base, here, excess), _student(base, here, excess))
    return max(by_spread, _separation(base, here, margin))


def smallest_p(n: int, m: int, margin: float) -> float:
    """The least that `drop_p` can be for n and m seeds and a margin in points: (1 + margin / 100)^(2 n) / 4^n
    where n = m, such as 1/630 for 5 seeds and a margin of 5.
    """
    return float(_learned_or_failed(n, m, margin)[n, 0])


def _welch(base: np.ndarray, here: np.ndarray, excess: float) -> float:
    n, m = len(base), len(here)
    of_base, of_here = base.var(ddof=1) / n, here.var(ddof=1) / m
    freedom = (of_base + of_here) ** 2 / (of_base**2 / (n - 1) + of_here**2 / (m - 1))
    return float(stdtr(freedom, -excess / math.sqrt(of_base + of_here)))


def _student(base: np.ndarray, here: np.ndarray, excess: float) -> float:
    n, m = len(base), len(here)
    pooled = ((n - 1) * base.var(ddof=1) + (m - 1) * here.var(ddof=1)) / (n + m - 2)
    return float(stdtr(n + m - 2, -excess / math.sqrt(pooled * (1 / n + 1 / m))))


def _separation(base: np.ndarray, here: np.ndarray, margin: float) -> float:
    """The bound for the threshold that tells the groups apart best."""
    table = _learned_or_failed(len(base), len(here), margin)
    thresholds = np.concatenate([base, here])[:, None] - EQUAL
    return float(table[(base >= thresholds).sum(1), (here >= thresholds).sum(1)].min())


@lru_cache
def _learned_or_failed(n: int, m: int, margin: float) -> np.ndarray:
    """Entry (x, y) of (n + 1, m + 1): the chance of shares that differ by x/n - y/m or more, for x of n and y
    of m successes, where those of n are more probable by `margin` percent, under the worst probability.
    """
    likely, less = (np.clip(SHARES + shift, 0, 1)[:, None, None] for shift in (margin / 100, 0))
    x, y = np.arange(n + 1)[:, None], np.arange(m + 1)
    chances = binom.pmf(x, n, likely) * binom.pmf(y, m, less)
    ahead = x / n - y / m
    order = np.argsort(-ahead, axis=None)
    reached = (
        chances.reshape(len(SHARES), -1)[:, order].cumsum(1).max(0)
    )  # by so many entries, the best first
    last = np.searchsorted(-ahead.ravel()[order], -ahead.ravel() + EQUAL, side="right") - 1
    return reached[last].reshape(n + 1, m + 1)
