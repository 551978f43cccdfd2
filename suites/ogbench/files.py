"""OGBench's files: NAME.npz and NAME-val.npz, read as a `Dataset` with the rewards of one task.

A row holds a state and the action taken in it; the last row of an episode is a state without a transition.
Rewards are not in the file: the package's own `relabel_dataset` computes them from the row's state, which is
the rule of `success_timing='pre'`.
"""

from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.data.verify import Column, check_columns, check_episode_ends
from bench.dataset import Dataset
from bench.errors import UserError
from suites.ogbench.catalogue import NUM_TASKS, EnvironmentFacts
from suites.ogbench.environments import OwnGlobalGenerator, make

Arrays = dict[str, np.ndarray]


def read(facts: EnvironmentFacts, dataset: str, task: int, folder: Path) -> Dataset:
    """The training file of `dataset` in `folder`, with the rewards of one of the five tasks.

    `terminal` is 1 where the task is solved in the row's state: no reward follows there, although the
    recording went on; `timeout` is 1 at the last transition of every recording. Raises UserError where the
    file is missing or damaged.
    """
    path = folder / f"{dataset}.npz"
    arrays = _load(path, single=("observations", "actions"), skipped=("qvel",))  # no reward depends on it
    problems = list(_problems(path.name, arrays, facts))
    if problems:
        raise UserError(
            f"{path} is damaged: {problems[0]}{_more(problems)}. Run: bench data verify {dataset}"
        )
    reward, mask = rewards(facts, arrays, task)
    needed = {name: arrays[name] for name in ("observations", "actions", "terminals")}
    arrays.clear()  # the states that the rewards were computed from are as large as the rest
    return _transitions(needed, reward, mask)


def verify(facts: EnvironmentFacts, dataset: str, folder: Path) -> Iterator[str]:
    """What is wrong with both files of `dataset` in `folder`: shapes, types, numbers, episodes, rewards."""
    for path in (folder / f"{dataset}.npz", folder / f"{dataset}-val.npz"):
        try:
            arrays = _load(path)
        except UserError as error:
            yield str(error)
            continue
        problems = list(_problems(path.name, arrays, facts, official=True))
        yield from problems
        if not problems:
            yield from _reward_problems(path.name, arrays, facts)


def rewards(facts: EnvironmentFacts, arrays: Arrays, task: int) -> tuple[np.ndarray, np.ndarray]:
    """Reward and mask (0 where the task is solved) of every row (N,), by the package's own rule."""
    env_id = f"{facts.name}-singletask-task{task}-v0"
    env = _labelling(env_id)
    from ogbench.relabel_utils import relabel_dataset

    labelled = dict(arrays)
    relabel_dataset(env_id, env, labelled)
    return labelled["rewards"], labelled["masks"]


@cache
def _labelling(env_id: str) -> OwnGlobalGenerator:
    """The environment that knows the goal of a task; some take a second to build."""
    return OwnGlobalGenerator(make(env_id))


def _load(path: Path, single: Collection[str] = (), skipped: Collection[str] = ()) -> Arrays:
    """All arrays of the file but those in `skipped`, in memory; those in `single` never in double precision.

    Raises UserError where they cannot be read.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist; get it with: bench data fetch {path.stem}")
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [name for name in file.files if name not in skipped]
            return {name: _read(file[name], name in single) for name in names}
    except Exception as error:  # of damaged bytes zipfile, zlib and numpy raise nearly anything
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path} ({path.stat().st_size:,} bytes) is no readable .npz file ({said}); move it away and get "
            f"it again with: bench data fetch {path.stem.removesuffix('-val')}"
        ) from error


def _read(member: Any, single: bool) -> np.ndarray:
    array = np.asarray(member)  # a member that is no array is given as bytes
    with np.errstate(over="ignore"):  # what becomes infinite is said as a problem
        return array.astype(np.float32) if single and array.dtype == np.float64 else array


def _problems(where: str, arrays: Arrays, facts: EnvironmentFacts, official: bool = False) -> Iterator[str]:
    """What makes the arrays unusable; with `official`, also types that differ from the official files."""

    def dtype(name: str) -> str | None:
        return name if official else None

    columns = [
        Column("observations", facts.obs_dim, dtype=dtype("float32")),
        Column("actions", facts.action_dim, -1 - 1e-5, 1 + 1e-5, dtype=dtype("float32")),
        Column("terminals", None, 0, 1, kinds="bfiu", dtype=dtype("bool")),
        Column("qpos", -1, dtype=dtype("float32")),
        Column("qvel", -1, dtype=dtype("float32"), optional=True),
    ]
    if facts.name.startswith(("scene", "puzzle")):
        columns.append(Column("button_states", -1, 0, 1, kinds="iu", dtype=dtype("int64")))
    yield from check_columns(where, arrays, columns)
    if "terminals" in arrays:
        yield from check_episode_ends(where, arrays["terminals"], None)


def _reward_problems(where: str, arrays: Arrays, facts: EnvironmentFacts) -> Iterator[str]:
    for task in range(1, NUM_TASKS + 1):
        reward, mask = rewards(facts, arrays, task)
        column = Column("reward", None, -facts.parts, 0)
        yield from check_columns(f"{where}, task {task}", {"reward": reward}, [column])
        if (reward[mask == 0] != 0).any():
            yield f"{where}, task {task}: a solved state has a reward other than 0"


def _transitions(arrays: Arrays, reward: np.ndarray, mask: np.ndarray) -> Dataset:
    last = arrays["terminals"].astype(bool)  # states without a transition
    row = np.flatnonzero(~last)
    ends = last[row + 1]  # the transition into an episode's last state
    action = arrays["actions"].astype(np.float32, copy=False).clip(-1, 1)
    columns = {
        "obs": arrays["observations"][row],
        "next_obs": arrays["observations"][row + 1],
        "action": action[row],
        "next_action": action[np.where(ends, row, row + 1)],
        "reward": reward[row],
        "terminal": 1 - mask[row],
        "timeout": ends,
    }
    return Dataset(
        **{name: torch.from_numpy(array.astype(np.float32, copy=False)) for name, array in columns.items()}
    )


def _more(problems: list[str]) -> str:
    return f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
