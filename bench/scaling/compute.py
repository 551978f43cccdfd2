"""What one action costs: evaluations of networks, counted, and milliseconds, measured."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.actor import Actor
from bench.algorithm import Algorithm, Network
from bench.learner import initial_networks
from bench.population import NativePolicy
from bench.sampler import draw
from bench.stacked import Draws, Nets
from bench.streams import stream

CALLS, ROUNDS = 10, 5  # a round times every policy; the median over its calls, then over the rounds


def network_evaluations(algorithm: Algorithm, obs_dim: int, action_dim: int, inference: Any) -> int:
    """How many rows pass through networks while `act` decides for one observation.

    Counted where `act` calls a network: one for each row of its inputs. An ensemble is one network; a
    module that is called without inputs (a temperature) is none.
    """
    modules = _modules(initial_networks(algorithm, obs_dim, action_dim, 0))
    rows = 0

    def count(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        nonlocal rows
        rows += _rows([*args, *kwargs.values()])

    for module in modules.values():
        module.register_forward_pre_hook(count, with_kwargs=True)
    noise = {name: torch.from_numpy(numbers) for name, numbers in _noise(algorithm, action_dim, inference)}
    with torch.no_grad():
        algorithm.act(Nets(modules), torch.zeros(1, obs_dim), Draws(noise, {}), inference)
    return rows


def milliseconds(
    policies: Sequence[tuple[Algorithm, Sequence[Any]]], obs_dim: int, action_dim: int, device: str
) -> list[list[float]]:
    """Milliseconds per action of one seed, for one observation at a time, on one thread.

    policies: algorithms, each with test-time settings; the result has the same layout. From array to
    array, as in an evaluation. The policies take turns, so that a slow moment of the machine hits all.
    """
    calls = [_acts(algorithm, settings, obs_dim, action_dim, device) for algorithm, settings in policies]
    with _one_thread():
        for act in (act for group in calls for act in group):
            _seconds(act)  # recordings are made and memory is found
        rounds = [[[_seconds(act) for act in group] for group in calls] for _ in range(ROUNDS)]
    return [
        [round(1000 * median(one[i][j] for one in rounds), 4) for j in range(len(group))]  # as in the file
        for i, group in enumerate(calls)
    ]


def _acts(
    algorithm: Algorithm, settings: Sequence[Any], obs_dim: int, action_dim: int, device: str
) -> list[Callable[[], np.ndarray]]:
    """A fresh policy of one seed, as a call for each setting."""
    networks = initial_networks(algorithm, obs_dim, action_dim, 0)
    params = {
        name: {key: p.detach()[None].to(device) for key, p in module.named_parameters()}
        for name, module in _modules(networks).items()
    }
    actor = Actor(algorithm, networks, action_dim, params)
    policy = NativePolicy(actor, torch.zeros(obs_dim), torch.ones(obs_dim))
    obs = np.zeros((1, 1, obs_dim), np.float32)

    def call(setting: Any) -> Callable[[], np.ndarray]:
        noise = {name: numbers[None] for name, numbers in _noise(algorithm, action_dim, setting)}
        return lambda: policy.act(obs, noise, setting)

    return [call(setting) for setting in settings]


def _modules(networks: Mapping[str, Network]) -> dict[str, nn.Module]:
    """All networks and their targets by name."""
    modules = {name: network.module for name, network in networks.items()}
    targets = [name for name, network in networks.items() if network.target_rate is not None]
    return modules | {f"target_{name}": deepcopy(modules[name]) for name in targets}


def _noise(algorithm: Algorithm, action_dim: int, inference: Any) -> Iterator[tuple[str, np.ndarray]]:
    """What one decision draws, (1, ...) each."""
    generator = stream("scaling", 0)
    for name, noise in algorithm.act_noise(action_dim, inference).items():
        yield name, draw(noise, (1,), generator)


def _rows(inputs: Sequence[Any]) -> int:
    """Rows of inputs (..., D) whose leading axes are broadcast; a number without axes has none of its own."""
    shapes = [value.shape[:-1] for value in inputs if isinstance(value, Tensor) and value.dim()]
    return torch.broadcast_shapes(*shapes).numel() if shapes else 0


def _seconds(call: Callable[[], Any]) -> float:
    taken = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return median(taken)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
