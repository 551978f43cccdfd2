"""Which records can be scored at all: what a run must say, and which of its evaluations hold numbers."""

import math
import shlex
from collections.abc import Mapping
from typing import Any

from bench.notes import where
from bench.records import KINDS, RunRecord, settings_kind


def fault_of(run: RunRecord) -> str | None:
    """Why run.json cannot be scored; None where it can."""
    info = run.info
    lacking = [key for key in _KEYS if key not in info]
    if lacking:
        return f"run.json lacks {', '.join(lacking)}"
    for key in ("seeds", "eval_steps", "inferences"):
        if not isinstance(info[key], list) or not info[key]:
            return f"run.json holds no list of {key}"
    try:
        shlex.split(info["command"])
    except (AttributeError, ValueError):
        return "run.json holds no command line"
    if fault := _sweep_fault(info):
        return fault
    try:
        random, best = (float(info["task_info"]["reference"][key]) for key in ("random", "best"))
    except (KeyError, TypeError, ValueError):
        return "run.json holds no reference scores"
    if not math.isfinite(best - random) or best == random:
        return "its reference scores span no scale"
    return None


def _sweep_fault(info: Mapping[str, Any]) -> str | None:
    if settings_kind(info) not in KINDS:
        return f"the settings of run.json are none of {', '.join(KINDS)}"
    sweep = info.get("sweep")
    if settings_kind(info) == "tuned" and not (
        isinstance(sweep, dict) and isinstance(sweep.get("chosen"), dict) and "trials" in sweep
    ):
        return "run.json is tuned and does not say by which sweep"
    return None


_KEYS = (
    "id", "suite", "task", "algorithm", "config", "overrides", "seeds", "steps", "eval_steps", "episodes",
    "inferences", "task_info", "code", "created", "command",
)  # fmt: skip


def without_damaged_lines(run: RunRecord, notes: list[str]) -> RunRecord:
    """The run without evaluations that hold no numbers; each is said in `notes`."""
    sound = []
    for line in run.evaluations:
        returns = line["returns"]
        if line["status"] != "ok" or (returns and all(isinstance(r, (int, float)) for r in returns)):
            sound.append(line)
        else:
            notes.append(
                f"results: {where(run)}, run {run.info['id']}: the evaluation of seed {line['seed']} at step "
                f"{line['step']} holds a return that is no number; it is left out"
            )
    return RunRecord(run.path, run.info, sound, run.summary)
