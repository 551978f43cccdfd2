"""The command `bench`: the only importer of algorithms/ and suites/."""

import argparse
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

import suites
from algorithms import ALGORITHMS, COUNTERPARTS, EXTERNAL
from bench import listing
from bench.algorithm import Algorithm
from bench.arguments import Parser, positive
from bench.compare import add_parser as add_compare_parser
from bench.conformance import check
from bench.data.commands import add_parser as add_data_parser
from bench.devices import resolve_device
from bench.doctor.commands import add_parser as add_doctor_parser
from bench.errors import UserError
from bench.executors.local import cores, execute_all
from bench.external import External
from bench.fitting import largest_group
from bench.listing import suite_of
from bench.plan import Request, Run, parse_seeds, plan
from bench.precision import DEFAULT_PRECISION, PRECISIONS, set_precision
from bench.progress import Display
from bench.registry import Entry, find_algorithm, find_algorithms
from bench.replay import add_parser as add_evaluate_parser
from bench.reporting import add_parsers as add_reporting_parsers
from bench.reporting import add_results
from bench.runner import Report, execute, is_finished
from bench.scaling.commands import add_parser as add_scaling_parser
from bench.speed.commands import add_parser as add_speed_parser
from bench.submission.commands import add_parsers as add_submission_parsers
from bench.task import Suite
from bench.tuning.commands import add_parser as add_tuning_parser
from suites import SUITES

