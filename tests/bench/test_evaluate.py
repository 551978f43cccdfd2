"""Every seed plays its quota, every episode counts once, and no episode knows of the others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from bench.algorithm import Noise
from bench.evaluate import NOISE_CHUNK, Evaluation, evaluate, rows_of
from bench.task import Step

LONG = 50


class Corridor:
    """Episodes of 1 step where the seed is even, else of 50. It notes everything that is asked of it.

    An observation is (luck, time); the reward is 1 plus a tenth of the action. Success happens in step 3
    only, and only to the lucky half of the long episodes.
    """

    def __init__(self, count: int) -> None:
        self.seed = np.zeros(count, int)
        self.time = np.zeros(count, int)
        self.running = np.zeros(count, bool)
        self.started: list[int] = []
        self.lowest, self.highest = 0.0, 0.0
        self.rows_per_call: list[int] = []

    def reset(self, rows: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        self.seed[rows], self.time[rows], self.running[rows] = seeds, 0, True
        self.started += list(seeds)
        return self._obs(rows)

    def step(self, rows: np.ndarray, action: np.ndarray) -> Step:
        assert self.running[rows].all(), "a finished episode was stepped"
        assert len(set(rows.tolist())) == len(rows)
        assert action.shape == (len(rows), 2)
        assert np.isfinite(action).all()
        self.lowest, self.highest = min(self.lowest, action.min()), max(self.highest, action.max())
        self.rows_per_call.append(len(rows))
        self.time[rows] += 1
        short = self.seed[rows] % 2 == 0
        truncated = ~short & (self.time[rows] == LONG)
        self.running[rows] = ~(short | truncated)
        success = (self.time[rows] == 3) & (self.seed[rows] % 4 == 1)
        return Step(self._obs(rows), 1 + action[:, 0] / 10, short, truncated, success)

    def close(self) -> None:
        pass

    def _obs(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([self.seed[rows] % 997 / 997, self.time[rows]], 1)


class Policy:
    """Actions of luck and noise, per row; `poison` says for (seed's row, time) where an action is NaN."""

    def __init__(self, finite: Sequence[bool], poison: Mapping[int, int] | None = None) -> None:
        self.is_finite = np.array(finite)
        self.poison = poison or {}
        self.calls: list[tuple[int, ...]] = []
        self.scale = 0.1

    def act_noise(self, inference: Any) -> Mapping[str, Noise]:
        return {"z": Noise.normal(2), "k": Noise.integers(3)}

    def act(self, obs: np.ndarray, noise: Mapping[str, np.ndarray], inference: Any) -> np.ndarray:
        assert noise["z"].shape == obs.shape
        assert noise["k"].shape == obs.shape[:2]
        self.calls.append(obs.shape)
        action = self.scale * (noise["z"] + noise["k"][..., None] + obs[..., :1])
        for row, time in self.poison.items():
            action[row][obs[row, :, 1] == time] = np.nan
        return action

    def finite(self) -> np.ndarray:
        return self.is_finite


def play(
    seeds: Sequence[int] = (0, 1, 2),
    episodes: int = 12,
    poison: Mapping[int, int] | None = None,
    finite: Sequence[bool] | None = None,
    scale: float = 0.1,
    limit: int = 500,
) -> tuple[Evaluation, Corridor, Policy]:
    corridor = Corridor(len(seeds) * rows_of(len(seeds), episodes, limit))
    policy = Policy(finite or [True] * len(seeds), poison)
    policy.scale = scale
    (result,) = evaluate(policy, corridor, seeds, episodes, [None], limit)
    return result, corridor, policy


def same(first: Evaluation, second: Evaluation, rows: Any = slice(None)) -> bool:
    return all(
        np.array_equal(getattr(first, name)[rows], getattr(second, name)[rows])
        for name in ("returns", "lengths", "success", "diverged")
    )


@pytest.mark.parametrize("rows", [500, 30, 9, 3, 1])
def test_every_seed_plays_exactly_its_quota_however_short_episodes_are(rows: int) -> None:
    result, corridor, _ = play(episodes=12, limit=rows)
    assert result.returns.shape == result.lengths.shape == result.success.shape == (3, 12)
    assert set(result.lengths.flatten().tolist()) == {1, LONG}
    assert len(corridor.started) == len(set(corridor.started)) == 36
    short = sum(seed % 2 == 0 for seed in corridor.started)
    assert Counter(result.lengths.flatten().tolist()) == {1: short, LONG: 36 - short}
    assert sum(corridor.rows_per_call) == result.lengths.sum()  # nothing is played that does not count


@pytest.mark.parametrize("rows", [30, 9, 5, 3, 1])
def test_the_result_does_not_depend_on_how_many_environments_run_side_by_side(rows: int) -> None:
    expected, *_ = play(episodes=11)
    assert same(play(episodes=11, limit=rows)[0], expected)


def test_rows_are_shared_among_the_seeds_and_never_more_than_episodes() -> None:
    assert rows_of(5, 10, 100) == 10
    assert rows_of(5, 50, 100) == 20
    assert rows_of(300, 10, 100) == 1


def test_an_episode_does_not_depend_on_the_other_seeds_or_on_their_number() -> None:
    group, alone = play((4, 9, 2))[0], play((9,))[0]
    assert np.array_equal(group.returns[1], alone.returns[0])
    assert np.array_equal(group.lengths[1], alone.lengths[0])


def test_more_episodes_leave_the_first_ones_as_they_are() -> None:
    assert np.array_equal(play(episodes=20)[0].returns[:, :12], play(episodes=12)[0].returns)


def test_all_populations_meet_the_same_start_states() -> None:
    first, second = play(scale=0.1)[1], play(scale=0.5)[1]
    assert first.started == second.started


def test_different_seeds_and_episodes_start_differently() -> None:
    assert len(set(play((0, 1, 2, 3), 50)[1].started)) == 200


def test_returns_are_sums_of_rewards_and_lengths_count_steps() -> None:
    result, *_ = play(scale=0.0)
    assert np.array_equal(result.returns, result.lengths)


def test_success_in_any_step_makes_an_episode_successful() -> None:
    result, corridor, _ = play(episodes=20)
    lucky = np.array([seed % 4 == 1 for seed in corridor.started[:60]]).reshape(3, 20)
    assert result.success.any()
    assert not result.success.all()
    assert np.array_equal(result.success, lucky)


def test_the_policy_decides_for_all_rows_at_once() -> None:
    _, corridor, policy = play(episodes=12)
    assert policy.calls == [(3, 12, 2)] * LONG
    assert len(corridor.rows_per_call) == LONG
    assert corridor.rows_per_call[0] == 36 > corridor.rows_per_call[1]


def test_every_decision_of_every_episode_has_noise_of_its_own() -> None:
    assert LONG > NOISE_CHUNK  # so that several chunks are drawn

    class Listener(Policy):
        def act(self, obs: np.ndarray, noise: Mapping[str, np.ndarray], inference: Any) -> np.ndarray:
            heard.append(noise["z"].copy())
            return super().act(obs, noise, inference)

    heard: list[np.ndarray] = []
    seeds = (0, 1)
    corridor = Corridor(2 * rows_of(2, 6))
    evaluate(Listener([True, True]), corridor, seeds, 6, [None])
    long = np.array([seed % 2 for seed in corridor.started], bool).reshape(2, 6)
    numbers = np.stack(heard, 2)[long][..., 0].flatten()  # of the rows that play to the end
    assert len(set(numbers.tolist())) == len(numbers) == long.sum() * LONG
    assert abs(numbers.mean()) < 5 / len(numbers) ** 0.5


def test_actions_are_clipped_to_the_bounds() -> None:
    _, corridor, _ = play(scale=100.0)
    assert (corridor.lowest, corridor.highest) == (-1, 1)


@pytest.mark.parametrize("time", [0, 1, 40])
def test_a_nan_action_marks_its_seed_and_leaves_the_bits_of_the_others(time: int) -> None:
    healthy, _, _ = play()
    broken, _, _ = play(poison={1: time})
    assert healthy.diverged.tolist() == [False, False, False]
    assert broken.diverged.tolist() == [False, True, False]
    assert same(broken, healthy, rows=[0, 2])
    assert broken.lengths[1].max() == time  # it plays no further


def test_a_nan_for_a_finished_episode_does_not_matter() -> None:
    class Careless(Policy):
        def act(self, obs: np.ndarray, noise: Mapping[str, np.ndarray], inference: Any) -> np.ndarray:
            finished = ~corridor.running.reshape(obs.shape[:2])
            waiting.append(finished.any())
            action = super().act(obs, noise, inference)
            action[finished] = np.nan
            return action

    waiting: list[bool] = []
    corridor = Corridor(3 * rows_of(3, 12))
    (result,) = evaluate(Careless([True] * 3), corridor, (0, 1, 2), 12, [None])
    assert any(waiting)
    assert same(result, play()[0])


def test_a_seed_whose_parameters_are_not_finite_does_not_play() -> None:
    result, corridor, _ = play(finite=[True, False, True])
    assert result.diverged.tolist() == [False, True, False]
    assert result.lengths[1].tolist() == [0] * 12
    assert same(result, play()[0], rows=[0, 2])
    assert corridor.rows_per_call[0] == 24


def test_an_evaluation_ends_where_all_seeds_have_diverged() -> None:
    result, _, policy = play(poison={0: 0, 1: 1, 2: 2})
    assert result.diverged.all()
    assert len(policy.calls) <= 3
    assert play(finite=[False] * 3)[2].calls == []


def test_the_same_evaluation_twice_is_equal_bit_for_bit() -> None:
    assert same(play()[0], play()[0])
