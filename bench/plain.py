"""The learner once more, for one seed and without any cleverness: modules, `backward()`, an Adam each.

It is what the stacked learner is compared with, by the conformance checks and by whoever doubts it.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from bench.algorithm import Algorithm, Batch
from bench.learner import initial_networks
from bench.stacked import Draws, Nets


class PlainLearner:
    """One seed; the same interface for `Algorithm.update` as Learner."""

    def __init__(self, algorithm: Algorithm, obs_dim: int, action_dim: int, seed: int, steps: int) -> None:
        self.algorithm, self.steps, self.step = algorithm, steps, 0
        self.networks = initial_networks(algorithm, obs_dim, action_dim, seed)
        self.modules: dict[str, nn.Module] = {name: network.module for name, network in self.networks.items()}
        for name, network in self.networks.items():
            if network.target_rate is not None:
                self.modules[f"target_{name}"] = deepcopy(network.module)
        self.optimizers: dict[tuple[str, ...], torch.optim.Adam] = {}
        self.pending: list[Callable[[], None]] | None = None

    def update(self, batch: Batch, noise: Draws) -> None:
        """One update; batch and noise without a seed axis."""
        self.algorithm.update(self, batch, noise)  # type: ignore[arg-type]
        self.step += 1

    def minimize(
        self, names: str | tuple[str, ...], loss: Any, batch: Batch, noise: Draws
    ) -> dict[str, Tensor]:
        """One Adam step on the named networks."""
        names = (names,) if isinstance(names, str) else names
        for name, module in self.modules.items():
            module.requires_grad_(name in names)
            module.zero_grad()
        value, metrics = loss(Nets(self.modules), batch, noise)
        value.backward()
        leaves = [p for name in names for p in self.modules[name].parameters()]
        limit = self.networks[names[0]].clip_norm
        if limit is not None:
            nn.utils.clip_grad_norm_(leaves, limit)
        grads = [None if p.grad is None else p.grad.clone() for p in leaves]
        self._do(lambda: self._descend(names, leaves, grads))
        return {key: metric.detach() for key, metric in metrics.items()}

    def update_target(self, name: str) -> None:
        """Polyak step; inside `simultaneously`, towards the parameters from before it."""
        rate = self.networks[name].target_rate
        assert rate is not None
        online = [p.detach().clone() for p in self.modules[name].parameters()]

        def move() -> None:
            for target, p in zip(self.modules[f"target_{name}"].parameters(), online, strict=True):
                target.data.lerp_(p, rate)

        self._do(move)

    @contextmanager
    def simultaneously(self) -> Iterator[None]:
        """All changes happen at the end."""
        self.pending = []
        yield
        pending, self.pending = self.pending, None
        for change in pending:
            change()

    def _do(self, change: Callable[[], None]) -> None:
        if self.pending is None:
            change()
        else:
            self.pending.append(change)

    def _descend(
        self, names: tuple[str, ...], leaves: list[nn.Parameter], grads: list[Tensor | None]
    ) -> None:
        if names not in self.optimizers:
            groups = [
                {"params": list(self.modules[n].parameters()), "lr": self.networks[n].lr} for n in names
            ]
            self.optimizers[names] = torch.optim.Adam(groups)
        for name, group in zip(names, self.optimizers[names].param_groups, strict=True):
            if self.networks[name].schedule == "cosine":
                group["lr"] = self.networks[name].lr * (1 + math.cos(math.pi * self.step / self.steps)) / 2
        for p, grad in zip(leaves, grads, strict=True):
            p.grad = torch.zeros_like(p) if grad is None else grad
        self.optimizers[names].step()
