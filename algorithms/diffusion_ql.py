"""Diffusion Q-learning (Diffusion-QL).

Wang, Hunt & Zhou, "Diffusion Policies as an Expressive Policy Class for Offline Reinforcement Learning",
ICLR 2023, https://arxiv.org/abs/2208.06193. Eq. numbers are the paper's.

The policy is a denoising diffusion model of few steps. It is trained to predict the noise in recorded
actions, which clones the behaviour with all its modes, and to maximize Q through the whole denoising chain.

Follows the authors' code (Zhendong-Wang/Diffusion-Policies-for-Offline-RL): variance-preserving schedule,
x_0 clipped in every step, targets from the averaged actor, Q of one critic divided by the mean size of
the other, and at test time a draw among 50 candidates with probabilities softmax(Q). Two departures: the
averaged actor follows after every update at rate 0.005, not from update 1,000 on and in every fifth; rates
fall to 0 over the run (as in CleanDiffuser), where the authors' schedule takes 40 of its 2,000 steps. The
best of 10 next actions, which they take on ant mazes, is not offered.

Family: diffusion.

Checked against: worked by hand.

Shapes: B transitions, D observation, A action, T denoising steps, N candidates, E environments.
"""

from dataclasses import dataclass

import numpy as np
import torch

from bench.algorithm import Algorithm, BaseConfig, Choice, Network, Noise, Scaling, Settings
from bench.generative import softmax_draw, vp_betas
from bench.networks import NoisePredictor, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    eta: float = 1.0  # weight of the normalized Q term; 0 is diffusion cloning
    denoise_timesteps: int = 5  # T
    target_rate: float = 0.005  # Polyak step of both targets, per update
    lr: float = 3e-4  # Adam, both networks
    clip_norm: float = 9.0  # of the gradient of each network; the authors use 1 to 15, per task
    hidden: tuple[int, ...] = (256, 256, 256)
    activation: str = "mish"  # relu, gelu or mish
    layer_norm: bool = False  # in the critics


@dataclass(frozen=True)
class Inference:
    candidates: int = 50  # drawn from, with probabilities softmax(Q)


