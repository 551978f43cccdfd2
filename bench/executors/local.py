"""Runs on this machine: one after the other, or several in processes of their own."""

import math
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

from bench.children import deaf_to_interrupts, die_with_parent
from bench.executors.interface import KILLED, Event, Job, Listener, carry_out, failed, prepare_process

LONGEST_WAIT = 3600.0  # seconds; only an upper bound of one wait


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Local:
    """Executes jobs in `processes` processes of this machine, each with a share of the GPUs.

    gpus: what CUDA_VISIBLE_DEVICES may say, one per slot in turn; empty: processes see what this one sees.
    timeout: seconds for an attempt. retries: how often a run whose process was killed, or that took too long,
    is tried again. With one process, and neither GPUs, timeout nor retries, jobs are carried out in this one.
    """

    processes: int = 1
    threads: int = 1
    gpus: Sequence[str] = ()
    timeout: float | None = None
    retries: int = 0

    def execute(self, jobs: Sequence[Job], listener: Listener) -> None:
        if self.processes == 1 and not self.gpus and self.timeout is None and not self.retries:
            prepare_process(self.threads)
            for job in jobs:
                listener(carry_out(job, lambda done, job=job: listener(Event(job.run, done))))  # type: ignore[misc]
            return
        slots = min(self.processes, len(jobs))
        pool = _Pool([self.gpus[n % len(self.gpus)] if self.gpus else None for n in range(slots)], self)
        try:
            pool.execute(jobs, listener)
        finally:
            pool.close()


class _Pool:
    """Worker processes with one job each at a time: who is killed takes no other with it."""

    def __init__(self, slots: Sequence[str | None], settings: Local) -> None:
        self.settings = settings
        self.workers = [_Worker(gpu, settings.threads) for gpu in slots]

    def execute(self, jobs: Sequence[Job], listener: Listener) -> None:
        waiting = deque(jobs)
        while waiting or any(worker.job for worker in self.workers):
            for worker in self.workers:
                if waiting and worker.job is None:
                    worker.start(waiting.popleft())
            busy = [worker for worker in self.workers if worker.job is not None]
            ready = set(wait_for([worker.pipe for worker in busy if worker.pipe], self._patience(busy)))
            for worker in busy:
                if worker.pipe in ready:
                    lost = worker.listen(listener)
                elif self._late(worker):
                    lost = f"timed out after {duration(self.settings.timeout or 0)}"
                else:
                    continue
                if lost is not None:
                    again = self._lose(worker, lost, listener)
                    waiting.extendleft([again] if again else [])

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()

    def _patience(self, busy: Sequence["_Worker"]) -> float:
        if self.settings.timeout is None:
            return LONGEST_WAIT
        end = min(worker.started for worker in busy) + self.settings.timeout
        return min(LONGEST_WAIT, max(0.0, end - time.monotonic()))

    def _late(self, worker: "_Worker") -> bool:
        return (
            self.settings.timeout is not None and time.monotonic() - worker.started >= self.settings.timeout
        )

    def _lose(self, worker: "_Worker", reason: str, listener: Listener) -> Job | None:
        """End a worker whose job is lost; the job once more, or None where it has failed for good."""
        job = worker.job
        assert job is not None
        worker.kill()
        with suppress(OSError):
            (job.path / "progress.json").unlink(missing_ok=True)
        if job.is_recorded():  # it was lost just after its last word
            listener(carry_out(job))
            return None
        if job.attempt <= self.settings.retries:
            return job.again()
        listener(failed(job, f"{reason}; the same command continues from its last checkpoint"))
        return None


class _Worker:
    """A slot: at most one process, which is started with the first job and again after it was lost."""

    def __init__(self, gpu: str | None, threads: int) -> None:
        self.gpu, self.threads = gpu, threads
        self.job: Job | None = None
        self.started = math.inf  # when its job began, which is after the process has imported everything
        self.process: Any = None
        self.pipe: Connection | None = None

    def start(self, job: Job) -> None:
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.pipe, end = context.Pipe()
            # not a daemon: a run starts processes of its own, which step environments
            process = context.Process(target=_serve, args=(end, self.threads, self.gpu))
            with deaf_to_interrupts():  # Ctrl-C is for the parent, which ends its workers
                process.start()
                self.process = process  # only now: one that could not be started cannot be killed
            end.close()
        assert self.pipe is not None
        self.job, self.started = job, math.inf
        with suppress(OSError):  # noticed when it does not answer
            self.pipe.send(job)

    def listen(self, listener: Listener) -> str | None:
        """Take one message; a sentence where the process is gone instead."""
        assert self.pipe is not None
        try:
            event: Event | None = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            return KILLED if code == -signal.SIGKILL else _ended_with(code, self.job)
        if event is None:
            self.started = time.monotonic()
            return None
        if event.progress is None:
            self.job = None
        listener(event)
        return None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
        if self.pipe is not None:
            self.pipe.close()
        self.process, self.pipe, self.job = None, None, None


def _ended_with(code: int, job: Job | None) -> str:
    """How a process ended itself, and where it has left the trace of its threads (see bench/watchdog.py)."""
    said = f"its process ended with exit code {code}"
    trace = job.path / "error.txt" if job else None
    return f"{said}; the trace is in {trace}" if trace and _has_content(trace) else said


def _has_content(file: Path) -> bool:
    """The watchdog opens the file before anything happens."""
    return file.exists() and file.stat().st_size > 0


def duration(seconds: float) -> str:
    """`90 s`, `5 min`, `2 h`: the largest unit that fits exactly."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _serve(pipe: Connection, threads: int, gpu: str | None) -> None:
    """Carry out jobs until the parent is gone. CUDA reads its variable later, when it is first used."""
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_process(threads)
    die_with_parent()

    def tell(event: Event | None) -> None:
        try:
            pipe.send(event)
        except OSError:  # the parent is gone, which is no failure of the run
            os._exit(1)

    with suppress(EOFError, OSError):  # so it is here
        while True:
            job: Job = pipe.recv()
            tell(None)
            tell(carry_out(job, lambda progress, job=job: tell(Event(job.run, progress))))  # type: ignore[misc]
