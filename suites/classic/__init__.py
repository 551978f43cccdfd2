"""Four small control tasks, recorded on first use by scripted controllers through Minari.

Each data set mixes a good controller, a bad or noisy one and uniformly random actions. Copying all
of it is therefore a worse policy than the good part, and telling good actions from bad ones pays.
Seeds and noise of an episode depend on the environment, the behaviour and the episode's number
alone, so that the same versions of the packages give the same numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import NamedTuple

import gymnasium
import numpy as np

from bench.dataset import Dataset
from bench.streams import stream, stream_seed
from bench.task import Environments, GymEnvironments, Reference, Suite, Task
from suites.classic import controllers
from suites.minari_data import recorded, require, require_minari, without_advice


@dataclass(frozen=True)
class Behaviour:
    """What a part of a data set was recorded with; without a controller, uniformly random actions."""

    name: str
    controller: controllers.Controller | None
    noise: float  # standard deviation of what is added to the action, on the scale [-1, 1]
    episodes: int

    def action(self, obs: np.ndarray, rng: np.random.Generator, action_dim: int) -> np.ndarray:
        """The action (A,) in [-1, 1] for one observation (D,)."""
        if self.controller is None:
            return rng.uniform(-1, 1, action_dim)
        return (self.controller(obs) + self.noise * rng.standard_normal(action_dim)).clip(-1, 1)


@dataclass(frozen=True)
class Recipe:
    """How a data set is made, and what it is worth. `version` changes whenever the numbers do."""

    name: str
    env_id: str
    summary: str
    obs_dim: int
    action_dim: int
    max_steps: int
    behaviours: tuple[Behaviour, ...]  # recorded in this order
    reference: Reference
    mujoco: bool = True
    version: int = 1

    @property
    def dataset_id(self) -> str:
        """The name of the data set in Minari."""
        return f"{self.name}-v{self.version}"

    def make(self) -> gymnasium.Env:
        """One environment; raises UserError where a package is missing."""
        self.require_physics()
        return gymnasium.make(self.env_id)

    def require_physics(self) -> None:
        """Raise UserError where a package that the environment needs is missing."""
        if self.mujoco:
            require(["mujoco", "imageio"], '"gymnasium[mujoco]"')


class Recording(NamedTuple):
    """One episode in Minari's terms, unscaled: T + 1 observations and T of all the rest."""

    seed: int
    observations: list[np.ndarray]
    actions: list[np.ndarray]
    rewards: list[float]
    terminations: list[bool]
    truncations: list[bool]


def play(env: gymnasium.Env, behaviour: Behaviour, number: int) -> Recording:
    """Play the episode of this number of a behaviour."""
    assert env.spec is not None
    assert isinstance(env.action_space, gymnasium.spaces.Box)
    name = ("classic", env.spec.id, behaviour.name, number)
    rng = stream("action", *name)
    low, high = env.action_space.low, env.action_space.high
    recording = Recording(stream_seed("reset", *name), [], [], [], [], [])
    obs, _ = env.reset(seed=recording.seed)
    recording.observations.append(obs)
    ended = False
    while not ended:
        action = behaviour.action(obs, rng, len(low))
        scaled = (low + (action + 1) / 2 * (high - low)).astype(low.dtype)
        obs, reward, terminated, truncated, _ = env.step(scaled)
        recording.observations.append(obs)
        recording.actions.append(scaled)
        recording.rewards.append(float(reward))
        recording.terminations.append(terminated)
        recording.truncations.append(truncated)
        ended = terminated or truncated
    return recording


def record(recipe: Recipe, dataset_id: str) -> None:
    """Play all episodes of a recipe and leave them as a data set of Minari.

    The episodes are handed over as buffers: `minari.DataCollector` writes the same file, but needs
    JAX and several times as long.
    """
    import minari
    from minari.data_collector import EpisodeBuffer

    env = recipe.make()
    recordings = [play(env, b, number) for b in recipe.behaviours for number in range(b.episodes)]
    parts = ", ".join(f"{b.episodes} episodes of {b.name}" for b in recipe.behaviours)
    with without_advice():
        minari.create_dataset_from_buffers(
            dataset_id,
            [EpisodeBuffer(id=number, **recording._asdict()) for number, recording in enumerate(recordings)],
            env=env,
            eval_env=recipe.env_id,
            algorithm_name="scripted controllers",
            description=f"{recipe.env_id}, in this order: {parts}",
        )
    env.close()


def load(recipe: Recipe) -> Dataset:
    """The data set of a recipe, recorded on first use."""
    require_minari()
    return recorded(recipe.dataset_id, partial(record, recipe))


