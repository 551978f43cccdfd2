"""A task is data: where its transitions come from, what evaluates a policy on it, what a score means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import gymnasium
import numpy as np

from bench.data.source import OFFICIAL, Copy, Source
from bench.dataset import Dataset
from bench.errors import UserError, unknown

MAX_ROWS = 500  # environments side by side, unless a task says otherwise


class Step(NamedTuple):
    """What n environments answer: obs (n, D), the rest (n,); `success` is False where a task has none."""

    obs: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    success: np.ndarray


class Environments(Protocol):
    """Many copies of one environment; row i is one copy. Only the named rows are touched.

    Unlike Gymnasium's vector environments these never reset by themselves: every episode has a
    seed of its own, and the evaluator decides how many episodes a row plays.
    """

    def reset(self, rows: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Start an episode in every row of `rows` (n,), with its own seed; the first obs (n, D)."""

    def step(self, rows: np.ndarray, action: np.ndarray) -> Step:
        """One step of the rows of `rows` (n,), with action (n, A) in [-1, 1]."""

    def close(self) -> None:
        """Free what the environments hold."""


@dataclass(frozen=True)
class Reference:
    """Returns that define the scale: score 0 is a uniformly random policy, score 1 the best known."""

    random: float
    best: float
    source: str  # how the two numbers were found
    of: Literal["return", "success"] = "return"  # what of an episode is scored

    def score(self, value: Any) -> Any:
        """The normalized score of a return, or of a success (0 or 1); also of an array of them."""
        return (value - self.random) / (self.best - self.random)


SUCCESS = Reference(0.0, 1.0, "share of the episodes with success", of="success")


@dataclass(frozen=True)
class Task:
    """One problem: a data set, the environment that evaluates it, and the scale of its score."""

    suite: str
    name: str
    summary: str  # one line: what the task tests
    obs_dim: int
    action_dim: int
    max_steps: int  # the environment truncates an episode here
    reference: Reference
    load: Callable[[], Dataset]  # from the cache, or made on first use
    environments: Callable[[int], Environments]  # so many copies
    versions: Callable[[], Mapping[str, str]]  # what makes two results comparable, besides the data
    settings: Mapping[str, Any] = field(default_factory=dict)  # for every algorithm that has the option
    source: Source | None = None  # the files that it is trained on; None: made in memory on first use
    read: Callable[[Path], Dataset] | None = None  # from the folder of a copy of the source
    reference_of: Callable[[Path], Reference] | None = None  # where a copy knows the scale better
    notes: tuple[str, ...] = ()  # sentences that a reader of its scores must know
    variants: Mapping[str, Callable[["Task"], "Task"]] = field(default_factory=dict)  # by `option=value`
    max_rows: int = MAX_ROWS  # environments side by side, at most: some are slow to build
    vectorized: bool = False  # many environments cost as little as one: processes would only slow them down

    @property
    def id(self) -> str:
        return f"{self.suite}/{self.name}"

    @property
    def base_name(self) -> str:
        """The name without the copy of the data set."""
        return self.name.partition("@")[0]

    def on(self, copy: Copy) -> "Task":
        """This task trained on one copy of its data set; with another name where that was made here."""
        assert self.read is not None
        return replace(
            self,
            name=self.name + copy.suffix,
            load=partial(self.read, copy.folder),
            reference=self.reference_of(copy.folder) if self.reference_of else self.reference,
        )

    def located(self, label: str = "") -> "Task":
        """This task on the copy of its data set called `label`; without one on the official copy, or else on
        the only one that was made here. Raises UserError where that does not name one copy.
        """
        if self.source is None:
            return self
        copies = {copy.label: copy for copy in self.source.copies()}
        if label:
            if label not in copies:
                raise unknown(f"copy of {self.source.id}", label, copies)
            return self.on(copies[label])
        if OFFICIAL in copies:
            return self.on(copies[OFFICIAL])
        if len(copies) > 1:
            raise UserError(
                f"{self.source.id} was made here more than once: {', '.join(copies)}; "
                f"choose one with --tasks '{self.base_name}@{next(iter(copies))}'"
            )
        if not copies:
            raise MissingDataError(self.source)
        return self.on(next(iter(copies.values())))

    def variant(self, options: Mapping[str, str]) -> "Task":
        """The task under other rules, such as success_timing = post. Raises UserError for unknown ones."""
        task = self
        for option, value in options.items():
            choice = f"{option}={value}"
            if choice not in self.variants:
                raise unknown(f"option of the task {self.name}", choice, self.variants)
            task = task.variants[choice](task)
        return task


