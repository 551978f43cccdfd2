"""`bench tuning`: what an algorithm scores when so many settings, or episodes, were spent on choosing one."""

import argparse
import csv
import io
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bench.arguments import positive
from bench.captions import entry
from bench.errors import UserError
from bench.listing import suite_of
from bench.stats import REPLICATES, Estimate
from bench.tables import NO_ENTRY, Entry, Sheet, markdown
from bench.task import Suite
from bench.tuning.summary import BANDIT, EACH, NOISE, RESAMPLES, SHARED, Budget, Curve, Domains, curves
from bench.tuning.trials import Trials, from_csv, from_records

SHOWN = (1, 2, 3, 5, 10, 15, 20, 50, 100, 200, 500, 1000)  # budgets that are columns of a table
FEW_SETTINGS = 5
ALL = "all tasks"
MOST = 10**8  # pulls of bandits that are held in memory at once
NO_BANDIT = "No bandit curve: it needs the score of every episode, and these trials hold only means."


def add_parser(commands: Any, suites: Mapping[str, Suite]) -> None:
    """Add the command to the subparsers of `bench`."""
    parser = commands.add_parser(
        "tuning", help="score against the settings tried, and against the episodes spent on choosing one"
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="SUITE ALGORITHM", help="a suite, then algorithms; default: all recorded")
    add("--trials", type=Path, metavar="FILE.csv", help="instead of a suite: a table of settings and scores")
    add("--tasks", metavar="GLOBS", help="such as 'two-*,gamble'; default: all")
    add(
        "--domain", action="append", default=[], metavar="NAME=GLOBS",
        help=f"tasks to average over, such as 'AntMaze=antmaze-*'; may be repeated; default: {ALL}",
    )  # fmt: skip
    add("--policies", type=positive, default=8, metavar="N", help="each bandit chooses from; default: 8")
    add("--pulls", type=positive, default=100, metavar="N", help="episodes of each bandit; default: 100")
    add("--repeats", type=positive, default=1000, metavar="N", help="bandits to average; default: 1000")
    add("--replicates", type=positive, default=REPLICATES, metavar="N", help="of the bootstrap")
    add("--format", choices=["md", "csv"], default="md")
    add("--results", type=Path, default=Path("results"), metavar="FOLDER")
    parser.set_defaults(command=lambda options: _tuning(options, suites))


def _tuning(options: argparse.Namespace, suites: Mapping[str, Suite]) -> int:
    trials = _trials(options, suites)
    stem = options.results / "tuning" / trials.name.replace("/", "-")
    target = stem.with_name(stem.name + ".csv")
    if options.trials and target.exists() and target.samefile(options.trials):
        raise UserError(f"{options.trials} would be overwritten by the result; give it another name")
    domains = domains_of(trials.tasks, options.domain)
    budget = _budget(options)
    found = curves(trials, domains, budget, options.replicates)
    text = _csv(found)
    stem.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    averaged = [name for name in domains if any(curve.scope == name for curve in found)]
    _draw(stem, found, averaged or trials.tasks, trials.name)
    if averaged:
        _draw(stem.with_name(f"{stem.name}-tasks"), found, trials.tasks, trials.name)
    sys.stdout.write(text if options.format == "csv" else _markdown(trials, found, domains, options))
    drawn = f"{stem}.svg and {stem}.png" + (f" (and {stem}-tasks.*)" if averaged else "")
    print(f"\nwrote {target}, {drawn}", file=sys.stderr)
    return 0


def _budget(options: argparse.Namespace) -> Budget:
    if options.pulls * max(options.repeats, NOISE * RESAMPLES) > MOST:
        raise UserError(
            f"--pulls {options.pulls} with --repeats {options.repeats} do not fit into memory; give at most "
            f"{MOST // (NOISE * RESAMPLES):,} pulls, and pulls times repeats up to {MOST:,}"
        )
    return Budget(options.policies, options.pulls, options.repeats)


def _trials(options: argparse.Namespace, suites: Mapping[str, Suite]) -> Trials:
    if options.trials:
        return from_csv(options.trials, options.names, options.tasks)
    if not options.names:
        raise UserError("no suite is given; name one (see: bench list suites), or give --trials FILE.csv")
    suite = suite_of(suites, options.names[0])
    return from_records(options.results, suite.name, suite.tasks, options.names[1:], options.tasks)


def domains_of(tasks: Sequence[str], given: Sequence[str]) -> dict[str, list[str]]:
    """The tasks of every domain; without any given, one of all tasks, or none where there is a single task.

    Raises UserError for a domain without a name, without tasks, or given twice.
    """
    if not given:
        return {ALL: list(tasks)} if len(tasks) > 1 else {}
    domains: dict[str, list[str]] = {}
    for text in given:
        name, _, globs = text.partition("=")
        own = [task for task in tasks if any(fnmatchcase(task, glob) for glob in globs.split(","))]
        if not name or not own or name in domains or name in tasks:
            raise UserError(
                f"--domain {text!r} names no tasks, or a domain or task that exists already; it is "
                f"NAME=GLOBS, with globs of: {', '.join(tasks[:20])}"
            )
        domains[name] = own
    return domains


