"""Every pair of algorithms: tests over all tasks, corrected together, and tasks won, tied and lost."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.bootstrap import REPLICATES, Draws, draw, draw_tasks, interval
from bench.differences import ALPHA, EQUAL, holm, improvement_of, welch
from bench.metrics import everyone, mean
from bench.permutation import Permutation, permutation_of
from bench.power import POWER, seeds_to_add
from bench.scores import Row, Scores
from bench.stats import Estimate


@dataclass(frozen=True)
class WinRecord:
    """Tasks that the first of a pair won, tied and lost; a task without a test is not counted."""

    wins: int
    ties: int
    losses: int

    def __str__(self) -> str:
        return f"{self.wins} / {self.ties} / {self.losses}"


@dataclass(frozen=True)
class Pair:
    """A against B over all tasks that both have."""

    a: Row
    b: Row
    tasks: int
    difference: Estimate  # of the means over tasks, scale 0..1
    improvement: Estimate  # P(A > B)
    permutation: Permutation
    p_holm: float  # of the permutation test, corrected for all pairs
    record: WinRecord
    verdict: str


@dataclass(frozen=True)
class AllPairs:
    """Every pair of a suite; A is the one with the higher mean score over the tasks that both have."""

    scores: Scores
    margin: float  # differences of this size (scale 0..1) are of interest
    replicates: int
    bootstrap: str
    pairs: Sequence[Pair]
    apart: Sequence[tuple[Row, Row]]  # pairs without a common task

    @property
    def tests(self) -> int:
        return sum(not math.isnan(pair.p_holm) for pair in self.pairs)


def win_records(scores: Scores, rows: Sequence[Row]) -> dict[tuple[Row, Row], WinRecord]:
    """The record of every ordered pair of rows; see `win_record`."""
    columns = {row: _columns(scores, row) for row in rows}
    result = {}
    for x, y in itertools.combinations(rows, 2):
        record = win_record(columns[x], columns[y])
        result[x, y] = record
        result[y, x] = WinRecord(record.losses, record.ties, record.wins)
    return result


def win_record(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> WinRecord:
    """Tasks won, tied and lost by A; a, b: the scores (S,) of the seeds on each task.

    Won or lost: Welch's test, corrected by Holm's method for the tasks of this pair, has p of at most ALPHA.
    """
    found = [welch(x, y) for x, y in zip(a, b, strict=True)]
    corrected = holm([each.p for each in found])
    told = [each.value for each, p in zip(found, corrected, strict=True) if p <= ALPHA]
    wins = sum(value > 0 for value in told)
    tests = sum(not math.isnan(p) for p in corrected)
    return WinRecord(wins, tests - len(told), len(told) - wins)


def compare_all(
    scores: Scores, margin: float, replicates: int = REPLICATES, bootstrap: str = "seeds"
) -> AllPairs:
    """Every pair of rows over the tasks that both have. bootstrap: one of BOOTSTRAPS."""
    columns = {row: _columns(scores, row) for row in scores.rows}
    draws = {row: draw(scores, row, replicates, bootstrap) for row in scores.rows}
    order = sorted(scores.rows, key=lambda row: (-_mean_score(columns[row]), row))
    common, apart = [], []
    for a, b in itertools.combinations(order, 2):
        has = [t for t, (x, y) in enumerate(zip(columns[a], columns[b], strict=True)) if len(x) and len(y)]
        if has:
            own, other = (_mean_score([columns[row][t] for t in has]) for row in (a, b))
            common.append((a, b, has) if own >= other else (b, a, has))
        else:
            apart.append((a, b))
    permuted = [permutation_of(scores, a, b) for a, b, _ in common]
    corrected = holm([each.p for each in permuted])
    tests = sum(not math.isnan(p) for p in corrected)
    pairs = []
    for (a, b, has), found, p in zip(common, permuted, corrected, strict=True):
        chosen = draw_tasks(replicates, bootstrap, scores.suite, [scores.tasks[t] for t in has])
        both = [draws[row].on(has).over(chosen) for row in (a, b)]
        matrices = [scores.matrix(row)[:, has] for row in (a, b)]
        difference = _difference(matrices, both)
        verdict = _verdict([columns[row][t] for row in (a, b) for t in has], difference, p, margin, tests)
        record = win_record(columns[a], columns[b])
        better = improvement_of(matrices, both)
        pairs.append(Pair(a, b, len(has), difference, better, found, p, record, verdict))
    return AllPairs(scores, margin, replicates, bootstrap, pairs, apart)


def _columns(scores: Scores, row: Row) -> list[np.ndarray]:
    """The scores of the row's seeds on each task that are there; none where runs are not comparable."""
    matrix = scores.matrix(row).reshape(-1, len(scores.tasks))
    matrix[:, [task in scores.flagged for task in scores.tasks]] = np.nan
    return [column[~np.isnan(column)] for column in matrix.T]


def _mean_score(columns: Sequence[np.ndarray]) -> float:
    known = [float(column.mean()) for column in columns if len(column)]
    return float(np.mean(known)) if known else -math.inf


def _difference(matrices: Sequence[np.ndarray], draws: Sequence[Draws]) -> Estimate:
    a, b = (float(mean(matrix, everyone(matrix))[0]) for matrix in matrices)
    if not all(each.known for each in draws):
        return Estimate(a - b, math.nan, math.nan)
    first, second = (mean(each.scores, each.counts) for each in draws)
    low, high = interval(first - second)
    return Estimate(a - b, float(low), float(high))


def _verdict(
    groups: Sequence[np.ndarray], difference: Estimate, p_holm: float, margin: float, tests: int
) -> str:
    """What may be said of a pair; `groups` are the seeds of A on each task, then those of B."""
    points = f"{100 * margin:g}"
    if p_holm <= ALPHA:
        return "differs"
    if min(map(len, groups)) < 2:
        return "too few seeds: 2 of each on every task are the least"
    variances = np.array([group.var(ddof=1) for group in groups]) / (len(groups) / 2) ** 2
    if math.sqrt(variances.max()) <= EQUAL:
        return "too few seeds for the test (no seed varies)"
    if -margin < difference.low and difference.high < margin:
        return f"no difference seen of {points} or more"
    if difference.low > 0 or difference.high < 0:
        return "unclear: the interval excludes 0, the corrected test does not"
    more = seeds_to_add(variances, np.array([len(group) for group in groups]), margin, ALPHA / tests)
    return f"too few seeds: {more} more per task would find a difference of {points} with {POWER:.0%} power"
