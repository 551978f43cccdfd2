"""Other libraries that train the same algorithms, set to the same sizes.

To add one: write a function like `_open_d3rlpy` that imports the library and returns a Peer, and enter it
in PEERS.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch

from bench.dataset import Dataset
from bench.errors import UserError, unknown

PREPARED = 32  # batches that are drawn beforehand, used in turn


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


def open_peer(name: str) -> Peer:
    """The library of this name. Raises UserError where it is unknown or not installed."""
    if name not in PEERS:
        raise unknown("peer for --against", name, PEERS)
    try:
        return PEERS[name]()
    except ImportError as error:
        raise UserError(
            f"--against {name} needs the package {name}, which does not import here ({error}); "
            f"install it with: pip install 'offline-bench[{name}]'"
        ) from error


def _open_d3rlpy() -> Peer:
    ours = torch.get_float32_matmul_precision()
    with redirect_stdout(sys.stderr):  # it logs to stdout, where our result goes
        import d3rlpy
        import structlog
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    # With a GPU it allows coarser products, for the whole process: it keeps them, ours stay exact.
    theirs = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(ours)

    def peer(name: str, config: Any, data: Dataset, device: str) -> PeerRun | None:
        if name not in D3RLPY:
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
        algorithm = D3RLPY[name](d3rlpy, config, {"batch_size": size}).create(device=device)
        algorithm.build_with_dataset(recorded)
        batches = [recorded.sample_transition_batch(size) for _ in range(PREPARED)]

        def sampled(updates: int) -> None:
            with _precision(theirs):
                for _ in range(updates):
                    algorithm.update(recorded.sample_transition_batch(size))

        def prepared(updates: int) -> None:
            with _precision(theirs):
                for number in range(updates):
                    algorithm.update(batches[number % PREPARED])

        return PeerRun(sampled, prepared)

    return peer


@contextmanager
def _precision(name: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _encoder(d3rlpy: Any, config: Any, critic: bool = False) -> Any:
    """The hidden layers; ours may have layer normalization in the critics only."""
    return d3rlpy.models.VectorEncoderFactory(
        hidden_units=list(config.hidden),
        activation=getattr(config, "activation", "relu"),
        use_layer_norm=critic and getattr(config, "layer_norm", False),
    )


def _actor_and_critic(d3rlpy: Any, config: Any) -> dict[str, Any]:
    return {
        "gamma": config.discount,
        "tau": config.target_rate,
        "actor_encoder_factory": _encoder(d3rlpy, config),
        "critic_encoder_factory": _encoder(d3rlpy, config, critic=True),
    }


def _bc(d3rlpy: Any, config: Any, common: Mapping[str, Any]) -> Any:
    return d3rlpy.algos.BCConfig(**common, encoder_factory=_encoder(d3rlpy, config))


def _td3_bc(d3rlpy: Any, config: Any, common: Mapping[str, Any]) -> Any:
    """Without its scaling of observations, which it would repeat for every batch; ours is done before."""
    return d3rlpy.algos.TD3PlusBCConfig(
        **common,
        **_actor_and_critic(d3rlpy, config),
        alpha=config.alpha,
        update_actor_interval=config.actor_delay,
    )


def _iql(d3rlpy: Any, config: Any, common: Mapping[str, Any]) -> Any:
    return d3rlpy.algos.IQLConfig(
        **common,
        **_actor_and_critic(d3rlpy, config),
        value_encoder_factory=_encoder(d3rlpy, config, critic=True),
        expectile=config.expectile,
        weight_temp=config.beta,
    )


def _cql(d3rlpy: Any, config: Any, common: Mapping[str, Any]) -> Any:
    """With the weight of the conservative term fixed where ours is."""
    multiplier_rate = 0.0 if config.lagrange_gap is None else config.lr
    return d3rlpy.algos.CQLConfig(
        **common,
        **_actor_and_critic(d3rlpy, config),
        conservative_weight=config.alpha,
        n_action_samples=config.sampled_actions,
        alpha_learning_rate=multiplier_rate,
    )


def _rebrac(d3rlpy: Any, config: Any, common: Mapping[str, Any]) -> Any:
    return d3rlpy.algos.ReBRACConfig(
        **common,
        **_actor_and_critic(d3rlpy, config),
        actor_beta=config.actor_bc_coef,
        critic_beta=config.critic_bc_coef,
        update_actor_interval=config.actor_delay,
    )


D3RLPY: Mapping[str, Callable[[Any, Any, Mapping[str, Any]], Any]] = {
    "bc": _bc,
    "td3_bc": _td3_bc,
    "iql": _iql,
    "cql": _cql,
    "rebrac": _rebrac,
}
PEERS: Mapping[str, Callable[[], Peer]] = {"d3rlpy": _open_d3rlpy}
