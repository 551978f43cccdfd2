"""Commands with real runs on this machine: one is killed or too slow, or two are given at once."""

from executor_work import clock_that_jumps_when
from toy import SUITE

from algorithms.iql import IQL
from bench.executors.interface import Job
from bench.executors.local import Local
from bench.plan import Request, plan
from bench.recorded import is_finished
from bench.registry import Entry
from bench.status import read_status


def jobs_of(results, *names):
    entries = [Entry(name, "algo", IQL, "code") for name in names]
    runs = plan(SUITE, entries, Request(seeds=(0, 1, 2)))
    return [Job(run, "doomed_work:work", str(results)) for run in runs]


def test_a_run_that_is_ended_when_all_of_it_is_recorded_has_not_failed(tmp_path, monkeypatch):
    [job], ends = jobs_of(tmp_path, "late"), []
    clock_that_jumps_when((tmp_path / "late-was-here").exists, monkeypatch)
    Local(timeout=0.5).execute([job], lambda event: event.progress or ends.append(event))
    assert [end.error for end in ends] == [None]
    assert ends[0].summary["resumed"] == []
    assert is_finished(job.run, tmp_path)
    assert not (job.path / "failed.json").exists()


def test_the_locks_of_killed_attempts_delay_the_next_ones_by_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    jobs, ends = jobs_of(tmp_path, "killed", "slow", "sound"), {}
    listener = lambda event: event.progress or ends.update({event.run.algorithm: event})  # noqa: E731
    stands_still = tmp_path / "slow-was-here"
    clock_that_jumps_when(lambda: "killed" in ends and stands_still.exists(), monkeypatch)
    Local(processes=2, timeout=0.5).execute(jobs[:2], listener)
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
