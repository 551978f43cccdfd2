"""Reported scores beside the runs made here: rows of the same `Scores`, each with its source in its name.

Scores of single seeds become rows with all statistics. A mean has none: it is kept in `Scores.reported`,
from where tables take it. Only the runs made here are searched for what is missing or mixed.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bench.errors import UserError, unknown
from bench.plan import select_tasks
from bench.protocol import Protocol
from bench.published.reported import Reported, read_published
from bench.records import RunRecord, no_runs, read_runs
from bench.scores import Cell, Row, Scores, build, shorten
from bench.task import Suite


def load_with_reported(
    results: Path,
    suite: Suite,
    home: Suite,
    protocol: Protocol,
    inference: str = "default",
    globs: str | None = None,
    sources: str | None = None,
    trials: bool = False,
) -> Scores:
    """The scores of the runs made here, if there are any, and those that others report.

    home: the suite that `suite` is a list of tasks of, or `suite` itself. globs: tasks; None: those of the
    runs made here, or all with reported scores where there are no runs. sources: globs of names in
    `results`/published; None: all. trials: with those of sweeps. Raises UserError where nothing is found.
    """
    published, problems = read_published(results, home.name)
    published = _of_sources(published, sources, suite.name)
    chosen = {task.name for task, _ in select_tasks(suite, globs)}
    runs, said = read_runs(results, home.name)
    if globs is not None or suite is not home:
        runs = [run for run in runs if str(run.info.get("task")).partition("@")[0] in chosen]
    if not published:
        problems.append(f"no scores that others report on {suite.name} in results/published: bench import")
    if not runs and not published:
        raise UserError(f"{no_runs(results, suite.name)}. Scores that others report: bench import --help")
    if runs:
        scores = build(runs, shorten(said, results), results, suite.name, protocol, inference, trials=trials)
    else:
        scores = Scores(suite.name, protocol, inference, [], {}, tuple(shorten(said, results)), frozenset())
    scores = replace(scores, notes=(*scores.notes, *problems))
    taken = chosen if globs is not None or not runs else set(scores.tasks)
    words = [r for r in published if r.task not in home.tasks and _matches(r.task, globs)]
    on_tasks = [r for r in published if r.task in suite.tasks and (globs is None or r.task in chosen)]
    # a mean on the published data stands beside runs on a copy of it, in a line of its own
    shown = taken | {task.partition("@")[0] for task in taken}
    return with_reported(scores, on_tasks, taken, shown, words)


def with_reported(
    scores: Scores,
    published: Iterable[Reported],
    tasks: Collection[str],
    shown: Collection[str] | None = None,
    words: Sequence[Reported] = (),
) -> Scores:
    """The scores, and what is reported: single seeds on `tasks` count in the statistics.

    shown: tasks whose reported means stand in the table of tasks, too; None: `tasks`. What is reported on
    other tasks is left out, which a note says. words: in the publications' own words, which are no tasks.
    """
    published = list(published)
    shown = tasks if shown is None else shown
    taken = [r for r in published if r.task in shown]
    steps = _steps(taken)
    cells: dict[tuple[Row, str], Mapping[int, Cell]] = dict(scores.cells)
    kept: dict[tuple[Row, str], Reported] = {}
    notes = list(scores.notes)
    for r in taken:
        key = (row_of(r, steps), r.task)
        if key in kept:
            notes.append(f"{key[0].label} is there twice on {r.task}; the first counts")
        else:
            kept[key] = r
    numbers = _seed_numbers(kept)
    for (row, task), r in kept.items():
        if r.seeds and task in tasks:
            run = _record(r)
            cells[row, task] = {
                numbers[row][name]: Cell(run, {}, numbers[row][name], score, False)
                for name, score in sorted(r.seeds.items())
            }
    left = {r.task for r in published} - set(shown)
    if left:
        notes.append(
            f"scores reported on {len(left)} more tasks, where no run was made here, are left out; "
            "--tasks names them, but a row has aggregates only where it has every task"
        )
    found = replace(scores, cells=cells, reported=kept, words=tuple(words))
    return replace(found, notes=(*notes, *_gaps(found)))


def row_of(r: Reported, steps: Mapping[tuple[str, str], set[str]]) -> Row:
    """The row of a report that the score stands in; the step is named where a source has several."""
    several = len(steps.get((r.name, r.algorithm), ())) > 1
    return Row(r.algorithm, f"step {r.step or 'unknown'}" if several else "", 0, "", r.badge)


def _steps(published: Iterable[Reported]) -> dict[tuple[str, str], set[str]]:
    steps: dict[tuple[str, str], set[str]] = {}
    for r in published:
        steps.setdefault((r.name, r.algorithm), set()).add(r.step)
    return steps


def _seed_numbers(kept: Mapping[tuple[Row, str], Reported]) -> dict[Row, dict[str, int]]:
    """The source's names of seeds as 0, 1, ..., the same for all tasks of a row."""
    names: dict[Row, set[str]] = {}
    for (row, _), r in kept.items():
        names.setdefault(row, set()).update(r.seeds)
    return {row: {name: i for i, name in enumerate(sorted(own, key=_natural))} for row, own in names.items()}


def _natural(name: str) -> tuple[Any, ...]:
    return tuple((part.isdecimal(), part.zfill(40)) for part in re.split(r"(\d+)", name))


def _record(r: Reported) -> RunRecord:
    """In the place of a run: says whose the score is, and has no evaluations."""
    info = {"origin": "reported", "settings": "reported", "suite": r.suite, "task": r.task}
    return RunRecord(
        Path("results/published") / f"{r.name}.csv",
        info | {"algorithm": r.algorithm, "steps": r.step},
        [],
        {},
    )


def _gaps(scores: Scores) -> list[str]:
    """Which tasks a row of single seeds lacks: nothing that a command here could fill."""
    notes = []
    for row in scores.rows:
        lacking = [task for task in scores.tasks if (row, task) not in scores.cells]
        if row.source and lacking:
            shown = ", ".join(lacking[:8]) + (f" and {len(lacking) - 8} more" if len(lacking) > 8 else "")
            notes.append(f"{row.label} reports no seeds on {shown}: no aggregate; --tasks leaves tasks out")
    return notes


def _of_sources(published: Sequence[Reported], globs: str | None, suite: str) -> list[Reported]:
    names = {r.name for r in published}
    for glob in [] if globs is None else globs.split(","):
        if not any(fnmatchcase(name, glob) for name in names):
            raise unknown(f"source of reported scores on {suite}", glob, names)
    return [r for r in published if _matches(r.name, globs)]


def _matches(name: str, globs: str | None) -> bool:
    return globs is None or any(fnmatchcase(name, glob) for glob in globs.split(","))
