"""Everything that the author of an algorithm must read.

An algorithm is written for ONE seed, in plain PyTorch; the harness trains many seeds at once. Two
kinds of method, and the distinction is the design:

- A *loss* is mathematics: `loss(nets, batch, noise) -> (scalar, metrics)`, pure, without side effects.
- `update` is the schedule: ordinary Python, executed once for all seeds, which says in what order
  the networks are trained.

Every random number is an argument. `noise()` declares what an update draws, `act_noise()` what one
decision draws, and the harness draws it from the stream of that seed. So a seed sees the same batches
and the same noise whether it is trained alone or with others.

Shapes: B transitions, D observation, A action, E environments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from torch import Tensor, nn

if TYPE_CHECKING:
    from bench.learner import Learner


class Batch(NamedTuple):
    """B transitions: obs, next_obs (B, D); action, next_action (B, A) in [-1, 1]; reward, terminal (B,).

    `terminal` is 1 where the world ended and 0 elsewhere, also at timeouts, so that `1 - terminal`
    reads as it is printed in papers.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    next_action: Tensor
    terminal: Tensor


@dataclass(frozen=True)
class Noise:
    """Random numbers that an update or a decision uses. Make one with `normal`, `uniform` or `integers`."""

    kind: Literal["normal", "uniform", "integers"]
    shape: tuple[int, ...]
    high: int = 0

    @staticmethod
    def normal(*shape: int) -> "Noise":
        """Standard normal numbers of this shape."""
        return Noise("normal", shape)

    @staticmethod
    def uniform(*shape: int) -> "Noise":
        """Uniform numbers in [0, 1) of this shape."""
        return Noise("uniform", shape)

    @staticmethod
    def integers(high: int, *shape: int) -> "Noise":
        """Uniform integers 0, ..., high - 1 of this shape."""
        return Noise("integers", shape, high)


class Choice:
    """A decision of the schedule, drawn anew for every update: one of `values`, all equally likely.

    It is the same for all seeds and comes out as a plain Python value, so `update` and the losses may
    branch on it.
    """

    def __init__(self, *values: Any) -> None:
        self.values = values


@dataclass(frozen=True)
class Every:
    """A decision of the schedule: True in every n-th update (the n-th is the first), False in the others."""

    n: int


@dataclass(frozen=True)
class Network:
    """A trainable module and all that is true of it.

    target_rate: Polyak step of its target copy, which exists as `target_<name>`; None for no target.
    schedule: "cosine" lets the learning rate fall to 0 over the run.
    clip_norm: largest norm of a seed's gradient.
    """

    module: nn.Module
    lr: float
    target_rate: float | None = None
    schedule: Literal["cosine"] | None = None
    clip_norm: float | None = None


@dataclass(frozen=True)
class BaseConfig:
    """Options that every algorithm has because the harness acts on them. Extend it with your own."""

    batch_size: int = 256
    normalize_obs: bool = False  # shift and scale observations by their mean and deviation in the data set
    normalize_returns: bool = False  # rewards * 1000 / (largest - smallest return of an episode), as in IQL
    reward_scale: float = 1.0  # factor on the (normalized) rewards of the data
    reward_shift: float = 0.0  # added to them afterwards; -1 is usual where a goal pays 1


@dataclass(frozen=True)
class Settings:
    """Values that one source gives for options on tasks: glob on the task's id -> option -> value."""

    source: str  # who says so, such as "Kostrikov et al. 2022, appendix B"
    tasks: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Scaling:
    """Options by which more or less is computed, each with the values that `bench scaling` compares.

    train: options of Config; each combination is trained. test: options of Inference; each combination is
    evaluated with every trained policy.
    """

    train: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    test: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class NoInference:
    """The test-time settings of an algorithm that has none."""


class Algorithm:
    """What an author writes. It holds its configuration and nothing else.

    `Config` is a frozen dataclass that extends BaseConfig. `Inference` is a frozen dataclass of
    test-time settings (denoising steps, candidates); its defaults are the setting that is reported.
    `SETTINGS`, a module-level list of `Settings` below the class, holds the values that papers give per
    task. Every glob that matches counts; a later one overrides an earlier one, so the general comes first.
    (A plain dict of globs will do where there is no source to name.)
    `SCALING` is for methods that can spend more computation at test time.
    """

    Config: ClassVar[type] = BaseConfig
    Inference: ClassVar[type] = NoInference
    SCALING: ClassVar[Scaling | None] = None

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config

    def check_inference(self, inference: Any) -> None:
        """Raise ValueError where this configuration cannot act under a test-time setting."""

    def networks(self, obs_dim: int, action_dim: int) -> Mapping[str, Network]:
        """The networks of one seed, freshly initialized."""
        raise self._missing("networks")

    def noise(self, batch_size: int, action_dim: int) -> Mapping[str, "Noise | Choice | Every"]:
        """What one update draws: tensors without a seed axis, and decisions of the schedule."""
        return {}

    def update(self, learner: "Learner", batch: Batch, noise: Any) -> dict[str, Tensor]:
        """One update of all networks: calls of `learner.minimize` and `learner.update_target`, in order."""
        raise self._missing("update")

    def act_noise(self, action_dim: int, inference: Any) -> Mapping[str, Noise]:
        """What one decision (one observation) draws."""
        return {}

    def act(self, nets: Any, obs: Tensor, noise: Any, inference: Any) -> Tensor:
        """Actions (E, A) in [-1, 1] for obs (E, D); noise has the declared shapes behind an axis E."""
        raise self._missing("act")

    def _missing(self, method: str) -> NotImplementedError:
        return NotImplementedError(
            f"{type(self).__name__} does not define {method}(); see bench/algorithm.py"
        )
