"""Updates on a GPU without the work of launching them: CUDA graphs.

The networks are small, so launching some hundred kernels takes longer than computing them. A graph is
captured once for every combination of the schedule's choices and then replayed as a whole; indices of the
batch and noise are copied into the buffers that it reads.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.learner import Learner
from bench.sampler import Sampler
from bench.stacked import Draws

WARM_UP = 2  # ordinary updates of a combination before it is captured; they make what a capture must find


@dataclass(frozen=True)
class _Graph:
    graph: torch.cuda.CUDAGraph
    metrics: Mapping[str, Tensor]  # every replay writes them anew


class GraphedUpdates:
    """`updates(step)` is one update of all seeds, replayed where its combination of choices was captured.

    Where a capture fails, a warning names the cause and all updates are ordinary ones from then on.
    """

    def __init__(self, learner: Learner, sampler: Sampler) -> None:
        self.learner, self.sampler = learner, sampler
        self.stream = torch.cuda.Stream(learner.device)
        self.pool = torch.cuda.graph_pool_handle()
        self.graphs: dict[tuple[Any, ...], _Graph] = {}
        self.met: dict[tuple[Any, ...], int] = {}
        self.index: Tensor | None = None
        self.noise: dict[str, Tensor] = {}
        self.failed = False

    def __call__(self, step: int) -> None:
        index, noise = self.sampler.numbers(step)
        key = tuple(noise.choices.values())
        if key not in self.graphs and not self.failed and self.met.get(key, 0) >= WARM_UP:
            self._capture(key, index, noise)
        if key in self.graphs:
            self._fill(index, noise.tensors)
            self.learner.set_rates()
            self.graphs[key].graph.replay()
            self.learner.finish_update(self.graphs[key].metrics)
            return
        self.met[key] = self.met.get(key, 0) + 1
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self.learner.update(self.sampler.gather(index), noise)
        torch.cuda.current_stream().wait_stream(self.stream)

    def _capture(self, key: tuple[Any, ...], index: Tensor, noise: Draws) -> None:
        """Capture this combination; nothing is computed yet."""
        if self.index is None:
            self.index = index.clone()
            self.noise = {name: tensor.clone() for name, tensor in noise.tensors.items()}
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
                batch = self.sampler.gather(self.index)
                metrics = self.learner.compute(batch, Draws(self.noise, noise.choices))
        except RuntimeError as error:
            self.failed = True
            reason = str(error).splitlines()[0]
            warnings.warn(
                f"updates are launched one by one, because a CUDA graph could not be captured: {reason}"
            )
            return
        self.graphs[key] = _Graph(graph, metrics)

    def _fill(self, index: Tensor, tensors: Mapping[str, Tensor]) -> None:
        assert self.index is not None
        self.index.copy_(index)
        for name, buffer in self.noise.items():
            buffer.copy_(tensors[name])
