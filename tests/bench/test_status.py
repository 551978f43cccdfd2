"""`bench status`: what the files of a results folder say about runs, whoever wrote them."""

import json
import os
import time
from dataclasses import asdict, replace

import pytest
from executor_work import make_job, make_run
from synthetic import write_run

from bench import splitting
from bench.cli import main
from bench.execution import Progress
from bench.executors.interface import Event, carry_out, failed
from bench.executors.local import Local
from bench.executors.state import Diary, Plan
from bench.lock import Lock
from bench.status import read_status


def states(results, at=None):
    return {status.algorithm: status.state for status in read_status(results, at=at)}


def test_each_state_is_read_from_the_files(tmp_path):
    runs = [make_run(name) for name in ("waiting", "working", "broke")]
    write_run(tmp_path, "gamble", "done", {0: 0.5})
    write_run(tmp_path, "gamble", "left", {0: 0.5}, finished=False)
    with Plan(tmp_path, runs, "bench run", "local") as plan:
        failed(make_job(tmp_path, "broke"), "it broke")
        working = make_job(tmp_path, "working").path
        working.mkdir(parents=True)
        lock = Lock(working)
        lock.acquire()
        with lock:
            expected = {"waiting": "queued", "working": "running", "broke": "failed"}
            assert states(tmp_path) == expected | {"done": "finished", "left": "stopped"}
            later = time.time() + 600  # nobody was heard of since
            assert states(tmp_path, later)["working"] == "running"  # but this process is seen to live
            assert states(tmp_path, later)["waiting"] == "stopped"
            about = json.loads((working / "lock").read_text())
            (working / "lock").write_text(json.dumps(about | {"place": "another machine"}))
            assert states(tmp_path)["working"] == "running"
            assert states(tmp_path, later)["working"] == "stopped"
            (working / "lock").write_text(json.dumps(about | {"started": "1"}))  # a dead one of this machine
            assert states(tmp_path)["working"] == "queued"
    assert not plan.path.exists()
    assert "waiting" not in states(tmp_path)


def test_a_lock_that_is_touched_says_that_a_run_works(tmp_path):
    path = write_run(tmp_path, "gamble", "one", {0: 0.5}, finished=False, evaluations=2)
    owner = replace(Lock(path).owner, host="node7", place="node7")
    (path / "lock").write_text(json.dumps(asdict(owner)))
    (status,) = read_status(tmp_path)
    assert (status.state, status.host, status.step, status.steps) == ("running", "node7", 4000, 4000)
    os.utime(path / "lock", (0, 0))
    assert states(tmp_path) == {"one": "stopped"}


def test_what_failed_before_and_is_planned_again_is_queued(tmp_path):
    job = make_job(tmp_path, "one")
    failed(job, "it broke")
    content = json.loads((job.path / "failed.json").read_text())
    (job.path / "failed.json").write_text(json.dumps(content | {"time": "2026-01-01T00:00:00+00:00"}))
    with Plan(tmp_path, [job.run], "bench run", "local"):
        assert states(tmp_path) == {"one": "queued"}
    assert states(tmp_path) == {"one": "failed"}


def test_jobs_of_slurm_wait_without_a_command_that_looks_after_them(tmp_path):
    for executor, state in (("slurm", "queued"), ("ray", "stopped")):
        with Plan(tmp_path / executor, [make_run("one")], "bench run", executor):
            assert states(tmp_path / executor, time.time() + 600) == {"one": state}


def test_a_command_that_was_interrupted_leaves_its_runs_as_stopped(tmp_path):
    with pytest.raises(KeyboardInterrupt), Plan(tmp_path, [make_run("one")], "bench run", "slurm"):
        raise KeyboardInterrupt
    assert states(tmp_path) == {"one": "stopped"}
    with Plan(tmp_path, [make_run("one"), make_run("two")], "bench run", "local"):
        assert len(list((tmp_path / "plans").iterdir())) == 1  # the older one has nothing of its own


