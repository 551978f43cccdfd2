"""`bench sweep`: the command line, and what is said at its end."""

import argparse
import math
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bench.algorithm import Algorithm
from bench.arguments import positive
from bench.errors import UserError
from bench.executors import choice
from bench.listing import suite_of
from bench.notes import listed
from bench.plan import Request, Run, parse_seeds
from bench.registry import Entry, find_algorithm
from bench.reporting import add_results, in_results
from bench.running import CarryOut
from bench.sweep.search import SEARCHES, STARTUP
from bench.sweep.space import LARGEST, Space, label, parse_space, size
from bench.sweep.trials import Sweep, Trial, Tuned, run_again, try_settings
from bench.tables import NO_ENTRY, Sheet, markdown
from bench.tables import Entry as Cell
from bench.task import Suite


def add_parser(
    commands: Any,
    suites: Mapping[str, Suite],
    algorithms: Mapping[str, type[Algorithm]],
    carry_out: CarryOut,
) -> None:
    """Add the command to the subparsers of `bench`; `carry_out` trains runs that are not finished."""
    parser = commands.add_parser(
        "sweep", help="try settings, choose the best for each task, and run it again with fresh seeds"
    )
    add = parser.add_argument
    add("suite", metavar="SUITE")
    add("algorithm", metavar="ALGORITHM", help="a name, or FILE.py:CLASS")
    add(
        "--space", action="append", default=[], metavar="OPTION=VALUES",
        help="beta=1,3,10 or lr=1e-5..1e-3:log or 'hidden=64,64;256,256'; may be repeated",
    )  # fmt: skip
    add(
        "--search", choices=SEARCHES, default="grid",
        help=f"grid: all combinations; tpe: learns on each task, after {STARTUP} random ones; default: grid",
    )  # fmt: skip
    add("--trials", type=positive, metavar="N", help="settings to try on each task; not with a grid")
    add("--tasks", metavar="GLOBS", help="such as 'two-*,gamble'; default: all")
    add("--seeds", default="0-2", metavar="SEEDS", help="of every trial; default: 0-2")
    add("--fresh-seeds", default="100-104", metavar="SEEDS", help="of the chosen; default: 100-104")
    add("--steps", type=positive, metavar="N", help="gradient updates; default: the suite's")
    add("--evaluations", type=positive, metavar="N", help="evenly spaced; default: the suite's")
    add("--episodes", type=positive, metavar="N", help="per seed and evaluation; default: the suite's")
    add("--set", action="append", default=[], metavar="OPTION=VALUE", help="an option of all trials")
    add("--name", metavar="NAME", help="of the sweep; random draws depend on it; default: from the space")
    choice.add_options(parser)
    add_results(parser)
    parser.set_defaults(command=lambda options: _sweep(options, suites, algorithms, carry_out))


def _sweep(
    options: argparse.Namespace,
    suites: Mapping[str, Suite],
    algorithms: Mapping[str, type[Algorithm]],
    carry_out: CarryOut,
) -> int:
    suite, entry = suite_of(suites, options.suite), find_algorithm(options.algorithm, algorithms)
    sweep = _planned(options, suite, entry)
    device = choice.device_of(options)
    errors: dict[str, str] = {}

    def train(runs: Sequence[Run]) -> None:
        errors.update(carry_out(runs, device, options).errors)

    print(
        f"sweep {sweep.name}: {sweep.trials} trials of {entry.name} on each task with seeds "
        f"{options.seeds}, then the best of each task with seeds {options.fresh_seeds}"
    )
    found = try_settings(sweep, options.results, train)
    whole = {task: trials for task, trials in found.items() if _complete(trials, sweep)}
    tuned = run_again(sweep, whole, options.results, train)
    sys.stdout.write("\n" + markdown(_sheet(sweep, found, tuned)))
    where = in_results(options.results)
    print(f"\nNext: bench tuning {suite.name} {entry.name}{where}    bench report {suite.name}{where}")
    return 1 if errors or any(math.isnan(each.score) for each in tuned.values()) else 0


