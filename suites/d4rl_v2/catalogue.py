"""Which data sets there are: the facts that are needed before any package is loaded.

File names, addresses and reference scores: `d4rl/infos.py` of Fu et al. 2020, "D4RL: Datasets for Deep
Data-Driven Reinforcement Learning" (arXiv 2004.07219). Episode lengths: D4RL's registrations. The files of
the hand are version 1, which is what published tables use beside version 2 of the others.
"""

from dataclasses import dataclass
from typing import Literal

URL = "https://rail.eecs.berkeley.edu/datasets/offline_rl"


@dataclass(frozen=True)
class EnvironmentFacts:
    """One environment and the scale of its score; `kind` decides what evaluates it and how it is read."""

    name: str
    kind: Literal["locomotion", "antmaze", "hand"]
    obs_dim: int
    action_dim: int
    max_steps: int
    random: float  # mean return of uniformly random actions
    expert: float


@dataclass(frozen=True)
class DatasetFacts:
    """One file of D4RL, which keeps it under the last part of its address."""

    name: str  # halfcheetah-medium-v2
    env: EnvironmentFacts
    data: str  # medium; nothing where the name says nothing
    folder: str  # gym_mujoco_v2
    file: str  # halfcheetah_medium-v2.hdf5

    @property
    def url(self) -> str:
        return f"{URL}/{self.folder}/{self.file}"


_CHEETAH = EnvironmentFacts("halfcheetah", "locomotion", 17, 6, 1000, -280.178953, 12135.0)
_HOPPER = EnvironmentFacts("hopper", "locomotion", 11, 3, 1000, -20.272305, 3234.3)
_WALKER = EnvironmentFacts("walker2d", "locomotion", 17, 6, 1000, 1.629008, 4592.3)
_UMAZE = EnvironmentFacts("antmaze-umaze", "antmaze", 29, 8, 700, 0.0, 1.0)
_MEDIUM = EnvironmentFacts("antmaze-medium", "antmaze", 29, 8, 1000, 0.0, 1.0)
_LARGE = EnvironmentFacts("antmaze-large", "antmaze", 29, 8, 1000, 0.0, 1.0)
_PEN = EnvironmentFacts("pen", "hand", 45, 24, 100, 96.262799, 3076.8331017826877)
_DOOR = EnvironmentFacts("door", "hand", 39, 28, 200, -56.512833, 2880.5693087298737)
_HAMMER = EnvironmentFacts("hammer", "hand", 46, 26, 200, -274.856578, 12794.134825156867)
_RELOCATE = EnvironmentFacts("relocate", "hand", 39, 30, 200, -6.425911, 4233.877797728884)


def _locomotion(env: EnvironmentFacts, data: str) -> DatasetFacts:
    file = f"{env.name}_{data.replace('-', '_')}-v2.hdf5"
    return DatasetFacts(f"{env.name}-{data}-v2", env, data, "gym_mujoco_v2", file)


def _antmaze(
    env: EnvironmentFacts, data: str, maze: str, many_starts: bool, many_goals: bool
) -> DatasetFacts:
    file = f"Ant_maze_{maze}_noisy_multistart_{many_starts}_multigoal_{many_goals}_sparse_fixed.hdf5"
    return DatasetFacts(f"{env.name}-{data}-v2".replace("--", "-"), env, data, "ant_maze_v2", file)


def _hand(env: EnvironmentFacts, data: str) -> DatasetFacts:
    name = f"{env.name}-{data}-v1"
    return DatasetFacts(name, env, data, "hand_dapg_v1", f"{name}.hdf5")


DATASETS = (
    *(
        _locomotion(e, d)
        for e in (_CHEETAH, _HOPPER, _WALKER)
        for d in ("medium", "medium-replay", "medium-expert")
    ),
    _antmaze(_UMAZE, "", "u-maze", False, False),
    _antmaze(_UMAZE, "diverse", "u-maze", True, True),
    _antmaze(_MEDIUM, "play", "big-maze", True, False),
    _antmaze(_MEDIUM, "diverse", "big-maze", True, True),
    _antmaze(_LARGE, "play", "hardest-maze", True, False),
    _antmaze(_LARGE, "diverse", "hardest-maze", True, True),
    *(_hand(e, d) for e in (_PEN, _DOOR, _HAMMER, _RELOCATE) for d in ("human", "cloned", "expert")),
)
