"""Runs on this machine: one after the other, or several in processes of their own."""

import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait as wait_for
from typing import Any

import torch

from bench.errors import UserError
from bench.plan import Run
from bench.runner import Progress, Report

# Must be picklable: a function of a module, or a partial of one.
Work = Callable[[Run, Report], Mapping[str, Any]]


@dataclass(frozen=True)
class Event:
    """What happened to a run: `progress` while it works, then `summary`, or `error` (a sentence)."""

    run: Run
    progress: Progress | None = None
    summary: Mapping[str, Any] | None = None
    error: str | None = None


Listener = Callable[[Event], None]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def execute_all(runs: Sequence[Run], work: Work, jobs: int, threads: int, listener: Listener) -> None:
    """Work on all runs, `jobs` at a time with `threads` each; the listener hears of each run.

    A run that fails stops no other. The number of threads is fixed beforehand, because sums in another
    order round otherwise: a run that continues alone must equal one that had company.
    """
    if jobs == 1:
        torch.set_num_threads(threads)
        for run in runs:
            listener(_guarded(work, run, partial(_relay, listener, run)))
        return
    context = multiprocessing.get_context("spawn")
    messages: Any = context.Queue()
    with ProcessPoolExecutor(jobs, context, _start_worker, (messages, threads)) as pool:
        futures = {pool.submit(_work_in_process, work, run): run for run in runs}
        try:
            _listen(futures, messages, listener)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _listen(futures: Mapping[Future[Event], Run], messages: Any, listener: Listener) -> None:
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, timeout=0.1)
        while True:
            try:
                listener(messages.get_nowait())
            except queue.Empty:
                break
        for future in done:
            try:
                listener(future.result())
            except BrokenProcessPool:
                listener(
                    Event(
                        futures[future],
                        error="its process was killed (out of memory?); run the command again",
                    )
                )


def _relay(listener: Listener, run: Run, progress: Progress) -> None:
    listener(Event(run, progress))


def _guarded(work: Work, run: Run, report: Report) -> Event:
    """The outcome of a run; a mistake of the user in one sentence, any other with its trace."""
    try:
        return Event(run, summary=work(run, report))
    except UserError as error:
        return Event(run, error=str(error))
    except Exception:
        return Event(run, error=traceback.format_exc().strip())


_messages: Any = None


def _start_worker(messages: Any, threads: int) -> None:
    global _messages
    _messages = messages
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A worker whose parent was killed must not go on writing records that a new parent also writes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _work_in_process(work: Work, run: Run) -> Event:
    return _guarded(work, run, partial(_relay, _messages.put, run))
