"""OGBench's environments for one task: states, rewards and success of the package itself.

The package draws from numpy's global generator in places (start and goal noise of mazes, teleports), and
manipulation scenes settle with actions from a generator that nobody can seed; an episode also feels the one
before it a little. Here an episode depends on its seed alone, bit for bit.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import gymnasium
import numpy as np

from bench.errors import UserError
from bench.task import Environments, GymEnvironments


def require_ogbench() -> None:
    """Raise UserError where the package is missing."""
    if find_spec("ogbench") is None:
        raise UserError(
            "OGBench's tasks need the package ogbench; install it with: pip install 'offline-bench[ogbench]'"
        )


@contextmanager
def quietly() -> Iterator[None]:
    """Silence what the package says about rendering and about precisions of spaces."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def make(env_id: str, **options: Any) -> gymnasium.Env:
    """One environment of the package, by its registered id. Raises UserError where the package is missing."""
    require_ogbench()
    with quietly():
        import ogbench  # noqa: F401  (registers the environments)

        return gymnasium.make(env_id, disable_env_checker=True, **options)


class Leftovers:
    """What `reset` of a manipulation scene leaves from the episode before: targets, and locks of drawer and
    window in the model. They reach an episode in the first steps, and through the solver's warm start.
    """

    MODEL = ("dof_damping", "site_pos")

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        self.attributes = deepcopy(
            {k: v for k, v in vars(scene).items() if k.startswith(("_target_", "_cur_"))}
        )
        self.model = {name: getattr(scene.model, name).copy() for name in self.MODEL}

    def remove(self) -> None:
        """Put the scene back to where it was when this was made."""
        vars(self.scene).update(deepcopy(self.attributes))
        for name, value in self.model.items():
            getattr(self.scene.model, name)[:] = value


class OwnGlobalGenerator(gymnasium.Wrapper):
    """Makes an episode a function of its seed: lends the environment a global numpy generator of its own,
    seeds the random actions with which it settles, and removes what the episode before has left.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.generator = np.random.RandomState(0).get_state()
        self.leftovers: Leftovers | None = None
        # Swapping the generator costs as much as several steps of a point, and only teleports need it there.
        self.draws = getattr(env.unwrapped, "_teleport_info", None) is not None
        with quietly():
            self.action_space = env.action_space
            scene = env.unwrapped
            if scene.action_space is not self.action_space:  # manipulation: a new, unseeded one at each look
                fixed = {"action_space": self.action_space}
                scene.__class__ = type(type(scene).__name__, (type(scene),), fixed)
                env.reset(seed=0)  # compiles the model
                self.leftovers = Leftovers(scene)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        if self.leftovers is not None:
            self.leftovers.remove()
        if seed is not None:
            self.generator = np.random.RandomState(seed).get_state()
            self.action_space.seed(seed)
        with self._lent(), quietly():
            return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        with self._lent() if self.draws else nullcontext():
            return self.env.step(action)

    @contextmanager
    def _lent(self) -> Iterator[None]:
        before = np.random.get_state()
        np.random.set_state(self.generator)
        try:
            yield
        finally:
            self.generator = np.random.get_state()
            np.random.set_state(before)


def environments(env_id: str, success_timing: str, count: int) -> Environments:
    """So many copies of a single-task environment, with a seed for each episode."""
    return GymEnvironments(partial(_evaluated, env_id, success_timing), count)


def _evaluated(env_id: str, success_timing: str) -> gymnasium.Env:
    return OwnGlobalGenerator(make(env_id, success_timing=success_timing))


def versions(success_timing: str) -> dict[str, str]:
    """What decides the reward and the physics of an evaluation."""
    require_ogbench()
    found = {name: version(name) for name in ("ogbench", "mujoco", "dm-control", "gymnasium")}
    return found | {"success_timing": success_timing}
