"""Environments in other processes answer as those in this one, and say what went wrong there."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from bench import lock
from bench.errors import UserError
from bench.remote import RemoteEnvironments
from bench.task import Step


class Counting:
    """An observation is (seed, time, process); an episode ends after `seed` steps."""

    def __init__(self, count):
        self.seed, self.time = np.zeros(count, int), np.zeros(count, int)

    def reset(self, rows, seeds):
        assert all(type(seed) is int for seed in seeds)  # gymnasium accepts nothing else
        self.seed[rows], self.time[rows] = seeds, 0
        return self.obs(rows)

    def step(self, rows, action):
        if (action > 0.9).any():
            raise ValueError("too much")
        self.time[rows] += 1
        over = self.time[rows] >= self.seed[rows]
        return Step(self.obs(rows), action[:, 0].astype(float), over, ~over, self.seed[rows] == 3)

    def obs(self, rows):
        return np.stack([self.seed[rows], self.time[rows], np.full(len(rows), os.getpid())], 1)

    def close(self):
        pass


@pytest.fixture
def remote():
    environments = RemoteEnvironments(Counting, 7, 3)
    yield environments
    environments.close()


def test_rows_keep_their_order_whatever_process_they_are_in(remote) -> None:
    here = Counting(7)
    for rows in (np.arange(7), np.array([5, 0, 3]), np.array([6])):
        seeds = [int(row) + 1 for row in rows]
        assert np.array_equal(remote.reset(rows, seeds)[:, :2], here.reset(rows, seeds)[:, :2])
    for rows in (np.arange(7), np.array([6, 2]), np.array([1])):
        action = np.linspace(-1, 0.5, 2 * len(rows)).reshape(-1, 2)
        there, expected = remote.step(rows, action), here.step(rows, action)
        assert np.array_equal(there.obs[:, :2], expected.obs[:, :2])
        for name in ("reward", "terminated", "truncated", "success"):
            assert np.array_equal(getattr(there, name), getattr(expected, name)), name


def test_every_process_holds_its_share(remote) -> None:
    processes = remote.reset(np.arange(7), [1] * 7)[:, 2]
    assert os.getpid() not in processes
    assert sorted(np.unique(processes, return_counts=True)[1].tolist()) == [2, 2, 3]


def test_there_are_never_more_processes_than_environments() -> None:
    environments = RemoteEnvironments(Counting, 2, 5)
    assert len(environments.processes) == 2
    environments.close()
    assert all(process.exitcode == 0 for process in environments.processes)


def test_an_exception_there_is_raised_here(remote) -> None:
    remote.reset(np.arange(7), [1] * 7)
    with pytest.raises(RuntimeError, match="ValueError: too much"):
        remote.step(np.arange(7), np.ones((7, 2)))


def test_ctrl_c_is_not_heard_by_processes_that_still_import_their_modules() -> None:
    environments = RemoteEnvironments(Counting, 2, 2)
    for process in environments.processes:
        os.kill(process.pid, signal.SIGINT)
    assert len(environments.reset(np.arange(2), [1, 1])) == 2
    environments.close()


class Silent(Counting):
    def step(self, rows, action):
        time.sleep(600)


def hold_silent_environments(pipe) -> None:
    environments = RemoteEnvironments(Silent, 1, 1)
    environments.reset(np.arange(1), [1])
    environments.pipes[0].send(("step", np.arange(1), np.zeros((1, 2))))
    pipe.send(environments.processes[0].pid)
    time.sleep(600)


def test_environments_that_hang_do_not_outlive_a_killed_run() -> None:
    context = multiprocessing.get_context("spawn")
    pipe, end = context.Pipe()
    run = context.Process(target=hold_silent_environments, args=(end,))
    run.start()
    pid = pipe.recv()
    begun = lock._started(pid)
    run.kill()
    run.join()
    deadline = time.monotonic() + 300  # below the time that they would hang
    while lock._started(pid) == begun and time.monotonic() < deadline:
        time.sleep(0.01)
    assert lock._started(pid) != begun


def test_a_killed_process_is_a_sentence(remote) -> None:
    remote.reset(np.arange(7), [1] * 7)
    os.kill(remote.processes[1].pid, signal.SIGKILL)
    with pytest.raises(UserError, match=r"ended with exit code -9.*fewer --workers"):
        remote.step(np.arange(7), np.zeros((7, 2)))
