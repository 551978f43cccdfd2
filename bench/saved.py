"""Saved policies of finished runs: read, played again, compared with what was recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file

from bench import records
from bench.algorithm import Algorithm
from bench.errors import UserError
from bench.evaluate import Evaluation, evaluate, rows_of
from bench.population import Policy, restored_policy
from bench.precision import DEFAULT_PRECISION
from bench.remote import RemoteEnvironments
from bench.task import Reference, Task


@dataclass(frozen=True)
class Replayed:
    """One test-time setting, played again by all seeds of a run."""

    setting: Mapping[str, Any]
    scores: np.ndarray  # (S,) mean over the episodes; NaN for a diverged seed
    verdict: str  # how it relates to the records


class SavedRun:
    """A finished run with its policies. Raises UserError where a file is missing or damaged."""

    def __init__(self, folder: Path) -> None:
        record, problems = records.read_run(folder)
        if record is None:
            said = problems[0] if problems else f"{folder} holds no run.json"
            raise UserError(f"{said}; give the folder of a run, such as results/runs/SUITE/TASK/ALGORITHM/ID")
        if not record.finished:
            raise UserError(f"{folder} is not finished; run its command again: {record.info['command']}")
        self.folder, self.record, self.info = folder, record, record.info
        try:
            self.weights = load_file(folder / "weights.safetensors")
        except (OSError, SafetensorError) as error:
            raise UserError(f"{folder / 'weights.safetensors'} cannot be read ({error})") from error

    @property
    def config(self) -> dict[str, Any]:
        """The options of the algorithm; JSON knows lists only, where they were tuples."""
        options = self.info["config"].items()
        return {name: tuple(value) if isinstance(value, list) else value for name, value in options}

    def on(self, task: Task) -> Task:
        """The task with the name and the scale that the run had; its data are not needed."""
        reference = Reference(**self.info["task_info"]["reference"])
        return replace(task, name=self.info["task"], reference=reference)

    def changed(self, task: Task, code: str) -> list[str]:
        """What is not as it was when the run was made, as sentences."""
        then = dict(self.info["task_info"]["identity"])
        now = dict(task.versions())
        said = [
            f"{name} was {then.get(name)} and is {now[name]}" for name in now if then.get(name) != now[name]
        ]
        return said + ["the code of the algorithm has changed"] * (code != self.info["code"])

    def policy(self, algorithm: Algorithm, task: Task, device: str) -> Policy:
        """The policies of all seeds."""
        precision = self.info.get("precision", DEFAULT_PRECISION)
        sizes = (task.obs_dim, task.action_dim)
        return restored_policy(algorithm, self.weights, *sizes, device, precision)

    def play(
        self, policy: Policy, task: Task, inferences: Sequence[Any], episodes: int, workers: int
    ) -> list[Replayed]:
        """All settings at once; new ones with as many episodes as the run's are added to its records."""
        seeds = self.info["seeds"]
        players = len(seeds) * len(inferences)
        count = players * rows_of(players, episodes, task.max_rows)
        spread = workers > 1 and not task.vectorized
        environments = (
            RemoteEnvironments(task.environments, count, workers) if spread else task.environments(count)
        )
        try:
            results = evaluate(policy, environments, seeds, episodes, inferences, task.max_rows)
        finally:
            environments.close()
        settings = [asdict(inference) for inference in inferences]
        return [
            Replayed(setting, _scores(result, task), self._verdict(setting, result, episodes))
            for setting, result in zip(settings, results, strict=True)
        ]

    def _verdict(self, setting: dict[str, Any], result: Evaluation, episodes: int) -> str:
        if episodes != self.info["episodes"]:
            return f"not recorded: the run has {self.info['episodes']} episodes"
        last = self.info["eval_steps"][-1]
        lines = {
            line["seed"]: line
            for line in self.record.evaluations
            if line["step"] == last and line["inference"] == setting
        }
        if lines:
            equal = sum(
                lines[seed]["returns"] == result.returns[row].tolist()
                for row, seed in enumerate(self.info["seeds"])
                if seed in lines and not result.diverged[row]
            )
            played = int((~result.diverged).sum())
            return "equal to the record" if equal == played else f"{played - equal} of {played} seeds differ"
        self._record(setting, result, last)
        return "new: recorded"

    def _record(self, setting: dict[str, Any], result: Evaluation, step: int) -> None:
        lines = records.evaluation_lines(self.info["seeds"], step, setting, result, metrics=None, seconds=0.0)
        records.append_evaluations(self.folder, lines)
        known = self.info["inferences"]
        if setting not in known:
            records.write_json(self.folder / "run.json", dict(self.info) | {"inferences": [*known, setting]})
            self.info = dict(self.info) | {"inferences": [*known, setting]}


def _scores(result: Evaluation, task: Task) -> np.ndarray:
    values = result.success if task.reference.of == "success" else result.returns
    scores = task.reference.score(values.astype(float)).mean(1)
    return np.where(result.diverged, np.nan, scores)
