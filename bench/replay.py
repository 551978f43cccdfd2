"""The command `bench evaluate`."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.algorithm import Algorithm
from bench.arguments import positive
from bench.devices import resolve_device
from bench.errors import UserError, printable
from bench.executors.local import cores
from bench.listing import suite_of
from bench.memory import keep_freed_memory
from bench.records import inference_label
from bench.registry import find_algorithm
from bench.saved import SavedRun
from bench.settings import check_inference_items, parse_inferences
from bench.task import Suite


def add_parser(
    commands: Any,
    suites: Mapping[str, Suite],
    algorithms: Mapping[str, type[Algorithm]],
) -> None:
    """Add the command to the subparsers of `bench`."""
    parser = commands.add_parser("evaluate", help="play again with the saved policies of finished runs")
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs, or folders that hold such")
    add("--episodes", type=positive, metavar="N", help="per seed; default: as in the run")
    add(
        "--inference",
        action="append",
        default=[],
        metavar="ALGORITHM.OPTION=V,V",
        help="test-time settings besides the default, such as sorl.steps=1,2,4",
    )
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1; default: auto")
    add("--workers", type=positive, metavar="N", help="processes that step environments; default: all cores")
    parser.set_defaults(command=lambda options: _evaluate(options, suites, algorithms))


def _evaluate(
    options: argparse.Namespace,
    suites: Mapping[str, Suite],
    algorithms: Mapping[str, type[Algorithm]],
) -> int:
    device = resolve_device(options.device)
    folders = [file.parent for given in options.runs for file in sorted(given.rglob("run.json"))]
    if not folders:
        given = ", ".join(map(str, options.runs))
        raise UserError(f"no run lies in {given}; give folders such as results/runs or one run below it")
    saved = [SavedRun(folder) for folder in folders]
    entries = [find_algorithm(run.info["source"], algorithms) for run in saved]
    check_inference_items(options.inference, [entry.name for entry in entries])
    keep_freed_memory()
    for run, entry in zip(saved, entries, strict=True):
        task = suite_of(suites, run.info["suite"]).find(run.info["task"])
        task = run.on(task.variant(run.info["task_options"]))
        algorithm = entry.algorithm(entry.algorithm.Config(**run.config))
        inferences = parse_inferences(options.inference, entry.name, algorithm)
        episodes = options.episodes or run.info["episodes"]
        print(printable(f"{run.folder}: {task.name} · {entry.name}, {episodes} episodes of each seed"))
        for sentence in run.changed(task, entry.code):
            print(f"  note: {printable(sentence)}")
        policy = run.policy(algorithm, task, device)
        for replayed in run.play(policy, task, inferences, episodes, options.workers or cores()):
            label = inference_label(replayed.setting) or "default"
            print(f"  {label}: score {_mean_and_error(replayed.scores)}; {replayed.verdict}")
    return 0


def _mean_and_error(scores: np.ndarray) -> str:
    """Mean over the seeds and its standard error, 0 to 100."""
    known = 100 * scores[~np.isnan(scores)]
    if not len(known):
        return "none, all seeds diverged"
    error = f" ± {known.std(ddof=1) / len(known) ** 0.5:.1f}" if len(known) > 1 else ""
    return f"{known.mean():.1f}{error}"
