"""Parts that several kinds of pages share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench import report
from bench.leaderboard.board import Board, run_key
from bench.leaderboard.tables import Cell, Mark
from bench.records import RunRecord
from bench.scores import BADGE, Row, Scores
from bench.stats import Summary


@dataclass(frozen=True)
class Stroke:
    """A line of a sketch, which is 300 wide and 100 high."""

    points: str  # of a polyline
    kind: str  # class of the style sheet


@dataclass(frozen=True)
class Picture:
    """A plot: a file that is always there, and where scripts run a figure that answers to the reader."""

    stem: str  # of the SVG, below the site's folder
    alt: str
    caption: str
    figure: dict[str, Any] | None = None
    sketch: Sequence["Stroke"] = ()  # instead of a file: the picture itself
    wide: bool = False  # the figure needs more room than a phone has


@dataclass(frozen=True)
class Crumb:
    """A step of the way from the front page."""

    text: str
    href: str


HOME = Crumb("Leaderboard", "index.html")


def foot(board: Board, summary: Summary) -> list[str]:
    """The sentences under every table of the report, and for reported rows whose they are."""
    said = report.foot(summary)
    if summary is not board.published:
        return said
    return ["All scores of this table are reported by others, on the scale of the suite.", *said[1:]]


def short_names(rows: Sequence[Row]) -> list[str]:
    """Heads of columns: labels, of reported rows without the source where the rest tells them apart."""
    names = [row.label.removesuffix(f" {BADGE}{row.source}]") for row in rows]
    return names if len(set(names)) == len(names) else [row.label for row in rows]


def part_stem(board: Board, summary: Summary, what: str) -> str:
    """The start of the names of files about one part of a suite's page, under one protocol."""
    part = "reported" if summary is board.published else summary.scores.protocol.name
    return f"{board.stem}-{part}-{what}"


def heading(board: Board, summary: Summary) -> str:
    """What the titles of tables begin with: the suite, and what must be known of all of its numbers."""
    return summary.scores.heading + ", reported by others" * (summary is board.published)


def suite_crumb(board: Board) -> Crumb:
    """The page of the suite."""
    return Crumb(board.suite, f"{board.stem}/index.html")


def task_href(board: Board, task: str) -> str:
    """The page of a task, below the site's folder; empty where it has none."""
    stem = board.task_stems.get(task)
    return f"{board.stem}/tasks/{stem}.html" if stem else ""


def algorithm_href(board: Board, algorithm: str) -> str:
    """The page of an algorithm in this suite; empty where it has none."""
    stem = board.algorithm_stems.get(algorithm)
    return f"{board.stem}/algorithms/{stem}.html" if stem else ""


def run_cell(board: Board, run: RunRecord) -> Cell:
    """A link to the page of a run."""
    href = f"{board.stem}/runs/{board.run_stems[run_key(run)]}.html"
    marks = () if run.finished else (Mark("not finished"),)
    return Cell(str(run.info["id"]), href=href, code=True, marks=marks)


def row_cell(board: Board, row: Row, marks: tuple[Mark, ...] = ()) -> Cell:
    """The name of a row with its colour, as a link to the page of its algorithm."""
    return Cell(
        row.algorithm,
        small="" if row.source else row.label.removeprefix(row.algorithm).strip(),
        tag=f"reported: {row.source}" if row.source else "",
        full=row.label,
        href=algorithm_href(board, row.algorithm),
        dot=board.look[row].color,
        marks=marks,
    )


def protocol_cell(scores: Scores) -> Cell:
    """The protocol, and that its scores are too good where they are."""
    return Cell(scores.protocol.name, marks=(Mark("optimistic"),) * scores.protocol.optimistic)


def settings_cell(scores: Scores, row: Row) -> Cell:
    """Whose settings the row has."""
    kind = scores.settings(row)
    return Cell(kind, badge="plain" if kind == "paper" else "settings")
