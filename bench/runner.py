"""One run: train a group of seeds, evaluate at the planned steps, record. The only loop over steps."""

import json
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from bench import provenance, records
from bench.algorithm import Algorithm
from bench.errors import UserError
from bench.evaluate import Evaluation, evaluate, rows_per_seed
from bench.plan import Run
from bench.population import NativePopulation, Population
from bench.task import Environments, Task

SLICE_SECONDS = 0.5  # how often progress is reported
CHECKPOINT_SECONDS = 120  # a killed run repeats at most so much training


@dataclass(frozen=True)
class Progress:
    """How far a run is: updates done, seconds of training, newest mean score (None before the first)."""

    step: int
    seconds: float
    score: float | None


Report = Callable[[Progress], None]


def is_finished(run: Run, results: Path) -> bool:
    """Whether the records of this very run are complete; a damaged line makes them incomplete again."""
    folder = _folder(run, results)
    return (folder / "summary.json").exists() and _planned(run) <= _recorded(folder)


def execute(
    run: Run,
    task: Task,
    algorithm: type[Algorithm],
    results: Path,
    device: str,
    report: Report = lambda _: None,
) -> Mapping[str, Any]:
    """Train and evaluate a run, or what is left of it; returns its summary.

    Raises UserError where the algorithm breaks a rule, the data cannot be had, or records cannot be written.
    """
    folder = _folder(run, results)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _Execution(run, task, algorithm, folder, device, report).complete()
    except OSError as error:
        raise UserError(
            f"{folder}: {error.strerror or error}; free space or choose another --results"
        ) from error
    except UserError:
        raise
    except Exception as error:  # an algorithm or an environment may raise anything
        (folder / "error.txt").write_text(traceback.format_exc())
        said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
        raise UserError(f"{said}; the trace is in {folder / 'error.txt'}") from error


