"""The loop behind Ray and SLURM, on machines that do what a test says; and submitit's local processes."""

import json
import os
import socket
import sys
import time
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from executor_work import make_job, needs_submitit

from bench import splitting
from bench.cli import main
from bench.errors import UserError
from bench.execution import Progress
from bench.executors import cluster, slurm, state
from bench.executors.cluster import Cluster, serve
from bench.executors.ray import RayMachines
from bench.lock import Lock


class Obedient:
    """Machines on which each job ends as its algorithm is called."""

    def __init__(self):
        self.submitted, self.cancelled, self.most, self.portions = {}, [], 0, []

    def submit(self, jobs):
        self.portions.append(len(jobs))
        handles = [len(self.submitted) + n for n in range(len(jobs))]
        self.submitted |= dict(zip(handles, jobs, strict=True))
        return handles

    def ended(self, jobs):
        self.most = max(self.most, len(jobs))
        return {handle: text for handle, job in jobs.items() if (text := self.end(job)) != "works"}

    def end(self, job):
        match job.run.algorithm:
            case "lost":
                return None
            case "lost-once":
                return None if job.attempt == 1 else json.dumps({"summary": {"a": 1}, "error": None})
            case "wrong":
                return json.dumps({"summary": None, "error": "wrong"})
            case "slow":
                return "works"
            case "interrupt":
                raise KeyboardInterrupt
        return json.dumps(
            {"summary": {"a": 1}, "error": None, "progress": {"step": 9, "seconds": 1, "score": 0.5}}
        )

    def lost(self, handle):
        return "its machine was lost"

    def cancel(self, handles):
        self.cancelled += handles

    def close(self):
        pass


def execute(tmp_path, names, **settings):
    machines, events = Obedient(), []
    jobs = [make_job(tmp_path, name, seed) for seed, name in enumerate(names)]
    Cluster(machines, **settings).execute(jobs, events.append)
    return machines, {e.run.algorithm: e for e in events if e.progress is None}, events


def test_lost_runs_are_tried_again_and_wrong_ones_are_not(tmp_path):
    machines, ends, _ = execute(tmp_path, ["lost", "lost-once", "wrong", "well"], retries=2)
    tries = [job.run.algorithm for job in machines.submitted.values()]
    assert [tries.count(name) for name in ("lost", "lost-once", "wrong", "well")] == [3, 2, 1, 1]
    assert ends["lost"].error.startswith("its machine was lost; the same command continues")
    assert ends["wrong"].error == "wrong"
    assert ends["well"].summary == ends["lost-once"].summary == {"a": 1}
    assert {path.parent.parent.name for path in tmp_path.rglob("failed.json")} == {"lost", "wrong"}


def test_the_score_at_the_end_is_heard_before_the_end(tmp_path):
    _, _, events = execute(tmp_path, ["well"])
    assert [event.progress and event.progress.score for event in events] == [0.5, None]


def test_no_more_jobs_are_queued_than_was_said(tmp_path):
    machines, _, _ = execute(tmp_path, ["well"] * 50, max_queued=8)
    assert machines.most <= 8
    assert len(machines.submitted) == 50
    assert min(machines.portions[:-1]) > 1  # in portions, as one array each


def test_a_run_that_takes_too_long_is_cancelled(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "WATCH_SECONDS", 0.0)
    job = make_job(tmp_path, "slow", 0)
    with state.Diary(job.path, 10, 1) as diary:
        diary.write(Progress(0, 0.0, None))
        machines, ends, _ = execute(tmp_path, ["slow"], timeout=0.2)
    assert machines.cancelled == [0]
    assert ends["slow"].error.startswith("timed out after 0.2 s")


def test_what_another_command_has_left_does_not_use_up_the_time_of_a_run_that_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "WATCH_SECONDS", 0.0)
    job = make_job(tmp_path, "slow", plan="new")
    with state.Diary(job.path, 10, 1, "old") as diary:
        diary.write(Progress(0, 0.0, None))
        runner = Cluster(Obedient(), timeout=0.0)
        assert runner._watch({0: job}, lambda _: None) == []
        assert runner._watch({0: replace(job, plan="old")}, lambda _: None) == [0]


