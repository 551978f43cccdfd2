"""What a reader must know besides the numbers: what is unfinished, missing or not comparable.

Every note is a sentence that names the run, and gives the command that repairs it where one does.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from bench.protocol import Protocol
from bench.records import EVALUATION_SEEDS, RunRecord, settings_kind

if TYPE_CHECKING:
    from bench.scores import Cell, Row

    Cells = Mapping[tuple[Row, str], Mapping[int, Cell]]


def where(run: RunRecord) -> str:
    """`diagnostic/two-doors/iql`."""
    return f"{run.info['suite']}/{run.info['task']}/{run.info['algorithm']}"


def listed(seeds: Iterable[int], separator: str = ", ") -> str:
    """`0, 1, 2`."""
    return separator.join(str(seed) for seed in seeds)


def unfinished(runs: Iterable[RunRecord]) -> list[str]:
    notes = []
    for run in runs:
        if not run.finished:
            reached = max((line["step"] for line in run.evaluations), default=0)
            seeds, goal = listed(run.info["seeds"]), run.info["steps"]
            notes.append(
                f"results: {where(run)}, run {run.info['id']} is unfinished: seeds {seeds} are evaluated up "
                f"to step {reached:,} of {goal:,}. Run: {run.info['command']}"
            )
    return sorted(notes)


def unfit(runs: Iterable[RunRecord], protocol: Protocol) -> list[str]:
    """Runs that did not plan the evaluations that the protocol needs, each with the command that does."""
    return sorted(
        f"results: {where(run)}, run {run.info['id']} has no score: protocol {protocol.name} needs "
        f"{lacking}. Run: {_repeat(run, {'--evaluations': str(protocol.evaluations)})}"
        for run in runs
        if (lacking := protocol.lacking(run))
    )


def missing(cells: Cells, protocol: Protocol) -> list[str]:
    """Seeds that a row has on one task and not on another, each with the command that adds them.

    Seeds of a run that is still unfinished, or that does not fit the protocol, are named there and not here.
    What one trial of a sweep was not tried on is no gap.
    """
    rows, tasks = sorted({row for row, _ in cells}), sorted({task for _, task in cells})
    suite = next(iter(next(iter(cells.values())).values())).run.info["suite"]
    notes = []
    for row in rows:
        expected = sorted({seed for task in tasks for seed in cells.get((row, task), {})})
        for task in tasks:
            here = cells.get((row, task), {})
            absent = [seed for seed in expected if seed not in here or _is_gap(here[seed], protocol)]
            example = next(cell for t in tasks for cell in cells.get((row, t), {}).values())
            if absent and settings_kind(example.run.info) != "trial":
                notes.append(lacks(suite, task, row, absent, example.run, whole=absent == expected))
    return notes


def _is_gap(cell: Cell, protocol: Protocol) -> bool:
    return math.isnan(cell.score) and cell.run.finished and not protocol.lacking(cell.run)


def lacks(suite: str, task: str, row: Row, seeds: list[int], like: RunRecord, whole: bool) -> str:
    """The note about seeds that a row lacks on a task; the command is that of the run `like`, changed."""
    settings = row.label.removeprefix(row.algorithm)
    what = f"{suite}/{task}/{row.algorithm}{settings}"
    effect = f"; {row.label} has no aggregate without this task" if whole else ""
    option = "--fresh-seeds" if settings_kind(like.info) == "tuned" else "--seeds"
    command = _repeat(like, {"--tasks": task, option: listed(seeds, ",")})
    return f"results: {what} lacks seeds {listed(seeds)}{effect}. Run: {command}"


def _repeat(run: RunRecord, changes: Mapping[str, str]) -> str:
    """The command that made the run, with other values of some options."""
    words = shlex.split(run.info["command"])
    for option, value in changes.items():
        if option in words[:-1]:
            words[words.index(option) + 1] = value
        else:
            words += [option, value]
    return shlex.join(words)


def mixed(cells: Cells, protocol: Protocol) -> tuple[list[str], frozenset[Row | str]]:
    """Notes (‡) about runs that stand in one column, or in one row, and are not strictly comparable."""
    notes: list[str] = []
    flagged: set[Row | str] = set()
    by_task: dict[str, list[Cell]] = {}
    by_algorithm: dict[str, list[Cell]] = {}
    for (row, task), seeds in sorted(cells.items(), key=lambda item: item[0]):
        scored = [cell for cell in seeds.values() if not protocol.lacking(cell.run)]
        by_task.setdefault(task, []).extend(scored)
        by_algorithm.setdefault(row.algorithm, []).extend(seeds.values())
        for what, read in _SAME_IN_A_CELL.items():
            if len({repr(read(cell)) for cell in seeds.values()}) > 1:
                notes.append(f"‡ {row.label} on {task} mixes runs with different {what}")
                flagged |= {row}
    for task, found in sorted(by_task.items()):
        for what, value in _differences(found, protocol):
            notes.append(f"‡ {task} mixes runs with different {what}: {value}")
            flagged |= {task}
    for algorithm, found in sorted(by_algorithm.items()):
        code = _groups((str(cell.run.info["code"])[:8], cell.run.info["task"]) for cell in found)
        if code:
            notes.append(f"‡ {algorithm} mixes runs of different versions of its code: {code}")
            flagged |= {row for row, _ in cells if row.algorithm == algorithm}
    return notes, frozenset(flagged)


def _settings(cell: Cell) -> str:
    return repr(sorted(cell.run.info["config"].items()))


def _inference(cell: Cell) -> str:
    return repr(sorted(cell.inference.items()))


_SAME_IN_A_CELL = {"settings": _settings, "inference settings": _inference}


def _differences(found: Iterable[Cell], protocol: Protocol) -> Iterator[tuple[str, str]]:
    """What the runs of one task do not share, and who has which value."""
    facts: dict[str, list[tuple[str, str]]] = {}
    compared = [(comparable(cell.run, protocol), cell.run.info["algorithm"]) for cell in found]
    for what in {what for known, _ in compared for what in known}:
        facts[what] = [(known.get(what, "not recorded"), algorithm) for known, algorithm in compared]
    for what, pairs in sorted(facts.items()):
        groups = _groups(_shortened(pairs))
        if groups:
            yield what, groups


def _shortened(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Hashes by their first digits, unless those do not tell them apart."""
    short = [(value if " " in value else value[:12], owner) for value, owner in pairs]
    same = len({value for value, _ in short}) < len({value for value, _ in pairs})
    return pairs if same else short


