"""`bench compare`: do two algorithms differ, on which tasks, and were there enough seeds to say so."""

import argparse
import csv
import io
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.arguments import points
from bench.differences import ALPHA, Comparison, OverallDifference, TaskDifference, Welch, compare
from bench.errors import UserError, unknown
from bench.listing import suite_of
from bench.notes import lacks
from bench.plan import select_tasks
from bench.protocol import Protocol, find_protocol
from bench.records import RunRecord, no_runs, read_runs
from bench.report import entry, label
from bench.reporting import add_results, add_scoring
from bench.scores import Row, Scores, build, shorten, usual_steps
from bench.stats import FEW_SEEDS, Estimate
from bench.tables import NO_ENTRY, Entry, Sheet, latex, markdown
from bench.task import Suite


def add_parser(commands: Any, suites: Mapping[str, Suite]) -> None:
    """Add the command to the subparsers of `bench`."""
    parser = commands.add_parser(
        "compare", help="two algorithms from the recorded runs: differences, intervals, seeds needed"
    )
    add = parser.add_argument
    add("a", metavar="A", help="an algorithm as `bench report` prints it, such as 'iql (expectile=0.8)'")
    add("b", metavar="B")
    add("suite", metavar="SUITE")
    add("--tasks", metavar="GLOBS", help="such as 'two-*,gamble'; default: all that one of them has")
    add(
        "--difference", type=points, default=5.0, metavar="X",
        help="points of score (0 to 100) that would matter; default: 5",
    )  # fmt: skip
    add("--format", choices=list(FORMATS), default="md")
    add_scoring(parser)
    add_results(parser)
    parser.set_defaults(command=lambda options: _compare(options, suites))


def _compare(options: argparse.Namespace, suites: Mapping[str, Suite]) -> int:
    suite = suite_of(suites, options.suite)
    protocol = find_protocol(options.protocol)
    scores, a, b = load(
        options.results, suite, options.a, options.b, protocol, options.inference, options.tasks
    )
    text = render(compare(scores, a, b, options.difference / 100, options.replicates), options.format)
    sys.stdout.write(text)
    return 0


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
    runs, problems = read_runs(results, suite.name.partition("/")[0])
    if suite.name != suite.home:  # a list of tasks of another suite
        runs = [run for run in runs if _is_one_of(run, {name: {""} for name in suite.tasks})]
    if not runs:
        raise no_runs(results, suite.name)
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


def render(comparison: Comparison, fmt: str) -> str:
    """The comparison as md, csv or latex; equal records give equal bytes."""
    return FORMATS[fmt](comparison)


def sheet(c: Comparison) -> Sheet:
    """One line per task, and below them one per aggregate over all tasks."""
    a, b = (label(c.scores, row, diverged=True) for row in (c.a, c.b))
    head = [f"A: {a}", f"B: {b}", "Seeds", "A - B", "p (Holm)", "P(A > B)", "Verdict"]
    rows = [(label(c.scores, t.task), _line(c, t)) for t in c.tasks]
    rows += [(f"all tasks: {overall.name}", _last_line(overall)) for overall in c.overall]
    title = f"{c.scores.suite}: {c.a.label} against {c.b.label}{c.scores.protocol.mark}"
    return Sheet(title, "Task", head, rows, foot(c), notes(c))


def _line(c: Comparison, t: TaskDifference) -> list[Entry]:
    means = [
        _score(float(scores.mean()), c.scores.diverged(row, t.task) > 0) if len(scores) else NO_ENTRY
        for row, scores in ((c.a, t.a), (c.b, t.b))
    ]
    seeds = Entry(f"{len(t.a)} / {len(t.b)}")
    better = NO_ENTRY if math.isnan(t.improvement.value) else entry(t.improvement, scale=1)
    return [*means, seeds, _difference(t.welch), Entry(_p(t.p_holm)), better, Entry(t.verdict)]


def _last_line(overall: OverallDifference) -> list[Entry]:
    numbers = [_score(overall.a), _score(overall.b), NO_ENTRY, _difference(overall.difference)]
    return [*numbers, NO_ENTRY, entry(overall.improvement, scale=1), Entry(overall.verdict)]


def _score(value: float, diverged: bool = False) -> Entry:
    return Entry(f"{100 * value:z.1f}", diverged=diverged)


def _difference(found: Welch | Estimate) -> Entry:
    if math.isnan(found.value):
        return NO_ENTRY
    return entry(Estimate(found.value, found.low, found.high))


