"""The suite `ogbench`: names as in the package, rewards and success of the package, files of the true format."""

import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench import load_scores
from bench.cli import main
from bench.data.source import Copy
from bench.dataset import Dataset
from bench.errors import UserError
from bench.task import Task
from suites import SUITES
from suites.ogbench.catalogue import ENVIRONMENTS, WITHOUT_DATA, EnvironmentFacts
from suites.ogbench.environments import OwnGlobalGenerator, make
from suites.ogbench.files import read, verify

OGBENCH = SUITES["ogbench"]
FACTS = {facts.name: facts for facts in ENVIRONMENTS}


def registered() -> list[str]:
    import gymnasium

    make("pointmaze-medium-v0").close()
    specs = gymnasium.registry.items()
    return [
        name
        for name, spec in specs
        if str(spec.entry_point).startswith("ogbench") and "singletask" in name and "visual" not in name
    ]


def environment_id(name: str) -> str:
    """cube-single-play-singletask-task2-v0 -> cube-single-singletask-task2-v0"""
    before, after = name.split("-singletask")
    return f"{before.rpartition('-')[0]}-singletask{after}"


def test_the_tasks_are_those_of_the_package_s_registry_but_for_environments_without_data() -> None:
    ours = {environment_id(name) for name in [*OGBENCH.tasks, *OGBENCH.aliases]}
    without = {name for name in registered() if name.startswith(tuple(WITHOUT_DATA))}
    assert ours == set(registered()) - without
    assert len(without) == 6 * len(WITHOUT_DATA)


@pytest.mark.parametrize("facts", ENVIRONMENTS, ids=lambda facts: facts.name)
def test_every_environment_can_be_created_and_stepped_and_is_what_the_catalogue_says(
    facts: EnvironmentFacts,
) -> None:
    env = make(f"{facts.name}-singletask-v0")
    assert env.unwrapped._reward_task_id == facts.default_task
    obs, _ = env.reset(seed=0)
    assert obs.shape == (facts.obs_dim,)
    assert env.action_space.shape == (facts.action_dim,)
    assert env.spec.max_episode_steps == facts.max_steps
    obs, reward, _, _, info = env.step(np.zeros(facts.action_dim, np.float32))
    assert np.isfinite(obs).all()
    assert -facts.parts <= reward <= 0
    assert "success" in info
    env.close()


def test_the_lists_of_papers_hold_their_numbers_of_tasks_and_share_records_with_the_suite() -> None:
    assert len(SUITES["ogbench/sorl"].tasks) == 40
    assert len(SUITES["ogbench/fql"].tasks) == 50
    assert len(SUITES["ogbench/default"].tasks) == len(ENVIRONMENTS)
    for name in ("ogbench/sorl", "ogbench/fql", "ogbench/default"):
        assert SUITES[name].home == "ogbench"
        assert set(SUITES[name].tasks) <= set(OGBENCH.tasks)
    assert OGBENCH.aliases["cube-single-play-singletask-v0"] == "cube-single-play-singletask-task2-v0"
    assert set(OGBENCH.aliases.values()) <= set(OGBENCH.tasks)


def arrays(
    facts: EnvironmentFacts, lengths: tuple[int, ...] = (5, 4), **changes: Any
) -> dict[str, np.ndarray]:
    """A small file of the true format, with states of the environment itself."""
    env = make(f"{facts.name}-singletask-task1-v0")
    rng = np.random.default_rng(0)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("observations", "actions", "terminals", "qpos", "qvel")
    }
    buttons = facts.name.startswith(("scene", "puzzle"))
    for length in lengths:
        obs, _ = env.reset(seed=length)
        for step in range(length):
            action = rng.uniform(-1, 1, facts.action_dim).astype(np.float32)
            after, _, _, _, info = env.step(action)
            values = (obs, action, step == length - 1, info["prev_qpos"], info["prev_qvel"])
            for name, value in zip(list(columns)[:5], values, strict=True):
                columns[name].append(value)
            if buttons:
                columns.setdefault("button_states", []).append(info["prev_button_states"])
            obs = after
    env.close()
    dtypes = {"terminals": bool, "button_states": np.int64}
    made = {name: np.array(values, dtypes.get(name, np.float32)) for name, values in columns.items()}
    return made | changes