def unequal_steps(cells: Cells, a: Row, b: Row) -> dict[str, tuple[str, str]]:
    """The tasks on which the runs of two rows had different numbers of gradient updates, and the numbers."""
    found = {}
    for task in sorted({task for _, task in cells}):
        had = [{cell.run.info["steps"] for cell in cells.get((row, task), {}).values()} for row in (a, b)]
        if all(had) and had[0] != had[1]:
            first, second = (" or ".join(f"{steps:,}" for steps in sorted(each)) for each in had)
            found[task] = (first, second)
    return found


def comparable(run: RunRecord, protocol: Protocol) -> dict[str, str]:
    """What all runs of a task must share for their scores to stand in one column."""
    task = run.info["task_info"]
    facts = {f"task identity ({key})": str(value) for key, value in task.get("identity", {}).items()}
    reference = task["reference"]
    measure = reference.get("of", "return")
    facts["reference scores"] = f"{measure} from {reference['random']:g} to {reference['best']:g}"
    facts["numbers of episodes"] = str(run.info["episodes"])
    facts["evaluation seeds"] = str(run.info.get("evaluation_seeds", EVALUATION_SEEDS))
    needed = protocol.needed(run)
    first = f"{100 * needed[0] / run.info['steps']:.3g}% of the steps"
    facts["evaluation schedules"] = f"{len(needed)} evaluations, the first at {first}"
    return facts


def _groups(pairs: Iterable[tuple[str, str]]) -> str:
    """`20 (bc, iql); 50 (sorl)`; empty where there is only one value."""
    groups: dict[str, set[str]] = {}
    for value, owner in pairs:
        groups.setdefault(value, set()).add(owner)
    if len(groups) < 2:
        return ""
    return "; ".join(f"{value} ({', '.join(sorted(owners))})" for value, owners in sorted(groups.items()))
