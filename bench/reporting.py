"""`bench report` and `bench leaderboard`: what the records say."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import report
from bench.about import about
from bench.algorithm import Algorithm
from bench.arguments import positive
from bench.listing import suite_of
from bench.protocol import PROTOCOLS, find_protocol
from bench.scores import INFERENCES
from bench.stats import REPLICATES
from bench.task import Suite


def add_parsers(
    commands: Any, suites: Mapping[str, Suite], algorithms: Mapping[str, type[Algorithm]]
) -> None:
    """Add both commands to the subparsers of `bench`."""
    parser = commands.add_parser("report", help="tables of a suite from the recorded runs")
    parser.add_argument("suite", metavar="SUITE")
    parser.add_argument("--format", choices=["md", "csv", "latex"], default="md")
    add_scoring(parser)
    add_results(parser)
    parser.set_defaults(command=lambda options: _report(options, suites))
    parser = commands.add_parser("leaderboard", help="a static site of all suites from the recorded runs")
    parser.add_argument(
        "--protocol", action="append", metavar="NAME",
        help="may be given several times; the first is that of most pages; default: all",
    )  # fmt: skip
    _add_statistics(parser)
    add_results(parser)
    parser.set_defaults(command=lambda options: _leaderboard(options, suites, algorithms))


def add_results(parser: argparse.ArgumentParser) -> None:
    """The option that says where records are."""
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER")


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """The options that say how records become scores and intervals."""
    add = parser.add_argument
    add("--protocol", default="final", help=f"which number is the score: {', '.join(PROTOCOLS)}")
    _add_statistics(parser)


def _add_statistics(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--replicates", type=positive, default=REPLICATES, metavar="N",
        help=f"of the bootstrap; default: {REPLICATES}",
    )  # fmt: skip
    add("--inference", choices=INFERENCES, default="default", help="which test-time settings are rows")


def _report(options: argparse.Namespace, suites: Mapping[str, Suite]) -> int:
    suite = suite_of(suites, options.suite)
    text = report.render(
        options.results,
        suite.name,
        options.format,
        find_protocol(options.protocol),
        options.inference,
        options.replicates,
        tasks=None if suite.name == suite.home else suite.tasks,
    )
    sys.stdout.write(text)
    return 0


def _leaderboard(
    options: argparse.Namespace, suites: Mapping[str, Suite], algorithms: Mapping[str, type[Algorithm]]
) -> int:
    # here: matplotlib would slow down every other command
    from bench.leaderboard import Known, write_leaderboard
    from bench.leaderboard.cost import counter

    protocols = [find_protocol(name) for name in dict.fromkeys(options.protocol or PROTOCOLS)]
    known = Known(
        {name: about(algorithm) for name, algorithm in algorithms.items()},
        {name: suite.summary for name, suite in suites.items()},
        counter(algorithms),
    )
    path = write_leaderboard(options.results, protocols, options.replicates, options.inference, known)
    print(f"wrote {path}")
    return 0
