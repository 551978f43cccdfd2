"""Revisited behaviour-regularized actor-critic (ReBRAC).

Tarasov, Kurenkov, Nikulin & Kolesnikov, "Revisiting the Minimalist Approach to Offline Reinforcement
Learning", NeurIPS 2023, https://arxiv.org/abs/2305.09836. Eq. numbers are the paper's.

TD3+BC with the distance to the recorded action penalized twice, in the actor and in the critic's target,
with weights of their own, and layer norm in the critics.

Follows the authors' code (DT6A/ReBRAC): both critics' minimum guides the actor, Q is divided by its mean
size, actor and targets move in every second update, targets only then (towards the new parameters; there,
the actor's target follows the parameters from before its step). The paper tunes the two weights
for every data set; the defaults here are in the middle of its grid.

Family: behaviour regularization.

Checked against: numbers of FQL's code; worked by hand; d3rlpy on classic and diagnostic.

Shapes: B transitions, D observation, A action, 2 critics.
"""

from dataclasses import dataclass

from bench.algorithm import Algorithm, BaseConfig, Every, Network, Noise, Settings
from bench.networks import TanhPolicy, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    actor_bc_coef: float = 0.1  # beta_1: weight of the penalty in the actor's loss
    critic_bc_coef: float = 0.01  # beta_2: weight of the penalty in the critic's target
    target_rate: float = 0.005  # Polyak step of both targets, per actor update (tau)
    target_noise: float = 0.2  # deviation of the noise on the target's action
    target_noise_clip: float = 0.5
    actor_delay: int = 2  # critic updates per actor update
    lr: float = 3e-4  # Adam
    critic_lr: float | None = None  # of the critics; none: as `lr`
    hidden: tuple[int, ...] = (256, 256, 256)
    activation: str = "relu"  # relu, gelu or mish
    layer_norm: bool = True  # in the critics


class ReBRAC(Algorithm):
    Config = Config

    def networks(self, obs_dim, action_dim):
        c = self.config
        actor = TanhPolicy((obs_dim, *c.hidden, action_dim), c.activation, last_scale=0.01)
        critic = ValueMLP(
            (obs_dim + action_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm, ensemble=2
        )
        return {
            "actor": Network(actor, c.lr, target_rate=c.target_rate),
            "critic": Network(critic, c.critic_lr or c.lr, target_rate=c.target_rate),
        }

    def noise(self, batch_size, action_dim):
        return {
            "target": Noise.normal(batch_size, action_dim),
            "update_actor": Every(self.config.actor_delay),
        }

    def update(self, learner, batch, noise):
        """Critics; then, in every second update, the actor (which sees the new critics) and all targets."""
        metrics = learner.minimize("critic", self.critic_loss, batch, noise)
        if noise.update_actor:
            metrics |= learner.minimize("actor", self.actor_loss, batch, noise)
            learner.update_target("critic")
            learner.update_target("actor")
        return metrics

    def critic_loss(self, nets, batch, noise):
        """TD regression onto r + gamma (min Q(s', a~') - beta_2 |a~' - a'|^2), eq. (5)."""
        c = self.config
        smoothing = (c.target_noise * noise.target).clamp(-c.target_noise_clip, c.target_noise_clip)
        next_action = (nets.target_actor(batch.next_obs) + smoothing).clamp(-1, 1)
        penalty = (next_action - batch.next_action).square().sum(-1)  # (B,)
        next_q = nets.target_critic(batch.next_obs, next_action).amin(0) - c.critic_bc_coef * penalty
        target = batch.reward + c.discount * (1 - batch.terminal) * next_q
        q = nets.critic(batch.obs, batch.action)  # (2, B)
        return (q - target).square().mean(), {"q": q.mean()}

    def actor_loss(self, nets, batch, noise):
        """-lambda min Q(s, pi(s)) + beta_1 |pi(s) - a|^2 with lambda = 1 / mean |Q|, eq. (4)."""
        action = nets.actor(batch.obs)
        q = nets.critic(batch.obs, action).amin(0)  # (B,)
        weight = 1 / q.abs().mean().detach()
        penalty = (action - batch.action).square().sum(-1).mean()
        return self.config.actor_bc_coef * penalty - weight * q.mean(), {"penalty": penalty}

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs)


