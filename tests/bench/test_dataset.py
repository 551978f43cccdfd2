"""Transitions must be what was recorded, and a cached data set must be what was made."""

import hashlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.dataset import Dataset, Episode, cache_dir, cached
from bench.errors import UserError


def episode(steps: int, start: float, terminal: bool, **parts: np.ndarray) -> Episode:
    """Observations start, start + 1, ...; the action of step t is (start + t) / 100, its reward start + t."""
    numbers = start + np.arange(steps, dtype=np.float64)
    given: dict[str, Any] = {
        "obs": np.stack([np.arange(start, start + steps + 1)] * 2, 1),
        "action": numbers[:, None] / 100,
        "reward": numbers,
        "terminal": terminal,
    }
    return Episode(**(given | parts))


def three() -> Dataset:
    """Lengths 3 (terminal), 2 (timeout) and 1 (terminal)."""
    return Dataset.from_episodes([episode(3, 0, True), episode(2, 10, False), episode(1, 20, True)])


def equal(first: Dataset, second: Dataset) -> bool:
    return all(torch.equal(getattr(first, f.name), getattr(second, f.name)) for f in fields(Dataset))


def test_no_transition_crosses_the_end_of_an_episode() -> None:
    data = three()
    assert len(data) == 6
    assert data.obs[:, 0].tolist() == [0, 1, 2, 10, 11, 20]
    assert data.next_obs[:, 0].tolist() == [1, 2, 3, 11, 12, 21]
    assert data.reward.tolist() == [0, 1, 2, 10, 11, 20]


def test_terminal_and_timeout_are_told_apart() -> None:
    data = three()
    assert data.terminal.tolist() == [0, 0, 1, 0, 0, 1]
    assert data.timeout.tolist() == [0, 0, 0, 0, 1, 0]


def test_next_action_is_that_of_the_next_row_or_at_the_end_the_row_s_own() -> None:
    expected = torch.tensor([1, 2, 2, 11, 11, 20]) / 100
    torch.testing.assert_close(three().next_action[:, 0], expected)


def test_everything_is_float32_and_has_the_documented_shape() -> None:
    data = three()
    shapes = {f.name: tuple(getattr(data, f.name).shape) for f in fields(Dataset)}
    assert shapes == {
        "obs": (6, 2), "next_obs": (6, 2), "action": (6, 1), "next_action": (6, 1),
        "reward": (6,), "terminal": (6,), "timeout": (6,),
    }  # fmt: skip
    assert {getattr(data, f.name).dtype for f in fields(Dataset)} == {torch.float32}
    assert (data.obs_dim, data.action_dim) == (2, 1)


def broken(**parts: Any) -> list[Episode]:
    return [episode(3, 0, True), replace(episode(3, 10, True), **parts)]


