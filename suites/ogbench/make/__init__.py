"""Makes OGBench's data sets anew from the package ogbench alone: nothing is downloaded.

Behaviour, noise, episodes and steps are those of OGBench's own generation scripts and of its commands for
the published files (https://github.com/seohongpark/ogbench, data_gen_scripts). Random numbers differ: here
an episode is a function of the data set's name, the seed and the episode's number, so that several
processes write the same bytes as one.
"""

from functools import partial

from bench.data.source import Maker
from suites.ogbench.make.files import total_episodes, write
from suites.ogbench.make.manipulation import Manipulation
from suites.ogbench.make.pointmaze import PointMaze
from suites.ogbench.make.recording import Player, Recipe

# Rows of an episode are one more than its transitions: the last row holds the last state.
_LONG, _GIANT, _STITCH, _EXPLORE = 1001, 2001, 201, 501

_SCENES = {  # environment -> training episodes of the published data sets
    "cube-single": 1_000,
    "cube-double": 1_000,
    "cube-triple": 3_000,
    "cube-quadruple": 5_000,
    "scene": 1_000,
    "puzzle-3x3": 1_000,
    "puzzle-4x4": 1_000,
    "puzzle-4x5": 3_000,
    "puzzle-4x6": 5_000,
}


def maker(dataset: str) -> Maker | None:
    """How `dataset` is made, in the published size unless asked otherwise; None where it cannot be.

    Mazes with an ant or a humanoid need their trained controllers, which the package does not contain.
    """
    recipe = RECIPES.get(dataset)
    if recipe is None:
        return None
    return Maker(episodes=recipe.episodes, write=partial(write, recipe), total=total_episodes)


def _recipe(env: str, kind: str, episodes: int, rows: int, player: type[Player]) -> Recipe:
    return Recipe(f"{env}-{kind}-v0", f"{env}-v0", kind, episodes, rows, player)


def _recipes() -> dict[str, Recipe]:
    recipes = [
        _recipe(env, kind, episodes, _LONG, Manipulation)
        for env, episodes in _SCENES.items()
        for kind in ("play", "noisy")
    ]
    for size in ("medium", "large", "giant", "teleport"):
        env = f"pointmaze-{size}"
        navigate = (500, _GIANT) if size == "giant" else (1_000, _LONG)
        recipes += [
            _recipe(env, "navigate", *navigate, PointMaze),
            _recipe(env, "stitch", 5_000, _STITCH, PointMaze),
            # Published for antmaze only; the numbers are those of antmaze.
            _recipe(env, "explore", 10_000, _EXPLORE, PointMaze),
        ]
    return {recipe.dataset: recipe for recipe in recipes}


RECIPES = _recipes()
