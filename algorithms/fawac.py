"""Flow advantage-weighted actor-critic (FAWAC).

Park, Li & Levine, "Flow Q-Learning", ICML 2025, https://arxiv.org/abs/2502.02538, appendix E.2: a baseline
there, the flow counterpart of AWAC.

A flow policy clones recorded actions, each weighted by exp(alpha * advantage). Critic, networks and rates are
FQL's. There is no public code; where the appendix is silent, this follows AWAC: V(s) is Q of one action of
the policy, and the advantage is taken with the mean of the critics; weights are clipped as in IQL.

Family: flow.

Checked against: worked by hand.

Shapes: B transitions, D observation, A action, 2 critics.
"""

from dataclasses import dataclass
from typing import Literal

from algorithms.fbrac import FBRAC
from bench.algorithm import BaseConfig, Settings
from bench.generative import flow_matching


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    alpha: float = 1.0  # inverse temperature; 0 is cloning; searched in 0.3, 1, 3, 10
    max_weight: float = 100.0  # upper clip on exp(alpha * advantage)
    flow_steps: int = 10  # Euler steps of the policy
    q_agg: Literal["mean", "min"] = "mean"  # of the critics, in TD targets
    target_rate: float = 0.005  # Polyak step of the target critic, per update
    lr: float = 3e-4  # Adam, both networks
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    activation: str = "gelu"  # relu, gelu or mish
    layer_norm: bool = True  # in the critics


class FAWAC(FBRAC):
    Config = Config

    def actor_loss(self, nets, batch, noise):
        """Flow matching, weighted by exp(alpha (Q(s, a) - V(s))), the paper's eq. (10)."""
        q = nets.critic(batch.obs, batch.action).mean(0)  # (B,)
        v = nets.critic(batch.obs, self.policy(nets, batch.obs, noise.q)).mean(0)  # (B,)
        weight = (self.config.alpha * (q - v)).exp().clamp(max=self.config.max_weight).detach()
        error = flow_matching(nets.flow, batch.obs, batch.action, noise.flow, noise.flow_time)  # (B,)
        return (weight * error).mean(), {"weight": weight.mean()}


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
            "ogbench/antmaze-giant-navigate-*": {"alpha": 3.0},
            "ogbench/humanoidmaze-medium-navigate-*": {"alpha": 3.0},
            "ogbench/humanoidmaze-large-navigate-*": {"alpha": 3.0},
            "ogbench/cube-single-play-*": {"alpha": 1.0},
            "ogbench/cube-double-play-*": {"alpha": 0.3},
            "ogbench/scene-play-*": {"alpha": 0.3},
            "ogbench/puzzle-3x3-play-*": {"alpha": 0.3},
            "ogbench/puzzle-4x4-play-*": {"alpha": 0.3},
        },
    ),
    Settings("seohongpark/fql, envs/d4rl_utils.py", {"d4rl-v2/antmaze-*": {"reward_shift": -1.0}}),
]
