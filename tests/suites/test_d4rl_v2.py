"""D4RL's files become D4RL's transitions, damaged ones a sentence, and what evaluates is D4RL's task."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
import pytest

from bench.data.source import OFFICIAL, Copy
from bench.errors import UserError
from bench.task import GymEnvironments
from suites.d4rl_v2 import D4RL_V2
from suites.d4rl_v2.antmaze import MAZES, AntMaze, cells
from suites.d4rl_v2.catalogue import DATASETS, DatasetFacts, EnvironmentFacts
from suites.d4rl_v2.environments import make
from suites.d4rl_v2.files import read, transitions, verify
from suites.d4rl_v2.hand import REWARDS

Arrays = dict[str, Any]

FACTS = {facts.name: facts for facts in DATASETS}
HOPPER = FACTS["hopper-medium-v2"]
MAZE = FACTS["antmaze-umaze-v2"]
ENVIRONMENTS = {facts.env.name: facts.env for facts in DATASETS}


def recording(facts: DatasetFacts = HOPPER, rows: int = 300, seed: int = 0) -> Arrays:
    """A file in the official format: all that D4RL's scripts write, with episodes of both endings."""
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(rows, facts.env.obs_dim)).astype(np.float32)
    terminals = rng.random(rows) < 0.1
    timeouts = rng.random(rows) < 0.1  # sometimes together with a terminal, sometimes twice in a row
    arrays = {
        "observations": obs,
        "actions": rng.uniform(-1, 1, (rows, facts.env.action_dim)).astype(np.float32),
        "rewards": rng.normal(size=rows).astype(np.float32),
        "terminals": terminals,
        "timeouts": timeouts,
        "infos/qpos": rng.normal(size=(rows, 6)).astype(np.float32),
        "metadata/algorithm": np.bytes_("SAC"),
    }
    if facts.env.kind == "locomotion":
        after = rng.normal(size=obs.shape).astype(np.float32)  # known at the end of an episode too
        inside = np.flatnonzero(~terminals[:-1] & ~timeouts[:-1])
        after[inside] = obs[inside + 1]
        arrays["next_observations"] = after
    if facts.env.kind == "antmaze":
        arrays["rewards"] = terminals.astype(np.float64)
        arrays["terminals"] = terminals.astype(np.float64)
    return arrays


def write(folder: Path, arrays: Arrays, facts: DatasetFacts = HOPPER) -> Path:
    with h5py.File(folder / facts.file, "w") as file:
        for name, array in arrays.items():
            packed = {"compression": "gzip"} if np.ndim(array) else {}
            file.create_dataset(name, data=array, **packed)
    return folder


def by_d4rl(arrays: Arrays, max_steps: int) -> Arrays:
    """D4RL's rule, row by row."""
    rows: dict[str, list] = {name: [] for name in ("obs", "action", "reward", "next_obs", "terminal")}
    step = 0
    for i in range(len(arrays["rewards"]) - 1):
        last = arrays["timeouts"][i] if "timeouts" in arrays else step == max_steps - 1
        step = 0 if last else step + 1
        if last:
            continue
        for name, value in (
            ("obs", arrays["observations"][i]),
            ("action", arrays["actions"][i]),
            ("reward", arrays["rewards"][i]),
            ("next_obs", arrays["observations"][i + 1]),
            ("terminal", bool(arrays["terminals"][i])),
        ):
            rows[name].append(value)
    return {name: np.array(values, np.float32) for name, values in rows.items()}


@pytest.mark.parametrize("name", ["hopper-medium-v2", "antmaze-umaze-v2", "pen-human-v1"])
def test_the_transitions_are_those_of_d4rl(tmp_path: Path, name: str) -> None:
    facts = FACTS[name]
    arrays = recording(facts)
    dataset = read(facts, write(tmp_path, arrays, facts))
    wanted = by_d4rl(arrays, facts.env.max_steps)
    for column in ("obs", "action", "reward", "terminal"):
        np.testing.assert_array_equal(getattr(dataset, column).numpy(), wanted[column])
    assert not (dataset.terminal * dataset.timeout).any()
    goes_on = wanted["terminal"] == 0
    assert 0 < goes_on.sum() < len(goes_on) < len(arrays["rewards"]) - 1
    np.testing.assert_array_equal(dataset.next_obs.numpy()[goes_on], wanted["next_obs"][goes_on])


