"""`bench list`: what there is, and what a run would use."""

import argparse
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from bench import settings
from bench.about import about
from bench.algorithm import Algorithm
from bench.data import card
from bench.data.source import Copy
from bench.errors import UserError, unknown
from bench.plan import select_tasks
from bench.registry import find_algorithm
from bench.task import Reference, Suite, Task, missing_data

Suites = Mapping[str, Suite]
Algorithms = Mapping[str, type[Algorithm]]


def add_parser(commands: Any, suites: Suites, algorithms: Algorithms) -> None:
    """The command `list` with everything that it can list."""
    root = commands.add_parser("list", help="what there is: algorithms, suites, tasks, settings of a run")
    kinds = root.add_subparsers(required=True, metavar="WHAT")
    parser = kinds.add_parser("algorithms", help="all algorithms")
    parser.add_argument(
        "--long", action="store_true", help="with file, paper and what each was checked against"
    )
    parser.set_defaults(command=lambda options: _algorithms(algorithms, options.long))
    parser = kinds.add_parser("suites", help="all suites")
    parser.set_defaults(command=lambda options: _suites(suites))
    parser = kinds.add_parser("tasks", help="the tasks of a suite")
    parser.add_argument("suite", metavar="SUITE")
    parser.add_argument("--tasks", metavar="GLOBS", help="such as 'two-*,gamble'; default: all")
    parser.add_argument("--long", action="store_true", help="with scale, versions and a card of the data")
    parser.set_defaults(command=lambda options: _tasks(suites, options))
    parser = kinds.add_parser("settings", help="which options a run would use, and who says so")
    parser.add_argument("algorithm", metavar="ALGORITHM")
    parser.add_argument("task", metavar="SUITE/TASK")
    parser.set_defaults(command=lambda options: _settings(suites, algorithms, options))


def suite_of(suites: Suites, name: str) -> Suite:
    """The suite called `name`. Raises UserError where there is none."""
    if name not in suites:
        raise unknown("suite", name, suites)
    return suites[name]


def _algorithms(algorithms: Algorithms, long: bool) -> int:
    known = {name: about(algorithm) for name, algorithm in algorithms.items()}
    if not long:
        _print_rows({name: each.title for name, each in known.items()})
        return 0
    for name, each in known.items():
        print(f"{name}: {each.title}")
        print(f"  paper: {each.paper}{f', {each.url}' if each.url else ''}")
        if each.file:
            print(f"  file: algorithms/{each.file}; checked against: {each.checked}")
    return 0


def _suites(suites: Suites) -> int:
    _print_rows({name: f"{suite.summary} ({len(suite.tasks)} tasks)" for name, suite in suites.items()})
    return 0


def _tasks(suites: Suites, options: argparse.Namespace) -> int:
    suite = suite_of(suites, options.suite)
    chosen = [task for task, _ in select_tasks(suite, options.tasks)]
    if options.long:
        for task in chosen:
            print("\n".join(_long(task)), end="\n\n")
        return 0
    rows = {task.name: task.summary for task in chosen}
    names = {task.name for task in chosen}
    _print_rows(rows | {a: f"another name of {n}" for a, n in suite.aliases.items() if n in names})
    return 0


def _long(task: Task) -> Iterator[str]:
    """The card of a task, line by line."""
    scale = task.reference
    yield task.id
    yield f"  {task.summary}"
    yield f"  {task.obs_dim} observations, {task.action_dim} actions, at most {task.max_steps:,} steps"
    yield from _wrapped(f"score: {_scale(scale)}; {scale.source}")
    for note in task.notes:
        yield from _wrapped(f"note: {note}")
    if variants := list(task.variants):
        yield from _wrapped(f"options: {', '.join(f'--set task.{choice}' for choice in variants)}")
    copies: Sequence[Copy | None] = task.source.copies() if task.source else [None]
    if not copies and task.source:
        yield from _wrapped(f"data: {missing_data([task.source])}")
    for copy in copies:
        located = task.on(copy) if copy else task
        yield f"  data{f' ({copy.label})' if copy else ''}:"
        dataset = located.load()
        sha256, describe = dataset.sha256(), partial(card.describe, dataset, located.reference)
        yield from (
            f"    {line}" for line in card.lines(card.cached_card(sha256, located.reference, describe))
        )


def _scale(reference: Reference) -> str:
    if reference.of == "success":
        return "success"
    if math.isnan(reference.best):
        return "return"  # the data set decides
    return f"return, {reference.random:g} is 0 and {reference.best:g} is 100"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 110, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _settings(suites: Suites, algorithms: Algorithms, options: argparse.Namespace) -> int:
    entry = find_algorithm(options.algorithm, algorithms)
    task, suite = _named_task(suites, options.task)
    layers = {"suite": suite.settings, "task": task.settings}
    rows = settings.explain(entry.name, entry.algorithm, task.id, layers, {})
    names, values = max(len(row[0]) for row in rows), max(len(str(row[1])) for row in rows)
    for option, value, source in rows:
        print(f"{option:{names}}  {value!s:{values}}  {source}")
    return 0


def _named_task(suites: Suites, name: str) -> tuple[Task, Suite]:
    """The task of `suite/task`, also by its other name. Raises UserError where there is none."""
    home, slash, rest = name.partition("/")
    if not slash:
        raise UserError(f"{name!r} is no task; write SUITE/TASK, such as {_example(suites)}")
    suite = suite_of(suites, home)
    base = rest.partition("@")[0]  # the copy of the data does not matter for settings
    chosen = suite.aliases.get(base, base)
    if chosen not in suite.tasks:
        raise unknown(f"task of {home}", base, suite.tasks)
    return suite.tasks[chosen], suite


def _example(suites: Suites) -> str:
    return next(task.id for suite in suites.values() for task in suite.tasks.values())


def _print_rows(rows: Mapping[str, str]) -> None:
    width = max(map(len, rows))
    for name, summary in rows.items():
        print(f"{name:{width}}  {summary}")
