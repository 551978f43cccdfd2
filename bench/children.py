"""Processes that this one starts: Ctrl-C is for this one alone, and they do not outlive it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started within it never hear of Ctrl-C, not even while they import their modules."""
    resource_tracker.ensure_running()  # starting it would end what begins here
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with_parent() -> None:
    """Have this process end when the one that started it does, whatever it is doing.

    It would go on with what nobody waits for, or write records that a new parent also writes.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
