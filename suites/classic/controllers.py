"""Scripted controllers: observation (D,) -> action (A,), both as numpy arrays.

Actions are on the scale [-1, 1], on which -1 and 1 are the bounds of the environment; a controller
may return more, the caller clips. None of them has a memory, so that a policy which sees only the
current observation can do what they do.
"""

from collections.abc import Callable

import numpy as np

Controller = Callable[[np.ndarray], np.ndarray]


def swing_up(obs: np.ndarray) -> np.ndarray:
    """Pendulum: pump energy until the pendulum can reach the top, then hold it there.

    obs = (cos, sin, angular velocity) with angle 0 at the top; the acceleration is
    15 sin(angle) + 3 torque, so `energy` is 0 for a pendulum that just comes to rest upright.
    """
    cos, sin, velocity = obs
    energy = velocity**2 / 2 + 15 * (cos - 1)
    if cos > 0.9 and abs(energy) < 4:
        torque = -12 * np.arctan2(sin, cos) - 3 * velocity
    else:
        torque = -2 * energy * (1 if velocity >= 0 else -1)
    return np.array([torque / 2])


def balance(obs: np.ndarray) -> np.ndarray:
    """Inverted pendulum: linear feedback that keeps the pole up and the cart in the middle.

    obs = (position, angle, velocity, angular velocity); the force is up to 3.
    """
    return np.array([[0.5, 9.0, 0.4, 1.0]]) @ obs / 3


def balance_badly(obs: np.ndarray) -> np.ndarray:
    """Inverted pendulum: feedback with too little gain, which loses the pole after some hundred steps."""
    return np.array([[0.07, 2.1, 0.09, 0.9]]) @ obs / 3


def reach(obs: np.ndarray) -> np.ndarray:
    """Reacher: inverse kinematics, then a spring and a damper on each joint.

    obs = (cos of both joints, sin of both joints, target x, target y, both joint velocities, ...).
    Of the two postures that put the fingertip on the target, the nearer one is taken.
    """
    joints = np.arctan2(obs[2:4], obs[:2])
    offsets = [posture - joints for posture in _postures(obs[4], obs[5])]
    for offset in offsets:
        offset[0] = (offset[0] + np.pi) % (2 * np.pi) - np.pi  # the shoulder turns all the way, the elbow not
    nearest = min(offsets, key=lambda offset: np.abs(offset).max())
    return 0.2 * nearest - 0.04 * obs[6:8]


def straighten(obs: np.ndarray) -> np.ndarray:
    """Reacher: hold the arm straight in its first direction, wherever the target is."""
    return -0.1 * np.arctan2(obs[2:4], obs[:2]) - 0.04 * obs[6:8]


def _postures(x: float, y: float, upper: float = 0.1, lower: float = 0.11) -> list[np.ndarray]:
    """(shoulder, elbow) in rad, elbow to either side, that put the tip of the arm (links in m) at x, y."""
    cos_elbow = (x**2 + y**2 - upper**2 - lower**2) / (2 * upper * lower)
    bend = np.arccos(np.clip(cos_elbow, -1, 1))
    return [
        np.array([np.arctan2(y, x) - np.arctan2(lower * np.sin(elbow), upper + lower * np.cos(elbow)), elbow])
        for elbow in (bend, -bend)
    ]


# Found by augmented random search (Mania et al. 2018, arXiv:1803.07055): 640 updates of 16 directions,
# step size 0.03, noise 0.05, the 8 best directions, rollouts of 150 steps and later 400, observations
# divided by a fixed typical size. The result ran at 4.4 per step but fell in one episode of five; with
# 0.7 of its gain it ran in all of them, at nearly the same speed.
GAIT = np.array(  # (17 observations, 6 joints)
    [
        [-3.34, -0.26, 0.38, -1.79, 3.77, 2.5],  # height
        [0.05, 2.23, 0.17, 1.57, -0.14, 1.57],  # pitch
        [0.3, -0.19, -0.06, -0.13, 0.04, -0.33],  # back thigh
        [0.53, -0.71, 0.12, -0.08, 0.37, -1.18],  # back shin
        [-1.01, -0.04, 0.5, 0.47, 1.38, 1.19],  # back foot
        [0.2, 0.12, -0.08, -0.38, -0.54, 0.02],  # front thigh
        [-0.51, 0.47, -0.47, 0.69, -0.11, 0.07],  # front shin
        [0.16, 0.29, -0.11, -0.55, -0.64, -1.22],  # front foot
        [0.17, 0.1, 0.03, 0.03, 0.08, 0],  # forward velocity
        [-0.15, -0.17, -0.21, 0.12, -0.56, -0.07],  # vertical velocity
        [-0.12, -0.13, 0.04, -0.06, 0.5, -0.13],  # pitch velocity
        [-0.08, -0.01, 0.01, 0.01, 0.04, -0.06],  # back thigh velocity
        [-0.04, -0.01, -0.05, -0.02, 0.02, 0.01],  # back shin velocity
        [0, -0.04, 0.01, -0.02, -0.02, 0.01],  # back foot velocity
        [-0.04, 0.06, 0.02, -0.04, -0.02, 0.06],  # front thigh velocity
        [-0.02, 0.03, -0.02, 0, 0, -0.01],  # front shin velocity
        [-0.03, 0.07, -0.02, 0.03, -0.04, -0.02],  # front foot velocity
    ]
)


def run_fast(obs: np.ndarray) -> np.ndarray:
    """Half cheetah: a gait by linear feedback."""
    return obs @ GAIT


def run_slowly(obs: np.ndarray) -> np.ndarray:
    """Half cheetah: the same gait with little more gain than it needs to get going."""
    return obs @ (0.7 * GAIT)
