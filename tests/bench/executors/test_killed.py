"""Commands with real runs on this machine: one is killed or too slow, or two are given at once."""

from toy import SUITE

from algorithms.iql import IQL
from bench.executors.interface import Job
from bench.executors.local import Local
from bench.plan import Request, plan
from bench.recorded import is_finished
from bench.registry import Entry
from bench.status import read_status


def test_the_locks_of_killed_attempts_delay_the_next_ones_by_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    entries = [Entry(name, "algo", IQL, "code") for name in ("killed", "slow", "sound")]
    runs = plan(SUITE, entries, Request(seeds=(0, 1, 2)))
    jobs = [Job(run, "doomed_work:work", str(tmp_path)) for run in runs]
    ends = {}
    listener = lambda event: event.progress or ends.update({event.run.algorithm: event})  # noqa: E731
    Local(processes=2, timeout=20.0).execute(jobs[:2], listener)
    assert "killed" in ends["killed"].error
    assert "timed out" in ends["slow"].error
    assert all((job.path / "lock").exists() for job in jobs[:2])
    assert {status.state for status in read_status(tmp_path)} == {"failed"}  # at once: their owners are dead
    Local().execute(jobs, listener)
    for job, resumed in zip(jobs, (True, True, False), strict=True):
        assert bool(ends[job.run.algorithm].summary["resumed"]) == resumed
        assert is_finished(job.run, tmp_path)
        for name in ("weights.safetensors",):
            assert (job.path / name).read_bytes() == (jobs[2].path / name).read_bytes()
