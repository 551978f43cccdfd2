"""Consistency actor-critic (CAC).

Ding & Jin, "Consistency Models as a Rich and Efficient Policy Class for Reinforcement Learning", ICLR 2024,
https://arxiv.org/abs/2309.16984.

The policy is a consistency model: one network maps an action with any amount of noise to the clean action,
so that one or two steps are enough. It clones the behaviour by agreeing with its average at neighbouring
noise levels, and maximizes Q through its few steps.

Follows the authors' code (quantumiracle/Consistency_Model_For_Reinforcement_Learning): inputs are not
scaled, consistency is scaled by the distance of the levels, Q of one critic divided by the mean size of the
other, and at test time a draw among 50 candidates with probabilities softmax(Q). There the number of noise
levels climbs from 2 to 150 between two evaluations (50,000 updates), again and again; here it is drawn for
each update from the distribution that this gives. As in our Diffusion-QL, the averages follow after every
update, not from update 1,000 on and in every fifth. Its decay of the rates takes 40 of 2,000 steps, which
lowers them by a thousandth, and is left out.

Family: consistency.

Checked against: worked by hand.

Shapes: B transitions, D observation, A action, T steps of the policy, M next actions, N candidates, E
environments.
"""

from dataclasses import dataclass

import torch

from bench.algorithm import Algorithm, BaseConfig, Choice, Network, Noise, Settings
from bench.generative import softmax_draw
from bench.networks import NoisePredictor, ValueMLP

SMALLEST, LARGEST = 0.002, 80.0  # deviations of the noise
LEVELS = (2, 150)  # fewest and most noise levels in a loss


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    eta: float = 1.0  # weight of the normalized Q term; 0 is consistency cloning
    steps: int = 2  # T: of the policy, in training and acting
    max_target: bool = False  # TD target from the best of 10 next actions instead of one
    normalize_target: bool = False  # divide TD targets by their deviation in the batch
    target_rate: float = 0.005  # Polyak step of both targets, per update
    lr: float = 3e-4  # Adam, both networks
    clip_norm: float = 1.0  # of the gradient of each network
    hidden: tuple[int, ...] = (256, 256, 256)
    activation: str = "mish"  # relu, gelu or mish
    layer_norm: bool = False  # in the critics

    def __post_init__(self):
        if self.steps < 1:
            raise ValueError(f"steps = {self.steps}; at least 1 is needed")


@dataclass(frozen=True)
class Inference:
    candidates: int = 50  # drawn from, with probabilities softmax(Q)


