"""Data made from the package alone: the published format, true transitions, the same bytes from any number of processes."""

import multiprocessing
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ogbench")

from bench.data.source import MakeRequest
from bench.errors import UserError
from suites.ogbench.catalogue import ENVIRONMENTS
from suites.ogbench.environments import make
from suites.ogbench.files import verify
from suites.ogbench.make import RECIPES, files, maker, manipulation, pointmaze
from suites.ogbench.make.manipulation import Manipulation
from suites.ogbench.make.pointmaze import PointMaze
from suites.ogbench.make.recording import Recipe, Rows, record

FACTS = {facts.name: facts for facts in ENVIRONMENTS}


def small(dataset: str, rows: int) -> Recipe:
    return replace(RECIPES[dataset], rows=rows)


def written(recipe: Recipe, folder: Path, episodes: int = 2, seed: int = 0, workers: int = 1) -> list[Rows]:
    """The training and the validation file."""
    files.write(recipe, folder, MakeRequest(episodes, seed, workers, lambda n: None))
    return [dict(np.load(folder / f"{recipe.dataset}{end}.npz", allow_pickle=False)) for end in ("", "-val")]


def equal(a: Rows, b: Rows) -> bool:
    return list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def scene() -> tuple[Manipulation, list[Rows]]:
    """A noisy scene that has played three episodes, and these."""
    recipe = small("scene-noisy-v0", rows=201)
    player = Manipulation(recipe)
    return player, [record(player, recipe.dataset, 0, number) for number in range(3)]


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows, Rows]:
    folder = tmp_path_factory.mktemp("cube")
    return folder, *written(small("cube-single-play-v0", rows=51), folder)


@pytest.mark.parametrize(
    ("dataset", "episodes", "rows"),
    [
        ("cube-single-play-v0", 1000, 1001),
        ("cube-triple-noisy-v0", 3000, 1001),
        ("puzzle-4x6-play-v0", 5000, 1001),
        ("scene-noisy-v0", 1000, 1001),
        ("pointmaze-medium-navigate-v0", 1000, 1001),
        ("pointmaze-giant-navigate-v0", 500, 2001),
        ("pointmaze-teleport-stitch-v0", 5000, 201),
        ("pointmaze-large-explore-v0", 10000, 501),
    ],
)
def test_a_data_set_has_the_published_size_unless_asked_otherwise(
    dataset: str, episodes: int, rows: int
) -> None:
    made = maker(dataset)
    assert made is not None
    assert (made.episodes, RECIPES[dataset].rows) == (episodes, rows)
    assert made.total(1000) == 1100
    assert made.total(1) == 2


@pytest.mark.parametrize(
    "dataset", ["antmaze-large-navigate-v0", "cube-single-play", "cube-octuple-play-v0", ""]
)
def test_what_needs_trained_controllers_or_is_unknown_cannot_be_made(dataset: str) -> None:
    assert maker(dataset) is None


def test_everything_that_can_be_made_belongs_to_a_task() -> None:
    known = {dataset for facts in ENVIRONMENTS for dataset in facts.datasets}
    assert set(RECIPES) <= known


def test_one_process_and_two_write_the_same_bytes(tmp_path: Path) -> None:
    recipe = small("pointmaze-teleport-stitch-v0", rows=60)
    for workers in (1, 2):
        written(recipe, tmp_path / str(workers), episodes=8, workers=workers)
    names = ["pointmaze-teleport-stitch-v0-val.npz", "pointmaze-teleport-stitch-v0.npz"]
    assert sorted(path.name for path in (tmp_path / "2").iterdir()) == names
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_an_environment_that_has_played_before_gives_the_same_episode_as_a_new_one(scene: Any) -> None:
    recipe = small("scene-noisy-v0", rows=201)
    again = record(Manipulation(recipe), recipe.dataset, 0, 2)
    assert equal(scene[1][2], again)


@pytest.mark.parametrize("dataset", ["pointmaze-teleport-navigate-v0", "pointmaze-medium-stitch-v0"])
def test_a_maze_that_was_walked_before_gives_the_same_episode_as_a_new_one(dataset: str) -> None:
    recipe = small(dataset, rows=300)
    player = PointMaze(recipe)
    walked = [record(player, dataset, 0, number) for number in range(3)]
    assert equal(walked[2], record(PointMaze(recipe), dataset, 0, 2))
    assert not equal(walked[2], walked[1])


def test_the_episodes_depend_on_the_seed_and_not_on_how_many_are_made(tmp_path: Path) -> None:
    recipe = small("pointmaze-medium-navigate-v0", rows=30)
    two, _ = written(recipe, tmp_path / "two", episodes=2)
    three, _ = written(recipe, tmp_path / "three", episodes=3)
    other, _ = written(recipe, tmp_path / "other", episodes=2, seed=1)
    assert np.array_equal(two["qpos"], three["qpos"][:60])
    assert not np.isclose(two["qpos"][0], other["qpos"][0]).any()


