"""Minari's data sets as tasks: the facts that are needed before a file is there.

Names: Minari's documentation (https://minari.farama.org). Environments: gymnasium-robotics 1.3.1 and
Gymnasium 1.0.0. The data sets of `D4RL/` were recorded or converted anew; they are not D4RL's own files.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.task import SUCCESS, Reference


@dataclass(frozen=True)
class Facts:
    """One data set, the environment that evaluates a policy on it, and the scale of the score."""

    dataset_id: str  # D4RL/pointmaze/umaze-v2
    env_id: str
    obs_dim: int  # of the vector that `parts` make
    action_dim: int
    max_steps: int
    reference: Reference  # where the data set's metadata name none
    parts: tuple[str, ...] = ()  # of observations that are dictionaries, in the order of the vector
    options: Mapping[str, Any] = field(default_factory=dict)  # of the environment
    note: str = ""

    @property
    def name(self) -> str:
        """pointmaze-umaze-v2"""
        return self.dataset_id.partition("/")[2].replace("/", "-")


_MAZE = (
    "A new start and goal for each episode; the observation ends with the goal. Success: the goal is reached"
)
_POINT = f"{_MAZE}; the return pays for every step."
_ANT = f"{_MAZE}. D4RL's antmaze-*-v2 have one start and one goal region instead."


def _pointmaze(maze: str, env: str, max_steps: int) -> list[Facts]:
    return [
        Facts(
            f"D4RL/pointmaze/{maze}{dense}-v2",
            f"PointMaze_{env}{dense.removeprefix('-').title()}-v3",
            obs_dim=6,
            action_dim=2,
            max_steps=max_steps,
            reference=SUCCESS,
            parts=("observation", "desired_goal"),
            note=_POINT,
        )
        for dense in ("", "-dense")
    ]


def _antmaze(kind: str, env: str, max_steps: int) -> Facts:
    return Facts(
        f"D4RL/antmaze/{kind}-v1",
        f"AntMaze_{env}-v4",
        obs_dim=31,
        action_dim=8,
        max_steps=max_steps,
        reference=SUCCESS,
        parts=("achieved_goal", "observation", "desired_goal"),
        note=_ANT,
    )


def _hand(name: str, obs_dim: int, action_dim: int, random: float, expert: float) -> list[Facts]:
    source = "random and expert returns of D4RL's infos.py, whose rewards and lengths differ a little"
    return [
        Facts(
            f"D4RL/{name}/{kind}-v2",
            f"AdroitHand{name.title()}-v1",
            obs_dim=obs_dim,
            action_dim=action_dim,
            max_steps=200,
            reference=Reference(random, expert, source),
            note="The dense reward of gymnasium-robotics 1.2.1 and later differs from that of the recording.",
        )
        for kind in ("human", "cloned", "expert")
    ]


_KITCHEN = {
    "complete": ("microwave", "kettle", "light switch", "slide cabinet"),
    "partial": ("microwave", "kettle", "light switch", "slide cabinet"),
    "mixed": ("microwave", "kettle", "bottom burner", "light switch"),
}


def _kitchen(kind: str) -> Facts:
    return Facts(
        f"D4RL/kitchen/{kind}-v2",
        "FrankaKitchen-v1",
        obs_dim=59,
        action_dim=9,
        max_steps=280,
        reference=Reference(0, 4, "none and all of the four subtasks, as in D4RL"),
        parts=("observation",),
        options={"tasks_to_complete": list(_KITCHEN[kind])},
        note=f"Subtasks: {', '.join(_KITCHEN[kind])}; each pays 1 once.",
    )


D4RL = (
    *_pointmaze("open", "Open", 300),
    *_pointmaze("umaze", "UMaze", 300),
    *_pointmaze("medium", "Medium", 600),
    *_pointmaze("large", "Large", 800),
    _antmaze("umaze", "UMaze", 700),
    _antmaze("umaze-diverse", "UMaze", 700),
    _antmaze("medium-play", "Medium", 1000),
    _antmaze("medium-diverse", "Medium", 1000),
    _antmaze("large-play", "Large", 1000),
    _antmaze("large-diverse", "Large", 1000),
    *_hand("pen", 45, 24, 96.262799, 3076.8331017826877),
    *_hand("door", 39, 28, -56.512833, 2880.5693087298737),
    *_hand("hammer", 46, 26, -274.856578, 12794.134825156867),
    *_hand("relocate", 39, 30, -6.425911, 4233.877797728884),
    *(_kitchen(kind) for kind in _KITCHEN),
)


def _mujoco(
    name: str, env: str, sizes: tuple[int, int], max_steps: int, random: float, levels: tuple[str, ...]
) -> list[Facts]:
    source = "0: mean of uniformly random actions, measured; 100: mean return of the recorded episodes"
    return [
        Facts(
            f"mujoco/{name}/{level}-v0",
            f"{env}-v5",
            obs_dim=sizes[0],
            action_dim=sizes[1],
            max_steps=max_steps,
            reference=Reference(random, math.nan, source),
            note="Where the metadata name no reference returns, 100 is as good as the data on average: the "
            "scale of `expert` is not that of `medium`.",
        )
        for level in levels
    ]


_ALL, _TWO = ("simple", "medium", "expert"), ("medium", "expert")

# Random: uniformly random actions in 100 episodes (ant, halfcheetah, humanoidstandup, swimmer), otherwise in
# 1000, reset with the seeds 0, 1, ...; standard errors are below 4% of the number but for ant (11), swimmer
# (1.1) and walker2d (0.18).
MUJOCO = (
    *_mujoco("ant", "Ant", (105, 8), 1000, -65.3, _ALL),
    *_mujoco("halfcheetah", "HalfCheetah", (17, 6), 1000, -275.9, _ALL),
    *_mujoco("hopper", "Hopper", (11, 3), 1000, 17.67, _ALL),
    *_mujoco("humanoid", "Humanoid", (348, 17), 1000, 113.7, _ALL),
    *_mujoco("humanoidstandup", "HumanoidStandup", (348, 17), 1000, 33032.0, _ALL),
    *_mujoco("inverteddoublependulum", "InvertedDoublePendulum", (9, 1), 1000, 47.86, _TWO),
    *_mujoco("invertedpendulum", "InvertedPendulum", (4, 1), 1000, 5.02, _TWO),
    *_mujoco("pusher", "Pusher", (23, 7), 100, -149.1, _TWO),
    *_mujoco("reacher", "Reacher", (10, 2), 50, -42.8, _TWO),
    *_mujoco("swimmer", "Swimmer", (8, 2), 1000, 3.2, _ALL),
    *_mujoco("walker2d", "Walker2d", (17, 6), 1000, 1.65, _ALL),
)
