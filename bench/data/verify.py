"""What is wrong in the arrays of a data set: a sentence for each kind of problem, with file, column and row.

Nothing is repaired here and nothing is raised: a file with three problems gets three sentences. Rows and
episodes are counted from 0.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_KINDS = {"b": "bool", "i": "int", "u": "uint", "f": "float"}  # numpy's letters for what holds numbers


@dataclass(frozen=True)
class Column:
    """What one array of a data set has to look like."""

    name: str
    width: int | None  # None: one number per row; -1: any width
    low: float = -math.inf
    high: float = math.inf
    kinds: str = "f"  # numpy dtype kinds that are allowed, such as "f", "b", "iu", "fb"
    dtype: str | None = None  # what the official files have, such as "float32"; None: any of these kinds
    optional: bool = False

    @property
    def shape(self) -> str:
        """`(rows, 5)`."""
        return "(rows,)" if self.width is None else f"(rows, {'any' if self.width == -1 else self.width})"


def check_columns(where: str, arrays: Mapping[str, np.ndarray], columns: Sequence[Column]) -> Iterator[str]:
    """What is wrong with these arrays; nothing where all is well.

    `where` starts every sentence, usually the name of the file. `arrays` may be an open .npz: every array is
    read once. The first column that can be counted says how many rows the others have. Arrays beyond the
    columns are passed over.
    """
    rows = None  # of the first column
    for column in columns:
        if column.name not in arrays:
            if not column.optional:
                known = ", ".join(sorted(arrays)) or "no arrays"
                yield f"{where}: {column.name} is missing; there are {known}"
            continue
        try:
            array = np.asarray(arrays[column.name])
        except Exception as error:  # an .npz reads its arrays only now; damaged bytes raise nearly anything
            yield f"{where}: {column.name} cannot be read ({error})"
            continue
        yield from _check_shape(where, column, array, rows)
        yield from _check_dtype(where, column, array)
        yield from _check_numbers(where, column, array)
        if rows is None and array.ndim:
            rows = len(array)


def _check_shape(where: str, column: Column, array: np.ndarray, rows: int | None) -> Iterator[str]:
    right = array.ndim == (1 if column.width is None else 2)
    if right and column.width not in (None, -1):
        right = array.shape[1] == column.width
    if not right:
        yield f"{where}: {column.name} has the shape {array.shape}; wanted is {column.shape}"
    if array.ndim and rows is None and len(array) == 0:
        yield f"{where}: {column.name} has no rows"
    if array.ndim and rows is not None and len(array) != rows:
        yield f"{where}: {column.name} has {len(array):,} rows; the first column has {rows:,}"


def _check_dtype(where: str, column: Column, array: np.ndarray) -> Iterator[str]:
    if array.dtype.kind not in column.kinds:
        allowed = " or ".join(_KINDS.get(kind, kind) for kind in column.kinds)
        yield f"{where}: {column.name} holds {array.dtype}; allowed is {allowed}"
    elif column.dtype is not None and array.dtype != np.dtype(column.dtype):
        yield f"{where}: {column.name} holds {array.dtype}; the official files hold {column.dtype}"


def _check_numbers(where: str, column: Column, array: np.ndarray) -> Iterator[str]:
    """One row with a number that is not finite, one with a number out of bounds."""
    if array.dtype.kind not in _KINDS or array.ndim not in (1, 2) or array.size == 0:
        return
    with np.errstate(invalid="ignore", over="ignore"):
        least, most = array.min(), array.max()  # NaN if there is one: no temporary array for sound data
        if np.isfinite(least) and np.isfinite(most) and column.low <= least and most <= column.high:
            return
        finite = np.isfinite(array)
        outside = finite & ((array < column.low) | (array > column.high))
    bounds = f"[{column.low:g}, {column.high:g}]"
    for wrong, what in ((~finite, "is not finite"), (outside, f"is outside {bounds}")):
        places = np.flatnonzero(wrong.reshape(len(array), -1).any(axis=1))
        if len(places):
            first = places[0]
            value = np.atleast_1d(array[first])[np.atleast_1d(wrong[first])][0]
            more = _more(len(places) - 1, "row")
            yield f"{where}: {column.name}, row {first:,}: {value!s} {what}{more}"


def check_episode_ends(where: str, ends: np.ndarray, length: int | None) -> Iterator[str]:
    """What is wrong with the flags (N,) that mark the last row of every episode (1 or True there, else 0).

    `length` is the number of rows that every episode has to have, where there is such a number. Flags of
    another shape or kind are left to `check_columns`.
    """
    if ends.ndim != 1 or ends.dtype.kind not in _KINDS or len(ends) == 0:
        return
    strange = np.flatnonzero((ends != 0) & (ends != 1))
    if len(strange):
        more = _more(len(strange) - 1, "row")
        yield f"{where}: end of episode, row {strange[0]:,}: {ends[strange[0]]!s} is neither 0 nor 1{more}"
        return
    last = np.flatnonzero(ends)
    if not ends[-1]:
        yield f"{where}: the last row, {len(ends) - 1:,}, does not end an episode; the file may be cut off"
    lengths = np.diff(last, prepend=-1)
    if length is None:
        wrong, wanted = np.flatnonzero(lengths == 1), "an episode needs two at least"
    else:
        wrong, wanted = np.flatnonzero(lengths != length), f"every episode has {length:,}"
    if len(wrong):
        first = wrong[0]
        size, end = lengths[first], last[first]
        rows = f"{size:,} row{'s' if size > 1 else ''} (row {end - size + 1:,} to {end:,})"
        yield f"{where}: episode {first:,} has {rows}; {wanted}{_more(len(wrong) - 1, 'episode')}"


def _more(count: int, what: str) -> str:
    return f" (and {count:,} more {what}{'s' if count > 1 else ''})" if count else ""


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
