"""Implicit flow Q-learning (IFQL).

Park, Li & Levine, "Flow Q-Learning", ICML 2025, https://arxiv.org/abs/2502.02538, appendix E.2: a baseline
there, the flow counterpart of IDQL.

A flow policy clones the behaviour and never sees rewards. Q and V are IQL's. The policy that acts is
implicit: of N actions of the flow, the one with the largest Q.

Follows the authors' code (seohongpark/fql): one loss for all networks, computed from the parameters at the
start of the update; the target follows the critics from before their step; the smaller of the critics judges.

Family: flow.

Checked against: worked by hand.

Shapes: B transitions, D observation, A action, N candidates, E environments, 2 critics.
"""

from dataclasses import dataclass

from algorithms.iql import IQL
from bench.algorithm import BaseConfig, Network, Noise, Scaling, Settings
from bench.generative import best_of, euler, flow_matching
from bench.networks import MLP, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    expectile: float = 0.9  # 0.5 regresses to the mean, 1 to the maximum
    flow_steps: int = 10  # Euler steps of the flow policy
    target_rate: float = 0.005  # Polyak step of the target critic, per update
    lr: float = 3e-4  # Adam, all networks
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    activation: str = "gelu"  # relu, gelu or mish
    layer_norm: bool = True  # in the critics and V


@dataclass(frozen=True)
class Inference:
    candidates: int = 32  # best of N by the critics


class IFQL(IQL):
    Config = Config
    Inference = Inference
    SCALING = Scaling(test={"candidates": (1, 2, 4, 8, 16, 32)})

    def check_inference(self, inference):
        if inference.candidates < 1:
            raise ValueError(f"candidates = {inference.candidates}; at least 1 is needed")

    def networks(self, obs_dim, action_dim):
        c = self.config
        value = ValueMLP((obs_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm)
        critic = ValueMLP(
            (obs_dim + action_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm, ensemble=2
        )
        return {
            "value": Network(value, c.lr),
            "flow": Network(MLP((obs_dim + action_dim + 1, *c.hidden, action_dim), c.activation), c.lr),
            "critic": Network(critic, c.lr, target_rate=c.target_rate),
        }

    def noise(self, batch_size, action_dim):
        return {"flow": Noise.normal(batch_size, action_dim), "flow_time": Noise.uniform(batch_size)}

    def update(self, learner, batch, noise):
        """All networks and the target, from the parameters at the start of the update."""
        with learner.simultaneously():
            metrics = learner.minimize("value", self.value_loss, batch, noise)
            metrics |= learner.minimize("critic", self.critic_loss, batch, noise)
            metrics |= learner.minimize("flow", self.actor_loss, batch, noise)
            learner.update_target("critic")
        return metrics

    def actor_loss(self, nets, batch, noise):
        """Cloning by flow matching: L_flow."""
        return flow_matching(nets.flow, batch.obs, batch.action, noise.flow, noise.flow_time).mean(), {}

    def act_noise(self, action_dim, inference):
        return {"start": Noise.normal(inference.candidates, action_dim)}

    def act(self, nets, obs, noise, inference):
        obs = obs[:, None].expand(-1, inference.candidates, -1)  # (E, N, D)
        action = euler(nets.flow, obs, noise.start, self.config.flow_steps)  # (E, N, A)
        if inference.candidates == 1:
            return action[:, 0]
        return best_of(action, nets.critic(obs, action).amin(0))


SETTINGS = [
    Settings(
        "Park et al. 2025 (FQL), appendix E.2 and its code",
        {
            "ogbench/antmaze-giant-*": {"discount": 0.995},
            "ogbench/humanoidmaze-*": {"discount": 0.995},
            "ogbench/antsoccer-*": {"discount": 0.995},
        },
    ),
    Settings("seohongpark/fql, envs/d4rl_utils.py", {"d4rl-v2/antmaze-*": {"reward_shift": -1.0}}),
]
