"""long-way: one reward at the end of some eighty steps, and data that only ever wandered about.

Two lanes, joined at one end. The recorded walkers start anywhere, run errands to random places and
stop being recorded after 40 steps, so that nobody saw more than half of the way. A method has to
carry the news of the reward back over all of it, and must not take the end of a recording for the
end of the world.
"""

from itertools import pairwise

import numpy as np

from bench.dataset import Dataset
from bench.streams import stream
from suites.diagnostic.core import Array, Outcome, World, distance, record, slide, towards

SPEED = 0.045  # largest move per step along each axis; the way is 3.9 long
ROOMS = np.array([[-1, 1, 0.2, 0.8], [0.4, 1, -0.8, 0.8], [-1, 1, -0.8, -0.2]])
CORNERS = np.array([[-0.75, 0.5], [0.7, 0.5], [0.7, -0.5], [-0.75, -0.5]])
WAY = np.concatenate([np.linspace(a, b, 30, endpoint=False) for a, b in pairwise(CORNERS)] + [CORNERS[-1:]])
RADIUS, PRIZE = 0.2, 10.0


class LongWay(World):
    """State: (x, y); obs: (x, y, share of the way behind, from -1 at the start to 1 at the goal).

    Reward PRIZE at the goal, which ends the episode; 0 otherwise.
    """

    obs_dim, action_dim, max_steps = 3, 2, 200

    def start(self, rng: np.random.Generator) -> Array:
        return CORNERS[0] + rng.uniform(-0.1, 0.1, 2)

    def advance(self, state: Array, action: Array, chance: Array) -> Outcome:
        after = slide(state, SPEED * action, ROOMS)
        arrived = distance(after, CORNERS[-1]) < RADIUS
        return Outcome(after, PRIZE * arrived, arrived, arrived)

    def observe(self, state: Array) -> Array:
        share = 2 * _place(state) / (len(WAY) - 1) - 1
        return np.concatenate([state, share[:, None]], 1).astype(np.float32)


def _place(position: Array) -> Array:
    """The index (n,) of the point of WAY that is nearest to position (n, 2)."""
    return distance(position[:, None], WAY).argmin(1)


def walk(state: Array, place: Array) -> Array:
    """The action (n, 2) along the way to the point WAY[place], place (n,)."""
    here = _place(state)
    ahead = here + np.clip(place - here, -2, 2)  # two points ahead are still in sight
    return towards(state, WAY[ahead], SPEED)


def expert(time: int, state: Array) -> Array:
    return walk(state, np.full(len(state), len(WAY) - 1))


def make() -> Dataset:
    """1,000 recordings of at most 40 steps; an errand ends with probability 1/40 in every step.

    One errand in ten is at the goal.
    """
    rng = stream("diagnostic", "long-way", 1)
    world = LongWay()
    count = 1000
    start = WAY[rng.integers(len(WAY) - 10, size=count)] + rng.uniform(-0.1, 0.1, (count, 2))

    def errands() -> Array:
        return np.minimum(rng.integers(len(WAY) + 10, size=count), len(WAY) - 1)

    place = errands()

    def walker(time: int, state: Array) -> Array:
        nonlocal place
        place = np.where(rng.random(count) < 0.025, errands(), place)
        return walk(state, place) + rng.normal(0, 0.5, state.shape)

    return Dataset.from_episodes(record(world, walker, start, rng, steps=40))
