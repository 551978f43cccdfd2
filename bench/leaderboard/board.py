"""What the pages are made from: of every suite its statistics under every protocol, and reported scores."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.about import About
from bench.errors import UserError
from bench.leaderboard import plots
from bench.leaderboard.names import stems
from bench.protocol import PROTOCOLS, Protocol
from bench.published.reported import Reported, read_published
from bench.published.rows import with_reported
from bench.records import RunRecord, no_runs, read_runs
from bench.scores import Row, Scores, build, shorten
from bench.stats import Summary, summarize

# Rows through networks per action of a run under a test-time setting; None: cannot be counted.
Count = Callable[[Mapping[str, Any], Mapping[str, Any]], int | None]


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


@dataclass(frozen=True)
class Known:
    """What the command line knows and records do not say."""

    algorithms: Mapping[str, About] = field(default_factory=dict)
    suites: Mapping[str, str] = field(default_factory=dict)  # what each is, in a line
    tasks: Mapping[str, Collection[str]] = field(default_factory=dict)  # by suite
    count: Count = lambda info, inference: None

    def about(self, name: str) -> About | None:
        """What is known of the algorithm that others may write differently: `TD3 + BC` is `td3_bc`."""
        if name in self.algorithms:
            return self.algorithms[name]
        return next((a for other, a in self.algorithms.items() if _plain(other) == _plain(name)), None)


@dataclass(frozen=True)
class Options:
    """How records become statistics, besides the protocol."""

    replicates: int
    inference: str  # "default" or "all"
    bootstrap: str
    trials: bool  # also runs that sweeps chose settings by


@dataclass(frozen=True)
class Board:
    """One suite."""

    suite: str
    stem: str
    summaries: Mapping[str, Summary]  # by protocol, the first is the one of the pages below the suite's
    settings: Summary | None  # one row per test-time setting, where any algorithm was tested with several
    reported: Sequence[Reported]
    published: Summary | None  # of the reported scores of single seeds
    look: Mapping[Row, plots.Look]

    @property
    def first(self) -> Summary | None:
        return next(iter(self.summaries.values()), None)

    @property
    def runs(self) -> list[RunRecord]:
        return list(self.first.scores.runs) if self.first else []

    @cached_property
    def task_stems(self) -> dict[str, str]:
        tasks = self.first.scores.tasks if self.first else []
        return stems({task: task for task in tasks})

    @cached_property
    def algorithm_stems(self) -> dict[str, str]:
        return stems({name: name for name in {str(run.info["algorithm"]) for run in self.runs}})

    @cached_property
    def run_stems(self) -> dict[str, str]:
        """By `task/algorithm/id` as the folders are called."""
        return stems({run_key(run): str(run.info["id"]) for run in self.runs})


def run_key(run: RunRecord) -> str:
    """Names a run within its suite: the last parts of its path."""
    return "/".join(run.path.parts[-3:])


def load_boards(
    results: Path, protocols: Sequence[Protocol], options: Options
) -> tuple[list[Board], list[str]]:
    """All suites with runs or reported scores, and notes on files that belong to none.

    Raises UserError where there is nothing to show.
    """
    runs, problems = read_runs(results, None)
    reported, unreadable = read_published(results)
    notes = shorten(problems, results)
    by_suite: dict[str, list[RunRecord]] = {}
    for run in runs:
        by_suite.setdefault(run.path.parts[-4], []).append(run)
    unusable = [n for n in notes if not any(_names(n, suite) for suite in by_suite)] + unreadable
    found: dict[str, tuple[dict[str, Summary], Summary | None]] = {}
    for suite, own in sorted(by_suite.items()):
        said = [note for note in notes if _names(note, suite)]
        try:
            found[suite] = _summaries(own, said, results, suite, protocols, options)
        except UserError as error:  # none of its runs is usable
            why = str(error).replace(str(results), "results")
            unusable += [*said, f"results: no run of {suite} can be scored: {why}"]
    names = sorted({*found, *(r.suite for r in reported)}, key=lambda name: (name not in found, name))
    if not names:
        raise no_runs(results, None)
    published = {
        name: published_summary(name, [r for r in reported if r.suite == name], options) for name in names
    }
    every = [rows for each in found.values() for rows in _all_rows(*each)]
    every += [row for summary in published.values() if summary for row in summary.scores.rows]
    look = plots.looks(every)
    suite_stems = stems({name: name for name in names})
    boards = [
        Board(
            name,
            suite_stems[name],
            *found.get(name, ({}, None)),
            [r for r in reported if r.suite == name],
            published[name],
            look,
        )
        for name in names
    ]
    return boards, unusable


def _summaries(
    runs: Sequence[RunRecord],
    notes: Sequence[str],
    results: Path,
    suite: str,
    protocols: Sequence[Protocol],
    options: Options,
) -> tuple[dict[str, Summary], Summary | None]:
    """By protocol, and under the first with every test-time setting. Raises UserError where the first cannot
    score any run; other protocols that cannot are left out.
    """

    def summary(protocol: Protocol, inference: str) -> Summary:
        scores = build(runs, notes, results, suite, protocol, inference, trials=options.trials)
        return summarize(scores, options.replicates, options.bootstrap)

    first = summary(protocols[0], options.inference)
    summaries = {protocols[0].name: first}
    for protocol in protocols[1:]:
        with suppress(UserError):
            summaries[protocol.name] = summary(protocol, options.inference)
    several = any(len(run.info["inferences"]) > 1 for run in first.scores.runs)
    return summaries, summary(protocols[0], "all") if several else None


def published_summary(suite: str, reported: Sequence[Reported], options: Options) -> Summary | None:
    """Statistics of the reported scores of single seeds, on the tasks that all rows with at least half of the
    most tasks of a row have; None where there are none.
    """
    tasks: dict[tuple[str, str, str], set[str]] = {}
    for r in reported:
        if r.seeds:
            tasks.setdefault((r.name, r.algorithm, r.step), set()).add(r.task)
    if not tasks:
        return None
    most = max(map(len, tasks.values()))
    kept = {key: own for key, own in tasks.items() if 2 * len(own) >= most}
    every = set().union(*kept.values())
    common = set.intersection(*kept.values()) or every
    taken = [r for r in reported if r.seeds and r.task in common and (r.name, r.algorithm, r.step) in kept]
    notes = []
    if left := sorted(every - common):
        notes.append(f"left out, because not all of these algorithms have them: {', '.join(left)}")
    if few := sorted(f"{algorithm} of {name}" for name, algorithm, _ in tasks.keys() - kept.keys()):
        notes.append(f"left out, because they have less than half of the tasks: {', '.join(few)}")
    nothing = Scores(suite, PROTOCOLS["final"], "default", [], {}, tuple(notes), frozenset())
    return summarize(with_reported(nothing, taken, common), options.replicates, options.bootstrap)


def _all_rows(summaries: Mapping[str, Summary], settings: Summary | None) -> Collection[Row]:
    rows = {row for summary in summaries.values() for row in summary.scores.rows}
    return rows | set(settings.scores.rows if settings else ())


def _names(note: str, suite: str) -> bool:
    return note.startswith(f"results/runs/{suite}/")
