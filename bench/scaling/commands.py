"""`bench scaling`: score against computation per action, for the axes that an algorithm declares."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from bench.algorithm import Algorithm, Scaling
from bench.arguments import positive
from bench.captions import entry as cell
from bench.devices import resolve_device
from bench.errors import UserError
from bench.executors import choice
from bench.listing import suite_of
from bench.plan import Request, parse_seeds
from bench.protocol import PROTOCOLS
from bench.recorded import is_finished
from bench.records import RunRecord, inference_label
from bench.registry import Entry, find_algorithm
from bench.running import CarryOut
from bench.scaling.axes import Variant, plan_variants, scaling_of
from bench.scaling.compute import CALLS, ROUNDS, milliseconds, network_evaluations
from bench.scaling.points import Point, as_text, read_milliseconds, read_records, score, write_csv
from bench.speed.machine import processor
from bench.stats import FEW_SEEDS, REPLICATES
from bench.tables import Entry as Cell
from bench.tables import Sheet, markdown
from bench.task import Suite

PROTOCOL = PROTOCOLS["final"]


def add_parser(
    commands: Any,
    suites: Mapping[str, Suite],
    algorithms: Mapping[str, type[Algorithm]],
    carry_out: CarryOut,
) -> None:
    """Add the command to the subparsers of `bench`; `carry_out` trains runs that are not finished."""
    parser = commands.add_parser(
        "scaling", help="score against test-time computation, for the axes that an algorithm declares"
    )
    add = parser.add_argument
    add("algorithm", metavar="ALGORITHM", help="a name, or FILE.py:CLASS")
    add("suite", metavar="SUITE")
    add("--tasks", metavar="GLOBS", help="such as 'two-*,gamble'; default: all")
    add("--seeds", default="0-4", metavar="SEEDS", help="such as 0-9 or 0,3; default: 0-4")
    add("--steps", type=positive, metavar="N", help="gradient updates; default: the suite's")
    add("--episodes", type=positive, metavar="N", help="per seed and setting; default: the suite's")
    add("--set", action="append", default=[], metavar="OPTION=VALUE", help="an option of the algorithm")
    choice.add_options(parser)
    add("--replicates", type=positive, default=REPLICATES, metavar="N", help="of the bootstrap")
    add("--report-only", action="store_true", help="train nothing: table and figure of what is recorded")
    add("--results", type=Path, default=Path("results"), metavar="FOLDER")
    parser.set_defaults(command=lambda options: _scaling(options, suites, algorithms, carry_out))


def _scaling(
    options: argparse.Namespace,
    suites: Mapping[str, Suite],
    algorithms: Mapping[str, type[Algorithm]],
    carry_out: CarryOut,
) -> int:
    suite, entry = suite_of(suites, options.suite), find_algorithm(options.algorithm, algorithms)
    scaling, device = scaling_of(entry, algorithms), choice.device_of(options)
    request = Request(
        tasks=options.tasks,
        seeds=parse_seeds(options.seeds),
        steps=options.steps,
        evaluations=1,  # the last is the one that counts, and the settings are many
        episodes=options.episodes,
        overrides=options.set,
    )
    variants = plan_variants(suite, entry, scaling, request)
    failed = False
    if not options.report_only:
        runs = [run for variant in variants for run in variant.runs]
        failed = bool(carry_out(runs, device, options).errors)
    here = device if options.executor == "local" else resolve_device("auto")  # measures milliseconds
    _report(variants, entry, suite, scaling, here, options)
    return 1 if failed else 0


def _report(
    variants: Sequence[Variant], entry: Entry, suite: Suite, scaling: Scaling, device: str, options: Any
) -> None:
    """Print the table and write the files of all that is recorded. Raises UserError where nothing is."""
    recorded = [(variant, read_records(variant, options.results)) for variant in variants]
    known = [(variant, records) for variant, records in recorded if records]
    absent = [variant for variant, records in recorded if not records]
    stem = options.results / "scaling" / suite.name / entry.name
    csv = stem.with_name(f"{entry.name}.csv")
    name = f"{device}: {torch.cuda.get_device_name(device) if device.startswith('cuda') else processor()}"
    points = _points(known, entry, suite, csv, (device, name), options.replicates) if known else []
    if not points:
        raise UserError(f"none of these runs is finished in {options.results}; {_advice(options)}")
    notes = [note for variant in absent for note in _missing(variant, options.results)]
    foot = _foot(known, points, name, options.replicates)
    sys.stdout.write(markdown(_sheet(suite, entry, points, foot, notes)))
    csv.parent.mkdir(parents=True, exist_ok=True)
    write_csv(csv, points, name)
    title = f"{entry.name} on {suite.name}: {_counted([record.info['task'] for record in known[0][1]])}"
    _draw(stem, points, list(scaling.test), title)
    print(f"\nwrote {csv}, {stem}.svg and {stem}.png")


def _advice(options: argparse.Namespace) -> str:
    return "leave out --report-only to train them" if options.report_only else "see above what failed"


Known = Sequence[tuple[Variant, Sequence[RunRecord]]]


def _points(
    known: Known, entry: Entry, suite: Suite, csv: Path, device: tuple[str, str], replicates: int
) -> list[Point]:
    """The points of all variants that are recorded; what acting costs is that on the first task.

    csv: measurements of an earlier call, which hold for equal runs on an equal device. device: it and its
    name.
    """
    first = known[0][0].runs[0]
    task = suite.find(first.task)
    sizes = (task.obs_dim, task.action_dim)
    policies, settings = [], []
    for variant, _ in known:
        algorithm = entry.algorithm(entry.algorithm.Config(**dict(variant.runs[0].config)))
        pairs = sorted(variant.runs[0].inferences, key=lambda setting: [value for _, value in setting])
        settings.append(pairs)
        policies.append((algorithm, [entry.algorithm.Inference(**dict(setting)) for setting in pairs]))
    keys = [
        [(variant.runs[0].id, as_text(setting)) for setting in pairs]
        for (variant, _), pairs in zip(known, settings, strict=True)
    ]
    before = read_milliseconds(csv, [option for option, _ in settings[0][0]], device[1])
    if all(key in before for group in keys for key in group):
        ms = [[before[key] for key in group] for group in keys]
    else:
        ms = milliseconds(policies, *sizes, device[0])
    points = []
    for (variant, records), pairs, (algorithm, inferences), times in zip(
        known, settings, policies, ms, strict=True
    ):
        for setting, inference, took in zip(pairs, inferences, times, strict=True):
            found = score(records, setting, PROTOCOL, replicates, f"{suite.name}/{entry.name}")
            if found is not None:
                rows = network_evaluations(algorithm, *sizes, inference)
                points.append(Point(variant.train, setting, rows, took, found, variant.runs[0].id))
    return points


def _missing(variant: Variant, results: Path) -> Iterator[str]:
    """What of a variant is not recorded, with the commands that add it."""
    for run in variant.runs:
        if not is_finished(run, results):
            yield f"results: {run.title} ({variant.label}) is not finished. Run: {run.command()}"


def _sheet(suite: Suite, entry: Entry, points: Sequence[Point], foot: list[str], notes: list[str]) -> Sheet:
    rows = [
        (
            _label(entry.name, point),
            [
                Cell(str(point.evaluations)),
                Cell(f"{point.ms:.3f}"),
                cell(point.found.score, point.found.diverged > 0),
            ],
        )
        for point in points
    ]
    head = ["Network evaluations", "ms per action", "Score"]
    return Sheet(f"{suite.name}: test-time scaling of {entry.name}", "Policy", head, rows, foot, notes)


def _label(name: str, point: Point) -> str:
    """As in a report with one row per test-time setting."""
    trained = ",".join(f"{option}={value}" for option, value in point.train)
    return name + (f" ({trained})" if trained else "") + f" [{inference_label(dict(point.test))}]"


def _foot(known: Known, points: Sequence[Point], device: str, replicates: int) -> list[str]:
    """The sentences under the table: protocol, intervals, how the costs were found."""
    tasks = [record.info["task"] for record in known[0][1]]
    records = [record for _, found in known for record in found]
    seeds = sorted({point.found.seeds for point in points})
    few = f" With fewer than {FEW_SEEDS} seeds such intervals are too narrow." if seeds[0] < FEW_SEEDS else ""
    sentences = [
        PROTOCOL.describe(records, "all"),
        f"Score: mean over {', '.join(tasks)} and {' or '.join(map(str, seeds))} seeds, with 95% percentiles "
        f"of {replicates:,} stratified bootstrap replicates (seeds resampled within each task).{few}",
        "Network evaluations: rows that pass through networks when one action is decided, counted; an "
        "ensemble is one network.",
        f"ms per action: one observation at a time, one thread, from array to array, on {device}; median of "
        f"{ROUNDS} rounds of {CALLS} actions; sizes of the first task.",
    ]
    if lost := sum(point.found.diverged for point in points):
        sentences.append(f"†: diverged seeds enter as 0 ({lost} of all settings and tasks).")
    return sentences


def _counted(tasks: Sequence[str]) -> str:
    return ", ".join(tasks) if len(tasks) <= 3 else f"{len(tasks)} tasks"


def _draw(stem: Path, points: Sequence[Point], axes: Sequence[str], title: str) -> None:
    from bench.leaderboard.plots import save  # here: matplotlib would slow down every other command
    from bench.scaling.plots import figure

    save(lambda theme: figure(points, axes, title, theme), stem)
