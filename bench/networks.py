"""Building blocks for the networks of an algorithm.

All are plain modules for one seed. Inputs are concatenated along the last axis, in the order in which
they are given, so `critic(obs, action)` reads as in a paper. Kernels start Xavier-uniform and biases at
zero, as in the code of OGBench, FQL and SORL.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS = {
    "relu": F.relu,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "mish": F.mish,
}


class Linear(nn.Module):
    """An affine map, or an ensemble of E of them: (..., B, in) -> (..., B, out), with E in front.

    The kernel is stored as (in, out), or (E, in, out), so that all members are one batched product.
    """

    def __init__(self, inputs: int, outputs: int, ensemble: int | None = None, scale: float = 1.0) -> None:
        super().__init__()
        lead = () if ensemble is None else (ensemble,)
        bound = math.sqrt(6 / (inputs + outputs)) * scale
        self.weight = nn.Parameter(torch.empty(*lead, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(*lead, 1, outputs) if lead else torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.shape[-1] == 1:  # batched products with vectors are ten times slower on CPUs
            return (x * self.weight.mT).sum(-1, keepdim=True) + self.bias
        return x @ self.weight + self.bias


class LayerNorm(nn.Module):
    """Layer normalization over the last axis with epsilon 1e-6 (flax's default); one per ensemble member."""

    def __init__(self, size: int, ensemble: int | None = None) -> None:
        super().__init__()
        shape = (size,) if ensemble is None else (ensemble, 1, size)
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], eps=1e-6) * self.weight + self.bias


class MLP(nn.Module):
    """`sizes` = (inputs, hidden..., outputs): each hidden layer is affine, activation, layer norm if wanted.

    Inputs (..., D1), (..., D2), ... -> (..., outputs), or (E, ..., outputs) for an ensemble of E, which
    shares its inputs. Their leading axes are broadcast, and cost little where they are: N actions per
    observation are `critic(obs, action)` with obs (B, D), action (N, B, A). With shared=False every member
    of an ensemble has inputs of its own: (E, B, D1), (E, B, D2), ...
    `last_scale` shrinks the initial kernel of the last layer.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        layer_norm: bool = False,
        ensemble: int | None = None,
        last_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        pairs = list(pairwise(sizes))
        scales = [1.0] * (len(pairs) - 1) + [last_scale]
        self.layers = nn.ModuleList(
            Linear(i, o, ensemble, s) for (i, o), s in zip(pairs, scales, strict=True)
        )
        self.norms = nn.ModuleList(LayerNorm(size, ensemble) for size in sizes[1:-1] if layer_norm)

    def forward(self, *inputs: Tensor, shared: bool = True) -> Tensor:
        if not shared:
            return self._others(self.layers[0](torch.cat(inputs, -1)))
        lead = torch.broadcast_shapes(*(x.shape[:-1] for x in inputs))
        x = self._others(self._first(inputs, lead))
        return x.view(*x.shape[:-2], *lead, x.shape[-1])

    def _others(self, x: Tensor) -> Tensor:
        """All layers but the first."""
        for number, layer in enumerate(self.layers[1:]):
            x = self.activation(x)
            x = layer(self.norms[number](x) if self.norms else x)
        return x

    def _first(self, inputs: tuple[Tensor, ...], lead: Sequence[int]) -> Tensor:
        """The first layer, with all leading axes as one: (rows, D1), ... -> (rows, H) or (E, rows, H)."""
        first = self.layers[0]
        assert isinstance(first, Linear)
        if all(x.shape[:-1] == lead for x in inputs):
            return first(torch.cat(inputs, -1).reshape(-1, first.weight.shape[-2]))
        kernels = first.weight.split([x.shape[-1] for x in inputs], -2)
        total = first.bias.view(*first.weight.shape[:-2], *[1] * len(lead), -1)
        for x, kernel in zip(inputs, kernels, strict=True):
            product = x.reshape(-1, x.shape[-1]) @ kernel
            own = [1] * (len(lead) + 1 - x.dim()) + list(x.shape[:-1])
            total = product.view(*product.shape[:-2], *own, -1) + total  # the largest may come last
        return total.flatten(-1 - len(lead), -2)


class ValueMLP(MLP):
    """An MLP with one output, whose axis is dropped: inputs (B, ...) -> (B,), or (E, B) for an ensemble."""

    def __init__(self, sizes: Sequence[int], **options: object) -> None:
        super().__init__((*sizes, 1), **options)  # type: ignore[arg-type]

    def forward(self, *inputs: Tensor, shared: bool = True) -> Tensor:
        return super().forward(*inputs, shared=shared).squeeze(-1)


class GaussianPolicy(nn.Module):
    """A diagonal Gaussian over actions: obs (B, D) -> mean (B, A), std (A,) that does not depend on obs.

    squash_mean: tanh on the mean, so that it stays inside the bounds. fixed_std: a constant instead of a
    learned one, whose logarithm is kept in [-5, 2].
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        squash_mean: bool = True,
        fixed_std: float | None = None,
    ) -> None:
        super().__init__()
        self.mean = MLP(sizes, activation)
        self.squash_mean = squash_mean
        self.fixed_std = fixed_std
        if fixed_std is None:
            self.log_std = nn.Parameter(torch.zeros(sizes[-1]))

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.mean(obs)
        mean = mean.tanh() if self.squash_mean else mean
        if self.fixed_std is not None:
            return mean, torch.full_like(mean[0], self.fixed_std)
        return mean, self.log_std.clamp(-5, 2).exp()


