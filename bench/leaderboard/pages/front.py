"""The front page: one table over all suites, algorithms, protocols and sources."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.bootstrap import REPLICATES
from bench.captions import seed_count, seeds_of
from bench.leaderboard.board import Board, Known
from bench.leaderboard.pages import reported
from bench.leaderboard.pages.parts import protocol_cell, row_cell, settings_cell
from bench.leaderboard.tables import EMPTY, Bar, Cell, Line, Table, number
from bench.leaderboard.words import MEAN_ONLY, bar, counted, marks_of, metric_cell, notices, span_of
from bench.records import inference_label
from bench.scores import Row
from bench.stats import Estimate, Summary

HERE, ELSEWHERE = "run here", "reported"
HEAD = (
    "Algorithm", "Source", "Suite", "IQM", "95% interval", "Mean", "Tasks", "Seeds", "Settings", "Family",
    "Protocol", "Test time",
)  # fmt: skip
NUMERIC = frozenset({"IQM", "Mean", "Tasks", "Seeds"})
BEST = 5  # algorithms of a suite that its card names


@dataclass(frozen=True)
class Filter:
    """A choice above the table: rows whose fact has the chosen value stay."""

    fact: str
    label: str
    values: Sequence[str]
    chosen: str = ""  # at first; empty: all


def context(
    boards: Sequence[Board],
    known: Known,
    protocols: Sequence[str],
    unusable: Sequence[str],
    twins: Sequence[str] = (),
) -> Any:
    """What the template of the front page shows."""
    lines = [line for board in boards for line in _lines(board, known)]
    table = Table(
        "All results", HEAD, lines, FOOT, numeric=NUMERIC, stem="tables/all-results", kind="results"
    )
    return {
        "title": "Offline RL leaderboard",
        "cards": [_card(board, known) for board in boards],
        "table": table,
        "filters": _filters(lines, protocols),
        "twins": twins,
        "notices": [
            (board.suite, f"{board.stem}/index.html", said)
            for board in boards
            if board.first and (said := notices(board.first))
        ],
        "unusable": unusable,
        "statement": _statement(boards),
    }


FOOT = (
    "IQM: interquartile mean over the runs of all tasks of the suite, with its 95% stratified bootstrap "
    "interval; scores are points, 0 a uniformly random policy (or no success), 100 the best known (or "
    "success in every episode). Lines of different suites or protocols do not compare. Bold: the best of its "
    "suite, and whatever cannot be told from it.",
    "Reported lines hold numbers that others have published, with data, code and protocol of their own.",
)


def _statement(boards: Sequence[Board]) -> str:
    runs = sum(len(board.runs) for board in boards)
    algorithms = {str(run.info["algorithm"]) for board in boards for run in board.runs}
    tasks = sum(len(board.task_stems) for board in boards)
    return (
        f"{counted(len(algorithms), 'algorithm')} on {counted(tasks, 'task')} in "
        f"{counted(len(boards), 'suite')}, from {counted(runs, 'recorded run')}."
    )


def _card(board: Board, known: Known) -> dict[str, Any]:
    """A suite in short, with its best algorithms."""
    summary = board.first
    best: list[tuple[Cell, Cell]] = []
    if summary:
        rows = [row for row in summary.order if row in summary.aggregates]
        span = span_of(summary.aggregates[row]["IQM"] for row in rows)
        for row in rows[:BEST]:
            e = summary.aggregates[row]["IQM"]
            best.append((row_cell(board, row), Cell(f"{100 * e.value:z.1f}", bar=_bar(board, row, e, span))))
    best = best or _best_reported(board, known)
    return {
        "suite": board.suite,
        "href": f"{board.stem}/index.html",
        "about": known.suites.get(board.suite, ""),
        "facts": _facts(board),
        "best": best,
        "others": max(0, len(summary.scores.rows) - BEST) if summary else 0,
        "caption": _caption(board, bool(best)),
    }


def _best_reported(board: Board, known: Known) -> list[tuple[Cell, Cell]]:
    """Of a suite without aggregates of its own: the leaders of what others report, by IQM of their seeds or
    else by their means.
    """
    summary = board.published
    if summary and summary.aggregates:
        rows = [row for row in summary.order if row in summary.aggregates][:BEST]
        span = span_of(summary.aggregates[row]["IQM"] for row in summary.aggregates)
        found = [(row, summary.aggregates[row]["IQM"]) for row in rows]
        return [
            (row_cell(board, row), Cell(f"{100 * e.value:z.1f}", bar=_bar(board, row, e, span)))
            for row, e in found
        ]
    every = reported.groups(board, known.tasks.get(board.suite, ()))
    return [
        (Cell(group.algorithm, tag=f"reported: {group.name}"), Cell(f"{100 * group.mean:z.1f}"))
        for group in sorted(every, key=lambda group: -group.mean)[:BEST]
    ]


def _caption(board: Board, shown: bool) -> str:
    """What the numbers of a card are."""
    if board.first and board.first.aggregates:
        protocol = board.first.scores.protocol
        return f"IQM and 95% interval{protocol.mark or f', protocol {protocol.name}'}"
    if board.published and board.published.aggregates:
        tasks = counted(len(board.published.scores.tasks), "task")
        return f"Reported by others, not run here: IQM and 95% interval of their seeds on {tasks}"
    return "Reported by others, not run here: means over what each reports" if shown else ""


def _facts(board: Board) -> str:
    if not board.first:
        return f"{counted(len(board.reported), 'reported score')}; no runs here"
    scores = board.first.scores
    algorithms = len({row.algorithm for row in scores.rows})
    seeds = sorted({len(scores.seeds(row)) for row in scores.rows})
    several = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else counted(seeds[0], "seed")
    return f"{counted(algorithms, 'algorithm')}, {counted(len(scores.tasks), 'task')}, {several}"


def _bar(board: Board, row: Row, e: Estimate, span: tuple[float, float]) -> Bar | None:
    return bar(e, span, board.look[row].color)


def _lines(board: Board, known: Known) -> list[Line]:
    """The lines of a suite: every protocol, then further test-time settings, then what others report."""
    lines = []
    every = [*board.summaries.values()] + ([board.settings] if board.settings else [])
    found = [e["IQM"] for summary in every for e in summary.aggregates.values()]
    span = span_of(found)
    for summary in board.summaries.values():
        lines += [_line(board, known, summary, row, span) for row in summary.order]
    if board.settings and board.first and board.first.scores.inference == "default":
        extra = [row for row in board.settings.order if row.inference not in _defaults(board, row)]
        lines += [_line(board, known, board.settings, row, span) for row in extra]
    return lines + [
        _reported(board, known, group) for group in reported.groups(board, known.tasks.get(board.suite, ()))
    ]


def _defaults(board: Board, row: Row) -> set[str]:
    """The first test-time setting of every run of the row's algorithm, as its label says it."""
    return {
        inference_label(run.info["inferences"][0])
        for run in board.runs
        if run.info["algorithm"] == row.algorithm
    }


