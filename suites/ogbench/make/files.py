"""A made data set as files: episodes from one or several processes, written in the published format."""

import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from bench.data.source import MakeRequest
from bench.errors import UserError
from suites.ogbench.environments import require_ogbench
from suites.ogbench.make.recording import Recipe, Rows, record


def total_episodes(episodes: int) -> int:
    """Episodes played for so many of training: a tenth more for validation, at least one."""
    return episodes + max(1, episodes // 10)


def write(recipe: Recipe, folder: Path, request: MakeRequest) -> None:
    """Write NAME.npz and NAME-val.npz into the folder; each appears when it is complete.

    The bytes depend on the recipe, the seed and the number of episodes (and the versions of the packages),
    not on the number of processes. Raises UserError where the package is missing, a number is out of range or
    the folder cannot be written.
    """
    for name, value in (("episodes", request.episodes), ("workers", request.workers)):
        if value < 1:
            raise UserError(f"{name} = {value}; it is a whole number of 1 or more")
    require_ogbench()
    _check_folder(folder)  # before hours of work, not after
    arrays = _all_rows(recipe, request)
    border = request.episodes * recipe.rows
    parts = {recipe.dataset: slice(None, border), f"{recipe.dataset}-val": slice(border, None)}
    for name, part in parts.items():
        _save(folder / f"{name}.npz", {key: array[part] for key, array in arrays.items()})


def _all_rows(recipe: Recipe, request: MakeRequest) -> Rows:
    """The rows of all episodes by their numbers, whatever the order in which they were played."""
    arrays: Rows = {}
    with closing(_episodes(recipe, request)) as episodes:
        for number, rows in episodes:
            if not arrays:
                size = total_episodes(request.episodes) * recipe.rows
                arrays = {name: np.empty((size, *a.shape[1:]), a.dtype) for name, a in rows.items()}
            for name, array in rows.items():
                arrays[name][number * recipe.rows : (number + 1) * recipe.rows] = array
            request.progress(1)
    return arrays


def _episodes(recipe: Recipe, request: MakeRequest) -> Generator[tuple[int, Rows]]:
    """Every episode with its number, as they are finished."""
    numbers = range(total_episodes(request.episodes))
    workers = min(request.workers, len(numbers))
    if workers == 1:
        player = recipe.player(recipe)
        for number in numbers:
            yield number, record(player, recipe.dataset, request.seed, number)
    else:
        yield from _from_processes(recipe, request.seed, iter(numbers), workers)


def _from_processes(
    recipe: Recipe, seed: int, numbers: Iterator[int], workers: int
) -> Generator[tuple[int, Rows]]:
    """The same from several processes; they end with this generator, and when the parent is killed.

    Each has a pipe of its own, so that one can be ended in the middle of a message without harm to others.
    """
    context = multiprocessing.get_context("spawn")
    processes: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(workers):
            pipe, end = context.Pipe()
            processes[pipe] = context.Process(target=_serve, args=(recipe, seed, end), daemon=True)
            processes[pipe].start()
            end.close()
            pipe.send(next(numbers))
        busy = set(processes)
        while busy:
            for pipe in wait(busy):
                assert isinstance(pipe, Connection)
                finished = _receive(pipe, processes[pipe])
                number = next(numbers, None)
                if number is None:
                    busy.remove(pipe)
                else:
                    pipe.send(number)
                yield finished
    finally:  # also on Ctrl-C: nobody waits for an episode that will not be used
        for pipe, process in processes.items():
            process.terminate()
            process.join()
            pipe.close()


def _receive(pipe: Connection, process: BaseProcess) -> tuple[int, Rows]:
    try:
        return pipe.recv()
    except (EOFError, ConnectionError) as error:
        process.join()
        raise UserError(
            f"a process that made episodes ended with exit code {process.exitcode} (-9: out of memory?); "
            "run again with fewer workers"
        ) from error


def _serve(recipe: Recipe, seed: int, pipe: Connection) -> None:
    """Play the episodes whose numbers come through the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its processes
    player = recipe.player(recipe)
    with suppress(EOFError, BrokenPipeError):  # the parent is gone
        while True:
            number = pipe.recv()
            pipe.send((number, record(player, recipe.dataset, seed, number)))


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise UserError(f"cannot write to {folder}; choose a folder that can be written")


def _save(path: Path, arrays: Rows) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(part, path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; choose a folder with space that can be written"
        ) from error
    finally:
        part.unlink(missing_ok=True)
