"""A CSV of somebody else -> its lines as text, each with its number; what cannot be read is one sentence."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.published.reported import COLUMNS

LARGEST = 20_000_000  # bytes; a hundred thousand scores have a tenth of it
NEEDED = ("algorithm", "task")


@dataclass(frozen=True)
class Line:
    """One line of the file: what its columns hold, stripped; empty where it has no such column."""

    where: str  # `scores.csv, line 7`
    algorithm: str
    task: str
    seed: str
    step: str
    score: str
    mean: str
    std: str
    n_seeds: str
    source: str
    status: str
    suite: str


def read_lines(path: Path) -> tuple[list[Line], list[str]]:
    """All lines below the header, and the columns that are passed over. Raises UserError."""
    reader = _reader(path, _decoded(path))
    lines: list[Line] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        unused = _check_header(path, header)
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            where = f"{path}, line {reader.line_num}"
            if len(fields) != len(header):
                raise UserError(
                    f"{where}: {len(fields)} fields, but the header has {len(header)}; put quotes around a "
                    "text that holds the delimiter, or mend the line"
                )
            held = {name: field.strip() for name, field in zip(header, fields, strict=True)}
            lines.append(Line(where, **{name: held.get(name, "") for name in COLUMNS}))
    except csv.Error as error:
        raise UserError(
            f"{path}, line {reader.line_num + 1} cannot be read as CSV ({error}); mend the line"
        ) from None
    if not lines:
        raise UserError(f"{path} holds no scores below its header; each line is one")
    return lines, unused


def _decoded(path: Path) -> str:
    try:
        if not path.is_file():
            raise UserError(f"{path} is no file; give a CSV of scores")
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise UserError(f"{str(path)!r} cannot be read ({error}); give a CSV of scores") from None
    if len(content) > LARGEST:
        raise UserError(f"{path} has more than {LARGEST:,} bytes; give scores, not curves, or split it")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path} is encoded as UTF-16; save it as UTF-8")
    if (place := content.find(b"\0")) >= 0:
        raise UserError(f"{path}, line {_number(content, place)} holds a NUL byte; give a CSV as UTF-8 text")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _number(content, error.start)
        raise UserError(f"{path}, line {line} is not encoded as UTF-8; save the file as UTF-8") from None


def _number(content: bytes, place: int) -> int:
    return content[:place].count(b"\n") + 1


def _reader(path: Path, text: str) -> Any:
    """Commas, semicolons and tabs are told apart by the header, which has no text with them inside."""
    header = text.lstrip("\r\n").split("\n", 1)[0]
    if not header.strip():
        raise UserError(f"{path} is empty; a CSV of scores starts with its columns: {_wanted()}")
    delimiter = max(",;\t", key=header.count)
    return csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter, strict=True)


def _check_header(path: Path, header: Sequence[str]) -> list[str]:
    """The columns that are passed over. Raises UserError for one that is doubled, missing or misspelled."""
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise UserError(f"{path} has the column {doubled[0]!r} twice; remove one")
    unused = [name for name in header if name not in COLUMNS]
    absent = [name for name in COLUMNS if name not in header]
    for name in unused:
        if near := get_close_matches(name.lower().replace(" ", "_"), absent, n=1, cutoff=0.75):
            raise UserError(
                f"{path} has an unknown column {name[:40]!r}; did you mean {near[0]!r}? {_wanted()}"
            )
    lacking = [name for name in NEEDED if name in absent]
    if "mean" in absent:
        lacking += [name for name in ("seed", "score") if name in absent]
    if lacking:
        shown = ", ".join(header)[:200]
        raise UserError(f"{path} lacks the column {', '.join(lacking)}; it has: {shown}. {_wanted()}")
    return unused


def _wanted() -> str:
    return (
        "A CSV of scores has algorithm, task, seed, score (or mean, std, n_seeds instead of the last two), "
        "and perhaps step, source, status, suite"
    )
