"""Ensemble-diversified actor-critic (EDAC).

An, Moon, Kim & Song, "Uncertainty-Based Offline Reinforcement Learning with Diversified Q-Ensemble",
NeurIPS 2021, https://arxiv.org/abs/2110.01548, section 4.

SAC-N (algorithms/sac_n.py) whose critics are kept apart: at recorded actions, the directions in which they
rise must differ. Then a tenth of the critics is as pessimistic.

Follows the authors' code as restated in CORL.

Family: ensemble.

Checked against: worked by hand.

Shapes: B transitions, A action, N critics.
"""

from dataclasses import dataclass

import torch
from torch.func import grad

from algorithms.sac_n import SACN
from bench.algorithm import BaseConfig, Settings


@dataclass(frozen=True)
class Config(BaseConfig):
    discount: float = 0.99  # gamma
    critics: int = 10  # N
    eta: float = 1.0  # weight of the similarity of the critics' gradients; 0 is SAC-N
    target_rate: float = 0.005  # Polyak step of the target critics, per update
    lr: float = 3e-4  # Adam, all networks
    hidden: tuple[int, ...] = (256, 256, 256)
    activation: str = "relu"  # relu, gelu or mish
    layer_norm: bool = False  # in the critics

    def __post_init__(self):
        if self.critics < 2:
            raise ValueError(f"critics = {self.critics}; at least 2 are needed")


class EDAC(SACN):
    Config = Config

    def critic_loss(self, nets, batch, noise):
        """The TD error of SAC-N plus eta times the similarity (algorithm 1)."""
        error, metrics = super().critic_loss(nets, batch, noise)
        similarity = self.similarity(nets, batch)
        return error + self.config.eta * similarity, metrics | {"similarity": similarity}

    def similarity(self, nets, batch):
        """Cosine of the action gradients of two critics, summed over pairs (both orders), by N - 1."""
        count = self.config.critics
        obs, action = (x.expand(count, -1, -1) for x in (batch.obs, batch.action))  # a copy for each critic
        gradient = grad(lambda a: nets.critic(obs, a, shared=False).sum())(action)  # (N, B, A)
        direction = gradient / (gradient.norm(dim=-1, keepdim=True) + 1e-10)
        cosine = torch.einsum("iba,jba->bij", direction, direction)
        pairs = cosine.sum((1, 2)) - cosine.diagonal(dim1=1, dim2=2).sum(1)  # without each one's own
        return pairs.mean() / (count - 1)


SETTINGS = [
    Settings(
        "CORL, configs/offline/edac",
        {
            "d4rl-v2/*-medium-expert-v2": {"eta": 5.0},
            "d4rl-v2/hopper-*": {"critics": 50, "eta": 1.0},
            "d4rl-v2/*-v1": {"critics": 50, "eta": 200.0},  # adroit
            "d4rl-v2/pen-*": {"critics": 20, "eta": 10.0},
            "d4rl-v2/pen-human-v1": {"eta": 1000.0},
        },
    ),
]