def _p(p: float) -> str:
    if math.isnan(p):
        return NO_ENTRY.text
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def foot(c: Comparison) -> list[str]:
    """The sentences under the table: protocol, intervals, tests, what the verdicts mean."""
    x, tests = f"{100 * c.margin:g}", sum(not math.isnan(t.p_holm) for t in c.tasks)
    sentences = [
        c.scores.sentence(),
        "Tasks: the difference of the means over seeds with Welch's 95% t interval (not corrected); p is "
        f"that of Welch's test, corrected by Holm's method for {tests} task{'s' * (tests != 1)}; P is the "
        "probability that a seed of A scores higher than one of B (ties count half), its "
        f"interval from {c.replicates:,} bootstrap replicates.",
        f"Verdict: differs – the corrected p is at most {ALPHA:g}, so that the chance of even one false such "
        f"verdict among equal tasks is at most {ALPHA:.0%}; an uncorrected interval may exclude 0 without "
        f"it. No difference seen of {x} or more – the interval lies between -{x} and {x}. Otherwise there "
        f"are too few seeds; the number named would narrow the interval to ±{x}, if the standard deviations "
        "stay as observed.",
    ]
    compared = [t for t in c.tasks if t.task not in c.scores.flagged]
    if any(len(t.a) > 1 and len(t.b) > 1 and math.isnan(t.welch.low) for t in compared):
        sentences.append(
            "Where no seed of either varies there is no interval: a width of 0 would claim certainty. "
            "There p is that of the exact permutation test, and 1 where both are equal."
        )
    if c.overall:
        sentences.append(
            "All tasks: those on which both can be compared; 95% percentiles of a stratified bootstrap "
            f"(seeds resampled within each task), which are too narrow below {FEW_SEEDS} seeds; verdicts by "
            "the interval."
        )
    broken = [(row, c.scores.diverged(row)) for row in (c.a, c.b) if c.scores.diverged(row)]
    if broken:
        named = ", ".join(f"{row.label} {number}" for row, number in broken)
        sentences.append(f"†: diverged seeds enter as 0 ({named}).")
    if any("‡" in note for note in notes(c)):
        sentences.append(
            "‡: runs that are not strictly comparable stand together; see the notes. A task marked so gets "
            "no difference and no verdict."
        )
    return sentences


def notes(c: Comparison) -> list[str]:
    """What is missing, with the command that adds it, and what is not comparable."""
    return [*c.scores.notes, *_unequal_steps(c)]


def _unequal_steps(c: Comparison) -> Iterator[str]:
    for task in c.scores.tasks:
        had = [
            {cell.run.info["steps"] for cell in c.scores.cells.get((row, task), {}).values()}
            for row in (c.a, c.b)
        ]
        if all(had) and had[0] != had[1]:
            first, second = (" or ".join(f"{steps:,}" for steps in sorted(found)) for found in had)
            yield (
                f"‡ {task}: {c.a.label} was trained for {first} gradient updates and {c.b.label} for {second}"
            )


def _csv(c: Comparison) -> str:
    """Tidy: scores and differences times 100, probabilities from 0 to 1; sentences at the end."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for t in c.tasks:
        means = [100 * float(x.mean()) if len(x) else math.nan for x in (t.a, t.b)]
        numbers = [*means, *_numbers(t.welch, 100), t.welch.p, t.p_holm, *_numbers(t.improvement, 1)]
        writer.writerow(["task", t.task, len(t.a), len(t.b), *map(_number, numbers), t.verdict])
    for o in c.overall:
        numbers = [100 * o.a, 100 * o.b, *_numbers(o.difference, 100), math.nan, math.nan]
        numbers += _numbers(o.improvement, 1)
        writer.writerow(["all tasks", o.name, "", "", *map(_number, numbers), o.verdict])
    for sentence in [*foot(c), *notes(c)]:
        writer.writerow(["note", sentence, *[""] * (len(_COLUMNS) - 2)])
    return text.getvalue()


_COLUMNS = (
    "level", "task", "seeds_a", "seeds_b", "a", "b", "difference", "low", "high", "p", "p_holm",
    "improvement", "improvement_low", "improvement_high", "verdict",
)  # fmt: skip


def _numbers(e: Welch | Estimate, scale: int) -> list[float]:
    return [scale * e.value, scale * e.low, scale * e.high]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "md": lambda c: markdown(sheet(c)),
    "csv": _csv,
    "latex": lambda c: "% needs \\usepackage{booktabs,graphicx,textcomp}\n" + latex(sheet(c)),
}
