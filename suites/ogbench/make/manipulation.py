"""Play and noisy data of the manipulation scenes: cubes, drawer and window, button puzzles.

`play`: each plan to a random target is followed without looking, with smoothed noise on the plan.
`noisy`: closed-loop oracles with Gaussian noise on the action, its scale drawn anew for each episode, and now
and then a uniformly random action.
"""

from typing import Any

import numpy as np

from suites.ogbench.environments import Leftovers, make
from suites.ogbench.make.recording import Recipe, Recorder, Rows

PLAN = {"noise": 0.1, "noise_smoothing": 0.5}
MIN_NORM = 0.4  # of a closed-loop oracle's movement
MAX_NOISE = 0.1  # of `noisy`; the scale of an episode is uniform in [0, MAX_NOISE]
NOISE_SHAPE = np.array([1, 1, 1, 3, 10])  # x, y, z, yaw, gripper
STACKING = {"single": (0.0, 0.0), "double": (0.0, 0.25), "triple": (0.05, 0.35), "quadruple": (0.1, 0.5)}


class Manipulation:
    """A manipulation scene in which oracles reach one random target after another."""

    def __init__(self, recipe: Recipe) -> None:
        self.noisy = recipe.kind == "noisy"
        self.family, _, self.size = recipe.env_id.removesuffix("-v0").partition("-")
        self.random_share = {"puzzle": 0.2}.get(self.family, 0.1) if self.noisy else 0.0
        self.env = make(
            recipe.env_id, terminate_at_goal=False, mode="data_collection", max_episode_steps=recipe.rows
        )
        self.scene: Any = self.env.unwrapped
        self.env.reset(seed=0)  # compiles the model
        self.leftovers = Leftovers(self.scene)
        self.oracles = (_closed_loop if self.noisy else _plans)(self.family, self.env)

    def play(self, seed: int) -> Rows | None:
        """One episode; None where the scene's block left the part of the table that the camera sees."""
        self.leftovers.remove()
        obs, info = self.env.reset(seed=seed)
        p_stack = np.random.uniform(*STACKING.get(self.size, (0.5, 0.5)))
        noise = np.random.uniform(0, MAX_NOISE) * NOISE_SHAPE if self.noisy else None
        oracle = self._oracle(obs, info)
        recorder, last = Recorder(), False
        while not last:
            action = self._action(oracle, obs, info, noise)
            next_obs, _, terminated, truncated, info = self.env.step(action)
            last = terminated or truncated
            recorder.add(obs, action, last, info)
            if oracle.done:
                # The next action still sees this step's info, with the old target, as in the official data.
                oracle = self._oracle(*self.scene.set_new_target(p_stack=p_stack))
            obs = next_obs
        rows = recorder.rows()
        return None if self.family == "scene" and _out_of_sight(rows["qpos"]) else rows

    def _oracle(self, obs: np.ndarray, info: dict[str, Any]) -> Any:
        oracle = self.oracles[info["privileged/target_task"]]
        oracle.reset(obs, info)
        return oracle

    def _action(
        self, oracle: Any, obs: np.ndarray, info: dict[str, Any], noise: np.ndarray | None
    ) -> np.ndarray:
        if np.random.uniform() < self.random_share:
            return np.random.uniform(-1, 1, 5)  # the environment's own action space cannot be seeded
        action = np.asarray(oracle.select_action(obs, info))
        if noise is not None:
            action = action + np.random.normal(0, noise)
        return np.clip(action, -1, 1)


def _plans(family: str, env: Any) -> dict[str, Any]:
    from ogbench.manipspace.oracles.plan.button_plan import ButtonPlanOracle
    from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle
    from ogbench.manipspace.oracles.plan.drawer_plan import DrawerPlanOracle
    from ogbench.manipspace.oracles.plan.window_plan import WindowPlanOracle

    if family == "cube":
        return {"cube": CubePlanOracle(env=env, **PLAN)}
    if family == "puzzle":
        return {"button": ButtonPlanOracle(env=env, gripper_always_closed=True, **PLAN)}
    return {
        "cube": CubePlanOracle(env=env, **PLAN),
        "button": ButtonPlanOracle(env=env, **PLAN),
        "drawer": DrawerPlanOracle(env=env, **PLAN),
        "window": WindowPlanOracle(env=env, **PLAN),
    }


def _closed_loop(family: str, env: Any) -> dict[str, Any]:
    from ogbench.manipspace.oracles.markov.button_markov import ButtonMarkovOracle
    from ogbench.manipspace.oracles.markov.cube_markov import CubeMarkovOracle
    from ogbench.manipspace.oracles.markov.drawer_markov import DrawerMarkovOracle
    from ogbench.manipspace.oracles.markov.window_markov import WindowMarkovOracle

    options = {"env": env, "min_norm": MIN_NORM}
    if family == "cube":
        return {"cube": CubeMarkovOracle(**options)}
    if family == "puzzle":
        return {"button": ButtonMarkovOracle(gripper_always_closed=True, **options)}
    return {
        "cube": CubeMarkovOracle(max_step=100, **options),
        "button": ButtonMarkovOracle(**options),
        "drawer": DrawerMarkovOracle(**options),
        "window": WindowMarkovOracle(**options),
    }


def _out_of_sight(qpos: np.ndarray) -> bool:
    """Whether the block was ever too far to one side, and to the other without lying in the drawer."""
    y, z = qpos[:, 15], qpos[:, 16]
    in_drawer = (z >= 0.06) & (z <= 0.08)
    return bool(((y >= 0.29) | ((y <= -0.3) & ~in_drawer)).any())
