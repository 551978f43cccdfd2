"""What is measured: an algorithm at a size, on made-up data."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from bench.algorithm import Algorithm
from bench.dataset import Dataset, Episode
from bench.errors import UserError
from bench.population import NativePopulation
from bench.registry import Entry, find_algorithm
from bench.streams import stream

EPISODES, LENGTH = 20, 1000  # of the data: 20,000 transitions
STEPS = 10**9  # planned updates: the learning rates hardly move while we measure


@dataclass(frozen=True)
class Workload:
    """One algorithm to be measured. Another process can be given it, and finds the algorithm again.

    source: a name in `registered`, or `path.py:Class`. hidden: widths of the layers; None: the algorithm's
    own. recorded: see bench/recording.py.
    """

    source: str
    registered: Mapping[str, type[Algorithm]]
    hidden: tuple[int, ...] | None
    batch: int
    obs_dim: int
    action_dim: int
    device: str
    recorded: bool = True

    def entry(self) -> Entry:
        """The algorithm. Raises UserError where there is none of this name."""
        return find_algorithm(self.source, self.registered)

    def config(self) -> Any:
        """Its configuration; an algorithm that has no option `hidden` keeps its own size."""
        kind = self.entry().algorithm.Config
        values: dict[str, Any] = {"batch_size": self.batch}
        if self.hidden is not None and "hidden" in {field.name for field in fields(kind)}:
            values["hidden"] = self.hidden
        try:
            return kind(**values)
        except ValueError as error:
            raise UserError(
                f"{self.source} cannot be measured at this size: {error}; change --hidden or --batch"
            ) from error

    def population(self, seeds: int, data: Dataset) -> NativePopulation:
        """So many seeds of it, untrained."""
        algorithm = self.entry().algorithm(self.config())
        return NativePopulation(algorithm, data, range(seeds), STEPS, self.device, recorded=self.recorded)

    def data(self) -> Dataset:
        """Random transitions; an observation is a row of normal numbers, an action lies in [-1, 1]."""
        generator = stream("speed", 0)

        def episode(number: int) -> Episode:
            return Episode(
                obs=generator.standard_normal((LENGTH + 1, self.obs_dim), np.float32),
                action=generator.uniform(-1, 1, (LENGTH, self.action_dim)).astype(np.float32),
                reward=generator.standard_normal(LENGTH, np.float32),
                terminal=number % 2 == 0,
            )

        return Dataset.from_episodes(episode(number) for number in range(EPISODES))


def set_threads(threads: int) -> int:
    """Let torch use so many cores; how many it used before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    return before