def test_behind_a_terminal_stands_the_recorded_state_or_else_the_one_of_d4rl() -> None:
    arrays = recording()
    with_next = transitions(arrays, 1000)
    ended = with_next.terminal.numpy() == 1
    kept = np.flatnonzero(~arrays["timeouts"][:-1])
    np.testing.assert_array_equal(with_next.next_obs[ended], arrays["next_observations"][kept[ended]])
    del arrays["next_observations"]
    np.testing.assert_array_equal(transitions(arrays, 1000).next_obs, by_d4rl(arrays, 1000)["next_obs"])


def test_without_timeouts_an_episode_is_cut_at_its_length() -> None:
    arrays = recording(rows=95)
    del arrays["timeouts"]
    arrays["terminals"][:] = False
    dataset = transitions(arrays, 10)
    wanted = by_d4rl(arrays, 10)
    assert len(dataset) == 95 - 9 - 1  # nine last rows of episodes, one last row of the file
    for column in wanted:
        np.testing.assert_array_equal(getattr(dataset, column).numpy(), wanted[column])
    assert dataset.timeout.numpy()[[8, 17, -1]].tolist() == [1, 1, 1]
    assert dataset.timeout.sum() == 10


def test_without_timeouts_the_length_is_counted_anew_behind_a_terminal() -> None:
    arrays = recording(rows=16)
    del arrays["timeouts"]
    arrays["terminals"][:] = False
    arrays["terminals"][2] = True  # then rows 3 to 7 are an episode of 5, and rows 8 to 12, and 13 to 15
    dataset = transitions(arrays, 5)
    kept = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14]
    np.testing.assert_array_equal(dataset.reward, arrays["rewards"][kept])
    assert np.flatnonzero(dataset.timeout).tolist() == [6, 10, 12]


def test_ends_of_episodes_and_next_actions_are_the_recorded_ones() -> None:
    arrays = recording(rows=8)
    arrays["terminals"] = np.array([0, 0, 1, 0, 0, 0, 0, 0], bool)
    arrays["timeouts"] = np.array([0, 0, 0, 0, 0, 1, 0, 0], bool)
    dataset = transitions(arrays, 1000)  # rows 0 1 2 | 3 4 | 6
    assert dataset.terminal.tolist() == [0, 0, 1, 0, 0, 0]
    assert dataset.timeout.tolist() == [0, 0, 0, 0, 1, 1]
    np.testing.assert_array_equal(dataset.next_action, arrays["actions"][[1, 2, 2, 4, 5, 7]])


def test_a_maze_keeps_its_rewards_and_every_terminal_of_a_stay_at_the_goal(tmp_path: Path) -> None:
    arrays = recording(MAZE, rows=6)
    arrays["rewards"] = arrays["terminals"] = np.array([0, 1, 1, 0, 0, 0], np.float64)
    arrays["timeouts"] = np.array([0, 0, 0, 0, 1, 0], bool)
    dataset = read(MAZE, write(tmp_path, arrays, MAZE))
    assert dataset.reward.tolist() == [0, 1, 1, 0]
    assert dataset.terminal.tolist() == [0, 1, 1, 0]
    assert dataset.timeout.tolist() == [0, 0, 0, 1]


def test_double_precision_and_columns_of_width_one_are_read_alike(tmp_path: Path) -> None:
    arrays = recording()
    folders = tmp_path / "single", tmp_path / "double"
    for folder in folders:
        folder.mkdir()
    write(folders[0], arrays)
    for name in ("observations", "actions", "next_observations"):
        arrays[name] = arrays[name].astype(np.float64)
    for name in ("rewards", "terminals", "timeouts"):
        arrays[name] = arrays[name].astype(np.float64)[:, None]
    write(folders[1], arrays)
    assert list(verify(HOPPER, folders[1])) == []
    single, double = (read(HOPPER, folder) for folder in folders)
    assert single.sha256() == double.sha256()


