"""The command `bench`: the only importer of algorithms/ and suites/."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import suites
from algorithms import ALGORITHMS, COUNTERPARTS, EXTERNAL
from bench import listing
from bench.arguments import Parser, positive
from bench.compare import add_parser as add_compare_parser
from bench.conformance import check
from bench.data.commands import add_parser as add_data_parser
from bench.doctor.commands import add_parser as add_doctor_parser
from bench.errors import UserError, printable
from bench.execution import Report
from bench.paper.commands import add_parser as add_paper_parser
from bench.plan import Run
from bench.published.commands import add_parser as add_import_parser
from bench.registry import find_algorithm
from bench.regress import add_parser as add_regress_parser
from bench.replay import add_parser as add_evaluate_parser
from bench.reporting import add_parsers as add_reporting_parsers
from bench.runner import execute
from bench.running import Catalogue, carry_out
from bench.running import add_parser as add_run_parser
from bench.scaling.commands import add_parser as add_scaling_parser
from bench.speed.commands import add_parser as add_speed_parser
from bench.status import add_parser as add_status_parser
from bench.submission.commands import add_parsers as add_submission_parsers
from bench.sweep.commands import add_parser as add_sweep_parser
from bench.tuning.commands import add_parser as add_tuning_parser
from suites import SUITES

KNOWN = ALGORITHMS | EXTERNAL
WORK = "bench.cli:work"  # also where this file is a program and its module is called __main__
LOCK = Path(suites.__file__).parent / "lock.json"  # sizes and hashes of published files


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 something failed, 2 the command cannot be carried out."""
    try:
        options = parser().parse_args(arguments)
        return options.command(options)
    except UserError as error:
        print(f"bench: {printable(str(error))}", file=sys.stderr)
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
    add_run_parser(commands, Catalogue(SUITES, KNOWN, list(ALGORITHMS), WORK))
    add_status_parser(commands, SUITES)
    add_evaluate_parser(commands, SUITES, KNOWN)
    _add_check(commands)
    add_reporting_parsers(commands, SUITES, KNOWN)
    add_compare_parser(commands, SUITES)
    add_import_parser(commands, SUITES)
    add_regress_parser(commands, SUITES)
    add_paper_parser(commands, SUITES, KNOWN)
    add_data_parser(commands, SUITES, LOCK, positive)
    add_speed_parser(commands, ALGORITHMS, COUNTERPARTS)
    add_scaling_parser(commands, SUITES, ALGORITHMS, partial(carry_out, WORK))
    add_sweep_parser(commands, SUITES, KNOWN, partial(carry_out, WORK))
    add_tuning_parser(commands, SUITES)
    add_submission_parsers(commands, SUITES, KNOWN)
    add_doctor_parser(commands, SUITES, LOCK)
    return root


def _add_check(commands: Any) -> None:
    parser = commands.add_parser("check", help="conformance tests on an algorithm of your own")
    parser.add_argument("algorithm", metavar="FILE.py:CLASS")
    parser.set_defaults(command=_check)


def work(run: Run, results: Path, device: str, workers: int, report: Report) -> Mapping[str, Any]:
    """Carry out one run, in whatever process on whatever machine: looks task and algorithm up by name."""
    entry = find_algorithm(run.source, KNOWN)
    if entry.code != run.code:
        raise UserError(f"{run.source} has changed since the command was given; give it again")
    task = SUITES[run.suite].task(run.task).variant(dict(run.task_options))
    return execute(run, task, entry.algorithm, results, device, report, workers)


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


if __name__ == "__main__":
    sys.exit(main())
