"""Trains S seeds of one algorithm at once.

The parameters of all seeds are stacked on a leading axis. A loss, written for one seed, is vmapped over
it; the S losses are summed and one backward pass gives every seed its own gradient, because a seed's
loss depends on its own parameters only. Adam is elementwise, so a stock Adam on the stacked tensors is S
independent ones.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from bench.actor import Actor, skeleton
from bench.algorithm import Algorithm, Batch, Network
from bench.precision import DEFAULT_PRECISION, products
from bench.recording import Recordings
from bench.stacked import AuthorError, Draws, Loss, Skeletons, Stack, losses, named, part, title
from bench.streams import stream_seed


class Learner:
    """The state of S seeds: parameters, targets, optimizers, and the number of updates done.

    seeds: the seeds of the group; each initializes its own networks, on the CPU, so that they depend
    neither on the device nor on the group. steps: planned updates, for learning-rate schedules.
    recorded: replay losses and actions (see bench/recording.py); else an author's code runs every time.
    precision: see bench/precision.py.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        obs_dim: int,
        action_dim: int,
        seeds: Sequence[int],
        steps: int,
        device: torch.device | str = "cpu",
        recorded: bool = True,
        precision: str = DEFAULT_PRECISION,
    ) -> None:
        self.algorithm, self.seeds, self.steps, self.recorded = algorithm, tuple(seeds), steps, recorded
        self.precision = precision
        self.action_dim = action_dim
        self.device = torch.device(device)
        self.step = 0
        self.metrics: dict[str, Tensor] = {}
        copies = [initial_networks(algorithm, obs_dim, action_dim, seed) for seed in seeds]
        self.networks: Mapping[str, Network] = copies[0]
        self.params: dict[str, Stack] = {}  # trained and target networks
        for name, network in self.networks.items():
            stack = _stack([copy[name].module for copy in copies], self.device)
            self.params[name] = {key: value.requires_grad_() for key, value in stack.items()}
            if network.target_rate is not None:
                self.params[f"target_{name}"] = {key: value.detach().clone() for key, value in stack.items()}
        # The optimizers change parameters in place, so these views always show the current numbers.
        self._constants = {n: {k: p.detach() for k, p in stack.items()} for n, stack in self.params.items()}
        self.actor = Actor(algorithm, self.networks, action_dim, self._constants, recorded, precision)
        self._skeletons = Skeletons({n: skeleton(self.networks, n, self.device) for n in self.params})
        self._recordings = Recordings()
        self._optimizers: dict[tuple[str, ...], torch.optim.Adam] = {}
        self._pending: list[Callable[[], None]] | None = None

    def update(self, batch: Batch, noise: Draws) -> None:
        """One update of all seeds; batch and noise have a leading seed axis."""
        self.set_rates()
        self.finish_update(self.compute(batch, noise))

    def set_rates(self) -> None:
        """Set the learning rates of the coming update, where they follow a schedule."""
        for names, optimizer in self._optimizers.items():
            for name, group in zip(names, optimizer.param_groups, strict=True):
                if self.networks[name].schedule is not None:
                    rate = self._rate(name)
                    if isinstance(group["lr"], Tensor):
                        group["lr"].fill_(rate)
                    else:
                        group["lr"] = rate

    def compute(self, batch: Batch, noise: Draws) -> dict[str, Tensor]:
        """All of an update that happens on the device; its metrics."""
        metrics = self.algorithm.update(self, batch, noise)
        if not isinstance(metrics, dict):
            raise AuthorError(f"{title(self.algorithm.update)} must return a dict of metrics ({{}} for none)")
        return {name: value.detach() for name, value in metrics.items()}

    def finish_update(self, metrics: Mapping[str, Tensor]) -> None:
        """Count an update."""
        self.metrics |= metrics
        self.step += 1

    def minimize(
        self, names: str | tuple[str, ...], loss: Loss, batch: Batch, noise: Draws
    ) -> dict[str, Tensor]:
        """One Adam step on the named network, or on several with one optimizer; all others are constants.

        Returns the loss's metrics and its value as `<names>_loss`, (S,) each. Raises AuthorError where the
        loss breaks a rule of the interface.
        """
        names = (names,) if isinstance(names, str) else names
        self._check_names(names)
        results, grads = self._gradients(names, loss, batch, noise)
        self._apply(lambda: self._descend(names, grads))
        return results

    def update_target(self, name: str) -> None:
        """Move `target_<name>` by its Polyak step towards the network."""
        rate = self.networks[name].target_rate if name in self.networks else None
        if rate is None:
            raise AuthorError(f"update_target({name!r}): no network of this name has a target_rate")
        targets = list(self.params[f"target_{name}"].values())
        online = list(self._constants[name].values())
        if self._pending is None:
            torch._foreach_lerp_(targets, online, rate)
        else:
            # Inside `simultaneously`, targets follow the networks as they were: they go first.
            self._pending.insert(0, lambda: torch._foreach_lerp_(targets, online, rate))

    @contextmanager
    def simultaneously(self) -> Iterator[None]:
        """Every call inside sees the networks as they were at its start; all changes happen at its end.

        Target networks follow the parameters from before the step. This is what a JAX agent does that
        computes all gradients from one set of parameters.
        """
        if self._pending is not None:
            raise AuthorError("learner.simultaneously() stands inside another one; one block holds all calls")
        self._pending = []
        try:
            yield
            pending = self._pending
        finally:
            self._pending = None
        for change in pending:
            change()

    def act(self, obs: Tensor, noise: Draws, inference: Any) -> Tensor:
        """Actions (S, E, A) for obs (S, E, D), every seed with its own policy."""
        return self.actor.act(obs, noise, inference)

    def finite(self) -> Tensor:
        """For every seed, whether all its parameters are finite: (S,) bool."""
        return self.actor.finite()

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters, optimizer state and metrics by name: all that continuing needs besides the number of
        updates.
        """
        state = self.weights() | named("metric", self.metrics)
        for names, optimizer in self._optimizers.items():
            for index, entries in optimizer.state_dict()["state"].items():
                state |= {f"adam/{'+'.join(names)}/{index}/{key}": value for key, value in entries.items()}
        return state

    def weights(self) -> dict[str, Tensor]:
        """The parameters of all networks and targets, `net/<network>/<parameter>` -> (S, ...)."""
        return self.actor.weights()

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor], step: int) -> None:
        """Continue from `state_dict()` taken after `step` updates."""
        for key, tensor in self.weights().items():
            tensor.copy_(state[key])
        metrics = part("metric", state)
        self.metrics = {name: tensor.to(self.device, copy=True) for name, tensor in metrics.items()}
        groups: dict[tuple[str, ...], dict[int, dict[str, Tensor]]] = {}
        for key, tensor in state.items():
            if key.startswith("adam/"):
                _, names, index, entry = key.split("/")
                groups.setdefault(tuple(names.split("+")), {}).setdefault(int(index), {})[entry] = (
                    tensor.clone()
                )
        for group, entries in groups.items():
            optimizer = self._optimizer(group)
            optimizer.load_state_dict(optimizer.state_dict() | {"state": entries})
        self.step = step

    def _gradients(
        self, names: tuple[str, ...], loss: Loss, batch: Batch, noise: Draws
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Metrics and value of the loss, (S,) each, and the (clipped) gradient of every parameter."""

        def compute(inputs: Mapping[str, Tensor], choices: Mapping[str, Any]) -> dict[str, Tensor]:
            leaves = [inputs[name] for name in trained]
            params = {name: part(f"net/{name}", inputs) for name in self.params}
            draws = Draws(part("noise", inputs), choices)
            values, metrics = self._evaluate(loss, params, Batch(**part("batch", inputs)), draws)
            if not values.requires_grad:
                raise AuthorError(
                    f"{title(loss)} does not depend on the network {'+'.join(names)} that it trains"
                )
            grads = torch.autograd.grad(values.sum(), leaves, allow_unused=True, materialize_grads=True)
            clipped = [g.contiguous() for g in self._clipped(names, grads)]  # see `_descend`
            metrics[f"{'+'.join(names)}_loss"] = values.detach()
            return named("metric", metrics) | dict(zip(trained, clipped, strict=True))

        trained = [f"net/{name}/{key}" for name in names for key in self.params[name]]
        inputs = self._packed(names) | named("batch", batch._asdict()) | named("noise", noise.tensors)
        if self.recorded and getattr(loss, "__self__", None) is self.algorithm:
            results = self._recordings.run((loss, names), compute, inputs, noise.choices)
        else:  # what a function made on the spot has closed over, a recording would not see change
            results = compute(inputs, noise.choices)
        return part("metric", results), [results[name] for name in trained]

    def _packed(self, trained: Sequence[str] = ()) -> dict[str, Tensor]:
        """All parameters by name, as in `weights`; those of the `trained` networks ask for gradients."""
        leaves = {f"net/{name}/{key}": p for name in trained for key, p in self.params[name].items()}
        return self.weights() | leaves

    def _evaluate(
        self, loss: Loss, params: Mapping[str, Stack], batch: Batch, noise: Draws
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with products(self.precision, self.device):
            return losses(loss, self._skeletons, params, batch, noise)

    def _check_names(self, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in self.networks:
                known = ", ".join(self.networks)
                raise AuthorError(f"minimize({name!r}): there is no such network; networks() returns {known}")
        if len({self.networks[name].clip_norm for name in names}) > 1:
            raise AuthorError(f"{'+'.join(names)} are trained together and need the same clip_norm")

    def _clipped(self, names: tuple[str, ...], grads: Sequence[Tensor]) -> Sequence[Tensor]:
        """Gradients, scaled for each seed so that their joint norm is at most `clip_norm`."""
        limit = self.networks[names[0]].clip_norm
        if limit is None:
            return grads
        squares = [g.square().reshape(len(self.seeds), -1).sum(1) for g in grads]
        norm = torch.stack(squares).sum(0).sqrt()  # (S,)
        scale = (limit / (norm + 1e-6)).clamp(max=1)
        return [g * scale.view(-1, *[1] * (g.dim() - 1)) for g in grads]

    def _apply(self, change: Callable[[], None]) -> None:
        if self._pending is None:
            change()
        else:
            self._pending.append(change)

    def _descend(self, names: tuple[str, ...], grads: Sequence[Tensor]) -> None:
        optimizer = self._optimizer(names)
        leaves = [p for name in names for p in self.params[name].values()]
        for leaf, grad in zip(leaves, grads, strict=True):
            leaf.grad = grad  # contiguous: the fused step reads memory in order, whatever the strides say
        optimizer.step()
        for leaf in leaves:
            leaf.grad = None

    def _optimizer(self, names: tuple[str, ...]) -> torch.optim.Adam:
        if names not in self._optimizers:
            # A captured update reads learning rates and step counts from the device.
            cuda = self.device.type == "cuda"
            groups = [
                {
                    "params": list(self.params[name].values()),
                    "lr": torch.tensor(self._rate(name), device=self.device) if cuda else self._rate(name),
                }
                for name in names
            ]
            self._optimizers[names] = torch.optim.Adam(groups, fused=True, capturable=cuda)
        return self._optimizers[names]

    def _rate(self, name: str) -> float:
        """The learning rate of a network in the coming update."""
        network = self.networks[name]
        if network.schedule == "cosine":
            return network.lr * (1 + math.cos(math.pi * min(self.step / self.steps, 1))) / 2
        return network.lr


def initial_networks(algorithm: Algorithm, obs_dim: int, action_dim: int, seed: int) -> Mapping[str, Network]:
    """The initial networks of one seed, from that seed's own stream."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed("networks", seed))
        return algorithm.networks(obs_dim, action_dim)


def _stack(modules: Sequence[nn.Module], device: torch.device) -> Stack:
    names = [name for name, _ in modules[0].named_parameters()]
    columns = [dict(module.named_parameters()) for module in modules]
    return {n: torch.stack([c[n].detach() for c in columns]).to(device) for n in names}
