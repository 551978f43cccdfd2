"""One run: a single process works on it, in halves where memory does not suffice; what goes wrong is said."""

import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench import records, splitting
from bench.algorithm import Algorithm
from bench.errors import UserError
from bench.execution import Execution, Progress, Report
from bench.lock import Lock
from bench.plan import Run
from bench.recorded import LEFTOVERS, folder_of, is_complete
from bench.task import Task


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
        report(Progress(0, 0.0, None))  # the first thing that is said, by nobody who was refused the lock
        try:
            summary = Execution(run, task, algorithm, folder, device, report, workers, lock).complete()
            _tidy(folder)
            return summary
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
