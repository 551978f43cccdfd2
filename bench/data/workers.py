"""Work in several processes, by number: whatever the number of processes, the same results."""

import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from bench.errors import UserError

# Called in each process with the arguments; what it makes is called with number after number.
Start = Callable[..., Callable[[int], Any]]


def in_processes(
    start: Start, arguments: tuple[Any, ...], count: int, workers: int
) -> Generator[tuple[int, Any]]:
    """(number, result) for the numbers 0 to count - 1, as they are finished; alone, without a process.

    `start` is a function or a class of a module, `arguments` and results can be pickled. The processes end
    with this generator, and when the parent is killed. Raises UserError where a process is killed.
    """
    workers = min(workers, count)
    if workers == 1:
        work = start(*arguments)
        for number in range(count):
            yield number, work(number)
    else:
        yield from _from_processes(start, arguments, iter(range(count)), workers)


def _from_processes(
    start: Start, arguments: tuple[Any, ...], numbers: Iterator[int], workers: int
) -> Generator[tuple[int, Any]]:
    """Each process has a pipe of its own, so that one can be ended in the middle of a message without harm
    to others.
    """
    context = multiprocessing.get_context("spawn")
    processes: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(workers):
            pipe, end = context.Pipe()
            processes[pipe] = context.Process(target=_serve, args=(start, arguments, end), daemon=True)
            processes[pipe].start()
            end.close()
            pipe.send(next(numbers))
        busy = set(processes)
        while busy:
            for pipe in busy & set(wait(busy)):
                finished = _receive(pipe, processes[pipe])
                number = next(numbers, None)
                if number is None:
                    busy.remove(pipe)
                else:
                    pipe.send(number)
                yield finished
    finally:  # also on Ctrl-C: nobody waits for a result that will not be used
        for pipe, process in processes.items():
            process.terminate()
            process.join()
            pipe.close()


def _receive(pipe: Connection, process: BaseProcess) -> tuple[int, Any]:
    try:
        return pipe.recv()
    except (EOFError, ConnectionError) as error:
        process.join()
        raise UserError(
            f"a process that made episodes ended with exit code {process.exitcode} (-9: out of memory?); "
            "run again with fewer workers"
        ) from error


def _serve(start: Start, arguments: tuple[Any, ...], pipe: Connection) -> None:
    """Work on the numbers that come through the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its processes
    work = start(*arguments)
    with suppress(EOFError, BrokenPipeError):  # the parent is gone
        while True:
            number = pipe.recv()
            pipe.send((number, work(number)))