class TanhPolicy(MLP):
    """A deterministic policy: obs (B, D) -> action (B, A) in (-1, 1)."""

    def forward(self, *inputs: Tensor, shared: bool = True) -> Tensor:
        return super().forward(*inputs, shared=shared).tanh()


class NoisePredictor(nn.Module):
    """The network of a diffusion policy: obs (B, D), noisy action (B, A), diffusion step -> noise (B, A).

    The integer step, a float tensor (B,) or () if it is the same for all, enters through a sinusoidal
    embedding and two layers, as in the code of Diffusion-QL.
    """

    rates: Tensor

    def __init__(
        self, obs_dim: int, action_dim: int, hidden: Sequence[int], activation: str, time_dim: int = 16
    ) -> None:
        super().__init__()
        half = time_dim // 2
        self.register_buffer("rates", torch.exp(torch.arange(half) * (-math.log(10_000) / (half - 1))))
        self.time = MLP((time_dim, 2 * time_dim, time_dim), activation)
        self.body = MLP((obs_dim + action_dim + time_dim, *hidden, action_dim), activation)

    def forward(self, obs: Tensor, action: Tensor, step: Tensor) -> Tensor:
        angles = step[..., None] * self.rates
        embedding = self.time(torch.cat((angles.sin(), angles.cos()), -1))
        return self.body(action, embedding.expand(*action.shape[:-1], -1), obs)


class ResidualNoisePredictor(nn.Module):
    """The network of IDQL's diffusion policy: obs (B, D), noisy action (B, A), time -> noise (B, A).

    The time, a float tensor (B,) or () if it is the same for all, enters through Fourier features, whose
    frequencies start with a deviation of `time_scale` and are trained, and two layers. The body has residual
    blocks: layer norm, a layer four times as wide, a layer (Hansen-Estruch et al. 2023, and its code).
    """

    def __init__(
        self, obs_dim: int, action_dim: int, width: int, blocks: int = 3, time_scale: float = 0.2
    ) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(time_scale * torch.randn(32))
        self.time = MLP((64, 128, 128), "mish")
        self.first = Linear(action_dim + obs_dim + 128, width)
        self.norms = nn.ModuleList(LayerNorm(width) for _ in range(blocks))
        self.wide = nn.ModuleList(Linear(width, 4 * width) for _ in range(blocks))
        self.narrow = nn.ModuleList(Linear(4 * width, width) for _ in range(blocks))
        self.last = Linear(width, action_dim)

    def forward(self, obs: Tensor, action: Tensor, time: Tensor) -> Tensor:
        angles = 2 * math.pi * time[..., None] * self.frequencies
        embedding = self.time(torch.cat((angles.cos(), angles.sin()), -1))
        x = self.first(torch.cat((action, obs, embedding.expand(*action.shape[:-1], -1)), -1))
        for norm, wide, narrow in zip(self.norms, self.wide, self.narrow, strict=True):
            x = x + narrow(F.mish(wide(norm(x))))
        return self.last(F.mish(x))


class Scalar(nn.Module):
    """One trainable number: a temperature, a Lagrange multiplier (or its logarithm)."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(float(initial)))

    def forward(self) -> Tensor:
        return self.value