class MissingDataError(UserError):
    """A data set of which no copy is on this machine."""

    def __init__(self, source: Source) -> None:
        self.source = source
        super().__init__(missing_data([source]))


def missing_data(sources: Sequence[Source]) -> str:
    """What is missing, and the commands that get it."""
    names = list(dict.fromkeys(source.id for source in sources))
    shown = " ".join(names[:3]) + (f" (and {len(names) - 3} more)" if len(names) > 3 else "")
    can_make = next((source.id for source in sources if source.maker), None)
    made = f"; without a network: bench data make {can_make}" if can_make else ""
    return (
        f"no copy of the data set{'s' * (len(names) > 1)} {shown} is on this machine. "
        f"Run: bench data fetch {' '.join(names[:3])}{made}"
    )


def without_copy() -> Dataset:
    """The `load` of a task that was not put on a copy of its data set."""
    raise UserError("this task has no data yet; put it on a copy of its data set")


@dataclass(frozen=True)
class Suite:
    """Tasks that are reported together, and the protocol they are run with unless the user says otherwise."""

    name: str
    summary: str
    tasks: Mapping[str, Task]
    steps: int  # gradient updates
    evaluations: int  # evenly spaced, the last one after the last update
    episodes: int  # per seed and evaluation
    settings: Mapping[str, Any] = field(default_factory=dict)  # for every algorithm that has the option
    aliases: Mapping[str, str] = field(default_factory=dict)  # other names of tasks
    keep_interval: bool = False  # with other steps, evaluations stay as far apart, instead of as many

    @property
    def home(self) -> str:
        """The suite that the records belong to: of a list such as `ogbench/sorl` it is `ogbench`."""
        return self.name.partition("/")[0]

    def evaluations_of(self, steps: int) -> int:
        """How many evaluations a run of so many gradient updates has."""
        return max(1, steps * self.evaluations // self.steps) if self.keep_interval else self.evaluations

    def find(self, name: str) -> Task:
        """The task of this name, without data. Raises UserError where there is none."""
        base = name.partition("@")[0]
        if (found := self.aliases.get(base, base)) not in self.tasks:
            raise unknown(f"task of {self.name}", base, self.tasks)
        return self.tasks[found]

    def task(self, name: str) -> Task:
        """The task of this name, with the copy of its data set behind an `@`, on that copy."""
        return self.find(name).located(name.partition("@")[2])


class GymEnvironments:
    """Copies of any Gymnasium environment with a bounded Box of actions, stepped one after the other.

    Actions in [-1, 1] are mapped linearly onto the environment's bounds. An episode has success when
    `info["success"]` was true in one of its steps.
    """

    def __init__(self, make: Callable[[], gymnasium.Env], count: int) -> None:
        self.envs = [make() for _ in range(count)]
        space = self.envs[0].action_space
        assert isinstance(space, gymnasium.spaces.Box)
        self.low, self.high = space.low, space.high

    def reset(self, rows: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        return np.stack([self.envs[row].reset(seed=seed)[0] for row, seed in zip(rows, seeds, strict=True)])

    def step(self, rows: np.ndarray, action: np.ndarray) -> Step:
        scaled = (self.low + (action + 1) / 2 * (self.high - self.low)).astype(self.low.dtype)
        results = [self.envs[row].step(a) for row, a in zip(rows, scaled, strict=True)]
        obs, reward, terminated, truncated, info = zip(*results, strict=True)
        success = [bool(i.get("success", False)) for i in info]
        return Step(
            np.stack(obs), np.array(reward), np.array(terminated), np.array(truncated), np.array(success)
        )

    def close(self) -> None:
        for env in self.envs:
            env.close()
