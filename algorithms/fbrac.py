"""Flow behaviour-regularized actor-critic (FBRAC).

Park, Li & Levine, "Flow Q-Learning", ICML 2025, https://arxiv.org/abs/2502.02538, appendix E.2: a baseline
there, the flow counterpart of Diffusion-QL.

One flow policy clones the behaviour and maximizes Q, which is propagated through all of its Euler steps. That
is what FQL avoids by distillation; its critic, networks and rates are FQL's, and so is everything that the
appendix does not say (the Q term is not normalized, the networks move at once). There is no public code.

Family: flow.

Checked against: worked by hand.

Shapes: B transitions, D observation, A action, 2 critics.
"""

from dataclasses import dataclass
from typing import Literal

from algorithms.fql import FQL
from bench.algorithm import BaseConfig, Network, Noise, Settings
from bench.generative import euler, flow_matching
from bench.networks import MLP, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    alpha: float = 30.0  # weight of cloning against Q; searched in 1, 3, 10, 30, 100, 300
    flow_steps: int = 10  # Euler steps of the policy
    q_agg: Literal["mean", "min"] = "mean"  # of the critics, in TD targets
    normalize_q: bool = False  # divide the Q term by its mean size
    target_rate: float = 0.005  # Polyak step of the target critic, per update
    lr: float = 3e-4  # Adam, both networks
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    activation: str = "gelu"  # relu, gelu or mish
    layer_norm: bool = True  # in the critics


class FBRAC(FQL):
    Config = Config

    def networks(self, obs_dim, action_dim):
        c = self.config
        critic = ValueMLP(
            (obs_dim + action_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm, ensemble=2
        )
        return {
            "flow": Network(MLP((obs_dim + action_dim + 1, *c.hidden, action_dim), c.activation), c.lr),
            "critic": Network(critic, c.lr, target_rate=c.target_rate),
        }

    def noise(self, batch_size, action_dim):
        return {
            "critic": Noise.normal(batch_size, action_dim),
            "flow": Noise.normal(batch_size, action_dim),
            "flow_time": Noise.uniform(batch_size),
            "q": Noise.normal(batch_size, action_dim),
        }

    def update(self, learner, batch, noise):
        """Both networks and the target, from the parameters at the start of the update."""
        with learner.simultaneously():
            metrics = learner.minimize("critic", self.critic_loss, batch, noise)
            metrics |= learner.minimize("flow", self.actor_loss, batch, noise)
            learner.update_target("critic")
        return metrics

    def policy(self, nets, obs, noise):
        return euler(nets.flow, obs, noise, self.config.flow_steps)

    def actor_loss(self, nets, batch, noise):
        """-Q(s, pi(s, z)) + alpha flow matching; the gradient passes all steps of the flow."""
        cloning = flow_matching(nets.flow, batch.obs, batch.action, noise.flow, noise.flow_time).mean()
        q_term = self.q_term(nets, batch.obs, self.policy(nets, batch.obs, noise.q))
        return self.config.alpha * cloning + q_term, {"cloning": cloning, "q_term": q_term}


SETTINGS = [
    Settings(
        "Park et al. 2025 (FQL), appendix E.2",
        {
            "ogbench/antmaze-giant-*": {"discount": 0.995},
            "ogbench/humanoidmaze-*": {"discount": 0.995},
            "ogbench/antsoccer-*": {"discount": 0.995},
            "ogbench/antmaze-large-*": {"q_agg": "min"},
            "ogbench/antmaze-giant-navigate-*": {"q_agg": "min"},
        },
    ),
    Settings(
        "Park et al. 2025 (FQL), table 6",
        {
            "ogbench/antmaze-large-navigate-*": {"alpha": 3.0},
            "ogbench/antmaze-giant-navigate-*": {"alpha": 10.0},
            "ogbench/humanoidmaze-medium-navigate-*": {"alpha": 30.0},
            "ogbench/humanoidmaze-large-navigate-*": {"alpha": 30.0},
            "ogbench/cube-single-play-*": {"alpha": 100.0},
            "ogbench/cube-double-play-*": {"alpha": 100.0},
            "ogbench/scene-play-*": {"alpha": 100.0},
            "ogbench/puzzle-3x3-play-*": {"alpha": 100.0},
            "ogbench/puzzle-4x4-play-*": {"alpha": 300.0},
        },
    ),
    Settings("seohongpark/fql, envs/d4rl_utils.py", {"d4rl-v2/antmaze-*": {"reward_shift": -1.0}}),
]
