"""Every recorded episode as a row of one table, for those who compute something of their own."""

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.records import (
    RunRecord,
    inference_label,
    no_runs,
    read_runs,
    scored,
    settings_kind,
    variant_label,
)

_COLUMNS = (
    "suite", "task", "algorithm", "variant", "settings", "run", "seed", "step", "inference", "episode",
    "status", "return", "success", "length", "score",
)  # fmt: skip


def load_scores(results: str | Path = "results", suite: str | None = None) -> pd.DataFrame:
    """Every recorded episode as one row of a tidy table.

    Columns: suite, task, algorithm, variant (settings that were given by hand, `expectile=0.8`), settings
    (whose they are: paper, suite, by hand, trial or tuned), run, seed, step, inference, episode, status,
    return, success, length, score. `return` is the raw sum of rewards, `score` is normalized (0 uniformly
    random, 1 best known) or, where a task says so, the success. A diverged seed has one row with status
    "diverged" and no numbers. Unreadable parts of files are passed over with a warning that names them.

    Raises UserError where the folder holds no runs.
    """
    runs, problems = read_runs(results, suite)
    if not runs:
        raise no_runs(results, suite)
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    return pd.DataFrame([row for run in runs for row in _episode_rows(run)], columns=list(_COLUMNS))


def _episode_rows(run: RunRecord) -> Iterable[tuple[Any, ...]]:
    info = run.info
    reference = info["task_info"]["reference"]
    scale = reference["best"] - reference["random"]
    head = (
        info["suite"],
        info["task"],
        info["algorithm"],
        variant_label(info),
        settings_kind(info),
        info["id"],
    )
    for line in run.evaluations:
        where = (*head, line["seed"], line["step"], inference_label(line["inference"]))
        if line["status"] != "ok":
            yield (*where, 0, line["status"], math.nan, None, None, math.nan)
            continue
        success = line["success"] or [None] * len(line["returns"])
        for episode, (value, counted, won, length) in enumerate(
            zip(line["returns"], scored(line, reference), success, line["lengths"], strict=True)
        ):
            value = math.nan if value is None else value  # an environment paid NaN or infinity
            score = math.nan if counted is None else (counted - reference["random"]) / scale
            yield (*where, episode, "ok", value, won, length, score)
