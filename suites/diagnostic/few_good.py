"""few-good: one trajectory in ten is good, all others are poor.

A circuit is to be walked counter-clockwise. Good walkers go at full speed; the poor dawdle, and many
of them go the wrong way. A policy that repeats the data does what most of it did; a policy that
knows which trajectories (or which actions) were worth it is much better than the data.
"""

import numpy as np

from bench.dataset import Dataset
from bench.streams import stream
from suites.diagnostic.core import Array, Outcome, World, record, starts

SPEED = 0.15  # largest length of a move per step
RADIUS, HALF_WIDTH = 0.7, 0.25  # of the circuit


class FewGood(World):
    """State and obs: (x, y). Reward per step: the share of the largest move that went counter-clockwise.

    A step that ends beside the circuit earns nothing.
    """

    obs_dim, action_dim, max_steps = 2, 2, 20

    def start(self, rng: np.random.Generator) -> Array:
        angle = rng.uniform(-np.pi, np.pi)
        return RADIUS * np.array([np.cos(angle), np.sin(angle)])

    def advance(self, state: Array, action: Array, chance: Array) -> Outcome:
        move = action / np.maximum(1, _length(action))
        after = np.clip(state + SPEED * move, -1, 1)
        middle = (state + after) / 2  # measured here, a step along a chord of the circuit counts in full
        progress = (_forward(middle) * (after - state)).sum(1) / SPEED
        on_circuit = np.abs(_length(after)[:, 0] - RADIUS) < HALF_WIDTH
        never = np.zeros(len(state), bool)
        return Outcome(after, np.where(on_circuit, progress, 0), never, never)


def _length(vector: Array) -> Array:
    """Euclidean length (n, 1) of vector (n, 2)."""
    return np.sqrt((vector**2).sum(1, keepdims=True))


def _forward(position: Array) -> Array:
    """The unit vector (n, 2) counter-clockwise around the origin."""
    return np.stack([-position[:, 1], position[:, 0]], 1) / np.maximum(_length(position), 1e-6)


def walk(state: Array, pace: Array) -> Array:
    """The action (n, 2) along the circuit at pace (n,) of the largest move; negative is clockwise."""
    ahead = state + SPEED * pace[:, None] * _forward(state)
    target = ahead * RADIUS / _length(ahead)
    return (target - state) / SPEED


def expert(time: int, state: Array) -> Array:
    return walk(state, np.full(len(state), 1.03))  # a little too far, so that the move has full length


def make() -> Dataset:
    """2,000 walks with a small noise: 200 at full pace, the others at a pace between -0.6 and 0.4."""
    rng = stream("diagnostic", "few-good", 1)
    world = FewGood()
    pace = np.concatenate([np.ones(200), rng.uniform(-0.6, 0.4, 1800)])
    pace = rng.permutation(pace)

    def walker(time: int, state: Array) -> Array:
        return walk(state, pace) + rng.normal(0, 0.1, state.shape)

    return Dataset.from_episodes(record(world, walker, starts(world, rng, len(pace)), rng))