class _Execution:
    """The state of one run while it runs."""

    def __init__(
        self, run: Run, task: Task, algorithm: type[Algorithm], folder: Path, device: str, report: Report
    ) -> None:
        self.run, self.task, self.folder, self.report = run, task, folder, report
        dataset = task.load()
        instance = algorithm(algorithm.Config(**dict(run.config)))
        self.inferences = [algorithm.Inference(**dict(setting)) for setting in run.inferences]
        self.population: Population = NativePopulation(instance, dataset, run.seeds, run.steps, device)
        self.environments: Environments | None = None
        self.train_seconds, self.eval_seconds = 0.0, 0.0
        self.score: float | None = None
        records.drop_cut_line(folder)
        if not (folder / "run.json").exists():
            records.write_json(folder / "run.json", provenance.describe(run, task, dataset, device))
        self._resume()

    def complete(self) -> Mapping[str, Any]:
        try:
            for goal in self.run.eval_steps:
                if goal >= self.population.step:
                    self._train(goal)
                    self._evaluate(goal)
                    self._checkpoint()
        finally:
            if self.environments is not None:
                self.environments.close()
        save_file(_contiguous(self.population.weights()), self.folder / "weights.safetensors")
        summary = self._summary()
        records.write_json(self.folder / "summary.json", summary)
        for leftover in ("checkpoint.safetensors", "error.txt"):
            (self.folder / leftover).unlink(missing_ok=True)
        return summary

    def _train(self, goal: int) -> None:
        """Updates up to `goal`, in slices that are long enough to cost nothing and short enough to report."""
        size, saved = 1, time.monotonic()
        while self.population.step < goal:
            start = time.monotonic()
            self.population.update(min(size, goal - self.population.step))
            seconds = time.monotonic() - start
            self.train_seconds += seconds
            size = max(1, min(2 * size, int(size * SLICE_SECONDS / max(seconds, 1e-9))))
            self.report(Progress(self.population.step, self.train_seconds, self.score))
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self._checkpoint()
                saved = time.monotonic()

    def _evaluate(self, step: int) -> None:
        """Evaluate under every inference setting that has no complete record of this step yet."""
        done = _recorded(self.folder)
        for inference in self.inferences:
            setting = asdict(inference)
            keys = [(seed, step, json.dumps(setting)) for seed in self.run.seeds]
            if all(key in done for key in keys):
                continue
            start = time.monotonic()
            limit = self.task.max_rows
            result = evaluate(
                self.population, self._rows(), self.run.seeds, self.run.episodes, inference, limit
            )
            seconds = time.monotonic() - start
            self.eval_seconds += seconds
            lines = self._lines(step, setting, result, seconds)
            records.append_evaluations(
                self.folder, [line for line, key in zip(lines, keys, strict=True) if key not in done]
            )
            if setting == dict(self.run.inferences[0]):
                values = result.success if self.task.reference.of == "success" else result.returns
                scores = self.task.reference.score(values[~result.diverged])
                self.score = float(scores.mean()) if scores.size else None
        self.report(Progress(step, self.train_seconds, self.score))

    def _rows(self) -> Environments:
        if self.environments is None:
            seeds = len(self.run.seeds)
            rows = rows_per_seed(seeds, self.run.episodes, self.task.max_rows)
            self.environments = self.task.environments(seeds * rows)
        return self.environments

    def _lines(
        self, step: int, setting: Mapping[str, Any], result: Evaluation, seconds: float
    ) -> list[dict[str, Any]]:
        metrics = self.population.metrics()
        lines = []
        for row, seed in enumerate(self.run.seeds):
            lost = bool(result.diverged[row])
            line = {"seed": seed, "step": step, "inference": setting, "status": "diverged" if lost else "ok"}
            columns = {"returns": result.returns, "success": result.success, "lengths": result.lengths}
            line |= {name: None if lost else values[row].tolist() for name, values in columns.items()}
            lines.append(line | {"metrics": metrics[row], "seconds": round(seconds / len(self.run.seeds), 4)})
        return lines

    def _checkpoint(self) -> None:
        """Replace the checkpoint at once: after a crash there is the old one or the new one, never half."""
        clock = {"train_seconds": self.train_seconds, "eval_seconds": self.eval_seconds, "score": self.score}
        about = {"step": str(self.population.step), "clock": json.dumps(clock)}
        part = self.folder / "checkpoint.part"
        save_file(_contiguous(self.population.state_dict()), part, metadata=about)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, self.folder / "checkpoint.safetensors")

    def _resume(self) -> None:
        path = self.folder / "checkpoint.safetensors"
        if not path.exists():
            return
        try:
            with safe_open(path, "pt") as file:
                about = file.metadata()
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise UserError(
                f"{path} is damaged ({error}); delete it to train this run from the start"
            ) from error
        self.population.load_state_dict(state, int(about["step"]))
        clock = json.loads(about["clock"])
        self.train_seconds, self.eval_seconds, self.score = clock.values()

    def _summary(self) -> dict[str, Any]:
        finite = self.population.finite()
        return {
            "train_seconds": round(self.train_seconds, 3),
            "eval_seconds": round(self.eval_seconds, 3),
            "updates_per_second": round(self.run.steps / max(self.train_seconds, 1e-9), 3),
            "diverged": sorted(
                _diverged(self.folder) | {s for s, ok in zip(self.run.seeds, finite, strict=True) if not ok}
            ),
        }


def _folder(run: Run, results: Path) -> Path:
    return records.run_path(results, run.suite, run.task, run.algorithm, run.id)


def _planned(run: Run) -> set[tuple[int, int, str]]:
    """The evaluations of a run: seed, step, test-time setting."""
    settings = [json.dumps(dict(setting)) for setting in run.inferences]
    return set(product(run.seeds, run.eval_steps, settings))


def _recorded(folder: Path) -> set[tuple[int, int, str]]:
    """The evaluations that can be read in the folder of a run."""
    return {(line["seed"], line["step"], json.dumps(line["inference"])) for line in _lines_of(folder)}


def _diverged(folder: Path) -> set[int]:
    return {line["seed"] for line in _lines_of(folder) if line["status"] == "diverged"}


def _lines_of(folder: Path) -> list[dict[str, Any]]:
    run, _ = records.read_run(folder)
    return run.evaluations if run else []


def _contiguous(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
