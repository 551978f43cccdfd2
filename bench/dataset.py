"""Transitions of one data set, as tensors on one device.

`terminal` means that the world ended there: no reward can follow. A `timeout` only means that the
recording stopped: the value of `next_obs` still counts. Bootstrapping looks at `terminal` alone.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.errors import UserError


@dataclass(frozen=True)
class Episode:
    """One recorded trajectory of T steps.

    obs (T + 1, D), action (T, A) in [-1, 1], reward (T,); `terminal` says whether the last
    state ended the world (True) or the recording only stopped there (False).
    """

    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    terminal: bool


@dataclass(frozen=True)
class Dataset:
    """N transitions, in the order in which they were recorded.

    obs, next_obs (N, D); action, next_action (N, A) in [-1, 1]; reward, terminal, timeout (N,);
    everything float32, the flags 0 or 1. `next_action` is the recorded action of the next row;
    where an episode ends there is none, and the row's own action stands in: behind a terminal it
    is never used, behind a timeout it is the nearest action that was recorded.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    next_action: Tensor
    terminal: Tensor
    timeout: Tensor

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def obs_dim(self) -> int:
        return self.obs.shape[1]

    @property
    def action_dim(self) -> int:
        return self.action.shape[1]

    @staticmethod
    def from_episodes(episodes: Iterable[Episode]) -> "Dataset":
        """Concatenate episodes; no transition crosses the end of an episode.

        Raises UserError, naming the episode, where shapes disagree, a number is not finite or an
        action lies outside [-1, 1].
        """
        columns = {field.name: _Growing() for field in fields(Dataset)}
        sizes = None  # D and A of the first episode
        for number, episode in enumerate(episodes):
            _check(number, episode)
            sizes = sizes or (episode.obs.shape[1], episode.action.shape[1])
            if (episode.obs.shape[1], episode.action.shape[1]) != sizes:
                raise UserError(
                    f"episode {number} has observations and actions of sizes {episode.obs.shape[1]} and "
                    f"{episode.action.shape[1]}, episode 0 of {sizes[0]} and {sizes[1]}; all need the same"
                )
            last = np.zeros(len(episode.reward), np.float32)
            last[-1] = 1
            columns["obs"].add(episode.obs[:-1])
            columns["next_obs"].add(episode.obs[1:])
            columns["action"].add(episode.action)
            columns["next_action"].add(np.concatenate([episode.action[1:], episode.action[-1:]]))
            columns["reward"].add(episode.reward)
            columns["terminal"].add(last * episode.terminal)
            columns["timeout"].add(last * (not episode.terminal))
        if sizes is None:
            raise UserError("a data set needs at least one episode; none was given")
        return Dataset(**{name: torch.from_numpy(column.taken()) for name, column in columns.items()})

    def to(self, device: torch.device | str) -> "Dataset":
        """The same transitions on another device."""
        return Dataset(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def obs_statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (plus 1e-3, as in TD3+BC) of `obs`, each (D,)."""
        return self.obs.mean(0), self.obs.std(0, correction=0) + 1e-3

    def episode_ends(self) -> np.ndarray:
        """Whether the recording ends with this row: bool (N,).

        It does at a timeout, at the last row, and at a terminal that the next row does not continue. Of a
        task whose data were recorded on beyond the goal, terminals may stand inside an episode.
        """
        ends = self.timeout.cpu().numpy() > 0
        ends[-1:] = True
        obs, next_obs = self.obs.cpu().numpy(), self.next_obs.cpu().numpy()
        rows = np.flatnonzero((self.terminal.cpu().numpy() > 0) & ~ends)
        for block in np.array_split(rows, len(rows) // 65_536 + 1):  # few rows are copied at a time
            ends[block] = (next_obs[block] != obs[block + 1]).any(axis=1)
        return ends

    def returns(self) -> np.ndarray:
        """The undiscounted return of every episode, in the order of the episodes: float64 (episodes,)."""
        last = np.flatnonzero(self.episode_ends())
        starts = np.concatenate([[0], last[:-1] + 1])
        return np.add.reduceat(self.reward.cpu().numpy(), starts, dtype=np.float64)

    def with_rewards(self, normalize_returns: bool, scale: float, shift: float) -> "Dataset":
        """Rewards * scale + shift, before that divided by the range of returns and times 1000 if asked for.

        The rule for ranges is IQL's (Kostrikov et al. 2022, its code). Raises UserError where all
        episodes have the same return, so that there is no range.
        """
        if normalize_returns:
            returns = self.returns()
            if returns.max() == returns.min():
                raise UserError(
                    "normalize_returns needs episodes of different returns, and all of this data set have "
                    f"{returns[0]:g}; run with --set normalize_returns=false"
                )
            scale *= 1000 / (returns.max() - returns.min())
        return replace(self, reward=self.reward * scale + shift)

    def normalized(self, mean: Tensor, std: Tensor) -> "Dataset":
        """Observations shifted and scaled; the rest unchanged."""
        obs, next_obs = (numbers.sub(mean).div_(std) for numbers in (self.obs, self.next_obs))
        return replace(self, obs=obs, next_obs=next_obs)

    def sha256(self) -> str:
        """Hash of the content: field names, shapes and numbers."""
        digest = hashlib.sha256()
        for field in fields(self):
            tensor = getattr(self, field.name).cpu().contiguous()
            digest.update(f"{field.name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.numpy().data)  # no copy
        return digest.hexdigest()


class _Growing:
    """Rows of a column in single precision, in one array that grows: nothing is held twice until the end."""

    def __init__(self) -> None:
        self.array, self.rows = np.empty(0, np.float32), 0

    def add(self, rows: np.ndarray) -> None:
        needed = self.rows + len(rows)
        if needed > len(self.array):
            shape = (max(needed, len(self.array) * 9 // 8), *rows.shape[1:])
            self.array.resize(shape, refcheck=False)  # large arrays stay where they are: no copy
        self.array[self.rows : needed] = rows
        self.rows = needed

    def taken(self) -> np.ndarray:
        """All rows; nothing can be added any more."""
        self.array.resize((self.rows, *self.array.shape[1:]), refcheck=False)
        return self.array


def _check(number: int, episode: Episode) -> None:
    steps = len(episode.reward)
    where = f"episode {number}"
    if steps == 0:
        raise UserError(f"{where} has no steps; an episode needs at least one")
    if len(episode.obs) != steps + 1 or len(episode.action) != steps:
        raise UserError(
            f"{where} has {len(episode.obs)} observations, {len(episode.action)} actions and "
            f"{steps} rewards; T steps have T + 1 observations, T actions and T rewards"
        )
    for name, axes in (("obs", 2), ("action", 2), ("reward", 1)):
        shape = getattr(episode, name).shape
        if len(shape) != axes:
            raise UserError(
                f"{where} has a {name} of shape {shape}; obs (T + 1, D), action (T, A), reward (T,)"
            )
        if not np.isfinite(getattr(episode, name)).all():
            raise UserError(f"{where} has a {name} that is not finite; repair or drop the episode")
    worst = np.abs(episode.action).max()
    if worst > 1 + 1e-5:
        raise UserError(f"{where} has an action of {worst:.4g}; scale actions to [-1, 1]")


def cache_dir() -> Path:
    """Where generated data lives: $BENCH_CACHE, or `offline-bench` in the user's cache folder."""
    if chosen := os.environ.get("BENCH_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "offline-bench"


def cached(name: str, make: Callable[[], Dataset]) -> Dataset:
    """The data set called `name`, made on first use and kept in `cache_dir()`.

    The file carries the sha256 of its content. A damaged file is made again; the file appears
    under its name only when it is complete, so that several processes may ask at once.
    """
    path = cache_dir() / f"{name}.npz"
    if path.exists():
        dataset = read_stored(path)
        if dataset is not None:
            return dataset
    dataset = make()
    _write(path, dataset)
    return dataset


def read_stored(path: Path) -> Dataset | None:
    """A data set that `cached` has stored; None where the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {f.name: torch.from_numpy(stored[f.name]) for f in fields(Dataset)}
            expected = json.loads(str(stored["meta"]))["sha256"]
        dataset = Dataset(**arrays)
        return dataset if dataset.sha256() == expected else None
    except Exception:  # of damaged bytes zipfile, zlib and numpy raise nearly anything
        return None


def _write(path: Path, dataset: Dataset) -> None:
    arrays = {field.name: getattr(dataset, field.name).numpy() for field in fields(Dataset)}
    meta = json.dumps({"sha256": dataset.sha256()})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            np.savez(file, meta=np.array(meta), **arrays)
        os.replace(file.name, path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; set BENCH_CACHE to a folder that can be written"
        ) from error
