import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gymnasium
import minari
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, Space
from minari import EpisodeData
from minari.data_collector import EpisodeBuffer

from bench.dataset import Dataset
from bench.errors import UserError
from suites import classic, minari_data
from suites.classic import RECIPES, Behaviour, Recipe, Recording
from suites.minari_data import ROOT_VARIABLE, dataset_from_minari, minari_root

BY_NAME = {recipe.name: recipe for recipe in RECIPES}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for all tests that only read: each full data set is made once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder))
        yield folder


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(params=BY_NAME)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return BY_NAME[request.param]


@pytest.fixture
def dataset(cache: Path, recipe: Recipe) -> Dataset:
    return classic.load(recipe)


def small(name: str, episodes: int = 2) -> Recipe:
    """A recipe with so many episodes of every behaviour."""
    recipe = BY_NAME[name]
    return replace(recipe, behaviours=tuple(replace(b, episodes=episodes) for b in recipe.behaviours))


def returns(dataset: Dataset) -> np.ndarray:
    """The return of every episode, in order."""
    end = (dataset.terminal + dataset.timeout).numpy() > 0
    return np.add.reduceat(dataset.reward.numpy(), np.r_[0, np.flatnonzero(end)[:-1] + 1])


def parts(recipe: Recipe, dataset: Dataset) -> dict[str, np.ndarray]:
    """The scores of the episodes of each behaviour."""
    scores = recipe.reference.score(returns(dataset))
    ends = np.cumsum([behaviour.episodes for behaviour in recipe.behaviours])
    assert ends[-1] == len(scores)
    return {b.name: part for b, part in zip(recipe.behaviours, np.split(scores, ends[:-1]), strict=True)}


def test_a_data_set_is_one_that_minari_itself_loads(cache: Path, recipe: Recipe, dataset: Dataset) -> None:
    with minari_root(cache / "minari"):
        assert recipe.dataset_id in minari.list_local_datasets()
        stored = minari.load_dataset(recipe.dataset_id)
    assert stored.total_steps == len(dataset)
    assert stored.total_episodes == sum(behaviour.episodes for behaviour in recipe.behaviours)
    assert stored.env_spec.id == recipe.env_id


def test_a_data_set_has_the_shapes_that_its_task_states(recipe: Recipe, dataset: Dataset) -> None:
    task = classic.CLASSIC.tasks[recipe.name]
    assert (dataset.obs_dim, dataset.action_dim) == (task.obs_dim, task.action_dim)
    assert dataset.obs.dtype == torch.float32
    assert 15_000 <= len(dataset) <= 50_000
    assert dataset.action.abs().max() <= 1
    assert dataset.action.std() > 0.2
    environments = task.environments(2)
    assert environments.reset(np.arange(2), [0, 1]).shape == (2, task.obs_dim)
    assert gymnasium.spec(recipe.env_id).max_episode_steps == task.max_steps
    environments.close()


def test_the_best_controller_scores_1_and_random_actions_0(recipe: Recipe, dataset: Dataset) -> None:
    best, weak, random = (part.mean() for part in parts(recipe, dataset).values())
    assert best == pytest.approx(1, abs=0.06)
    assert random == pytest.approx(0, abs=0.1)  # 60 pendulum episodes alone scatter by 0.03
    assert random < weak < 0.9


