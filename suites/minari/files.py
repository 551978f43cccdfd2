"""Minari's files of one data set: `data/main_data.hdf5` and `data/metadata.json`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.verify import Column, check_columns
from bench.dataset import Dataset
from bench.errors import UserError
from bench.task import Reference
from suites.minari.catalogue import Facts
from suites.minari.environments import vector
from suites.minari_data import dataset_from_minari, require_minari

FILES = ("data/main_data.hdf5", "data/metadata.json")
SHOWN = 5  # problems of episodes that are said one by one


def read(facts: Facts, folder: Path) -> Dataset:
    """The data set whose files lie in `folder`. Raises UserError where they are missing or damaged."""
    require_minari()
    import minari

    problems = list(verify(facts, folder))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(f"{problems[0]}{more}. Run: bench data verify {facts.name}")
    try:
        source = minari.MinariDataset(folder / "data")
        return dataset_from_minari(source, partial(vector, facts.parts) if facts.parts else None)
    except UserError:
        raise
    except Exception as error:  # Minari checks little of what it reads
        raise UserError(
            f"{folder} cannot be read as a data set of Minari ({error}); move it away and get it again with: "
            f"bench data fetch {facts.name}"
        ) from error


def reference_of(facts: Facts, folder: Path) -> Reference:
    """The scale that the data set's own metadata name, else the one of the catalogue.

    A task that scores success keeps that: returns of data sets are no successes. Where the catalogue has no
    best return, the mean return of the recorded episodes stands in.
    """
    try:
        metadata = json.loads((folder / FILES[1]).read_text())
        low, high = float(metadata["ref_min_score"]), float(metadata["ref_max_score"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        low = high = np.nan
    if facts.reference.of == "success" or not np.isfinite([low, high]).all() or low == high:
        return _own_scale(facts, folder)
    return Reference(low, high, "ref_min_score and ref_max_score of the data set's metadata")


def _own_scale(facts: Facts, folder: Path) -> Reference:
    if not np.isnan(facts.reference.best):
        return facts.reference
    return replace(facts.reference, best=float(read(facts, folder).returns().mean()))


def verify(facts: Facts, folder: Path) -> Iterator[str]:
    """What is wrong with the files in `folder`: a sentence for each problem, with file, episode and row."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    for name in missing:
        yield f"{folder / name} does not exist; get it with: bench data fetch {facts.name}"
    if not missing:
        metadata, said = _metadata(folder / FILES[1])
        yield from said
        yield from _episode_problems(facts, folder / FILES[0], metadata)


def _metadata(path: Path) -> tuple[Mapping[str, Any], list[str]]:
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        return {}, [f"{path} cannot be read ({error}); move it away and fetch it again"]
    wanted = ("dataset_id", "total_episodes", "total_steps", "action_space", "observation_space")
    return content, [f"{path} has no {key}; Minari writes it" for key in wanted if key not in content]


def _episode_problems(facts: Facts, path: Path, metadata: Mapping[str, Any]) -> Iterator[str]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            names = sorted((n for n in file if n.startswith("episode_")), key=lambda n: int(n[8:]))
            said = metadata.get("total_episodes", len(names))
            if said != len(names):
                yield f"{path} holds {len(names):,} episodes; its metadata say {said}"
            if not names:
                yield f"{path} holds no episodes; it has {', '.join(file) or 'nothing'}"
            found = 0
            for name in names:
                for problem in _problems(facts, f"{path.name}, {name}", file[name]):
                    found += 1
                    if found <= SHOWN:
                        yield problem
            if found > SHOWN:
                yield f"{path}: {found - SHOWN:,} more problems of the same kinds"
    except Exception as error:  # of damaged bytes HDF5 and h5py raise nearly anything
        size = path.stat().st_size
        yield (
            f"{path} ({size:,} bytes) cannot be read as HDF5 ({error}); move it away and get it again with: "
            f"bench data fetch {facts.name}"
        )


def _problems(facts: Facts, where: str, episode: Any) -> Iterator[str]:
    """What is wrong with one episode: T + 1 observations, and T of everything else."""
    arrays = {name: np.asarray(episode[name]) for name in _STEPS if name in episode}
    bounded = Column("actions", facts.action_dim, kinds="f")
    yield from check_columns(where, arrays, (bounded, *(Column(n, None, kinds="fbiu") for n in _STEPS[1:])))
    observations = {"observations": _observations(facts, episode)}
    if observations["observations"] is None:
        yield f"{where}: observations lack {', '.join(facts.parts) or 'their numbers'}"
        return
    yield from check_columns(where, observations, [Column("observations", facts.obs_dim)])
    steps, states = len(arrays.get("rewards", ())), len(observations["observations"])
    if "rewards" in arrays and states != steps + 1:
        yield f"{where}: {states:,} observations for {steps:,} steps; T steps have T + 1 observations"


_STEPS = ("actions", "rewards", "terminations", "truncations")


def _observations(facts: Facts, episode: Any) -> np.ndarray | None:
    """The observations of an episode as vectors; None where a part is missing."""
    stored = episode.get("observations")
    if stored is None:
        return None
    if not facts.parts:
        return np.asarray(stored) if hasattr(stored, "shape") else None
    if hasattr(stored, "shape") or any(part not in stored for part in facts.parts):
        return None
    try:
        return vector(facts.parts, {part: np.asarray(stored[part]) for part in facts.parts})
    except ValueError:  # parts of different lengths
        return None