class DiffusionQL(Algorithm):
    Config = Config
    Inference = Inference
    SCALING = Scaling(test={"candidates": (1, 2, 4, 8, 16, 32)})

    def check_inference(self, inference):
        if inference.candidates < 1:
            raise ValueError(f"candidates = {inference.candidates}; at least 1 is needed")

    def networks(self, obs_dim, action_dim):
        c = self.config
        actor = NoisePredictor(obs_dim, action_dim, c.hidden, c.activation)
        critic = ValueMLP(
            (obs_dim + action_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm, ensemble=2
        )
        return {
            "actor": Network(
                actor, c.lr, target_rate=c.target_rate, schedule="cosine", clip_norm=c.clip_norm
            ),
            "critic": Network(
                critic, c.lr, target_rate=c.target_rate, schedule="cosine", clip_norm=c.clip_norm
            ),
        }

    def noise(self, batch_size, action_dim):
        steps = self.config.denoise_timesteps
        return {
            "target": Noise.normal(steps, batch_size, action_dim),
            "cloning_step": Noise.integers(steps, batch_size),
            "cloning": Noise.normal(batch_size, action_dim),
            "q": Noise.normal(steps, batch_size, action_dim),
            "guide": Choice(0, 1),
        }

    def update(self, learner, batch, noise):
        """Critics, then the actor (which sees the new critics), then both targets."""
        metrics = learner.minimize("critic", self.critic_loss, batch, noise)
        metrics |= learner.minimize("actor", self.actor_loss, batch, noise)
        learner.update_target("actor")
        learner.update_target("critic")
        return metrics

    def critic_loss(self, nets, batch, noise):
        """Double Q-learning with actions of the averaged policy, eq. (4)."""
        next_action = self.denoise(nets.target_actor, batch.next_obs, noise.target)
        next_q = nets.target_critic(batch.next_obs, next_action).amin(0)  # (B,)
        target = batch.reward + self.config.discount * (1 - batch.terminal) * next_q
        q = nets.critic(batch.obs, batch.action)  # (2, B)
        return (q - target).square().sum(0).mean(), {"q": q.mean()}

    def actor_loss(self, nets, batch, noise):
        """L_d - eta Q / mean |Q|, eq. (3)."""
        cloning = self.cloning(nets, batch, noise)
        q_term = self.q_term(nets, batch, noise)
        return cloning + self.config.eta * q_term, {"cloning": cloning, "q_term": q_term}

    def cloning(self, nets, batch, noise):
        """Mean squared error of the predicted noise, eq. (2)."""
        step = noise.cloning_step  # (B,)
        kept = torch.as_tensor(schedule(self.config.denoise_timesteps)["kept"]).to(batch.action)[step][
            :, None
        ]
        noisy = kept.sqrt() * batch.action + (1 - kept).sqrt() * noise.cloning
        predicted = nets.actor(batch.obs, noisy, step.to(noisy.dtype))
        return (predicted - noise.cloning).square().mean()

    def q_term(self, nets, batch, noise):
        """-mean Q of one critic, drawn anew in every update, over the mean size of the other."""
        action = self.denoise(nets.actor, batch.obs, noise.q)
        q = nets.critic(batch.obs, action)  # (2, B)
        return -q[noise.guide].mean() / q[1 - noise.guide].abs().mean().detach()

    def denoise(self, actor, obs, noise):
        """The reverse chain, eq. (1): noise (T, ..., A), from whose first it starts -> action (..., A)."""
        count = self.config.denoise_timesteps
        columns = {name: column.tolist() for name, column in schedule(count).items()}
        action = noise[0]
        for step in reversed(range(count)):
            kept = columns["kept"][step]
            predicted = actor(obs, action, action.new_full((), step))
            clean = (action - (1 - kept) ** 0.5 * predicted) / kept**0.5
            action = columns["to_clean"][step] * clean.clamp(-1, 1) + columns["to_noisy"][step] * action
            if step > 0:
                action = action + columns["std"][step] * noise[count - step]
        return action.clamp(-1, 1)

    def act_noise(self, action_dim, inference):
        return {
            "chain": Noise.normal(self.config.denoise_timesteps, inference.candidates, action_dim),
            "draw": Noise.uniform(inference.candidates),
        }

    def act(self, nets, obs, noise, inference):
        obs = obs[:, None].expand(-1, inference.candidates, -1)  # (E, N, D)
        action = self.denoise(nets.actor, obs, noise.chain.movedim(1, 0))  # (E, N, A)
        return softmax_draw(action, nets.target_critic(obs, action).amin(0), noise.draw)


def schedule(count):
    """Variance-preserving schedule of T = count steps and its posterior, (T,) each."""
    beta = vp_betas(count)
    kept = np.cumprod(1 - beta)  # alpha bar
    before = np.append(1.0, kept[:-1])
    return {
        "kept": kept,
        "to_clean": beta * np.sqrt(before) / (1 - kept),
        "to_noisy": (1 - before) * np.sqrt(1 - beta) / (1 - kept),
        "std": np.sqrt(beta * (1 - before) / (1 - kept)),
    }


SETTINGS = [
    Settings(
        "Zhendong-Wang/Diffusion-Policies-for-Offline-RL, main.py",
        {
            "d4rl-v2/halfcheetah-medium-v2": {"clip_norm": 9.0},
            "d4rl-v2/halfcheetah-medium-replay-v2": {"clip_norm": 2.0},
            "d4rl-v2/halfcheetah-medium-expert-v2": {"clip_norm": 7.0},
            "d4rl-v2/hopper-medium-v2": {"clip_norm": 9.0},
            "d4rl-v2/hopper-medium-replay-v2": {"clip_norm": 4.0},
            "d4rl-v2/hopper-medium-expert-v2": {"clip_norm": 5.0},
            "d4rl-v2/walker2d-medium-v2": {"clip_norm": 1.0},
            "d4rl-v2/walker2d-medium-replay-v2": {"clip_norm": 4.0},
            "d4rl-v2/walker2d-medium-expert-v2": {"clip_norm": 5.0},
        },
    ),
]
