"""Conservative Q-learning (CQL), the CQL(H) variant on top of SAC.

Kumar, Zhou, Tucker & Levine, "Conservative Q-Learning for Offline Reinforcement Learning", NeurIPS 2020,
https://arxiv.org/abs/2006.04779. Eq. numbers are the paper's.

Q-learning with a term that pushes Q down on actions that the policy would take and up on recorded ones,
so that the learned Q is a lower bound. With `lagrange_gap` the weight of that term is itself learned, so
that the gap between the two stays at a threshold.

Follows the authors' code as restated in CORL: importance weights for the sampled actions, no entropy
in the TD target, all losses computed from the parameters at the start of the update. One difference: CORL
also trains a factor and an offset of the policy's log deviation (from 1 and -1); here, as in SAC, the last
layer gives it directly. CORL's orthogonal initialization is not offered either.

Family: pessimistic values.

Checked against: worked by hand; d3rlpy on classic and diagnostic.

Shapes: B transitions, D observation, A action, N sampled actions, 2 critics.
"""

import math
from dataclasses import dataclass

import torch

from bench.algorithm import Algorithm, BaseConfig, Network, Noise, Settings
from bench.losses import tanh_gaussian
from bench.networks import MLP, Scalar, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    alpha: float = 10.0  # weight of the conservative term; with lagrange_gap, a factor on the learned weight
    lagrange_gap: float | None = None  # tau: threshold of the Lagrange variant, eq. (30); none: fixed weight
    sampled_actions: int = 10  # N: uniform ones, the policy's at s, the policy's at s'; each
    max_target: bool = False  # TD target from the best of N next actions instead of one
    target_rate: float = 0.005  # Polyak step of the target critic, per update (tau in SAC)
    lr: float = 3e-4  # Adam: critics and multiplier
    actor_lr: float = 3e-5  # Adam: actor and temperature
    hidden: tuple[int, ...] = (256, 256, 256)
    critic_hidden: tuple[int, ...] | None = None  # none: as `hidden`
    activation: str = "relu"  # relu, gelu or mish
    layer_norm: bool = False  # in the critics
    min_gap: float | None = None  # the gap of a transition counts as this at least; none: no limit


