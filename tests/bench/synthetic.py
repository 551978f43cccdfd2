"""Writes made-up runs in the record format, for the tests of everything that reads records."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.streams import stream

RANDOM, BEST = 10.0, 110.0  # returns of score 0 and score 1


def write_run(
    results: Path,
    task: str,
    algorithm: str,
    scores: Mapping[int, float],
    *,
    suite: str = "diagnostic",
    run_id: str = "r1",
    steps: int = 4000,
    evaluations: int = 4,
    episodes: int = 3,
    spread: float = 0.0,
    inferences: Sequence[Mapping[str, Any]] = ({},),
    overrides: Mapping[str, Any] | None = None,
    diverged: Mapping[int, int] | None = None,
    skipped: Sequence[int] = (),
    finished: bool = True,
    created: str = "2026-01-01T00:00:00",
    **info: Any,
) -> Path:
    """One run whose seeds reach `scores` (seed: score) at the last evaluation, rising linearly.

    `spread` is the standard deviation of an episode's score; each further inference setting is 0.1
    better. `diverged` maps seeds to the step where they diverge; `skipped` seeds lack their last
    evaluation. `info` replaces entries of run.json.
    """
    path = results / "runs" / suite / task / algorithm / run_id
    path.mkdir(parents=True)
    eval_steps = [steps * (i + 1) // evaluations for i in range(evaluations)]
    content = _info(suite, task, algorithm, run_id, list(scores), steps, eval_steps, episodes)
    content |= {"inferences": list(inferences), "overrides": dict(overrides or {}), "created": created} | info
    (path / "run.json").write_text(json.dumps(content, indent=1) + "\n")
    diverged = diverged or {}
    lines = []
    for step in eval_steps:
        for seed, score in scores.items():
            for rank, inference in enumerate(inferences):
                if seed in skipped and step == eval_steps[-1]:
                    continue
                mean = (score + 0.1 * rank) * step / steps
                noise = stream("synthetic", task, algorithm, seed, step).standard_normal(episodes)
                broken = step >= diverged.get(seed, steps + 1)
                lines.append(_line(seed, step, inference, None if broken else mean + spread * noise))
    (path / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if finished:
        summary = {"train_seconds": 40.0, "eval_seconds": 8.0, "updates_per_second": 100.0}
        (path / "summary.json").write_text(json.dumps(summary | {"diverged": sorted(diverged)}) + "\n")
    return path


def rename_algorithm(path: Path, name: str) -> None:
    """Give the run in `path` an algorithm's name that no folder could have."""
    file = path / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"algorithm": name}))


def _info(
    suite: str, task: str, algorithm: str, run_id: str, seeds: list[int], steps: int, eval_steps: list[int],
    episodes: int,
) -> dict[str, Any]:  # fmt: skip
    reference = {"random": RANDOM, "best": BEST, "source": "made up for tests"}
    return {
        "format": 1, "id": run_id, "suite": suite, "task": task, "algorithm": algorithm,
        "config": {"batch_size": 256}, "overrides": {}, "sources": {}, "seeds": seeds, "steps": steps,
        "eval_steps": eval_steps, "episodes": episodes, "inferences": [{}],
        "task_info": {
            "summary": f"what {task} tests", "reference": reference,
            "identity": {"dataset": "0" * 64, "gymnasium": "1.0.0"}, "max_steps": 100,
        },
        "code": "c0dec0de", "versions": {"python": "3.11", "torch": "2.13.0"},
        "device": {"type": "cpu", "name": "x86_64"},
        "git": {"commit": "abc", "clean": True}, "command": f"bench run {suite} {algorithm} --tasks {task}",
        "created": "2026-01-01T00:00:00",
    }  # fmt: skip


def _line(seed: int, step: int, inference: Mapping[str, Any], scores: np.ndarray | None) -> dict[str, Any]:
    where = {"seed": seed, "step": step, "inference": dict(inference)}
    if scores is None:
        nothing = {"status": "diverged", "returns": None, "success": None, "lengths": None}
        return where | nothing | {"metrics": {}, "seconds": 0.0}
    returns = [round(RANDOM + (BEST - RANDOM) * score, 6) for score in scores]
    played = {"status": "ok", "returns": returns, "success": None, "lengths": [100] * len(returns)}
    return where | played | {"metrics": {"loss": 0.5}, "seconds": 0.1}


def write_demo(results: Path, seeds: int = 5, episodes: int = 20) -> None:
    """Seven algorithms on six tasks, with plausible scores and one diverged seed."""
    levels = {
        "bc": 0.30, "td3_bc": 0.48, "iql": 0.58, "cql": 0.45, "rebrac": 0.66,
        "diffusion_ql": 0.70, "sorl": 0.78,
    }  # fmt: skip
    tasks = ("two-doors", "long-corridor", "noisy-expert", "stitching", "sparse-goal", "narrow-data")
    for task in tasks:
        for algorithm, level in levels.items():
            draw = stream("demo", task, algorithm)
            center = level + 0.12 * draw.standard_normal()
            scores = {seed: float(center + 0.07 * draw.standard_normal()) for seed in range(seeds)}
            write_run(
                results, task, algorithm, scores, episodes=episodes, spread=0.2,
                inferences=[{"steps": 8, "candidates": 1}, {"steps": 1, "candidates": 4}]
                if algorithm == "sorl" else [{}],
                diverged={3: 2000} if (task, algorithm) == ("stitching", "cql") else None,
            )  # fmt: skip