def test_an_action_just_outside_is_clipped(tmp_path: Path) -> None:
    arrays = recording()
    arrays["actions"][:3] = 1 + 5e-6
    dataset = read(HOPPER, write(tmp_path, arrays))
    assert dataset.action.max() == dataset.next_action.max() == 1


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def blotted(path: Path) -> None:
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        chunk = file["observations"].id.get_chunk_info(0)
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (Path.unlink, "does not exist"),
        (lambda path: path.write_bytes(b""), "(0 bytes) is empty"),
        (lambda path: path.write_text("<html>404 Not Found</html>"), "cannot be read as HDF5"),
        (cut_off, "is cut off"),
        (blotted, "cannot be read as HDF5"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_in_one_sentence(
    tmp_path: Path, damage: Callable[[Path], Any], said: str
) -> None:
    damage(write(tmp_path, recording()) / HOPPER.file)
    (problem,) = verify(HOPPER, tmp_path)
    with pytest.raises(UserError) as error:
        read(HOPPER, tmp_path)
    assert str(error.value) == problem
    assert said in problem
    assert str(tmp_path / "hopper_medium-v2.hdf5") in problem
    assert problem.endswith("get it with: bench data fetch d4rl-v2/hopper-medium-v2")
    assert "\n" not in problem


def changed(name: str, at: Any, value: float) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = np.array(arrays[name], np.float32)
        arrays[name][at] = value

    return change


def replaced(name: str, convert: Callable[[np.ndarray], np.ndarray]) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = convert(arrays[name])

    return change


def no_rows(arrays: Arrays) -> None:
    for name in arrays:
        if not name.startswith(("infos", "metadata")):
            arrays[name] = arrays[name][:0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed("observations", (slice(7, 10), 4), np.nan), "observations, row 7: nan is not finite (and 2 more"),
        (changed("rewards", 9, -np.inf), "rewards, row 9: -inf is not finite"),
        (changed("actions", (5, 1), 1.001), "actions, row 5: 1.001 is outside [-1.00001, 1.00001]"),
        (changed("terminals", [4, 8], 0.5), "terminals, row 4: 0.5 is neither 0 nor 1 (and 1 more row)"),
        (changed("timeouts", 299, 2), "timeouts, row 299: 2.0 is neither 0 nor 1"),
        (changed("next_observations", (3, 0), np.inf), "next_observations, row 3: inf is not finite"),
        (replaced("observations", lambda a: a[:, :10]), "observations has the shape (300, 10); wanted is (rows, 11)"),
        (replaced("observations", lambda a: a[:, :1]), "observations has the shape (300, 1); wanted is (rows, 11)"),
        (replaced("actions", lambda a: np.c_[a, a]), "actions has the shape (300, 6); wanted is (rows, 3)"),
        (replaced("observations", lambda a: a[None]), "observations has the shape (1, 300, 11)"),
        (replaced("rewards", lambda a: np.c_[a, a]), "rewards has the shape (300, 2); wanted is (rows,)"),
        (replaced("rewards", lambda a: a[:-1]), "rewards has 299 rows; the first column has 300"),
        (replaced("terminals", lambda a: a[:10]), "terminals has 10 rows; the first column has 300"),
        (replaced("timeouts", lambda a: a[:10]), "timeouts has 10 rows; the first column has 300"),
        (replaced("terminals", lambda a: a.astype("S5")), "terminals holds |S5"),
        (lambda arrays: arrays.pop("rewards"), "has no rewards; it has actions, infos, metadata, next_observations"),
        (replaced("timeouts", lambda a: np.ones(300)), "none of the 300 rows is followed by its next state"),
    ],
)  # fmt: skip
def test_a_damaged_column_is_said_with_key_and_row(
    tmp_path: Path, change: Callable[[Arrays], Any], said: str
) -> None:
    arrays = recording()
    change(arrays)
    problems = list(verify(HOPPER, write(tmp_path, arrays)))
    assert said in problems[0]
    assert HOPPER.file in problems[0]
    assert "observations" in said or len(problems) == 1
    with pytest.raises(UserError) as error:
        read(HOPPER, tmp_path)
    assert said in str(error.value)
    assert "bench data" in str(error.value)


