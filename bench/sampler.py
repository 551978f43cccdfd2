"""What the updates of a run see: batches and noise, drawn per seed from that seed's own streams.

Everything is a function of (seed, name of the noise, number of the update): the same in a group or alone,
on every device, and after a restart. All algorithms see the same batches for the same seed.
"""

from collections.abc import Mapping, Sequence
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

    def __call__(self, step: int) -> tuple[Batch, Draws]:
        chunk, position = divmod(step, CHUNK)
        if chunk != self.chunk:
            self._draw(chunk)
        tensors = {name: tensor[position] for name, tensor in self.tensors.items()}
        choices = {name: self._choose(name, item, step) for name, item in self.choices.items()}
        return self._gather(self.indices[position]), Draws(tensors, choices)

    def _draw(self, chunk: int) -> None:
        """Numbers of a chunk of updates, (CHUNK, S, ...) each, on the device of the data."""
        self.chunk = chunk
        self.indices = self._all_seeds("batch", self.index, chunk)
        self.tensors = {
            name: self._all_seeds(f"noise/{name}", item, chunk) for name, item in self.noise.items()
        }

    def _all_seeds(self, name: str, noise: Noise, chunk: int) -> Tensor:
        parts = [draw(noise, (CHUNK,), stream(name, seed, chunk)) for seed in self.seeds]
        return torch.from_numpy(np.stack(parts, 1)).to(self.dataset.obs.device)

    def _choose(self, name: str, item: Choice | Every, step: int) -> Any:
        if isinstance(item, Every):
            return (step + 1) % item.n == 0
        return item.values[int(stream("choice", name, step).integers(len(item.values)))]

    def _gather(self, index: Tensor) -> Batch:
        """The transitions of index (S, B)."""
        columns = (getattr(self.dataset, name) for name in Batch._fields)
        return Batch(*(c.index_select(0, index.flatten()).view(*index.shape, *c.shape[1:]) for c in columns))