@pytest.fixture(scope="module")
def cube() -> dict[str, np.ndarray]:
    return arrays(FACTS["cube-single"])


def put(folder: Path, dataset: str, content: dict[str, np.ndarray]) -> Path:
    for name in (f"{dataset}.npz", f"{dataset}-val.npz"):
        np.savez_compressed(folder / name, **content)
    return folder


@pytest.mark.parametrize("environment", ["cube-single", "scene", "pointmaze-medium", "antsoccer-arena"])
def test_the_data_of_a_task_equal_those_of_the_package_s_own_loader(environment: str, tmp_path: Path) -> None:
    import ogbench

    facts = FACTS[environment]
    kind = facts.data[0]
    content = arrays(facts)
    if "cube" in environment:
        content["qpos"][2, 14:17] = [0.5, 0.0, 0.02]  # on the goal of task 2
    put(tmp_path, facts.dataset(kind), content)
    ours = read(facts, facts.dataset(kind), 2, tmp_path)
    name = f"{environment}-{kind}-singletask-task2-v0"
    _, theirs, _ = ogbench.make_env_and_datasets(name, dataset_dir=str(tmp_path))
    pairs = {"observations": ours.obs, "next_observations": ours.next_obs, "actions": ours.action,
             "rewards": ours.reward, "masks": 1 - ours.terminal, "terminals": ours.timeout}  # fmt: skip
    for key, value in pairs.items():
        np.testing.assert_array_equal(theirs[key], value.numpy(), err_msg=key)
    assert len(ours) == 7
    if "cube" in environment:
        assert ours.terminal.tolist() == [0, 0, 1, 0, 0, 0, 0]
        assert ours.reward.tolist() == [-1, -1, 0, -1, -1, -1, -1]


def test_no_transition_crosses_the_end_of_an_episode(cube: dict[str, np.ndarray], tmp_path: Path) -> None:
    put(tmp_path, "cube-single-play-v0", cube)
    data = read(FACTS["cube-single"], "cube-single-play-v0", 1, tmp_path)
    assert data.timeout.tolist() == [0, 0, 0, 1, 0, 0, 1]
    for row in range(len(data) - 1):
        continues = torch.equal(data.next_obs[row], data.obs[row + 1])
        assert continues == (data.timeout[row] == 0)
        following = data.action[row] if data.timeout[row] else data.action[row + 1]
        assert torch.equal(data.next_action[row], following)


def test_files_in_double_precision_are_read_as_single(cube: dict[str, np.ndarray], tmp_path: Path) -> None:
    wide = {name: a.astype(np.float64) if a.dtype == np.float32 else a for name, a in cube.items()}
    put(tmp_path, "cube-single-play-v0", wide)
    data = read(FACTS["cube-single"], "cube-single-play-v0", 1, tmp_path)
    assert all(tensor.dtype == torch.float32 for tensor in vars(data).values())
    problems = list(verify(FACTS["cube-single"], "cube-single-play-v0", tmp_path))
    assert any("float64" in problem for problem in problems)


def drop(name: str) -> Callable[[dict[str, np.ndarray]], None]:
    return lambda content: content.pop(name)


def spoil(name: str, row: int, value: float) -> Callable[[dict[str, np.ndarray]], None]:
    def change(content: dict[str, np.ndarray]) -> None:
        content[name] = content[name].copy()
        content[name][row, 0] = value

    return change


def reshape(name: str, value: np.ndarray) -> Callable[[dict[str, np.ndarray]], None]:
    return lambda content: content.update({name: value})


