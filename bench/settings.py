"""Options of an algorithm: which value a run uses, where it comes from, and how text becomes a value."""

import math
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from fnmatch import fnmatchcase
from itertools import product
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from bench.algorithm import Algorithm, Settings
from bench.errors import UserError, unknown
from bench.external import External


def _sizes(value: Any) -> bool:
    sizes = value if isinstance(value, (tuple, list)) else (value,)
    return all(size >= 1 for size in sizes)  # none: without hidden layers


# Options that mean the same in every algorithm: whether a value can be used, and what can.
LIMITS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "batch_size": (lambda value: value >= 1, "a whole number of at least 1"),
    "discount": (lambda value: 0 <= value <= 1, "a number from 0 to 1"),
    "target_rate": (lambda value: 0 <= value <= 1, "a number from 0 to 1"),
    "lr": (lambda value: value >= 0, "a number of at least 0"),
    "hidden": (_sizes, "sizes of at least 1, such as 64,64"),
}


@dataclass(frozen=True)
class Resolved:
    """The configuration of a run; `sources` says for every option that is not the default who set it."""

    config: Any
    sources: Mapping[str, str]


def resolve(
    name: str,
    algorithm: type[Algorithm],
    task_id: str,
    layers: Mapping[str, Mapping[str, Any]],
    overrides: Mapping[str, Any],
) -> Resolved:
    """Defaults, then `layers` (source -> options, in order; options that the algorithm lacks are passed
    over), then the algorithm's own settings for the task, then what the user gave.

    Raises UserError where a value is not allowed.
    """
    known = {field.name for field in fields(algorithm.Config)}
    if issubclass(algorithm, External):
        layers = {source: algorithm.translated(options) for source, options in layers.items()}
    own = task_settings(algorithm, task_id)
    if wrong := sorted({option for _, options in own for option in options} - known):
        raise UserError(
            f"SETTINGS of {name} name {', '.join(wrong)}, which is no option of it; mend SETTINGS"
        )
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, options in [*layers.items(), *own, ("user", overrides)]:
        for option, value in options.items():
            if option in known:
                values[option], sources[option] = value, source
    try:
        resolved = Resolved(algorithm.Config(**values), sources)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error
    _check_limits(name, algorithm, resolved.config)
    return resolved


def _check_limits(name: str, algorithm: type[Algorithm], config: Any) -> None:
    """Raise UserError for a value outside of LIMITS: with it training would fail late, or in silence."""
    for word, (allowed, wanted) in LIMITS.items():
        options = algorithm.translated({word: None}) if issubclass(algorithm, External) else (word,)
        for option in options:
            value = getattr(config, option, None)
            try:
                usable = value is None or allowed(value)
            except TypeError:  # an author's option of another kind, which only has the same name
                continue
            if not usable:
                raise UserError(f"{name}.{option} = {_as_given(value)} cannot be used; give {wanted}")


def _as_given(value: Any) -> str:
    return repr(",".join(map(str, value))) if isinstance(value, (tuple, list)) else str(value)


def explain(
    name: str,
    algorithm: type[Algorithm],
    task_id: str,
    layers: Mapping[str, Mapping[str, Any]],
    overrides: Mapping[str, Any],
) -> list[tuple[str, Any, str]]:
    """Every option with its value and who set it. Raises UserError as `resolve` does."""
    defaults(algorithm.Config)
    resolved = resolve(name, algorithm, task_id, layers, overrides)
    return [
        (field.name, getattr(resolved.config, field.name), resolved.sources.get(field.name, "default"))
        for field in fields(algorithm.Config)
    ]


def task_settings(algorithm: type[Algorithm], task_id: str) -> list[tuple[str, Mapping[str, Any]]]:
    """What the algorithm's SETTINGS say for the task, as (source, options); later ones override earlier
    ones. Which copy of its data a task is trained on does not matter here.
    """
    base = task_id.partition("@")[0]
    return [
        (settings.source, options)
        for settings in _table(algorithm)
        for glob, options in settings.tasks.items()
        if fnmatchcase(base, glob)
    ]


def _table(algorithm: type[Algorithm]) -> Sequence[Settings]:
    """SETTINGS of the algorithm's file. Raises UserError where it has not the form that Algorithm says."""
    table = getattr(sys.modules.get(algorithm.__module__), "SETTINGS", ())
    if isinstance(table, Mapping):  # without a source
        table = [Settings("SETTINGS of the algorithm's file", table)]
    if not isinstance(table, Sequence) or not all(map(_well_formed, table)):
        raise UserError(
            f"SETTINGS of the file of {algorithm.__name__} has another form than "
            "[Settings(source, {glob: {option: value}}), ...] or {glob: {option: value}}; mend SETTINGS"
        )
    return table


