"""Learning curves: the mean score over seeds at every evaluation, with a 95% bootstrap band."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.bootstrap import interval, resample, tally
from bench.protocol import curve
from bench.scores import Cell, Row, Scores


@dataclass(frozen=True)
class Curve:
    """One line of a plot; scores on the scale 0..1. Without a band (one seed) low and high are NaN."""

    steps: np.ndarray  # (K,) gradient updates
    mean: np.ndarray  # (K,)
    low: np.ndarray
    high: np.ndarray


def learning_curves(scores: Scores, replicates: int) -> dict[tuple[Row, str], Curve]:
    """The curve of every row on every task.

    A curve goes on as long as any of its seeds does; an unfinished seed counts where it was evaluated.
    """
    return {
        (row, task): _curve(seeds, replicates, scores.suite, row.label, task)
        for (row, task), seeds in scores.cells.items()
        if any(cell.run.evaluations for cell in seeds.values())
    }


def _curve(seeds: Mapping[int, Cell], replicates: int, *name: str) -> Curve:
    reached = [curve(cell.run, cell.seed, cell.inference) for _, cell in sorted(seeds.items())]
    steps = sorted({step for scores in reached for step in scores})
    table = np.array([[scores.get(step, np.nan) for step in steps] for scores in reached])  # (S, K)
    known = ~np.isnan(table)
    mean = np.nansum(table, 0) / known.sum(0)
    # whole seeds are drawn, so that the points of a band hang together as those of a seed do
    some = known.any(1)
    counts = tally(resample(some[:, None], replicates, "curve", *name))[0].astype(float)  # (R, S)
    drawn = counts @ known
    means = np.divide(counts @ np.nan_to_num(table), drawn, out=np.zeros_like(drawn), where=drawn > 0)
    low, high = interval(means)
    # a point whose few seeds are missing from some replicates has no band
    lone = (known.sum(0) < 2) | (drawn == 0).any(0)
    return Curve(np.array(steps), mean, np.where(lone, np.nan, low), np.where(lone, np.nan, high))


def overall(found: Mapping[tuple[Row, str], Curve], row: Row, tasks: Sequence[str]) -> Curve | None:
    """The mean over all tasks, without a band; None where a task lacks or was evaluated at other steps."""
    curves = [found[row, task] for task in tasks if (row, task) in found]
    if len(curves) < len(tasks) or len({tuple(c.steps.tolist()) for c in curves}) > 1:
        return None
    mean = np.mean([c.mean for c in curves], axis=0)
    unknown = np.full_like(mean, np.nan)
    return Curve(curves[0].steps, mean, unknown, unknown)
