"""The policies of S seeds: parameters, and an author's `act` for all of them at once."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from bench.algorithm import Algorithm, Network
from bench.precision import DEFAULT_PRECISION, products
from bench.recording import Recordings
from bench.stacked import Draws, Skeletons, Stack, author_errors, named, part


class Actor:
    """Acts with parameters that somebody else may be training.

    params: of every network and target, (S, ...) each. recorded: replay `act` (see bench/recording.py).
    precision: see bench/precision.py.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        networks: Mapping[str, Network],
        action_dim: int,
        params: Mapping[str, Stack],
        recorded: bool = True,
        precision: str = DEFAULT_PRECISION,
    ) -> None:
        self.algorithm, self.networks, self.action_dim = algorithm, networks, action_dim
        self.params, self.recorded, self.precision = params, recorded, precision
        self.device = next(p.device for stack in params.values() for p in stack.values())
        self._skeletons = Skeletons({name: skeleton(networks, name, self.device) for name in params})
        self._recordings = Recordings()

    def snapshot(self) -> "Actor":
        """The policies as they are now."""
        params = {name: {key: p.clone() for key, p in stack.items()} for name, stack in self.params.items()}
        copy = Actor(self.algorithm, self.networks, self.action_dim, params, self.recorded, self.precision)
        copy._recordings = self._recordings
        return copy

    @torch.no_grad()
    def act(self, obs: Tensor, noise: Draws, inference: Any) -> Tensor:
        """Actions (S, E, A) for obs (S, E, D), every seed with its own policy."""

        def one_seed(params: dict[str, Stack], obs: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
            return self.algorithm.act(self._skeletons.bind(params), obs, Draws(tensors, {}), inference)

        def compute(inputs: Mapping[str, Tensor], choices: Mapping[str, Any]) -> dict[str, Tensor]:
            params = {name: part(f"net/{name}", inputs) for name in self.params}
            with author_errors(self.algorithm.act), products(self.precision, self.device):
                action = vmap(one_seed)(params, inputs["obs"], part("noise", inputs))
            return {"action": action.float()}

        inputs = self.weights() | {"obs": obs} | named("noise", noise.tensors)
        if not self.recorded:
            return compute(inputs, {})["action"]
        return self._recordings.run((inference, obs.shape), compute, inputs, {})["action"]

    @torch.no_grad()
    def finite(self) -> Tensor:
        """For every seed, whether all its parameters are finite: (S,) bool."""
        parts = [p.isfinite().flatten(1).all(1) for p in self.weights().values() if p.dim() > 1]
        parts += [p.isfinite() for p in self.weights().values() if p.dim() == 1]
        return torch.stack(parts).all(0)

    def weights(self) -> dict[str, Tensor]:
        """The parameters of all networks and targets, `net/<network>/<parameter>` -> (S, ...)."""
        return {f"net/{n}/{k}": p for n, stack in self.params.items() for k, p in stack.items()}


def skeleton(networks: Mapping[str, Network], name: str, device: torch.device) -> nn.Module:
    """A module of its own for a network or target, into which parameters are put by `Skeletons.bind`."""
    source = name if name in networks else name.removeprefix("target_")
    return deepcopy(networks[source].module).to(device)
