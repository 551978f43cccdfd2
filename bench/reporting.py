"""`bench report` and `bench leaderboard`: what the records say."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench import report
from bench.arguments import positive
from bench.bootstrap import BOOTSTRAPS, REPLICATES
from bench.listing import suite_of
from bench.plan import select_tasks
from bench.protocol import NAMES, find_protocol
from bench.published.rows import load_with_reported
from bench.scores import INFERENCES, load
from bench.task import Suite


def add_parsers(commands: Any, suites: Mapping[str, Suite]) -> None:
    """Add both commands to the subparsers of `bench`."""
    parser = commands.add_parser("report", help="tables of a suite from the recorded runs")
    parser.add_argument("suite", metavar="SUITE")
    parser.add_argument("--format", choices=["md", "csv", "latex"], default="md")
    parser.add_argument("--tasks", metavar="GLOBS", help="such as 'two-*,gamble'; default: all with runs")
    parser.add_argument("--reported", action="store_true", help="also scores that others report")
    parser.add_argument(
        "--sources", metavar="GLOBS", help="names in results/published; default: all; means --reported"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1, and say why, where runs are not comparable (‡)"
    )
    add_scoring(parser)
    _add_trials(parser)
    add_results(parser)
    parser.set_defaults(command=lambda options: _report(options, suites))
    parser = commands.add_parser("leaderboard", help="a static page of all suites from the recorded runs")
    add_scoring(parser)
    _add_trials(parser)
    add_results(parser)
    parser.set_defaults(command=_leaderboard)


def _add_trials(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trials", action="store_true", help="also rows of runs that sweeps chose settings by"
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """The option that says where records are."""
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER")


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """The options that say how records become scores and intervals."""
    add = parser.add_argument
    add("--protocol", default="final", help=f"which number is the score: {NAMES}")
    add(
        "--replicates", type=positive, default=REPLICATES, metavar="N",
        help=f"of the bootstrap; default: {REPLICATES}",
    )  # fmt: skip
    add(
        "--bootstrap", choices=list(BOOTSTRAPS), default="seeds",
        help="what is resampled for intervals: seeds (default), the episodes of each seed, both "
        "(hierarchical), or seeds and tasks",
    )  # fmt: skip
    add("--inference", choices=INFERENCES, default="default", help="which test-time settings are rows")


def _report(options: argparse.Namespace, suites: Mapping[str, Suite]) -> int:
    suite = suite_of(suites, options.suite)
    protocol = find_protocol(options.protocol)
    if options.reported or options.sources:
        scores = load_with_reported(
            options.results,
            suite,
            suites[suite.home],
            protocol,
            options.inference,
            options.tasks,
            options.sources,
            options.trials,
        )
    else:
        chosen = _chosen(suite, options.tasks)
        scores = load(options.results, suite.name, protocol, options.inference, chosen, options.trials)
    text = report.render_scores(scores, options.format, options.replicates, options.bootstrap)
    sys.stdout.write(text)
    return strict_exit(scores.notes) if options.strict else 0


def strict_exit(notes: Iterable[str]) -> int:
    """The exit code of --strict: 1 where notes say that runs are not comparable (‡), which it repeats."""
    found = [note for note in notes if note.startswith("‡")]
    for note in found:
        print(f"bench: {note}", file=sys.stderr)
    return 1 if found else 0


def _chosen(suite: Suite, globs: str | None) -> set[str] | None:
    """The tasks that the globs name, or those of a list of tasks; None: all that are recorded."""
    if globs is None and suite.name == suite.home:
        return None
    return {task.name for task, _ in select_tasks(suite, globs)}


def _leaderboard(options: argparse.Namespace) -> int:
    from bench.leaderboard import write_leaderboard  # here: matplotlib would slow down every other command

    protocol = find_protocol(options.protocol)
    path = write_leaderboard(
        options.results, protocol, options.replicates, options.inference, options.bootstrap, options.trials
    )
    print(f"wrote {path}")
    return 0
