"""One run: train a group of seeds, evaluate at the planned steps, record. The only loop over steps."""

import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import checkpoint, provenance, records, splitting
from bench.algorithm import Algorithm
from bench.checkpoint import Checkpoint
from bench.errors import UserError
from bench.evaluator import Evaluator, elapsed
from bench.lock import Lock
from bench.memory import keep_freed_memory
from bench.plan import Run
from bench.population import Population, make_population
from bench.recorded import LEFTOVERS, diverged, folder_of, is_complete, is_finished, planned, recorded
from bench.registry import packages
from bench.task import Task
from bench.tensorfile import pieces

__all__ = ["Progress", "Report", "execute", "is_finished"]

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

    Seeds that do not fit into memory together are trained as two runs of half the seeds, and so on.

    workers: processes that step environments, so that evaluation goes on beside training; 1: neither.

    Raises UserError where the algorithm breaks a rule, the data cannot be had, records cannot be written, or
    another process works on this run.
    """
    folder = folder_of(run, results)
    if not splitting.is_split(folder):
        summary = _execute_together(run, task, algorithm, results, device, report, workers)
        if summary is not None:
            return summary
        splitting.free_memory()
    why = splitting.why_split(folder)
    report(Progress(0, 0.0, None, why))
    parts = [
        execute(half, task, algorithm, results, device, report, workers) for half in splitting.halves(run)
    ]
    return splitting.merged(parts, [why])


def _execute_together(
    run: Run,
    task: Task,
    algorithm: type[Algorithm],
    results: Path,
    device: str,
    report: Report,
    workers: int,
) -> Mapping[str, Any] | None:
    """The summary of a run; None where it was split, because its seeds do not fit into memory together."""
    folder = folder_of(run, results)
    with records.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = Lock(folder)
        lock.acquire()
    with lock:
        found, _ = records.read_run(folder)
        if found is not None and found.summary is not None and is_complete(run, folder):
            _tidy(folder)
            return found.summary  # by another process just now, or by one that was killed while it tidied up
        if splitting.is_split(folder):
            return None
        try:
            return _Execution(run, task, algorithm, folder, device, report, workers, lock).complete()
        except UserError:
            raise
        except Exception as error:  # an algorithm or an environment may raise anything
            if not splitting.ran_out_of_memory(error):
                raise UserError(_said(error, folder)) from error
        # Not within `except`: the exception would keep what did not fit.
        lock.check()
        with records.writing(folder):
            splitting.split(run, folder, device)
        return None


def _tidy(folder: Path) -> None:
    """Delete what a finished run needs no more; the lock goes last."""
    with records.writing(folder):
        for name in LEFTOVERS:
            if name != "lock":
                (folder / name).unlink(missing_ok=True)


def _said(error: Exception, folder: Path) -> str:
    """An unexpected exception in one sentence; its trace goes into error.txt."""
    said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    with suppress(OSError):
        (folder / "error.txt").write_text("".join(traceback.format_exception(error)))
        return f"{said}; the trace is in {folder / 'error.txt'}"
    return f"{said}; its trace cannot be written into {folder}"


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
        with records.writing(folder):
            records.drop_cut_line(folder)
            if records.read_run(folder)[0] is None:
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
        self.lock.check()
        with records.writing(self.folder):
            weights = pieces(self.population.weights(), {})
            records.write_whole(self.folder / "weights.safetensors", weights)
            summary = self._summary()
            records.write_json(self.folder / "summary.json", summary)
        _tidy(self.folder)
        return summary

    def _train(self, goal: int) -> None:
        """Updates up to `goal`, in slices that are long enough to cost nothing and short enough to report."""
        size, saved = 1, time.monotonic()
        while self.population.step < goal:
            start = time.monotonic()
            self.population.update(min(size, goal - self.population.step))
            seconds = elapsed(start)
            self.train_seconds += seconds
            size = max(1, min(2 * size, int(size * SLICE_SECONDS / max(seconds, 1e-9))))
            self.report(Progress(self.population.step, self.train_seconds, self.score))
            if self.evaluator.done:
                self._finish_evaluation()
            # A clock that was set back must not put the next checkpoint off.
            due = abs(time.monotonic() - saved) > CHECKPOINT_SECONDS
            if due and self._checkpoint():
                saved = time.monotonic()

    def _start_evaluation(self, step: int) -> None:
        """Evaluate under every inference setting that has no complete record of this step yet."""
        self._finish_evaluation()
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

    def _checkpoint(self) -> bool:
        """Store where to continue; False during an evaluation.

        Who continued from there would not know that an evaluation was lost.
        """
        if not self.evaluator.idle:
            return False
        about = {
            "device": self.device,
            "train_seconds": self.train_seconds,
            "eval_seconds": self.eval_seconds,
            "waiting_seconds": self.waiting_seconds,
            "score": self.score,
        }
        self.lock.check()
        with records.writing(self.folder):
            checkpoint.save(
                self.folder, Checkpoint(self.population.step, self.population.state_dict(), about)
            )
        return True

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
            "notes": records.read_notes(self.folder),
        }