def test_a_file_without_rows_is_no_data_set(tmp_path: Path) -> None:
    arrays = recording()
    no_rows(arrays)
    assert "observations has no rows" in next(iter(verify(HOPPER, write(tmp_path, arrays))))


def test_several_problems_are_counted(tmp_path: Path) -> None:
    arrays = recording()
    changed("rewards", 1, np.nan)(arrays)
    changed("actions", 1, 3)(arrays)
    assert len(list(verify(HOPPER, write(tmp_path, arrays)))) == 2
    with pytest.raises(
        UserError, match=r"actions, row 1.*\(and 1 more\)\. Run: bench data verify d4rl-v2/hopper"
    ):
        read(HOPPER, tmp_path)


def test_only_a_maze_has_rewards_of_0_and_1(tmp_path: Path) -> None:
    arrays = recording(MAZE)
    assert list(verify(MAZE, write(tmp_path, arrays, MAZE))) == []
    arrays["rewards"][[3, 5]] = -1
    (problem,) = verify(MAZE, write(tmp_path, arrays, MAZE))
    assert "rewards, row 3: -1.0 is neither 0 nor 1 (and 1 more row)" in problem


def test_sound_files_of_every_task_are_read_and_have_no_problem(tmp_path: Path) -> None:
    for facts in DATASETS:
        write(tmp_path, recording(facts, rows=20), facts)
        task = D4RL_V2.tasks[facts.name]
        assert task.source is not None
        assert list(task.source.verify(tmp_path)) == []
        dataset = task.on(Copy(OFFICIAL, tmp_path)).load()
        assert (dataset.obs_dim, dataset.action_dim) == (task.obs_dim, task.action_dim)


def test_names_and_addresses_are_those_of_d4rl() -> None:
    root = "https://rail.eecs.berkeley.edu/datasets/offline_rl"
    assert len(D4RL_V2.tasks) == 9 + 6 + 12
    for name, path in {
        "halfcheetah-medium-replay-v2": "gym_mujoco_v2/halfcheetah_medium_replay-v2.hdf5",
        "antmaze-umaze-v2": "ant_maze_v2/Ant_maze_u-maze_noisy_multistart_False_multigoal_False_sparse_fixed.hdf5",
        "antmaze-umaze-diverse-v2": "ant_maze_v2/Ant_maze_u-maze_noisy_multistart_True_multigoal_True_sparse_fixed.hdf5",
        "antmaze-medium-play-v2": "ant_maze_v2/Ant_maze_big-maze_noisy_multistart_True_multigoal_False_sparse_fixed.hdf5",
        "antmaze-large-diverse-v2": "ant_maze_v2/Ant_maze_hardest-maze_noisy_multistart_True_multigoal_True_sparse_fixed.hdf5",
        "relocate-cloned-v1": "hand_dapg_v1/relocate-cloned-v1.hdf5",
    }.items():
        (file,) = D4RL_V2.tasks[name].source.files
        assert (file.url, file.name) == (f"{root}/{path}", path.split("/")[1])


def test_d4rls_own_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path))
    source = D4RL_V2.tasks[HOPPER.name].source
    assert not [copy for copy in source.copies() if copy.label == OFFICIAL]
    write(tmp_path, recording())
    assert source.copies()[0] == Copy(OFFICIAL, tmp_path)


def test_scores_are_on_the_scale_of_d4rl() -> None:
    reference = D4RL_V2.tasks["halfcheetah-medium-v2"].reference
    assert reference.score(-280.178953) == 0
    assert reference.score(12135.0) == 1
    assert D4RL_V2.tasks["antmaze-umaze-v2"].reference.of == "success"
    assert D4RL_V2.tasks["pen-human-v1"].reference.score(3076.8331017826877) == 1


def played(env: EnvironmentFacts, steps: int) -> list[np.ndarray]:
    environments = GymEnvironments(lambda: make(env), 2)
    rows, rng = np.arange(2), np.random.default_rng(0)
    seen = [environments.reset(rows, [3, 4])]
    for _ in range(steps):
        step = environments.step(rows, rng.uniform(-1, 1, (2, env.action_dim)))
        seen.append(np.c_[step.obs, step.reward])
    environments.close()
    return seen


