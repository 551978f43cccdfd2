"""A table as a page shows it, and the same table as CSV, Markdown and LaTeX."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.stats import Estimate
from bench.tables import Entry, Sheet, latex, markdown

FORMATS = {"csv": "CSV", "tex": "LaTeX", "md": "Markdown"}


@dataclass(frozen=True)
class Mark:
    """Something that a reader must know of a cell: said in words, and by a sign where there is one."""

    text: str  # "3 of 5 seeds"
    sign: str = ""  # † or ‡


@dataclass(frozen=True)
class Bar:
    """An interval as a small picture: all three on the scale of the column, 0..1 from left to right."""

    low: float
    value: float
    high: float
    zero: float  # where score 0 is
    one: float  # where score 100 is
    color: str


@dataclass(frozen=True)
class Cell:
    """One cell; names in it are plain text."""

    text: str
    interval: str = ""
    small: str = ""  # words below the text
    full: str = ""  # in downloads instead of the text and the words below it
    bold: bool = False
    marks: tuple[Mark, ...] = ()
    href: str = ""
    sort: float | str | None = None  # what the column is sorted by, where it is not the text
    shade: float | None = None  # background: 1 blue, -1 orange
    dot: str = ""  # colour of the algorithm
    bar: Bar | None = None
    badge: str = ""  # kind of a badge around the text
    tag: str = ""  # words in a badge below the text: whose the row is; part of `full`
    code: bool = False

    @property
    def bare(self) -> bool:
        """Whether it is its text and nothing else, as most cells are."""
        return not (
            self.interval or self.small or self.bold or self.marks or self.href or self.dot or self.bar
            or self.badge or self.tag or self.code
        )  # fmt: skip

    @property
    def key(self) -> str:
        """What a browser sorts by: a number where the cell holds one, empty where it holds nothing."""
        if isinstance(self.sort, float):
            return "" if math.isnan(self.sort) else f"{self.sort:.6g}"
        return (self.full or self.text) if self.sort is None else self.sort


@dataclass(frozen=True)
class Line:
    """One row of a table."""

    cells: Sequence[Cell]  # the first names the row
    facts: tuple[tuple[str, str], ...] = ()  # what it can be filtered by


@dataclass(frozen=True)
class Table:
    """A table with all that must stand under it."""

    title: str
    head: Sequence[str]
    lines: Sequence[Line]
    foot: Sequence[str] = ()
    notes: Sequence[str] = ()  # of the downloads only; pages show them once
    numeric: frozenset[str] = frozenset()  # heads of columns of numbers: set to the right, sorted downwards
    stem: str = ""  # of the downloads, below the site's folder; empty: none
    kind: str = ""  # class of the style sheet
    sortable: bool = True


EMPTY = Cell("–", sort=math.nan)


def number(e: Estimate, scale: int = 100, marks: tuple[Mark, ...] = (), shade: float | None = None) -> Cell:
    """An estimate: scores times 100 with one decimal, probabilities (scale 1) with two."""
    if math.isnan(e.value):
        return replace(EMPTY, marks=marks)
    digits = 1 if scale == 100 else 2
    value, low, high = (f"{x * scale:z.{digits}f}" for x in (e.value, e.low, e.high))
    interval = "" if math.isnan(e.low) else f"[{low}, {high}]"
    return Cell(value, interval, bold=e.bold, marks=marks, sort=e.value * scale, shade=shade)


def write_downloads(table: Table, folder: Path) -> list[str]:
    """Write the table in its formats; the paths below `folder`."""
    writers = {
        "csv": _csv,
        "tex": lambda table: latex(_sheet(table)),
        "md": lambda table: markdown(_sheet(table)),
    }
    paths = [f"{table.stem}.{ending}" for ending in FORMATS]
    for path, ending in zip(paths, FORMATS, strict=True):
        text = writers[ending](table)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", errors="replace", newline="\n")
    return paths


def _sheet(table: Table) -> Sheet:
    rows = [(_words(line.cells[0]), [_entry(cell) for cell in line.cells[1:]]) for line in table.lines]
    return Sheet(table.title, table.head[0], table.head[1:], rows, table.foot, table.notes)


def _words(cell: Cell) -> str:
    """The text with its marks: a sign alone where there is one."""
    signs = "".join(dict.fromkeys(mark.sign for mark in cell.marks))
    said = "; ".join(mark.text for mark in cell.marks if not mark.sign)
    said = "; ".join(filter(None, ["" if cell.full else cell.small, said]))
    return (cell.full or cell.text) + (f" {signs}" if signs else "") + (f" ({said})" if said else "")


def _entry(cell: Cell) -> Entry:
    return Entry(_words(cell), cell.interval, cell.bold)


def _csv(table: Table) -> str:
    """One line per row; a column with intervals is three, and remarks stand in a column beside theirs."""
    columns = list(zip(*(line.cells for line in table.lines), strict=True))
    head, parts = [], []
    for name, cells in zip(table.head, columns or [()] * len(table.head), strict=True):
        split = any(cell.interval for cell in cells)
        marked = any(cell.marks or (cell.small and not cell.full) for cell in cells)
        head += [name, *([f"{name} low", f"{name} high"] if split else [])] + [f"{name}, remarks"] * marked
        parts.append((split, marked))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_inert, head))
    for line in table.lines:
        values: list[str] = []
        for cell, (split, marked) in zip(line.cells, parts, strict=True):
            values.append(_inert("" if cell is EMPTY else cell.full or cell.text))
            if split:
                values += cell.interval.strip("[]").split(", ") if cell.interval else ["", ""]
            if marked:
                remarks = filter(None, ["" if cell.full else cell.small, *(mark.text for mark in cell.marks)])
                values.append(_inert("; ".join(remarks)))
        writer.writerow(values)
    return text.getvalue()


def _inert(text: str) -> str:
    """The text, so that no spreadsheet takes a name for a formula; numbers stay as they are."""
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
    return text
