"""Plays the policies of a submission again: registered algorithms and tasks only, never a stranger's code."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from bench.algorithm import Algorithm
from bench.errors import UserError
from bench.external import External
from bench.learner import initial_networks
from bench.registry import find_algorithm
from bench.saved import SavedRun
from bench.submission.archive import WEIGHTS, shown
from bench.submission.contents import Finding, Severity, Submitted
from bench.submission.registered import find_task
from bench.task import Suite, Task

LARGEST = 1_000  # candidates, steps and the like at test time: memory and time grow with them
LARGEST_OPTION = 100_000


def rerun(
    run: Submitted,
    suites: Mapping[str, Suite],
    algorithms: Mapping[str, type[Algorithm]],
    folder: Path,
    workers: int,
) -> Iterator[Finding]:
    """What keeps a sound run from being confirmed by its own policies; nothing where all episodes are equal.

    folder: a new one, for what is played with. The record does not change.
    """

    def finding(severity: Severity, text: str) -> Finding:
        return Finding(severity, run.folder, text)

    if run.weights is None:
        yield finding(
            "error", "holds no weights to play again; ask for an archive made with bench pack --weights"
        )
        return
    try:
        yield from (
            finding(severity, text) for severity, text in _play(run, suites, algorithms, folder, workers)
        )
    except UserError as error:
        yield finding("error", f"cannot be played again: {shown(str(error))}")
    except Exception as error:  # options and weights are a stranger's: anything may go wrong with them
        said = f"{type(error).__name__}: {error}"
        yield finding("error", f"cannot be played again ({shown(said)}); its weights or options are unusual")


def _play(
    run: Submitted,
    suites: Mapping[str, Suite],
    algorithms: Mapping[str, type[Algorithm]],
    folder: Path,
    workers: int,
) -> Iterator[tuple[Severity, str]]:
    source = run.info["source"]
    if (
        source not in algorithms or source != run.info["algorithm"]
    ):  # FILE.py:CLASS would run a file of this machine
        raise UserError(
            "the algorithm is not registered; play it again with bench evaluate where its file is"
        )
    entry = find_algorithm(source, algorithms)
    if issubclass(entry.algorithm, External):
        raise UserError("its policies belong to another package; use bench evaluate if you trust the weights")
    saved = _saved(run, folder)
    task = saved.on(find_task(run.info, suites))
    algorithm = entry.algorithm(entry.algorithm.Config(**saved.config))
    _check_sizes(saved, algorithm, task)
    for sentence in saved.changed(task, entry.code):
        yield "warning", shown(sentence)
    inferences = [entry.algorithm.Inference(**setting) for setting in run.info["inferences"]]
    policy = saved.policy(algorithm, task, "cpu")
    for replayed in saved.play(policy, task, inferences, run.info["episodes"], workers):
        if replayed.verdict != "equal to the record":
            yield "error", f"played again, the record is not confirmed: {replayed.verdict}; train it again"


def _saved(run: Submitted, folder: Path) -> SavedRun:
    assert run.weights is not None
    folder.mkdir()
    for name, content in run.files.items():
        (folder / name).write_bytes(content)
    shutil.move(run.weights, folder / WEIGHTS)
    return SavedRun(folder)


def _check_sizes(saved: SavedRun, algorithm: Algorithm, task: Task) -> None:
    """Raise UserError unless the options lead to the very networks whose weights are there.

    Without this, a few digits in run.json would ask for more memory than there is; on the device `meta`
    networks have shapes and take none.
    """
    settings = [value for setting in saved.info["inferences"] for value in setting.values()]
    for values, limit in ((settings, LARGEST), (saved.config.values(), LARGEST_OPTION)):
        if any(isinstance(value, int) and value > limit for value in values):
            raise UserError(f"an option is above {limit:,}; use bench evaluate if you trust it")
    with torch.device("meta"):
        networks = initial_networks(algorithm, task.obs_dim, task.action_dim, 0)
    seeds = len(saved.info["seeds"])
    wanted: dict[str, tuple[int, ...]] = {}
    for name, network in networks.items():
        targets = [f"target_{name}"] if network.target_rate is not None else []
        for module in (name, *targets):
            shapes = {key: tuple(parameter.shape) for key, parameter in network.module.named_parameters()}
            wanted |= {f"net/{module}/{key}": (seeds, *shape) for key, shape in shapes.items()}
    there: dict[str, Any] = {key: tuple(tensor.shape) for key, tensor in saved.weights.items()}
    wrong = [key for key, shape in wanted.items() if there.get(key) != shape]
    if wrong:
        raise UserError(
            f"the weights {wrong[0]} do not have the shape that run.json leads to; pack the run anew"
        )