DAMAGES = {
    "a missing key": (drop("qpos"), "qpos is missing"),
    "NaN": (spoil("observations", 3, math.nan), "observations, row 3: nan is not finite"),
    "an action out of bounds": (spoil("actions", 2, 1.5), "actions, row 2: 1.5 is outside"),
    "a wrong width": (reshape("observations", np.zeros((9, 27), np.float32)), "(9, 27)"),
    "wrong dimensions": (reshape("actions", np.zeros((9, 5, 1), np.float32)), "(9, 5, 1)"),
    "fewer rows": (reshape("actions", np.zeros((8, 5), np.float32)), "8 rows"),
    "no rows": (reshape("observations", np.zeros((0, 28), np.float32)), "no rows"),
    "a cut last episode": (reshape("terminals", np.eye(9, dtype=bool)[4]), "does not end an episode"),
    "no numbers": (reshape("terminals", np.array(["x"] * 9)), "terminals holds"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_gives_one_clear_error(damage: str, cube: dict[str, np.ndarray], tmp_path: Path) -> None:
    content = dict(cube)
    change, said = DAMAGES[damage]
    change(content)
    put(tmp_path, "cube-single-play-v0", content)
    with pytest.raises(UserError, match="bench data verify cube-single-play-v0") as caught:
        read(FACTS["cube-single"], "cube-single-play-v0", 1, tmp_path)
    assert said in str(caught.value)
    assert any(said in problem for problem in verify(FACTS["cube-single"], "cube-single-play-v0", tmp_path))


def test_buttons_are_needed_where_the_environment_has_them(tmp_path: Path) -> None:
    content = arrays(FACTS["scene"])
    put(tmp_path, "scene-play-v0", content)
    assert list(verify(FACTS["scene"], "scene-play-v0", tmp_path)) == []
    del content["button_states"]
    put(tmp_path, "scene-play-v0", content)
    with pytest.raises(UserError, match="button_states is missing"):
        read(FACTS["scene"], "scene-play-v0", 1, tmp_path)


@pytest.mark.parametrize("cut", [0, 1, 200, -30])
def test_an_empty_or_truncated_file_gives_one_clear_error(
    cut: int, cube: dict[str, np.ndarray], tmp_path: Path
) -> None:
    put(tmp_path, "cube-single-play-v0", cube)
    path = tmp_path / "cube-single-play-v0.npz"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match="is no readable"):
        read(FACTS["cube-single"], "cube-single-play-v0", 1, tmp_path)


def test_a_flipped_byte_or_a_file_of_another_kind_gives_one_clear_error(
    cube: dict[str, np.ndarray], tmp_path: Path
) -> None:
    put(tmp_path, "cube-single-play-v0", cube)
    path = tmp_path / "cube-single-play-v0.npz"
    with zipfile.ZipFile(path) as file:
        inside = file.getinfo("actions.npy").header_offset + 90
    content = bytearray(path.read_bytes())
    content[inside] ^= 0xFF
    for damaged in (bytes(content), b"<html>404</html>"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is no readable"):
            read(FACTS["cube-single"], "cube-single-play-v0", 1, tmp_path)


def test_a_missing_file_names_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="bench data fetch cube-single-play-v0"):
        read(FACTS["cube-single"], "cube-single-play-v0", 1, tmp_path)


def task_on(folder: Path, name: str, label: str = "official") -> Task:
    return OGBENCH.tasks[name].on(Copy(label, folder))


def test_a_task_on_a_made_copy_has_another_name(tmp_path: Path) -> None:
    name = "cube-single-play-singletask-task2-v0"
    assert task_on(tmp_path, name).name == name
    assert task_on(tmp_path, name, "made-100ep-1a2b3c4d").name == f"{name}@made-100ep-1a2b3c4d"


def play(task: Task, seed: int, before: tuple[int, ...] = ()) -> np.ndarray:
    """The states of an episode, in an environment that may have played others before."""
    environments = task.environments(1)
    rows = np.array([0])
    for number in (*before, seed):
        found = [environments.reset(rows, [number])[0]]
        for action in np.random.default_rng(number).uniform(-1, 1, (12, 1, task.action_dim)):
            found.append(environments.step(rows, action).obs[0])
    environments.close()
    return np.array(found)


@pytest.mark.parametrize(
    "name",
    ["cube-double-play-singletask-task2-v0", "scene-play-singletask-task4-v0",
     "pointmaze-teleport-navigate-singletask-task1-v0"],
)  # fmt: skip
def test_an_episode_depends_on_its_seed_alone_and_leaves_the_global_generator_as_it_was(name: str) -> None:
    task = OGBENCH.tasks[name]
    np.random.seed(1)
    first = play(task, seed=3)
    np.random.seed(2)
    before = np.random.get_state()[1].copy()
    second = play(task, seed=3, before=(7, 8))
    assert (np.random.get_state()[1] == before).all()
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, play(task, seed=4))