@pytest.mark.parametrize(
    ("episodes", "words"),
    [
        (broken(obs=np.full((4, 2), np.nan)), ["episode 1", "obs", "not finite"]),
        (broken(reward=np.array([0, np.inf, 0])), ["episode 1", "reward", "not finite"]),
        (broken(action=np.array([[0], [np.nan], [0]])), ["episode 1", "action", "not finite"]),
        (broken(action=np.array([[0], [-1.5], [0]])), ["episode 1", "action of 1.5", "[-1, 1]"]),
        (broken(obs=np.zeros((3, 2))), ["episode 1 has 3 observations, 3 actions and 3 rewards", "T + 1"]),
        (broken(action=np.zeros((4, 1))), ["episode 1 has 4 observations, 4 actions and 3 rewards"]),
        (broken(reward=np.zeros(2)), ["episode 1 has 4 observations, 3 actions and 2 rewards"]),
        (
            broken(obs=np.zeros((1, 2)), action=np.zeros((0, 1)), reward=np.zeros(0)),
            ["episode 1 has no steps"],
        ),
        (broken(obs=np.zeros((4, 3))), ["episode 1", "sizes 3 and 1", "episode 0 of 2 and 1"]),
        (broken(action=np.zeros((3, 2))), ["episode 1", "sizes 2 and 2"]),
        (broken(obs=np.zeros(4)), ["episode 1", "obs of shape (4,)"]),
        (broken(reward=np.zeros((3, 1))), ["episode 1", "reward of shape (3, 1)"]),
        ([], ["at least one episode"]),
    ],
)
def test_a_broken_episode_is_refused_by_its_number(episodes: list[Episode], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        Dataset.from_episodes(episodes)
    for word in words:
        assert word in str(caught.value)


def test_an_action_may_touch_its_bounds() -> None:
    data = Dataset.from_episodes([episode(2, 0, True, action=np.array([[1.0], [-1.0]]))])
    assert data.action[:, 0].tolist() == [1, -1]


@pytest.mark.parametrize("name", [f.name for f in fields(Dataset)])
def test_the_hash_changes_when_one_number_changes(name: str) -> None:
    data = three()
    tensor = getattr(data, name).clone()
    tensor.view(-1)[-1] += 1e-5  # the smallest that a float32 of 21 can show
    assert not torch.equal(tensor, getattr(data, name))
    assert replace(data, **{name: tensor}).sha256() != data.sha256()
    assert replace(data, **{name: getattr(data, name).clone()}).sha256() == data.sha256()


def test_the_hash_sees_shapes_and_columns_and_not_only_bytes() -> None:
    data = three()
    assert replace(data, obs=data.obs.reshape(3, 4)).sha256() != data.sha256()
    assert replace(data, terminal=data.timeout, timeout=data.terminal).sha256() != data.sha256()
    transposed = data.obs.t().contiguous().t()  # the same numbers, in another order in memory
    assert replace(data, obs=transposed).sha256() == data.sha256()


def test_the_hash_is_equal_in_every_process() -> None:
    code = (
        "import numpy as np\nfrom bench.dataset import *\n"
        "e = Episode(np.arange(8.0).reshape(4, 2), np.zeros((3, 1)), np.arange(3.0), True)\n"
        "print(Dataset.from_episodes([e]).sha256())"
    )
    env = os.environ | {"PYTHONHASHSEED": "5", "OMP_NUM_THREADS": "1"}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    here = Episode(np.arange(8.0).reshape(4, 2), np.zeros((3, 1)), np.arange(3.0), True)
    assert there.stdout.strip() == Dataset.from_episodes([here]).sha256()


def test_statistics_are_those_of_the_observations_alone() -> None:
    mean, std = three().obs_statistics()
    numbers = np.array([0, 1, 2, 10, 11, 20])
    assert mean.tolist() == pytest.approx([numbers.mean()] * 2)
    assert std.tolist() == pytest.approx([numbers.std() + 1e-3] * 2)


def test_normalizing_shifts_and_scales_both_observations_and_nothing_else() -> None:
    data = three()
    result = data.normalized(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]))
    assert result.obs[3].tolist() == [4.5, 2.0]
    assert result.next_obs[2].tolist() == [1.0, 0.25]
    assert data.obs[3].tolist() == [10, 10]
    for name in ("action", "next_action", "reward", "terminal", "timeout"):
        assert torch.equal(getattr(result, name), getattr(data, name))
    mean, std = data.obs_statistics()
    assert data.normalized(mean, std).obs.mean(0).abs().max() < 1e-6


def test_a_constant_observation_survives_normalization() -> None:
    data = Dataset.from_episodes([episode(3, 0, True, obs=np.full((4, 2), 7.0))])
    assert data.normalized(*data.obs_statistics()).obs.tolist() == [[0, 0]] * 3


# The cache.


