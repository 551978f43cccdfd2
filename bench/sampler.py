"""What the updates of a run see: batches and noise, drawn per seed from that seed's own streams.

Everything is a function of (seed, name of the noise, number of the update): the same in a group or alone,
on every device, and after a restart. All algorithms see the same batches for the same seed.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.algorithm import Batch, Choice, Every, Noise
from bench.dataset import Dataset
from bench.stacked import Draws
from bench.streams import stream

CHUNK = 32  # updates whose numbers are drawn at once: a stream costs some ten microseconds to open


def draw(noise: Noise, lead: Sequence[int], generator: np.random.Generator) -> np.ndarray:
    """Numbers of shape (*lead, *noise.shape), float32 or int64."""
    shape = (*lead, *noise.shape)
    if noise.kind == "normal":
        return generator.standard_normal(shape, np.float32)
    if noise.kind == "uniform":
        return generator.random(shape, np.float32)
    return generator.integers(noise.high, size=shape)


class Sampler:
    """Batches and noise of every update, for S seeds: `sampler(step)` -> (Batch, Draws), leading axis S."""

    def __init__(
        self,
        dataset: Dataset,
        declared: Mapping[str, Noise | Choice | Every],
        batch_size: int,
        seeds: Sequence[int],
    ) -> None:
        self.dataset, self.seeds = dataset, tuple(seeds)
        self.noise = {name: item for name, item in declared.items() if isinstance(item, Noise)}
        self.choices = {name: item for name, item in declared.items() if not isinstance(item, Noise)}
        self.index = Noise.integers(len(dataset), batch_size)
        self.chunk = -1
        # Beside a GPU the processor has time to draw what comes next.
        self._ahead = ThreadPoolExecutor(1) if dataset.obs.is_cuda else None
        self._coming: dict[int, Future[dict[str, np.ndarray]]] = {}

    def __call__(self, step: int) -> tuple[Batch, Draws]:
        index, noise = self.numbers(step)
        return self.gather(index), noise

    def numbers(self, step: int) -> tuple[Tensor, Draws]:
        """The rows of an update's batch, (S, B), and its noise."""
        chunk, position = divmod(step, CHUNK)
        if chunk != self.chunk:
            self._turn_to(chunk)
        tensors = {name: tensor[position] for name, tensor in self.tensors.items()}
        choices = {name: self._choose(name, item, step) for name, item in self.choices.items()}
        return self.indices[position], Draws(tensors, choices)

    def gather(self, index: Tensor) -> Batch:
        """The transitions of index (S, B)."""
        columns = (getattr(self.dataset, name) for name in Batch._fields)
        return Batch(*(c.index_select(0, index.flatten()).view(*index.shape, *c.shape[1:]) for c in columns))

    def _turn_to(self, chunk: int) -> None:
        """Have the numbers of a chunk of updates, (CHUNK, S, ...) each, on the device of the data."""
        ready = self._coming.pop(chunk, None)
        drawn = ready.result() if ready else self._draw(chunk)
        self._coming.clear()
        if self._ahead is not None:
            self._coming[chunk + 1] = self._ahead.submit(self._draw, chunk + 1)
        self.chunk = chunk
        device = self.dataset.obs.device
        placed = {name: torch.from_numpy(numbers).to(device) for name, numbers in drawn.items()}
        self.indices = placed.pop("batch")
        self.tensors = {name.removeprefix("noise/"): tensor for name, tensor in placed.items()}

    def _draw(self, chunk: int) -> dict[str, np.ndarray]:
        items = {"batch": self.index} | {f"noise/{name}": item for name, item in self.noise.items()}
        return {name: self._all_seeds(name, item, chunk) for name, item in items.items()}

    def _all_seeds(self, name: str, noise: Noise, chunk: int) -> np.ndarray:
        return np.stack([draw(noise, (CHUNK,), stream(name, seed, chunk)) for seed in self.seeds], 1)

    def _choose(self, name: str, item: Choice | Every, step: int) -> Any:
        if isinstance(item, Every):
            return (step + 1) % item.n == 0
        return item.values[int(stream("choice", name, step).integers(len(item.values)))]
