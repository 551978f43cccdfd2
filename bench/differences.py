"""Whether two algorithms differ: the difference of their mean scores on each task and over all tasks.

Welch's t interval and test (bench.welch) decide. The p-values of the tasks are corrected together by Holm's
method (1979): under it the chance that even one of several equal tasks is called different is at most 5%.
The paired permutation test (bench.permutation) stands beside them. It cannot be the verdict on one task: five
pairs permit no p below 2/32. Nor over tasks (bench.overall): where each algorithm wins some it sees nothing.

Shapes: S seeds, T tasks. Scores are on the scale 0..1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.bootstrap import REPLICATES, draw, draw_tasks
from bench.overall import OverallDifference, by_task, improvement_of, overall_differences
from bench.permutation import Permutation, permutation_of
from bench.power import POWER, seeds_to_add, smallest
from bench.scores import Row, Scores
from bench.stats import Estimate
from bench.welch import ALPHA, Welch, constant, holm, permutation_p, welch

NOTHING = Estimate(math.nan, math.nan, math.nan)


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
    return smallest(lambda more: permutation_p(n + more, m + more) <= ALPHA / tests)


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
    return f"too few seeds: {more:,} more of each would find a difference of {points} with {POWER:.0%} power"


def compare(
    scores: Scores, a: Row, b: Row, margin: float, replicates: int = REPLICATES, bootstrap: str = "seeds"
) -> Comparison:
    """Everything about A against B; `scores` hold these two rows. bootstrap: one of BOOTSTRAPS.

    Tasks whose runs are not comparable get neither a difference nor a part in the aggregates.
    """
    tasks = scores.tasks
    matrices = [scores.matrix(row).reshape(-1, len(tasks)) for row in (a, b)]  # (S, T), S may be 0
    draws = [draw(scores, row, replicates, bootstrap) for row in (a, b)]
    columns = [by_task(matrix) for matrix in matrices]
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
    everything = permutation_of(scores, a, b)
    overall: Sequence[OverallDifference] = ()
    if both:
        chosen = draw_tasks(replicates, bootstrap, scores.suite, [tasks[t] for t in both])
        shared = [each.on(both).over(chosen) for each in draws]
        matrices = [each[:, both] for each in matrices]
        overall = overall_differences(matrices, shared, everything, margin, bootstrap)
    return Comparison(scores, a, b, margin, replicates, result, overall, everything, bootstrap)


def _absent(a: Row, b: Row, x: np.ndarray, y: np.ndarray) -> str:
    lacking = [row.label for row, scores in ((a, x), (b, y)) if not len(scores)]
    return f"no scores of {' and '.join(lacking)}"