def _markdown(trials: Trials, found: Sequence[Curve], domains: Domains, options: argparse.Namespace) -> str:
    best = "expected score of the best of n settings"
    picked = "score of the policy that a bandit picks after n episodes"
    layout = [
        (EACH, list(domains), f"{best}, chosen for each task, mean over tasks"),
        (SHARED, list(domains), f"{best}, one for all tasks of a domain"),
        (EACH, trials.tasks, best),
        (BANDIT, list(domains), f"{picked}, mean over tasks"),
        (BANDIT, trials.tasks, picked),
    ]
    gaps = list(_gaps(trials, domains))
    sheets = []
    for kind, scopes, title in layout:
        if own := [curve for curve in found if curve.kind == kind and curve.scope in scopes]:
            said = _bandit_foot(options) if kind == BANDIT else _eop_foot(own, options.replicates)
            sheets.append(
                _sheet(f"{trials.name}: {title}", own, [*trials.sentences, *said], [*trials.notes, *gaps])
            )
    text = "\n".join(map(markdown, sheets))
    return text if any(curve.kind == BANDIT for curve in found) else f"{text}\n{NO_BANDIT}\n"


def _gaps(trials: Trials, domains: Domains) -> Iterator[str]:
    """Which algorithms have no average over a domain, and why."""
    for domain, tasks in domains.items():
        for algorithm in trials.algorithms:
            if absent := [task for task in tasks if (algorithm, task) not in trials.policies]:
                yield f"{domain}: no average of {algorithm}, which has no trials on {', '.join(absent)}"


def _sheet(title: str, found: Sequence[Curve], foot: list[str], notes: Sequence[str]) -> Sheet:
    longest = max(len(curve.value) for curve in found)
    budgets = [n for n in SHOWN if n < longest] + [longest]
    pulled = found[0].kind == BANDIT
    rows = [
        (
            f"{curve.scope}: {curve.algorithm}",
            [
                *map(Entry, [curve.settings, curve.policies] if pulled else [curve.settings]),
                *(_entry(curve, n) for n in budgets),
            ],
        )
        for curve in found
    ]
    head = ["Settings tried", *(["Policies"] if pulled else []), *(f"n = {n}" for n in budgets)]
    return Sheet(title, "Algorithm", head, rows, foot, notes)


def _entry(curve: Curve, n: int) -> Entry:
    if n > len(curve.value):
        return NO_ENTRY
    return entry(Estimate(float(curve.value[n - 1]), float(curve.low[n - 1]), float(curve.high[n - 1])))


def _eop_foot(found: Sequence[Curve], replicates: int) -> list[str]:
    fewest = min(int(curve.settings.partition("–")[0]) for curve in found)
    sentences = [
        "Settings tried: the tuning budget that an algorithm was given, per task; –: fewer than n. "
        "Expected score: the largest among n settings drawn uniformly with replacement from those tried "
        "(Kurenkov & Kolesnikov 2022, with the estimator of Dodge et al. 2019); the score of a setting is "
        "the mean over its seeds. The same seeds choose and score a setting, which flatters noisy algorithms "
        "more the larger n is.",
        f"Intervals: 95%, value ± t times the standard deviation of {replicates:,} bootstrap replicates "
        "(settings resampled, jointly on tasks with equal settings, then their seeds); they speak of other "
        "settings of the same kind. They are too narrow as n grows; for more than half of the settings there "
        "is none.",
    ]
    if found[0].kind == SHARED:
        sentences.append(
            "A setting is scored by its mean over all tasks of the domain; settings with equal names are "
            "taken as equal on all tasks."
        )
    if fewest < FEW_SETTINGS:
        sentences.append(f"With fewer than {FEW_SETTINGS} settings an interval says little.")
    if fewest == 1:
        sentences.append(
            "That of a single setting is of its seeds alone, and does not speak of other settings."
        )
    return sentences


def _bandit_foot(options: argparse.Namespace) -> list[str]:
    return [
        "Bandit (after Jackson et al. 2025): a policy is one seed of one setting. "
        f"{options.policies} policies (all, where there are fewer) are drawn without replacement; UCB1 pulls "
        "each once and then the one with the largest mean + sqrt(2 ln t / its pulls). A pull returns one "
        "recorded episode, drawn with replacement, on the scale 0 to 1 and not clipped. The pick after n "
        "episodes on a task is the policy with the largest mean so far, and counts with the mean of all its "
        "recorded episodes. A diverged seed is a policy whose episodes score 0. Few recorded "
        "episodes make a pick look better than it is: it is chosen and scored by the same ones.",
        f"Mean of {options.repeats:,} bandits. Intervals: 95%, value ± t times the standard deviation of "
        f"{RESAMPLES} bootstrap replicates of the policies (settings, then seeds; {NOISE} bandits each): the "
        "chance of trainings, not only of bandits. In simulations they hold the truth in 82% (many episodes) "
        "to 95% (few) of the cases.",
    ]


def _csv(found: Iterable[Curve]) -> str:
    """Tidy: one point of a curve per line, scores times 100."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["curve", "scope", "algorithm", "settings", "policies", "n", "score", "low", "high"])
    for c in found:
        for n, numbers in enumerate(zip(c.value, c.low, c.high, strict=True), 1):
            shown = ["" if math.isnan(number) else f"{100 * number:z.4f}" for number in numbers]
            writer.writerow([c.kind, c.scope, c.algorithm, c.settings, c.policies, n, *shown])
    return text.getvalue()


def _draw(stem: Path, found: Sequence[Curve], scopes: Sequence[str], title: str) -> None:
    from bench.leaderboard.plots import save  # here: matplotlib would slow down every other command
    from bench.tuning.plots import figure

    save(lambda theme: figure(found, scopes, title, theme), stem)