SETTINGS = [
    Settings(
        "Park et al. 2025 (FQL), appendix E.2 and its code",
        {
            "ogbench/*": {"hidden": (512, 512, 512, 512), "activation": "gelu"},
            "ogbench/antmaze-giant-*": {"discount": 0.995},
            "ogbench/humanoidmaze-*": {"discount": 0.995},
            "ogbench/antsoccer-*": {"discount": 0.995},
        },
    ),
    Settings(
        "Park et al. 2025 (FQL), table 6",
        {
            "ogbench/antmaze-large-navigate-*": {"actor_bc_coef": 0.003, "critic_bc_coef": 0.01},
            "ogbench/antmaze-giant-navigate-*": {"actor_bc_coef": 0.003, "critic_bc_coef": 0.01},
            "ogbench/humanoidmaze-medium-navigate-*": {"actor_bc_coef": 0.01, "critic_bc_coef": 0.01},
            "ogbench/humanoidmaze-large-navigate-*": {"actor_bc_coef": 0.01, "critic_bc_coef": 0.01},
            "ogbench/cube-single-play-*": {"actor_bc_coef": 1.0, "critic_bc_coef": 0.0},
            "ogbench/cube-double-play-*": {"actor_bc_coef": 0.1, "critic_bc_coef": 0.0},
            "ogbench/scene-play-*": {"actor_bc_coef": 0.1, "critic_bc_coef": 0.01},
            "ogbench/puzzle-3x3-play-*": {"actor_bc_coef": 0.3, "critic_bc_coef": 0.01},
            "ogbench/puzzle-4x4-play-*": {"actor_bc_coef": 0.3, "critic_bc_coef": 0.01},
        },
    ),
    Settings(
        "Park et al. 2025 (FQL), table 7 (offline-to-online)",
        {"ogbench/antsoccer-arena-navigate-*": {"actor_bc_coef": 0.01, "critic_bc_coef": 0.01}},
    ),
    Settings(
        "Tarasov et al. 2023, its code (configs/rebrac)",
        {
            "d4rl-v2/*": {"batch_size": 1024, "lr": 1e-3},
            "d4rl-v2/*-v1": {"batch_size": 256, "lr": 3e-4},  # adroit
            "d4rl-v2/antmaze-*": {
                "batch_size": 256, "lr": 3e-4, "critic_lr": 5e-5, "discount": 0.999, "reward_scale": 100.0,
            },
            "d4rl-v2/halfcheetah-medium-v2": {"actor_bc_coef": 0.001, "critic_bc_coef": 0.01},
            "d4rl-v2/halfcheetah-medium-replay-v2": {"actor_bc_coef": 0.01, "critic_bc_coef": 0.001},
            "d4rl-v2/halfcheetah-medium-expert-v2": {"actor_bc_coef": 0.01, "critic_bc_coef": 0.1},
            "d4rl-v2/hopper-medium-v2": {"actor_bc_coef": 0.01, "critic_bc_coef": 0.01},
            "d4rl-v2/hopper-medium-replay-v2": {"actor_bc_coef": 0.05, "critic_bc_coef": 0.5},
            "d4rl-v2/hopper-medium-expert-v2": {"actor_bc_coef": 0.1, "critic_bc_coef": 0.01},
            "d4rl-v2/walker2d-medium-v2": {"actor_bc_coef": 0.05, "critic_bc_coef": 0.1},
            "d4rl-v2/walker2d-medium-replay-v2": {"actor_bc_coef": 0.05, "critic_bc_coef": 0.01},
            "d4rl-v2/walker2d-medium-expert-v2": {"actor_bc_coef": 0.01, "critic_bc_coef": 0.01},
            "d4rl-v2/antmaze-umaze-v2": {"actor_bc_coef": 0.003, "critic_bc_coef": 0.002},
            "d4rl-v2/antmaze-umaze-diverse-v2": {"actor_bc_coef": 0.003, "critic_bc_coef": 0.001},
            "d4rl-v2/antmaze-medium-play-v2": {"actor_bc_coef": 0.001, "critic_bc_coef": 0.0005},
            "d4rl-v2/antmaze-medium-diverse-v2": {"actor_bc_coef": 0.001, "critic_bc_coef": 0.0},
            "d4rl-v2/antmaze-large-play-v2": {"actor_bc_coef": 0.002, "critic_bc_coef": 0.001},
            "d4rl-v2/antmaze-large-diverse-v2": {"actor_bc_coef": 0.002, "critic_bc_coef": 0.002},
            "d4rl-v2/pen-human-v1": {"actor_bc_coef": 0.1, "critic_bc_coef": 0.5},
            "d4rl-v2/pen-cloned-v1": {"actor_bc_coef": 0.05, "critic_bc_coef": 0.5},
            "d4rl-v2/pen-expert-v1": {"actor_bc_coef": 0.01, "critic_bc_coef": 0.01},
            "d4rl-v2/door-human-v1": {"actor_bc_coef": 0.1, "critic_bc_coef": 0.1},
            "d4rl-v2/door-cloned-v1": {"actor_bc_coef": 0.01, "critic_bc_coef": 0.1},
            "d4rl-v2/door-expert-v1": {"actor_bc_coef": 0.05, "critic_bc_coef": 0.01},
            "d4rl-v2/hammer-human-v1": {"actor_bc_coef": 0.01, "critic_bc_coef": 0.5},
            "d4rl-v2/hammer-cloned-v1": {"actor_bc_coef": 0.1, "critic_bc_coef": 0.5},
            "d4rl-v2/hammer-expert-v1": {"actor_bc_coef": 0.01, "critic_bc_coef": 0.01},
            "d4rl-v2/relocate-human-v1": {"actor_bc_coef": 0.1, "critic_bc_coef": 0.01},
            "d4rl-v2/relocate-cloned-v1": {"actor_bc_coef": 0.1, "critic_bc_coef": 0.01},
            "d4rl-v2/relocate-expert-v1": {"actor_bc_coef": 0.05, "critic_bc_coef": 0.01},
        },
    ),
]  # fmt: skip