def _line(board: Board, known: Known, summary: Summary, row: Row, span: tuple[float, float]) -> Line:
    scores = summary.scores
    about = known.about(row.algorithm)
    family = about.family if about and about.family else "unknown"
    settings = scores.settings(row)
    e = summary.aggregates[row]["IQM"] if row in summary.aggregates else None
    interval = Cell("", bar=_bar(board, row, e, span), sort=math.nan) if e else EMPTY
    have = sum((row, task) in summary.tasks for task in scores.tasks)
    tasks = f"{have}" if have == len(scores.tasks) else f"{have} of {len(scores.tasks)}"
    seeds = min(seed_count(scores, row, task) for task in scores.tasks)  # what a reader can count on
    inference = row.inference or "default"
    cells = [
        row_cell(board, row, marks_of(scores, row)), Cell(HERE),
        Cell(board.suite, href=f"{board.stem}/index.html"),
        metric_cell(summary, row, "IQM"), interval, metric_cell(summary, row, "Mean"),
        Cell(tasks, sort=float(have)), Cell(seeds_of(scores, row), sort=float(seeds)),
        settings_cell(scores, row), Cell(family),
        protocol_cell(scores), Cell(inference),
    ]  # fmt: skip
    facts = {
        "suite": board.suite, "protocol": scores.protocol.name, "family": family, "settings": settings,
        "source": HERE, "inference": inference if inference == "default" else "other", "seeds": str(seeds),
    }  # fmt: skip
    return Line(cells, tuple(facts.items()))


def _reported(board: Board, known: Known, group: reported.Group) -> Line:
    about = known.about(group.algorithm)
    family = about.family if about and about.family else "unknown"
    found = group.aggregate(board.first.replicates if board.first else REPLICATES)
    score = number(found) if found else Cell("–", small=MEAN_ONLY, sort=math.nan)
    of = f"of {counted(len(group.entries), 'reported score')}"
    seeds = max((r.n_seeds or 0 for r in group.entries), default=0)
    cells = [
        Cell(group.algorithm), Cell(f"{ELSEWHERE}, {group.status}", badge=ELSEWHERE, small=group.source),
        Cell(board.suite, href=f"{board.stem}/index.html"), score, EMPTY,
        Cell(f"{100 * group.mean:z.1f}", small=of, sort=100 * group.mean), Cell(str(len(group.entries))),
        Cell(group.seeds or "unknown", sort=float(seeds)), Cell("theirs"), Cell(family),
        Cell(f"theirs, {group.step}" if group.step else "theirs"), Cell("theirs"),
    ]  # fmt: skip
    facts = {
        "suite": board.suite, "protocol": "", "family": family, "settings": "theirs", "source": ELSEWHERE,
        "inference": "default", "seeds": str(seeds),
    }  # fmt: skip
    return Line(cells, tuple(facts.items()))


def _filters(lines: Sequence[Line], protocols: Sequence[str]) -> list[Filter]:
    held: dict[str, set[str]] = {}
    for line in lines:
        for fact, value in line.facts:
            held.setdefault(fact, set()).add(value)
    labels = {
        "suite": "Suite", "protocol": "Protocol", "family": "Family", "settings": "Settings",
        "source": "Source", "inference": "Test time",
    }  # fmt: skip
    both = held.get("source", set()) > {ELSEWHERE}
    chosen = {
        "source": HERE if both else "",
        "protocol": protocols[0] if held.get("protocol", set()) - {""} else "",
        "inference": "default",
    }
    return [
        Filter(fact, label, sorted(held.get(fact, set()) - {""}), chosen.get(fact, ""))
        for fact, label in labels.items()
    ]
