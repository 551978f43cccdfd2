"""Twin delayed deep deterministic policy gradient (TD3), without any constraint.

Fujimoto, van Hoof & Meger, "Addressing Function Approximation Error in Actor-Critic Methods", ICML 2018,
https://arxiv.org/abs/1802.09477.

An online algorithm, here as the control: nothing keeps its actions near the data, so its critics are asked
about actions that were never tried, and it should fail offline wherever the data do not cover the actions.

It is TD3+BC (algorithms/td3_bc.py) without cloning: its critics, its delays, its noise.

Family: unconstrained.

Checked against: worked by hand.

Shapes: B transitions, A action, 2 critics.
"""

from dataclasses import dataclass

from algorithms.td3_bc import TD3BC
from bench.algorithm import BaseConfig


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    target_rate: float = 0.005  # Polyak step of both targets, per actor update (tau)
    target_noise: float = 0.2  # deviation of the noise on the target's action
    target_noise_clip: float = 0.5
    actor_delay: int = 2  # critic updates per actor update
    lr: float = 3e-4  # Adam, all networks
    hidden: tuple[int, ...] = (256, 256)
    activation: str = "relu"  # relu, gelu or mish
    layer_norm: bool = False  # in the critics


class TD3(TD3BC):
    Config = Config

    def actor_loss(self, nets, batch, noise):
        """-mean Q of the first critic: the deterministic policy gradient (algorithm 1)."""
        q = nets.critic(batch.obs, nets.actor(batch.obs))[0]  # (B,)
        return -q.mean(), {}
