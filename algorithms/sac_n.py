"""Soft actor-critic with N critics (SAC-N).

An, Moon, Kim & Song, "Uncertainty-Based Offline Reinforcement Learning with Diversified Q-Ensemble",
NeurIPS 2021, https://arxiv.org/abs/2110.01548, section 3.

SAC whose target and policy use the smallest of N critics. Critics that start differently disagree about
actions never tried, so the smallest of many is low there: pessimism that no term asks for.

Follows the authors' code as restated in CORL: the entropy is part of the TD target, the temperature moves
first and the others see it. Its initialization of the critics' last layer is not offered.

Family: ensemble.

Checked against: worked by hand.

Shapes: B transitions, D observation, A action, N critics.
"""

from dataclasses import dataclass

from bench.algorithm import Algorithm, BaseConfig, Network, Noise, Settings
from bench.losses import tanh_gaussian
from bench.networks import MLP, Scalar, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    critics: int = 10  # N; the paper needs up to 500 on hopper
    target_rate: float = 0.005  # Polyak step of the target critics, per update
    lr: float = 3e-4  # Adam, all networks
    hidden: tuple[int, ...] = (256, 256, 256)
    activation: str = "relu"  # relu, gelu or mish
    layer_norm: bool = False  # in the critics

    def __post_init__(self):
        if self.critics < 2:
            raise ValueError(f"critics = {self.critics}; at least 2 are needed")


class SACN(Algorithm):
    Config = Config

    def networks(self, obs_dim, action_dim):
        c = self.config
        critic = ValueMLP(
            (obs_dim + action_dim, *c.hidden),
            activation=c.activation,
            layer_norm=c.layer_norm,
            ensemble=c.critics,
        )
        return {
            "actor": Network(MLP((obs_dim, *c.hidden, 2 * action_dim), c.activation), c.lr),
            "critic": Network(critic, c.lr, target_rate=c.target_rate),
            "log_temperature": Network(Scalar(0.0), c.lr),
        }

    def noise(self, batch_size, action_dim):
        return {
            "actor": Noise.normal(batch_size, action_dim),
            "target": Noise.normal(batch_size, action_dim),
        }

    def update(self, learner, batch, noise):
        """Temperature, actor, critics, target; each sees what came before."""
        metrics = learner.minimize("log_temperature", self.temperature_loss, batch, noise)
        metrics |= learner.minimize("actor", self.actor_loss, batch, noise)
        metrics |= learner.minimize("critic", self.critic_loss, batch, noise)
        learner.update_target("critic")
        return metrics

    def temperature_loss(self, nets, batch, noise):
        """Driven so that the policy's entropy is -A (Haarnoja et al. 2018, eq. 18)."""
        _, log_prob = self.sample(nets, batch.obs, noise.actor)
        target = -batch.action.shape[-1]
        return -(nets.log_temperature() * (log_prob + target)).mean(), {}

    def actor_loss(self, nets, batch, noise):
        """temperature * log pi(a|s) - min over N of Q(s, a)."""
        action, log_prob = self.sample(nets, batch.obs, noise.actor)
        q = nets.critic(batch.obs, action)  # (N, B)
        temperature = nets.log_temperature().exp()
        metrics = {"entropy": -log_prob.mean(), "q_std": q.std(0).mean()}
        return (temperature * log_prob - q.amin(0)).mean(), metrics

    def critic_loss(self, nets, batch, noise):
        """TD regression of every critic onto r + gamma (min Q(s', a') - temperature * log pi(a'|s'))."""
        action, log_prob = self.sample(nets, batch.next_obs, noise.target)
        next_v = nets.target_critic(batch.next_obs, action).amin(0) - nets.log_temperature().exp() * log_prob
        target = batch.reward + self.config.discount * (1 - batch.terminal) * next_v
        q = nets.critic(batch.obs, batch.action)  # (N, B)
        return (q - target).square().mean(-1).sum(), {"q": q.mean()}

    def sample(self, nets, obs, noise):
        """Actions (B, A) of the policy at obs (B, D), and their log densities (B,)."""
        mean, log_std = nets.actor(obs).chunk(2, -1)
        return tanh_gaussian(mean, log_std.clamp(-5, 2), noise)

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs).chunk(2, -1)[0].tanh()  # the mode of the Gaussian, squashed


SETTINGS = [
    Settings(
        "CORL, configs/offline/sac_n",
        {
            "d4rl-v2/halfcheetah-*": {"critics": 10},
            "d4rl-v2/walker2d-*": {"critics": 20},
            "d4rl-v2/hopper-*": {"critics": 200},
            "d4rl-v2/hopper-medium-v2": {"critics": 500},
            "d4rl-v2/antmaze-*": {"critics": 25},
            "d4rl-v2/*-v1": {"critics": 100},  # adroit
        },
    ),
]
