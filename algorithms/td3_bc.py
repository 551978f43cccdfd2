"""TD3 with behaviour cloning (TD3+BC).

Fujimoto & Gu, "A Minimalist Approach to Offline Reinforcement Learning", NeurIPS 2021,
https://arxiv.org/abs/2106.06860. Eq. numbers are the paper's.

TD3, whose actor also regresses onto the recorded action; dividing Q by its mean size makes one weight
between the two terms fit all tasks.

Follows the authors' code (sfujimoto/TD3_BC): the first critic alone guides the actor, observations are
normalized, actor and targets move in every second update.

Family: behaviour regularization.

Checked against: worked by hand; d3rlpy on classic and diagnostic.

Shapes: B transitions, D observation, A action, 2 critics.
"""

from dataclasses import dataclass

from bench.algorithm import Algorithm, BaseConfig, Every, Network, Noise, Settings
from bench.networks import TanhPolicy, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    normalize_obs: bool = True  # section 5 of the paper
    discount: float = 0.99  # gamma
    alpha: float = 2.5  # weight of Q against cloning
    target_rate: float = 0.005  # Polyak step of both targets, per actor update (tau)
    target_noise: float = 0.2  # deviation of the noise on the target's action
    target_noise_clip: float = 0.5
    actor_delay: int = 2  # critic updates per actor update
    lr: float = 3e-4  # Adam, all networks
    hidden: tuple[int, ...] = (256, 256)
    activation: str = "relu"  # relu, gelu or mish
    layer_norm: bool = False  # in the critics


class TD3BC(Algorithm):
    Config = Config

    def networks(self, obs_dim, action_dim):
        c = self.config
        actor = TanhPolicy((obs_dim, *c.hidden, action_dim), c.activation)
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
        """Clipped double Q-learning with target smoothing (TD3; Fujimoto et al. 2018, algorithm 1)."""
        c = self.config
        smoothing = (c.target_noise * noise.target).clamp(-c.target_noise_clip, c.target_noise_clip)
        next_action = (nets.target_actor(batch.next_obs) + smoothing).clamp(-1, 1)
        next_q = nets.target_critic(batch.next_obs, next_action).amin(0)  # (B,)
        target = batch.reward + c.discount * (1 - batch.terminal) * next_q
        q = nets.critic(batch.obs, batch.action)  # (2, B)
        return (q - target).square().sum(0).mean(), {"q": q.mean()}

    def actor_loss(self, nets, batch, noise):
        """-lambda Q(s, pi(s)) + (pi(s) - a)^2 with lambda = alpha / mean |Q|, eqs. (3) and (5)."""
        action = nets.actor(batch.obs)
        q = nets.critic(batch.obs, action)[0]  # (B,)
        weight = self.config.alpha / q.abs().mean().detach()
        cloning = (action - batch.action).square().mean()
        return cloning - weight * q.mean(), {"cloning": cloning}

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs)


SETTINGS = [Settings("CORL, configs/offline/td3_bc", {"d4rl-v2/antmaze-*": {"reward_shift": -1.0}})]
