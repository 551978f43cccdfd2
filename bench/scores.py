"""Records of one suite -> rows (algorithms) x tasks x seeds, with everything that a reader must know.

The only place that decides which run fills which cell. What is missing, doubled, mixed, damaged or
unfinished becomes a note: a sentence that names it and, where one helps, the command that repairs it.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import UserError, unknown
from bench.notes import listed, missing, mixed, unfinished, unfit, where
from bench.protocol import Protocol
from bench.published.reported import Reported
from bench.records import RunRecord, inference_label, no_runs, read_runs, settings_kind, variant_label
from bench.soundness import fault_of, without_damaged_lines

INFERENCES = ("default", "all")
BADGE = "[reported: "  # begins the mark of scores that were not measured here


@dataclass(frozen=True, order=True)
class Row:
    """One line of a report: an algorithm with the settings that set it apart."""

    algorithm: str
    variant: str  # settings given by hand; empty for none
    steps: int  # gradient updates where they are not the suite's usual number, else 0
    inference: str  # test-time setting, only where all of them are reported
    source: str = ""  # where others report the score, the name of their numbers; empty: run here

    @property
    def label(self) -> str:
        """`sorl (expectile=0.8, 2,000 steps) [candidates=4]`, or `SORL [reported: sorl-paper]`."""
        settings = ", ".join(filter(None, [self.variant, f"{self.steps:,} steps" if self.steps else ""]))
        test_time = f" [{self.inference}]" if self.inference else ""
        badge = f" {BADGE}{self.source}]" if self.source else ""
        return self.algorithm + (f" ({settings})" if settings else "") + test_time + badge


@dataclass(frozen=True)
class Cell:
    """One seed of one row on one task, and the run that it comes from."""

    run: RunRecord
    inference: Mapping[str, Any]
    seed: int
    score: float  # 0 uniformly random, 1 best known; NaN where the protocol's evaluations are missing
    diverged: bool


@dataclass(frozen=True)
class Scores:
    """All cells of one suite under one protocol."""

    suite: str
    protocol: Protocol
    inference: str  # "default" or "all"
    runs: Sequence[RunRecord]
    cells: Mapping[tuple[Row, str], Mapping[int, Cell]]  # by row and task, then by seed
    notes: Sequence[str]
    flagged: frozenset[Row | str]  # rows and tasks whose runs are not strictly comparable
    reported: Mapping[tuple[Row, str], Reported] = field(default_factory=dict)  # single seeds are cells, too
    words: Sequence[Reported] = ()  # reported in the publications' own words: no task of the suite

    @cached_property
    def rows(self) -> list[Row]:
        return sorted({row for row, _ in self.cells})

    @cached_property
    def tasks(self) -> list[str]:
        return sorted({task for _, task in self.cells})

    def seeds(self, row: Row) -> list[int]:
        """Every seed that the row has on any task."""
        return sorted({seed for task in self.tasks for seed in self.cells.get((row, task), {})})

    def matrix(self, row: Row) -> np.ndarray:
        """Scores (seeds, tasks) in the order of `seeds(row)` and `tasks`; NaN where there is none."""
        return np.array(
            [
                [cell.score if (cell := self._cell(row, task, seed)) else math.nan for task in self.tasks]
                for seed in self.seeds(row)
            ]
        )

    def diverged(self, row: Row, task: str | None = None) -> int:
        """How many diverged seeds enter the row (on one task)."""
        tasks = self.tasks if task is None else [task]
        return sum(cell.diverged for t in tasks for cell in self.cells.get((row, t), {}).values())

    def settings(self, row: Row) -> str:
        """Whose settings the row has: `paper`, `suite`, `by hand`, `trial` or `tuned (6 trials)`; several
        where its runs differ, see `records.settings_kind`.
        """
        found = {
            _settings(cell.run.info)
            for task in self.tasks
            for cell in self.cells.get((row, task), {}).values()
        }
        return ", ".join(sorted(found))

    @property
    def heading(self) -> str:
        """The suite, and a mark where the protocol is too good to the scores."""
        return f"{self.suite}{self.protocol.mark}"

    def sentence(self) -> str:
        """What the score is, in one sentence."""
        if not self.runs:
            return "No run was made here: all scores are reported by others, on the scale of the suite."
        return self.protocol.describe(self.runs, self.inference)

    def _cell(self, row: Row, task: str, seed: int) -> Cell | None:
        return self.cells.get((row, task), {}).get(seed)


def load(
    results: Path,
    suite: str,
    protocol: Protocol,
    inference: str = "default",
    tasks: Collection[str] | None = None,
    trials: bool = False,
) -> Scores:
    """The scores of `suite` from the records below `results`; raises UserError where there are none.

    A list of tasks such as `ogbench/sorl` has its records in `ogbench`; `tasks` are then its members.
    """
    runs, problems = read_runs(results, suite.partition("/")[0])
    if tasks is not None:
        runs = [run for run in runs if str(run.info.get("task")).partition("@")[0] in tasks]
    return build(runs, shorten(problems, results), results, suite, protocol, inference, trials=trials)


def build(
    runs: Iterable[RunRecord],
    problems: Sequence[str],
    results: Path,
    suite: str,
    protocol: Protocol,
    inference: str = "default",
    rows: Collection[Row] | None = None,
    usual: int | None = None,
    trials: bool = False,
) -> Scores:
    """The scores of the runs of `suite`; `problems` are notes that exist already.

    rows: only these; None: all. usual: gradient updates that no label names; None: those of most seeds.
    trials: also runs that were made to choose settings by. Raises UserError where no run can be scored.
    """
    if inference not in INFERENCES:
        raise unknown("inference", inference, INFERENCES)
    sound, notes = [], list(problems)
    for run in sorted(runs, key=lambda run: (str(run.info.get("created")), str(run.info.get("id")))):
        fault = fault_of(run)
        if fault:
            notes.append(f"results: {_where_on_disk(run)} is left out: {fault}")
        else:
            sound.append(without_damaged_lines(run, notes))
    if not sound:
        raise no_runs(results, suite)
    if not trials:
        sound = _without_trials(sound, notes, results, suite)
    if all(protocol.lacking(run) for run in sound):
        raise _unfit(sound[0], protocol, suite, results)
    usual = usual_steps(sound) if usual is None else usual
    wanted = [(run, _rows(run, usual, inference, rows)) for run in sound]
    sound = [run for run, found in wanted if found]
    cells, doubled = _cells(wanted, protocol)
    not_comparable, flagged = mixed(cells, protocol)
    notes += unfinished(sound) + unfit(sound, protocol) + missing(cells, protocol) + doubled + not_comparable
    return Scores(suite, protocol, inference, sound, cells, tuple(dict.fromkeys(notes)), flagged)


def _settings(info: Mapping[str, Any]) -> str:
    kind = settings_kind(info)
    return f"{kind} ({info['sweep']['trials']} trials)" if kind == "tuned" else kind


def _without_trials(runs: list[RunRecord], notes: list[str], results: Path, suite: str) -> list[RunRecord]:
    """The runs that are no trials of a sweep; how many are is said in `notes`."""
    others = [run for run in runs if settings_kind(run.info) != "trial"]
    left = len(runs) - len(others)
    if not others:
        raise UserError(
            f"all {left} runs of {suite} in {results} are trials of sweeps, whose scores are no results; "
            f"give --trials to bench report to see them, or finish the sweep: {runs[0].info['command']}"
        )
    if left:
        notes.append(
            f"results: {left} runs are trials of sweeps and stand in no row; bench report --trials shows them"
        )
    return others


def _unfit(run: RunRecord, protocol: Protocol, suite: str, results: Path) -> UserError:
    return UserError(
        f"no run of {suite} in {results} can be scored with protocol {protocol.name}: it needs "
        f"{protocol.lacking(run)} ({where(run)}, run {run.info['id']}). Choose another, or run with "
        f"--evaluations {protocol.evaluations}"
    )


def shorten(problems: Iterable[str], results: Path) -> list[str]:
    """The same sentences with paths that do not depend on where the results folder lies."""
    return [problem.replace(f"{Path(results)}/", "results/") for problem in problems]


def _where_on_disk(run: RunRecord) -> str:
    return "/".join(run.path.parts[-4:])


Cells = dict[tuple[Row, str], dict[int, Cell]]


def _cells(
    runs: Sequence[tuple[RunRecord, Sequence[tuple[Row, Mapping[str, Any]]]]], protocol: Protocol
) -> tuple[Cells, list[str]]:
    """The cells, and a note for every seed that was run twice.

    `runs` are ordered by creation, each with its rows and their test-time settings.
    """
    cells: Cells = {}
    doubled: dict[tuple[str, str, str], list[int]] = {}
    for run, found in runs:
        for row, setting in found:
            here = cells.setdefault((row, run.info["task"]), {})
            for seed in run.info["seeds"]:
                score = protocol.score(run, seed, setting)
                new = Cell(run, setting, seed, score.value, score.diverged)
                old = here.get(seed)
                # an earlier run that has no score yet does not stand in the way of one that has
                if old is None or (math.isnan(old.score) and not math.isnan(new.score)):
                    here[seed] = new
                if old is not None:
                    other = run if here[seed] is old else old.run
                    key = (where(run), here[seed].run.info["id"], other.info["id"])
                    doubled.setdefault(key, []).append(seed)
    notes = [
        f"results: {place} has seeds {listed(seeds)} in two runs; run {kept}, the first created that has "
        f"a score, counts and run {other} does not"
        for (place, kept, other), seeds in sorted(doubled.items())
    ]
    return cells, notes


def usual_steps(runs: Iterable[RunRecord]) -> int:
    """The number of updates that most seeds of the suite had; the larger one of a tie."""
    counts: Counter[int] = Counter()
    for run in runs:
        counts[run.info["steps"]] += len(run.info["seeds"])
    return max(counts, key=lambda steps: (counts[steps], steps))


def _rows(
    run: RunRecord, usual: int, inference: str, wanted: Collection[Row] | None
) -> list[tuple[Row, Mapping[str, Any]]]:
    """The rows that the run has a part in, each with its test-time setting."""
    settings = run.info["inferences"] if inference == "all" else run.info["inferences"][:1]
    steps = run.info["steps"] if run.info["steps"] != usual else 0
    found = []
    for setting in settings:
        named = inference_label(setting) if inference == "all" else ""
        row = Row(run.info["algorithm"], variant_label(run.info), steps, named)
        if wanted is None or row in wanted:
            found.append((row, setting))
    return found
