"""`bench compare`: do two algorithms differ, on which tasks, and were there enough seeds to say so.

With --all it is every pair, over all tasks.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import all_pairs
from bench.arguments import points
from bench.comparison import FORMATS, notes, render
from bench.differences import compare
from bench.errors import UserError, unknown
from bench.listing import suite_of
from bench.notes import lacks
from bench.pairs import compare_all
from bench.plan import select_tasks
from bench.protocol import Protocol, find_protocol
from bench.published import tables as published
from bench.published.rows import load_with_reported
from bench.records import RunRecord, no_runs, read_runs
from bench.reporting import add_results, add_scoring, strict_exit
from bench.scores import BADGE, Row, Scores, build, shorten, usual_steps
from bench.task import Suite


def add_parser(commands: Any, suites: Mapping[str, Suite]) -> None:
    """Add the command to the subparsers of `bench`."""
    parser = commands.add_parser(
        "compare",
        help="two algorithms, or all pairs, from the recorded runs: differences, intervals, seeds needed",
        usage="bench compare A B SUITE [options]\n       bench compare SUITE --all [options]",
    )
    add = parser.add_argument
    add(
        "names", metavar="A B SUITE", nargs="+",
        help="two algorithms as `bench report` prints them, such as 'iql (expectile=0.8)', and a suite; "
        "with --all the suite alone",
    )  # fmt: skip
    add("--all", action="store_true", help="every pair over all tasks, corrected for all pairs")
    add("--tasks", metavar="GLOBS", help="such as 'two-*,gamble'; default: all that one of them has")
    add(
        "--difference", type=points, default=5.0, metavar="X",
        help="points of score (0 to 100) that would matter; default: 5",
    )  # fmt: skip
    add("--format", choices=list(FORMATS), default="md")
    add("--strict", action="store_true", help="exit with 1, and say why, where runs are not comparable (‡)")
    add_scoring(parser)
    add_results(parser)
    parser.set_defaults(command=lambda options: _compare(options, suites))


def _compare(options: argparse.Namespace, suites: Mapping[str, Suite]) -> int:
    if len(options.names) != (1 if options.all else 3):
        raise UserError(
            f"bench compare got {len(options.names)} names ({', '.join(options.names)}); it takes two "
            "algorithms and a suite, or with --all a suite alone. Run: bench compare A B SUITE, or "
            "bench compare SUITE --all"
        )
    suite = suite_of(suites, options.names[-1])
    protocol = find_protocol(options.protocol)
    margin, inference = options.difference / 100, options.inference
    if options.all:
        scores = load_all(options.results, suite, protocol, inference, options.tasks)
        every = compare_all(scores, margin, options.replicates, options.bootstrap)
        text, said = all_pairs.render(every, options.format), all_pairs.notes(every)
    else:
        first, second, _ = options.names
        arguments = (first, second, protocol, inference, options.tasks)
        if BADGE in first + second:
            scores, a, b = load_beside_reported(options.results, suite, suites[suite.home], *arguments)
        else:
            scores, a, b = load(options.results, suite, *arguments)
        found = compare(scores, a, b, margin, options.replicates, options.bootstrap)
        text, said = render(found, options.format), notes(found)
    sys.stdout.write(text)
    return strict_exit(said) if options.strict else 0


def load_all(
    results: Path, suite: Suite, protocol: Protocol, inference: str = "default", globs: str | None = None
) -> Scores:
    """The scores of every row on the tasks that match the globs. Raises UserError where there are fewer than
    two rows or no runs.
    """
    runs, problems = _runs_of(results, suite)
    usual = usual_steps(build(runs, [], results, suite.name, protocol, inference).runs)
    if globs is not None:
        chosen = _copies_by_task(suite, globs)
        runs = [run for run in runs if _is_one_of(run, chosen)]
    if not runs:
        raise UserError(f"no scores on the tasks {globs!r} in {results}. Run: bench run {suite.name}")
    scores = build(runs, shorten(problems, results), results, suite.name, protocol, inference, usual=usual)
    if len(scores.rows) < 2:
        raise UserError(
            f"only {scores.rows[0].label} has runs of {suite.name} in {results}; a comparison takes two. "
            f"Run: bench run {suite.name} ALGORITHM"
        )
    return scores


def _runs_of(results: Path, suite: Suite) -> tuple[list[RunRecord], list[str]]:
    """The runs of the suite, at least one, and what could not be read. Raises UserError."""
    runs, problems = read_runs(results, suite.name.partition("/")[0])
    if suite.name != suite.home:  # a list of tasks of another suite
        runs = [run for run in runs if _is_one_of(run, {name: {""} for name in suite.tasks})]
    if not runs:
        raise no_runs(results, suite.name)
    return runs, problems


def load(
    results: Path,
    suite: Suite,
    a: str,
    b: str,
    protocol: Protocol,
    inference: str = "default",
    globs: str | None = None,
) -> tuple[Scores, Row, Row]:
    """The scores of two rows on the tasks that match the globs, and the rows.

    a, b: labels as in the report on the same records. Raises UserError for a label that it does not have,
    or where there are no runs.
    """
    runs, problems = _runs_of(results, suite)
    everything = build(runs, [], results, suite.name, protocol, inference)
    rows = find_row(everything, a), find_row(everything, b)
    if rows[0] == rows[1]:
        raise UserError(f"{a!r} is given twice; name two different columns of bench report {suite.name}")
    names = {row.algorithm for row in rows}
    runs = [run for run in runs if run.info.get("algorithm") in names]
    if globs is not None:
        chosen = _copies_by_task(suite, globs)
        runs = [run for run in runs if _is_one_of(run, chosen)]
    if not any((row, run.info.get("task")) in everything.cells for run in runs for row in rows):
        have = {task for row, task in everything.cells if row in rows}
        raise UserError(
            f"no scores of {a!r} or {b!r} on the tasks {globs!r} in {results}; they have: "
            f"{', '.join(sorted(have))}"
        )
    said = [text for text in shorten(problems, results) if any(f"/{name}/" in text for name in names)]
    usual = usual_steps(everything.runs)
    scores = build(runs, said, results, suite.name, protocol, inference, rows, usual)
    absent = [
        note for row in rows if row not in scores.rows for note in _without_tasks(everything, scores, row)
    ]
    return replace(scores, notes=(*scores.notes, *absent)), *rows


def load_beside_reported(
    results: Path,
    suite: Suite,
    home: Suite,
    a: str,
    b: str,
    protocol: Protocol,
    inference: str = "default",
    globs: str | None = None,
) -> tuple[Scores, Row, Row]:
    """As `load`, where one of the rows, or both, are reported by others, as in `bench report --reported`."""
    everything = load_with_reported(results, suite, home, protocol, inference, globs or "*")
    for given in (a, b):
        if given in {row.label for row in published.means(everything)}:
            raise UserError(
                f"of {given!r} only means are reported; a comparison needs scores of single seeds"
            )
    rows = find_row(everything, a), find_row(everything, b)
    if rows[0] == rows[1]:
        raise UserError(f"{a!r} is given twice; name two columns of bench report {suite.name} --reported")
    cells = {(row, task): seeds for (row, task), seeds in everything.cells.items() if row in rows}
    reported = {key: r for key, r in everything.reported.items() if key in cells}
    names = [row.label if row.source else f"/{row.algorithm}" for row in rows]
    notes = tuple(note for note in everything.notes if any(name in note for name in names))
    return replace(everything, cells=cells, reported=reported, words=(), notes=notes), *rows


def _without_tasks(everything: Scores, scores: Scores, row: Row) -> Iterator[str]:
    """A note for every task of `scores`, of which the row has none."""
    like = next(cell.run for (r, _), seeds in everything.cells.items() if r == row for cell in seeds.values())
    for task in scores.tasks:
        yield lacks(like.info["suite"], task, row, everything.seeds(row), like, whole=False)


def find_row(scores: Scores, given: str) -> Row:
    """The row with this label, or the only one of the algorithm of this name; marks of the report (†, ‡) may
    stand behind a label. Raises UserError.
    """
    rows = {row.label: row for row in scores.rows}
    name = given.rstrip(" †‡")
    of_algorithm = [row for row in scores.rows if row.algorithm == name]
    if name not in rows and len(of_algorithm) == 1:
        return of_algorithm[0]
    if name not in rows and of_algorithm:
        raise UserError(
            f"{name} has {len(of_algorithm)} columns in the report on {scores.suite}; name one: "
            + ", ".join(f"'{row.label}'" for row in of_algorithm)
        )
    if name not in rows:
        said = unknown(f"column of the report on {scores.suite}", name, rows)
        raise UserError(
            f"{said}. See: bench report {scores.suite}; new ones: bench run {scores.suite} ALGORITHM"
        )
    return rows[name]


def _copies_by_task(suite: Suite, globs: str) -> dict[str, set[str]]:
    """The tasks that match, each with the copies of its data that are meant (empty: any)."""
    chosen: dict[str, set[str]] = {}
    for task, copy in select_tasks(suite, globs):
        chosen.setdefault(task.name, set()).add(copy)
    return chosen


def _is_one_of(run: RunRecord, chosen: Mapping[str, set[str]]) -> bool:
    name, _, copy = str(run.info.get("task")).partition("@")
    return bool(chosen.get(name, set()) & {"", copy})