class CAC(Algorithm):
    Config = Config
    Inference = Inference

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
            "actor": Network(actor, c.lr, target_rate=c.target_rate, clip_norm=c.clip_norm),
            "critic": Network(critic, c.lr, target_rate=c.target_rate, clip_norm=c.clip_norm),
        }

    def noise(self, batch_size, action_dim):
        steps, many = self.config.steps, 10 if self.config.max_target else 1
        return {
            "target": Noise.normal(steps, many, batch_size, action_dim),
            "levels": Noise.uniform(),
            "level": Noise.uniform(batch_size),
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
        """Double Q-learning with actions of the averaged policy, the best of M for each critic if wanted."""
        next_obs = batch.next_obs.expand(*noise.target.shape[1:-1], -1)  # (M, B, D)
        next_action = self.sample(nets.target_actor, next_obs, noise.target)
        next_q = nets.target_critic(next_obs, next_action).amax(1).amin(0)  # (2, M, B) -> (B,)
        target = batch.reward + self.config.discount * (1 - batch.terminal) * next_q
        if self.config.normalize_target:
            target = target / (target.std() + 1e-6)
        q = nets.critic(batch.obs, batch.action)  # (2, B)
        return (q - target).square().sum(0).mean(), {"q": q.mean()}

    def actor_loss(self, nets, batch, noise):
        """Consistency and Q, weighted (algorithm 1)."""
        cloning = self.consistency(nets, batch, noise)
        q_term = self.q_term(nets, batch, noise)
        return cloning + self.config.eta * q_term, {"cloning": cloning, "q_term": q_term}

    def consistency(self, nets, batch, noise):
        """The action at one noise level is that of the averaged policy at the level below."""
        few, many = LEVELS
        count = (noise.levels * (many**2 - few**2) + few**2).sqrt().sub(1).ceil() + 1
        level = (noise.level * (count - 1)).floor()  # (B,) of 0, ..., count - 2
        below, above = boundary(level, count), boundary(level + 1, count)
        goal = clean(nets.target_actor, batch.obs, batch.action + below[:, None] * noise.cloning, below)
        action = clean(nets.actor, batch.obs, batch.action + above[:, None] * noise.cloning, above)
        error = (action - goal).square().mean(-1)  # (B,)
        return (100 / (above - below) * error).mean()

    def q_term(self, nets, batch, noise):
        """-mean Q of one critic, drawn anew in every update, over the mean size of the other."""
        action = self.sample(nets.actor, batch.obs, noise.q)
        q = nets.critic(batch.obs, action)  # (2, B)
        return -q[noise.guide].mean() / q[1 - noise.guide].abs().mean().detach()

    def sample(self, actor, obs, noise):
        """Clean noise, add less of it, clean again: (T, ..., A) -> (..., A)."""
        times = torch.linspace(LARGEST, 2.0, self.config.steps).tolist()
        action = clean(actor, obs, LARGEST * noise[0], noise.new_full((), LARGEST))
        for time, fresh in zip(times[1:], noise[1:], strict=True):
            noisy = action + (time**2 - SMALLEST**2) ** 0.5 * fresh
            action = clean(actor, obs, noisy, noise.new_full((), time))
        return action.clamp(-1, 1)

    def act_noise(self, action_dim, inference):
        return {
            "chain": Noise.normal(self.config.steps, inference.candidates, action_dim),
            "draw": Noise.uniform(inference.candidates),
        }

    def act(self, nets, obs, noise, inference):
        obs = obs[:, None].expand(-1, inference.candidates, -1)  # (E, N, D)
        action = self.sample(nets.actor, obs, noise.chain.movedim(1, 0))  # (E, N, A)
        return softmax_draw(action, nets.target_critic(obs, action).amin(0), noise.draw)


def clean(actor, obs, action, time):
    """The consistency function f(a_t, t): the identity at the smallest noise; time (B,) or ()."""
    predicted = actor(obs, action, time)
    time = time[..., None]
    keep = 0.25 / ((time - SMALLEST).square() + 0.25)
    change = 0.5 * (time - SMALLEST) / (time.square() + 0.25).sqrt()
    return keep * action + change * predicted


def boundary(level, count):
    """Deviation of the noise at a level 0, ..., count - 1 (Karras et al. 2022, eq. 5, rho = 7)."""
    low, high = SMALLEST ** (1 / 7), LARGEST ** (1 / 7)
    return (low + level / (count - 1) * (high - low)) ** 7


SETTINGS = [
    Settings(
        "Park et al. 2025 (FQL), appendix E.2",
        {
            "ogbench/*": {"max_target": True, "clip_norm": 5.0},
            "ogbench/antmaze-giant-*": {"discount": 0.995},
            "ogbench/humanoidmaze-*": {"discount": 0.995},
            "ogbench/antsoccer-*": {"discount": 0.995},
        },
    ),
    Settings(
        "Park et al. 2025 (FQL), table 6",
        {
            "ogbench/antmaze-large-navigate-*": {"eta": 1.0},
            "ogbench/antmaze-giant-navigate-*": {"eta": 1.0},
            "ogbench/humanoidmaze-medium-navigate-*": {"eta": 0.03},
            "ogbench/humanoidmaze-large-navigate-*": {"eta": 1.0},
            "ogbench/cube-single-play-*": {"eta": 0.003},
            "ogbench/cube-double-play-*": {"eta": 0.3},
            "ogbench/scene-play-*": {"eta": 0.3},
            "ogbench/puzzle-3x3-play-*": {"eta": 0.01},
            "ogbench/puzzle-4x4-play-*": {"eta": 0.01},
        },
    ),
    Settings(
        "quantumiracle/Consistency_Model_For_Reinforcement_Learning, offline.py",
        {
            "d4rl-v2/halfcheetah-medium-v2": {"clip_norm": 9.0},
            "d4rl-v2/halfcheetah-medium-replay-v2": {"clip_norm": 2.0},
            "d4rl-v2/halfcheetah-medium-expert-v2": {"clip_norm": 7.0},
            "d4rl-v2/hopper-medium-v2": {"eta": 0.1, "clip_norm": 9.0},
            "d4rl-v2/hopper-medium-replay-v2": {"eta": 0.1, "clip_norm": 4.0},
            "d4rl-v2/hopper-medium-expert-v2": {"clip_norm": 5.0},
            "d4rl-v2/walker2d-medium-v2": {"clip_norm": 1.0, "steps": 5, "normalize_target": True},
            "d4rl-v2/walker2d-medium-replay-v2": {"eta": 0.1, "clip_norm": 4.0, "steps": 5},
            "d4rl-v2/walker2d-medium-expert-v2": {"clip_norm": 5.0, "normalize_target": True},
        },
    ),
]
