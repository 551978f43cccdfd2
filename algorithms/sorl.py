"""Scalable Offline RL with shortcut models (SORL).

Espinosa-Dice, Zhang, Chen, Guo, Oertell, Swamy, Brantley & Sun, "Scaling Offline RL via Efficient and
Expressive Shortcut Models", 2025, https://arxiv.org/abs/2505.22866.

The policy is a flow that knows its step size: one network can walk from noise to an action in 1, 2, 4
or 8 Euler steps. It is trained to match the flow of the data, to agree with itself across step sizes,
and to maximize Q through a few steps; more steps, or more candidates judged by the critic, can be
spent at test time.

Follows the authors' code (nico-espinosadice/SORL), which differs from the paper in detail: time lies on a
grid, block sizes of the step levels are fixed, targets of the consistency loss come from the averaged
actor, the three terms are weighted, and the critic knows the number of steps. Two departures: the
TD target is a constant (there, its gradient reaches the actor, which the paper's Bellman error does not
have), and best-of-N pairs candidates with their own observation for any number of observations. Actor and
critic have an Adam each, where the code steps one shared Adam twice.

Family: flow.

Checked against: numbers of the authors' code.

Shapes: B transitions, D observation, A action, N candidates, 2 critics.
"""

from dataclasses import dataclass
from typing import Literal

import torch

from bench.algorithm import Algorithm, BaseConfig, Choice, Network, Noise, Scaling, Settings
from bench.generative import best_of
from bench.networks import MLP, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    denoise_timesteps: int = 8  # finest grid: most Euler steps that the policy can take; a power of two
    max_k_backprop: int = 8  # most steps that the Q term is propagated through while training
    flow_coef: float = 10.0  # weight of flow matching
    consistency_coef: float = 10.0  # weight of self-consistency (alpha in the code)
    q_coef: float = 100.0  # weight of the normalized Q term; tuned per environment, see SETTINGS
    q_agg: Literal["mean", "min"] = "mean"  # of the critics, in TD targets and best-of-N
    target_rate: float = 0.005  # Polyak step of both targets, per update
    lr: float = 1e-4  # Adam, both networks
    clip_norm: float = 1.0  # of the gradient of each network
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    activation: str = "gelu"  # relu, gelu or mish
    layer_norm: bool = True  # in the critics

    def __post_init__(self):
        for name in ("denoise_timesteps", "max_k_backprop"):
            if not is_power_of_two(getattr(self, name)):
                raise ValueError(f"{name} = {getattr(self, name)}; it must be a power of two")
        if self.denoise_timesteps < 2:
            raise ValueError("denoise_timesteps = 1; self-consistency needs at least 2")
        if self.max_k_backprop > self.denoise_timesteps:
            raise ValueError(
                f"max_k_backprop = {self.max_k_backprop} exceeds denoise_timesteps = {self.denoise_timesteps}"
            )


@dataclass(frozen=True)
class Inference:
    steps: int = 8  # Euler steps: sequential scaling
    candidates: int = 1  # best of N by the critic: parallel scaling