class Refusing(Obedient):
    """Machines that take no second portion of jobs until they were asked for the fourth time."""

    refusals = 0

    def submit(self, jobs):
        if self.submitted and self.refusals < 3:
            self.refusals += 1
            raise UserError("sbatch refuses the jobs")
        return super().submit(jobs)

    def end(self, job):
        return "works" if job.run.seeds == (0,) and self.refusals < 3 else super().end(job)


def test_a_scheduler_that_is_out_of_reach_for_a_while_ends_no_campaign(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "REFUSED_SECONDS", 0.0)
    machines, events = Refusing(), []
    jobs = [make_job(tmp_path, "well", seed) for seed in range(3)]
    Cluster(machines, max_queued=2).execute(jobs, events.append)
    assert machines.refusals == 3
    assert sorted(event.run.seeds for event in events if event.summary) == [(0,), (1,), (2,)]
    assert machines.cancelled == []
    machines.refusals = 0
    with pytest.raises(UserError, match="sbatch refuses"):  # nothing works that was taken before
        Cluster(machines).execute(jobs, events.append)


def test_arrays_before_one_that_sbatch_refuses_are_cancelled(tmp_path, monkeypatch):
    needs_submitit()
    machines, cancelled = slurm.SlurmMachines(tmp_path, ["cluster=local"], 1, None), []
    submitted = SimpleNamespace(job_id="7_0", cancel=lambda check: cancelled.append("7_0"))

    def map_array(task, texts, outcomes):
        if machines.jobs:
            raise RuntimeError("sbatch: error: QOSMaxSubmitJobPerUserLimit")
        return [submitted]

    monkeypatch.setattr(slurm, "ARRAY", 1)
    monkeypatch.setattr(machines.executor, "map_array", map_array)
    with pytest.raises(UserError, match="QOSMaxSubmitJobPerUserLimit"):
        machines.submit([make_job(tmp_path, "well", seed) for seed in range(2)])
    assert cancelled == ["7_0"]


def test_an_interruption_cancels_what_was_submitted(tmp_path):
    machines = Obedient()
    with pytest.raises(KeyboardInterrupt):
        Cluster(machines).execute([make_job(tmp_path, n) for n in ("slow", "interrupt")], lambda _: None)
    assert machines.cancelled == [0, 1]


def test_a_machine_that_does_not_see_the_results_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "VISIBLE_SECONDS", 0.0)
    said = json.loads(serve(make_job(tmp_path, "well", plan=str(tmp_path / "plan.json")).to_json()))
    assert f"does not see {tmp_path}; results must be in a folder that all machines share" in said["error"]
    assert not list(tmp_path.iterdir())  # it made no folder of its own


@pytest.mark.parametrize("in_half", [False, True])
def test_a_run_waits_for_the_one_that_still_works_on_it(tmp_path, monkeypatch, in_half):
    job = make_job(tmp_path, "well", plan=str(tmp_path))
    if in_half:  # it was split, and a process elsewhere works on a half of it
        job = replace(job, run=replace(job.run, seeds=(0, 1)))
    folder = job.path
    folder.mkdir(parents=True)
    if in_half:
        splitting.split(job.run, folder, "cpu")
        folder = folder.with_name(splitting.halves(job.run)[1].id)
        folder.mkdir()
    owner = replace(Lock(folder).owner, place="elsewhere")
    (folder / "lock").write_text(json.dumps(asdict(owner)))
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        assert not list(tmp_path.glob("well-*"))  # it has not begun
        if len(waited) == 3:  # that machine is silent for too long
            os.utime(folder / "lock", (time.time() - 300,) * 2)

    monkeypatch.setattr(cluster.time, "sleep", sleep)
    assert json.loads(serve(job.to_json()))["summary"]
    assert len(waited) == 3


