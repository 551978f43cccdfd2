"""two-doors: every demonstration succeeds, but their average runs into the wall.

A wall has two openings. A demonstrator chooses one of them by the toss of a coin and walks through
it to the goal. The mean of the two ways hits the wall, which ends the episode. The wall is three
steps away and the middle of an opening is as far to the side as three steps lead. One step straight on can
be made up for by the two that follow, so a policy need not be precise; but it has to choose a side.
"""

import numpy as np

from bench.dataset import Dataset
from bench.streams import stream
from suites.diagnostic.core import Array, Outcome, World, distance, record, starts, towards

SPEED = 0.2  # largest move per step along each axis
WALL = -0.5  # x of the wall
DOOR, HALF_WIDTH = 0.6, 0.22  # the openings are centred at y = -DOOR and y = DOOR
GOAL, RADIUS = np.array([0.5, 0.0]), 0.2


class TwoDoors(World):
    """State and obs: (x, y). Reward 1 at the goal, 0 otherwise; touching the wall ends the episode."""

    obs_dim, action_dim, max_steps = 2, 2, 40

    def start(self, rng: np.random.Generator) -> Array:
        return np.array([-0.9, 0]) + rng.uniform(-0.02, 0.02, 2)

    def advance(self, state: Array, action: Array, chance: Array) -> Outcome:
        after = np.clip(state + SPEED * action, -1, 1)
        crossed = (state[:, 0] < WALL) != (after[:, 0] < WALL)
        run = np.where(crossed, after[:, 0] - state[:, 0], 1)
        y = state[:, 1] + (WALL - state[:, 0]) / run * (
            after[:, 1] - state[:, 1]
        )  # where the move meets the wall
        crashed = crossed & (np.abs(np.abs(y) - DOOR) > HALF_WIDTH)
        arrived = ~crashed & (distance(after, GOAL) < RADIUS)
        return Outcome(after, arrived.astype(float), crashed | arrived, arrived)


def walk(state: Array, door: Array) -> Array:
    """The action (n, 2) on the way to the goal through the door at y = door (n,)."""
    through = np.stack([np.full_like(door, WALL + 0.02), door], 1)
    return towards(state, np.where(state[:, :1] < WALL, through, GOAL), SPEED)


def expert(time: int, state: Array) -> Array:
    """Takes the nearer door, so that it never changes its mind."""
    return walk(state, np.where(state[:, 1] >= 0, DOOR, -DOOR))


def make() -> Dataset:
    """2,000 successful walks with a small noise; half of the walkers go up, half go down."""
    rng = stream("diagnostic", "two-doors", 1)
    world = TwoDoors()
    door = rng.permutation(np.repeat([-DOOR, DOOR], 1000))
    start = starts(world, rng, len(door))

    def demonstrator(time: int, state: Array) -> Array:
        return walk(state, door) + rng.normal(0, 0.05, state.shape)

    return Dataset.from_episodes(record(world, demonstrator, start, rng))