class SORL(Algorithm):
    Config = Config
    Inference = Inference
    SCALING = Scaling(  # sequential (steps) and parallel (candidates) scaling
        train={"max_k_backprop": (1, 2, 4, 8)},
        test={"steps": (1, 2, 4, 8), "candidates": (1, 2, 4, 8, 16, 32)},
    )

    def check_inference(self, inference):
        limit = self.config.denoise_timesteps
        if not is_power_of_two(inference.steps) or inference.steps > limit:
            raise ValueError(f"steps = {inference.steps}; it must be a power of two up to {limit}")
        if inference.candidates < 1:
            raise ValueError(f"candidates = {inference.candidates}; at least 1 is needed")

    def networks(self, obs_dim, action_dim):
        c = self.config
        actor = MLP((obs_dim + action_dim + 2, *c.hidden, action_dim), c.activation)  # obs, a_t, t, level
        critic = ValueMLP(  # obs, action, number of steps
            (obs_dim + action_dim + 1, *c.hidden),
            activation=c.activation,
            layer_norm=c.layer_norm,
            ensemble=2,
        )
        return {
            "actor": Network(actor, c.lr, target_rate=c.target_rate, clip_norm=c.clip_norm),
            "critic": Network(critic, c.lr, target_rate=c.target_rate, clip_norm=c.clip_norm),
        }

    def noise(self, batch_size, action_dim):
        backprop_steps = powers_of_two(self.config.max_k_backprop)
        return {
            "critic_steps": Choice(*backprop_steps),
            "actor_steps": Choice(*backprop_steps),
            "critic": Noise.normal(batch_size, action_dim),
            "flow": Noise.normal(batch_size, action_dim),
            "flow_time": Noise.uniform(batch_size),
            "consistency": Noise.normal(batch_size, action_dim),
            "consistency_time": Noise.uniform(batch_size),
            "q": Noise.normal(batch_size, action_dim),
        }

    def update(self, learner, batch, noise):
        """Both networks and both targets, all from the parameters at the start of the update."""
        with learner.simultaneously():
            metrics = learner.minimize("critic", self.critic_loss, batch, noise)
            metrics |= learner.minimize("actor", self.actor_loss, batch, noise)
            learner.update_target("critic")
            learner.update_target("actor")
        return metrics

    def critic_loss(self, nets, batch, noise):
        """TD regression of Q(s, a, k) onto r + gamma Q(s', a', k), with a' walked in k steps."""
        k = noise.critic_steps
        next_action = self.walk(nets.actor, batch.next_obs, noise.critic, k)
        next_q = self.aggregate(self.q(nets.target_critic, batch.next_obs, next_action, k))  # (B,)
        target = batch.reward + self.config.discount * (1 - batch.terminal) * next_q
        q = self.q(nets.critic, batch.obs, batch.action, k)  # (2, B)
        return (q - target).square().mean(), {"q": q.mean()}

    def actor_loss(self, nets, batch, noise):
        """Flow matching, self-consistency and Q, weighted."""
        c = self.config
        flow, consistency, q = (
            term(nets, batch, noise) for term in (self.flow, self.consistency, self.q_term)
        )
        total = c.flow_coef * flow + c.consistency_coef * consistency + c.q_coef * q
        return total, {"flow": flow, "consistency": consistency, "q_term": q}

    def flow(self, nets, batch, noise):
        """L_FM: at the finest level, the velocity from noise to the recorded action; t on the grid."""
        finest = self.config.denoise_timesteps
        t = torch.floor(noise.flow_time * finest) / finest  # (B,)
        shrink = 1 - 1e-5  # the code's t_epsilon
        a_t = (1 - shrink * t[:, None]) * noise.flow + t[:, None] * batch.action
        velocity = batch.action - shrink * noise.flow
        level = torch.full_like(t, finest.bit_length() - 1)
        return (nets.actor(batch.obs, a_t, *columns(t, level)) - velocity).square().mean()

    def consistency(self, nets, batch, noise):
        """L_SC: one big step equals two half steps of the averaged actor. Level j means 2^j steps in all."""
        level = self.step_levels(batch.reward)  # (B,)
        count = 2**level
        t = torch.floor(noise.consistency_time * count) / count
        half = (0.5 / count)[:, None]
        a_t = (1 - (1 - 1e-5) * t[:, None]) * noise.consistency + t[:, None] * batch.action
        first = nets.target_actor(batch.obs, a_t, *columns(t, level + 1))
        second = nets.target_actor(batch.obs, a_t + half * first, *columns(t + half[:, 0], level + 1))
        return (nets.actor(batch.obs, a_t, *columns(t, level)) - (first + second) / 2).square().mean()

    def q_term(self, nets, batch, noise):
        """L_Q: -mean Q of a k-step action, divided by the mean size of Q; the gradient passes all k steps."""
        k = noise.actor_steps
        action = self.walk(nets.actor, batch.obs, noise.q, k)
        q = self.q(nets.critic, batch.obs, action, k).mean(0)  # (B,)
        return -q.mean() / q.abs().mean().detach()

    def walk(self, actor, obs, action, steps):
        """From noise to an action in equal Euler steps: (..., A) -> (..., A) in [-1, 1]."""
        level = torch.full_like(action[..., 0], steps.bit_length() - 1)
        for i in range(steps):
            t = torch.full_like(level, i / steps)
            action = action + actor(obs, action, *columns(t, level)) / steps
        return action.clamp(-1, 1)

    def q(self, critic, obs, action, steps):
        return critic(obs, action, torch.full_like(action[..., :1], steps))

    def aggregate(self, q):
        return q.mean(0) if self.config.q_agg == "mean" else q.amin(0)

    def step_levels(self, like):
        """The level of each row: equal blocks from the second finest down to 0, which gets the rest."""
        finest = self.config.denoise_timesteps.bit_length() - 1
        block = max(1, len(like) // finest)
        row = torch.arange(len(like), device=like.device)
        return (finest - 1 - row // block).clamp(min=0).to(like.dtype)

    def act_noise(self, action_dim, inference):
        return {"start": Noise.normal(inference.candidates, action_dim)}

    def act(self, nets, obs, noise, inference):
        obs = obs[:, None].expand(-1, inference.candidates, -1)  # (E, N, D)
        action = self.walk(nets.actor, obs, noise.start, inference.steps)  # (E, N, A)
        if inference.candidates == 1:
            return action[:, 0]
        q = self.q(nets.critic, obs, action, inference.steps)  # (2, E, N)
        return best_of(action, self.aggregate(q))


def columns(*scalars):
    """Scalars per row as inputs of a network: (...,) each -> (..., 1) each."""
    return (scalar[..., None] for scalar in scalars)


def is_power_of_two(number):
    return number >= 1 and number & (number - 1) == 0


def powers_of_two(limit):
    return [2**i for i in range(limit.bit_length())]


SETTINGS = [
    Settings(
        "SORL README (cc060ac): all five tasks of an environment share the values",
        {
            "ogbench/antmaze-large-navigate-*": {"q_coef": 500.0, "discount": 0.99, "q_agg": "min"},
            "ogbench/antmaze-giant-navigate-*": {"q_coef": 500.0, "discount": 0.995, "q_agg": "min"},
            "ogbench/humanoidmaze-medium-navigate-*": {"q_coef": 100.0, "discount": 0.995, "q_agg": "mean"},
            "ogbench/humanoidmaze-large-navigate-*": {"q_coef": 500.0, "discount": 0.995, "q_agg": "mean"},
            "ogbench/antsoccer-arena-navigate-*": {"q_coef": 500.0, "discount": 0.995, "q_agg": "mean"},
            "ogbench/cube-single-play-*": {"q_coef": 10.0, "discount": 0.99, "q_agg": "mean"},
            "ogbench/cube-double-play-*": {"q_coef": 50.0, "discount": 0.99, "q_agg": "mean"},
            "ogbench/scene-play-*": {"q_coef": 100.0, "discount": 0.99, "q_agg": "mean"},
        },
    ),
    Settings("SORL, env_utils.py (cc060ac)", {"d4rl-v2/antmaze-*": {"reward_shift": -1.0}}),
]
