"""What a sweep may choose from: `--space beta=1,3,10` and `--space lr=1e-5..1e-3:log`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

from bench.errors import UserError, unknown
from bench.registry import Entry
from bench.settings import defaults, parse_option

LARGEST = 10_000  # trials of a sweep
Setting = Mapping[str, Any]  # option -> value


@dataclass(frozen=True)
class Choices:
    """The values that an option may take, in the order in which they were given."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """All numbers from low to high, both included; whole ones where both ends are."""

    low: float
    high: float
    log: bool  # equally many of every power of ten

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


Space = Mapping[str, Choices | Range]


def parse_space(items: Sequence[str], entry: Entry) -> dict[str, Choices | Range]:
    """The axes of a sweep of the algorithm. Raises UserError for what is no axis of it."""
    space: dict[str, Choices | Range] = {}
    for item in items:
        key, equals, text = item.partition("=")
        option = key.removeprefix(f"{entry.name}.")
        if not equals or not text:
            raise UserError(
                f"--space {item!r} has no values; write OPTION=VALUE,VALUE or OPTION=LOW..HIGH or "
                "OPTION=LOW..HIGH:log"
            )
        if option not in {field.name for field in fields(entry.algorithm.Config)}:
            raise unknown(f"option of {entry.name}", option, (f.name for f in fields(entry.algorithm.Config)))
        if option in space:
            raise UserError(f"--space names {option} twice; give all its values at once")
        space[option] = _range(entry, option, text) if ".." in text else _choices(entry, option, text)
    if not space:
        raise UserError("nothing to choose from is given; name at least one --space OPTION=VALUE,VALUE")
    return space


def size(space: Space) -> float:
    """How many settings there are; infinite where a range is among the axes."""
    return math.prod(len(axis.values) if isinstance(axis, Choices) else math.inf for axis in space.values())


def grid(space: Space) -> list[Setting]:
    """Every setting, the last axis varying fastest. Raises UserError where there are endlessly many."""
    ranges = [option for option, axis in space.items() if isinstance(axis, Range)]
    if ranges:
        raise UserError(
            f"{ranges[0]} is a range, which no grid holds; list its values, or give --search random or tpe "
            "with --trials N"
        )
    if size(space) > LARGEST:
        raise UserError(f"the grid has {size(space):,} settings; at most {LARGEST:,} are allowed, list fewer")
    return list(_combinations(space))


def _combinations(space: Space) -> Iterator[Setting]:
    for values in product(*(axis.values for axis in space.values() if isinstance(axis, Choices))):
        yield dict(zip(space, values, strict=True))


def as_text(value: Any) -> str:
    """A value as `--set` takes it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def label(setting: Setting) -> str:
    """`beta=3.0, expectile=0.7`."""
    return ", ".join(f"{option}={as_text(value)}" for option, value in setting.items())


def _choices(entry: Entry, option: str, text: str) -> Choices:
    """The values between commas; of an option that is a list itself, between semicolons."""
    lists = isinstance(defaults(entry.algorithm.Config)[option], tuple)
    parts = text.split(";") if lists else text.split(",")
    values = tuple(parse_option(entry.name, entry.algorithm.Config, option, part) for part in parts)
    if len(set(values)) < len(values):
        raise UserError(f"--space {option}={text} names a value twice; name each once")
    return Choices(values)


def _range(entry: Entry, option: str, text: str) -> Range:
    span, colon, scale = text.partition(":")
    low, high = (parse_option(entry.name, entry.algorithm.Config, option, end) for end in span.split("..", 1))
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if not numbers or (colon and scale != "log"):
        raise UserError(
            f"--space {option}={text} is no range; write LOW..HIGH or LOW..HIGH:log, for numbers only"
        )
    if not low < high or (colon and low <= 0):
        raise UserError(
            f"--space {option}={text}: the first end has to be below the second"
            + (", and above 0 with :log" if colon else "")
        )
    return Range(low, high, bool(colon))
