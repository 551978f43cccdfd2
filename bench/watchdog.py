"""An environment that never answers must not hold a run for ever.

In a process of its own it is asked over a pipe, and the process is ended when no answer comes in time
(bench/remote.py). In the process of the run an alarm interrupts it, which works where Python code runs,
sleeps or waits. Where it hangs in compiled code no Python code can run at all: then the whole process is
ended, and error.txt holds the trace of its threads. Only the main thread can be watched so.
"""

import faulthandler
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, TextIO

import numpy as np

from bench.errors import UserError
from bench.task import Environments, Step

LIMIT_SECONDS = 600.0  # for one reset or one step of all environments, or for making them
GRACE_SECONDS = 60.0  # from the alarm to the end of the process


class HungError(UserError):
    """The environments did not answer in time."""

    def __init__(self) -> None:
        super().__init__(
            f"the environments hang: no step or reset ended within {LIMIT_SECONDS:g} s. Nothing of this "
            "evaluation is scored; look at the environment, then give the same command again"
        )


class Watch:
    """Within it `beat` has to be called again and again; otherwise it raises HungError where the code is.

    trace: the file for the traces of all threads, if the process must be ended.
    """

    def __init__(self, trace: Path) -> None:
        self.trace = trace
        self.able = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> "Watch":
        if self.able:
            self._file = self._opened()
            self._before = signal.signal(signal.SIGALRM, _hung)
            self._set()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.able:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()
            signal.signal(signal.SIGALRM, self._before)
            if self._file is not None:
                self._file.close()
                if self.trace.stat().st_size == 0:
                    self.trace.unlink()

    def beat(self) -> None:
        """Say that an answer came. Cheap: the alarms are moved on a few times within their limit."""
        if self.able and abs(time.monotonic() - self._since) > LIMIT_SECONDS / 10:
            self._set()

    def _set(self) -> None:
        self._since = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, LIMIT_SECONDS)
        file = self._file.fileno() if self._file is not None else 2  # standard error
        faulthandler.dump_traceback_later(LIMIT_SECONDS + GRACE_SECONDS, exit=True, file=file)

    def _opened(self) -> TextIO | None:
        """What the traces would be written to; it cannot be opened when that is needed."""
        try:
            return open(self.trace, "a")
        except OSError:
            return None


class Watched:
    """Environments of this process whose answers a watch hears of."""

    def __init__(self, environments: Environments, watch: Watch) -> None:
        self.environments, self.watch = environments, watch

    def reset(self, rows: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """See Environments; as there, for `step` and `close`."""
        self.watch.beat()
        return self.environments.reset(rows, seeds)

    def step(self, rows: np.ndarray, action: np.ndarray) -> Step:
        self.watch.beat()
        return self.environments.step(rows, action)

    def close(self) -> None:
        self.environments.close()


def _hung(number: int, frame: FrameType | None) -> NoReturn:
    raise HungError
