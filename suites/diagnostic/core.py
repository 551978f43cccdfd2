"""A world is a pure function: batches of it evaluate a policy, one copy of it is a Gymnasium environment.

Nothing is drawn while an episode runs. `World.start` and `World.chances` draw all the luck of an
episode from its own seed, so that it does not matter which episodes are stepped together.
Shapes: n rows, S numbers of state, K numbers of luck per step, D observation, A action.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np

from bench.dataset import Episode
from bench.task import Step

Array = np.ndarray
Policy = Callable[[int, Array], Array]  # (time, state (n, S)) -> action (n, A), clipped by whoever calls


class Outcome(NamedTuple):
    """What one step leads to: state (n, S); reward, terminated and success (n,)."""

    state: Array
    reward: Array
    terminated: Array
    success: Array


class World(ABC):
    """The rules of one task. It holds no state; the caller does."""

    obs_dim: ClassVar[int]
    action_dim: ClassVar[int]
    max_steps: ClassVar[int]

    @abstractmethod
    def start(self, rng: np.random.Generator) -> Array:
        """The first state (S,) of an episode."""

    def chances(self, rng: np.random.Generator) -> Array:
        """The luck (max_steps, K) of a whole episode; K = 0 in a deterministic world."""
        return np.empty((self.max_steps, 0))

    @abstractmethod
    def advance(self, state: Array, action: Array, chance: Array) -> Outcome:
        """One step of state (n, S) with action (n, A) in [-1, 1] and luck (n, K)."""

    def observe(self, state: Array) -> Array:
        """What the policy sees of state (n, S): obs (n, D), float32, in [-1, 1]."""
        return state.astype(np.float32)


class WorldEnvironments:
    """Copies of a world that are stepped together (see `bench.task.Environments`)."""

    def __init__(self, world: World, count: int) -> None:
        self.world = world
        self.time = np.zeros(count, int)
        state, chances = _episode(world, np.random.default_rng(0))
        self.state = np.repeat(state[None], count, 0)  # (count, S)
        self.chances = np.repeat(chances[None], count, 0)  # (count, max_steps, K)

    def reset(self, rows: Array, seeds: Sequence[int]) -> Array:
        for row, seed in zip(rows, seeds, strict=True):
            self.state[row], self.chances[row] = _episode(self.world, np.random.default_rng(seed))
        self.time[rows] = 0
        return self.world.observe(self.state[rows])

    def step(self, rows: Array, action: Array) -> Step:
        chance = self.chances[rows, self.time[rows]]
        outcome = self.world.advance(self.state[rows], _as_executed(action), chance)
        self.state[rows] = outcome.state
        self.time[rows] += 1
        truncated = (self.time[rows] >= self.world.max_steps) & ~outcome.terminated
        obs = self.world.observe(outcome.state)
        return Step(obs, outcome.reward, outcome.terminated, truncated, outcome.success)

    def close(self) -> None:
        pass


class WorldEnv(gymnasium.Env[Array, Array]):
    """One copy of a world as a Gymnasium environment; the same seed gives the same episode as in a batch."""

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, world: World) -> None:
        self.world = world
        self.observation_space = gymnasium.spaces.Box(-1, 1, (world.obs_dim,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, (world.action_dim,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self.state, self.chances = _episode(self.world, self.np_random)
        self.time = 0
        return self.world.observe(self.state[None])[0], {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        chance = self.chances[self.time]
        outcome = self.world.advance(self.state[None], _as_executed(action)[None], chance[None])
        self.state = outcome.state[0]
        self.time += 1
        terminated = bool(outcome.terminated[0])
        truncated = self.time >= self.world.max_steps and not terminated
        info = {"success": bool(outcome.success[0])}
        return self.world.observe(outcome.state)[0], float(outcome.reward[0]), terminated, truncated, info


def _episode(world: World, rng: np.random.Generator) -> tuple[Array, Array]:
    return world.start(rng), world.chances(rng)


def _as_executed(action: Array) -> Array:
    """Actions are recorded as float32; rounding them first makes a recording exactly repeatable."""
    return np.clip(np.asarray(action, np.float32), -1, 1).astype(float)


def record(
    world: World, policy: Policy, start: Array, rng: np.random.Generator, steps: int = 0
) -> list[Episode]:
    """Play one episode from every row of start (n, S), for `steps` steps at most (default: max_steps).

    The luck comes from `rng`. An episode that did not end by itself is a timeout.
    """
    steps = steps or world.max_steps
    chances = np.stack([world.chances(rng) for _ in start])  # (n, max_steps, K)
    obs, actions, rewards = [world.observe(start)], [], []
    state, length = start, np.full(len(start), steps)
    ended = np.zeros(len(start), bool)
    for time in range(steps):
        action = _as_executed(policy(time, state))
        outcome = world.advance(state, action, chances[:, time])
        state = outcome.state
        obs.append(world.observe(state))
        actions.append(action)
        rewards.append(outcome.reward)
        length[outcome.terminated & ~ended] = time + 1
        ended |= outcome.terminated
    columns = np.stack(obs, 1), np.stack(actions, 1), np.stack(rewards, 1)  # each (n, T, ...)
    return [
        Episode(o[: t + 1], a[:t], r[:t], bool(end))
        for o, a, r, t, end in zip(*columns, length, ended, strict=True)
    ]


def starts(world: World, rng: np.random.Generator, count: int) -> Array:
    """`count` first states (count, S), drawn as in an evaluation."""
    return np.stack([world.start(rng) for _ in range(count)])


def distance(a: Array, b: Array) -> Array:
    """Euclidean distance (n,) of the last axis, summed in a fixed order."""
    return np.sqrt(((a - b) ** 2).sum(-1))


def towards(position: Array, target: Array, speed: float) -> Array:
    """The action (n, 2) that walks from position (n, 2) straight to the target (n, 2), as fast as it can."""
    action = (target - position) / speed
    return action / np.maximum(1, np.abs(action).max(-1, keepdims=True))


def slide(position: Array, move: Array, rooms: Array) -> Array:
    """Move inside the union of rooms (R, 4), each (x low, x high, y low, y high).

    A move into a wall is dropped, for each axis separately; it must be shorter than a wall is thick.
    """
    for axis in range(2):
        moved = position.copy()
        moved[:, axis] += move[:, axis]
        position = np.where(_inside(moved, rooms)[:, None], moved, position)
    return position


def _inside(position: Array, rooms: Array) -> Array:
    x, y = position[:, :1], position[:, 1:]
    return ((x >= rooms[:, 0]) & (x <= rooms[:, 1]) & (y >= rooms[:, 2]) & (y <= rooms[:, 3])).any(1)
