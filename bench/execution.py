"""Training and evaluating one run, and where it continues. The only loop over steps."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import checkpoint, provenance, records
from bench.algorithm import Algorithm
from bench.checkpoint import Checkpoint
from bench.evaluator import Evaluator, elapsed
from bench.lock import Lock
from bench.memory import keep_freed_memory
from bench.plan import Run
from bench.population import Population, make_population
from bench.recorded import diverged, planned, recorded
from bench.registry import packages
from bench.task import Task
from bench.tensorfile import pieces

SLICE_SECONDS = 0.5  # how often progress is reported
CHECKPOINT_SECONDS = 120  # a killed run repeats at most so much training


@dataclass(frozen=True)
class Progress:
    """How far a run is: updates done, seconds of training, newest mean score (None before the first).

    note: a sentence that the user should read; empty for none.
    """

    step: int
    seconds: float
    score: float | None
    note: str = ""


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class _Evaluated:
    """What is being evaluated: the policies after `step` updates, under settings (as JSON)."""

    step: int
    settings: Sequence[str]
    metrics: list[dict[str, float]]


class Execution:
    """The state of one run while it runs, by the process that holds its lock."""

    def __init__(
        self,
        run: Run,
        task: Task,
        algorithm: type[Algorithm],
        folder: Path,
        device: str,
        report: Report,
        workers: int,
        lock: Lock,
    ) -> None:
        self.run, self.task, self.folder, self.report, self.lock = run, task, folder, report, lock
        self.device = device
        dataset = task.load()
        keep_freed_memory()  # not before: what loading has freed goes back to the system
        instance = algorithm(algorithm.Config(**dict(run.config)))
        self.inferences = [algorithm.Inference(**dict(setting)) for setting in run.inferences]
        self.population: Population = make_population(
            instance, dataset, run.seeds, run.steps, device, run.precision
        )
        self.evaluator = Evaluator(task, run.seeds, run.episodes, workers, folder / "error.txt")
        self.evaluated = _Evaluated(0, [], [])
        self.train_seconds, self.eval_seconds, self.waiting_seconds = 0.0, 0.0, 0.0
        self.score: float | None = None
        self.resumed: list[int] = []
        self.saved = time.monotonic()  # when the newest checkpoint was
        with records.writing(folder):
            records.drop_cut_line(folder)
            if records.read_run(folder)[0] is None:
                described = provenance.describe(run, task, dataset, device, packages(algorithm))
                records.write_json(folder / "run.json", described)
            self._resume()

    def complete(self) -> Mapping[str, Any]:
        """Train and evaluate what is left; the summary, which is on the disk then."""
        try:
            for goal in self.run.eval_steps:
                if goal >= self.population.step:
                    self._train(goal)
                    if not self.evaluator.idle:  # it took longer than training since
                        self._finish_evaluation()
                        self._checkpoint()
                    self._start_evaluation(goal)
                    if self.evaluator.done:  # always, where it was played in this process
                        self._finish_evaluation()
                    self._checkpoint()
            self._finish_evaluation()
            self._checkpoint()
        finally:
            self.evaluator.close()
        self.lock.check()
        with records.writing(self.folder):
            weights = pieces(self.population.weights(), {})
            records.write_whole(self.folder / "weights.safetensors", weights)
            summary = self._summary()
            records.write_json(self.folder / "summary.json", summary)
        return summary

    def _train(self, goal: int) -> None:
        """Updates up to `goal`, in slices that are long enough to cost nothing and short enough to report."""
        size = 1
        while self.population.step < goal:
            start = time.monotonic()
            self.population.update(min(size, goal - self.population.step))
            seconds = elapsed(start)
            self.train_seconds += seconds
            size = max(1, min(2 * size, int(size * SLICE_SECONDS / max(seconds, 1e-9))))
            self.report(Progress(self.population.step, self.train_seconds, self.score))
            if self.evaluator.done:
                self._finish_evaluation()
                self._checkpoint()
            # A clock that was set back must not put the next checkpoint off.
            if abs(time.monotonic() - self.saved) > CHECKPOINT_SECONDS:
                self._checkpoint()

    def _start_evaluation(self, step: int) -> None:
        """Evaluate under every inference setting that has no complete record of this step yet."""
        done = recorded(self.folder)
        settings = {json.dumps(asdict(inference)): inference for inference in self.inferences}
        wanted = {
            text: inference
            for text, inference in settings.items()
            if any((seed, step, text) not in done for seed in self.run.seeds)
        }
        if wanted:
            start = time.monotonic()
            self.evaluator.start(self.population, list(wanted.values()))
            self.waiting_seconds += elapsed(start)
            self.evaluated = _Evaluated(step, list(wanted), self.population.metrics())

    def _finish_evaluation(self) -> None:
        """Record the evaluation that is running, if one is."""
        if self.evaluator.idle:
            return
        start = time.monotonic()
        results, seconds = self.evaluator.take()
        self.waiting_seconds += elapsed(start)
        self.eval_seconds += seconds
        done = recorded(self.folder)
        for text, result in zip(self.evaluated.settings, results, strict=True):
            about = (self.evaluated.step, json.loads(text))
            lines = records.evaluation_lines(
                self.run.seeds, *about, result, self.evaluated.metrics, seconds / len(results)
            )
            self.lock.check()
            with records.writing(self.folder):
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
        """Store where to continue; not during an evaluation.

        Who continued from there would not know that an evaluation was lost.
        """
        if not self.evaluator.idle:
            return
        about = {
            "device": self.device,
            "train_seconds": self.train_seconds,
            "eval_seconds": self.eval_seconds,
            "waiting_seconds": self.waiting_seconds,
            "score": self.score,
            "resumed": self.resumed,
        }
        self.lock.check()
        with records.writing(self.folder):
            checkpoint.save(
                self.folder, Checkpoint(self.population.step, self.population.state_dict(), about)
            )
        self.saved = time.monotonic()

    def _resume(self) -> None:
        found, notes = checkpoint.load(self.folder)
        for note in notes:
            self._say(note)
        if found is None:
            return
        if lost := self._lost(found.step):
            self._say(
                f"what was recorded after update {lost} is damaged; training began anew to repeat it, which "
                "changes no result"
            )
            return
        self.population.load_state_dict(found.tensors, found.step)
        about = found.about
        self.train_seconds, self.eval_seconds = about["train_seconds"], about["eval_seconds"]
        self.waiting_seconds, self.score = about["waiting_seconds"], about["score"]
        self.resumed = [*about.get("resumed", []), found.step]
        if about["device"] != self.device:
            self._say(
                f"training went on on {self.device} after update {found.step}, which had been reached on "
                f"{about['device']}: not equal to a run on one device bit for bit"
            )

    def _lost(self, reached: int) -> int | None:
        """The first evaluation before so many updates that is not whole on the disk, though it once was."""
        open_ = planned(self.run) - recorded(self.folder)
        return min((step for _, step, _ in open_ if step < reached), default=None)

    def _say(self, note: str) -> None:
        """Tell the user now, and the reader of the summary."""
        records.append_note(self.folder, note)
        self.report(Progress(self.population.step, self.train_seconds, self.score, note))

    def _summary(self) -> dict[str, Any]:
        finite = self.population.finite()
        return {
            "train_seconds": round(self.train_seconds, 3),
            "eval_seconds": round(self.eval_seconds, 3),
            "waiting_seconds": round(self.waiting_seconds, 3),
            "execution": self.population.execution(),
            "updates_per_second": round(self.run.steps / max(self.train_seconds, 1e-9), 3),
            "diverged": sorted(
                diverged(self.folder) | {s for s, ok in zip(self.run.seeds, finite, strict=True) if not ok}
            ),
            "resumed": self.resumed,
            "notes": records.read_notes(self.folder),
        }
