"""`bench regress`: are scores here worse than those of a baseline, said with few false alarms."""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.arguments import points
from bench.drops import drop_p, smallest_p
from bench.errors import UserError
from bench.listing import suite_of
from bench.notes import comparable, listed
from bench.protocol import Protocol, find_protocol
from bench.records import RunRecord, no_runs, read_runs
from bench.reporting import add_results
from bench.scores import Cell, Row, Scores, build, load, shorten, usual_steps
from bench.tables import NO_ENTRY, Entry, Sheet, markdown
from bench.task import Suite
from bench.welch import holm

Status = Literal["identical", "ok", "unclear", "REGRESSED", "missing", "incomparable", "too few seeds"]
UNCHECKED = ("missing", "incomparable", "too few seeds")


@dataclass(frozen=True)
class Compared:
    """One algorithm on one task. Scores and drop are points (0 to 100); None where there is none."""

    task: str
    algorithm: str  # with its settings, as `bench report` prints it
    status: Status
    seeds_baseline: int
    seeds_here: int
    baseline: float | None = None
    here: float | None = None
    drop: float | None = None  # baseline minus here
    p: float | None = None
    p_holm: float | None = None  # corrected for all cells that were tested
    said: str = ""  # what a reader must know besides


@dataclass(frozen=True)
class Regression:
    """All cells of the baseline, held against the scores here."""

    suite: str
    margin: float  # points
    alpha: float
    cells: Sequence[Compared]
    protocol: str
    notes: Sequence[str]

    @property
    def exit_code(self) -> int:
        """0: nothing is worse; 1: something is, or could not be checked; 2: nothing could be checked."""
        statuses = {cell.status for cell in self.cells}
        if statuses <= set(UNCHECKED):
            return 2
        return 1 if statuses & {"REGRESSED", *UNCHECKED} else 0


def add_parser(commands: Any, suites: Mapping[str, Suite]) -> None:
    """Add the command to the subparsers of `bench`."""
    parser = commands.add_parser("regress", help="are the recorded scores worse than those of a baseline")
    add = parser.add_argument
    add("suite", metavar="SUITE")
    add("--against", type=Path, required=True, metavar="FOLDER", help="the baseline: another results folder")
    add("--margin", type=points, default=5.0, metavar="X", help="points that may be lost; default: 5")
    add(
        "--alpha", type=_probability, default=0.05, metavar="P",
        help="chance of any false alarm in the whole report; default: 0.05",
    )  # fmt: skip
    add("--protocol", default="final", help="which number is the score; default: final")
    add("--json", action="store_true", help="for programs")
    add_results(parser)
    parser.set_defaults(command=lambda options: _regress(options, suites))