class Maker:
    """Makes a data set and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Dataset:
        self.calls += 1
        return three()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_data_set_is_made_once_and_then_read(folder: Path) -> None:
    make = Maker()
    first, second = cached("suite/task-v1", make), cached("suite/task-v1", make)
    assert make.calls == 1
    assert equal(first, second)
    assert second.sha256() == three().sha256()
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["task-v1.npz"]
    cached("suite/task-v2", make)
    assert make.calls == 2


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "a"))
    assert cache_dir() == tmp_path / "a"
    monkeypatch.delenv("BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_dir() == tmp_path / "b" / "offline-bench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "c"))
    assert cache_dir() == tmp_path / "c" / ".cache" / "offline-bench"


def rewritten(content: bytes, **changes: Any) -> bytes:
    """The stored file with columns replaced, or left out where None is given; its hash stays as it was."""
    with np.load(io.BytesIO(content)) as stored:
        arrays = {name: stored[name] for name in stored.files} | changes
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "no archive": lambda content: b"not a zip file",
    "half": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content[:-1],
    "a column is missing": lambda content: rewritten(content, reward=None),
    "the hash is missing": lambda content: rewritten(content, meta=None),
    "the hash is unreadable": lambda content: rewritten(content, meta=np.array("{")),
    "the hash has no name": lambda content: rewritten(content, meta=np.array("{}")),
    "another number": lambda content: rewritten(content, reward=np.zeros(6, np.float32)),
    "another shape": lambda content: rewritten(content, obs=np.zeros((3, 4), np.float32)),
    "objects": lambda content: rewritten(content, reward=np.array([{}] * 6, object)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_made_again(folder: Path, damage: str) -> None:
    make = Maker()
    cached("data", make)
    path = folder / "data.npz"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert equal(cached("data", make), three())
    assert make.calls == 2
    cached("data", make)
    assert make.calls == 2  # and the new file is good


def test_no_flipped_byte_is_ever_believed_or_fatal(folder: Path) -> None:
    make = Maker()
    cached("data", make)
    path = folder / "data.npz"
    good = path.read_bytes()
    wrong = []
    # The directory of the archive, at the end, is tried byte by byte, the long rest here and there.
    for position in [*range(0, len(good), 13), *range(len(good) - 200, len(good))]:
        damaged = bytearray(good)
        damaged[position] ^= 0x41
        path.write_bytes(damaged)
        try:
            if not equal(cached("data", make), three()):
                wrong.append(str(position))
        except Exception as error:
            wrong.append(f"{position}: {error!r}")
    assert wrong == []
    assert make.calls > 200  # most flips must be noticed


def test_a_half_written_file_of_a_killed_process_is_never_read(folder: Path) -> None:
    make = Maker()
    folder.mkdir()
    (folder / "tmpabc.part").write_bytes(b"half")
    (folder / "data.npz.part").write_bytes(b"half")
    assert equal(cached("data", make), three())
    assert make.calls == 1
    assert (folder / "tmpabc.part").read_bytes() == b"half"


def test_a_failing_maker_leaves_nothing_behind(folder: Path) -> None:
    def fail() -> Dataset:
        raise UserError("no data today")

    with pytest.raises(UserError, match="no data today"):
        cached("data", fail)
    assert not (folder / "data.npz").exists()
    assert equal(cached("data", Maker()), three())


def test_many_threads_may_ask_at_once(folder: Path) -> None:
    results: list[bool] = []
    make = Maker()
    threads = [
        threading.Thread(target=lambda: results.append(equal(cached("data", make), three())))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8
    assert [path.name for path in folder.iterdir()] == ["data.npz"]


def test_a_cache_that_cannot_be_written_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot write .*data\.npz.*; set BENCH_CACHE to a folder"):
        cached("data", Maker())


def test_the_stored_file_can_be_read_without_this_project(folder: Path) -> None:
    cached("data", Maker())
    with np.load(folder / "data.npz", allow_pickle=False) as stored:
        assert hashlib.sha256(stored["reward"].tobytes()).digest() == (
            hashlib.sha256(three().reward.numpy().tobytes()).digest()
        )
        assert set(stored.files) == {f.name for f in fields(Dataset)} | {"meta"}


def rewards(*episodes: list[float], terminal: bool = True) -> Dataset:
    return Dataset.from_episodes(
        Episode(np.arange(len(paid) + 1.0)[:, None], np.zeros((len(paid), 1)), np.array(paid), terminal)
        for paid in episodes
    )


def test_returns_are_sums_over_recordings_which_a_goal_on_the_way_does_not_end() -> None:
    data = rewards([1, 2], [3], [4, 5, 6], terminal=False)
    assert data.returns().tolist() == [3, 3, 15]
    data.terminal[3] = 1  # solved there, recorded on
    assert data.returns().tolist() == [3, 3, 15]
    assert rewards([1, 2], [3]).returns().tolist() == [3, 3]  # ends that only the terminals show


def test_rewards_are_divided_by_the_range_of_returns_then_scaled_then_shifted() -> None:
    data = rewards([1, 2], [3, 4], [0, 1])
    assert data.with_rewards(False, 10, -5).reward.tolist() == [5, 15, 25, 35, -5, 5]
    assert data.with_rewards(False, 1, 0).sha256() == data.sha256()
    normalized = data.with_rewards(True, 1, 0)  # returns 3, 7, 1
    np.testing.assert_allclose(normalized.reward, data.reward * 1000 / 6, rtol=1e-6)
    np.testing.assert_allclose(data.with_rewards(True, 2, -1).reward, data.reward * 2000 / 6 - 1, rtol=1e-6)
    with pytest.raises(
        UserError, match="all of this data set have 3; run with --set normalize_returns=false"
    ):
        rewards([1, 2], [3]).with_rewards(True, 1, 0)