KNOWN = ALGORITHMS | EXTERNAL
LOCK = Path(suites.__file__).parent / "lock.json"  # sizes and hashes of published files


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 something failed, 2 the command cannot be carried out."""
    try:
        options = parser().parse_args(arguments)
        return options.command(options)
    except UserError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted; the same command continues where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `bench ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    root = Parser(prog="bench", description="Compare offline RL algorithms fairly.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    listing.add_parser(commands, SUITES, KNOWN)
    _add_run(commands)
    add_evaluate_parser(commands, SUITES, KNOWN)
    _add_check(commands)
    add_reporting_parsers(commands, SUITES, KNOWN)
    add_compare_parser(commands, SUITES)
    add_data_parser(commands, SUITES, LOCK, positive)
    add_speed_parser(commands, ALGORITHMS, COUNTERPARTS)
    add_scaling_parser(commands, SUITES, ALGORITHMS, _carry_out)
    add_tuning_parser(commands, SUITES)
    add_submission_parsers(commands, SUITES, KNOWN)
    add_doctor_parser(commands, SUITES, LOCK)
    return root


def _add_run(commands: Any) -> None:
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
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1; default: auto")
    add(
        "--jobs",
        type=positive,
        metavar="N",
        help="runs at once; default: as many as cores allow, one on a GPU",
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
    add("--threads", type=positive, default=1, metavar="N", help="cores for each run; default: 1")
    add(
        "--workers",
        type=positive,
        metavar="N",
        help="processes of each run that step environments, beside its training; default: the cores that "
        "runs at once leave free",
    )
    add_results(parser)
    parser.set_defaults(command=_run)


def _add_check(commands: Any) -> None:
    parser = commands.add_parser("check", help="conformance tests on an algorithm of your own")
    parser.add_argument("algorithm", metavar="FILE.py:CLASS")
    parser.set_defaults(command=_check)


def _run(options: argparse.Namespace) -> int:
    suite = suite_of(SUITES, options.suite)
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
    device = resolve_device(options.device)
    set_precision(options.precision, device)
    entries = _entries(options)
    runs = plan(suite, entries, request)
    if options.group == "auto":
        runs = _regrouped(suite, entries, request, runs, device, options)
    start = time.monotonic()
    display = _carry_out(runs, options.results, device, options.jobs, options.threads, options.workers)
    done = display.planned - len(display.errors)
    seconds = time.monotonic() - start
    print(f"{done} of {display.planned} runs finished in {seconds:.0f} s{display.share()}", end="; ")
    print(f"records in {options.results}")
    print(f"Next: bench report {suite.name}    bench leaderboard")
    return 1 if display.errors else 0


def _carry_out(
    runs: Sequence[Run],
    results: Path,
    device: str,
    jobs: int | None,
    threads: int,
    workers: int | None = None,
) -> Display:
    """Train and evaluate the runs that are not finished yet; what fails is said, and kept in the display.

    jobs, workers: None for as many as the machine has room for.
    """
    _check_writable(results)
    console = Console(stderr=True)
    waiting = [run for run in runs if not is_finished(run, results)]
    _say_finished(console, runs, waiting, results)
    jobs = min(jobs or _default_jobs(device, threads), max(1, len(waiting)))
    workers = workers or max(1, cores() // jobs)
    with Display(len(waiting), console) as display:
        execute_all(waiting, partial(_work, results, device, workers), jobs, threads, display)
    for title, error in display.errors.items():
        console.print(f"{title}: {error}", markup=False, highlight=False, soft_wrap=True)
    return display


def _default_jobs(device: str, threads: int) -> int:
    return 1 if device.startswith("cuda") else max(1, cores() // threads)


def _regrouped(
    suite: Suite, entries: list[Entry], request: Request, runs: list[Run], device: str, options: Any
) -> list[Run]:
    """The runs in groups of as many seeds as fit in memory, and as few as keep all cores busy."""
    jobs = options.jobs or _default_jobs(device, options.threads)
    size = math.ceil(len(request.seeds) / max(1, jobs // len(runs)))
    for entry in entries:
        if issubclass(entry.algorithm, External):  # it trains its seeds in turn: any number of them fits
            continue
        own = next(run for run in runs if run.algorithm == entry.name)
        task = suite.task(own.task)
        make = partial(_instance, entry.source, own.config)
        size = min(size, largest_group(make, task.obs_dim, task.action_dim, size, device, jobs))
    return plan(suite, entries, replace(request, group=size))


def _instance(source: str, config: Sequence[tuple[str, Any]]) -> Algorithm:
    algorithm = find_algorithm(source, KNOWN).algorithm
    return algorithm(algorithm.Config(**dict(config)))


def _group(text: str) -> int | str:
    return text if text == "auto" else positive(text)


def _entries(options: argparse.Namespace) -> list[Entry]:
    sources = [*options.algorithms, *options.algorithm]
    return find_algorithms(sources or list(ALGORITHMS), KNOWN)


def _say_finished(console: Console, runs: Sequence[Run], waiting: Sequence[Run], results: Path) -> None:
    skipped = [run.title for run in runs if run not in waiting]
    if skipped:
        shown = ", ".join(skipped[:3]) + (", ..." if len(skipped) > 3 else "")
        console.print(
            f"{len(skipped)} of {len(runs)} runs are finished already in {results} and are skipped: {shown}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _work(results: Path, device: str, workers: int, run: Run, progress: Report) -> Mapping[str, Any]:
    """Carry out one run, in whatever process: looks task and algorithm up again by name."""
    entry = find_algorithm(run.source, KNOWN)
    if entry.code != run.code:
        raise UserError(f"{run.source} has changed since the command was given; give it again")
    task = SUITES[run.suite].task(run.task).variant(dict(run.task_options))
    return execute(run, task, entry.algorithm, results, device, progress, workers)


def _check(options: argparse.Namespace) -> int:
    entry = find_algorithm(options.algorithm, ALGORITHMS)
    failures = 0
    for result in check(entry.algorithm):
        print(f"{'ok  ' if result.passed else 'FAIL'}  {result.name}")
        if not result.passed:
            failures += 1
            print(f"      {result.message}")
    print(f"{entry.name}: " + (f"{failures} checks failed" if failures else "all checks passed"))
    return 1 if failures else 0


def _check_writable(results: Path) -> None:
    """Raise UserError now rather than after an hour of training."""
    probe = results / "runs" / f".probe-{os.getpid()}"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"cannot write into {results} ({error.strerror}); choose another folder with --results"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
