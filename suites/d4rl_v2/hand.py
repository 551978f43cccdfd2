"""D4RL's rewards and endings for the Adroit hand, from the state of gymnasium-robotics' environments.

gymnasium-robotics has the hand's models and observations, but not D4RL's rule: release 1.3.1 pays for being
far from the door, the hammer and the ball (the sign of the reaching term), and it goes on when the pen is
dropped. The terms here are those of D4RL's `d4rl/hand_manipulation_suite/*_v0.py`, for any release.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

DROPPED = 0.075  # metres: the pen has left the hand below this height


def door(data: Any) -> float:
    """Reach the handle, open the door (radians), move slowly."""
    angle = data.joint("door_hinge").qpos[0]
    reward = -0.1 * _distance(data.site("S_grasp"), data.site("S_handle"))
    reward += -0.1 * (angle - 1.57) ** 2 - 1e-5 * np.square(data.qvel).sum()
    return float(reward + 2 * (angle > 0.2) + 8 * (angle > 1.0) + 10 * (angle > 1.35))


def hammer(data: Any) -> float:
    """Reach the hammer, lift it, bring its head to the nail and the nail into the board, move slowly."""
    tool, nail, hammer = data.site("tool"), data.site("S_target"), data.body("Object")
    depth = _distance(nail, data.site("nail_goal"))
    reward = -0.1 * _distance(data.site("S_grasp"), hammer) - _distance(tool, nail) - 10 * depth
    reward -= 0.01 * np.linalg.norm(data.qvel)
    lifted = hammer.xpos[2] > 0.04 and tool.xpos[2] > 0.04
    return float(reward + 2 * lifted + 25 * (depth < 0.02) + 75 * (depth < 0.01))


def relocate(data: Any) -> float:
    """Reach the ball, lift it, carry it to the target."""
    palm, ball, target = data.site("S_grasp"), data.body("Object"), data.site("target")
    rest = _distance(ball, target)
    reward = -0.1 * _distance(palm, ball)
    if ball.xpos[2] > 0.04:
        reward += 1 - 0.5 * _distance(palm, target) - 0.5 * rest
    return float(reward + 10 * (rest < 0.1) + 20 * (rest < 0.05))


def pen_dropped(data: Any) -> bool:
    return bool(data.body("Object").xpos[2] < DROPPED)


def _distance(first: Any, second: Any) -> float:
    return float(np.linalg.norm(first.xpos - second.xpos))


REWARDS: dict[str, Callable[[Any], float]] = {"door": door, "hammer": hammer, "relocate": relocate}


class D4RLRule(gymnasium.Wrapper):
    """One of the four environments of the hand with D4RL's rewards; the pen ends when it is dropped."""

    def __init__(self, env: gymnasium.Env, name: str) -> None:
        super().__init__(env)
        self.name = name

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        data = self.env.unwrapped.data
        if self.name == "pen":  # the package's reward is D4RL's
            terminated = pen_dropped(data)
        else:
            reward = REWARDS[self.name](data)
        return obs, reward, terminated, truncated, info