@pytest.mark.parametrize("env", ENVIRONMENTS.values(), ids=lambda env: env.name)
def test_every_environment_plays_and_follows_its_seeds(env: EnvironmentFacts) -> None:
    first, again = played(env, 8), played(env, 8)
    assert first[0].shape == (2, env.obs_dim)
    assert (
        not np.array_equal(first[0][0], first[0][1]) or env.name == "hammer"
    )  # the board is not where it looks
    for one, other in zip(first, again, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("env", ENVIRONMENTS.values(), ids=lambda env: env.name)
def test_an_episode_is_cut_where_d4rl_cuts_it(env: EnvironmentFacts) -> None:
    one = make(env)
    while not isinstance(one, gymnasium.wrappers.TimeLimit):
        one = one.env
    assert one._max_episode_steps == env.max_steps
    assert env.max_steps == {"pen": 100, "antmaze-umaze": 700}.get(
        env.name, 200 if env.kind == "hand" else 1000
    )


@pytest.mark.parametrize("name", MAZES)
def test_a_maze_has_the_walls_starts_and_goals_of_d4rl(name: str) -> None:
    import gymnasium_robotics.envs.maze.maps as maps

    same_walls = getattr(maps, {"antmaze-umaze": "U_MAZE"}.get(name, name.split("-")[1].upper() + "_MAZE"))
    assert [[int(cell == "#") for cell in row] for row in MAZES[name]] == same_walls
    far = {"antmaze-umaze": (0, 8), "antmaze-medium": (20, 20), "antmaze-large": (32, 24)}[name]
    env = AntMaze(name)
    for seed in range(20):
        obs, _ = env.reset(seed=seed)
        assert (np.abs(obs[:2]) <= 0.1).all()
        assert ((env.goal >= far) & (env.goal <= np.add(far, 1.5))).all()
    goals = {tuple(env.goal) for seed in range(3) if env.reset(seed=seed)}
    assert len(goals) == 3


def test_walls_stand_where_an_ant_with_the_coordinates_of_the_files_meets_them() -> None:
    """Row 2 of the small maze is a wall from column 0 to 2: y = 4, x from -4 to 4; the goal lies behind it."""
    env = AntMaze("antmaze-umaze")
    assert [4.0, 4.0] in cells("antmaze-umaze", "#").tolist()
    assert [8.0, 4.0] not in cells("antmaze-umaze", "#").tolist()

    def walled(x: float, y: float) -> bool:
        env.reset(seed=0)
        env.set_state(np.r_[x, y, 0.75, env.init_qpos[3:]], env.init_qvel)
        walls = env.model.geom_type == 6  # boxes
        return any(walls[geom] for contact in env.data.contact for geom in (contact.geom1, contact.geom2))

    assert [walled(x, y) for x, y in ((0, 0), (0, 4), (4, 4), (8, 4), (0, 8), (0, -4))] == [
        False, True, True, False, False, True,
    ]  # fmt: skip


def test_the_ant_is_that_of_d4rl() -> None:
    env = AntMaze("antmaze-umaze")
    assert env.dt == pytest.approx(0.1)
    assert (env.model.geom_solimp[:, :3] == [0.8, 0.8, 0.01]).all()
    assert (env.model.actuator_gear[:, 0] * env.model.actuator_ctrlrange[:, 1]).tolist() == [30] * 8
    joints = [env.model.joint(int(joint)).name for joint in env.model.actuator_trnid[:, 0]]
    assert joints == [f"{part}_{leg}" for leg in (4, 1, 2, 3) for part in ("hip", "ankle")]
    obs, _ = env.reset(seed=0)
    np.testing.assert_array_equal(obs, np.r_[env.data.qpos, env.data.qvel])


def test_the_goal_pays_1_and_ends_the_episode() -> None:
    env = AntMaze("antmaze-umaze")
    obs, _ = env.reset(seed=0)
    for distance, reached in ((0.6, False), (0.4, True)):
        env.set_state(np.r_[env.goal[0] + distance, env.goal[1], obs[2:15]], np.zeros(14))
        _, reward, terminated, truncated, info = env.step(np.zeros(8))
        assert (reward, terminated, truncated, info["success"]) == (float(reached), reached, False, reached)


def states(name: str) -> list[dict[str, float]]:
    """Joints to be set, so that every term of the reward is met."""
    return {
        "door": [{}, {"door_hinge": 0.5}, {"door_hinge": 1.2}, {"door_hinge": 1.4}],
        "hammer": [{}, {"nail_dir": 0.075}, {"nail_dir": 0.09}, {"OBJTy": 0.3}],
        "relocate": [{}, {"OBJTz": 0.1}, {"OBJTz": 0.17}, {"OBJTz": 0.25}],
    }[name]


@pytest.mark.parametrize("name", REWARDS)
def test_the_hand_is_paid_as_in_d4rl(name: str) -> None:
    """The package's dense reward is D4RL's but for the sign of one term, depending on the release."""
    env = make(ENVIRONMENTS[name]).env
    core = env.unwrapped
    seen = set()
    for joints in states(name):
        env.reset(seed=1)
        if name == "relocate":  # the target above the ball, in the middle of its range
            core.model.site("target").pos[:] = [*core.model.body("Object").pos[:2], 0.28]
        for joint, value in joints.items():
            core.data.joint(joint).qpos[0] = value
        _, package, *_ = env.step(np.zeros(ENVIRONMENTS[name].action_dim))
        thing = core.data.site("S_handle") if name == "door" else core.data.body("Object")
        reach = np.linalg.norm(core.data.site("S_grasp").xpos - thing.xpos)
        ours = REWARDS[name](core.data)
        assert any(ours == pytest.approx(package - change) for change in (0, 0.2 * reach))
        assert reach > 0.05
        seen.add(round(ours))
    assert len(seen) == 4  # every bonus was met


def test_the_hand_gives_d4rls_reward_and_keeps_the_success() -> None:
    env = make(ENVIRONMENTS["door"])
    env.reset(seed=0)
    env.unwrapped.data.joint("door_hinge").qpos[0] = 1.4
    _, reward, terminated, _, info = env.step(np.zeros(28))
    assert reward == pytest.approx(REWARDS["door"](env.unwrapped.data))
    assert reward > 19
    assert bool(info["success"])
    assert not terminated


def test_a_dropped_pen_ends_the_episode() -> None:
    env = make(ENVIRONMENTS["pen"])
    env.reset(seed=0)
    _, _, terminated, _, _ = env.step(np.zeros(24))
    assert not terminated
    env.unwrapped.model.body("Object").pos[2] -= 0.2  # below the hand
    _, reward, terminated, _, _ = env.step(np.zeros(24))
    assert terminated
    assert reward < -4


def test_a_task_says_what_evaluates_it_and_what_differs() -> None:
    for task in D4RL_V2.tasks.values():
        (env,) = task.environments.args  # type: ignore[attr-defined]
        versions = task.versions()
        assert {"gymnasium", "mujoco", "environment"} <= set(versions)
        assert ("gymnasium-robotics" in versions) == (env.kind == "hand")
        assert "mujoco-py" in task.notes[0]
        assert versions["environment"].split()[0] in task.notes[0]
    assert "reward - 1" in " ".join(D4RL_V2.tasks["antmaze-umaze-v2"].notes)


@pytest.mark.parametrize(
    ("package", "use"),
    [
        ("h5py", lambda: read(HOPPER, Path())),
        ("mujoco", lambda: make(ENVIRONMENTS["hopper"])),
        ("gymnasium_robotics", D4RL_V2.tasks["pen-human-v1"].versions),
    ],
)
def test_a_missing_package_is_said(
    monkeypatch: pytest.MonkeyPatch, package: str, use: Callable[[], Any]
) -> None:
    find = importlib.util.find_spec
    module = sys.modules[make.__module__]
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(
        UserError, match=rf"needs {package}; install with: pip install 'offline-bench\[d4rl\]'"
    ):
        use()
