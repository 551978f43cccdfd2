"""The axes that an algorithm declares, as runs: one training per value, all test-time settings evaluated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from bench.algorithm import Algorithm, Scaling
from bench.errors import UserError
from bench.plan import Request, Run, plan
from bench.registry import Entry
from bench.task import Suite

Pairs = tuple[tuple[str, Any], ...]  # options with their values


@dataclass(frozen=True)
class Variant:
    """One combination of the training axes, and its runs, one per task."""

    train: Pairs  # empty for an algorithm without training axes
    runs: Sequence[Run]

    @property
    def label(self) -> str:
        return ", ".join(f"{option}={value}" for option, value in self.train) or "default"


def scaling_of(entry: Entry, registered: Mapping[str, type[Algorithm]]) -> Scaling:
    """The axes of the algorithm. Raises UserError where it declares none."""
    scaling = entry.algorithm.SCALING
    if scaling is None or not scaling.test:
        able = sorted(name for name, algorithm in registered.items() if algorithm.SCALING)
        raise UserError(
            f"{entry.name} declares no test-time axes; these do: {', '.join(able) or 'none'}. In a class of "
            "your own set SCALING = Scaling(test={option: values}), see bench/algorithm.py"
        )
    return scaling


def plan_variants(suite: Suite, entry: Entry, scaling: Scaling, request: Request) -> list[Variant]:
    """The runs of all values of the training axes, each evaluated under every test-time setting.

    Raises UserError where an axis is also among the overrides of the request, or a value is not allowed.
    """
    given = {item.partition("=")[0].rpartition(".")[2] for item in request.overrides}
    if taken := sorted(given & scaling.train.keys()):
        raise UserError(f"--set {taken[0]} is an axis of bench scaling {entry.name}; leave it out")
    inferences = [
        f"{entry.name}.{option}={','.join(map(str, values))}" for option, values in scaling.test.items()
    ]
    variants = []
    for values in product(*scaling.train.values()):
        train = tuple(zip(scaling.train, values, strict=True))
        overrides = [*request.overrides, *(f"{entry.name}.{option}={_text(v)}" for option, v in train)]
        changed = replace(request, overrides=overrides, inferences=inferences)
        variants.append(Variant(train, plan(suite, [entry], changed)))
    return variants


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
