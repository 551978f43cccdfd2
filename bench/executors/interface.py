"""What every executor shares: jobs go in, events come out, and a run that fails stops no other."""

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Protocol

import torch

from bench import records
from bench.errors import UserError
from bench.execution import Progress, Report
from bench.executors import state
from bench.lock import HeldError
from bench.plan import Run
from bench.recorded import is_complete, is_finished

KILLED = "its process was killed (out of memory?)"


@dataclass(frozen=True)
class Job:
    """A run with all that any process on any machine needs to carry it out; it travels as JSON.

    work: `module:function`, called with (run, results, device, workers, report), returns the summary.
    results: absolute. folder: where the command was given; paths of the user's own files start there.
    plan: the file of the plan that it belongs to.
    """

    run: Run
    work: str
    results: str
    device: str = "cpu"
    threads: int = 1
    workers: int = 1  # processes that step environments
    folder: str = "."
    plan: str = ""
    attempt: int = 1

    @property
    def path(self) -> Path:
        """The folder of its records."""
        run = self.run
        return records.run_path(Path(self.results), run.suite, run.task, run.algorithm, run.id)

    def is_recorded(self) -> bool:
        """Whether all its records are there, whatever was heard of it: carrying it out trains nothing."""
        return is_complete(self.run, self.path) or is_finished(self.run, Path(self.results))

    def again(self) -> "Job":
        return replace(self, attempt=self.attempt + 1)

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"id": self.run.id})

    @staticmethod
    def from_json(text: str) -> "Job":
        """Raises UserError where the run has another id here: this machine has other code."""
        content = json.loads(text)
        expected = content.pop("id")
        run = Run(**{name: _tuples(value) for name, value in content.pop("run").items()})
        if run.id != expected:
            raise UserError(
                f"run {expected} reads as {run.id} here; give all machines the same version of offline-bench"
            )
        return Job(run, **content)


@dataclass(frozen=True)
class Event:
    """What happened to a run: `progress` while it works, then `summary`, or `error` (a sentence).

    held: the error is that another process works on it, which will say how it ends.
    """

    run: Run
    progress: Progress | None = None
    summary: Mapping[str, Any] | None = None
    error: str | None = None
    held: bool = False


Listener = Callable[[Event], None]


class Executor(Protocol):
    """Carries out jobs and returns when all have ended; the listener hears of each. Ctrl-C ends them all."""

    def execute(self, jobs: Sequence[Job], listener: Listener) -> None: ...


def prepare_process(threads: int) -> None:
    """What a process needs before it trains. Sums in another order round otherwise, so that a run which
    continues elsewhere must have the same number of threads as before.
    """
    torch.set_num_threads(threads)


def carry_out(job: Job, report: Report = lambda _: None) -> Event:
    """Carry out a job in this process; how it goes is also said in its folder (see state.py).

    A mistake of the user is an error in one sentence, any other one with its trace; nothing is raised.
    """
    with state.Diary(job.path, job.run.steps, job.attempt, job.plan) as diary:

        def told(progress: Progress) -> None:
            diary.write(progress)
            report(progress)

        try:
            work = resolve_name(job.work)
            summary = work(job.run, Path(job.results), job.device, job.workers, told)
        except HeldError as error:
            return Event(job.run, error=str(error), held=True)
        except UserError as error:
            return failed(job, str(error))
        except Exception:
            return failed(job, traceback.format_exc().strip())
        state.forget_failure(job.path)
        return Event(job.run, summary=summary)


def failed(job: Job, error: str) -> Event:
    """The event of a job that will not be tried again; the error is kept in the folder of the run."""
    state.write_failure(job.path, error, job.attempt)
    return Event(job.run, error=error)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