def versions(recipe: Recipe) -> Mapping[str, str]:
    """What makes two results comparable: packages that move the numbers, and the recipe itself."""
    recipe.require_physics()
    require_minari()
    packages = ["gymnasium", "minari"] + ["mujoco"] * recipe.mujoco
    return {name: version(name) for name in packages} | {"recipe": str(recipe.version)}


def environments(recipe: Recipe, count: int) -> Environments:
    return GymEnvironments(recipe.make, count)


def task(recipe: Recipe) -> Task:
    """The task that a recipe describes."""
    return Task(
        suite="classic",
        name=recipe.name,
        summary=recipe.summary,
        obs_dim=recipe.obs_dim,
        action_dim=recipe.action_dim,
        max_steps=recipe.max_steps,
        reference=recipe.reference,
        load=partial(load, recipe),
        environments=partial(environments, recipe),
        versions=partial(versions, recipe),
    )


RECIPES = (
    Recipe(
        name="pendulum-mixed",
        env_id="Pendulum-v1",
        summary="swing up and hold: 20% good, 40% noisy, 40% random episodes; 1 is the good controller",
        obs_dim=3,
        action_dim=1,
        max_steps=200,
        behaviours=(
            Behaviour("swing-up", controllers.swing_up, noise=0.0, episodes=30),
            Behaviour("noisy swing-up", controllers.swing_up, noise=2.0, episodes=60),
            Behaviour("random", None, noise=0.0, episodes=60),
        ),
        reference=Reference(
            random=-1234.9,
            best=-149.9,
            source="means of 1000 episodes each: uniformly random (standard error 8.9), the data set's "
            "swing-up controller without noise (2.9); a perfect policy may score a little above 1",
        ),
        mujoco=False,
    ),
    Recipe(
        name="inverted-pendulum-mixed",
        env_id="InvertedPendulum-v5",
        summary="keep the pole up: 3 episodes never fall, 160 fall late, 400 at once; 1 is never falling",
        obs_dim=4,
        action_dim=1,
        max_steps=1000,
        behaviours=(
            Behaviour("balance", controllers.balance, noise=0.02, episodes=3),
            Behaviour("weak balance", controllers.balance_badly, noise=0.15, episodes=160),
            Behaviour("random", None, noise=0.0, episodes=400),
        ),
        reference=Reference(
            random=5.1,
            best=1000.0,
            source="means of 4000 episodes of uniformly random actions (standard error 0.06) and of 50 of "
            "the data set's balancing controller (0), which is also the highest return there is",
        ),
    ),
    Recipe(
        name="reacher-mixed",
        env_id="Reacher-v5",
        summary="reach a point gently: 10% good, 50% ignore the point, 40% random; 1 is the good controller",
        obs_dim=10,
        action_dim=2,
        max_steps=50,
        behaviours=(
            Behaviour("reach", controllers.reach, noise=0.0, episodes=50),
            Behaviour("straighten", controllers.straighten, noise=0.2, episodes=250),
            Behaviour("random", None, noise=0.0, episodes=200),
        ),
        reference=Reference(
            random=-42.8,
            best=-3.71,
            source="means of 1000 episodes each: uniformly random (standard error 0.12), the data set's "
            "inverse kinematics without noise (0.05); a better policy may score a little above 1",
        ),
    ),
    Recipe(
        name="half-cheetah-mixed",
        env_id="HalfCheetah-v5",
        summary="run: 25% good gait, 37.5% slow and noisy gait, 37.5% random steps; 1 is the good gait",
        obs_dim=17,
        action_dim=6,
        max_steps=1000,
        behaviours=(
            Behaviour("gait", controllers.run_fast, noise=0.0, episodes=10),
            Behaviour("slow gait", controllers.run_slowly, noise=0.2, episodes=15),
            Behaviour("random", None, noise=0.0, episodes=15),
        ),
        reference=Reference(
            random=-283.0,
            best=4162.0,
            source="means of 100 episodes each: uniformly random (standard error 7.4), the data set's fast "
            "gait (6.2); online methods run more than twice as fast, so a score above 1 is possible",
        ),
    ),
)

CLASSIC = Suite(
    name="classic",
    summary="Gymnasium's small control tasks, with mixed data recorded by scripted controllers",
    tasks={recipe.name: task(recipe) for recipe in RECIPES},
    steps=10_000,
    evaluations=4,
    episodes=10,
    settings={"hidden": (256, 256)},  # one size for all: ideas are compared under equal means
)
