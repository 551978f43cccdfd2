"""One run: train a group of seeds, evaluate at the planned steps, record. The only loop over steps."""

import json
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
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
from bench.evaluator import Evaluator
from bench.memory import keep_freed_memory
from bench.plan import Run
from bench.population import Population, make_population
from bench.registry import packages
from bench.task import Task

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
    workers: int = 1,
) -> Mapping[str, Any]:
    """Train and evaluate a run, or what is left of it; returns its summary.

    workers: processes that step environments, so that evaluation goes on beside training; 1: neither.

    Raises UserError where the algorithm breaks a rule, the data cannot be had, or records cannot be written.
    """
    folder = _folder(run, results)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _Execution(run, task, algorithm, folder, device, report, workers).complete()
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


@dataclass(frozen=True)
class _Evaluated:
    """What is being evaluated: the policies after `step` updates, under settings (as JSON)."""

    step: int
    settings: Sequence[str]
    metrics: list[dict[str, float]]


class _Execution:
    """The state of one run while it runs."""

    def __init__(
        self,
        run: Run,
        task: Task,
        algorithm: type[Algorithm],
        folder: Path,
        device: str,
        report: Report,
        workers: int,
    ) -> None:
        self.run, self.task, self.folder, self.report = run, task, folder, report
        dataset = task.load()
        keep_freed_memory()  # not before: what loading has freed goes back to the system
        instance = algorithm(algorithm.Config(**dict(run.config)))
        self.inferences = [algorithm.Inference(**dict(setting)) for setting in run.inferences]
        self.population: Population = make_population(
            instance, dataset, run.seeds, run.steps, device, run.precision
        )
        self.evaluator = Evaluator(task, run.seeds, run.episodes, workers)
        self.evaluated = _Evaluated(0, [], [])
        self.train_seconds, self.eval_seconds, self.waiting_seconds = 0.0, 0.0, 0.0
        self.score: float | None = None
        records.drop_cut_line(folder)
        if not (folder / "run.json").exists():
            described = provenance.describe(run, task, dataset, device, packages(algorithm))
            records.write_json(folder / "run.json", described)
        self._resume()

    def complete(self) -> Mapping[str, Any]:
        try:
            for goal in self.run.eval_steps:
                if goal >= self.population.step:
                    self._train(goal)
                    self._start_evaluation(goal)
                    self._checkpoint()
            self._finish_evaluation()
            self._checkpoint()
        finally:
            self.evaluator.close()
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
            if self.evaluator.done:
                self._finish_evaluation()
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self._checkpoint()
                saved = time.monotonic()

    def _start_evaluation(self, step: int) -> None:
        """Evaluate under every inference setting that has no complete record of this step yet."""
        self._finish_evaluation()
        done = _recorded(self.folder)
        settings = {json.dumps(asdict(inference)): inference for inference in self.inferences}
        wanted = {
            text: inference
            for text, inference in settings.items()
            if any((seed, step, text) not in done for seed in self.run.seeds)
        }
        if wanted:
            start = time.monotonic()
            self.evaluator.start(self.population, list(wanted.values()))
            self.waiting_seconds += time.monotonic() - start
            self.evaluated = _Evaluated(step, list(wanted), self.population.metrics())

    def _finish_evaluation(self) -> None:
        """Record the evaluation that is running, if one is."""
        if self.evaluator.idle:
            return
        start = time.monotonic()
        results, seconds = self.evaluator.take()
        self.waiting_seconds += time.monotonic() - start
        self.eval_seconds += seconds
        done = _recorded(self.folder)
        for text, result in zip(self.evaluated.settings, results, strict=True):
            about = (self.evaluated.step, json.loads(text))
            lines = records.evaluation_lines(
                self.run.seeds, *about, result, self.evaluated.metrics, seconds / len(results)
            )
            records.append_evaluations(
                self.folder,
                [line for line in lines if (line["seed"], line["step"], text) not in done],
            )
            if text == json.dumps(dict(self.run.inferences[0])):
                values = result.success if self.task.reference.of == "success" else result.returns
                scores = self.task.reference.score(values[~result.diverged])
                self.score = float(scores.mean()) if scores.size else None
        self.report(Progress(self.population.step, self.train_seconds, self.score))

    def _checkpoint(self) -> None:
        """Replace the checkpoint at once: after a crash there is the old one or the new one, never half.

        Nothing happens during an evaluation: who continues from here would not know that it was lost.
        """
        if not self.evaluator.idle:
            return
        clock = {
            "train_seconds": self.train_seconds,
            "eval_seconds": self.eval_seconds,
            "waiting_seconds": self.waiting_seconds,
            "score": self.score,
        }
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
        self.train_seconds, self.eval_seconds = clock["train_seconds"], clock["eval_seconds"]
        self.waiting_seconds, self.score = clock.get("waiting_seconds", clock["eval_seconds"]), clock["score"]

    def _summary(self) -> dict[str, Any]:
        finite = self.population.finite()
        return {
            "train_seconds": round(self.train_seconds, 3),
            "eval_seconds": round(self.eval_seconds, 3),
            "waiting_seconds": round(self.waiting_seconds, 3),
            "execution": self.population.execution(),
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
