"""Environments keep their rows apart, actions reach the environment's own scale, and scores are linear."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import pytest

from bench.task import GymEnvironments, Reference, Suite, Task


class Echo(gymnasium.Env):
    """Pays the first number of the action; its observation is the seed's luck and the time."""

    def __init__(self, info: Mapping[str, Any] | None = None) -> None:
        self.action_space = gymnasium.spaces.Box(np.array([-3, 0], np.float32), np.array([1, 10], np.float32))
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,))
        self.info = dict(info or {})
        self.received: list[np.ndarray] = []
        self.closed = False

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.luck, self.time = self.np_random.random(), 0
        return np.array([self.luck, 0.0]), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        self.received.append(action)
        self.time += 1
        return np.array([self.luck, self.time]), float(action[0]), self.time == 2, self.time == 3, self.info

    def close(self) -> None:
        self.closed = True


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers)


def test_actions_are_mapped_linearly_onto_the_bounds_of_the_environment() -> None:
    environments = GymEnvironments(Echo, 1)
    environments.reset(rows(0), [0])
    for action in ([-1, -1], [0, 0], [1, 1], [0.5, -0.5]):
        environments.step(rows(0), np.array([action], np.float32))
    received = np.array(environments.envs[0].received)
    assert received.dtype == np.float32
    assert received.tolist() == [[-3, 0], [-1, 5], [1, 10], [0, 2.5]]


def test_every_row_has_a_seed_of_its_own() -> None:
    environments = GymEnvironments(Echo, 3)
    first = environments.reset(rows(0, 1, 2), [5, 6, 5])
    assert first.shape == (3, 2)
    assert first[0, 0] == first[2, 0] != first[1, 0]
    assert environments.reset(rows(1), [5])[0, 0] == first[0, 0]


def test_only_the_named_rows_are_touched() -> None:
    environments = GymEnvironments(Echo, 3)
    environments.reset(rows(0, 1, 2), [1, 2, 3])
    environments.step(rows(2, 0), np.zeros((2, 2)))
    assert [env.time for env in environments.envs] == [1, 0, 1]
    environments.reset(rows(2), [3])
    assert [env.time for env in environments.envs] == [1, 0, 0]


def test_answers_come_in_the_order_of_the_rows() -> None:
    environments = GymEnvironments(Echo, 2)
    first = environments.reset(rows(0, 1), [1, 2])
    environments.step(rows(1), np.zeros((1, 2)))
    step = environments.step(rows(1, 0), np.array([[1.0, 0.0], [-1.0, 0.0]]))
    assert step.obs.tolist() == [[first[1, 0], 2], [first[0, 0], 1]]
    assert step.reward.tolist() == [1, -3]
    assert step.terminated.tolist() == [True, False]
    assert step.truncated.tolist() == [False, False]
    assert step.success.dtype == bool


@pytest.mark.parametrize(
    ("info", "success"),
    [({}, False), ({"success": True}, True), ({"success": 0.0}, False), ({"is": 1}, False)],
)
def test_success_is_what_the_environment_says(info: Mapping[str, Any], success: bool) -> None:
    environments = GymEnvironments(lambda: Echo(info), 1)
    environments.reset(rows(0), [0])
    assert environments.step(rows(0), np.zeros((1, 2))).success.tolist() == [success]


def test_closing_closes_every_copy() -> None:
    environments = GymEnvironments(Echo, 2)
    copies = environments.envs
    environments.close()
    assert [env.closed for env in copies] == [True, True]


def test_a_pendulum_plays_as_gymnasium_plays_it() -> None:
    environments = GymEnvironments(lambda: gymnasium.make("Pendulum-v1"), 2)
    obs = environments.reset(rows(0, 1), [11, 12])
    reference = gymnasium.make("Pendulum-v1")
    expected, _ = reference.reset(seed=12)
    assert np.array_equal(obs[1], expected)
    for number in range(200):
        action = np.sin(number)
        step = environments.step(rows(0, 1), np.array([[0.0], [action]]))
        expected, reward, terminated, truncated, _ = reference.step(np.array([2 * action], np.float32))
        assert np.array_equal(step.obs[1], expected)
        assert step.reward[1] == reward
        assert (step.terminated[1], step.truncated[1]) == (terminated, truncated) == (False, number == 199)
    environments.close()


def test_a_score_is_0_at_random_and_1_at_best_and_linear_between_and_beyond() -> None:
    reference = Reference(random=-20.0, best=80.0, source="made up")
    assert reference.score(-20.0) == 0
    assert reference.score(80.0) == 1
    assert reference.score(np.array([30.0, 130.0, -120.0])).tolist() == [0.5, 1.5, -1.0]


def test_a_scale_may_point_downwards() -> None:
    assert Reference(random=10.0, best=0.0, source="costs").score(np.array([10.0, 2.5])).tolist() == [0, 0.75]


def test_a_task_is_named_after_its_suite() -> None:
    def nothing(*_: Any) -> Any:
        raise AssertionError

    task = Task("maze", "small", "a maze", 2, 1, 50, Reference(0, 1, ""), nothing, nothing, nothing)
    assert task.id == "maze/small"
    assert task.settings == {}
    assert Suite("maze", "mazes", {"small": task}, 10, 1, 1).settings == {}