def test_the_global_generator_of_the_caller_is_left_alone(scene: Any) -> None:
    np.random.seed(7)
    expected = np.random.uniform(size=3)
    np.random.seed(7)
    record(scene[0], "scene-noisy-v0", 0, 0)
    assert np.array_equal(np.random.uniform(size=3), expected)


def test_the_files_have_the_published_format(cube: Any, scene: Any) -> None:
    _, train, val = cube
    rows = {"observations": 28, "actions": 5, "terminals": None, "qpos": 21, "qvel": 20}
    for part, episodes in ((train, 2), (val, 1)):
        assert {n: (a.shape[1] if a.ndim > 1 else None) for n, a in part.items()} == rows
        assert {len(array) for array in part.values()} == {51 * episodes}
        assert np.flatnonzero(part["terminals"]).tolist() == [50, 101][:episodes]
    assert {n: a.dtype for n, a in train.items()} == dict.fromkeys(rows, np.float32) | {"terminals": bool}
    assert np.abs(train["actions"]).max() <= 1
    assert np.array_equal(train["observations"][:, :6], train["qpos"][:, :6])  # the joints of the arm
    assert scene[1][0]["button_states"].dtype == np.int64
    assert scene[1][0]["button_states"].shape == (201, 2)


def test_the_package_reads_what_was_made(cube: Any) -> None:
    import ogbench

    _, train, val = ogbench.make_env_and_datasets(
        "cube-single-play-singletask-task2-v0", dataset_dir=str(cube[0])
    )
    assert train["observations"].shape == (100, 28)
    assert val["next_observations"].shape == (50, 28)
    assert np.array_equal(train["next_observations"][:50], cube[1]["observations"][1:51])
    assert set(np.unique(train["rewards"])) <= {-1.0, 0.0}


@pytest.mark.parametrize("kind", ["navigate", "stitch", "explore"])
def test_what_was_made_passes_verification(kind: str, tmp_path: Path) -> None:
    dataset = f"pointmaze-large-{kind}-v0"
    written(small(dataset, rows=30), tmp_path)
    assert list(verify(FACTS["pointmaze-large"], dataset, tmp_path)) == []


def errors(env: Any, rows: Rows, steps: range, lag: bool = False) -> np.ndarray:
    """How far qpos is from the next row, at most, when the action of a row is taken in the state of the row.

    After a step, the cubes' environment still has the gripper's position of one physics step (2 ms) earlier,
    and the controller starts from that; with `lag` the state is set up likewise. The scene and the puzzles
    compute it anew after every step.
    """
    import mujoco

    env.reset(seed=3)
    found = []
    for t in steps:
        qpos, qvel = rows["qpos"][t].astype(float), rows["qvel"][t].astype(float)
        before = qpos.copy()
        if lag:
            mujoco.mj_integratePos(env.model, before, qvel, -0.002)
        env.set_state(before, qvel, *([rows["button_states"][t]] if "button_states" in rows else []))
        env.data.qpos[:] = qpos
        info = env.step(rows["actions"][t].astype(float))[-1]
        found.append(np.abs(info["qpos"] - rows["qpos"][t + 1]).max())
    return np.array(found)


def test_actions_of_the_cube_lead_to_the_next_row_but_not_from_the_end_of_an_episode(cube: Any) -> None:
    env = make("cube-single-v0", terminate_at_goal=False, mode="data_collection").unwrapped
    # The files hold float32, hence not zero; the arm moves by about 0.05 rad in a step.
    assert errors(env, cube[1], range(1, 50, 3), lag=True).max() < 1e-5
    assert errors(env, cube[1], range(50, 51), lag=True).min() > 0.1


def test_actions_of_the_scene_lead_to_the_next_row(scene: Any) -> None:
    env = make("scene-v0", terminate_at_goal=False, mode="data_collection").unwrapped
    found = errors(env, scene[1][0], range(1, 200, 5))
    assert np.median(found) < 1e-6  # a contact that is just made or lost magnifies the rounding
    assert found.max() < 0.01


def test_actions_of_a_maze_lead_to_the_next_row() -> None:
    recipe = small("pointmaze-medium-navigate-v0", rows=200)
    rows = record(PointMaze(recipe), recipe.dataset, 0, 0)
    env = make("pointmaze-medium-v0", terminate_at_goal=False).unwrapped
    assert errors(env, rows, range(199)).max() < 1e-5  # a step is 0.2 long
    assert np.array_equal(rows["observations"], rows["qpos"])


class Still:
    """An oracle that wants nothing."""

    done = False

    def reset(self, obs: Any, info: Any) -> None:
        pass

    def select_action(self, obs: Any, info: Any) -> np.ndarray:
        return np.zeros(5)


@pytest.fixture
def still(scene: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manipulation]:
    monkeypatch.setattr(scene[0], "oracles", dict.fromkeys(scene[0].oracles, Still()))
    return scene[0]