def test_progress_is_written_while_a_run_works_and_gone_afterwards(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("bench.executors.state.PROGRESS_SECONDS", 0.0)
    job = make_job(tmp_path, "well")
    event = carry_out(job, lambda _: seen.append(json.loads((job.path / "progress.json").read_text())))
    assert [(said["step"], said["steps"], said["score"]) for said in seen] == [(3, 10, None), (10, 10, 0.5)]
    assert not (job.path / "progress.json").exists()
    assert isinstance(event, Event)
    assert event.summary


def test_a_run_that_another_process_works_on_keeps_its_progress_and_has_not_failed(tmp_path):
    job = make_job(tmp_path, "held")
    with Diary(job.path, 10, 1) as diary:
        diary.write(Progress(5, 1.0, None))
        event = carry_out(job)
        assert event.held
        assert "is being worked on by process 1 on far" in event.error
        assert json.loads((job.path / "progress.json").read_text())["step"] == 5
    assert not (job.path / "failed.json").exists()


def split_in_two(results, job):
    """The folder of a run of three seeds that did not fit into memory together; its halves are not begun."""
    job = replace(job, run=replace(job.run, seeds=(0, 1, 2)))
    job.path.mkdir(parents=True)
    splitting.split(job.run, job.path, "cpu")
    return job, [job.path.with_name(half.id) for half in splitting.halves(job.run)]


def test_a_run_that_was_split_is_shown_as_its_halves(tmp_path):
    job, (first, second) = split_in_two(tmp_path, make_job(tmp_path, "big"))
    shown = lambda: {tuple(s.seeds): (s.run, s.state, s.steps) for s in read_status(tmp_path)}  # noqa: E731
    with Plan(tmp_path, [job.run], "bench run", "local"):
        assert shown() == {(0, 1): (first.name, "queued", 10), (2,): (second.name, "queued", 10)}
        first.mkdir()
        lock = Lock(first)
        lock.acquire()
        with lock, Diary(job.path, 10, 3) as diary:
            diary.write(Progress(7, 1.0, None))  # the process of the whole writes it
            assert [state for _, state, _ in shown().values()] == ["running", "queued"]
            assert [(s.step, s.attempt) for s in read_status(tmp_path) if s.run == first.name] == [(7, 3)]
    failed(job, "it broke")
    (first / "summary.json").write_text("{}")
    assert {s.run: s.state for s in read_status(tmp_path)} == {first.name: "finished", second.name: "failed"}


@pytest.mark.parametrize("content", ["{", "[]", '{"runs": ["a"]}', '{"runs": [1], "seeds": [[0]]}'])
def test_a_split_that_cannot_be_read_stands_for_itself(tmp_path, content):
    job, _ = split_in_two(tmp_path, make_job(tmp_path, "big"))
    (job.path / splitting.MARK).write_text(content)
    assert states(tmp_path) == {"big": "stopped"}


def test_a_split_that_names_itself_comes_to_an_end(tmp_path):
    job, _ = split_in_two(tmp_path, make_job(tmp_path, "big"))
    name = job.path.name
    (job.path / splitting.MARK).write_text(json.dumps({"runs": [name, name], "seeds": [[0], [1]]}))
    assert set(states(tmp_path).values()) == {"stopped"}


def test_a_run_whose_last_line_was_cut_is_not_finished(tmp_path):
    path = write_run(tmp_path, "gamble", "one", {0: 0.5})
    assert states(tmp_path) == {"one": "finished"}
    content = (path / "evaluations.jsonl").read_bytes()
    (path / "evaluations.jsonl").write_bytes(content[:-1])
    assert states(tmp_path) == {"one": "stopped"}
    (path / "evaluations.jsonl").write_bytes(b"")
    assert states(tmp_path) == {"one": "finished"}


def test_progress_that_cannot_be_written_stops_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    with Diary(tmp_path / "file" / "run", 10, 1) as diary:
        diary.write(Progress(1, 1.0, None))


def test_the_command_prints_counts_a_table_and_errors(tmp_path, capsys):
    write_run(tmp_path, "gamble", "done", {0: 0.5})
    write_run(tmp_path, "gamble", "left", {0: 0.5, 1: 0.5, 2: 0.5}, finished=False)
    failed(make_job(tmp_path, "broke"), "Traceback\n  somewhere\nValueError: no such thing\n")
    assert main(["status", "diagnostic", "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "diagnostic: 1 stopped, 1 failed, 1 finished\n" in out
    assert "stopped  gamble · left   0-2    4,000 of 4,000" in out
    assert "gamble · broke: ValueError: no such thing" in out
    assert main(["status", "--json", "--results", str(tmp_path)]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {run["algorithm"]: run["state"] for run in listed} == states(tmp_path)
    assert main(["status", "ogbench", "--results", str(tmp_path)]) == 0
    assert "no runs in" in capsys.readouterr().out
    assert main(["status", "diagnostics", "--results", str(tmp_path)]) == 2


def test_damaged_files_are_no_reason_to_fail(tmp_path):
    path = write_run(tmp_path, "gamble", "one", {0: 0.5}, finished=False)
    for name in ("run.json", "failed.json", "progress.json", "lock"):
        (path / name).write_text("{")
    (path / "evaluations.jsonl").write_text('{"step": 7}\n{"st')
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "x.json").write_text("[]")
    (status,) = read_status(tmp_path)
    assert (status.state, status.step) == ("running", 7)


def test_status_opens_no_file_of_a_finished_run(tmp_path, monkeypatch):
    for number in range(5):
        write_run(tmp_path, "gamble", f"a{number}", {0: 0.5})
    monkeypatch.setattr("bench.executors.state.read", lambda path: pytest.fail(f"{path} was read"))
    assert set(states(tmp_path).values()) == {"finished"}


def test_only_failed_runs_again_what_failed(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    command = [
        "run",
        "diagnostic",
        "bc",
        "--tasks",
        "gamble",
        "--seeds",
        "0,1",
        "--group",
        "1",
        "--jobs",
        "1",
    ]
    command += ["--steps", "4", "--evaluations", "1", "--episodes", "1", "--results", str(tmp_path)]
    taken = tmp_path / "runs" / "diagnostic" / "gamble" / "bc"
    execute = Local.execute
    jobs = []
    monkeypatch.setattr(Local, "execute", lambda self, given, listener: jobs.extend(given))
    main(command)
    assert len(jobs) == 2
    failed(jobs[1], "no reason")
    monkeypatch.setattr(Local, "execute", execute)
    assert main([*command, "--only-failed"]) == 0
    assert "1 of 1 runs finished" in capsys.readouterr().out
    assert [path.parent.name for path in taken.rglob("summary.json")] == [jobs[1].run.id]
    assert not list(taken.rglob("failed.json"))
    assert main([*command, "--only-failed"]) == 0
    assert "none of these runs has failed" in capsys.readouterr().out
