"""Every pair of algorithms: tests over all tasks, corrected together, and tasks won, tied and lost."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.bootstrap import REPLICATES, draw, draw_tasks
from bench.overall import by_task, improvement_of, mean_difference, overall_verdict
from bench.permutation import Permutation, permutation_of
from bench.scores import Row, Scores
from bench.stats import Estimate
from bench.welch import ALPHA, holm, welch


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
    p: float  # of the difference; see bench.overall
    p_holm: float  # the same, corrected for all pairs
    p_pairs_holm: float  # of the permutation test, corrected for all pairs
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
    means, better = [], []
    for (a, b, has), found in zip(common, permuted, strict=True):
        chosen = draw_tasks(replicates, bootstrap, scores.suite, [scores.tasks[t] for t in has])
        matrices = [scores.matrix(row)[:, has] for row in (a, b)]
        both = [draws[row].on(has).over(chosen) for row in (a, b)]
        means.append(mean_difference(matrices, both, found, bootstrap))
        better.append(improvement_of(matrices, both))
    corrected, permuted_corrected = holm([each.p for each in means]), holm([each.p for each in permuted])
    tests = sum(not math.isnan(p) for p in corrected)
    pairs = []
    for (a, b, has), found, difference, above, p, p_pairs in zip(
        common, permuted, means, better, corrected, permuted_corrected, strict=True
    ):
        groups = [columns[row][t] for row in (a, b) for t in has]
        verdict = overall_verdict(groups, difference.estimate, p, margin, tests)
        record = win_record(columns[a], columns[b])
        pairs.append(
            Pair(a, b, len(has), difference.estimate, above, found, difference.p, p, p_pairs, record, verdict)
        )
    return AllPairs(scores, margin, replicates, bootstrap, pairs, apart)


def _columns(scores: Scores, row: Row) -> list[np.ndarray]:
    """The scores of the row's seeds on each task that are there; none where runs are not comparable."""
    matrix = scores.matrix(row).reshape(-1, len(scores.tasks))
    matrix[:, [task in scores.flagged for task in scores.tasks]] = np.nan
    return by_task(matrix)


def _mean_score(columns: Sequence[np.ndarray]) -> float:
    known = [float(column.mean()) for column in columns if len(column)]
    return float(np.mean(known)) if known else -math.inf
