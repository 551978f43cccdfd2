"""Files of data sets with any damage: a sentence that names the file, or the numbers that are there."""

import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import changed, damaged
from hypothesis import given
from hypothesis import strategies as st

from bench.data.lock import Entry, Lock
from bench.dataset import Dataset, Episode
from bench.errors import UserError, printable
from suites.d4rl_v2 import files as d4rl
from suites.d4rl_v2.catalogue import DATASETS as D4RL
from suites.minari import files as minari
from suites.minari.catalogue import MUJOCO
from suites.ogbench import files as ogbench
from suites.ogbench.catalogue import ENVIRONMENTS

ROWS = 6
STRANGE = st.sampled_from([np.nan, np.inf, -np.inf, 1e300, 5.0, -1.0])
DTYPES = st.sampled_from(["f8", "f4", "f2", "i8", "u1", "?", "c8", "S3", "U2", "M8[s]"])


@st.composite
def wrong(draw: st.DrawFn, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One array with another shape, dtype, length or number; or none at all."""
    name = draw(st.sampled_from(sorted(arrays)))
    kind = draw(st.sampled_from(["drop", "dtype", "shape", "rows", "number", "empty", "scalar"]))
    array = arrays[name]
    rest = {other: value for other, value in arrays.items() if other != name}
    if kind == "drop":
        return rest
    if kind == "number":
        array = array.astype(np.float64)
        array[draw(st.integers(0, len(array) - 1))] = draw(STRANGE)
    elif kind == "dtype":
        with np.errstate(all="ignore"):
            array = np.zeros(array.shape, draw(DTYPES))
    elif kind == "shape":
        array = array.reshape(draw(st.sampled_from([(-1,), (1, *array.shape), (*array.shape, 1)])))
    elif kind == "rows":
        array = array[: draw(st.integers(0, len(array)))]
    else:
        array = array[:0] if kind == "empty" else np.array(1.0, array.dtype)
    return rest | {name: array}


def sound_or_said(read: Any) -> None:
    try:
        found = read()
    except UserError as error:
        assert printable(str(error))
    else:
        assert isinstance(found, Dataset)
        for field in fields(Dataset):
            assert np.isfinite(getattr(found, field.name).numpy()).all(), field.name
        assert len(found) > 0
        assert found.action.abs().max() <= 1 + 1e-5


OGBENCH = next(facts for facts in ENVIRONMENTS if facts.name.startswith("pointmaze"))


def ogbench_arrays() -> dict[str, np.ndarray]:
    numbers = np.linspace(-1, 1, ROWS * 20, dtype=np.float32).reshape(ROWS, 20)
    ends = np.arange(ROWS) % 3 == 2
    actions = numbers[:, : OGBENCH.action_dim]
    positions = {"qpos": numbers[:, :2], "qvel": numbers[:, :2]}
    return {"observations": numbers[:, : OGBENCH.obs_dim], "actions": actions, "terminals": ends} | positions


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore")
@given(st.one_of(damaged(npz(ogbench_arrays())), wrong(ogbench_arrays()).map(npz)))
def test_a_damaged_npz_of_ogbench(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "maze.npz").write_bytes(content)
    sound_or_said(lambda: ogbench.read(OGBENCH, "maze", 1, tmp_path))
    for problem in ogbench.verify(OGBENCH, "maze", tmp_path):
        assert printable(problem)


HALFCHEETAH = next(facts for facts in D4RL if facts.env.kind not in ("antmaze",) and facts.env.obs_dim == 17)


def d4rl_arrays() -> dict[str, np.ndarray]:
    obs = np.linspace(-1, 1, ROWS * 17, dtype=np.float32).reshape(ROWS, 17)
    flags = np.zeros(ROWS, bool)
    end = np.arange(ROWS) % 3 == 2
    rewards = {"rewards": obs[:, 0].copy(), "terminals": flags, "timeouts": end}
    return {
        "observations": obs,
        "next_observations": obs,
        "actions": obs[:, : HALFCHEETAH.env.action_dim],
    } | rewards


def hdf5(arrays: dict[str, np.ndarray]) -> bytes:
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as content:
        for name, array in arrays.items():
            content[name] = np.zeros(array.shape, "S4") if array.dtype.kind in "UM" else array
    return file.getvalue()


# HDF5 reads in C: arbitrary bytes for it are left to its own authors' fuzzers, headers cut and numbers changed are ours.
@st.composite
def cut(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


@pytest.mark.filterwarnings("ignore")
@given(st.one_of(cut(hdf5(d4rl_arrays())), wrong(d4rl_arrays()).map(hdf5)))
def test_a_damaged_hdf5_of_d4rl(tmp_path: Path, content: bytes) -> None:
    (tmp_path / HALFCHEETAH.file).write_bytes(content)
    sound_or_said(lambda: d4rl.read(HALFCHEETAH, tmp_path))
    for problem in d4rl.verify(HALFCHEETAH, tmp_path):
        assert printable(problem)


MINARI = next(facts for facts in MUJOCO if facts.obs_dim == 17)


def minari_arrays() -> dict[str, np.ndarray]:
    obs = np.linspace(-1, 1, (ROWS + 1) * 17).reshape(ROWS + 1, 17)
    flags = np.zeros(ROWS, bool)
    end = np.arange(ROWS) == ROWS - 1
    rest = {"rewards": obs[:-1, 0].copy(), "terminations": flags, "truncations": end}
    return {"observations": obs, "actions": obs[:-1, : MINARI.action_dim].astype(np.float32)} | rest


METADATA = {
    "dataset_id": "x/y-v0", "total_episodes": 1, "total_steps": ROWS, "minari_version": "0.5.4",
    "action_space": json.dumps(
        {"type": "Box", "dtype": "float32", "shape": [6], "low": [-1.0] * 6, "high": [1.0] * 6}
    ),
    "observation_space": json.dumps(
        {"type": "Box", "dtype": "float64", "shape": [17], "low": [-9.0] * 17, "high": [9.0] * 17}
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@given(wrong(minari_arrays()), changed(METADATA))
def test_damaged_files_of_minari(tmp_path: Path, arrays: dict[str, np.ndarray], metadata: Any) -> None:
    folder = tmp_path / "data"
    folder.mkdir(exist_ok=True)
    (folder / "metadata.json").write_text(json.dumps(metadata))
    (folder / "main_data.hdf5").write_bytes(
        hdf5({f"episode_0/{name}": array for name, array in arrays.items()})
    )
    sound_or_said(lambda: minari.read(MINARI, tmp_path))


@given(
    st.one_of(
        damaged(b'{"a/b/c": {"size": 1, "sha256": "0", "source": "https://x"}}'), st.binary(max_size=50)
    )
)
def test_any_lock_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lock.json").write_bytes(content)
    try:
        found = Lock(tmp_path / "lock.json").expected("a/b/c")
    except UserError as error:
        assert "lock.json is damaged" in str(error)
    else:
        assert found is None or isinstance(found, Entry)


@given(st.integers(1, 4), st.integers(1, 3), st.data())
def test_episodes_are_read_back_as_they_were_recorded(steps: int, width: int, data: st.DataObject) -> None:
    numbers = st.floats(-1, 1, width=32)
    obs = np.array(data.draw(st.lists(numbers, min_size=(steps + 1) * width, max_size=(steps + 1) * width)))
    episode = Episode(
        obs.reshape(steps + 1, width),
        obs.reshape(steps + 1, width)[1:],
        obs[:steps],
        data.draw(st.booleans()),
    )
    found = Dataset.from_episodes([episode, episode])
    np.testing.assert_array_equal(found.obs, np.concatenate([episode.obs[:-1]] * 2))
    np.testing.assert_array_equal(found.next_obs, np.concatenate([episode.obs[1:]] * 2))
    np.testing.assert_array_equal(found.action, np.concatenate([episode.action] * 2))
    assert found.terminal.sum() == 2 * episode.terminal
    assert found.timeout.sum() == 2 * (not episode.terminal)