def _probability(text: str) -> float:
    value = points(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a probability between 0 and 1")
    return value


def _regress(options: argparse.Namespace, suites: Mapping[str, Suite]) -> int:
    suite = suite_of(suites, options.suite)
    protocol = find_protocol(options.protocol)
    found = regress(options.results, options.against, suite, protocol, options.margin, options.alpha)
    if options.json:
        said = asdict(found) | {"exit_code": found.exit_code}
        sys.stdout.write(json.dumps(said, indent=1, allow_nan=False) + "\n")
    else:
        sys.stdout.write(markdown(sheet(found)))
    return found.exit_code


def regress(
    results: Path, against: Path, suite: Suite, protocol: Protocol, margin: float, alpha: float
) -> Regression:
    """Every cell of the baseline `against`, held against the same cell of `results`.

    margin: points. alpha: the chance that any cell is called regressed where none has lost more than the
    margin. Raises UserError where the baseline or the results hold no runs of the suite.
    """
    tasks = None if suite.name == suite.home else suite.tasks
    if not list((against / "runs" / suite.home).glob("*/*/*/run.json")):
        raise UserError(
            f"--against {against} holds no runs of {suite.name}; a baseline is a results folder "
            f"(runs/{suite.home}/...). Make one: bench run {suite.name} ... --results {against}"
        )
    base = load(against, suite.name, protocol, tasks=tasks)
    runs, problems = read_runs(results, suite.home)
    wanted = {(task, row.algorithm) for row, task in base.cells}
    if not runs:
        raise no_runs(results, suite.name)
    runs = [run for run in runs if (run.info.get("task"), run.info.get("algorithm")) in wanted]
    usual = usual_steps(base.runs)  # rows have the same names on both sides
    here = _here(runs, shorten(problems, results), results, suite, protocol, usual)
    cells = [
        _held_against(base, here, row, task, margin, protocol)
        for row, task in sorted(base.cells, key=_by_task)
    ]
    notes = [f"baseline: {note}" for note in base.notes] + list(here.notes)
    return Regression(suite.name, margin, alpha, _corrected(cells, margin, alpha), base.sentence(), notes)


def _here(
    runs: Sequence[RunRecord],
    problems: Sequence[str],
    results: Path,
    suite: Suite,
    protocol: Protocol,
    usual: int,
) -> Scores:
    """The scores of the runs; none where there are none, so that each cell says by which command it comes."""
    if not runs:
        return Scores(suite.name, protocol, "default", [], {}, tuple(problems), frozenset())
    return build(runs, problems, results, suite.name, protocol, usual=usual)


def _by_task(key: tuple[Row, str]) -> tuple[str, Row]:
    return key[1], key[0]


def _held_against(
    base: Scores, here: Scores, row: Row, task: str, margin: float, protocol: Protocol
) -> Compared:
    """One cell, not yet corrected for the others."""
    before, after = _scored(base, row, task), _scored(here, row, task)
    cell = Compared(task, row.label, "ok", len(before), len(after))
    if not after:
        command = base.cells[row, task][min(base.cells[row, task])].run.info["command"]
        return replace(cell, status="missing", said=f"no score here. Run: {command}")
    x, y = (np.array([c.score for c in cells]) for cells in (before, after))
    if before:
        means = 100 * float(x.mean()), 100 * float(y.mean())
        cell = replace(cell, baseline=means[0], here=means[1], drop=means[0] - means[1])
    if differing := _differing(before, after, protocol):
        return replace(cell, status="incomparable", said=f"different {differing}")
    if _episodes(before) == _episodes(after):
        return replace(cell, status="identical")
    if min(len(before), len(after)) < 2:
        return replace(cell, status="too few seeds", said="2 seeds on either side are the least")
    return replace(cell, p=drop_p(100 * x, 100 * y, margin), said=_changed(before, after))


def _scored(scores: Scores, row: Row, task: str) -> list[Cell]:
    return [
        cell for _, cell in sorted(scores.cells.get((row, task), {}).items()) if not math.isnan(cell.score)
    ]


def _differing(before: Iterable[Cell], after: Iterable[Cell], protocol: Protocol) -> str:
    """What keeps the scores from being comparable, in words; empty where nothing does."""
    facts = [
        {repr(sorted(comparable(c.run, protocol).items())): comparable(c.run, protocol) for c in cells}
        for cells in (before, after)
    ]
    pairs = [(a, b) for a in facts[0].values() for b in facts[1].values()]
    wrong = {
        what: (a.get(what, "none"), b.get(what, "none"))
        for a, b in pairs
        for what in sorted(a.keys() | b.keys())
        if a.get(what) != b.get(what)
    }
    return "; ".join(f"{what}: {a} there, {b} here" for what, (a, b) in wrong.items())


def _episodes(cells: Iterable[Cell]) -> list[Any]:
    """Everything that was played, by seed; equal lists mean equal policies as far as they were seen."""
    kept = ("step", "status", "returns", "success", "lengths")
    return [
        (cell.seed, [
            [line[key] for key in kept]
            for line in cell.run.evaluations
            if line["seed"] == cell.seed and line["inference"] == cell.inference
        ])
        for cell in cells
    ]  # fmt: skip


def _changed(before: Sequence[Cell], after: Sequence[Cell]) -> str:
    """What may explain a difference, in words: settings, versions, divergence."""
    old, new = before[0].run.info, after[0].run.info
    said = []
    for what in ("config", "versions"):
        a, b = old.get(what, {}), new.get(what, {})
        said += [
            f"{key} {a.get(key, 'none')} there, {b.get(key, 'none')} here"
            for key in sorted(a.keys() | b.keys())
            if a.get(key) != b.get(key)
        ]
    lost = [cell.seed for cell in after if cell.diverged]
    if lost and not any(cell.diverged for cell in before):
        said.append(f"seeds {listed(lost)} diverged here")
    return "; ".join(said)


def _corrected(cells: Sequence[Compared], margin: float, alpha: float) -> list[Compared]:
    p = [math.nan if cell.p is None else cell.p for cell in cells]
    tests = sum(cell.p is not None for cell in cells)
    result = []
    for cell, corrected in zip(cells, holm(p), strict=True):
        if cell.p is not None and cell.drop is not None:
            status: Status = "REGRESSED" if corrected <= alpha else "unclear" if cell.drop > margin else "ok"
            said = [cell.said] if cell.said else []
            if status == "unclear":
                said.append(_what_would_be_needed(cell, margin, alpha, tests))
            cell = replace(cell, p_holm=corrected, status=status, said="; ".join(said))
        result.append(cell)
    return result


def _what_would_be_needed(cell: Compared, margin: float, alpha: float, tests: int) -> str:
    n, m = cell.seeds_baseline, cell.seeds_here
    if smallest_p(n, m, margin) * tests <= alpha:
        return "a loss, but not beyond chance: more seeds would tell"
    while smallest_p(n, m, margin) * tests > alpha:
        n, m = n + 1, m + 1
    return f"too few seeds for any verdict among {tests} tests: {n} there and {m} here are the least"


def sheet(found: Regression) -> Sheet:
    """The report as a table."""
    rows = [(f"{cell.task} · {cell.algorithm}", _entries(cell)) for cell in found.cells]
    count = {
        s: sum(cell.status == s for cell in found.cells) for s in dict.fromkeys(c.status for c in found.cells)
    }
    foot = [
        "Cells: " + ", ".join(f"{number} {status}" for status, number in count.items()) + ".",
        "Drop: mean of the baseline minus mean here, in points. p: one-sided, for a drop of "
        f"{found.margin:g} or less (bench/drops.py), corrected by Holm's method for all cells with a p. "
        f"REGRESSED: the corrected p is at most {found.alpha:g}, which bounds the chance of any false alarm "
        "here, for seeds that learn or fail and for normal ones. unclear: more than "
        f"{found.margin:g} is lost, but not beyond chance. identical: every episode is equal, and nothing "
        "was tested.",
        found.protocol,
    ]
    notes = [f"{cell.task} · {cell.algorithm}: {cell.said}" for cell in found.cells if cell.said]
    return Sheet(
        f"{found.suite}: against the baseline",
        "Cell",
        ["Seeds", "Baseline", "Here", "Drop", "p", "p (Holm)", "Verdict"],
        rows,
        foot,
        [*notes, *found.notes],
    )


def _entries(cell: Compared) -> list[Entry]:
    numbers = [
        NO_ENTRY if value is None else Entry(f"{value:z.{digits}f}")
        for value, digits in (
            (cell.baseline, 1),
            (cell.here, 1),
            (cell.drop, 1),
            (cell.p, 4),
            (cell.p_holm, 4),
        )
    ]
    bold = cell.status == "REGRESSED"
    return [Entry(f"{cell.seeds_baseline}, {cell.seeds_here}"), *numbers, Entry(cell.status, bold=bold)]
