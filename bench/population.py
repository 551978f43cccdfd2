"""The seeds of a run as the runner sees them: something that trains, acts and can be stored.

`Population` is the interface; `NativePopulation` is an Algorithm with its Learner. Code that is not ours
sits behind the same methods.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from bench.algorithm import Algorithm, Noise
from bench.dataset import Dataset
from bench.learner import Learner
from bench.sampler import Sampler
from bench.stacked import Draws


class Population(Protocol):
    """S seeds of one algorithm on one data set."""

    @property
    def step(self) -> int:
        """Updates done."""

    def update(self, steps: int) -> None:
        """So many updates of every seed."""

    def act_noise(self, inference: Any) -> Mapping[str, Noise]:
        """What one decision draws."""

    def act(self, obs: np.ndarray, noise: Mapping[str, np.ndarray], inference: Any) -> np.ndarray:
        """Actions (S, E, A) for obs (S, E, D), noise (S, E, ...)."""

    def finite(self) -> np.ndarray:
        """For every seed, whether its parameters are finite: (S,) bool."""

    def metrics(self) -> list[dict[str, float]]:
        """For every seed, the newest metrics of training."""

    def state_dict(self) -> dict[str, Tensor]:
        """All that `load_state_dict` needs to continue, besides the number of updates."""

    def load_state_dict(self, state: Mapping[str, Tensor], step: int) -> None:
        """Continue after `step` updates."""

    def weights(self) -> dict[str, Tensor]:
        """All that acting needs."""


class NativePopulation:
    """An Algorithm of this project: a Learner, its Sampler, and what is done to observations and rewards."""

    def __init__(
        self,
        algorithm: Algorithm,
        dataset: Dataset,
        seeds: Sequence[int],
        steps: int,
        device: torch.device | str,
    ) -> None:
        config = algorithm.config
        self.device = torch.device(device)
        self.mean, self.std = torch.zeros(dataset.obs_dim), torch.ones(dataset.obs_dim)
        if config.normalize_obs:
            self.mean, self.std = dataset.obs_statistics()
            dataset = dataset.normalized(self.mean, self.std)
        dataset = dataset.with_rewards(config.normalize_returns, config.reward_scale, config.reward_shift)
        self.algorithm = algorithm
        self.learner = Learner(algorithm, dataset.obs_dim, dataset.action_dim, seeds, steps, device)
        declared = algorithm.noise(config.batch_size, dataset.action_dim)
        self.sampler = Sampler(dataset.to(self.device), declared, config.batch_size, seeds)

    @property
    def step(self) -> int:
        return self.learner.step

    def update(self, steps: int) -> None:
        for step in range(self.step, self.step + steps):
            self.learner.update(*self.sampler(step))

    def act_noise(self, inference: Any) -> Mapping[str, Noise]:
        return self.algorithm.act_noise(self.learner.action_dim, inference)

    def act(self, obs: np.ndarray, noise: Mapping[str, np.ndarray], inference: Any) -> np.ndarray:
        seen = (torch.from_numpy(obs).float() - self.mean) / self.std
        tensors = {name: torch.from_numpy(numbers).to(self.device) for name, numbers in noise.items()}
        return self.learner.act(seen.to(self.device), Draws(tensors, {}), inference).cpu().numpy()

    def finite(self) -> np.ndarray:
        return self.learner.finite().cpu().numpy()

    def metrics(self) -> list[dict[str, float]]:
        columns = {name: values.tolist() for name, values in self.learner.metrics.items()}
        return [{name: values[i] for name, values in columns.items()} for i in range(len(self.learner.seeds))]

    def state_dict(self) -> dict[str, Tensor]:
        return self.learner.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor], step: int) -> None:
        self.learner.load_state_dict(state, step)

    def weights(self) -> dict[str, Tensor]:
        return self.learner.weights() | {"obs/mean": self.mean, "obs/std": self.std}
