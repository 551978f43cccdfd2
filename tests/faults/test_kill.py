"""kill -9 at any moment, then the same command: the same records and weights, bit for bit."""

import os
import random
import signal
import time
from functools import partial, wraps

import pytest
from child import Child, assert_same, finish, seconds_of

pytestmark = pytest.mark.fault


def test_killed_at_random_moments(tmp_path, whole, often, row) -> None:
    times = often(2, 50)
    moments = random.Random(0)
    duration = seconds_of(tmp_path / "measured")
    hits = 0
    for number in range(times):
        results = tmp_path / str(number)
        for _ in range(1 + number % 2):  # every other run is killed while it resumes, too
            child = Child(results)
            time.sleep(moments.uniform(0, duration))
            hit = child.kill()
            hits += hit
            duration *= 1 if hit else 0.8  # others used the machine when it was measured
        finish(results)
        assert_same(results, whole)
    assert hits >= times / 2  # otherwise the moments are no moments of a run
    row("kill -9 at a random moment", times, f"{hits} kills hit a working process; the same command resumed")


OPERATIONS = ("fsync", "link", "replace", "unlink")


def die_at(number: int, after: bool) -> None:
    """Kill this process at its so manieth operation on files, before or after it is carried out."""
    count = 0

    def deadly(operation):
        @wraps(operation)
        def wrapped(*arguments, **options):
            nonlocal count
            count += 1
            if count == number and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = operation(*arguments, **options)
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    for name in OPERATIONS:
        setattr(os, name, deadly(getattr(os, name)))


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
