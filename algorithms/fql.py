"""Flow Q-learning (FQL).

Park, Li & Levine, "Flow Q-Learning", ICML 2025, https://arxiv.org/abs/2502.02538.

A flow policy clones the behaviour with all its modes. A second policy, which needs one step from noise to
action, is distilled from it and maximizes Q at the same time; so Q is never propagated through the flow.

Follows the authors' code (seohongpark/fql): one loss for all networks, computed from the parameters at the
start of the update; targets follow the critic from before its step. There one Adam serves all networks, which
is the same as one each, because Adam is elementwise.

Family: flow.

Checked against: numbers of the authors' code.

Shapes: B transitions, D observation, A action, 2 critics.
"""

from dataclasses import dataclass
from typing import Literal

from bench.algorithm import Algorithm, BaseConfig, Network, Noise, Settings
from bench.generative import euler, flow_matching
from bench.networks import MLP, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    alpha: float = 10.0  # weight of the distillation against Q; the paper tunes it per environment
    flow_steps: int = 10  # Euler steps of the flow policy
    q_agg: Literal["mean", "min"] = "mean"  # of the critics, in TD targets
    normalize_q: bool = False  # divide the Q term by its mean size
    target_rate: float = 0.005  # Polyak step of the target critic, per update
    lr: float = 3e-4  # Adam, all networks
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    activation: str = "gelu"  # relu, gelu or mish
    layer_norm: bool = True  # in the critics


class FQL(Algorithm):
    Config = Config

    def networks(self, obs_dim, action_dim):
        c = self.config
        critic = ValueMLP(
            (obs_dim + action_dim, *c.hidden), activation=c.activation, layer_norm=c.layer_norm, ensemble=2
        )
        return {
            "flow": Network(MLP((obs_dim + action_dim + 1, *c.hidden, action_dim), c.activation), c.lr),
            "onestep": Network(MLP((obs_dim + action_dim, *c.hidden, action_dim), c.activation), c.lr),
            "critic": Network(critic, c.lr, target_rate=c.target_rate),
        }

    def noise(self, batch_size, action_dim):
        return {
            "critic": Noise.normal(batch_size, action_dim),
            "flow": Noise.normal(batch_size, action_dim),
            "flow_time": Noise.uniform(batch_size),
            "distill": Noise.normal(batch_size, action_dim),
        }

    def update(self, learner, batch, noise):
        """All networks and the target, from the parameters at the start of the update."""
        with learner.simultaneously():
            metrics = learner.minimize("critic", self.critic_loss, batch, noise)
            metrics |= learner.minimize("flow", self.flow_loss, batch, noise)
            metrics |= learner.minimize("onestep", self.onestep_loss, batch, noise)
            learner.update_target("critic")
        return metrics

    def critic_loss(self, nets, batch, noise):
        """TD regression onto r + gamma Q(s', mu(s', z)): L_Q."""
        next_action = self.policy(nets, batch.next_obs, noise.critic)
        next_q = nets.target_critic(batch.next_obs, next_action)  # (2, B)
        next_q = next_q.mean(0) if self.config.q_agg == "mean" else next_q.amin(0)
        target = batch.reward + self.config.discount * (1 - batch.terminal) * next_q
        q = nets.critic(batch.obs, batch.action)  # (2, B)
        return (q - target).square().mean(), {"q": q.mean()}

    def flow_loss(self, nets, batch, noise):
        """Cloning by flow matching: L_flow."""
        return flow_matching(nets.flow, batch.obs, batch.action, noise.flow, noise.flow_time).mean(), {}

    def onestep_loss(self, nets, batch, noise):
        """-Q(s, mu(s, z)) + alpha |mu(s, z) - flow(s, z)|^2: L_pi with L_distill."""
        action = nets.onestep(batch.obs, noise.distill)
        goal = euler(nets.flow, batch.obs, noise.distill, self.config.flow_steps)
        distill = (action - goal).square().mean()
        q_term = self.q_term(nets, batch.obs, action.clamp(-1, 1))
        return self.config.alpha * distill + q_term, {"distill": distill, "q_term": q_term}

    def q_term(self, nets, obs, action):
        """-Q, the mean over the critics and the batch, divided by its mean size if wanted."""
        q = nets.critic(obs, action).mean(0)  # (B,)
        return -q.mean() / q.abs().mean().detach() if self.config.normalize_q else -q.mean()

    def policy(self, nets, obs, noise):
        return nets.onestep(obs, noise).clamp(-1, 1)

    def act_noise(self, action_dim, inference):
        return {"start": Noise.normal(action_dim)}

    def act(self, nets, obs, noise, inference):
        return self.policy(nets, obs, noise.start)


SETTINGS = [
    Settings(
        "Park et al. 2025 (FQL), table 6 and the commands of its README",
        {
            "ogbench/antmaze-large-navigate-*": {"alpha": 10.0, "q_agg": "min"},
            "ogbench/antmaze-giant-navigate-*": {"alpha": 10.0, "q_agg": "min", "discount": 0.995},
            "ogbench/humanoidmaze-medium-navigate-*": {"alpha": 30.0, "discount": 0.995},
            "ogbench/humanoidmaze-large-navigate-*": {"alpha": 30.0, "discount": 0.995},
            "ogbench/antsoccer-arena-navigate-*": {"alpha": 10.0, "discount": 0.995},
            "ogbench/cube-single-play-*": {"alpha": 300.0},
            "ogbench/cube-double-play-*": {"alpha": 300.0},
            "ogbench/scene-play-*": {"alpha": 300.0},
            "ogbench/puzzle-3x3-play-*": {"alpha": 1000.0},
            "ogbench/puzzle-4x4-play-*": {"alpha": 1000.0},
            "d4rl-v2/antmaze-*": {"alpha": 10.0},
            "d4rl-v2/antmaze-large-*": {"alpha": 3.0},
            "d4rl-v2/*-v1": {"q_agg": "min"},  # adroit
            "d4rl-v2/pen-*": {"alpha": 10000.0},
            "d4rl-v2/pen-expert-v1": {"alpha": 3000.0},
            "d4rl-v2/door-*": {"alpha": 30000.0},
            "d4rl-v2/hammer-*": {"alpha": 30000.0},
            "d4rl-v2/hammer-cloned-v1": {"alpha": 10000.0},
            "d4rl-v2/relocate-*": {"alpha": 30000.0},
            "d4rl-v2/relocate-human-v1": {"alpha": 10000.0},
        },
    ),
    Settings("seohongpark/fql, envs/d4rl_utils.py", {"d4rl-v2/antmaze-*": {"reward_shift": -1.0}}),
]
