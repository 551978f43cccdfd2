"""Functions that were written for one seed, computed for all: what an author's code sees and returns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.func import vmap

from bench.algorithm import Batch
from bench.errors import UserError

Stack = dict[str, Tensor]  # the parameters of one network, (S, ...) each
Loss = Callable[[Any, Any, Any], tuple[Tensor, dict[str, Tensor]]]


class AuthorError(UserError):
    """An algorithm breaks a rule of the interface; the message says where and what to do instead."""


class Draws:
    """Declared noise by name, as an author sees it: `noise.z`, `noise.steps`.

    `asked` collects the names of the choices that were looked at.
    """

    def __init__(self, tensors: Mapping[str, Tensor], choices: Mapping[str, Any]) -> None:
        self.tensors, self.choices = tensors, choices
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name in self.tensors:
            return self.tensors[name]
        if name in self.choices:
            self.asked.add(name)
            return self.choices[name]
        declared = ", ".join((*self.tensors, *self.choices)) or "nothing"
        raise AuthorError(f"noise.{name} is used but not declared; declared: {declared}")


class Nets:
    """The networks by name, as an author sees them: `nets.actor(obs)`, `nets.target_critic(obs, action)`."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self.modules = modules

    def __getattr__(self, name: str) -> nn.Module:
        if name in self.modules:
            return self.modules[name]
        raise AuthorError(f"nets.{name} does not exist; networks: {', '.join(self.modules)}")


class Skeletons:
    """One module for every network and target, into which the parameters of a seed are put for a call."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self._slots = {name: _slots(module) for name, module in modules.items()}
        self._nets = Nets(modules)

    def bind(self, params: Mapping[str, Stack]) -> Nets:
        """The networks with one seed's parameters in place, during a vmapped call."""
        for name, stack in params.items():
            for (owner, key), tensor in zip(self._slots[name], stack.values(), strict=True):
                owner._parameters[key] = tensor  # type: ignore[assignment]
        return self._nets


def losses(
    loss: Loss, skeletons: Skeletons, params: Mapping[str, Stack], batch: Batch, noise: Draws
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of every seed (S,) and its metrics, (S,) each. Raises AuthorError."""

    def one_seed(params: Any, batch: Batch, tensors: Any) -> Any:
        own = Draws(tensors, noise.choices)
        own.asked = noise.asked
        return loss(skeletons.bind(params), batch, own)

    with author_errors(loss):
        result = vmap(one_seed)(params, batch, noise.tensors)
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
        raise AuthorError(f"{title(loss)} must return (scalar, dict of metrics)")
    values, metrics = result
    if values.dim() != 1:
        shape = tuple(values.shape[1:])
        raise AuthorError(
            f"{title(loss)} returned shape {shape}; a loss returns a scalar (did you forget .mean()?)"
        )
    for key, value in metrics.items():
        if value.dim() != 1:
            raise AuthorError(f"{title(loss)}: the metric {key!r} has shape {tuple(value.shape[1:])}, not ()")
    # A copy, because a metric may be a parameter itself, which the step changes.
    return values, {key: value.detach().clone() for key, value in metrics.items()}


def named(kind: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`kind/name` for every name."""
    return {f"{kind}/{name}": tensor for name, tensor in tensors.items()}


def part(kind: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `named` was given."""
    start = f"{kind}/"
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}


def title(function: Callable[..., Any]) -> str:
    """What an author calls a function: `IQL.critic_loss`."""
    return getattr(function, "__qualname__", repr(function))


@contextmanager
def author_errors(function: Callable[..., Any]) -> Iterator[None]:
    """Say in the author's terms what vmap complains about."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        remedies = {
            "must only return Tensors": "returns something that is not a tensor; losses, metrics and actions "
            "are tensors, and a loss returns (scalar, dict of metrics)",
            "randomness": "draws its own random numbers; declare them in noise() or act_noise() "
            "and use noise.NAME",
            ".item()": "reads a tensor's value as a Python number (.item(), float(), if tensor:); "
            "use torch.where, or a Choice for decisions of the schedule",
            "data-dependent control flow": "branches on a tensor; use torch.where, or a Choice",
        }
        for words, remedy in remedies.items():
            if words in str(error):
                raise AuthorError(f"{title(function)} {remedy}") from error
        raise


def _slots(module: nn.Module) -> Sequence[tuple[nn.Module, str]]:
    """Where each parameter of a module lives, in the order of `named_parameters`."""
    return [
        (module.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2])
        for name, _ in module.named_parameters()
    ]
