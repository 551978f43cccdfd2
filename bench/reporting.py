"""`bench report` and `bench leaderboard`: what the records say."""

import argparse
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench import report
from bench.about import about
from bench.algorithm import Algorithm
from bench.arguments import positive
from bench.bootstrap import BOOTSTRAPS, REPLICATES
from bench.listing import suite_of
from bench.plan import select_tasks
from bench.protocol import NAMES, PROTOCOLS, find_protocol
from bench.published.rows import load_with_reported
from bench.scores import INFERENCES, load
from bench.task import Suite

RESULTS = Path("results")  # where records are if nobody says otherwise


def add_parsers(
    commands: Any, suites: Mapping[str, Suite], algorithms: Mapping[str, type[Algorithm]]
) -> None:
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
    parser = commands.add_parser("leaderboard", help="a static site of all suites from the recorded runs")
    parser.add_argument(
        "--protocol", action="append", metavar="NAME",
        help="may be given several times; the first is that of most pages; default: every "
        "rule once, of two names for the same numbers the shorter",
    )  # fmt: skip
    _add_statistics(parser)
    _add_trials(parser)
    add_results(parser)
    parser.set_defaults(command=lambda options: _leaderboard(options, suites, algorithms))


def _add_trials(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trials", action="store_true", help="also rows of runs that sweeps chose settings by"
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """The option that says where records are."""
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")


def in_results(folder: Path) -> str:
    """What a command that is proposed needs besides, where records are not in the usual folder."""
    return "" if folder == RESULTS else f" --results {shlex.quote(str(folder))}"


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """The options that say how records become scores and intervals."""
    add = parser.add_argument
    add("--protocol", default="final", help=f"which number is the score: {NAMES}")
    _add_statistics(parser)


def _add_statistics(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
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


def _leaderboard(
    options: argparse.Namespace, suites: Mapping[str, Suite], algorithms: Mapping[str, type[Algorithm]]
) -> int:
    # here: matplotlib would slow down every other command
    from bench.leaderboard import Known, write_leaderboard
    from bench.leaderboard.cost import counter
    from bench.leaderboard.twins import distinct

    asked = [find_protocol(name) for name in dict.fromkeys(options.protocol or ())]
    protocols = asked or distinct(PROTOCOLS.values())
    known = Known(
        {name: about(algorithm) for name, algorithm in algorithms.items()},
        {name: suite.summary for name, suite in suites.items()},
        {name: {*suite.tasks, *suite.aliases} for name, suite in suites.items()},
        counter(algorithms),
    )
    path = write_leaderboard(
        options.results, protocols, options.replicates, options.inference, known,
        options.bootstrap, options.trials,
    )  # fmt: skip
    print(f"wrote {path}")
    return 0