@pytest.mark.parametrize("name", ["pendulum-mixed", "reacher-mixed"])
def test_a_data_set_made_again_has_the_same_content(
    name: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = classic.load(small(name))
    monkeypatch.setenv("BENCH_CACHE", str(empty_cache / "elsewhere"))
    again = classic.load(small(name))
    assert first.sha256() == again.sha256()


def test_replaying_the_actions_of_an_episode_gives_its_observations_and_rewards(
    cache: Path, recipe: Recipe, dataset: Dataset
) -> None:
    with minari_root(cache / "minari"):
        stored = minari.load_dataset(recipe.dataset_id)
    number = stored.total_episodes // 2
    seed = next(iter(stored.storage.get_episode_metadata([number])))["seed"]
    start = np.flatnonzero((dataset.terminal + dataset.timeout).numpy())[number - 1] + 1
    env = gymnasium.make(recipe.env_id)
    assert isinstance(env.action_space, Box)
    obs, _ = env.reset(seed=seed)
    for row, action in enumerate(stored[number].actions, start):
        assert np.array_equal(dataset.obs[row], np.float32(obs))
        assert action / env.action_space.high == pytest.approx(dataset.action[row].numpy(), abs=1e-6)
        obs, reward, terminated, truncated, _ = env.step(action)
        assert np.array_equal(dataset.next_obs[row], np.float32(obs))
        assert dataset.reward[row] == np.float32(reward)
        assert (dataset.terminal[row] == 1) == terminated
        assert (dataset.timeout[row] == 1) == (truncated and not terminated)
    assert terminated or truncated
    env.close()


def test_only_falling_is_a_terminal_and_only_the_time_limit_a_timeout(cache: Path) -> None:
    recipe = BY_NAME["inverted-pendulum-mixed"]
    dataset = classic.load(recipe)
    fallen = (dataset.next_obs[:, 1].abs() > 0.2).float()
    assert torch.equal(dataset.terminal, fallen)
    assert dataset.timeout.sum() == recipe.behaviours[0].episodes
    assert (returns(dataset) == 1000).sum() == recipe.behaviours[0].episodes


def test_tasks_that_never_end_have_timeouts_only(cache: Path) -> None:
    for name in ("pendulum-mixed", "reacher-mixed", "half-cheetah-mixed"):
        dataset = classic.load(BY_NAME[name])
        assert dataset.terminal.sum() == 0
        assert dataset.timeout.sum() * BY_NAME[name].max_steps == len(dataset)


def test_versions_name_the_packages_and_the_recipe() -> None:
    assert set(classic.CLASSIC.tasks["pendulum-mixed"].versions()) == {"gymnasium", "minari", "recipe"}
    assert set(classic.CLASSIC.tasks["reacher-mixed"].versions()) == {
        "gymnasium",
        "minari",
        "mujoco",
        "recipe",
    }


def test_listing_the_tasks_imports_neither_minari_nor_mujoco() -> None:
    code = "import sys, suites.classic; assert not {'minari', 'mujoco'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_package_is_said_with_what_to_install() -> None:
    with pytest.raises(UserError, match=r'needs no_such_module; install with: pip install "some\[extra\]"'):
        minari_data.require(["numpy", "no_such_module"], '"some[extra]"')


@pytest.mark.parametrize("before", [None, "/somewhere"])
def test_minaris_own_folder_is_restored_even_after_an_error(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    if before:
        monkeypatch.setenv(ROOT_VARIABLE, before)
    with suppress(KeyError), minari_root(Path("/else")):
        assert os.environ[ROOT_VARIABLE] == "/else"
        raise KeyError
    assert os.environ.get(ROOT_VARIABLE) == before


def test_an_interrupted_recording_leaves_nothing_that_is_loaded(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small("pendulum-mixed")
    played = []

    def stop_at_the_third(env: gymnasium.Env, behaviour: Behaviour, number: int) -> Recording:
        played.append(number)
        if len(played) == 3:
            raise KeyboardInterrupt
        return play(env, behaviour, number)

    play = classic.play
    with monkeypatch.context() as patch:
        patch.setattr(classic, "play", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            classic.load(recipe)
    assert list((empty_cache / "minari").iterdir()) == []
    assert len(returns(classic.load(recipe))) == 6


def test_what_a_killed_process_left_behind_is_not_taken_for_a_data_set(empty_cache: Path) -> None:
    recipe = small("pendulum-mixed")
    with minari_root(empty_cache / "minari/.making-killed"):
        classic.record(small("pendulum-mixed", episodes=1), recipe.dataset_id)
    with minari_root(empty_cache / "minari"):
        assert minari.list_local_datasets() == {}
    assert len(returns(classic.load(recipe))) == 6


def test_two_processes_that_ask_at_once_get_the_same_data_set(empty_cache: Path) -> None:
    recipe = small("pendulum-mixed")
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=classic.load, args=(recipe,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert [path.name for path in (empty_cache / "minari").iterdir()] == [recipe.dataset_id]


def test_the_data_set_that_came_first_is_kept(empty_cache: Path) -> None:
    recipe = small("pendulum-mixed")

    def overtaken(dataset_id: str) -> None:
        classic.load(recipe)  # another process finishes while this one records
        classic.record(small("pendulum-mixed", episodes=1), dataset_id)

    dataset = minari_data.recorded(recipe.dataset_id, overtaken)
    assert len(returns(dataset)) == 6


def test_a_damaged_data_set_is_said_with_the_folder_to_delete(empty_cache: Path) -> None:
    recipe = small("pendulum-mixed", episodes=1)
    classic.load(recipe)
    (empty_cache / "minari/pendulum-mixed-v1/data/main_data.hdf5").write_bytes(b"")
    with pytest.raises(UserError, match=r"pendulum-mixed-v1 cannot be read .* delete this folder"):
        classic.load(recipe)


class Stored:
    """What a recorded data set shows of itself."""

    spec = SimpleNamespace(dataset_id="mine-v0")

    def __init__(self, observation_space: Space, action_space: Space, *episodes: EpisodeData) -> None:
        self.observation_space, self.action_space, self.episodes = observation_space, action_space, episodes

    def iterate_episodes(self) -> Iterator[EpisodeData]:
        return iter(self.episodes)


def box(low: float, high: float, *shape: int) -> Box:
    return Box(low, high, shape)


def episode(action: list[float], terminations: list[bool]) -> EpisodeData:
    steps = len(action)
    return EpisodeData(
        id=7,
        observations=np.arange(steps + 1.0)[:, None],
        actions=np.array(action, np.float32)[:, None],
        rewards=np.arange(steps) * 10.0,
        terminations=np.array(terminations),
        truncations=np.zeros(steps, bool),
        infos={},
    )


def test_actions_are_scaled_from_the_bounds_of_the_space() -> None:
    lopsided = Box(np.array([-1, 0], np.float32), np.array([3, 10], np.float32))
    recording = replace(episode([0, 0], [False, False]), actions=np.array([[-1, 10], [1, 2.5]], np.float32))
    dataset = dataset_from_minari(Stored(box(-1, 1, 1), lopsided, recording))
    assert dataset.action.tolist() == [[-1, 1], [0, -0.5]]


def test_an_episode_without_a_termination_is_a_timeout() -> None:
    done, cut = episode([0, 0], [False, True]), episode([0, 0, 0], [False] * 3)
    dataset = dataset_from_minari(Stored(box(-1, 1, 1), box(-1, 1, 1), done, cut))
    assert dataset.terminal.tolist() == [0, 1, 0, 0, 0]
    assert dataset.timeout.tolist() == [0, 0, 0, 0, 1]
    assert dataset.obs[:, 0].tolist() == [0, 1, 0, 1, 2]
    assert dataset.next_obs[:, 0].tolist() == [1, 2, 1, 2, 3]
    assert dataset.reward.tolist() == [0, 10, 0, 10, 20]


@pytest.mark.parametrize(
    ("observations", "actions", "message"),
    [
        (Dict(a=box(0, 1, 1)), box(-1, 1, 1), "'mine-v0' has observations in Dict"),
        (box(0, 1, 8, 8), box(-1, 1, 1), "has observations in Box"),
        (box(0, 1, 1), Discrete(3), "'mine-v0' has actions in Discrete"),
        (box(0, 1, 1), box(-np.inf, 1, 1), "a bounded Box"),
    ],
)
def test_spaces_that_cannot_be_used_are_named(observations: Space, actions: Space, message: str) -> None:
    with pytest.raises(UserError, match=message):
        dataset_from_minari(Stored(observations, actions))


def test_a_recording_of_discrete_actions_gives_one_clear_error(tmp_path: Path) -> None:
    step = EpisodeBuffer(
        observations=[np.zeros(4)] * 2, actions=[0], rewards=[1.0], terminations=[True], truncations=[False]
    )
    with minari_root(tmp_path), minari_data.without_advice():
        dataset = minari.create_dataset_from_buffers(
            "cart-v0", [step], "CartPole-v1", "CartPole-v1", algorithm_name="none", description="one step"
        )
    with pytest.raises(UserError, match=r"'cart-v0' has actions in Discrete\(2\)"):
        dataset_from_minari(dataset)


def test_an_action_outside_the_bounds_names_its_episode() -> None:
    with pytest.raises(UserError, match="episode 7: an action lies outside"):
        dataset_from_minari(Stored(box(-1, 1, 1), box(-1, 1, 1), episode([0, 1.5], [False, False])))


def test_a_termination_in_the_middle_names_its_episode() -> None:
    with pytest.raises(UserError, match="episode 7: a termination in the middle"):
        dataset_from_minari(Stored(box(-1, 1, 1), box(-1, 1, 1), episode([0, 0], [True, False])))
