"""Revisited behaviour-regularized actor-critic (ReBRAC).

Tarasov, Kurenkov, Nikulin & Kolesnikov, "Revisiting the Minimalist Approach to Offline Reinforcement
Learning", NeurIPS 2023, https://arxiv.org/abs/2305.09836. Eq. numbers are the paper's.

TD3+BC with the distance to the recorded action penalized twice, in the actor and in the critic's target,
with weights of their own, and layer norm in the critics.

Follows the authors' code (DT6A/ReBRAC): both critics' minimum guides the actor, Q is divided by its mean
size, actor and targets move in every second update, targets only then (towards the new parameters; there,
the actor's target follows the parameters from before its step). The paper tunes the two weights
for every data set; the defaults here are in the middle of its grid.

Shapes: B transitions, D observation, A action, 2 critics.
"""

from dataclasses import dataclass

from bench.algorithm import Algorithm, BaseConfig, Every, Network, Noise
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
    lr: float = 3e-4  # Adam, all networks
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
            "critic": Network(critic, c.lr, target_rate=c.target_rate),
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
