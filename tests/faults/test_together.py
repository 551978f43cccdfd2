"""Two processes that are given the same run: one works, the other says so; records are those of one."""

import time
from functools import partial

import pytest
from child import Child, assert_same, run_of

from bench.recorded import is_finished

pytestmark = pytest.mark.fault


def wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def test_two_processes_given_the_same_run_at_the_same_moment(tmp_path, whole, often, row) -> None:
    times, refused = often(3, 10), 0
    for number in range(times):
        results = tmp_path / str(number)
        together = partial(wait_until, time.monotonic() + 0.3)
        pair = [Child(results, prepare=together) for _ in range(2)]
        outcomes = [child.wait() for child in pair]
        errors = [outcome["error"] for outcome in outcomes if "error" in outcome]
        assert len(errors) < 2
        for error in errors:
            assert "is being worked on by process" in error
            assert "\n" not in error
        refused += len(errors)
        assert_same(results, whole)
        assert is_finished(run_of(), results)
    assert refused
    row("two processes given the same run", times, f"one worked; the other said so ({refused} times)")


def test_a_dead_owner_with_many_heirs(tmp_path, whole, often, row) -> None:
    times, worked = often(1, 5), 0
    for number in range(times):
        results = tmp_path / str(number)
        first = Child(results)
        while not list(results.rglob("lock")):
            time.sleep(0.005)
        assert first.kill()
        together = partial(wait_until, time.monotonic() + 0.5)
        outcomes = [child.wait() for child in [Child(results, prepare=together) for _ in range(4)]]
        worked += sum("summary" in outcome for outcome in outcomes)
        assert any("summary" in outcome for outcome in outcomes)
        assert_same(results, whole)
    row("four processes find the lock of a dead one", times, "one took it over; the others said so")
