"""The diagnostic suite: the rules of its worlds, and that each data set has the property it is named for."""

from types import ModuleType

import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from bench.dataset import Dataset
from suites.diagnostic import (
    DIAGNOSTIC,
    crossroads,
    few_good,
    gamble,
    long_way,
    narrow_expert,
    two_doors,
)
from suites.diagnostic.core import Array, Policy, World, WorldEnv, WorldEnvironments, distance

WORLDS: dict[str, tuple[ModuleType, World]] = {
    "two-doors": (two_doors, two_doors.TwoDoors()),
    "crossroads": (crossroads, crossroads.Crossroads()),
    "few-good": (few_good, few_good.FewGood()),
    "long-way": (long_way, long_way.LongWay()),
    "narrow-expert": (narrow_expert, narrow_expert.NarrowExpert()),
    "gamble": (gamble, gamble.Gamble()),
}
NAMES = list(WORLDS)


@pytest.fixture(scope="module")
def data() -> dict[str, Dataset]:
    return {name: module.make() for name, (module, _) in WORLDS.items()}


def episodes(dataset: Dataset) -> list[slice]:
    ends = torch.nonzero(dataset.terminal + dataset.timeout)[:, 0].tolist()
    return [slice(a, b + 1) for a, b in zip([0, *(e + 1 for e in ends[:-1])], ends, strict=True)]


def returns(dataset: Dataset) -> Array:
    return np.array([dataset.reward[e].sum().item() for e in episodes(dataset)])


def firsts(dataset: Dataset) -> Array:
    return np.stack([dataset.obs[e.start].numpy() for e in episodes(dataset)])


def lasts(dataset: Dataset) -> Array:
    return np.stack([dataset.next_obs[e.stop - 1].numpy() for e in episodes(dataset)])


def play(world: World, policy: Policy, count: int) -> tuple[Array, Array]:
    """Return (count,) and success (count,) of one episode for each seed 0 ... count - 1."""
    envs = WorldEnvironments(world, count)
    rows = np.arange(count)
    envs.reset(rows, range(count))
    total, success = np.zeros(count), np.zeros(count, bool)
    time = 0
    while len(rows):
        step = envs.step(rows, policy(time, envs.state[rows]))
        total[rows] += step.reward
        success[rows] |= step.success
        rows = rows[~(step.terminated | step.truncated)]
        time += 1
    return total, success


def random_policy(world: World) -> Policy:
    rng = np.random.default_rng(0)
    return lambda time, state: rng.uniform(-1, 1, (len(state), world.action_dim))


def test_the_suite_has_the_six_tasks_with_dimensions_that_fit_data_and_world(
    data: dict[str, Dataset],
) -> None:
    assert list(DIAGNOSTIC.tasks) == NAMES
    for name, task in DIAGNOSTIC.tasks.items():
        assert task.id == f"diagnostic/{name}"
        assert (task.obs_dim, task.action_dim) == (data[name].obs_dim, data[name].action_dim)
        assert task.environments(2).reset(np.arange(2), [1, 2]).shape == (2, task.obs_dim)


