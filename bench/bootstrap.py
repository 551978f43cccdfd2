"""What varies from one bootstrap replicate to the next: seeds, episodes, both, or seeds and tasks.

The draws depend on the names of suite, row and task alone: neither on the global state of numpy nor on
which other rows and tasks are in the report. Shapes: R replicates, S seeds, T tasks, E episodes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.errors import unknown
from bench.protocol import Protocol
from bench.records import scored
from bench.scores import Cell, Row, Scores
from bench.streams import stream

REPLICATES = 2000
LEVEL = (2.5, 97.5)  # percentiles of the replicates: a 95% interval

# What the intervals are for, as it stands under the tables.
BOOTSTRAPS: Mapping[str, str] = {
    "seeds": "seeds resampled within each task",
    "episodes": (
        "the episodes of every seed resampled, the seeds kept: intervals are for these very policies, not "
        "for training them again; those of probabilities of improvement are drawn towards 0.50"
    ),
    "hierarchical": (
        "seeds resampled within each task and, within every drawn seed, its episodes: the noise of episodes, "
        "which seeds that differ contain already, counts twice, so that intervals are wider, and those of "
        "probabilities of improvement drawn towards 0.50"
    ),
    "tasks": (
        "seeds resampled within each task, and the tasks as well: intervals are for other tasks of the kind"
    ),
}


@dataclass(frozen=True)
class Draws:
    """The replicates of one row, as the functions of bench.metrics take them."""

    scores: np.ndarray  # (S, T), or (R, S, T) where each replicate has numbers of its own
    counts: np.ndarray  # (T, R, S)
    varied: np.ndarray  # (T,) False where nothing of a task can vary, so that it has no interval

    @property
    def known(self) -> bool:
        """Whether every task varies; without that a number over all of them has no interval."""
        return bool(self.varied.all())

    def on(self, tasks: Sequence[int]) -> "Draws":
        """The draws of these tasks alone."""
        return Draws(self.scores[..., tasks], self.counts[tasks], self.varied[tasks])

    def over(self, tasks: np.ndarray | None) -> "Draws":
        """The draws with tasks (R, T) drawn as well; None: with every task once."""
        if tasks is None:
            return self
        own = (
            self.scores
            if self.scores.ndim == 3
            else np.broadcast_to(self.scores, (len(tasks), *self.scores.shape))
        )
        counts = np.take_along_axis(self.counts, tasks.T[:, :, None], 0)
        return Draws(np.take_along_axis(own, tasks[:, None, :], 2), counts, self.varied)


def find_bootstrap(name: str) -> str:
    """The name, if it is one of BOOTSTRAPS. Raises UserError where it is not."""
    if name not in BOOTSTRAPS:
        raise unknown("bootstrap", name, BOOTSTRAPS)
    return name


def draw(scores: Scores, row: Row, replicates: int, bootstrap: str = "seeds") -> Draws:
    """The replicates of a row with every task in its place; `draw_tasks` says which tasks enter."""
    tasks = scores.tasks
    matrix = scores.matrix(row).reshape(-1, len(tasks))  # S may be 0
    present = ~np.isnan(matrix)
    if bootstrap in ("seeds", "tasks"):
        indices = resample(present, replicates, scores.suite, row.label, *tasks)
        return Draws(matrix, tally(indices), present.sum(0) > 1)
    if bootstrap == "hierarchical":
        indices = resample(present, replicates, scores.suite, row.label, *tasks)
    else:
        own = np.where(present, np.arange(len(matrix))[:, None], -1)
        indices = np.broadcast_to(own, (replicates, *own.shape))
    drawn = np.full(indices.shape, np.nan)
    varied = present.sum(0) > 1 if bootstrap == "hierarchical" else present.any(0)
    for t, task in enumerate(tasks):
        random = stream("bootstrap episodes", scores.suite, row.label, task)
        for s, seed in enumerate(scores.seeds(row)):
            if present[s, t]:
                cell = scores.cells[row, task][seed]
                episodes = episode_scores(cell, scores.protocol)
                here = indices[:, :, t] == s
                places = random.integers(
                    len(episodes), size=(int(here.sum()), len(episodes)), dtype=np.uint32
                )
                drawn[:, :, t][here] = episodes[places].mean(1)
                varied[t] &= bootstrap != "episodes" or len(episodes) > 1 or cell.diverged
    return Draws(drawn, (~np.isnan(drawn)).transpose(2, 0, 1).astype(np.uint16), varied)


def draw_tasks(replicates: int, bootstrap: str, suite: str, tasks: Sequence[str]) -> np.ndarray | None:
    """Which tasks (R, T) enter each replicate, the same for all rows; None: all of them, once."""
    if bootstrap != "tasks":
        return None
    return stream("bootstrap tasks", suite, *tasks).integers(len(tasks), size=(replicates, len(tasks)))


def episode_scores(cell: Cell, protocol: Protocol) -> np.ndarray:
    """The scores (E,) of the episodes that make a seed's score, which is their mean.

    An episode is the mean of its evaluations that count: it starts alike in each of them. Of `best` it
    stands for the evaluation that was picked. A diverged seed has the one episode 0, a reported one its
    score: no episode of it is known.
    """
    if cell.diverged or cell.run.info.get("origin") == "reported":
        return np.array([cell.score])
    reference = cell.run.info["task_info"]["reference"]
    found: dict[int, np.ndarray] = {}
    for line in cell.run.evaluations:
        if line["seed"] == cell.seed and line["inference"] == cell.inference:
            found.setdefault(line["step"], np.array(scored(line, reference), float))
    needed = [found[step] for step in protocol.needed(cell.run)]
    if protocol.optimistic:
        best = max(needed, key=lambda values: (values.mean() - reference["random"]) * _direction(reference))
        needed = [best]
    length = min(map(len, needed))  # equal, unless a record was made by hand
    values = np.mean([each[:length] for each in needed], axis=0)
    values = (values - reference["random"]) / (reference["best"] - reference["random"])
    return values + (cell.score - values.mean())


def _direction(reference: Mapping[str, float]) -> float:
    return float(np.sign(reference["best"] - reference["random"]))


def resample(present: np.ndarray, replicates: int, *name: str) -> np.ndarray:
    """Bootstrap indices (R, S, T) of seeds, drawn for each task among its own seeds.

    `present` (S, T) says which seeds a task has. A task with n seeds fills the first n places of
    axis 1; the others are -1. Column t is drawn from the stream of (*name, t-th name); `name` ends
    with one name per task.
    """
    tasks = present.shape[1]
    prefix, task_names = name[: len(name) - tasks], name[len(name) - tasks :]
    indices = np.full((replicates, *present.shape), -1)
    for t, task in enumerate(task_names):
        own = np.flatnonzero(present[:, t])
        if len(own):
            drawn = stream("bootstrap", *prefix, task).integers(len(own), size=(replicates, len(own)))
            indices[:, : len(own), t] = own[drawn]
    return indices


def tally(indices: np.ndarray) -> np.ndarray:
    """Indices (R, S, T) as counts (T, R, S), uint16: how often each seed was drawn; -1 is not counted."""
    replicates, seeds, tasks = indices.shape
    counts = np.empty((tasks, replicates, seeds), np.uint16)
    first = (seeds + 1) * np.arange(replicates)[:, None]
    for t in range(tasks):
        # index -1 falls into an extra place in front, which is cut off
        places = (first + indices[:, :, t] + 1).ravel()
        flat = np.bincount(places, minlength=replicates * (seeds + 1))
        counts[t] = flat.reshape(replicates, seeds + 1)[:, 1:]
    return counts


def interval(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95% percentile interval over axis 0 of replicates (R, ...)."""
    low, high = np.percentile(replicates, LEVEL, axis=0)
    return low, high
