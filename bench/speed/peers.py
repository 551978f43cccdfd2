"""Other libraries that train the same algorithms, set to the same sizes.

To add one: write a function like `_open_d3rlpy` that imports the library and returns a Peer, enter it in
PEERS, and enter in COUNTERPARTS of algorithms/ which of its settings are those of ours.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from bench.dataset import Dataset
from bench.errors import unknown
from bench.external.d3rlpy import library_config
from bench.external.d3rlpy_library import load, own_precision

PREPARED = 32  # batches that are drawn beforehand, used in turn

# Name of our algorithm -> of its configuration, what in the library is the same algorithm, and its options.
Counterparts = Mapping[str, Callable[[Any], tuple[str, dict[str, Any]]]]


@dataclass(frozen=True)
class PeerRun:
    """One seed of an algorithm in another library; each function does so many updates.

    sampled: draws every batch with the library's own means, as training with it does.
    prepared: takes batches that were drawn beforehand, so that only the update is timed.
    """

    sampled: Callable[[int], None]
    prepared: Callable[[int], None]


# Of the name of our algorithm, its configuration, data and device; None where the library lacks it.
Peer = Callable[[str, Any, Dataset, str], PeerRun | None]


def open_peer(name: str, counterparts: Mapping[str, Counterparts]) -> Peer:
    """The library of this name. Raises UserError where it is unknown or not installed."""
    if name not in PEERS:
        raise unknown("peer for --against", name, PEERS)
    return PEERS[name](counterparts.get(name, {}))


def _open_d3rlpy(counterparts: Counterparts) -> Peer:
    d3rlpy = load()

    def peer(name: str, config: Any, data: Dataset, device: str) -> PeerRun | None:
        if name not in counterparts:
            return None
        recorded = d3rlpy.dataset.MDPDataset(
            observations=data.obs.numpy(),
            actions=data.action.numpy(),
            rewards=data.reward.numpy(),
            terminals=data.terminal.numpy(),
            timeouts=data.timeout.numpy(),
            action_space=d3rlpy.ActionSpace.CONTINUOUS,
        )
        size = config.batch_size
        kind, options = counterparts[name](config)
        algorithm = library_config(kind, options | _sizes(config)).create(device=device)
        algorithm.build_with_dataset(recorded)
        batches = [recorded.sample_transition_batch(size) for _ in range(PREPARED)]

        def sampled(updates: int) -> None:
            with _precision(own_precision()):
                for _ in range(updates):
                    algorithm.update(recorded.sample_transition_batch(size))

        def prepared(updates: int) -> None:
            with _precision(own_precision()):
                for number in range(updates):
                    algorithm.update(batches[number % PREPARED])

        return PeerRun(sampled, prepared)

    return peer


def _sizes(config: Any) -> dict[str, Any]:
    """Batch and layers. Without scaling of observations, which d3rlpy would repeat for every batch; ours is
    done before.
    """
    return {
        "batch_size": config.batch_size,
        "hidden": config.hidden,
        "activation": getattr(config, "activation", "relu"),
        "layer_norm": getattr(config, "layer_norm", False),
    }


@contextmanager
def _precision(name: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


PEERS: Mapping[str, Callable[[Counterparts], Peer]] = {"d3rlpy": _open_d3rlpy}