@pytest.mark.parametrize("name", NAMES)
def test_each_world_is_a_proper_gymnasium_environment(name: str) -> None:
    check_env(WorldEnv(WORLDS[name][1]), skip_render_check=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_single_environment_repeats_a_row_of_many_exactly(name: str) -> None:
    world = WORLDS[name][1]
    actions = np.random.default_rng(1).uniform(-0.5, 1.3, (world.max_steps, world.action_dim))
    single, many = WorldEnv(world), WorldEnvironments(world, 5)
    many.reset(np.arange(5), range(5))
    first = many.reset(np.array([3]), [42])
    np.testing.assert_array_equal(single.reset(seed=42)[0], first[0])
    for action in actions:
        step = many.step(np.array([3, 1]), np.stack([action, -action]))
        obs, reward, terminated, truncated, info = single.step(action)
        np.testing.assert_array_equal(obs, step.obs[0])
        answers = (reward, terminated, truncated, info["success"])
        assert answers == (step.reward[0], step.terminated[0], step.truncated[0], step.success[0])
        if terminated or truncated:
            break
        many.reset(np.array([1]), [0])


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_depends_on_its_seed_and_not_on_the_other_rows(name: str) -> None:
    module, world = WORLDS[name]
    alone, crowd = WorldEnvironments(world, 1), WorldEnvironments(world, 7)
    rows = np.arange(7)
    alone.reset(np.array([0]), [5])
    crowd.reset(rows, [9, 8, 5, 7, 6, 5, 4])
    for time in range(world.max_steps):
        one = alone.step(np.array([0]), module.expert(time, alone.state))
        all_rows = crowd.step(rows, module.expert(time, crowd.state))
        for row in (2, 5):
            for mine, theirs in zip(one, all_rows, strict=True):
                np.testing.assert_array_equal(mine[0], theirs[row])
        if one.terminated[0] or one.truncated[0]:
            break


def test_stepping_some_rows_leaves_the_others_where_they_are() -> None:
    envs = WorldEnvironments(gamble.Gamble(), 3)
    envs.reset(np.arange(3), range(3))
    before = envs.state.copy()
    envs.step(np.array([1]), np.ones((1, 2)))
    np.testing.assert_array_equal(envs.state[[0, 2]], before[[0, 2]])
    assert envs.time.tolist() == [0, 1, 0]


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_is_truncated_at_its_step_limit(name: str) -> None:
    world = WORLDS[name][1]
    envs = WorldEnvironments(world, 1)
    envs.reset(np.array([0]), [0])
    for time in range(world.max_steps):
        idle = np.zeros((1, world.action_dim))
        step = envs.step(
            np.array([0]), narrow_expert.expert(time, envs.state) if name == "narrow-expert" else idle
        )
        assert step.truncated[0] == (time == world.max_steps - 1)
        assert not step.terminated[0]


@pytest.mark.parametrize("name", NAMES)
def test_data_made_twice_is_the_same_and_is_kept(name, tmp_path, monkeypatch, data) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    task = DIAGNOSTIC.tasks[name]
    made, kept = task.load(), task.load()
    assert made.sha256() == kept.sha256() == data[name].sha256()
    assert len(list(tmp_path.glob("diagnostic/*.npz"))) == 1


@pytest.mark.parametrize("name", NAMES)
def test_data_is_finite_bounded_and_ends_either_in_a_terminal_or_in_a_timeout(name, data) -> None:
    dataset = data[name]
    assert 10_000 <= len(dataset) <= 60_000
    for column in (dataset.obs, dataset.next_obs, dataset.action, dataset.reward):
        assert torch.isfinite(column).all()
    assert dataset.action.abs().max() <= 1
    assert dataset.obs.abs().max() <= 1
    assert not (dataset.terminal * dataset.timeout).any()
    assert (dataset.terminal + dataset.timeout)[-1] == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_returns_can_be_measured_again(name: str) -> None:
    module, world = WORLDS[name]
    reference = DIAGNOSTIC.tasks[name].reference
    for policy, expected in ((random_policy(world), reference.random), (module.expert, reference.best)):
        measured, _ = play(world, policy, 500)
        error = measured.std() / np.sqrt(len(measured))
        assert abs(measured.mean() - expected) < 4 * error + 0.002 * (reference.best - reference.random)


@pytest.mark.parametrize("name", ["two-doors", "crossroads", "long-way"])
def test_success_is_to_reach_the_goal(name: str) -> None:
    module, world = WORLDS[name]
    total, success = play(world, module.expert, 50)
    assert success.all()
    np.testing.assert_array_equal(total, DIAGNOSTIC.tasks[name].reference.best)


def test_two_doors_demonstrators_all_succeed_through_either_door(data) -> None:
    dataset = data["two-doors"]
    assert (returns(dataset) == 1).all()
    up = [bool(dataset.obs[e, 1].sum() > 0) for e in episodes(dataset)]
    assert sum(up) == len(up) / 2


@pytest.mark.parametrize(("late", "share"), [(0, 1.0), (1, 1.0), (2, 0.0), (3, 0.0)])
def test_two_doors_forgives_one_step_straight_on_at_the_demonstrators_pace_but_not_two(
    data, late, share
) -> None:
    pace = float(data["two-doors"].action[data["two-doors"].obs[:, 0] < two_doors.WALL, 0].mean())

    def hesitant(time: int, state: Array) -> Array:
        side = np.where(state[:, 1] >= 0, 1.0, -1.0) * (time >= late)
        before = np.stack([np.full(len(state), pace), side], 1)
        return np.where(state[:, :1] < two_doors.WALL, before, two_doors.expert(time, state))

    total, _ = play(two_doors.TwoDoors(), hesitant, 200)
    assert total.mean() == pytest.approx(share, abs=0.1)


def test_crossroads_has_no_trip_from_the_start_to_the_goal_but_both_halves(data) -> None:
    dataset = data["crossroads"]
    from_a = firsts(dataset)[:, 1] > 0
    to_c = distance(lasts(dataset), crossroads.C) < crossroads.RADIUS
    assert from_a.sum() == 1500
    np.testing.assert_array_equal(to_c, ~from_a)
    np.testing.assert_array_equal(returns(dataset), to_c)


def test_crossroads_trips_of_both_kinds_look_alike_at_the_end_of_the_passage(data) -> None:
    dataset = data["crossroads"]
    heights = {True: [], False: []}
    for e in episodes(dataset):
        obs = dataset.obs[e]
        arrival = torch.nonzero((obs[:, 0] > 0.45) & (obs[:, 0] < 0.65))[0, 0]
        heights[bool(obs[0, 1] > 0)].append(float(obs[arrival, 1]))
    gap = np.mean(heights[True]) - np.mean(heights[False])
    assert abs(gap) < 0.3 * np.std(heights[True])


def test_one_trajectory_in_ten_of_few_good_is_good(data) -> None:
    score = DIAGNOSTIC.tasks["few-good"].reference.score(returns(data["few-good"]))
    assert (score > 0.9).sum() == 200
    assert np.sort(score)[-201] < 0.5
    assert score.mean() < 0.1


def test_no_recording_of_long_way_covers_the_way_and_few_reach_the_goal(data) -> None:
    dataset = data["long-way"]
    spans = [float(dataset.next_obs[e, 2].max() - dataset.obs[e, 2].min()) for e in episodes(dataset)]
    assert max(spans) < 1.0  # the whole way is 2
    assert 0.01 < (returns(dataset) > 0).mean() < 0.1
    assert dataset.timeout.sum() > 900


def test_every_part_of_the_long_way_was_walked_in_both_directions(data) -> None:
    dataset = data["long-way"]
    share, move = dataset.obs[:, 2], dataset.next_obs[:, 2] - dataset.obs[:, 2]
    for low in np.arange(-1, 0.9, 0.1):
        moves = move[(share >= low) & (share < low + 0.1)]
        assert (moves > 0).sum() > 50
        assert (moves < 0).sum() > 50


def test_narrow_expert_never_falls_and_stays_near_the_middle_of_the_actions(data) -> None:
    dataset = data["narrow-expert"]
    score = DIAGNOSTIC.tasks["narrow-expert"].reference.score(returns(dataset))
    assert score.min() > 0.9
    assert not dataset.terminal.any()
    assert dataset.action.std(0).max() < 0.1


def test_narrow_expert_punishes_actions_at_the_edge_of_their_range() -> None:
    world, score = narrow_expert.NarrowExpert(), DIAGNOSTIC.tasks["narrow-expert"].reference.score
    right_way, _ = play(world, lambda time, state: np.sign(narrow_expert.expert(time, state)), 200)
    one_corner, _ = play(world, lambda time, state: np.ones((len(state), 4)), 200)
    assert score(right_way).mean() < 0.5
    assert score(one_corner).mean() < 0.05


def test_the_risky_way_of_gamble_has_the_best_returns_and_the_poor_mean(data) -> None:
    dataset = data["gamble"]
    total = returns(dataset)
    risky = lasts(dataset)[:, 1] > 0
    assert risky.sum() == 1000
    assert total[risky].max() > total[~risky].max()
    assert total[risky].mean() < 0.25 * total[~risky].mean()
    best_tenth = np.argsort(-total, kind="stable")[: len(total) // 10]
    assert risky[best_tenth].mean() > 0.9


def test_even_the_fastest_walk_over_the_bridge_of_gamble_is_worse_than_the_road() -> None:
    world = gamble.Gamble()
    total, _ = play(world, lambda time, state: gamble.walk(state, np.full(len(state), gamble.LANE)), 1000)
    assert total.mean() < 0.5 * gamble.SAFE
