"""What a record says of its run: what was run, on what, with what, and the command that repeats it."""

import datetime
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import records
from bench.data import card
from bench.dataset import Dataset
from bench.plan import Run
from bench.task import Task


def describe(
    run: Run, task: Task, dataset: Dataset, device: str, packages: Mapping[str, str]
) -> dict[str, Any]:
    """The content of run.json; packages: the versions of those that bring the algorithm."""
    sha256 = dataset.sha256()
    found = card.cached_card(sha256, task.reference, lambda: card.describe(dataset, task.reference))
    return {
        "format": records.FORMAT,
        "id": run.id,
        "suite": run.suite,
        "task": run.task,
        "algorithm": run.algorithm,
        "source": run.source,
        "code": run.code,
        "config": _plain(run.config),
        "overrides": _plain(run.overrides),
        "settings": run.settings,
        **({"sweep": _sweep(run)} if run.sweep else {}),
        "task_options": dict(run.task_options),
        "sources": dict(run.sources),
        "seeds": list(run.seeds),
        "steps": run.steps,
        "eval_steps": list(run.eval_steps),
        "episodes": run.episodes,
        "evaluation_seeds": records.EVALUATION_SEEDS,
        "inferences": [dict(setting) for setting in run.inferences],
        "task_info": {
            "summary": task.summary,
            "reference": asdict(task.reference),
            "max_steps": task.max_steps,
            "notes": list(task.notes),
            "transitions": len(dataset),
            "card": card.to_json(found),
            "identity": dict(task.versions()) | {"dataset": sha256},
        },
        "versions": _versions() | dict(packages),
        "device": _device_info(device),
        "precision": run.precision,
        "git": _git(),
        "command": run.command(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
    }


def _plain(pairs: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in pairs}


def _sweep(run: Run) -> dict[str, Any]:
    """The part of the run in its sweep: name, search, number of the trial; for a tuned run what it cost."""
    said = dict(run.sweep)
    options = said.pop("options")
    chosen = _plain(tuple(pair for pair in run.overrides if pair[0] in options))
    return {key: value for key, value in said.items() if key != "command"} | {"chosen": chosen}


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def _device_info(device: str) -> dict[str, Any]:
    cuda = device.startswith("cuda")
    return {
        "type": device,
        "name": torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine(),
        "cuda": torch.version.cuda if cuda else None,
        "threads": torch.get_num_threads(),
    }


# Results that are written change nothing, nor do hashes of downloads that are recorded.
_CODE = ("bench", "algorithms", "suites", "constraints.txt", ":(exclude)suites/lock.json")


def _git() -> dict[str, Any]:
    """Commit of this code and whether the code was unchanged; empty where it is not a checkout."""
    here = Path(__file__).parent.parent

    def ask(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "clean": ask("status", "--porcelain", "--", *_CODE) == ""}
    except (OSError, subprocess.CalledProcessError):
        return {}
