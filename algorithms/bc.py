"""Behaviour cloning (BC).

Pomerleau, "Efficient Training of Artificial Neural Networks for Autonomous Navigation", Neural
Computation 1991, https://doi.org/10.1162/neco.1991.3.1.88.

The mean squared error to the recorded action: the maximum-likelihood Gaussian of constant deviation,
which is the BC of the FQL and CORL comparisons. It ignores rewards and averages over modes.

The mean passes through a tanh, as in CORL's any-percent BC; FQL's code clips instead.

Family: imitation.

Checked against: worked by hand; d3rlpy on classic and diagnostic.

Shapes: B transitions, D observation, A action.
"""

from dataclasses import dataclass

from bench.algorithm import Algorithm, BaseConfig, Network, Settings
from bench.networks import TanhPolicy


@dataclass(frozen=True)
class Config(BaseConfig):
    lr: float = 3e-4  # Adam
    hidden: tuple[int, ...] = (256, 256)
    activation: str = "relu"  # relu, gelu or mish
    layer_norm: bool = False  # in the policy


class BC(Algorithm):
    Config = Config

    def networks(self, obs_dim, action_dim):
        c = self.config
        sizes = (obs_dim, *c.hidden, action_dim)
        return {"actor": Network(TanhPolicy(sizes, c.activation, c.layer_norm), c.lr)}

    def update(self, learner, batch, noise):
        """One step of regression."""
        return learner.minimize("actor", self.actor_loss, batch, noise)

    def actor_loss(self, nets, batch, noise):
        """Mean over the batch and the action's dimensions of (pi(s) - a)^2."""
        return (nets.actor(batch.obs) - batch.action).square().mean(), {}

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs)


SETTINGS = [
    Settings(
        "Park et al. 2025 (FQL), appendix E.2 and its code",
        {"ogbench/*": {"hidden": (512, 512, 512, 512), "activation": "gelu"}},
    ),
    Settings("CORL, configs/offline/bc", {"d4rl-v2/*": {"normalize_obs": True}}),
]
