"""A task is data: where its transitions come from, what evaluates a policy on it, what a score means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np

from bench.dataset import Dataset


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

    def score(self, episode_return: Any) -> Any:
        """The normalized score of a return (or of an array of returns)."""
        return (episode_return - self.random) / (self.best - self.random)


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

    @property
    def id(self) -> str:
        return f"{self.suite}/{self.name}"


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
