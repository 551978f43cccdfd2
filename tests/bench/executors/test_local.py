"""Processes of this machine: who is killed, or too slow, takes no other run with it."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from executor_work import clock_that_jumps_when, make_job, make_run

from bench.errors import UserError
from bench.executors import choice, local
from bench.executors.interface import Job
from bench.executors.local import Local


def execute(executor, jobs):
    """The last event of each run, by name of its algorithm and seed, and how often progress was said."""
    ends, told = {}, []

    def listener(event):
        if event.progress is None:
            ends[f"{event.run.algorithm}-{event.run.seeds[0]}"] = event
        else:
            told.append(event.run.algorithm)

    executor.execute(jobs, listener)
    return ends, told


def failure(job):
    return json.loads((job.path / "failed.json").read_text())


def alive(pid):
    """Whether a process works: a zombie that waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_process_fails_its_own_run_alone(tmp_path):
    names = ["killed", "well", "well", "well", "exited"]
    jobs = [make_job(tmp_path, name, seed) for seed, name in enumerate(names)]
    ends, told = execute(Local(processes=2), jobs)
    assert "killed (out of memory?)" in ends["killed-0"].error
    assert all(ends[f"well-{seed}"].summary for seed in (1, 2, 3))
    assert told.count("well") == 6
    trace = jobs[4].path / "error.txt"
    assert ends["exited-4"].error.startswith(f"its process ended with exit code 1; the trace is in {trace};")
    assert failure(jobs[0])["attempts"] == 1
    trace.write_text("")  # opened by the watchdog, which had nothing to say
    assert local._ended_with(-11, jobs[4]) == "its process ended with exit code -11"
    assert not list(tmp_path.rglob("progress.json"))


def test_what_was_killed_is_tried_again_and_a_mistake_of_the_user_is_not(tmp_path):
    jobs = [make_job(tmp_path, name) for name in ("killed-once", "wrong", "broken", "killed")]
    ends, told = execute(Local(processes=1, retries=2), jobs)
    assert ends["killed-once-0"].summary
    assert not (jobs[0].path / "failed.json").exists()
    assert told.count("wrong") == told.count("broken") == 1
    assert told.count("killed") == 3
    assert [failure(job)["attempts"] for job in jobs[1:]] == [1, 1, 3]
    assert ends["wrong-0"].error == "lr = -1; it must be above 0; give another"
    assert "ZeroDivisionError: on purpose" in ends["broken-0"].error


def test_a_run_that_takes_too_long_is_ended_with_its_own_processes(tmp_path, monkeypatch):
    child = tmp_path / "child"
    clock_that_jumps_when(lambda: child.exists() and child.read_text(), monkeypatch)
    jobs = [make_job(tmp_path, "slow"), make_job(tmp_path, "well", 1)]
    ends, _ = execute(Local(processes=1, timeout=0.5), jobs)
    assert ends["slow-0"].error.startswith("timed out after 0.5 s; the same command continues")
    assert ends["well-1"].summary
    while alive(child.read_text()):  # the end of its parent is what ends it
        time.sleep(0.01)


def test_ctrl_c_is_not_heard_by_processes_that_still_import_their_modules(tmp_path):
    worker = local._Worker(None, 1)
    try:
        worker.start(make_job(tmp_path, "well"))
        os.kill(worker.process.pid, signal.SIGINT)
        events = []
        while not events or not events[-1].summary:
            assert worker.listen(events.append) is None
    finally:
        worker.kill()


def test_a_run_whose_command_is_gone_has_not_failed(tmp_path):
    worker, job = local._Worker(None, 1), make_job(tmp_path, "orphan")
    worker.start(job)
    while not list(tmp_path.glob("orphan-*")):  # it said something, and waits
        time.sleep(0.01)
    worker.pipe.close()
    (tmp_path / "parent-is-gone").touch()
    worker.process.join()
    assert worker.process.exitcode == 1
    assert not (job.path / "failed.json").exists()


def test_each_process_sees_its_own_gpu(tmp_path):
    jobs = [make_job(tmp_path, "well", seed) for seed in range(2)]
    ends, _ = execute(Local(processes=2, gpus=("4", "7")), jobs)
    assert {end.summary["gpu"] for end in ends.values()} == {"4", "7"}


def test_one_process_without_limits_is_this_one(tmp_path):
    ends, _ = execute(Local(), [make_job(tmp_path, "well"), make_job(tmp_path, "broken")])
    assert ends["well-0"].summary["pid"] == os.getpid()
    assert "ZeroDivisionError" in ends["broken-0"].error


def test_gpus_are_shared_by_what_the_machine_shows(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert choice.layout("local", "cuda", None, 1, 1, 100) == choice.Layout(3, 1, ["0", "1", "2"])
    assert choice.layout("local", "cuda", 2, 1, 1, 100).processes == 6
    assert choice.layout("local", "cuda", 2, 1, 1, 4).processes == 4
    assert choice.layout("local", "cuda:1", None, 1, 1, 100) == choice.Layout(1, 1, [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6,GPU-abc")
    assert choice.visible_gpus("cuda") == ["5", "6", "GPU-abc"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert choice.visible_gpus("cuda") == []


def test_a_job_is_the_same_after_travelling_as_json(tmp_path):
    job = make_job(tmp_path, "well", attempt=2)
    assert Job.from_json(job.to_json()) == job


def test_a_machine_that_reads_another_run_refuses_it(tmp_path):
    text = make_job(tmp_path, "well").to_json()
    with pytest.raises(UserError, match="give all machines the same version"):
        Job.from_json(text.replace(f'"{make_run("well").id}"', '"000000000000"'))
