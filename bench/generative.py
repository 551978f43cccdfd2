"""Pieces of generative policies that several papers share: pure functions of tensors, tested by hand."""

from collections.abc import Callable

import numpy as np
from torch import Tensor

Field = Callable[
    [Tensor, Tensor, Tensor], Tensor
]  # velocity of an action at time t: (obs, a_t, t) -> (..., A)


def flow_matching(field: Field, obs: Tensor, action: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Squared error of the velocity on the straight way from noise (t = 0) to the action (t = 1).

    obs (B, D), action and noise (B, A), t (B,) -> (B,), a mean over the action's dimensions
    (Lipman et al. 2023; Park et al. 2025, eq. 1).
    """
    t = t[:, None]
    a_t = (1 - t) * noise + t * action
    return (field(obs, a_t, t) - (action - noise)).square().mean(-1)


def euler(field: Field, obs: Tensor, start: Tensor, steps: int) -> Tensor:
    """Follow a flow from t = 0 to 1 in equal steps, then into the bounds: start (..., A) -> (..., A)."""
    action = start
    for i in range(steps):
        t = start.new_full((*start.shape[:-1], 1), i / steps)
        action = action + field(obs, action, t) / steps
    return action.clamp(-1, 1)


def best_of(action: Tensor, q: Tensor) -> Tensor:
    """Of N candidates the one with the largest q: action (E, N, A), q (E, N) -> (E, A)."""
    return action.take_along_dim(q.argmax(1)[:, None, None], 1)[:, 0]


def softmax_draw(action: Tensor, q: Tensor, draw: Tensor) -> Tensor:
    """Of N candidates one with probabilities softmax(q): (E, N, A) -> (E, A); q and uniform draw (E, N)."""
    gumbel = -(-draw.clamp(1e-20, 1 - 1e-7).log()).log()  # the largest of q + gumbel is such a draw
    return best_of(action, q + gumbel)


def vp_betas(steps: int) -> np.ndarray:
    """Noise that each of T steps of a variance-preserving diffusion adds, for rates from 0.1 to 10: (T,).

    Xiao, Kreis & Vahdat 2022, as in the code of Diffusion-QL and IDQL.
    """
    t = np.arange(1, steps + 1)
    return 1 - np.exp(-0.1 / steps - 0.5 * (10 - 0.1) * (2 * t - 1) / steps**2)
