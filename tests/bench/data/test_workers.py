"""Work in processes by number: the same results as alone, and a clear end when a process dies."""

import multiprocessing
import os

import pytest

from bench.data.source import MakeRequest
from bench.data.workers import in_processes
from bench.errors import UserError


class Square:
    def __init__(self, power: int) -> None:
        self.power = power

    def __call__(self, number: int) -> int:
        return number**self.power


class Dies:
    def __call__(self, number: int) -> int:
        os._exit(3)


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_every_number_is_worked_on_once_whatever_the_number_of_processes(workers: int) -> None:
    found = list(in_processes(Square, (2,), 5, workers))
    assert sorted(found) == [(0, 0), (1, 1), (2, 4), (3, 9), (4, 16)]
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_is_said_with_what_to_do() -> None:
    with pytest.raises(UserError, match=r"ended with exit code 3 .*; run again with fewer workers"):
        list(in_processes(Dies, (), 4, 2))
    assert multiprocessing.active_children() == []


def test_processes_end_with_the_one_who_listens() -> None:
    results = in_processes(Square, (2,), 1000, 2)
    next(results)
    results.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(("episodes", "workers"), [(0, 1), (-3, 1), (1, 0)])
def test_numbers_below_one_are_refused(episodes: int, workers: int) -> None:
    with pytest.raises(UserError, match=r"= (0|-3); it is a whole number of 1 or more"):
        MakeRequest(episodes, 0, workers, lambda done: None)
