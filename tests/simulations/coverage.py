"""How often 95% intervals hold the true value, on made-up scores. Takes about five minutes.

    python tests/simulations/coverage.py

First ours beside rliable's own (its StratifiedBootstrap through arch), then intervals over seeds alone
beside the hierarchical ones. Every data set is drawn anew from a known distribution.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from rliable import library, metrics

from bench.bootstrap import draw, interval, resample, tally
from bench.metrics import iqm, mean
from bench.protocol import PROTOCOLS
from bench.records import RunRecord
from bench.scores import Cell, Row, Scores

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
SHAPES: dict[str, Draw] = {
    "normal": lambda random, size: random.normal(0.5, 0.1, size),
    "0 or 1": lambda random, size: random.integers(0, 2, size).astype(float),
    "skewed": lambda random, size: random.exponential(0.3, size),
}
METRICS = {"mean": (mean, metrics.aggregate_mean), "IQM": (iqm, metrics.aggregate_iqm)}


def truth(shape: str) -> dict[str, float]:
    """The value of each metric for infinitely many seeds."""
    sample = SHAPES[shape](np.random.default_rng(99), (1_000_000, 1))
    return {name: float(theirs(sample)) for name, (_, theirs) in METRICS.items()}


def ours(scores: np.ndarray, replicates: int, name: str) -> np.ndarray:
    """Low and high of every metric, (metrics, 2)."""
    tasks = [str(t) for t in range(scores.shape[1])]
    counts = tally(resample(~np.isnan(scores), replicates, "coverage", name, *tasks))
    return np.array([interval(metric(scores, counts)) for metric, _ in METRICS.values()])


def rliables(scores: np.ndarray, replicates: int) -> np.ndarray:
    """The same from rliable; draws from numpy's global state."""
    bootstrap = library.StratifiedBootstrap(scores)
    found = bootstrap.conf_int(
        lambda x: np.array([theirs(x) for _, theirs in METRICS.values()]),
        reps=replicates,
        method="percentile",
    )
    return found.T


def covered(
    shape: str, seeds: int, tasks: int, data_sets: int, replicates: int, both: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each interval holds the truth: ours and rliable's, (data sets, metrics) each."""
    random = np.random.default_rng([seeds, tasks])
    np.random.seed(seeds)
    true = np.array(list(truth(shape).values()))
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for number in range(data_sets):
        scores = SHAPES[shape](random, (seeds, tasks))
        pair = [ours(scores, replicates, str(number))] + ([rliables(scores, replicates)] if both else [])
        for hits, intervals in zip(found, pair, strict=False):
            hits.append((intervals[:, 0] <= true) & (true <= intervals[:, 1]))
    return np.array(found[0]), np.array(found[1])


def made_up(episodes: np.ndarray, noise_of_seeds: np.ndarray) -> Scores:
    """Scores of one row whose episodes (S, T, E) are these, shifted by the effect (S, T) of each seed."""
    seeds, tasks, _ = episodes.shape
    row, cells = Row("a", "", 0, ""), {}
    values = episodes + noise_of_seeds[:, :, None]
    info = {
        "task_info": {"reference": {"random": 0.0, "best": 1.0}},
        "steps": 1,
        "eval_steps": [1],
        "episodes": 1,
    }
    for t in range(tasks):
        lines = [
            {"seed": s, "step": 1, "inference": {}, "status": "ok", "returns": values[s, t].tolist()}
            for s in range(seeds)
        ]
        run = RunRecord(Path(), info, lines, {})
        found = {s: Cell(run, {}, s, float(values[s, t].mean()), False) for s in range(seeds)}
        cells[row, str(t)] = found
    return Scores("made-up", PROTOCOLS["final"], "default", [], cells, (), frozenset())


def covered_by(
    bootstrap: str, seeds: int, tasks: int, share: float, data_sets: int, replicates: int, episodes: int = 20
) -> float:
    """How often the interval of the mean holds the truth; `share`: of the variance of a seed's score that
    comes from its episodes.
    """
    random = np.random.default_rng([seeds, tasks, round(100 * share)])
    hits = 0
    for number in range(data_sets):
        noise = random.normal(0, math.sqrt(share * episodes), (seeds, tasks, episodes))
        effects = random.normal(0, math.sqrt(1 - share), (seeds, tasks))
        scores = replace(made_up(noise, effects), suite=f"made-up {number}")
        draws = draw(scores, scores.rows[0], replicates, bootstrap)
        low, high = interval(mean(draws.scores, draws.counts))
        hits += bool(low <= 0 <= high)
    return hits / data_sets


def main(data_sets: int = 300, replicates: int = 300) -> None:
    print(f"{data_sets} data sets, {replicates} replicates; error of a share near 0.9: "
          f"{math.sqrt(0.09 / data_sets):.3f}; in brackets 8 times as many data sets")  # fmt: skip
    print("scores  tasks seeds | mean: ours (more)  rliable | IQM: ours (more)  rliable")
    for shape in SHAPES:
        for tasks in (1, 10):
            for seeds in (3, 5, 10):
                own, theirs = (x.mean(0) for x in covered(shape, seeds, tasks, data_sets, replicates))
                more = covered(shape, seeds, tasks, 8 * data_sets, replicates, both=False)[0].mean(0)
                print(f"{shape:8}{tasks:5}{seeds:6} | {own[0]:10.3f} ({more[0]:.3f}) {theirs[0]:8.3f} | "
                      f"{own[1]:9.3f} ({more[1]:.3f}) {theirs[1]:8.3f}", flush=True)  # fmt: skip
    print("\nmean; share of the variance between seeds' scores that is the noise of their episodes")
    print("share  tasks seeds |  seeds  hierarchical")
    for share in (0.0, 0.5, 1.0):
        for tasks in (1, 10):
            for seeds in (3, 5, 10):
                found = [
                    covered_by(name, seeds, tasks, share, 3 * data_sets, replicates)
                    for name in ("seeds", "hierarchical")
                ]
                print(f"{share:5}{tasks:6}{seeds:6} | {found[0]:6.3f} {found[1]:8.3f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
