"""The trials of a sweep as runs, their scores from the records, and the best of each task run again."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.plan import Request, Run, plan
from bench.protocol import PROTOCOLS
from bench.records import read_run, run_path
from bench.registry import Entry
from bench.sweep.search import Search
from bench.sweep.space import Setting, Space, as_text, grid
from bench.task import Suite

PROTOCOL = PROTOCOLS["final"]
Train = Callable[[Sequence[Run]], None]  # trains and evaluates what is not finished


@dataclass(frozen=True)
class Sweep:
    """All that was asked for."""

    name: str
    suite: Suite
    entry: Entry
    space: Space
    search: str
    trials: int  # settings to try on each task
    request: Request  # of the trials, with their seeds
    fresh: tuple[int, ...]  # seeds of the runs with the chosen settings
    command: str


@dataclass(frozen=True)
class Trial:
    """One setting on one task."""

    number: int  # from 1
    setting: Setting
    run: Run
    score: float  # mean over its seeds, 0..1; NaN where it failed


@dataclass(frozen=True)
class Tuned:
    """The best setting of a task, and its run with fresh seeds."""

    best: Trial
    run: Run
    score: float


def try_settings(sweep: Sweep, results: Path, train: Train) -> dict[str, list[Trial]]:
    """Every trial, by task. A grid and random settings are the same on all tasks; tpe learns on each."""
    if sweep.search == "tpe":
        return _adaptive(sweep, results, train)
    if sweep.search == "grid":
        settings = grid(sweep.space)
    else:
        search = Search(sweep.space, sweep.search, sweep.suite.name, sweep.entry.name, sweep.name)
        settings = [search.ask() for _ in range(sweep.trials)]
    planned = [(n, setting, run) for n, setting in enumerate(settings, 1) for run in _runs(sweep, setting, n)]
    train([run for _, _, run in planned])
    found: dict[str, list[Trial]] = {}
    for number, setting, run in planned:
        found.setdefault(run.task, []).append(Trial(number, setting, run, score_of(run, results)))
    return found


def _adaptive(sweep: Sweep, results: Path, train: Train) -> dict[str, list[Trial]]:
    tasks = [run.task for run in plan(sweep.suite, [sweep.entry], sweep.request)]
    words = (sweep.suite.name, sweep.entry.name, sweep.name)
    searches = {task: Search(sweep.space, sweep.search, *words, task) for task in tasks}
    found: dict[str, list[Trial]] = {task: [] for task in tasks}
    for number in range(1, sweep.trials + 1):
        asked = {task: search.ask() for task, search in searches.items()}
        runs = {task: _runs(sweep, setting, number, task)[0] for task, setting in asked.items()}
        train(list(runs.values()))
        for task, run in runs.items():
            score = score_of(run, results)
            found[task].append(Trial(number, asked[task], run, score))
            if math.isnan(score):  # what would come next depends on it
                del searches[task]
            else:
                searches[task].tell(score)
    return found


def best_of(trials: Sequence[Trial]) -> Trial:
    """The trial with the highest score; of equal ones the first."""
    return max(trials, key=lambda trial: (trial.score, -trial.number))


def run_again(
    sweep: Sweep, found: Mapping[str, Sequence[Trial]], results: Path, train: Train
) -> dict[str, Tuned]:
    """The best setting of every task of `found` with fresh seeds, by task."""
    best = {task: best_of(trials) for task, trials in found.items()}
    runs = {}
    for task, trial in best.items():
        (planned,) = _plan(sweep, trial.setting, task, sweep.fresh)
        cost = {"trials": len(found[task]), "policies": sum(len(each.run.seeds) for each in found[task])}
        runs[task] = replace(
            planned, settings="tuned", sweep=_part(sweep, trial.number) + tuple(cost.items())
        )
    train(list(runs.values()))
    return {task: Tuned(best[task], run, score_of(run, results)) for task, run in runs.items()}


def score_of(run: Run, results: Path) -> float:
    """The mean score of the seeds of a run; NaN where it is not finished."""
    record, _ = read_run(run_path(results, run.suite, run.task, run.algorithm, run.id))
    if record is None or not record.finished:
        return math.nan
    scores = [PROTOCOL.score(record, seed, dict(run.inferences[0])).value for seed in run.seeds]
    return sum(scores) / len(scores)


def _runs(sweep: Sweep, setting: Setting, number: int, task: str | None = None) -> list[Run]:
    planned = _plan(sweep, setting, task or sweep.request.tasks, sweep.request.seeds)
    return [replace(run, settings="trial", sweep=_part(sweep, number)) for run in planned]


def _plan(sweep: Sweep, setting: Setting, tasks: str | None, seeds: tuple[int, ...]) -> list[Run]:
    given = [f"{sweep.entry.name}.{option}={as_text(value)}" for option, value in setting.items()]
    overrides = [*sweep.request.overrides, *given]
    request = replace(sweep.request, overrides=overrides, tasks=tasks, seeds=seeds)
    return plan(sweep.suite, [sweep.entry], request)


def _part(sweep: Sweep, number: int) -> tuple[tuple[str, Any], ...]:
    """What a record says of its place in the sweep."""
    return (
        ("name", sweep.name),
        ("search", sweep.search),
        ("options", tuple(sweep.space)),
        ("trial", number),
        ("command", sweep.command),
    )
