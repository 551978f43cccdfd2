"""Scores -> statistics with 95% intervals, as defined by rliable (Agarwal et al. 2021, arXiv 2108.13264).

Intervals are percentiles of a stratified bootstrap: the seeds of every task are drawn with replacement
among themselves (bench.bootstrap has other ways). A resample is stored as counts (T, R, S): how often
replicate r of R has drawn seed s of S on task t of T. Every statistic is then a product with the counts,
which also carries over to tasks with different numbers of seeds (a missing seed has count 0) and needs no
loop over replicates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.bootstrap import REPLICATES, Draws, draw, draw_tasks, find_bootstrap, interval
from bench.metrics import (
    LOWER_IS_BETTER,
    METRICS,
    Metric,
    everyone,
    improvement,
    mean,
    profile,
    task_means,
)
from bench.ranks import mean_ranks, rank_shares, task_ranks
from bench.scores import Row, Scores

THRESHOLDS = np.linspace(0.0, 1.2, 121)  # scores at which a performance profile is drawn
FEW_SEEDS = 5  # below, percentile intervals are known to be too narrow


@dataclass(frozen=True)
class Estimate:
    """A statistic and its 95% interval; low and high are NaN where nothing varies that was resampled."""

    value: float
    low: float
    high: float
    bold: bool = False  # the best, or not distinguishable from the best; see `embolden`


@dataclass(frozen=True)
class Summary:
    """All statistics of one suite. Scores are on the scale 0..1; the metrics are those of METRICS."""

    scores: Scores
    replicates: int
    order: list[Row]  # by IQM, the best first; rows without an aggregate last
    aggregates: Mapping[Row, Mapping[str, Estimate]]  # only rows that have every task
    tasks: Mapping[tuple[Row, str], Estimate]  # mean over the seeds of one task
    improvement: Mapping[tuple[Row, Row], Estimate]  # P(first > second), rows that have every task
    profiles: Mapping[Row, np.ndarray]  # (3, thresholds): fraction of runs above, low, high
    ranks: Mapping[Row, Estimate]  # mean rank over tasks, 1 is the best; rows that have every task
    shares: Mapping[Row, np.ndarray]  # (ranks,) how often the row has each rank, over tasks and replicates
    bootstrap: str  # what was resampled, one of BOOTSTRAPS


def embolden(
    estimates: Mapping[Row, Estimate], replicates: Mapping[Row, np.ndarray], lower: bool = False
) -> dict[Row, Estimate]:
    """Mark the best entry and every entry whose difference to it may be zero.

    May be zero: the 95% interval of the replicates' differences includes 0. Nothing is marked when
    that holds for every entry, or when the best has no interval.
    """
    known = {row: e.value for row, e in estimates.items() if not np.isnan(e.value)}
    if not known:
        return dict(estimates)
    best = (min if lower else max)(known, key=lambda row: known[row])
    bold = set()
    for row in known:
        low, high = interval(replicates[row] - replicates[best])
        if not np.isnan(estimates[row].low) and low <= 0 <= high:
            bold.add(row)
    if best not in bold or len(bold) == len(estimates):
        return dict(estimates)
    return {row: replace(e, bold=row in bold) for row, e in estimates.items()}


def summarize(scores: Scores, replicates: int = REPLICATES, bootstrap: str = "seeds") -> Summary:
    """All statistics of a suite. `bootstrap`: what is resampled, see bench.bootstrap.

    Raises UserError for an unknown bootstrap.
    """
    find_bootstrap(bootstrap)
    matrices = {row: scores.matrix(row) for row in scores.rows}
    draws = {row: draw(scores, row, replicates, bootstrap) for row in scores.rows}
    tasks = _by_task(scores, matrices, draws)
    complete = [row for row in scores.rows if (~np.isnan(matrices[row])).any(0).all()]
    chosen = draw_tasks(replicates, bootstrap, scores.suite, scores.tasks)
    draws = {row: draws[row].over(chosen) for row in complete}
    aggregates: dict[Row, dict[str, Estimate]] = {row: {} for row in complete}
    for name, metric in METRICS.items():
        drawn = {row: metric(draws[row].scores, draws[row].counts) for row in complete}
        found = {row: estimate_of(metric, matrices[row], drawn[row], draws[row].known) for row in complete}
        for row, estimate in embolden(found, drawn, name in LOWER_IS_BETTER).items():
            aggregates[row][name] = estimate
    order = sorted(complete, key=lambda row: (-aggregates[row]["IQM"].value, row))
    ranks, shares = _ranks(order, matrices, draws)
    order += [row for row in scores.rows if row not in aggregates]
    return Summary(
        scores,
        replicates,
        order,
        aggregates,
        tasks,
        _improvements(order[: len(complete)], matrices, draws),
        {row: _profile(matrices[row], draws[row]) for row in complete},
        ranks,
        shares,
        bootstrap,
    )


def lone(matrix: np.ndarray) -> bool:
    """Whether some task has a single seed: resampling it shows no variation, so there is no interval."""
    return bool(((~np.isnan(matrix)).sum(0) < 2).any())


def estimate_of(metric: Metric, matrix: np.ndarray, drawn: np.ndarray, known: bool | None = None) -> Estimate:
    """The metric of scores (S, T) with the interval of its replicates `drawn` (R,).

    known: whether there is an interval; None: where every task has two seeds.
    """
    value = float(metric(matrix, everyone(matrix))[0])
    if not (not lone(matrix) if known is None else known):
        return Estimate(value, np.nan, np.nan)
    low, high = interval(drawn)
    return Estimate(value, float(low), float(high))


def _by_task(
    scores: Scores, matrices: Mapping[Row, np.ndarray], draws: Mapping[Row, Draws]
) -> dict[tuple[Row, str], Estimate]:
    result: dict[tuple[Row, str], Estimate] = {}
    drawn = {row: task_means(draws[row].scores, draws[row].counts) for row in scores.rows}
    for t, task in enumerate(scores.tasks):
        found = {
            row: estimate_of(mean, matrices[row][:, [t]], drawn[row][t], bool(draws[row].varied[t]))
            for row in scores.rows
            if not np.isnan(matrices[row][:, t]).all()
        }
        for row, estimate in embolden(found, {row: drawn[row][t] for row in found}).items():
            result[row, task] = estimate
    return result


def _ranks(
    rows: Sequence[Row], matrices: Mapping[Row, np.ndarray], draws: Mapping[Row, Draws]
) -> tuple[dict[Row, Estimate], dict[Row, np.ndarray]]:
    """Mean ranks and shares of ranks among these rows, which have every task."""
    if not rows:
        return {}, {}
    observed = task_ranks(np.array([task_means(matrices[row], everyone(matrices[row])) for row in rows]))
    means = np.array([task_means(draws[row].scores, draws[row].counts) for row in rows])
    better, equal = task_ranks(means)
    value, drawn = mean_ranks(*observed)[:, 0], mean_ranks(better, equal)
    known = all(draws[row].known for row in rows)  # a rank depends on every row
    found = {}
    for row, at, replicates in zip(rows, value, drawn, strict=True):
        low, high = map(float, interval(replicates)) if known else (np.nan, np.nan)
        found[row] = Estimate(float(at), low, high)
    found = embolden(found, dict(zip(rows, drawn, strict=True)), lower=True)
    return found, dict(zip(rows, rank_shares(better, equal), strict=True))


def _improvements(
    rows: list[Row], matrices: Mapping[Row, np.ndarray], draws: Mapping[Row, Draws]
) -> dict[tuple[Row, Row], Estimate]:
    result: dict[tuple[Row, Row], Estimate] = {}
    for i, x in enumerate(rows):
        counts_x = draws[x].counts.astype(float)
        for y in rows[i + 1 :]:
            a, b = matrices[x], matrices[y]
            value = float(improvement(a, b, everyone(a), everyone(b))[0])
            drawn = improvement(draws[x].scores, draws[y].scores, counts_x, draws[y].counts)
            low, high = map(float, interval(drawn))
            if not (draws[x].known and draws[y].known):
                low = high = np.nan
            bold = low > 0.5 or high < 0.5
            result[x, y] = Estimate(value, low, high, bold)
            result[y, x] = Estimate(1 - value, 1 - high, 1 - low, bold)
    return result


def _profile(matrix: np.ndarray, draws: Draws) -> np.ndarray:
    value = profile(matrix, everyone(matrix), THRESHOLDS)[0]
    if not draws.known:
        return np.stack([value, np.full_like(value, np.nan), np.full_like(value, np.nan)])
    return np.stack([value, *interval(profile(draws.scores, draws.counts, THRESHOLDS))])
