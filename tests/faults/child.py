"""Runs in processes of their own, which a test may kill or starve."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from toy import TASK, folder_of, lines_of, runs_of

from algorithms.iql import IQL
from bench import execution, provenance, runner
from bench.errors import UserError

# Children are forked from a process that has imported everything; it finds modules by this variable only.
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["warm"])

Prepare = Callable[[], None]  # done to a child before it works; a function of a module, or a partial of one


def run_of(**request: Any) -> Any:
    """A run of a second or two: three seeds, 60 updates, three evaluations."""
    [run] = runs_of(IQL, **request)
    return run


class Child:
    """`execute` of a run in a process of its own, with checkpoints all the time."""

    def __init__(
        self, results: Path, run: Any = None, prepare: Prepare | None = None, **options: Any
    ) -> None:
        self.pipe, end = CONTEXT.Pipe(duplex=False)
        arguments = (end, run or run_of(), results, prepare, options)
        self.process = CONTEXT.Process(target=_work, args=arguments)
        self.process.start()
        end.close()
        self.pipe.recv()  # it begins

    def kill(self) -> bool:
        """kill -9; whether it was still working."""
        working = not self.pipe.poll() and self.process.is_alive()
        assert self.process.pid is not None
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()
        return working

    def wait(self) -> dict[str, Any]:
        """`summary` or `error`, and `notes`; only `exitcode` where it said nothing at its end."""
        try:
            outcome = self.pipe.recv()
        except EOFError:
            outcome = {}
        self.process.join()
        return outcome or {"exitcode": self.process.exitcode}


def _work(
    pipe: Connection, run: Any, results: Path, prepare: Prepare | None, options: dict[str, Any]
) -> None:
    torch.set_num_threads(1)
    execution.CHECKPOINT_SECONDS = -1
    provenance._git = dict  # type: ignore[assignment]  # it takes as long as the run
    task = replace(TASK, environments=options.pop("environments", TASK.environments))
    notes: list[str] = []

    def report(progress: execution.Progress) -> None:
        if progress.note:
            notes.append(progress.note)

    pipe.send("begin")
    if prepare is not None:
        prepare()
    try:
        summary = runner.execute(run, task, IQL, results, "cpu", report, **options)
        pipe.send({"summary": dict(summary), "notes": notes})
    except UserError as error:
        pipe.send({"error": str(error), "notes": notes})


def finish(results: Path, run: Any = None) -> dict[str, Any]:
    """Give the same command again, undisturbed; what came of it."""
    outcome = Child(results, run).wait()
    assert "summary" in outcome, outcome
    return outcome


def assert_same(results: Path, whole: Path) -> None:
    """Records but for seconds, and weights to the last bit, are those of the run nothing happened to."""
    one, other = folder_of(results), folder_of(whole)
    assert lines_of(one) == lines_of(other)
    assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
    assert not list(one.glob("checkpoint*"))
    assert not (one / "lock").exists()


def seconds_of(results: Path) -> float:
    """How long a run takes from beginning to end here and now."""
    start = time.monotonic()
    finish(results)
    return time.monotonic() - start


OPERATIONS = ("fsync", "link", "replace", "unlink")


def die_at(number: int, after: bool) -> None:
    """Kill this process at its so manieth operation on files, before or after it is carried out."""
    count = 0

    def deadly(operation):
        @wraps(operation)
        def wrapped(*arguments, **options):
            nonlocal count
            count += 1
            if count == number and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = operation(*arguments, **options)
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    for name in OPERATIONS:
        setattr(os, name, deadly(getattr(os, name)))
