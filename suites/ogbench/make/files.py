"""A made data set as files: episodes from one or several processes, written in the published format."""

import os
from contextlib import closing
from pathlib import Path

import numpy as np

from bench.data.source import MakeRequest
from bench.data.workers import in_processes
from bench.errors import UserError
from suites.ogbench.environments import require_ogbench
from suites.ogbench.make.recording import Recipe, Rows, record


def total_episodes(episodes: int) -> int:
    """Episodes played for so many of training: a tenth more for validation, at least one."""
    return episodes + max(1, episodes // 10)


def write(recipe: Recipe, folder: Path, request: MakeRequest) -> None:
    """Write NAME.npz and NAME-val.npz into the folder; each appears when it is complete.

    The bytes depend on the recipe, the seed and the number of episodes (and the versions of the packages),
    not on the number of processes. Raises UserError where the package is missing or the folder cannot be
    written.
    """
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
    count = total_episodes(request.episodes)
    with closing(in_processes(_Played, (recipe, request.seed), count, request.workers)) as episodes:
        for number, rows in episodes:
            if not arrays:
                size = count * recipe.rows
                arrays = {name: np.empty((size, *a.shape[1:]), a.dtype) for name, a in rows.items()}
            for name, array in rows.items():
                arrays[name][number * recipe.rows : (number + 1) * recipe.rows] = array
            request.progress(1)
    return arrays


class _Played:
    """Plays the episodes of a recipe by their numbers."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.player, self.dataset, self.seed = recipe.player(recipe), recipe.dataset, seed

    def __call__(self, number: int) -> Rows:
        return record(self.player, self.dataset, self.seed, number)


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
