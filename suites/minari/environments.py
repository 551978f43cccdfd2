"""What evaluates a policy on Minari's data sets: environments of gymnasium-robotics and Gymnasium."""

import io
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr
from importlib.metadata import version
from typing import Any

import gymnasium
import numpy as np

from bench.task import Environments, GymEnvironments
from suites.minari.catalogue import Facts
from suites.minari_data import require

INSTALL = "'offline-bench[d4rl]'"


def vector(parts: tuple[str, ...], obs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The parts of a dictionary side by side: (..., D)."""
    return np.concatenate([obs[part] for part in parts], axis=-1)


class Observed(gymnasium.Wrapper):
    """Observations as vectors, and success also where the environment only counts subtasks."""

    def __init__(self, env: gymnasium.Env, parts: tuple[str, ...]) -> None:
        super().__init__(env)
        self.parts = parts

    def reset(self, **options: Any) -> tuple[Any, dict]:
        obs, info = self.env.reset(**options)
        return self._vector(obs), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        if "tasks_to_complete" in info:
            info["success"] = not info["tasks_to_complete"]
        return self._vector(obs), reward, terminated, truncated, info

    def _vector(self, obs: Any) -> np.ndarray:
        return vector(self.parts, obs) if self.parts else obs


def make(facts: Facts) -> gymnasium.Env:
    """One environment, unwrapped but for its time limit. Raises UserError where a package is missing."""
    require(["mujoco", "gymnasium_robotics"], INSTALL)
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # both packages advise newer versions, which are other tasks
        import gymnasium_robotics

        gymnasium.register_envs(gymnasium_robotics)
        return gymnasium.make(
            facts.env_id,
            max_episode_steps=facts.max_steps,
            disable_env_checker=True,
            **facts.options,
        )


def environments(facts: Facts, count: int) -> Environments:
    """So many copies of the environment of a task."""
    return GymEnvironments(lambda: Observed(make(facts), facts.parts), count)


def versions(facts: Facts) -> Mapping[str, str]:
    """What decides the reward and the physics of an evaluation."""
    require(["mujoco", "gymnasium_robotics"], INSTALL)
    found = {name: version(name) for name in ("gymnasium", "gymnasium-robotics", "mujoco")}
    return found | {"environment": facts.env_id}