def steps_to_success(timing: str) -> tuple[int, float]:
    """How many steps a point that starts beside the goal needs, and what the steps pay in all."""
    env = OwnGlobalGenerator(make("pointmaze-medium-singletask-task1-v0", success_timing=timing))
    env.reset(seed=0)
    goal = np.array(env.unwrapped.cur_goal_xy)
    env.unwrapped.set_xy(goal + np.array([1.1, 0]))
    total = 0.0
    for step in range(1, 10):
        _, reward, terminated, _, info = env.step(np.array([-1.0, 0.0]))
        total += reward
        if terminated:
            assert info["success"]
            return step, total
    raise AssertionError("never there")


def test_success_counts_for_the_state_before_the_action_or_by_option_for_the_one_after_it() -> None:
    assert steps_to_success("pre") == (2, -1.0)
    assert steps_to_success("post") == (1, 0.0)
    task = OGBENCH.tasks["pointmaze-medium-navigate-singletask-task1-v0"]
    late = task.variant({"success_timing": "post"})
    assert task.versions()["success_timing"] == "pre"
    assert late.versions()["success_timing"] == "post"
    env = late.environments(1).envs[0]
    assert env.unwrapped._success_timing == "post"
    with pytest.raises(UserError, match="success_timing=post, success_timing=pre"):
        task.variant({"success_timing": "never"})


def test_the_same_file_gives_the_same_hash_twice(cube: dict[str, np.ndarray], tmp_path: Path) -> None:
    put(tmp_path, "cube-single-play-v0", cube)
    hashes = {read(FACTS["cube-single"], "cube-single-play-v0", 3, tmp_path).sha256() for _ in range(2)}
    assert len(hashes) == 1
    other = read(FACTS["cube-single"], "cube-single-play-v0", 1, tmp_path)
    assert isinstance(other, Dataset)


def test_a_made_data_set_is_trained_on_and_scored_by_success_under_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    results = ["--results", str(tmp_path / "results")]
    run = [
        "run",
        "ogbench",
        "bc",
        "--tasks",
        "pointmaze-medium-navigate-singletask-v0",
        "--seeds",
        "0",
        *results,
    ]
    small = ["--steps", "4", "--evaluations", "1", "--episodes", "2", "--set", "hidden=8", "--jobs", "1"]
    assert main(run) == 2
    assert "bench data make ogbench/pointmaze-medium-navigate-v0" in capsys.readouterr().err
    assert main(["data", "make", "pointmaze-medium-navigate", "--episodes", "1", "--workers", "1"]) == 0
    assert main(["data", "verify", "pointmaze-medium-navigate"]) == 0
    assert main(run + small) == 0
    assert main([*run, *small, "--set", "task.success_timing=post"]) == 0
    label = OGBENCH.tasks["pointmaze-medium-navigate-singletask-task1-v0"].source.copies()[0].label
    scores = load_scores(tmp_path / "results")
    assert set(scores.task) == {f"pointmaze-medium-navigate-singletask-task1-v0@{label}"}
    assert set(scores.variant) == {"hidden=[8]", "hidden=[8],task.success_timing=post"}
    assert (scores.score == scores.success.astype(float)).all()
    capsys.readouterr()
    assert main(["report", "ogbench/default", *results, "--replicates", "10"]) == 0
    report = capsys.readouterr().out
    assert "success rate" in report
    assert "task identity (success_timing): post (bc); pre (bc)" in report
