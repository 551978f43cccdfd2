"""crossroads: the way to the reward is the first half of one kind of trip and the second half of another.

Two rooms, left and right, are joined by a passage; A and E are dead ends of the left room, one above
and one below the passage. Trips from A end in D (bottom right), which is worth nothing; trips from E
end in C (top right), which is rewarded. In the passage the two kinds look alike, so a policy that
repeats what was done there turns to C as often as the data did. An evaluation starts in A, where
every trip first led away from the goal, so that the rewarded trips alone do not show the way out.
"""

import numpy as np

from bench.dataset import Dataset
from bench.streams import stream
from suites.diagnostic.core import Array, Outcome, World, distance, record, slide, starts, towards

SPEED = 0.15  # largest move per step along each axis
ROOMS = np.array(
    [
        [-1, -0.6, -0.9, 0.9],
        [-1, 0.1, 0.5, 0.9],
        [-1, 0.1, -0.9, -0.5],
        [-1, 1, -0.2, 0.2],
        [0.6, 1, -0.9, 0.9],
    ]
)
A, C, D = np.array([[-0.1, 0.7], [0.8, 0.7], [0.8, -0.7]])  # E is the mirror image of A
RADIUS = 0.2


class Crossroads(World):
    """State and obs: (x, y). Reward 1 in C; the episode ends in C and in D."""

    obs_dim, action_dim, max_steps = 2, 2, 60

    def start(self, rng: np.random.Generator) -> Array:
        return A + rng.uniform(-0.1, 0.1, 2)

    def advance(self, state: Array, action: Array, chance: Array) -> Outcome:
        after = slide(state, SPEED * action, ROOMS)
        arrived = distance(after, C) < RADIUS
        return Outcome(after, arrived.astype(float), arrived | (distance(after, D) < RADIUS), arrived)


def walk(state: Array, goal: Array) -> Array:
    """The action (n, 2) out of a dead end, through the passage and to goal (n, 2) in the right room."""
    x, y = state[:, :1], state[:, 1:]
    target = np.where(x < 0.65, np.array([0.8, 0.0]), goal)
    target = np.where((x < -0.6) & (np.abs(y) > 0.15), np.array([-0.8, 0.0]), target)
    dead_end = (x >= -0.6) & (x < 0.5) & (np.abs(y) > 0.3)
    target = np.where(dead_end, np.concatenate([np.full_like(x, -0.8), np.copysign(0.7, y)], 1), target)
    return towards(state, target, SPEED)


def expert(time: int, state: Array) -> Array:
    return walk(state, np.broadcast_to(C, state.shape))


def make() -> Dataset:
    """1,500 trips from A to D and 500 from E to C; the sideways noise mixes them in the passage."""
    rng = stream("diagnostic", "crossroads", 1)
    world = Crossroads()
    from_a = rng.permutation(np.repeat([False, True], [500, 1500]))[:, None]
    start = starts(world, rng, len(from_a))
    start = np.where(from_a, start, start * [1, -1])
    goal = np.where(from_a, D, C)

    def traveller(time: int, state: Array) -> Array:
        return walk(state, goal) + rng.normal(0, 0.4, state.shape)

    return Dataset.from_episodes(record(world, traveller, start, rng))
