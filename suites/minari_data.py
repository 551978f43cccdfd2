"""Data sets in Minari's format: recording them with Minari, and reading any of them as a `Dataset`."""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Space

from bench.dataset import Dataset, Episode, cache_dir
from bench.errors import UserError

ROOT_VARIABLE = "MINARI_DATASETS_PATH"  # Minari reads it at every call


def require(modules: list[str], install: str) -> None:
    """Raise UserError, with what to install, where one of these top-level modules is missing."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise UserError(f"this suite needs {', '.join(missing)}; install with: pip install {install}")


def require_minari() -> None:
    """Raise UserError where Minari's data sets cannot be read."""
    require(["minari", "h5py"], '"minari[create,hdf5]"')


@contextmanager
def minari_root(root: Path) -> Iterator[None]:
    """Inside, Minari's data sets live in `root`; afterwards where they lived before."""
    before = os.environ.get(ROOT_VARIABLE)
    os.environ[ROOT_VARIABLE] = str(root)
    try:
        yield
    finally:
        if before is None:
            del os.environ[ROOT_VARIABLE]
        else:
            os.environ[ROOT_VARIABLE] = before


def recorded(dataset_id: str, record: Callable[[str], None]) -> Dataset:
    """The Minari data set `dataset_id` of this cache, converted; `record(dataset_id)` makes it on first use.

    It is made in a folder of its own and then renamed, so that a data set which is there is whole,
    and of several processes that ask at once the first one's is kept. Raises UserError where the
    cache cannot be written or the data set cannot be read.
    """
    import minari

    root = cache_dir() / "minari"
    if not (root / dataset_id).exists():
        _make(root, dataset_id, record)
    try:
        with minari_root(root):
            return dataset_from_minari(minari.load_dataset(dataset_id))
    except UserError:
        raise
    except Exception as error:  # Minari checks little of what it reads
        raise UserError(
            f"{root / dataset_id} cannot be read as a Minari data set ({error}); "
            "delete this folder, and it is made again"
        ) from error


def _make(root: Path, dataset_id: str, record: Callable[[str], None]) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        workshop = tempfile.TemporaryDirectory(dir=root, prefix=".making-")
    except OSError as error:
        raise UserError(
            f"cannot write {root}: {error.strerror}; set BENCH_CACHE to a folder that can be written"
        ) from error
    with workshop:
        with minari_root(Path(workshop.name)):
            record(dataset_id)
        try:
            os.rename(Path(workshop.name) / dataset_id, root / dataset_id)
        except OSError:
            if not (root / dataset_id).exists():  # otherwise another process was first
                raise


@contextmanager
def without_advice() -> Iterator[None]:
    """Silence Minari's advice to give a link and an e-mail address: this data is not published."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", r"`(author|author_email|code_permalink)` is set to None", UserWarning
        )
        yield


def dataset_from_minari(source: Any, observe: Callable[[Any], np.ndarray] | None = None) -> Dataset:
    """The transitions of a `minari.MinariDataset`, episode after episode.

    `observe` makes vectors (T + 1, D) of observations that are dictionaries of arrays. Actions are mapped
    linearly from the bounds of the action space to [-1, 1]. A termination is a terminal; an episode that
    ends without one is a timeout, also where nothing marks its end.
    Raises UserError for observations that are no vectors, actions that are no bounded vectors,
    actions outside the bounds, and a termination in the middle of an episode.
    """
    name = f"Minari data set {source.spec.dataset_id!r}"
    if observe is None:
        _check_observations(name, source.observation_space)
    low, high = _bounds(name, source.action_space)

    def episodes() -> Iterator[Episode]:
        for recording in source.iterate_episodes():
            action = 2 * (recording.actions - low) / (high - low) - 1
            if (np.abs(action) > 1 + 1e-5).any():
                raise UserError(
                    f"{name}, episode {recording.id}: an action lies outside the bounds of the action space; "
                    "clip the actions when recording"
                )
            if recording.terminations[:-1].any():
                raise UserError(
                    f"{name}, episode {recording.id}: a termination in the middle; "
                    "an episode ends where it terminates, record what follows as another one"
                )
            yield Episode(
                obs=observe(recording.observations) if observe else recording.observations,
                action=action.clip(-1, 1),
                reward=recording.rewards,
                terminal=bool(recording.terminations.any()),
            )

    return Dataset.from_episodes(episodes())


def _check_observations(name: str, space: Space) -> None:
    if not isinstance(space, Box) or len(space.shape) != 1:
        raise UserError(
            f"{name} has observations in {space}; a Box with one dimension is needed; "
            "record it behind gymnasium.wrappers.FlattenObservation"
        )


def _bounds(name: str, space: Space) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest action, each (A,), in double precision."""
    if not isinstance(space, Box) or len(space.shape) != 1 or not space.is_bounded():
        raise UserError(
            f"{name} has actions in {space}; a bounded Box with one dimension is needed; "
            "this harness compares algorithms for continuous actions"
        )
    return space.low.astype(np.float64), space.high.astype(np.float64)