class CQL(Algorithm):
    Config = Config

    def networks(self, obs_dim, action_dim):
        c = self.config
        critic = ValueMLP(
            (obs_dim + action_dim, *(c.critic_hidden or c.hidden)),
            activation=c.activation,
            layer_norm=c.layer_norm,
            ensemble=2,
        )
        networks = {
            "actor": Network(MLP((obs_dim, *c.hidden, 2 * action_dim), c.activation), c.actor_lr),
            "critic": Network(critic, c.lr, target_rate=c.target_rate),
            "log_temperature": Network(Scalar(0.0), c.actor_lr),
        }
        if c.lagrange_gap is not None:
            networks["log_multiplier"] = Network(Scalar(1.0), c.lr)
        return networks

    def noise(self, batch_size, action_dim):
        many = (self.config.sampled_actions, batch_size, action_dim)
        return {
            "actor": Noise.normal(batch_size, action_dim),
            "target": Noise.normal(*(many if self.config.max_target else many[1:])),
            "uniform": Noise.uniform(*many),
            "here": Noise.normal(*many),
            "next": Noise.normal(*many),
        }

    def update(self, learner, batch, noise):
        """All networks from the parameters at the start of the update; then the target."""
        with learner.simultaneously():
            metrics = learner.minimize("log_temperature", self.temperature_loss, batch, noise)
            metrics |= learner.minimize("actor", self.actor_loss, batch, noise)
            metrics |= learner.minimize("critic", self.critic_loss, batch, noise)
            if self.config.lagrange_gap is not None:
                metrics |= learner.minimize("log_multiplier", self.multiplier_loss, batch, noise)
        learner.update_target("critic")
        return metrics

    def temperature_loss(self, nets, batch, noise):
        """SAC's temperature, driven so that the policy's entropy is -A (Haarnoja et al. 2018, eq. 18)."""
        _, log_prob = self.sample(nets, batch.obs, noise.actor)
        target = -batch.action.shape[-1]
        return -(nets.log_temperature() * (log_prob + target)).mean(), {}

    def actor_loss(self, nets, batch, noise):
        """SAC's policy: temperature * log pi(a|s) - min Q(s, a)."""
        action, log_prob = self.sample(nets, batch.obs, noise.actor)
        q = nets.critic(batch.obs, action).amin(0)  # (B,)
        temperature = nets.log_temperature().exp()
        return (temperature * log_prob - q).mean(), {"entropy": -log_prob.mean()}

    def critic_loss(self, nets, batch, noise):
        """TD error plus the conservative term of both critics, eq. (4) (and (30) with a multiplier)."""
        q = nets.critic(batch.obs, batch.action)  # (2, B)
        td = (q - self.target(nets, batch, noise)).square().mean(-1).sum()
        gap = self.gap(nets, batch, noise, q)  # (2,)
        if self.config.lagrange_gap is None:
            conservative = self.config.alpha * gap.sum()
        else:
            excess = (gap - self.config.lagrange_gap).sum()
            conservative = self.multiplier(nets) * self.config.alpha * excess
        return td + conservative, {"q": q.mean(), "gap": gap.mean()}

    def multiplier_loss(self, nets, batch, noise):
        """Ascent of the multiplier on the gap beyond the threshold, eq. (30); a mean over both critics."""
        gap = self.gap(nets, batch, noise, nets.critic(batch.obs, batch.action))
        excess = self.config.alpha * (gap - self.config.lagrange_gap)
        return -(self.multiplier(nets) * excess).mean(), {"multiplier": self.multiplier(nets)}

    def target(self, nets, batch, noise):
        """r + gamma min Q(s', a'), with one a' of the policy or the best of N: (B,)."""
        action, _ = self.sample(nets, batch.next_obs, noise.target)  # (B, A) or (N, B, A)
        next_q = nets.target_critic(batch.next_obs, action).amin(0)  # (B,) or (N, B)
        next_q = next_q.amax(0) if self.config.max_target else next_q
        return batch.reward + self.config.discount * (1 - batch.terminal) * next_q

    def gap(self, nets, batch, noise, q):
        """log sum exp Q of sampled actions, importance-weighted, minus Q of the data: per critic, (2,)."""
        here, here_log_prob = self.sample(nets, batch.obs, noise.here)  # (N, B, A), (N, B)
        after, after_log_prob = self.sample(nets, batch.next_obs, noise.next)
        actions = torch.cat((2 * noise.uniform - 1, after, here)).detach()  # (3N, B, A)
        uniform_log_prob = torch.full_like(here_log_prob, math.log(0.5) * batch.action.shape[-1])
        log_prob = torch.cat((uniform_log_prob, after_log_prob, here_log_prob)).detach()  # (3N, B)
        q_sampled = nets.critic(batch.obs, actions)  # (2, 3N, B)
        gap = (q_sampled - log_prob).logsumexp(1) - q  # (2, B)
        return (
            gap.clamp(min=self.config.min_gap).mean(-1) if self.config.min_gap is not None else gap.mean(-1)
        )

    def multiplier(self, nets):
        return nets.log_multiplier().exp().clamp(0, 1e6)

    def sample(self, nets, obs, noise):
        """Actions (..., B, A) of the policy at obs (B, D), and their log densities (..., B)."""
        mean, log_std = nets.actor(obs).chunk(2, -1)
        return tanh_gaussian(mean, log_std.clamp(-20, 2), noise)

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs).chunk(2, -1)[0].tanh()  # the mode of the Gaussian, squashed


SETTINGS = [
    Settings(
        "CORL, configs/offline/cql",
        {
            "d4rl-v2/*": {"normalize_obs": True},
            "d4rl-v2/hopper-medium-v2": {"normalize_returns": True},
            "d4rl-v2/antmaze-*": {
                "normalize_obs": False, "alpha": 5.0, "lagrange_gap": 0.8, "max_target": True,
                "min_gap": -200.0, "actor_lr": 1e-4, "critic_hidden": (256, 256, 256, 256, 256),
                "reward_scale": 10.0, "reward_shift": -5.0,
            },
            "d4rl-v2/*-v1": {"alpha": 1.0, "actor_lr": 1e-4},  # adroit
        },
    ),
]  # fmt: skip
