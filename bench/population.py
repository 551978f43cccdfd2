"""The seeds of a run as the runner sees them: something that trains, acts and can be stored.

`Policy` and `Population` are the interface; `NativePopulation` is an Algorithm with its Learner. Code that is
not ours (bench/external) sits behind the same methods.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from bench.actor import Actor
from bench.algorithm import Algorithm, BaseConfig, Noise
from bench.dataset import Dataset
from bench.external import External
from bench.graphs import GraphedUpdates
from bench.learner import Learner, initial_networks
from bench.precision import DEFAULT_PRECISION, set_precision
from bench.sampler import Sampler
from bench.stacked import Draws


class Policy(Protocol):
    """What S seeds have learned so far."""

    def act_noise(self, inference: Any) -> Mapping[str, Noise]:
        """What one decision draws."""

    def act(self, obs: np.ndarray, noise: Mapping[str, np.ndarray], inference: Any) -> np.ndarray:
        """Actions (S, E, A) for obs (S, E, D), noise (S, E, ...)."""

    def finite(self) -> np.ndarray:
        """For every seed, whether its parameters are finite: (S,) bool."""


class Population(Policy, Protocol):
    """S seeds of one algorithm on one data set."""

    @property
    def step(self) -> int:
        """Updates done."""

    def update(self, steps: int) -> None:
        """So many updates of every seed."""

    def snapshot(self) -> Policy:
        """The policies as they are now, which further updates do not change."""

    def execution(self) -> str:
        """How updates were executed, for the record."""

    def metrics(self) -> list[dict[str, float]]:
        """For every seed, the newest metrics of training."""

    def state_dict(self) -> dict[str, Tensor]:
        """All that `load_state_dict` needs to continue, besides the number of updates; also the metrics."""

    def load_state_dict(self, state: Mapping[str, Tensor], step: int) -> None:
        """Continue after `step` updates."""

    def weights(self) -> dict[str, Tensor]:
        """All that acting needs."""


def prepared(dataset: Dataset, config: BaseConfig) -> tuple[Dataset, Tensor, Tensor]:
    """The data set as it is trained on, and the mean and the deviation that observations are scaled by,
    (D,) each. Raises UserError where rewards cannot be scaled as asked.
    """
    mean, std = torch.zeros(dataset.obs_dim), torch.ones(dataset.obs_dim)
    if config.normalize_obs:
        mean, std = dataset.obs_statistics()
        dataset = dataset.normalized(mean, std)
    return dataset.with_rewards(config.normalize_returns, config.reward_scale, config.reward_shift), mean, std


def normalized_obs(obs: np.ndarray, mean: Tensor, std: Tensor) -> Tensor:
    """Observations (..., D) of an environment as a policy sees them, float32."""
    return (torch.from_numpy(obs).float() - mean) / std


class NativePolicy:
    """The policies of an Algorithm of this project: an Actor, and what is done to observations."""

    def __init__(self, actor: Actor, mean: Tensor, std: Tensor) -> None:
        self.actor, self.mean, self.std = actor, mean, std

    def act_noise(self, inference: Any) -> Mapping[str, Noise]:
        return self.actor.algorithm.act_noise(self.actor.action_dim, inference)

    def act(self, obs: np.ndarray, noise: Mapping[str, np.ndarray], inference: Any) -> np.ndarray:
        device = self.actor.device
        seen = normalized_obs(obs, self.mean, self.std)
        tensors = {name: torch.from_numpy(numbers).to(device) for name, numbers in noise.items()}
        return self.actor.act(seen.to(device), Draws(tensors, {}), inference).cpu().numpy()

    def finite(self) -> np.ndarray:
        return self.actor.finite().cpu().numpy()


class NativePopulation(NativePolicy):
    """An Algorithm of this project: a Learner, its Sampler, and what is done to observations and rewards."""

    def __init__(
        self,
        algorithm: Algorithm,
        dataset: Dataset,
        seeds: Sequence[int],
        steps: int,
        device: torch.device | str,
        precision: str = DEFAULT_PRECISION,
        recorded: bool = True,
    ) -> None:
        set_precision(precision, device)
        config = algorithm.config
        dataset, mean, std = prepared(dataset, config)
        self.learner = Learner(
            algorithm, dataset.obs_dim, dataset.action_dim, seeds, steps, device, recorded, precision
        )
        super().__init__(self.learner.actor, mean, std)
        declared = algorithm.noise(config.batch_size, dataset.action_dim)
        self.sampler = Sampler(dataset.to(self.learner.device), declared, config.batch_size, seeds)
        graphed = recorded and self.learner.device.type == "cuda"
        self.graphs = GraphedUpdates(self.learner, self.sampler) if graphed else None

    @property
    def step(self) -> int:
        return self.learner.step

    def update(self, steps: int) -> None:
        for step in range(self.step, self.step + steps):
            if self.graphs is not None:
                self.graphs(step)
            else:
                self.learner.update(*self.sampler(step))

    def snapshot(self) -> NativePolicy:
        return NativePolicy(self.actor.snapshot(), self.mean, self.std)

    def execution(self) -> str:
        if self.graphs is not None and not self.graphs.failed:
            return "CUDA graphs"
        return "recorded" if self.learner.recorded else "eager"

    def metrics(self) -> list[dict[str, float]]:
        columns = {name: values.tolist() for name, values in self.learner.metrics.items()}
        return [{name: values[i] for name, values in columns.items()} for i in range(len(self.learner.seeds))]

    def state_dict(self) -> dict[str, Tensor]:
        return self.learner.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor], step: int) -> None:
        self.learner.load_state_dict(state, step)

    def weights(self) -> dict[str, Tensor]:
        return self.learner.weights() | {"obs/mean": self.mean, "obs/std": self.std}


def make_population(
    algorithm: Algorithm,
    dataset: Dataset,
    seeds: Sequence[int],
    steps: int,
    device: torch.device | str,
    precision: str = DEFAULT_PRECISION,
) -> Population:
    """All seeds of an algorithm, untrained."""
    if isinstance(algorithm, External):
        return algorithm.population(dataset, seeds, device)
    return NativePopulation(algorithm, dataset, seeds, steps, device, precision)


def restored_policy(
    algorithm: Algorithm,
    weights: Mapping[str, Tensor],
    obs_dim: int,
    action_dim: int,
    device: torch.device | str,
    precision: str = DEFAULT_PRECISION,
) -> Policy:
    """The policies of all seeds from what `Population.weights` gave."""
    if isinstance(algorithm, External):
        return algorithm.policy(weights, obs_dim, action_dim, device)
    networks = initial_networks(algorithm, obs_dim, action_dim, 0)
    targets = [name for name, network in networks.items() if network.target_rate is not None]
    modules = {name: network.module for name, network in networks.items()}
    modules |= {f"target_{name}": networks[name].module for name in targets}
    params = {
        name: {key: weights[f"net/{name}/{key}"].to(device) for key, _ in module.named_parameters()}
        for name, module in modules.items()
    }
    actor = Actor(algorithm, networks, action_dim, params, precision=precision)
    return NativePolicy(actor, weights["obs/mean"], weights["obs/std"])
