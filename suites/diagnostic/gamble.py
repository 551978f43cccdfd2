"""gamble: the best recorded returns come from luck, not from skill.

A bridge (top) leads to a large prize, but in every step on it the walker may fall; a road (bottom)
leads safely to a smaller one. Most who took the bridge fell. Imitating the recordings with the
highest returns leads onto the bridge; averaging over what happened leads onto the road.
"""

import numpy as np

from bench.dataset import Dataset
from bench.streams import stream
from suites.diagnostic.core import Array, Outcome, World, record, slide, starts, towards

SPEED = 0.15  # largest move per step along each axis
ROOMS = np.array([[-1, -0.5, -0.6, 0.6], [-0.5, 1, 0.2, 0.6], [-0.5, 1, -0.6, -0.2]])
LANE, END = 0.4, 0.75  # the lanes are centred at y = -LANE and y = LANE, and end at x = END
FALL = 0.15  # probability per step on the bridge
PRIZE, SAFE, LOSS = 8.0, 4.0, -2.0


class Gamble(World):
    """State and obs: (x, y). Reward: PRIZE at the end of the bridge, SAFE of the road, LOSS at a fall."""

    obs_dim, action_dim, max_steps = 2, 2, 30

    def start(self, rng: np.random.Generator) -> Array:
        return np.array([-0.9, 0]) + rng.uniform(-0.05, 0.05, 2)

    def chances(self, rng: np.random.Generator) -> Array:
        return rng.random((self.max_steps, 1))

    def advance(self, state: Array, action: Array, chance: Array) -> Outcome:
        after = slide(state, SPEED * action, ROOMS)
        x, y = after[:, 0], after[:, 1]
        fell = (x > -0.5) & (y > 0) & (chance[:, 0] < FALL)
        arrived = ~fell & (x > END)
        reward = np.where(arrived, np.where(y > 0, PRIZE, SAFE), np.where(fell, LOSS, 0))
        return Outcome(after, reward, fell | arrived, np.zeros(len(state), bool))


def walk(state: Array, lane: Array) -> Array:
    """The action (n, 2) to the end of the lane at y = lane (n,)."""
    far = np.where(np.abs(state[:, 1] - lane) < 0.15, 1.0, -0.6)
    return towards(state, np.stack([far, lane], 1), SPEED)


def expert(time: int, state: Array) -> Array:
    return walk(state, np.full(len(state), -LANE))


def make() -> Dataset:
    """2,000 walks with a small noise; half of the walkers take the bridge, half take the road."""
    rng = stream("diagnostic", "gamble", 1)
    world = Gamble()
    lane = rng.permutation(np.repeat([-LANE, LANE], 1000))
    start = starts(world, rng, len(lane))

    def walker(time: int, state: Array) -> Array:
        return walk(state, lane) + rng.normal(0, 0.1, state.shape)

    return Dataset.from_episodes(record(world, walker, start, rng))
