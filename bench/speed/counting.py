"""How much an update has to do: floating-point operations and bytes, read from what torch carries out."""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from bench.algorithm import Choice, Every
from bench.population import NativePopulation
from bench.stacked import Draws

aten = torch.ops.aten
# Operations that touch no numbers, though their declarations do not say that they are views.
FREE = {
    aten._unsafe_view.default,
    aten.empty.memory_format,
    aten.empty_like.default,
    aten.empty_strided.default,
    aten.new_empty.default,
    aten.new_empty_strided.default,
}


class Work(TorchDispatchMode):
    """Adds up, while it is active, what the operations on tensors do.

    flops: of products of matrices, an addition and a multiplication being two; what is done element by
    element is not counted. bytes: of everything that operations read and write, each as if it came from
    memory and went back there, which caches may spare.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        rule = flop_registry.get(func._overloadpacket)
        if rule is not None:
            self.flops += rule(*args, **kwargs, out_val=result)
        self.bytes += _moved(func, args, kwargs, result)
        return result


def warm(population: NativePopulation) -> None:
    """Meet every combination of the schedule's choices, so that everything is recorded and captured."""
    batch, draws = population.sampler(0)
    found = list(combinations(population.sampler.choices))
    for choices, _ in found:
        population.learner.update(batch, Draws(draws.tensors, choices))
    graphs = population.graphs
    while graphs is not None and not graphs.failed and len(graphs.graphs) < len(found):
        population.update(1)


def work_of_update(population: NativePopulation) -> tuple[float, float]:
    """FLOPs and bytes of one update of a warm population, as means over the schedule's choices."""
    batch, draws = population.sampler(0)
    flops = moved = 0.0
    for choices, share in combinations(population.sampler.choices):
        with Work() as work:
            population.learner.update(batch, Draws(draws.tensors, choices))
        flops += share * work.flops
        moved += share * work.bytes
    return flops, moved


def combinations(declared: Mapping[str, Choice | Every]) -> Iterator[tuple[dict[str, Any], float]]:
    """All values that the choices may take together, each with the share of updates that see them."""
    for outcome in product(*(_values(item) for item in declared.values())):
        choices = {name: value for name, (value, _) in zip(declared, outcome, strict=True)}
        yield choices, math.prod(share for _, share in outcome)


def _values(item: Choice | Every) -> list[tuple[Any, float]]:
    if isinstance(item, Choice):
        return [(value, 1 / len(item.values)) for value in item.values]
    often = [(False, 1 - 1 / item.n)] if item.n > 1 else []
    return [*often, (True, 1 / item.n)]


def _moved(func: Any, args: Any, kwargs: Mapping[str, Any], result: Any) -> int:
    """Bytes that an operation reads and writes; 0 for a view."""
    returns = [value.alias_info for value in func._schema.returns]
    if func in FREE or any(alias is not None and not alias.is_write for alias in returns):
        return 0
    names = (argument.name for argument in func._schema.arguments)
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    total = 0
    for argument in func._schema.arguments:
        changed = argument.alias_info is not None and argument.alias_info.is_write
        total += _size(given.get(argument.name)) * (2 if changed else 1)
    new = all(alias is None for alias in returns)
    return total + (_size(result) if new else 0)


def _size(value: Any) -> int:
    """Bytes of a tensor, or of all in a list; numbers that an axis repeats count once."""
    if isinstance(value, Tensor):
        lengths = zip(value.shape, value.stride(), strict=True)
        return value.element_size() * math.prod(
            length if stride else min(length, 1) for length, stride in lengths
        )
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 0
