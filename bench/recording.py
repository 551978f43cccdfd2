"""Records what a function does to tensors, and replays it without the function.

vmap and autograd decide in Python and C++, for every operation anew, what to do: for small networks this
costs as much as the arithmetic. A recording is the straight list of operations that was the outcome, and
computes the same bits.
"""

import operator
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload
from torch.fx.experimental.proxy_tensor import make_fx

from bench.errors import UserError

Tensors = Mapping[str, Tensor]
# Of tensors by name, and of the choices of the schedule; returns tensors by name.
Function = Callable[[Tensors, Mapping[str, Any]], dict[str, Tensor]]
Replay = Callable[[Tensors], dict[str, Tensor]]
aten = torch.ops.aten

# Operations that may write into their first operand, if nobody needs it any more.
IN_PLACE: Mapping[Any, OpOverload] = {
    aten.add.Tensor: aten.add_.Tensor,
    aten.sub.Tensor: aten.sub_.Tensor,
    aten.mul.Tensor: aten.mul_.Tensor,
    aten.div.Tensor: aten.div_.Tensor,
    aten.relu.default: aten.relu_.default,
}


class Recordings:
    """Functions by key, recorded when they are first called with the choices that they look at.

    What else a function looks at, besides its arguments, belongs to the key.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, list[tuple[Mapping[str, Any], Replay]]] = {}

    def run(
        self, key: Hashable, function: Function, inputs: Tensors, choices: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """What `function(inputs, choices)` returns. One that cannot be recorded is called, with a warning."""
        kept = self._kept.setdefault(key, [])
        for asked, replay in kept:
            if all(choices[name] == value for name, value in asked.items()):
                return replay(inputs)
        watched = _Watched(choices)
        try:
            replay = record(function, inputs, watched)
        except UserError:
            raise
        except Exception as error:
            results = function(inputs, choices)  # raises an author's mistake once more, as it was
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            warnings.warn(f"this runs more slowly than it could, because recording failed: {reason}")
            kept.append((dict(choices), lambda inputs: function(inputs, choices)))
            return results
        kept.append(({name: choices[name] for name in watched.asked}, replay))
        return replay(inputs)


class _Watched(Mapping[str, Any]):
    """Choices, and which of them were looked at."""

    def __init__(self, choices: Mapping[str, Any]) -> None:
        self.choices = choices
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        value = self.choices[name]
        self.asked.add(name)
        return value

    def __contains__(self, name: object) -> bool:
        return name in self.choices

    def __iter__(self) -> Iterator[str]:
        return iter(self.choices)

    def __len__(self) -> int:
        return len(self.choices)


def record(function: Function, inputs: Tensors, choices: Mapping[str, Any]) -> Replay:
    """The operations of `function` on inputs of these names and shapes."""
    names: list[str] = []

    def compute(*tensors: Tensor) -> list[Tensor]:
        results = function(dict(zip(inputs, tensors, strict=True)), choices)
        names[:] = results
        return list(results.values())

    module = make_fx(compute)(*inputs.values())
    for node in list(module.graph.nodes):
        if node.target in (aten.detach.default, aten.alias.default):
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    _write_in_place(module.graph)
    module.recompile()
    program = module.forward

    def replay(inputs: Tensors) -> dict[str, Tensor]:
        with torch.no_grad():
            return dict(zip(names, program(*inputs.values()), strict=True))

    return replay


def _write_in_place(graph: fx.Graph) -> None:
    """Let elementwise operations write into an operand of the same layout that dies with them.

    It saves a pass through memory, and the system the work of handing out new pages.
    """
    order = {node: number for number, node in enumerate(graph.nodes)}
    owner: dict[fx.Node, fx.Node] = {}  # whose memory a node shows: its own, or that of what it is a view of
    last_use: dict[fx.Node, int] = {}  # of the memory of an owner
    for node in graph.nodes:
        owner[node] = owner[node.all_input_nodes[0]] if _is_view(node) else node
        for operand in node.all_input_nodes:
            last_use[owner[operand]] = order[node]
    for node in graph.nodes:
        if node.target not in IN_PLACE:
            continue
        operand = node.args[0]
        memory = owner[operand]
        others = [other for other in node.args[1:] if isinstance(other, fx.Node)]
        if (
            memory.op == "call_function"
            and last_use[memory] == order[node]
            and all(owner[other] is not memory for other in others)
            and _same_layout(node, operand)
        ):
            node.target = IN_PLACE[node.target]
            last_use[memory] = last_use.get(node, order[node])
            for view in [view for view, shown in owner.items() if shown is node]:
                owner[view] = memory


def _is_view(node: fx.Node) -> bool:
    """Whether the result may share memory with the first operand, as parts of a tuple do with the whole."""
    if node.target is operator.getitem or node.target is aten._unsafe_view.default:
        return True
    if not isinstance(node.target, OpOverload) or not node.all_input_nodes:
        return False
    returns = node.target._schema.returns
    return any(value.alias_info is not None or "[]" in str(value.type) for value in returns)


def _same_layout(node: fx.Node, operand: fx.Node) -> bool:
    result, given = node.meta.get("tensor_meta"), operand.meta.get("tensor_meta")
    return (
        result is not None
        and given is not None
        and (result.shape, result.dtype, result.stride) == (given.shape, given.dtype, given.stride)
        and given.memory_format is torch.contiguous_format
    )
