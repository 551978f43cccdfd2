"""narrow-expert: perfect data in a narrow band, and nothing about what lies outside.

An unstable system in four dimensions is kept near the origin by an expert whose actions stay near
the middle of their range. No recording shows how bad large actions are: whoever trusts a critic
there falls, whoever stays with the data does as well as the expert.
"""

import numpy as np

from bench.dataset import Dataset
from bench.streams import stream
from suites.diagnostic.core import Array, Outcome, World, record, starts

GROWTH, GAIN, NOISE = 1.1, 0.5, 0.02
MIX = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2  # its own inverse


class NarrowExpert(World):
    """State and obs: four coordinates; leaving [-1, 1] in any of them is a fall and ends the episode.

    Reward per step: 0.1 at the origin, falling with the square of the distance to 0 at distance 0.5.
    """

    obs_dim, action_dim, max_steps = 4, 4, 50

    def start(self, rng: np.random.Generator) -> Array:
        return rng.uniform(-0.2, 0.2, 4)

    def chances(self, rng: np.random.Generator) -> Array:
        return rng.standard_normal((self.max_steps, 4))

    def advance(self, state: Array, action: Array, chance: Array) -> Outcome:
        after = GROWTH * state + GAIN * _mix(action) + NOISE * chance
        fell = (np.abs(after) > 1).any(1)
        reward = 0.1 * np.maximum(0, 1 - (after**2).sum(1) / 0.25)
        return Outcome(np.clip(after, -1, 1), reward, fell, np.zeros(len(state), bool))


def _mix(vector: Array) -> Array:
    """MIX applied to every row; a sum in fixed order, because a matrix product may round by batch size."""
    return (vector[:, None] * MIX).sum(2)


def expert(time: int, state: Array) -> Array:
    """Undoes the growth exactly; only the noise is left."""
    return -GROWTH / GAIN * _mix(state)


def make() -> Dataset:
    """400 episodes of the expert, with a little noise in its actions."""
    rng = stream("diagnostic", "narrow-expert", 1)
    world = NarrowExpert()

    def demonstrator(time: int, state: Array) -> Array:
        return expert(time, state) + rng.normal(0, 0.05, state.shape)

    return Dataset.from_episodes(record(world, demonstrator, starts(world, rng, 400), rng))
