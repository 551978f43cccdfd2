"""Implicit Q-Learning (IQL).

Kostrikov, Nair & Levine, "Offline Reinforcement Learning with Implicit Q-Learning", ICLR 2022,
https://arxiv.org/abs/2110.06169. Eq. numbers are the paper's.

Q is learned without ever evaluating an action outside the data set: V is an upper expectile of Q over
the recorded actions, and stands in for the maximum in Q's target.

Follows the authors' code (ikostrikov/implicit_q_learning) where the paper is silent: the order of the
update, the clip on the weights, the cosine decay of the actor's rate. The variant of FQL's code, which
OGBench's tables use, is in SETTINGS, but for its order of the update: there one summed loss sees the old V
and weighs the actor with the online critic. CORL's deterministic policy is `fixed_std=1`: the same loss up
to a factor, to which Adam is blind. Its dropout in the actor on adroit is not offered.

Family: weighted regression.

Checked against: numbers of FQL's code; worked by hand; d3rlpy on classic and diagnostic.

Shapes: B transitions, D observation, A action, 2 critics.
"""

from dataclasses import dataclass
from typing import Literal

from bench.algorithm import Algorithm, BaseConfig, Network, Settings
from bench.losses import expectile_loss, gaussian_log_prob
from bench.networks import GaussianPolicy, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    expectile: float = 0.7  # tau in the paper; 0.5 regresses to the mean, 1 to the maximum
    beta: float = 3.0  # inverse temperature; 0 is behaviour cloning
    max_weight: float = 100.0  # upper clip on exp(beta * advantage)
    target_rate: float = 0.005  # Polyak step of the target critic, per update
    lr: float = 3e-4  # Adam, all networks
    hidden: tuple[int, ...] = (256, 256)
    activation: str = "relu"  # relu, gelu or mish
    layer_norm: bool = False  # in the critics and V
    fixed_std: float | None = None  # deviation of the policy; none: learned
    squash_mean: bool = True  # tanh on the policy's mean
    schedule: Literal["cosine", "constant"] = "cosine"  # of the actor's rate


class IQL(Algorithm):
    Config = Config

    def networks(self, obs_dim, action_dim):
        c = self.config
        actor = GaussianPolicy((obs_dim, *c.hidden, action_dim), c.activation, c.squash_mean, c.fixed_std)
        value = ValueMLP((obs_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm)
        critic = ValueMLP(
            (obs_dim + action_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm, ensemble=2
        )
        return {
            "value": Network(value, c.lr),
            "actor": Network(actor, c.lr, schedule="cosine" if c.schedule == "cosine" else None),
            "critic": Network(critic, c.lr, target_rate=c.target_rate),
        }

    def update(self, learner, batch, noise):
        """One step on each network. The actor sees the new V and the old target Q."""
        metrics = learner.minimize("value", self.value_loss, batch, noise)
        metrics |= learner.minimize("actor", self.actor_loss, batch, noise)
        metrics |= learner.minimize("critic", self.critic_loss, batch, noise)
        learner.update_target("critic")
        return metrics

    def value_loss(self, nets, batch, noise):
        """Expectile regression of V(s) onto target Q(s, a), eq. (5)."""
        advantage = self.advantage(nets, batch)
        return expectile_loss(advantage, self.config.expectile).mean(), {"advantage": advantage.mean()}

    def actor_loss(self, nets, batch, noise):
        """Advantage-weighted behaviour cloning, eq. (7)."""
        weight = (self.config.beta * self.advantage(nets, batch)).exp()
        weight = weight.clamp(max=self.config.max_weight)
        log_prob = gaussian_log_prob(batch.action, *nets.actor(batch.obs))  # (B,)
        return -(weight * log_prob).mean(), {"weight": weight.mean()}

    def critic_loss(self, nets, batch, noise):
        """TD regression of both critics onto r + gamma V(s'), eq. (6)."""
        next_v = nets.value(batch.next_obs)  # (B,)
        target = batch.reward + self.config.discount * (1 - batch.terminal) * next_v
        q = nets.critic(batch.obs, batch.action)  # (2, B)
        return (q - target).square().sum(0).mean(), {"q": q.mean()}

    def advantage(self, nets, batch):
        """min of the target critics minus V; computed anew where it is used, so that it sees the newest V."""
        q = nets.target_critic(batch.obs, batch.action)  # (2, B)
        return q.amin(0) - nets.value(batch.obs)  # (B,)

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs)[0].clamp(-1, 1)  # the mean


SETTINGS = [
    Settings(
        "Park et al. 2025 (FQL), appendix E.2 and its code",
        {
            "ogbench/*": {
                "expectile": 0.9, "hidden": (512, 512, 512, 512), "activation": "gelu", "layer_norm": True,
                "fixed_std": 1.0, "squash_mean": False, "schedule": "constant",
            },
            "ogbench/cube-*": {"hidden": (256, 256, 256, 256)},
            "ogbench/scene-*": {"hidden": (256, 256, 256, 256)},
            "ogbench/puzzle-*": {"hidden": (256, 256, 256, 256)},
            "ogbench/antmaze-giant-*": {"discount": 0.995},
            "ogbench/humanoidmaze-*": {"discount": 0.995},
            "ogbench/antsoccer-*": {"discount": 0.995},
        },
    ),
    Settings(
        "Park et al. 2025 (FQL), table 6",
        {
            "ogbench/antmaze-large-navigate-*": {"beta": 10.0},
            "ogbench/antmaze-giant-navigate-*": {"beta": 10.0},
            "ogbench/humanoidmaze-medium-navigate-*": {"beta": 10.0},
            "ogbench/humanoidmaze-large-navigate-*": {"beta": 10.0},
            "ogbench/cube-single-play-*": {"beta": 1.0},
            "ogbench/cube-double-play-*": {"beta": 0.3},
            "ogbench/scene-play-*": {"beta": 10.0},
            "ogbench/puzzle-3x3-play-*": {"beta": 10.0},
            "ogbench/puzzle-4x4-play-*": {"beta": 3.0},
        },
    ),
    Settings(
        "Park et al. 2025 (FQL), table 7 (offline-to-online)",
        {"ogbench/antsoccer-arena-navigate-*": {"beta": 1.0}},
    ),
    Settings(
        "CORL, configs/offline/iql",
        {
            "d4rl-v2/*": {"normalize_obs": True},
            "d4rl-v2/hopper-medium*-v2": {"target_rate": 0.001, "fixed_std": 1.0, "normalize_returns": True},
            "d4rl-v2/hopper-medium-expert-v2": {
                "target_rate": 0.005, "fixed_std": None, "normalize_returns": False, "expectile": 0.5,
                "beta": 6.0,
            },
            "d4rl-v2/antmaze-*": {"expectile": 0.9, "beta": 10.0, "reward_shift": -1.0},
            "d4rl-v2/*-v1": {"expectile": 0.8},  # adroit; there with a dropout of 0.1 in the actor
        },
    ),
]  # fmt: skip
