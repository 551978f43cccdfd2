"""Terms that losses of several papers share: pure functions of tensors, tested by hand."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def expectile_loss(error: Tensor, expectile: float) -> Tensor:
    """Elementwise |expectile - 1(error < 0)| * error^2 (Kostrikov et al. 2022, eq. 4).

    Minimized over v in error = x - v, it gives the expectile of x: 0.5 the mean, 1 the maximum.
    """
    return torch.where(error > 0, expectile, 1 - expectile) * error.square()


def gaussian_log_prob(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Log density of a diagonal Gaussian at x, summed over the last axis: (..., A) -> (...)."""
    z = (x - mean) / std
    return (-0.5 * z.square() - std.log() - 0.5 * math.log(2 * math.pi)).sum(-1)


def tanh_gaussian(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A sample of a Gaussian squashed by tanh, and its log density: (..., A) -> (..., A), (...).

    Haarnoja et al. 2018, appendix C, with log(1 - tanh(u)^2) written as 2 (log 2 - u - softplus(-2u)),
    which does not lose its digits where |u| is large.
    """
    std = log_std.exp()
    u = mean + std * noise
    correction = 2 * (math.log(2) - u - F.softplus(-2 * u))
    return u.tanh(), gaussian_log_prob(u, mean, std) - correction.sum(-1)
