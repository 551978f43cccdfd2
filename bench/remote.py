"""Environments in processes of their own, so that all cores step them."""

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from bench import watchdog
from bench.children import deaf_to_interrupts, die_with_parent
from bench.errors import UserError
from bench.task import Environments, Step


class RemoteEnvironments:
    """`count` environments, spread over `workers` processes; each is made and stepped in one of them.

    make: picklable; called in every process with the number of its environments. What an environment
    answers does not depend on the process, so results do not depend on the number of workers.
    """

    def __init__(self, make: Callable[[int], Environments], count: int, workers: int) -> None:
        workers = min(workers, count)
        context = multiprocessing.get_context("spawn")
        # Neighbours go to different processes: all keep busy when the last episodes of a seed are short.
        self.worker, self.place = np.arange(count) % workers, np.arange(count) // workers
        self.pipes: list[Connection] = []
        self.processes = []
        for number in range(workers):
            pipe, end = context.Pipe()
            own = int((self.worker == number).sum())
            process = context.Process(target=_serve, args=(make, own, end), daemon=True)
            with deaf_to_interrupts():  # Ctrl-C is for the parent, which then closes the pipe
                process.start()
            end.close()
            self.pipes.append(pipe)
            self.processes.append(process)

    def reset(self, rows: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """See Environments; as there, for `step` and `close`."""
        parts = self._ask("reset", rows, np.asarray(seeds))
        return _joined(parts)

    def step(self, rows: np.ndarray, action: np.ndarray) -> Step:
        parts = self._ask("step", rows, action)
        columns = zip(*(step for _, step in parts), strict=True)
        places = [place for place, _ in parts]
        return Step(*(_joined(list(zip(places, column, strict=True))) for column in columns))

    def close(self) -> None:
        for pipe in self.pipes:
            with suppress(OSError):
                pipe.send(None)
            pipe.close()
        for process in self.processes:
            process.join()

    def kill(self) -> None:
        """End the processes at once: whoever waits for an answer, in another thread, gets an error."""
        for process in self.processes:
            process.kill()

    def _ask(self, method: str, rows: np.ndarray, numbers: np.ndarray) -> list[tuple[np.ndarray, Any]]:
        """The answers of the processes that hold some of the rows, each with the places of these rows."""
        workers = self.worker[rows]
        asked = [(number, np.flatnonzero(workers == number)) for number in np.unique(workers)]
        for number, places in asked:
            with suppress(BrokenPipeError):  # noticed when it does not answer
                self.pipes[number].send((method, self.place[rows[places]], numbers[places]))
        return [(places, self._answer(number)) for number, places in asked]

    def _answer(self, number: int) -> Any:
        try:
            if not self.pipes[number].poll(watchdog.LIMIT_SECONDS):
                self.kill()  # nobody takes the answers of the others any more
                raise watchdog.HungError
            answer = self.pipes[number].recv()
        except (EOFError, ConnectionError) as error:
            self.processes[number].join()
            raise UserError(
                f"a process that steps environments ended with exit code {self.processes[number].exitcode} "
                "(-9: out of memory?); give the command again, perhaps with fewer --workers"
            ) from error
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer


def _joined(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Rows (n, ...) in order, from parts of (places of the rows, rows)."""
    order = np.argsort(np.concatenate([places for places, _ in parts]))
    return np.concatenate([rows for _, rows in parts])[order]


def _serve(make: Callable[[int], Environments], count: int, pipe: Connection) -> None:
    """Answer requests until the parent closes the pipe or is gone; an exception is answered as its trace."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()  # also while an environment hangs
    environments: Environments | None = None
    with suppress(EOFError, ConnectionError):
        while (request := pipe.recv()) is not None:
            method, rows, numbers = request
            try:
                environments = environments or make(count)
                given = numbers.tolist() if method == "reset" else numbers  # seeds are Python's integers
                answer = getattr(environments, method)(rows, given)
            except Exception as error:
                answer = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
            pipe.send(answer)
    if environments is not None:
        environments.close()
