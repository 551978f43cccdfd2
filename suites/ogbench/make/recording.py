"""One episode as rows, a function of the data set's name, the seed and the episode's number alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bench.streams import stream_seed

# T rows of one episode: observations (T, D), actions (T, A), terminals (T,), qpos, qvel, button_states.
Rows = dict[str, np.ndarray]


class Player(Protocol):
    """An environment with the behaviour of one data set; it may play many episodes."""

    def __init__(self, recipe: "Recipe") -> None:
        """Build the environment of the recipe."""

    def play(self, seed: int) -> Rows | None:
        """One episode, given also that numpy's global generator has that seed; None where it is unusable."""


@dataclass(frozen=True)
class Recipe:
    """What a data set consists of."""

    dataset: str  # cube-single-play-v0
    env_id: str  # cube-single-v0
    kind: str  # play, noisy, navigate, stitch or explore
    episodes: int  # for training, in the published data set
    rows: int  # of every episode; one more than its transitions
    player: type[Player]


class Recorder:
    """Collects the rows of one episode: the state before each step, and the action taken in it."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []

    def add(self, obs: np.ndarray, action: np.ndarray, last: bool, info: dict[str, Any]) -> None:
        """A step: obs (D,) before it, action (A,), whether it was the last, and the info that it gave."""
        row = (obs, action, last, info["prev_qpos"], info["prev_qvel"])
        buttons = (info["prev_button_states"],) if "prev_button_states" in info else ()
        self._rows.append(row + buttons)

    def rows(self) -> Rows:
        """All rows, in the types of the published files."""
        names = ("observations", "actions", "terminals", "qpos", "qvel", "button_states")
        types = {"terminals": bool, "button_states": np.int64}
        columns = zip(*self._rows, strict=True)
        return {
            name: np.array(c, types.get(name, np.float32)) for name, c in zip(names, columns, strict=False)
        }


def record(player: Player, dataset: str, seed: int, number: int) -> Rows:
    """Episode `number` of the data set; unusable ones are played again, each time with another seed."""
    attempt = 0
    while True:
        episode_seed = stream_seed("ogbench data", dataset, seed, number, attempt)
        with _global_generator(episode_seed):
            rows = player.play(episode_seed)
        if rows is not None:
            return rows
        attempt += 1


@contextmanager
def _global_generator(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, from which the package draws its plans; the caller's is restored."""
    before = np.random.get_state()
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32])
    try:
        yield
    finally:
        np.random.set_state(before)
