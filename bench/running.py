"""`bench run`: from a request to records, on whatever executor."""

import argparse
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.algorithm import Algorithm
from bench.arguments import positive
from bench.errors import UserError, printable
from bench.executors import choice
from bench.executors.interface import Job
from bench.executors.state import Plan, has_failed
from bench.external import External
from bench.fitting import largest_group
from bench.listing import suite_of
from bench.plan import Request, Run, parse_seeds, plan
from bench.precision import DEFAULT_PRECISION, PRECISIONS, set_precision
from bench.progress import Display
from bench.recorded import is_finished
from bench.registry import Entry, find_algorithm, find_algorithms
from bench.reporting import add_results, in_results
from bench.task import Suite


@dataclass(frozen=True)
class Catalogue:
    """What can be run. usual: names of the algorithms that run where none is named. work: see Job."""

    suites: Mapping[str, Suite]
    algorithms: Mapping[str, type[Algorithm]]
    usual: Sequence[str]
    work: str


def add_parser(commands: Any, catalogue: Catalogue) -> None:
    """Add the command to the subparsers of `bench`."""
    parser = commands.add_parser("run", help="train and evaluate algorithms on the tasks of a suite")
    add = parser.add_argument
    add("suite", metavar="SUITE")
    add("algorithms", nargs="*", metavar="ALGORITHM", help="names or globs; default: all of this project")
    add("--algorithm", action="append", default=[], metavar="FILE.py:CLASS", help="an algorithm of your own")
    add("--tasks", metavar="GLOBS", help="tasks to run, such as 'two-*,gamble'; default: all")
    add("--seeds", default="0-4", metavar="SEEDS", help="such as 0-9 or 0,3; trained together; default: 0-4")
    add("--steps", type=positive, metavar="N", help="gradient updates; default: the suite's")
    add("--evaluations", type=positive, metavar="N", help="evenly spaced; default: the suite's")
    add("--episodes", type=positive, metavar="N", help="per seed and evaluation; default: the suite's")
    add(
        "--set",
        action="append",
        default=[],
        metavar="[ALGORITHM.]OPTION=VALUE",
        help="an option of an algorithm",
    )
    add(
        "--inference",
        action="append",
        default=[],
        metavar="ALGORITHM.OPTION=V,V",
        help="test-time settings to evaluate besides the default, such as sorl.steps=1,2,4",
    )
    add(
        "--precision",
        default=DEFAULT_PRECISION,
        help=f"of matrix products: {', '.join(PRECISIONS)}; default: {DEFAULT_PRECISION}",
    )
    add(
        "--group",
        type=_group,
        metavar="N",
        help="train so many seeds together; auto: as many as fit in memory, on a CPU spread over all cores; "
        "default: all",
    )
    add("--only-failed", action="store_true", help="of these runs, those whose last attempt failed")
    choice.add_options(parser)
    add_results(parser)
    parser.set_defaults(command=lambda options: _run(options, catalogue))


def _run(options: argparse.Namespace, catalogue: Catalogue) -> int:
    device = choice.device_of(options)
    if options.executor != "local" and options.group == "auto":
        raise UserError(
            "--group auto looks at the memory of this machine, where no run will work; give a number"
        )
    suite = suite_of(catalogue.suites, options.suite)
    request = Request(
        tasks=options.tasks,
        seeds=parse_seeds(options.seeds),
        steps=options.steps,
        evaluations=options.evaluations,
        episodes=options.episodes,
        overrides=options.set,
        inferences=options.inference,
        precision=options.precision,
        group=None if options.group == "auto" else options.group,
    )
    set_precision(options.precision, device)
    sources = [*options.algorithms, *options.algorithm] or list(catalogue.usual)
    entries = find_algorithms(sources, catalogue.algorithms)
    runs = plan(suite, entries, request)
    if options.group == "auto":
        runs = _regrouped(suite, entries, request, runs, device, options, catalogue)
    if options.only_failed:
        runs = _only_failed(runs, options.results)
    start = time.monotonic()
    display = carry_out(catalogue.work, runs, device, options)
    done = display.planned - len(display.errors)
    seconds = time.monotonic() - start
    print(f"{done} of {display.planned} runs finished in {seconds:.0f} s{display.share()}", end="; ")
    print(f"records in {options.results}")
    where = in_results(options.results)
    if display.errors:
        again = "with --only-failed" if display.failures else "again"
        print(f"Next: bench status{where}    or the same command {again}")
    print(f"Next: bench report {suite.name}{where}    bench leaderboard{where}")
    return 1 if display.errors else 0