def _planned(options: argparse.Namespace, suite: Suite, entry: Entry) -> Sweep:
    """Raises UserError where the options do not fit together."""
    space = parse_space(options.space, entry)
    request = Request(
        tasks=options.tasks,
        seeds=parse_seeds(options.seeds),
        steps=options.steps,
        evaluations=options.evaluations,
        episodes=options.episodes,
        overrides=options.set,
    )
    fresh = parse_seeds(options.fresh_seeds)
    if both := sorted(set(request.seeds) & set(fresh)):
        raise UserError(
            f"seeds {listed(both)} are among --seeds and --fresh-seeds; choosing and scoring by the same "
            "seeds flatters what is chosen, so give others"
        )
    given = {item.partition("=")[0].rpartition(".")[2] for item in options.set}
    if taken := sorted(given & space.keys()):
        raise UserError(f"{taken[0]} is among --set and --space; leave one of them out")
    trials = _trials(options, space)
    name = _name(options, space, entry)
    return Sweep(name, suite, entry, space, options.search, trials, request, fresh, _command(options, name))


def _trials(options: argparse.Namespace, space: Space) -> int:
    whole = size(space)
    if options.search == "grid":
        if options.trials is not None:
            raise UserError(
                "--search grid tries all combinations; leave out --trials, or give --search random or tpe"
            )
        return int(min(whole, LARGEST + 1))
    if options.trials is None:
        raise UserError(f"--search {options.search} needs to know how many settings to try; give --trials N")
    if options.trials > min(whole, LARGEST):
        raise UserError(
            f"--trials {options.trials} are more than the {min(whole, LARGEST):,} settings that are "
            "possible; give fewer" + (", or --search grid" if whole <= LARGEST else "")
        )
    return int(options.trials)


def _name(options: argparse.Namespace, space: Space, entry: Entry) -> str:
    """By default of the algorithm and the options, so that a larger space keeps the trials of a smaller."""
    kind = "" if options.search == "grid" else f"-{options.search}"
    name = options.name or re.sub(r"[^\w.-]", "-", f"{entry.name}-{'-'.join(space)}{kind}")
    if not re.fullmatch(r"[\w.-]{1,100}", name):
        raise UserError(f"--name {name!r} has signs that a name has not; use letters, digits, '-', '_', '.'")
    return name


def _command(options: argparse.Namespace, name: str) -> str:
    """The command line that gives the same sweep again; where results lie and on what device is left out."""
    words = ["bench", "sweep", options.suite, options.algorithm]
    words += [word for item in options.space for word in ("--space", item)]
    words += ["--search", options.search]
    values = {
        "--trials": options.trials, "--tasks": options.tasks, "--seeds": options.seeds,
        "--fresh-seeds": options.fresh_seeds, "--steps": options.steps, "--evaluations": options.evaluations,
        "--episodes": options.episodes, "--name": name,
    }  # fmt: skip
    words += [str(word) for pair in values.items() if pair[1] is not None for word in pair]
    words += [word for item in options.set for word in ("--set", item)]
    return shlex.join(words)


def _complete(trials: Sequence[Trial], sweep: Sweep) -> bool:
    return len(trials) == sweep.trials and not any(math.isnan(trial.score) for trial in trials)


def _sheet(sweep: Sweep, found: Mapping[str, Sequence[Trial]], tuned: Mapping[str, Tuned]) -> Sheet:
    rows, notes = [], []
    for task, trials in found.items():
        if task not in tuned:
            lost = [str(trial.number) for trial in trials if math.isnan(trial.score)]
            notes.append(
                f"{task}: nothing is chosen, because trial {', '.join(lost)} failed (see above); give the "
                "same command again, or take that setting out of the space"
            )
            continue
        best, again = tuned[task].best, tuned[task].score
        mean = sum(trial.score for trial in trials) / len(trials)
        fresh = NO_ENTRY if math.isnan(again) else Cell(f"{100 * again:z.1f}")
        numbers = [Cell(f"{100 * score:z.1f}") for score in (mean, best.score)]
        rows.append((task, [Cell(label(best.setting)), Cell(str(len(trials))), *numbers, fresh]))
    foot = [
        f"Sweep {sweep.name} ({sweep.search}). Scores are means over seeds {listed(sweep.request.seeds)} at "
        "the last evaluation. That of the chosen setting is optimistic: it was chosen for being the largest.",
        f"Fresh: the same setting trained again with seeds {listed(sweep.fresh)}, which did not choose it; "
        f"this is what bench report shows, as {sweep.entry.name} (tuned, {sweep.trials} trials).",
    ]
    head = ["Chosen", "Trials", "Mean of trials", "Chosen (optimistic)", "Fresh"]
    return Sheet(f"{sweep.suite.name}: sweep of {sweep.entry.name}", "Task", head, rows, foot, notes)
