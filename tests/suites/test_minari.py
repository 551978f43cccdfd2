"""Minari's suites: names, environments, files of the true format, and point mazes that are made here."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bench.data.source import Copy, MakeRequest
from bench.errors import UserError
from bench.task import Task
from suites import SUITES
from suites.minari.catalogue import D4RL, MUJOCO, Facts
from suites.minari.environments import make, vector
from suites.minari.files import read, reference_of, verify
from suites.minari.pointmaze import _Way, maker

ALL = {facts.name: facts for facts in (*D4RL, *MUJOCO)}
UMAZE, HOPPER, PEN = ALL["pointmaze-umaze-v2"], ALL["hopper-expert-v0"], ALL["pen-human-v2"]
DISTINCT = list({(facts.env_id, str(facts.options)): facts for facts in ALL.values()}.values())


def task(facts: Facts) -> Task:
    suite = "d4rl" if facts in D4RL else "minari-mujoco"
    return SUITES[suite].tasks[facts.name]


def test_the_suites_hold_the_data_sets_under_their_names_and_share_none_with_d4rl_s_own() -> None:
    names = [set(SUITES[name].tasks) for name in ("d4rl", "minari-mujoco", "d4rl-v2")]
    assert [len(each) for each in names] == [29, 29, 27]
    ids = [{task.id for task in SUITES[name].tasks.values()} for name in ("d4rl", "minari-mujoco", "d4rl-v2")]
    assert not ids[0] & ids[2]
    assert not ids[1] & ids[2]
    families = {name.partition("-")[0] for name in names[0]}
    assert families == {"pointmaze", "antmaze", "pen", "door", "hammer", "relocate", "kitchen"}
    source = task(UMAZE).source
    assert source.files[0].url == (
        "https://huggingface.co/datasets/farama-minari/D4RL/resolve/main/pointmaze/umaze-v2/data/main_data.hdf5"
    )


@pytest.mark.parametrize("facts", DISTINCT, ids=lambda facts: facts.name)
def test_every_environment_can_be_created_and_stepped_and_is_what_the_catalogue_says(facts: Facts) -> None:
    environments = task(facts).environments(1)
    row = np.array([0])
    obs = environments.reset(row, [3])
    assert obs.shape == (1, facts.obs_dim)
    step = environments.step(row, np.zeros((1, facts.action_dim)))
    assert step.obs.shape == (1, facts.obs_dim)
    assert np.isfinite(step.obs).all()
    assert np.isfinite(step.reward).all()
    assert environments.envs[0].spec.max_episode_steps == facts.max_steps
    np.testing.assert_array_equal(environments.reset(row, [3]), obs)
    environments.close()
    assert task(facts).versions()["environment"] == facts.env_id


def test_success_is_reaching_the_goal_or_all_subtasks() -> None:
    environments = task(UMAZE).environments(1)
    environments.reset(np.array([0]), [0])
    env = environments.envs[0]
    env.unwrapped.goal = env.unwrapped.point_env.data.qpos[:2].copy()
    assert environments.step(np.array([0]), np.zeros((1, 2))).success.all()
    kitchen = task(ALL["kitchen-mixed-v2"]).environments(1)
    kitchen.reset(np.array([0]), [0])
    assert not kitchen.step(np.array([0]), np.zeros((1, 9))).success.any()
    assert kitchen.envs[0].unwrapped.tasks_to_complete == {
        "microwave",
        "kettle",
        "bottom burner",
        "light switch",
    }
    kitchen.envs[0].unwrapped.tasks_to_complete.clear()
    assert kitchen.step(np.array([0]), np.zeros((1, 9))).success.all()


def recorded(facts: Facts, folder: Path, lengths: tuple[int, ...] = (4, 3), **metadata: Any) -> Path:
    """A small data set, written by Minari from steps of the environment itself."""
    import minari
    from minari.data_collector import EpisodeBuffer

    from suites.minari_data import minari_root, without_advice

    env, episodes = make(facts), []
    for number, length in enumerate(lengths):
        obs, _ = env.reset(seed=number)
        states, actions, paid = [obs], [], []
        for step in range(length):
            action = env.action_space.high * np.float32(math.sin(step + number))
            obs, reward, _, _, _ = env.step(action.astype(env.action_space.dtype))
            states.append(obs)
            actions.append(action)
            paid.append(float(reward))
        stacked = {k: np.stack([o[k] for o in states]) for k in facts.parts} if facts.parts else states
        if facts.parts:
            stacked |= {k: np.stack([o[k] for o in states]) for k in obs if k not in stacked}
        ends = [*[False] * (length - 1), True]
        last = number == 0
        episodes.append(
            EpisodeBuffer(
                id=number,
                seed=number,
                observations=stacked,
                actions=actions,
                rewards=paid,
                terminations=[e and last for e in ends],
                truncations=[e and not last for e in ends],
            )
        )
    with minari_root(folder), without_advice():
        minari.create_dataset_from_buffers(
            facts.dataset_id,
            episodes,
            env=env,
            eval_env=facts.env_id,
            description="small",
            algorithm_name="sine",
            **metadata,
        )
    env.close()
    return folder / facts.dataset_id


def test_a_data_set_of_dictionaries_is_read_as_the_environment_shows_them(tmp_path: Path) -> None:
    folder = recorded(UMAZE, tmp_path)
    assert list(verify(UMAZE, folder)) == []
    data = read(UMAZE, folder)
    assert (len(data), data.obs_dim, data.action_dim) == (7, 6, 2)
    assert data.terminal.tolist() == [0, 0, 0, 1, 0, 0, 0]
    assert data.timeout.tolist() == [0, 0, 0, 0, 0, 0, 1]
    first, _ = make(UMAZE).reset(seed=0)
    np.testing.assert_allclose(data.obs[0], vector(UMAZE.parts, first), rtol=1e-6)
    np.testing.assert_allclose(data.obs[0, 4:], first["desired_goal"], rtol=1e-6)


def test_actions_are_mapped_from_their_bounds(tmp_path: Path) -> None:
    pendulum = ALL["invertedpendulum-expert-v0"]  # forces up to 3
    data = read(pendulum, recorded(pendulum, tmp_path))
    np.testing.assert_allclose(data.action[:4, 0], np.sin(np.arange(4)), atol=1e-6)


def test_the_scale_is_that_of_the_metadata_or_else_the_one_of_the_catalogue(tmp_path: Path) -> None:
    without = recorded(PEN, tmp_path / "a")
    assert task(PEN).on(Copy("official", without)).reference == PEN.reference
    told = recorded(PEN, tmp_path / "b", ref_min_score=1.5, ref_max_score=7.0)
    found = task(PEN).on(Copy("official", told)).reference
    assert (found.random, found.best) == (1.5, 7.0)
    assert "metadata" in found.source
    maze = recorded(UMAZE, tmp_path / "c", ref_min_score=0.0, ref_max_score=9.0)
    assert reference_of(UMAZE, maze).of == "success"


def test_without_any_best_return_the_mean_of_the_recorded_episodes_is_taken(tmp_path: Path) -> None:
    assert math.isnan(HOPPER.reference.best)
    folder = recorded(HOPPER, tmp_path)
    found = reference_of(HOPPER, folder)
    assert found.best == pytest.approx(read(HOPPER, folder).returns().mean())
    assert found.random == HOPPER.reference.random


@pytest.fixture(scope="module")
def hopper(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = recorded(HOPPER, tmp_path_factory.mktemp("hopper"))
    return (folder / "data/main_data.hdf5").read_bytes(), (folder / "data/metadata.json").read_text()


def put(folder: Path, files: tuple[bytes, str]) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "data/main_data.hdf5").write_bytes(files[0])
    (folder / "data/metadata.json").write_text(files[1])
    return folder


def replaced(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[h5py.File], None]:
    def damage(file: h5py.File) -> None:
        value = change(np.asarray(file[f"episode_0/{name}"]))
        del file[f"episode_0/{name}"]
        file[f"episode_0/{name}"] = value

    return damage


def nan(array: np.ndarray) -> np.ndarray:
    array[1] = math.nan
    return array


DAMAGES = {
    "a missing key": (lambda f: f["episode_1"].pop("rewards"), "episode_1: rewards is missing"),
    "NaN": (replaced("observations", nan), "episode_0: observations, row 1: nan is not finite"),
    "a wrong width": (replaced("observations", lambda a: a[:, :5]), r"(5, 5); wanted is (rows, 11)"),
    "wrong dimensions": (replaced("actions", lambda a: a[:, :, None]), r"(4, 3, 1)"),
    "a missing state": (replaced("observations", lambda a: a[:-1]), "4 observations for 4 steps"),
    "fewer rows": (replaced("rewards", lambda a: a[:-1]), "rewards has 3 rows"),
    "no observations": (lambda f: f["episode_0"].pop("observations"), "observations lack"),
    "fewer episodes": (lambda f: f.pop("episode_1"), "holds 1 episodes; its metadata say 2"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_gives_one_clear_error(damage: str, hopper: tuple[bytes, str], tmp_path: Path) -> None:
    folder = put(tmp_path / "x", hopper)
    assert list(verify(HOPPER, folder)) == []
    change, said = DAMAGES[damage]
    with h5py.File(folder / "data/main_data.hdf5", "r+") as file:
        change(file)
    assert any(said in problem for problem in verify(HOPPER, folder)), list(verify(HOPPER, folder))
    with pytest.raises(UserError, match="bench data verify hopper-expert-v0"):
        read(HOPPER, folder)


def test_a_dictionary_without_a_part_gives_one_clear_error(tmp_path: Path) -> None:
    folder = recorded(UMAZE, tmp_path)
    with h5py.File(folder / "data/main_data.hdf5", "r+") as file:
        del file["episode_0/observations/desired_goal"]
    with pytest.raises(UserError, match="episode_0: observations lack observation, desired_goal"):
        read(UMAZE, folder)


@pytest.mark.parametrize("cut", [0, 100, -200])
def test_an_empty_or_truncated_file_gives_one_clear_error(
    cut: int, hopper: tuple[bytes, str], tmp_path: Path
) -> None:
    folder = put(tmp_path / "x", (hopper[0][:cut], hopper[1]))
    with pytest.raises(UserError, match=r"cannot be read as HDF5 .*bench data fetch hopper-expert-v0"):
        read(HOPPER, folder)


def test_missing_files_and_damaged_metadata_are_said(hopper: tuple[bytes, str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; get it with: bench data fetch hopper-expert-v0"):
        read(HOPPER, tmp_path)
    folder = put(tmp_path / "x", (hopper[0], hopper[1][:50]))
    with pytest.raises(UserError, match=r"metadata.json cannot be read"):
        read(HOPPER, folder)
    content = {key: value for key, value in json.loads(hopper[1]).items() if key != "action_space"}
    folder = put(tmp_path / "y", (hopper[0], json.dumps(content)))
    with pytest.raises(UserError, match=r"metadata.json has no action_space"):
        read(HOPPER, folder)


def test_a_made_point_maze_is_read_as_one_of_minari_and_does_not_depend_on_the_processes(
    tmp_path: Path,
) -> None:
    hashes = set()
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        heard: list[int] = []
        maker(UMAZE).write(folder, MakeRequest(3, 0, workers, heard.append))
        assert heard == [1, 1, 1]
        assert sorted(path.name for path in folder.iterdir()) == ["data"]
        assert list(verify(UMAZE, folder)) == []
        data = read(UMAZE, folder)
        hashes.add(data.sha256())
    assert len(hashes) == 1
    ends = data.episode_ends()
    assert ends.sum() == 3
    assert (data.reward.numpy() > 0).tolist() == ends.tolist()  # each ends at its goal
    distance = np.linalg.norm(data.next_obs[:, :2] - data.next_obs[:, 4:], axis=1)
    assert (distance[ends] <= 0.45).all()
    other = tmp_path / "other"
    other.mkdir()
    maker(UMAZE).write(other, MakeRequest(3, 1, 1, lambda done: None))
    assert read(UMAZE, other).sha256() not in hashes


def test_the_way_is_the_shortest_one_over_free_cells() -> None:
    maze = [[1, 1, 1, 1, 1], [1, 0, "r", 0, 1], [1, 1, 1, 0, 1], [1, "g", 0, 0, 1], [1, 1, 1, 1, 1]]
    way, here, walked = _Way(maze), (1, 1), []
    while here != (3, 1):
        here = way.next(here, (3, 1))
        walked.append(here)
    assert walked == [(1, 2), (1, 3), (2, 3), (3, 3), (3, 2), (3, 1)]
    assert way.next((3, 1), (3, 1)) == (3, 1)


def test_a_made_maze_replayed_through_the_environment_gives_the_same_states(tmp_path: Path) -> None:
    maker(UMAZE).write(tmp_path, MakeRequest(1, 0, 1, lambda done: None))
    data = read(UMAZE, tmp_path)
    env = make(UMAZE)
    env.reset(seed=0)
    point = env.unwrapped.point_env
    for row in range(0, len(data), 7):
        point.set_state(data.obs[row, :2].numpy().astype(float), data.obs[row, 2:4].numpy().astype(float))
        obs, *_ = env.step(data.action[row].numpy())
        np.testing.assert_allclose(obs["observation"], data.next_obs[row, :4], atol=1e-4)
