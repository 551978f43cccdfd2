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
from bench.errors import UserError
from bench.population import Policy
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


def rows_of(players: int, episodes: int, limit: int = MAX_ROWS) -> int:
    """How many environments each player gets where there may be `limit` in all; one at least.

    A player is a seed's policy under one test-time setting.
    """
    return max(1, min(episodes, limit // players))


class _Noise:
    """The noise of one test-time setting, for rows (S, E)."""

    def __init__(self, seeds: Sequence[int], rows: int, declared: Mapping[str, Noise]) -> None:
        self.seeds, self.declared = seeds, declared
        lead = (len(seeds), rows, NOISE_CHUNK)
        self.buffers = {name: draw(item, lead, stream("shape")) for name, item in declared.items()}

    def __call__(self, episode: np.ndarray, step: np.ndarray, active: np.ndarray) -> dict[str, np.ndarray]:
        """The numbers for the current decision of every row: (S, E, ...)."""
        position = step % NOISE_CHUNK
        for s, e in zip(*np.nonzero(active & (position == 0)), strict=True):
            for name, item in self.declared.items():
                words = (self.seeds[s], int(episode[s, e]), int(step[s, e]) // NOISE_CHUNK)
                self.buffers[name][s, e] = draw(item, (NOISE_CHUNK,), stream(f"act/{name}", *words))
        s, e = np.indices(episode.shape)
        return {name: buffer[s, e, position] for name, buffer in self.buffers.items()}


class _Rows:
    """Which episode each row (P, E) plays, and how far it is; player p has the seed seeds[p]."""

    def __init__(self, seeds: Sequence[int], episodes: int, rows: int) -> None:
        self.seeds, self.episodes = seeds, episodes
        self.episode = np.tile(np.arange(rows), (len(seeds), 1))
        self.step = np.zeros_like(self.episode)
        self.active = np.ones_like(self.episode, bool)

    def start_seed(self, p: int, e: int) -> int:
        return stream_seed("episode", self.seeds[p], int(self.episode[p, e])) % 2**31

    def next_episode(self, p: int, e: int) -> bool:
        """Move a row on to its next episode; False where its quota is played."""
        self.episode[p, e] += self.episode.shape[1]
        self.step[p, e] = 0
        self.active[p, e] = self.episode[p, e] < self.episodes
        return bool(self.active[p, e])

    def refuse_nan(self, what: str, values: np.ndarray, p: np.ndarray, e: np.ndarray) -> None:
        """Raise UserError where one of the values (n, ...) of the rows (p, e), (n,) each, is not finite."""
        bad = np.flatnonzero(~np.isfinite(values).all(1))
        if bad.size:
            i, j = p[bad[0]], e[bad[0]]
            raise UserError(
                f"an environment answered with a non-finite {what} (seed {self.seeds[i]}, episode "
                f"{self.episode[i, j]}, step {self.step[i, j]}). Nothing of this "
                "evaluation is scored; look at the environment, then give the same command again"
            )


def evaluate(
    policy: Policy,
    environments: Environments,
    seeds: Sequence[int],
    episodes: int,
    inferences: Sequence[Any],
    limit: int = MAX_ROWS,
) -> list[Evaluation]:
    """Every seed's policy plays `episodes` episodes under every test-time setting, all of them at once.

    `environments` holds P * rows_of(P, episodes, limit) rows, P = len(inferences) * len(seeds): beyond
    `limit` environments side by side, rows play several episodes one after the other. A seed whose
    parameters or actions are not finite is marked as diverged and plays no further. Raises UserError for
    observations and rewards that are not finite: they are no fault of the policy that would meet them.
    """
    players = len(inferences) * len(seeds)
    rows = _Rows(list(seeds) * len(inferences), episodes, rows_of(players, episodes, limit))
    shape = rows.episode.shape
    noises = [_Noise(seeds, shape[1], policy.act_noise(inference)) for inference in inferences]
    parts = [slice(i * len(seeds), (i + 1) * len(seeds)) for i in range(len(inferences))]
    returns, lengths = np.zeros((players, episodes)), np.zeros((players, episodes), int)
    success = np.zeros((players, episodes), bool)
    diverged = np.tile(~policy.finite(), len(inferences))
    starts = [rows.start_seed(p, e) for p, e in np.ndindex(shape)]
    obs = environments.reset(np.arange(rows.episode.size), starts).reshape(*shape, -1)
    rows.refuse_nan("observation", obs.reshape(rows.episode.size, -1), *np.indices(shape).reshape(2, -1))
    while True:
        rows.active[diverged] = False
        if not rows.active.any():
            return [Evaluation(returns[i], lengths[i], success[i], diverged[i]) for i in parts]
        action = np.concatenate(
            [
                policy.act(obs[i], noise(rows.episode[i], rows.step[i], rows.active[i]), inference)
                for i, noise, inference in zip(parts, noises, inferences, strict=True)
            ]
        )
        diverged |= (rows.active & ~np.isfinite(action).all(-1)).any(1)
        rows.active[diverged] = False
        p, e = np.nonzero(rows.active)
        if not len(p):
            continue
        step = environments.step(p * shape[1] + e, np.clip(action[p, e], -1, 1))
        rows.refuse_nan("observation", step.obs, p, e)
        rows.refuse_nan("reward", np.asarray(step.reward)[:, None], p, e)
        episode = rows.episode[p, e]
        returns[p, episode] += step.reward
        lengths[p, episode] += 1
        success[p, episode] |= step.success
        obs[p, e] = step.obs
        rows.step[p, e] += 1
        over = np.nonzero(step.terminated | step.truncated)[0]
        again = [(p[i], e[i]) for i in over if rows.next_episode(p[i], e[i])]
        if again:
            numbers = np.array([i * shape[1] + j for i, j in again])
            fresh = environments.reset(numbers, [rows.start_seed(i, j) for i, j in again])
            rows.refuse_nan("observation", fresh, *np.array(again).T)
            for (i, j), first in zip(again, fresh, strict=True):
                obs[i, j] = first
