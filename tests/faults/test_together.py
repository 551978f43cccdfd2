"""Two processes that are given the same run: one works, the other says so; records are those of one."""

import json
import os
import re
import signal
import subprocess
import sys
from functools import partial

import pytest
from child import CONTEXT, Child, assert_same, die_at, run_of
from executor_work import stopped_worker, wait_for

from bench.lock import Lock
from bench.recorded import is_finished

pytestmark = pytest.mark.fault


def ask_together(before, after) -> None:
    """Two processes ask for the lock at the same moment; who gets it works when both have asked."""
    acquire = Lock.acquire

    def acquire_beside_another(lock):
        before.wait()
        try:
            acquire(lock)
        finally:
            after.wait()

    Lock.acquire = acquire_beside_another


def test_two_processes_given_the_same_run_at_the_same_moment(tmp_path, whole, often, row) -> None:
    times = often(2, 10)
    for number in range(times):
        results = tmp_path / str(number)
        meeting = partial(ask_together, CONTEXT.Barrier(2), CONTEXT.Barrier(2))
        pair = [Child(results, prepare=meeting) for _ in range(2)]
        outcomes = [child.wait() for child in pair]
        [error] = [outcome["error"] for outcome in outcomes if "error" in outcome]
        assert "is being worked on by process" in error
        assert "\n" not in error
        assert_same(results, whole)
        assert is_finished(run_of(), results)
    row("two processes given the same run", times, "one worked; the other said so")


def test_a_dead_owner_with_many_heirs(tmp_path, whole, often, row) -> None:
    times, worked = often(1, 5), 0
    for number in range(times):
        results = tmp_path / str(number)
        first = Child(results, prepare=partial(die_at, 9, True))
        assert first.wait() == {"exitcode": -signal.SIGKILL}
        assert list(results.rglob("lock"))
        together = CONTEXT.Barrier(4).wait
        outcomes = [child.wait() for child in [Child(results, prepare=together) for _ in range(4)]]
        worked += sum("summary" in outcome for outcome in outcomes)
        assert any("summary" in outcome for outcome in outcomes)
        assert_same(results, whole)
    row("four processes find the lock of a dead one", times, "one took it over; the others said so")


@pytest.mark.whole
def test_two_commands_share_the_runs_and_say_what_the_other_works_on(tmp_path, monkeypatch, row) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = [sys.executable, "-m", "bench.cli", "run", "diagnostic", "bc", "td3_bc", "--tasks", "gamble"]
    words += ["--seeds", "0-3", "--group", "2", "--steps", "1200", "--evaluations", "2", "--episodes", "2"]
    words += ["--jobs", "2", "--results", str(tmp_path / "results")]
    start = partial(subprocess.Popen, words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    commands = [start()]
    worker = wait_for(lambda: stopped_worker(tmp_path / "results", "*"), commands[0])
    commands.append(start())  # meets a run that the first one works on
    printed = [commands[1].communicate()[0]]
    os.kill(worker, signal.SIGCONT)
    printed.insert(0, commands[0].communicate()[0])
    held = [text.count("is being worked on by process") for text in printed]
    assert "Traceback" not in "".join(printed)
    assert not list(tmp_path.rglob("failed.json"))
    folders = list(tmp_path.glob("results/runs/*/*/*/*"))
    assert len(folders) == 4
    for folder in folders:
        lines = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]
        assert len({(line["seed"], line["step"]) for line in lines}) == len(lines) == 4
        assert (
            json.loads((folder / "summary.json").read_text())["resumed"] == []
        )  # from beginning to end by one
    for command, text, others in zip(commands, printed, held, strict=True):
        assert command.returncode == (1 if others else 0), text
        skipped = re.search(r"(\d) of 4 runs are finished already", text)  # before the second one began
        planned = 4 - int(skipped[1] if skipped else 0)
        assert f"{planned - others} of {planned} runs finished" in text
        assert ("the same command again" in text) == bool(others)
        assert text.count(": another process works on it") == others
    assert sum(held) > 0, printed  # otherwise the two have not met
    row(
        "two commands given the same runs, --jobs 2",
        1,
        f"every run once; each named those of the other ({sum(held)})",
    )
