"""kill -9 at any moment, then the same command: the same records and weights, bit for bit."""

import random
import signal
import time
from functools import partial

import pytest
from child import Child, assert_same, die_at, finish, seconds_of

pytestmark = pytest.mark.fault


def test_killed_at_random_moments(tmp_path, whole, often, row) -> None:
    times = often(2, 50)
    moments = random.Random(0)
    duration = seconds_of(tmp_path / "measured")
    hits = number = 0
    while hits < times:
        number += 1
        results = tmp_path / str(number)
        for _ in range(1 + number % 2):  # every other run is killed while it resumes, too
            child = Child(results)
            time.sleep(moments.uniform(0, duration))
            hit = child.kill()
            hits += hit
            duration *= 1 if hit else 0.8  # a machine less busy than when it was measured: strike earlier
        finish(results)
        assert_same(results, whole)
    row("kill -9 at a random moment", hits, "each hit a working process; the same command resumed")


def test_killed_at_operations_on_files(tmp_path, whole, often, row) -> None:
    """A random moment seldom falls between two renames."""
    died, number, stride = 0, 1, often(29, 2)
    while True:
        results = tmp_path / str(number)
        outcome = Child(results, prepare=partial(die_at, number, bool(number % 2))).wait()
        if "summary" in outcome:
            break
        assert outcome == {"exitcode": -signal.SIGKILL}
        died += 1
        finish(results)
        assert_same(results, whole)
        number += stride
    assert died > 2
    row("kill -9 at an fsync, link, rename or unlink", died, "the same command resumed")