def _well_formed(entry: object) -> bool:
    if not isinstance(entry, Settings) or not isinstance(entry.tasks, Mapping):
        return False
    return all(isinstance(options, Mapping) for options in entry.tasks.values())


def parse_overrides(
    items: Sequence[str], algorithms: Mapping[str, type[Algorithm]]
) -> dict[str, dict[str, Any]]:
    """`["iql.expectile=0.8", "hidden=64,64"]` -> the options of every algorithm.

    Without the name of an algorithm an option goes to all that have it. Raises UserError for an unknown
    algorithm, an option that nobody has, or a value of the wrong type.
    """
    result: dict[str, dict[str, Any]] = {name: {} for name in algorithms}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals:
            raise UserError(f"--set {item!r} has no value; write --set ALGORITHM.OPTION=VALUE")
        owner, dot, option = key.rpartition(".")
        if dot and owner not in algorithms:
            raise unknown("algorithm", owner, algorithms)
        owners = [owner] if dot else [n for n, a in algorithms.items() if option in _options(a.Config)]
        if not owners:
            raise unknown("option", option, {o for a in algorithms.values() for o in _options(a.Config)})
        for name in owners:
            result[name][option] = parse_option(name, algorithms[name].Config, option, text)
    return result


def parse_inferences(items: Sequence[str], name: str, algorithm: Algorithm) -> list[Any]:
    """`["sorl.steps=1,2", "sorl.candidates=1,4"]` -> the default setting and every combination."""
    default = algorithm.Inference()
    grid: dict[str, list[Any]] = {}
    for item in items:
        key, _, text = item.partition("=")
        owner, _, option = key.rpartition(".")
        if owner == name:
            grid[option] = [parse_option(name, algorithm.Inference, option, part) for part in text.split(",")]
    settings = [default]
    for values in product(*grid.values()):
        setting = algorithm.Inference(**dict(zip(grid, values, strict=True)))
        if setting not in settings:
            settings.append(setting)
    try:
        for setting in settings:
            algorithm.check_inference(setting)
    except ValueError as error:
        raise UserError(f"{name}: inference {error}") from error
    return settings


def check_inference_items(items: Sequence[str], names: Sequence[str]) -> None:
    """Raise UserError for `--inference` items that are not ALGORITHM.OPTION=VALUES of a chosen algorithm."""
    for item in items:
        key, equals, _ = item.partition("=")
        owner, dot, _ = key.rpartition(".")
        if not equals or not dot:
            raise UserError(f"--inference {item!r} is not of the form ALGORITHM.OPTION=VALUE,VALUE")
        if owner not in names:
            raise unknown("algorithm", owner, names)


def parse_option(owner: str, config: type, option: str, text: str) -> Any:
    """The value of an option from its text, by the type in the dataclass. Raises UserError."""
    types_ = _options(config)
    if option not in types_:
        raise UserError(f"{owner} has no option {option!r}; it has: {', '.join(sorted(types_)) or 'none'}")
    try:
        return _parse(types_[option], text)
    except ValueError:
        wanted = _type_name(types_[option])
        raise UserError(f"{owner}.{option} = {text!r} is not {wanted}; give {wanted}") from None


def defaults(config: type) -> dict[str, Any]:
    """Option -> default value; raises UserError where an option has none."""
    for field in fields(config):
        if field.default is MISSING:
            raise UserError(
                f"{config.__qualname__}.{field.name} has no default value; every option needs one"
            )
    return {field.name: field.default for field in fields(config)}


_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBERS = {int: "whole numbers", float: "numbers"}


def _options(config: type) -> dict[str, Any]:
    hints = get_type_hints(config)
    return {field.name: hints[field.name] for field in fields(config)}


def _parse(kind: Any, text: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if text.lower() == "none":
            return None
        return _parse(next(a for a in arguments if a is not type(None)), text)
    if origin is Literal:
        for value in arguments:
            if str(value) == text:
                return value
        raise ValueError(text)
    if origin is tuple:
        return tuple(_parse(arguments[0], part) for part in text.split(",") if part)
    if kind is bool and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if kind is float and math.isfinite(float(text)):
        return float(text)
    if kind in (int, str):
        return kind(text)
    raise ValueError(text)


def _type_name(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join("none" if a is type(None) else _type_name(a) for a in arguments)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is tuple:
        return f"a list of {_NUMBERS.get(arguments[0], 'values')} such as 64,64"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}.get(
        kind, str(kind)
    )
