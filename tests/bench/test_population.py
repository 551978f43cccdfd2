"""What is done to a data set before training, and only there."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from bench.algorithm import Algorithm, BaseConfig, Network
from bench.dataset import Dataset, Episode
from bench.networks import MLP
from bench.population import NativePopulation


@dataclass(frozen=True)
class Config(BaseConfig):
    batch_size: int = 64


class Looker(Algorithm):
    """Reports the batch that it is given."""

    Config = Config

    def networks(self, obs_dim, action_dim):
        return {"actor": Network(MLP((obs_dim, action_dim), "relu"), 1e-3)}

    def update(self, learner, batch, noise):
        return learner.minimize("actor", self.loss, batch, noise)

    def loss(self, nets, batch, noise):
        seen = {"reward": batch.reward.mean(), "obs": batch.obs.mean(), "next_obs": batch.next_obs.mean()}
        return nets.actor(batch.obs).square().mean(), seen


DATA = Dataset.from_episodes(
    Episode(np.full((3, 1), 10.0 * n), np.zeros((2, 1)), np.full(2, float(n)), True) for n in (1, 2)
)


def seen(**options: object) -> dict[str, float]:
    population = NativePopulation(Looker(replace(Config(), **options)), DATA, (0,), 1, torch.device("cpu"))
    population.update(1)
    return population.metrics()[0]


def test_rewards_are_transformed_before_training() -> None:
    plain = seen()
    assert 1 <= plain["reward"] <= 2
    assert seen(reward_scale=3.0, reward_shift=-1.0)["reward"] == torch.tensor(plain["reward"] * 3 - 1)
    assert abs(seen(normalize_returns=True)["reward"] - plain["reward"] * 1000 / 2) < 1e-2


def test_observations_are_normalized_before_training() -> None:
    assert 10 <= seen()["obs"] <= 20
    assert abs(seen(normalize_obs=True)["obs"]) < 1
    assert abs(seen(normalize_obs=True)["next_obs"]) < 1


def test_the_data_set_of_the_caller_stays_as_it_is() -> None:
    before = DATA.sha256()
    seen(normalize_obs=True, normalize_returns=True, reward_scale=2.0)
    assert DATA.sha256() == before


def test_who_continues_has_the_metrics_of_the_last_update() -> None:
    """An evaluation that comes before the next update records them."""
    first, second = (NativePopulation(Looker(Config()), DATA, (0, 1), 9, "cpu") for _ in range(2))
    first.update(3)
    second.load_state_dict(first.state_dict(), 3)
    assert second.metrics() == first.metrics() != [{}, {}]
    first.update(1)  # changes nothing of what the other holds
    assert second.metrics() != first.metrics()
