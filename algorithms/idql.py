"""Implicit diffusion Q-learning (IDQL).

Hansen-Estruch, Kostrikov, Janner, Kuba & Levine, "IDQL: Implicit Q-Learning as an Actor-Critic Method with
Diffusion Policies", 2023, https://arxiv.org/abs/2304.10573.

A diffusion policy clones the behaviour and never sees rewards. Q and V are IQL's. The policy that acts is
implicit: of N actions of the diffusion, the one with the largest Q.

Follows the authors' code (philippe-eecs/IDQL): a residual network, few denoising steps, actions clipped after
each of them, sampling from the averaged policy, the smaller of the target critics judges. Its dropout in the
policy (0.1 on locomotion) is not offered. Its launcher lets the policy take two steps, on larger batches, for
each step of the critics; here all take one, on the same batch.

Family: diffusion.

Checked against: worked by hand.

Shapes: B transitions, D observation, A action, T denoising steps, N candidates, E environments, 2 critics.
"""

from dataclasses import dataclass

import numpy as np
import torch

from algorithms.iql import IQL
from bench.algorithm import BaseConfig, Network, Noise, Scaling, Settings
from bench.generative import best_of, vp_betas
from bench.networks import ResidualNoisePredictor, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    expectile: float = 0.7  # 0.5 regresses to the mean, 1 to the maximum
    denoise_timesteps: int = 5  # T
    target_rate: float = 0.005  # Polyak step of the target critic, per update
    actor_target_rate: float = 0.001  # Polyak step of the averaged policy, per update
    lr: float = 3e-4  # Adam, all networks; cosine decay of the policy's
    hidden: tuple[int, ...] = (256, 256)  # of critics and V
    blocks: int = 3  # residual blocks of the policy
    width: int | None = None  # of these blocks; none: the first of `hidden`
    activation: str = "relu"  # of critics and V: relu, gelu or mish
    layer_norm: bool = False  # in the critics and V

    def __post_init__(self):
        if not self.hidden and self.width is None:
            raise ValueError("hidden is empty, so the width of the residual blocks is open; set width too")


@dataclass(frozen=True)
class Inference:
    candidates: int = 32  # best of N by the critics


class IDQL(IQL):
    Config = Config
    Inference = Inference
    SCALING = Scaling(test={"candidates": (1, 2, 4, 8, 16, 32)})

    def check_inference(self, inference):
        if inference.candidates < 1:
            raise ValueError(f"candidates = {inference.candidates}; at least 1 is needed")

    def networks(self, obs_dim, action_dim):
        c = self.config
        actor = ResidualNoisePredictor(obs_dim, action_dim, c.width or c.hidden[0], c.blocks)
        value = ValueMLP((obs_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm)
        critic = ValueMLP(
            (obs_dim + action_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm, ensemble=2
        )
        return {
            "value": Network(value, c.lr),
            "actor": Network(actor, c.lr, target_rate=c.actor_target_rate, schedule="cosine"),
            "critic": Network(critic, c.lr, target_rate=c.target_rate),
        }

    def noise(self, batch_size, action_dim):
        return {
            "step": Noise.integers(self.config.denoise_timesteps, batch_size),
            "cloning": Noise.normal(batch_size, action_dim),
        }

    def update(self, learner, batch, noise):
        """V, critics (which see the new V) and their target; the policy does not depend on them."""
        metrics = learner.minimize("value", self.value_loss, batch, noise)
        metrics |= learner.minimize("critic", self.critic_loss, batch, noise)
        learner.update_target("critic")
        metrics |= learner.minimize("actor", self.actor_loss, batch, noise)
        learner.update_target("actor")
        return metrics

    def actor_loss(self, nets, batch, noise):
        """Cloning: squared error of the predicted noise, summed over the dimensions (algorithm 1)."""
        kept = torch.as_tensor(np.cumprod(1 - vp_betas(self.config.denoise_timesteps)))
        kept = kept.to(batch.action)[noise.step][:, None]  # (B, 1)
        noisy = kept.sqrt() * batch.action + (1 - kept).sqrt() * noise.cloning
        predicted = nets.actor(batch.obs, noisy, noise.step.to(noisy.dtype))
        return (predicted - noise.cloning).square().sum(-1).mean(), {}

    def denoise(self, actor, obs, noise):
        """The reverse chain: noise (T, ..., A), from whose first it starts -> action (..., A) in [-1, 1]."""
        count = self.config.denoise_timesteps
        betas = vp_betas(count)
        kept = np.cumprod(1 - betas)
        action = noise[0]
        for step in reversed(range(count)):
            predicted = actor(obs, action, action.new_full((), step))
            beta = float(betas[step])
            action = (action - beta / float(1 - kept[step]) ** 0.5 * predicted) / (1 - beta) ** 0.5
            if step > 0:
                action = action + beta**0.5 * noise[count - step]
            action = action.clamp(-1, 1)
        return action

    def act_noise(self, action_dim, inference):
        return {"chain": Noise.normal(self.config.denoise_timesteps, inference.candidates, action_dim)}

    def act(self, nets, obs, noise, inference):
        obs = obs[:, None].expand(-1, inference.candidates, -1)  # (E, N, D)
        action = self.denoise(nets.target_actor, obs, noise.chain.movedim(1, 0))  # (E, N, A)
        if inference.candidates == 1:
            return action[:, 0]
        return best_of(action, nets.target_critic(obs, action).amin(0))


SETTINGS = [
    Settings(
        "Park et al. 2025 (FQL), appendix E.2: networks and expectile of IDQL on OGBench",
        {
            "ogbench/*": {"hidden": (512, 512), "width": 256, "expectile": 0.7},
            "ogbench/cube-*": {"hidden": (256, 256), "expectile": 0.9},
            "ogbench/scene-*": {"hidden": (256, 256), "expectile": 0.9},
            "ogbench/puzzle-*": {"hidden": (256, 256), "expectile": 0.9},
            "ogbench/antmaze-giant-*": {"discount": 0.995},
            "ogbench/humanoidmaze-*": {"discount": 0.995},
            "ogbench/antsoccer-*": {"discount": 0.995},
        },
    ),
    Settings(
        "philippe-eecs/IDQL, its launcher and its training script",
        {
            "d4rl-v2/halfcheetah-*": {"normalize_returns": True},
            "d4rl-v2/hopper-*": {"normalize_returns": True},
            "d4rl-v2/walker2d-*": {"normalize_returns": True},
            "d4rl-v2/antmaze-*": {"expectile": 0.9, "reward_shift": -1.0},
        },
    ),
]