def test_a_run_that_another_command_works_on_has_not_failed(tmp_path):
    job = make_job(tmp_path, "held", plan=str(tmp_path))
    (event,) = cluster._events(job, serve(job.to_json()))
    assert event.held
    assert "is being worked on by process 1" in event.error
    assert not list(tmp_path.rglob("failed.json"))


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("90min", 90), ("2h", 120), ("2:00:00", 120), ("1-12:00:00", 2160), ("0:00:30", 1)],
)
def test_time_limits_are_read_as_sbatch_writes_them(text, minutes):
    assert slurm.minutes(text) == minutes


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--executor slurm --slurm partition", "'partition' is not of the form KEY=VALUE"),
        ("--executor slurm --slurm time=soon", "time=soon is no time limit; write minutes"),
        ("--executor slurm --slurm cluster=pbs", "cluster=pbs is not known; give slurm or local"),
        ("--executor slurm --timeout 2h", "--timeout is not for --executor slurm"),
        ("--executor ray --group auto", "--group auto looks at the memory of this machine"),
        ("--slurm partition=gpu", "--slurm is for --executor slurm; here it is local"),
        ("--address head:6379", "--address is for --executor ray; here it is local"),
        ("--executor cloud", "invalid choice: 'cloud'"),
        (
            "--executor slurm --slurm cluster=local --slurm time=0:00:00",
            "--slurm time=0:00:00 leaves no time",
        ),
        ("--timeout soon", "'soon' is not a time above 0 such as 90, 30min or 2h"),
        ("--executor ray --gpus 1.5", "'1.5' is neither a share of one GPU nor a number of GPUs"),
    ],
)
def test_wrong_options_are_said_in_a_line(tmp_path, monkeypatch, capsys, words, said):
    if "cluster" in words or "time=" in words:
        needs_submitit()
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    command = ["run", "diagnostic", "bc", "--tasks", "gamble", "--results", str(tmp_path / "r")]
    assert main([*command, *words.split()]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") <= 2


def start_ray(folder):
    RayMachines(None, 1, 0, folder / "log")


def start_slurm(folder):
    slurm.SlurmMachines(folder, [], 1, None)


def test_where_no_ray_cluster_answers_it_is_said(tmp_path, monkeypatch):
    class Ray:
        def init(**options):
            raise ConnectionError("Could not find any running Ray instance.\nand more")

    monkeypatch.setitem(sys.modules, "ray", Ray)
    with pytest.raises(UserError, match=r"no Ray cluster at 'auto' \(.* instance\.\); start one with `ray"):
        RayMachines("auto", 1, 0, tmp_path / "log")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(Ray, "init", lambda **options: pytest.fail("Ray would try for minutes"))
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "127.0.0.1:99999"):
        with pytest.raises(UserError, match=rf"no Ray cluster at '{address}' \(.*\); start one with `ray"):
            RayMachines(address, 1, 0, tmp_path / "log")


@pytest.mark.parametrize(("package", "start"), [("ray", start_ray), ("submitit", start_slurm)])
def test_a_package_that_is_not_installed_is_named_with_its_remedy(tmp_path, monkeypatch, package, start):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"pip install 'offline-bench\["):
        start(tmp_path)


def test_jobs_of_submitit_make_the_records_of_local_ones(same_records):
    needs_submitit()
    same_records(["bc"], ["--executor", "slurm", "--slurm", "cluster=local"])


def test_a_sweep_through_submitit_makes_the_records_of_the_local_executor(same_records):
    needs_submitit()
    same_records(["bc"], ["--executor", "slurm", "--slurm", "cluster=local"], sweep="lr=1e-4,1e-2")


@pytest.mark.parametrize("command", ["sweep diagnostic bc --space lr=1e-4,1e-2", "scaling sorl diagnostic"])
def test_other_commands_that_train_take_the_same_options(tmp_path, capsys, command):
    words = [*command.split(), "--tasks", "gamble", "--results", str(tmp_path / "r")]
    assert main([*words, "--executor", "slurm", "--timeout", "2h"]) == 2
    assert "--timeout is not for --executor slurm" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
