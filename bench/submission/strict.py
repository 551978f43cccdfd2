"""JSON of a stranger: refused is what JSON does not know, though Python reads it, or no record needs."""

import json
import math
from typing import Any

from bench.submission.archive import HostileArchiveError, shown

DEPTH = 12  # a record has 6
TEXT = 20_000  # characters of one string
DIGITS = 40  # characters of one number
LINE = 2**20  # bytes of one line of evaluations.jsonl
LINES = 200_000


class _RefusedError(ValueError):
    """Why a value is refused."""


def parse(content: bytes, where: str) -> dict[str, Any]:
    """The object that a file holds. Raises HostileArchiveError that names the file as `where`.

    Refused are NaN and infinity, numbers of many digits or beyond the range of a float, names that an object
    has twice, deep nesting, long strings, and strings with control characters, halves of characters, or < and
    >, which would be read as HTML where records are shown.
    """
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
        _check(value)
    except UnicodeDecodeError as error:
        raise HostileArchiveError(f"{where} is not UTF-8; make the archive with bench pack") from error
    except RecursionError as error:
        raise HostileArchiveError(
            f"{where} is nested too deeply; make the archive with bench pack"
        ) from error
    except ValueError as error:
        raise HostileArchiveError(f"{where} is not sound JSON ({shown(str(error))}); pack it anew") from error
    if not isinstance(value, dict):
        raise HostileArchiveError(f"{where} holds no JSON object; make the archive with bench pack")
    return value


def parse_lines(content: bytes, where: str) -> list[dict[str, Any]]:
    """The objects of a file with one per line. Raises HostileArchiveError as `parse` does."""
    if not content:
        return []
    if not content.endswith(b"\n"):
        raise HostileArchiveError(
            f"{where} is cut off in its last line; run its command again and pack it anew"
        )
    if content.count(b"\n") > LINES:
        raise HostileArchiveError(f"{where} has more than {LINES:,} lines; pack runs of fewer seeds")
    lines = content[:-1].split(b"\n")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE:
            raise HostileArchiveError(f"{where}, line {number} is too long; it may have {LINE:,} bytes")
    return [parse(line, f"{where}, line {number}") for number, line in enumerate(lines, 1)]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RefusedError("an object has a name twice")
    return found


def _integer(text: str) -> int:
    value = int(text) if len(text) <= DIGITS else 2**63
    if not -(2**63) <= value < 2**63:
        raise _RefusedError("a number is gigantic")
    return value


def _float(text: str) -> float:
    if len(text) > DIGITS or not math.isfinite(value := float(text)):
        raise _RefusedError("a number is gigantic")
    return value


def _constant(text: str) -> float:
    raise _RefusedError(f"{text} is no number of JSON")


def _check(value: Any) -> None:
    """Walk through a value without recursion. Raises _RefusedError."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > DEPTH:
            raise _RefusedError("nested too deeply")
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, list):
            waiting += [(part, depth + 1) for part in item if isinstance(part, (str, list, dict))]
        elif isinstance(item, dict):
            waiting += [(part, depth + 1) for pair in item.items() for part in pair]


def _check_text(text: str) -> None:
    if len(text) > TEXT:
        raise _RefusedError("a string is too long")
    if not text.isprintable():  # also refuses halves of characters and changes of the writing direction
        raise _RefusedError("a string holds control characters")
    if "<" in text or ">" in text:
        raise _RefusedError("a string holds < or >, as HTML does")
