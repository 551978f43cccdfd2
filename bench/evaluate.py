"""Plays episodes with the policies of all seeds at once.

Every seed plays the same number of episodes and every one of them counts, however short: each row of the
vectorized environments has a quota. An episode is a function of (seed, number of the episode): the start
state, the environment's randomness and the policy's noise come from that name alone, so all algorithms
meet the same start states, and the result does not depend on how many environments run side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.algorithm import Noise
from bench.population import Population
from bench.sampler import draw
from bench.streams import stream, stream_seed
from bench.task import MAX_ROWS, Environments

NOISE_CHUNK = 32  # decisions whose noise is drawn at once


@dataclass(frozen=True)
class Evaluation:
    """Raw results: returns, lengths (S, episodes); success (S, episodes) bool; diverged (S,) bool."""

    returns: np.ndarray
    lengths: np.ndarray
    success: np.ndarray
    diverged: np.ndarray


def rows_per_seed(seeds: int, episodes: int, limit: int = MAX_ROWS) -> int:
    """How many environments each seed gets where there may be `limit` in all; one at least."""
    return max(1, min(episodes, limit // seeds))


class _Rows:
    """Which episode each row (S, E) plays, how far it is, and the noise of its next decisions."""

    def __init__(
        self, seeds: Sequence[int], episodes: int, declared: Mapping[str, Noise], limit: int
    ) -> None:
        per_seed = rows_per_seed(len(seeds), episodes, limit)
        self.seeds, self.episodes, self.declared = seeds, episodes, declared
        self.episode = np.tile(np.arange(per_seed), (len(seeds), 1))
        self.step = np.zeros_like(self.episode)
        self.active = np.ones_like(self.episode, bool)
        lead = (*self.episode.shape, NOISE_CHUNK)
        self.buffers = {name: draw(item, lead, stream("shape")) for name, item in declared.items()}

    def start_seed(self, s: int, e: int) -> int:
        return stream_seed("episode", self.seeds[s], int(self.episode[s, e])) % 2**31

    def noise(self) -> dict[str, np.ndarray]:
        """The noise of the current decision of every row: (S, E, ...)."""
        position = self.step % NOISE_CHUNK
        for s, e in zip(*np.nonzero(self.active & (position == 0)), strict=True):
            for name, item in self.declared.items():
                words = (self.seeds[s], int(self.episode[s, e]), int(self.step[s, e]) // NOISE_CHUNK)
                self.buffers[name][s, e] = draw(item, (NOISE_CHUNK,), stream(f"act/{name}", *words))
        s, e = np.indices(self.episode.shape)
        return {name: buffer[s, e, position] for name, buffer in self.buffers.items()}

    def next_episode(self, s: int, e: int) -> bool:
        """Move a row on to its next episode; False where its quota is played."""
        self.episode[s, e] += self.episode.shape[1]
        self.step[s, e] = 0
        self.active[s, e] = self.episode[s, e] < self.episodes
        return bool(self.active[s, e])


def evaluate(
    population: Population,
    environments: Environments,
    seeds: Sequence[int],
    episodes: int,
    inference: Any,
    limit: int = MAX_ROWS,
) -> Evaluation:
    """Every seed's policy plays `episodes` episodes; `environments` holds len(seeds) * rows_per_seed rows.

    Beyond `limit` environments side by side, rows play several episodes one after the other.

    A seed whose parameters or actions are not finite is marked as diverged and plays no further.
    """
    rows = _Rows(seeds, episodes, population.act_noise(inference), limit)
    shape = rows.episode.shape
    returns, lengths = np.zeros((len(seeds), episodes)), np.zeros((len(seeds), episodes), int)
    success = np.zeros((len(seeds), episodes), bool)
    diverged = ~population.finite()
    all_rows = np.arange(rows.episode.size)
    starts = [rows.start_seed(s, e) for s, e in np.ndindex(shape)]
    obs = environments.reset(all_rows, starts).reshape(*shape, -1)
    while True:
        rows.active[diverged] = False
        if not rows.active.any():
            return Evaluation(returns, lengths, success, diverged)
        action = population.act(obs, rows.noise(), inference)
        diverged |= (rows.active & ~np.isfinite(action).all(-1)).any(1)
        rows.active[diverged] = False
        s, e = np.nonzero(rows.active)
        if not len(s):
            continue
        step = environments.step(s * shape[1] + e, np.clip(action[s, e], -1, 1))
        episode = rows.episode[s, e]
        returns[s, episode] += step.reward
        lengths[s, episode] += 1
        success[s, episode] |= step.success
        obs[s, e] = step.obs
        rows.step[s, e] += 1
        over = np.nonzero(step.terminated | step.truncated)[0]
        again = [(s[i], e[i]) for i in over if rows.next_episode(s[i], e[i])]
        if again:
            numbers = np.array([i * shape[1] + j for i, j in again])
            fresh = environments.reset(numbers, [rows.start_seed(i, j) for i, j in again])
            for (i, j), first in zip(again, fresh, strict=True):
                obs[i, j] = first
