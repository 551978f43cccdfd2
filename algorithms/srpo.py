"""Score-regularized policy optimization (SRPO).

Chen, Lu, Wang, Su & Zhu, "Score Regularized Policy Optimization through Diffusion Behavior", ICLR 2024,
https://arxiv.org/abs/2310.07297.

A diffusion model clones the behaviour, Q and V are IQL's. The policy that acts is deterministic and needs one
step: it climbs Q and the log density of the behaviour, whose gradient, the score, is what the diffusion
model has learned; nothing is ever sampled from the diffusion.

Follows the authors' code (thu-ml/SRPO): the weight of a diffusion time is its variance, the noise is
subtracted as a baseline (an option there, which changes no expectation), both target critics guide, Q's
coefficient is beta. One departure: there the three parts are trained one after the other, here side by side,
so the critics see the new V. The frequencies of the time's features are trained. Not offered: its dropout and
weight decay of the behaviour; on D4RL's ant mazes, dividing dQ/da by its size (so its beta there is not ours)
and two more layers of the policy.

Family: diffusion.

Checked against: worked by hand.

Shapes: B transitions, D observation, A action, 2 critics.
"""

from dataclasses import dataclass

from algorithms.iql import IQL
from bench.algorithm import BaseConfig, Network, Noise, Settings
from bench.networks import ResidualNoisePredictor, TanhPolicy, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    expectile: float = 0.7  # 0.5 regresses to the mean, 1 to the maximum
    beta: float = 0.1  # weight of Q against the score; tuned per task by the authors and by FQL's
    target_rate: float = 0.005  # Polyak step of the target critic, per update
    lr: float = 3e-4  # Adam, all networks; cosine decay of the policy's
    hidden: tuple[int, ...] = (256, 256)  # of policy, critics and V
    blocks: int = 3  # residual blocks of the behaviour
    width: int | None = None  # of these blocks; none: the first of `hidden`
    activation: str = "relu"  # of policy, critics and V: relu, gelu or mish
    layer_norm: bool = False  # in the critics and V

    def __post_init__(self):
        if not self.hidden and self.width is None:
            raise ValueError("hidden is empty, so the width of the residual blocks is open; set width too")


class SRPO(IQL):
    Config = Config

    def networks(self, obs_dim, action_dim):
        c = self.config
        behavior = ResidualNoisePredictor(
            obs_dim, action_dim, c.width or c.hidden[0], c.blocks, time_scale=30.0
        )
        actor = TanhPolicy((obs_dim, *c.hidden, action_dim), c.activation)
        value = ValueMLP((obs_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm)
        critic = ValueMLP(
            (obs_dim + action_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm, ensemble=2
        )
        return {
            "behavior": Network(behavior, c.lr),
            "value": Network(value, c.lr),
            "critic": Network(critic, c.lr, target_rate=c.target_rate),
            "actor": Network(actor, c.lr, schedule="cosine"),
        }

    def noise(self, batch_size, action_dim):
        return {
            "cloning_time": Noise.uniform(batch_size),
            "cloning": Noise.normal(batch_size, action_dim),
            "score_time": Noise.uniform(batch_size),
            "score": Noise.normal(batch_size, action_dim),
        }

    def update(self, learner, batch, noise):
        """Behaviour, V, critics and their target; then the policy, which sees all that is new."""
        metrics = learner.minimize("behavior", self.behavior_loss, batch, noise)
        metrics |= learner.minimize("value", self.value_loss, batch, noise)
        metrics |= learner.minimize("critic", self.critic_loss, batch, noise)
        learner.update_target("critic")
        metrics |= learner.minimize("actor", self.actor_loss, batch, noise)
        return metrics

    def behavior_loss(self, nets, batch, noise):
        """Squared error of the predicted noise at times from 0.001 to 1, summed over the dimensions."""
        time = 0.001 + 0.999 * noise.cloning_time  # (B,)
        kept, std = marginal(time)
        predicted = nets.behavior(batch.obs, kept * batch.action + std * noise.cloning, time)
        return (predicted - noise.cloning).square().sum(-1).mean(), {}

    def actor_loss(self, nets, batch, noise):
        """Its gradient is that of the paper's surrogate: sigma_t^2 (predicted - drawn noise) - beta dQ/da.

        The predicted noise is minus the score, times sigma_t; it counts as a constant.
        """
        action = nets.actor(batch.obs)
        time = 0.02 + 0.96 * noise.score_time  # (B,)
        kept, std = marginal(time)
        predicted = nets.behavior(batch.obs, (kept * action + std * noise.score).detach(), time).detach()
        score_term = (std.square() * (predicted - noise.score) * action).sum(-1).mean()
        q = nets.target_critic(batch.obs, action).mean(0).mean()
        return score_term - self.config.beta * q, {"score_term": score_term, "q": q}

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs)


def marginal(time):
    """A variance-preserving diffusion of rates 0.1 to 20 at a time (B,): kept share, deviation; (B, 1)."""
    log_kept = (-0.25 * time.square() * (20 - 0.1) - 0.5 * time * 0.1)[:, None]
    return log_kept.exp(), (1 - (2 * log_kept).exp()).sqrt()


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
        "Park et al. 2025 (FQL), table 6",
        {
            "ogbench/antmaze-large-navigate-*": {"beta": 0.3},
            "ogbench/antmaze-giant-navigate-*": {"beta": 0.3},
            "ogbench/humanoidmaze-medium-navigate-*": {"beta": 0.3},
            "ogbench/humanoidmaze-large-navigate-*": {"beta": 0.3},
            "ogbench/cube-single-play-*": {"beta": 0.03},
            "ogbench/cube-double-play-*": {"beta": 0.1},
            "ogbench/scene-play-*": {"beta": 0.1},
            "ogbench/puzzle-3x3-play-*": {"beta": 0.1},
            "ogbench/puzzle-4x4-play-*": {"beta": 0.1},
        },
    ),
    Settings(
        "thu-ml/SRPO, SRPO.py, dataset.py and utils.py",
        {
            "d4rl-v2/antmaze-*": {"expectile": 0.9, "reward_shift": -1.0},
            "d4rl-v2/halfcheetah-*": {"normalize_returns": True, "beta": 0.2},
            "d4rl-v2/halfcheetah-medium-expert-v2": {"beta": 0.01},
            "d4rl-v2/hopper-*": {"normalize_returns": True, "beta": 0.05},
            "d4rl-v2/hopper-medium-replay-v2": {"beta": 0.2},
            "d4rl-v2/hopper-medium-expert-v2": {"beta": 0.01},
            "d4rl-v2/walker2d-*": {"normalize_returns": True, "beta": 0.05},
            "d4rl-v2/walker2d-medium-replay-v2": {"beta": 0.5},
            "d4rl-v2/walker2d-medium-expert-v2": {"beta": 0.1},
        },
    ),
]