def carry_out(work: str, runs: Sequence[Run], device: str, options: argparse.Namespace) -> Display:
    """Train and evaluate the runs that are not finished yet; what fails is said, and kept in the display.

    options: those of `choice.add_options`, and `results`.
    """
    results = options.results
    _check_writable(results)
    console = Console(stderr=True)
    waiting = [run for run in runs if not is_finished(run, results)]
    _say_finished(console, runs, waiting, results)
    with Display(len(waiting), console) as display:
        if waiting:
            _execute(waiting, device, work, options, display)
    for title, error in display.errors.items():
        console.print(f"{title}: {printable(error)}", markup=False, highlight=False, soft_wrap=True)
    return display


# What `carry_out` is to other commands, once the work is given.
CarryOut = Callable[[Sequence[Run], str, argparse.Namespace], Display]


def _execute(
    waiting: Sequence[Run], device: str, work: str, options: argparse.Namespace, display: Display
) -> None:
    results = options.results
    shares = choice.layout(
        options.executor, device, options.jobs, options.threads, options.workers, len(waiting)
    )
    planned = Plan(results, waiting, shlex.join(["bench", *sys.argv[1:]]), options.executor)
    executor = choice.make_executor(options, device, shares, planned.path, results)
    like = partial(
        Job,
        work=work,
        results=str(results.resolve()),
        device=device,
        threads=options.threads,
        workers=shares.workers,
        folder=os.getcwd(),
        plan=str(planned.path.resolve()),
    )
    with planned:
        executor.execute([like(run) for run in waiting], display)


def _only_failed(runs: Iterable[Run], results: Path) -> list[Run]:
    chosen = [run for run in runs if has_failed(run, results)]
    if not chosen:
        print("none of these runs has failed")
    return chosen


def _regrouped(
    suite: Suite,
    entries: list[Entry],
    request: Request,
    runs: list[Run],
    device: str,
    options: argparse.Namespace,
    catalogue: Catalogue,
) -> list[Run]:
    """The runs in groups of as many seeds as fit in memory, and as few as keep all cores busy."""
    jobs = options.jobs or choice.default_jobs(device, options.threads)
    size = math.ceil(len(request.seeds) / max(1, jobs // len(runs)))
    for entry in entries:
        if issubclass(entry.algorithm, External):  # it trains its seeds in turn: any number of them fits
            continue
        own = next(run for run in runs if run.algorithm == entry.name)
        task = suite.task(own.task)
        make = partial(_instance, catalogue, entry.source, own.config)
        size = min(size, largest_group(make, task.obs_dim, task.action_dim, size, device, jobs))
    return plan(suite, entries, replace(request, group=size))


def _instance(catalogue: Catalogue, source: str, config: Sequence[tuple[str, Any]]) -> Algorithm:
    algorithm = find_algorithm(source, catalogue.algorithms).algorithm
    return algorithm(algorithm.Config(**dict(config)))


def _group(text: str) -> int | str:
    return text if text == "auto" else positive(text)


def _say_finished(console: Console, runs: Sequence[Run], waiting: Sequence[Run], results: Path) -> None:
    left = set(waiting)
    skipped = [run.title for run in runs if run not in left]
    if skipped:
        shown = ", ".join(skipped[:3]) + (", ..." if len(skipped) > 3 else "")
        console.print(
            f"{len(skipped)} of {len(runs)} runs are finished already in {results} and are skipped: {shown}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _check_writable(results: Path) -> None:
    """Raise UserError now rather than after an hour of training."""
    probe = results / "runs" / f".probe-{os.getpid()}"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)  # a process of the same number on another machine may do so, too
    except OSError as error:
        raise UserError(
            f"cannot write into {results} ({error.strerror}); choose another folder with --results"
        ) from error
