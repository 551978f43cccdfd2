"""Advantage-weighted actor-critic (AWAC).

Nair, Gupta, Dalal & Levine, "AWAC: Accelerating Online Reinforcement Learning with Offline Datasets", 2020,
https://arxiv.org/abs/2006.09359.

Recorded actions are cloned, each weighted by exp(advantage / temperature); the advantage compares Q of the
recorded action with Q of one of the policy's own. So the policy improves without leaving the data, but its
critics are asked about actions of the policy.

Follows the authors' code as restated in CORL: critics first, then the actor, which sees the new critics; the
policy's deviation does not depend on the state; samples are cut at the bounds; weights are clipped at 100.

Family: weighted regression.

Checked against: worked by hand.

Shapes: B transitions, D observation, A action, 2 critics.
"""

from dataclasses import dataclass

from bench.algorithm import Algorithm, BaseConfig, Network, Noise, Settings
from bench.losses import gaussian_log_prob
from bench.networks import GaussianPolicy, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    temperature: float = 1.0  # lambda; smaller is greedier
    max_weight: float = 100.0  # upper clip on exp(advantage / temperature)
    target_rate: float = 0.005  # Polyak step of the target critic, per update
    lr: float = 3e-4  # Adam, both networks
    hidden: tuple[int, ...] = (256, 256, 256)
    activation: str = "relu"  # relu, gelu or mish
    layer_norm: bool = False  # in the critics


class AWAC(Algorithm):
    Config = Config

    def networks(self, obs_dim, action_dim):
        c = self.config
        actor = GaussianPolicy((obs_dim, *c.hidden, action_dim), c.activation, squash_mean=False)
        critic = ValueMLP(
            (obs_dim + action_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm, ensemble=2
        )
        return {
            "actor": Network(actor, c.lr),
            "critic": Network(critic, c.lr, target_rate=c.target_rate),
        }

    def noise(self, batch_size, action_dim):
        return {
            "target": Noise.normal(batch_size, action_dim),
            "actor": Noise.normal(batch_size, action_dim),
        }

    def update(self, learner, batch, noise):
        """Critics, the actor (which sees the new critics), the target."""
        metrics = learner.minimize("critic", self.critic_loss, batch, noise)
        metrics |= learner.minimize("actor", self.actor_loss, batch, noise)
        learner.update_target("critic")
        return metrics

    def critic_loss(self, nets, batch, noise):
        """TD regression of both critics onto r + gamma min Q(s', a') (algorithm 1)."""
        next_action = self.sample(nets, batch.next_obs, noise.target)
        next_q = nets.target_critic(batch.next_obs, next_action).amin(0)  # (B,)
        target = batch.reward + self.config.discount * (1 - batch.terminal) * next_q
        q = nets.critic(batch.obs, batch.action)  # (2, B)
        return (q - target).square().sum(0).mean(), {"q": q.mean()}

    def actor_loss(self, nets, batch, noise):
        """-exp(A / lambda) log pi(a|s) with A = min Q(s, a) - min Q(s, pi) (algorithm 1)."""
        q = nets.critic(batch.obs, batch.action).amin(0)  # (B,)
        v = nets.critic(batch.obs, self.sample(nets, batch.obs, noise.actor)).amin(0)  # (B,)
        weight = ((q - v) / self.config.temperature).exp().clamp(max=self.config.max_weight).detach()
        log_prob = gaussian_log_prob(batch.action, *nets.actor(batch.obs))  # (B,)
        return -(weight * log_prob).mean(), {"weight": weight.mean()}

    def sample(self, nets, obs, noise):
        mean, std = nets.actor(obs)
        return (mean + std * noise).clamp(-1, 1)

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs)[0].clamp(-1, 1)  # the mean


SETTINGS = [
    Settings(
        "CORL, configs/offline/awac",
        {
            "d4rl-v2/*": {"normalize_obs": True, "temperature": 0.3333},
            "d4rl-v2/antmaze-*": {"reward_shift": -1.0, "temperature": 0.1},
            "d4rl-v2/*-v1": {"temperature": 0.1},  # adroit
        },
    ),
]
