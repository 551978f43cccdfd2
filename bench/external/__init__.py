"""Algorithms whose code is not ours: what they bring along instead of networks, losses and a schedule.

Runner, records and evaluation treat them like all others: they get the same data, seeds and batches, and
act in the same environments.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from bench.algorithm import Algorithm
from bench.dataset import Dataset
from bench.errors import UserError
from bench.precision import DEFAULT_PRECISION

if TYPE_CHECKING:
    from bench.population import Policy, Population


class External(Algorithm):
    """An algorithm that trains its seeds by itself. Derive one class for a library, and one for each of
    its algorithms. It must import the library where it is used, never with its own file.
    """

    library: ClassVar[str]
    headline: ClassVar[str]  # what `bench list algorithms` says
    family: ClassVar[str] = ""  # one of bench.about.FAMILIES

    @classmethod
    def packages(cls) -> Mapping[str, str]:
        """The versions of the packages that train it. Raises UserError where one is not installed."""
        raise NotImplementedError

    @classmethod
    def sources(cls) -> Sequence[Path]:
        """Our files that decide what it computes."""
        raise NotImplementedError

    @classmethod
    def translated(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Options that a suite or a task gives, in the words of this library."""
        return options

    @classmethod
    def check_precision(cls, name: str, precision: str) -> None:
        """Raise UserError for a precision that it cannot train with."""
        if precision != DEFAULT_PRECISION:
            raise UserError(
                f"--precision {precision} is not for {name}, whose products are not ours; "
                f"it trains in {DEFAULT_PRECISION}: leave --precision out, or leave {name} out"
            )

    def population(self, dataset: Dataset, seeds: Sequence[int], device: torch.device | str) -> "Population":
        """All seeds, untrained, on a data set as it was recorded."""
        raise NotImplementedError

    def policy(
        self, weights: Mapping[str, Tensor], obs_dim: int, action_dim: int, device: torch.device | str
    ) -> "Policy":
        """The policies of all seeds from what `Population.weights` gave."""
        raise NotImplementedError
