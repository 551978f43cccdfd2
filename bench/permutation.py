"""A permutation test of the difference between two algorithms, paired where they share seeds.

A training seed determines the batches, the noise, the start states and the luck of the environments, for
every algorithm alike. So two runs of one seed on one task are a pair: if the algorithms did not differ,
each of the two scores could as well be the other's. Runs whose seed the other algorithm lacks are exchanged
among themselves, within their task. Exact where there are few arrangements, else over drawn ones.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.scores import Row, Scores
from bench.streams import stream

ARRANGEMENTS = 20_000  # up to so many are all looked at; of more, so many are drawn
BATCH = 2_000  # arrangements at a time, for the memory
EQUAL = 1e-9  # statistics that differ by less than this, on the scale 0..1, are the same number


@dataclass(frozen=True)
class Permutation:
    """The mean over tasks of A's mean minus B's mean, and how unusual it is if A and B do not differ."""

    value: float  # scale 0..1
    p: float  # two-sided; NaN where nothing can be exchanged
    pairs: int  # runs of A with a partner of the same task and seed
    singles: int  # runs of both without one
    arrangements: int  # how many there are
    exact: bool

    @property
    def least(self) -> float:
        """The smallest p that so many runs permit, about; without ties, two arrangements are extreme."""
        return min(1.0, 2 / self.arrangements) if self.exact else 1 / (ARRANGEMENTS + 1)


@dataclass(frozen=True)
class _Group:
    """Runs of one task without partners; `first` of them count for A."""

    scores: np.ndarray
    first: int
    size_a: int  # all runs of A and of B on the task, pairs included
    size_b: int

    def value(self, chosen: np.ndarray) -> np.ndarray:
        """The sum of the chosen (..., first) for A, minus that of the others for B, in parts of the means."""
        own = self.scores[chosen].sum(-1)
        return own / self.size_a - (self.scores.sum() - own) / self.size_b


def permutation_test(a: np.ndarray, b: np.ndarray, *name: str) -> Permutation:
    """Test A against B, scores (S, T) with one line per seed, the same for both; NaN where there is none.

    Tasks that one of them lacks are left out. `name` names the stream that draws arrangements.
    """
    both = ~(np.isnan(a).all(0) | np.isnan(b).all(0))
    tasks = int(both.sum())
    if not tasks:
        return Permutation(math.nan, math.nan, 0, 0, 1, True)
    swaps: list[float] = []  # what the statistic gains when the scores of a pair are swapped
    groups: list[_Group] = []
    value, pairs, singles = 0.0, 0, 0
    for x, y in zip(a[:, both].T, b[:, both].T, strict=True):
        paired = ~np.isnan(x) & ~np.isnan(y)
        alone_x, alone_y = (each[~np.isnan(each) & ~paired] for each in (x, y))
        n, m = int((~np.isnan(x)).sum()), int((~np.isnan(y)).sum())
        value += float(np.nanmean(x) - np.nanmean(y))
        pairs += int(paired.sum())
        singles += len(alone_x) + len(alone_y)
        swaps += ((y[paired] - x[paired]) * (1 / n + 1 / m)).tolist()
        if len(alone_x) and len(alone_y):
            groups.append(_Group(np.concatenate([alone_x, alone_y]), len(alone_x), n, m))
    count = 2 ** len(swaps) * math.prod(math.comb(len(g.scores), g.first) for g in groups)
    exact = count <= ARRANGEMENTS
    if count == 1:
        return Permutation(value / tasks, math.nan, pairs, singles, 1, True)
    changes = _all(swaps, groups) if exact else _drawn(swaps, groups, *name)
    extreme = total = 0
    for change in changes:
        extreme += int((np.abs(value + change) >= abs(value) - EQUAL * tasks).sum())
        total += len(change)
    # drawn arrangements do not contain the one that was observed, so it is added: p is never 0
    p = extreme / total if exact else (extreme + 1) / (total + 1)
    return Permutation(value / tasks, p, pairs, singles, count, exact)


def permutation_of(scores: Scores, a: Row, b: Row, task: str | None = None) -> Permutation:
    """The test of two rows over all tasks that both have, or on one task; the same p either way round.

    Tasks whose runs are not comparable are left out.
    """
    first, second = sorted((a, b))
    tasks = [each for each in scores.tasks if task in (None, each) and each not in scores.flagged]
    seeds = sorted({*scores.seeds(a), *scores.seeds(b)})
    x, y = (_aligned(scores, row, seeds, tasks) for row in (first, second))
    found = permutation_test(x, y, scores.suite, first.label, second.label, *tasks)
    sign = 1 if first == a else -1
    return Permutation(
        sign * found.value, found.p, found.pairs, found.singles, found.arrangements, found.exact
    )


def _aligned(scores: Scores, row: Row, seeds: list[int], tasks: list[str]) -> np.ndarray:
    """Scores (S, T) with one line per seed, whether the row has it or not."""
    found = [scores.cells.get((row, task), {}) for task in tasks]
    return np.array([[cells[s].score if s in cells else math.nan for cells in found] for s in seeds])


def _all(swaps: list[float], groups: list[_Group]) -> Iterator[np.ndarray]:
    """What every arrangement adds to the statistic; the observed one adds 0."""
    changes = np.zeros(1)
    for gain in swaps:
        changes = np.concatenate([changes, changes + gain])
    for group in groups:
        every = np.array(list(itertools.combinations(range(len(group.scores)), group.first)))
        added = group.value(every) - group.value(np.arange(group.first))
        changes = (changes[:, None] + added).ravel()
    yield changes


def _drawn(swaps: list[float], groups: list[_Group], *name: str) -> Iterator[np.ndarray]:
    """The same for arrangements that are drawn, some at a time."""
    random = stream("permutation", *name)
    gains = np.array(swaps)
    for _ in range(ARRANGEMENTS // BATCH):
        packed = np.frombuffer(random.bytes(BATCH * -(-len(gains) // 8)), np.uint8).reshape(BATCH, -1)
        swapped = np.unpackbits(packed, axis=1, count=len(gains))
        changes = swapped.astype(float) @ gains
        for group in groups:
            order = np.argsort(random.random((BATCH, len(group.scores))), 1)
            changes = changes + group.value(order[:, : group.first]) - group.value(np.arange(group.first))
        yield changes