def test_one_action_in_ten_of_a_noisy_scene_is_random(
    still: Manipulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manipulation, "MAX_NOISE", 0.0)
    action = np.concatenate([record(still, "scene-noisy-v0", 1, n)["actions"] for n in range(2)])
    chosen = action[(action != 0).all(1)]
    assert 0.06 < len(chosen) / len(action) < 0.15
    assert 0.3 < np.abs(chosen).mean() < 0.7
    assert (chosen.min() < -0.8) & (chosen.max() > 0.8)


def test_noise_turns_the_gripper_more_than_it_moves_it(
    still: Manipulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manipulation, "MAX_NOISE", 0.02)
    monkeypatch.setattr(still, "random_share", 0.0)
    spread = record(still, "scene-noisy-v0", 1, 0)["actions"].std(axis=0)
    assert spread / spread[:3].mean() == pytest.approx([1, 1, 1, 3, 10], rel=0.2)
    other = record(still, "scene-noisy-v0", 1, 1)["actions"].std(axis=0)
    assert not np.isclose(spread[4], other[4], rtol=0.1)  # its scale is drawn for each episode


def test_a_block_out_of_sight_makes_an_episode_unusable() -> None:
    def out(y: float, z: float) -> bool:
        qpos = np.zeros((3, 20))
        qpos[1, 15:17] = y, z
        return manipulation._out_of_sight(qpos)

    assert not out(0.28, 0.02)
    assert out(0.29, 0.02)
    assert out(-0.3, 0.02)
    assert out(-0.3, 0.09)
    assert not out(-0.3, 0.07)  # in the drawer


def test_an_unusable_episode_is_played_again_with_another_seed() -> None:
    class Unlucky:
        seeds: list[int] = []

        def play(self, seed: int) -> Rows | None:
            self.seeds.append(seed)
            return None if len(self.seeds) < 3 else {"drawn": np.random.uniform(size=2)}

    rows = record(Unlucky(), "scene-play-v0", 0, 0)  # type: ignore[arg-type]
    assert len(set(Unlucky.seeds)) == 3
    assert equal(rows, record(Unlucky(), "scene-play-v0", 0, 0)) is False  # its first try, another seed


def test_goals_of_a_maze_are_no_corridors_and_stitching_goes_four_cells() -> None:
    maze = PointMaze(small("pointmaze-medium-stitch-v0", rows=20))
    assert len(maze.cells) == 26
    assert (4, 1) in maze.corners  # a corner: free to the right and below
    assert (5, 1) not in maze.corners  # free above and below only
    assert (3, 4) in maze.corners  # a crossing
    assert sorted(maze._around((1, 1))) == [(3, 3), (4, 2)]


def test_exploring_keeps_a_direction_for_ten_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pointmaze, "NOISE", {"explore": 0.0})
    recipe = small("pointmaze-medium-explore-v0", rows=40)
    action = record(PointMaze(recipe), recipe.dataset, 0, 0)["actions"].reshape(4, 10, 2)
    assert (action == action[:, :1]).all()
    assert np.linalg.norm(action[:, 0], axis=1) == pytest.approx(1, abs=1e-5)
    assert len(np.unique(action[:, 0], axis=0)) == 4


def test_navigation_goes_on_to_new_goals_and_stitching_stays() -> None:
    goals: dict[str, set[tuple[float, float]]] = {"navigate": set(), "stitch": set()}
    for kind, seen in goals.items():
        player = PointMaze(small(f"pointmaze-medium-{kind}-v0", rows=400))
        way = player._way
        player._way = lambda way=way, seen=seen, player=player: (  # type: ignore[method-assign]
            seen.add(tuple(player.maze.cur_goal_xy)) or way()
        )
        record(player, f"pointmaze-medium-{kind}-v0", 0, 0)
        assert np.isfinite(player.maze.model.geom("target").pos).all()
    assert len(goals["navigate"]) > 3
    assert len(goals["stitch"]) == 1


def test_progress_hears_of_every_episode_once(tmp_path: Path) -> None:
    heard: list[int] = []
    files.write(small("pointmaze-medium-stitch-v0", rows=5), tmp_path, MakeRequest(20, 0, 1, heard.append))
    assert heard == [1] * 22


def test_an_interruption_ends_the_processes_and_leaves_no_file(tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    recipe = small("pointmaze-medium-explore-v0", rows=20_000)  # about a second each
    with pytest.raises(KeyboardInterrupt):
        files.write(recipe, tmp_path, MakeRequest(100, 0, 2, interrupt))
    assert multiprocessing.active_children() == []
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["suites.ogbench.environments"]  # the package has a function of this name
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'offline-bench\[ogbench\]'"):
        written(RECIPES["scene-play-v0"], tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write to .*choose a folder"):
        written(small("pointmaze-medium-stitch-v0", rows=3), tmp_path / "file", episodes=1)
