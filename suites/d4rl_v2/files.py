"""D4RL's HDF5 files, read as a `Dataset` by the rule of its `qlearning_dataset` (`d4rl/__init__.py`).

Row i holds a state, the action taken in it, the reward, and two flags about what followed: `terminals`, the
world ended; `timeouts`, the recording stopped. The next state of row i is the state of row i + 1, so a row
with `timeouts` has none and is left out, and so is the last row of the file. The rest of the file (`infos`,
`metadata`) is not read.

Precision and shape are taken as they come: by D4RL's scripts the replay files come from a float64 buffer with
columns (N, 1), and the flags of mazes are numbers. Rewards stay as they are, also in mazes (0 or 1).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.data.verify import Column, check_columns
from bench.dataset import Dataset
from bench.errors import UserError
from suites.d4rl_v2.catalogue import DatasetFacts
from suites.d4rl_v2.environments import require

Arrays = dict[str, np.ndarray]

REQUIRED = ("observations", "actions", "rewards", "terminals")
OPTIONAL = ("timeouts", "next_observations")
ROUNDING = 1e-5  # actions may leave [-1, 1] by this much; they are clipped


def read(facts: DatasetFacts, folder: Path) -> Dataset:
    """The transitions that D4RL gives to Q-learning, from the file in `folder`.

    Raises UserError where h5py or the file is missing, or the file is damaged or does not fit the task.
    """
    path = folder / facts.file
    arrays = _load(facts, path)
    problems = list(_problems(facts, arrays))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(
            f"{path} cannot be used: {problems[0]}{more}. Run: bench data verify d4rl-v2/{facts.name}"
        )
    return _taken(arrays, facts.env.max_steps)


def verify(facts: DatasetFacts, folder: Path) -> Iterator[str]:
    """What is wrong with the file in `folder`: a sentence for each kind of problem, with key and row."""
    try:
        arrays = _load(facts, folder / facts.file)
    except UserError as error:
        yield str(error)
        return
    yield from _problems(facts, arrays)


def transitions(arrays: Arrays, max_steps: int) -> Dataset:
    """The rows of sound arrays that are transitions, in the order of the file.

    Without `timeouts` an episode is cut at its row number `max_steps`, as in D4RL; D4RL counts from 1
    behind a terminal, and so keeps a transition from one episode into the next, which is not repeated here.
    Behind a terminal `next_obs` is what `next_observations` holds; without it the state of the next row, as
    in D4RL. No algorithm may look at it.
    """
    return _taken(dict(arrays), max_steps)


def _taken(arrays: Arrays, max_steps: int) -> Dataset:
    """`transitions`, which empties `arrays`, so that no column is held twice longer than needed."""
    kept = _kept(arrays, max_steps)
    row = np.flatnonzero(kept)
    terminal = arrays["terminals"][row].astype(bool)
    behind = arrays.pop("next_observations", None)
    last = None if behind is None else behind[row[terminal]]
    del behind
    obs = arrays.pop("observations").astype(np.float32, copy=False)
    next_obs = obs[row + 1]
    if last is not None:
        next_obs[terminal] = last
    action = arrays.pop("actions").clip(-1, 1)
    columns = {
        "obs": obs[row],
        "action": action[row],
        "reward": arrays["rewards"][row],
        "next_obs": next_obs,
        "next_action": action[np.where(terminal, row, row + 1)],
        "terminal": terminal,
        "timeout": ~terminal & ~kept[row + 1],
    }
    return Dataset(
        **{name: torch.from_numpy(array.astype(np.float32, copy=False)) for name, array in columns.items()}
    )


def _kept(arrays: Arrays, max_steps: int) -> np.ndarray:
    """Which rows (N,) are transitions."""
    if "timeouts" in arrays:
        kept = ~arrays["timeouts"].astype(bool)
    else:
        kept = ~_out_of_time(arrays["terminals"].astype(bool), max_steps)
    kept[-1:] = False
    return kept


def _out_of_time(terminal: np.ndarray, max_steps: int) -> np.ndarray:
    """Where an episode reaches its last step, from the terminals (N,) alone."""
    row = np.arange(len(terminal))
    first = np.zeros_like(row)
    first[1:] = np.where(terminal[:-1], row[1:], 0)
    return (row - np.maximum.accumulate(first)) % max_steps == max_steps - 1


def _load(facts: DatasetFacts, path: Path) -> Arrays:
    """What is needed of the file, in memory. Raises UserError where it cannot be read."""
    require("h5py")
    import h5py

    again = f"get it with: bench data fetch d4rl-v2/{facts.name}"
    if not path.is_file():
        raise UserError(f"{path} does not exist; {again}")
    try:
        with h5py.File(path, "r") as file:
            there = [name for name in (*REQUIRED, *OPTIONAL) if isinstance(file.get(name), h5py.Dataset)]
            missing = [name for name in REQUIRED if name not in there]
            if missing:
                raise UserError(
                    f"{path} has no {', '.join(missing)}; it has {', '.join(file) or 'nothing'}. "
                    f"A file of D4RL has {', '.join(REQUIRED)}; {again}"
                )
            return {name: _column(name, _read(file[name])) for name in there}
    except UserError:
        raise
    except Exception as error:  # of damaged bytes HDF5 and h5py raise nearly anything
        size = path.stat().st_size
        raise UserError(
            f"{path} ({size:,} bytes) {_damage(size, str(error))}; move it away and {again}"
        ) from error


def _read(stored: Any) -> np.ndarray:
    """A column of the file; double precision becomes single while it is read, without a copy in double."""
    return stored.astype(np.float32)[...] if stored.dtype == np.float64 else np.asarray(stored)


def _column(name: str, array: np.ndarray) -> np.ndarray:
    """Rewards and flags (N, 1) as (N,), as D4RL does."""
    single = name in ("rewards", "terminals", "timeouts") and array.ndim == 2 and array.shape[1] == 1
    return array[:, 0] if single else array


def _damage(size: int, said: str) -> str:
    if size == 0:
        return "is empty"
    if "truncated" in said:
        return f"is cut off ({said})"
    return f"cannot be read as HDF5 ({said})"


def _problems(facts: DatasetFacts, arrays: Arrays) -> Iterator[str]:
    """What makes the arrays unusable."""
    env = facts.env
    columns = (
        Column("observations", env.obs_dim),
        Column("actions", env.action_dim, -1 - ROUNDING, 1 + ROUNDING),
        Column("rewards", None, kinds="fiub"),
        Column("terminals", None, kinds="fiub"),
        Column("timeouts", None, kinds="fiub", optional=True),
        Column("next_observations", env.obs_dim, optional=True),
    )
    found = list(check_columns(facts.file, arrays, columns))
    flags = ("terminals", "timeouts", *(("rewards",) if env.kind == "antmaze" else ()))
    for name in flags:
        if name in arrays:
            found += _flag_problems(facts.file, name, arrays[name])
    if not found and not _kept(arrays, env.max_steps).any():
        found.append(
            f"{facts.file}: none of the {len(arrays['rewards']):,} rows is followed by its next state"
        )
    yield from found


def _flag_problems(where: str, name: str, array: np.ndarray) -> Iterator[str]:
    """Numbers other than 0 and 1; what is not finite is said elsewhere."""
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        return
    wrong = np.flatnonzero((array != 0) & (array != 1) & np.isfinite(array))
    if len(wrong):
        more = f" (and {len(wrong) - 1:,} more row{'s' * (len(wrong) > 2)})" if len(wrong) > 1 else ""
        yield f"{where}: {name}, row {wrong[0]:,}: {array[wrong[0]]!s} is neither 0 nor 1{more}"
