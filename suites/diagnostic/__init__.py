"""Six small tasks, each of which isolates one property that separates offline RL methods.

They need no download: worlds of a few lines, with data that is made in a second on first use.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from bench.dataset import cached
from bench.task import Reference, Suite, Task
from suites.diagnostic import crossroads, few_good, gamble, long_way, narrow_expert, two_doors
from suites.diagnostic.core import World, WorldEnvironments

# One number for the whole suite: raise it when a world or its data changes, and old scores are kept apart.
VERSION = 1

SOURCE = (
    "measured: means of 20,000 episodes of uniformly random actions and of the scripted controller `expert`"
)


def _task(
    module: ModuleType,
    world: World,
    summary: str,
    random: float,
    best: float,
    settings: Mapping[str, Any] | None = None,
) -> Task:
    """A task named after its module, whose `make` makes the data and whose `expert` gave the reference."""
    name = module.__name__.rpartition(".")[2].replace("_", "-")
    return Task(
        suite="diagnostic",
        name=name,
        summary=summary,
        obs_dim=world.obs_dim,
        action_dim=world.action_dim,
        max_steps=world.max_steps,
        reference=Reference(random, best, SOURCE),
        load=lambda: cached(f"diagnostic/{name}-v{VERSION}", module.make),
        environments=lambda count: WorldEnvironments(world, count),
        vectorized=True,
        versions=lambda: {"diagnostic": str(VERSION)},
        settings=settings or {},
    )


# One size for every algorithm, small enough for a laptop: what is compared here are the ideas, under
# equal means. What is particular to an algorithm (weights, temperatures, clips) stays at its default.
SETTINGS = {
    "hidden": (64, 64),
    "batch_size": 64,
    "lr": 1e-3,
    "actor_lr": 1e-3,
    "target_rate": 0.01,
    "sampled_actions": 2,
}

_TASKS = [
    _task(
        two_doors,
        two_doors.TwoDoors(),
        "multimodal demonstrations: the mean of two good ways hits the wall",
        random=0.006,
        best=1.0,
    ),
    _task(
        crossroads,
        crossroads.Crossroads(),
        "stitching: no recorded trip leads from the start to the goal, two halves of trips do",
        random=0.0,
        best=1.0,
    ),
    _task(
        few_good,
        few_good.FewGood(),
        "mixed quality: one trajectory in ten is good, repeating the average earns nothing",
        random=0.0,
        best=20.0,
    ),
    _task(
        long_way,
        long_way.LongWay(),
        "long horizon: one reward after eighty steps, recordings that wandered and were cut off",
        random=0.0,
        best=10.0,
        # The news of the reward travels back one step in about 1 / target_rate updates: at the usual
        # 0.005 it would need 16,000 updates to arrive at the start.
        settings={"discount": 0.99, "target_rate": 0.05},
    ),
    _task(
        narrow_expert,
        narrow_expert.NarrowExpert(),
        "narrow expert data: actions that were never tried look good to an unconstrained critic",
        random=0.017,
        best=4.968,
    ),
    _task(
        gamble,
        gamble.Gamble(),
        "luck: the best recorded returns belong to the choice with the poor mean",
        random=-0.217,
        best=4.0,
    ),
]

DIAGNOSTIC = Suite(
    name="diagnostic",
    summary="six small tasks, each isolating one property; no download",
    tasks={task.name: task for task in _TASKS},
    steps=3000,
    evaluations=3,
    episodes=20,
    settings=SETTINGS,
)
