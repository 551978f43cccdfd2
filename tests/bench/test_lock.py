"""Who may write into the folder of a run, and what becomes of those who died, slept or were elsewhere."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest
from toy import TASK, folder_of, lines_of, runs_of

from algorithms.iql import IQL
from bench import lock
from bench.errors import UserError
from bench.lock import Lock
from bench.recorded import is_finished
from bench.runner import execute


def held_by(folder, age=0.0, **changes):
    """Put the lock of another owner into a folder, which was touched so many seconds ago."""
    owner = replace(Lock(folder).owner, token="other", **changes)
    (folder / "lock").write_text(json.dumps(asdict(owner)))
    now = time.time()
    os.utime(folder / "lock", (now - age, now - age))


def taken(folder):
    own = Lock(folder)
    own.acquire()
    with own:
        own.check()
        return True


def test_a_lock_is_held_and_released(tmp_path):
    first = Lock(tmp_path)
    first.acquire()
    with (
        first,
        pytest.raises(UserError, match=f"is being worked on by process {os.getpid()} on .* since .*; wait"),
    ):
        Lock(tmp_path).acquire()
    assert taken(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_dead_process_of_this_machine_holds_nothing(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    while lock._started(dead.pid) is not None:  # it is a zombie then, which is as dead
        time.sleep(0.01)
    held_by(tmp_path, pid=dead.pid)
    assert taken(tmp_path)
    dead.wait()


def test_a_process_of_another_user_that_the_machine_hides_is_judged_by_its_sign_of_life(
    tmp_path, monkeypatch
):
    def refuse(pid, signal):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    held_by(tmp_path, pid=2**22 + 1)  # no process of any machine has this number, so /proc says nothing
    with pytest.raises(UserError, match="is being worked on by process"):
        Lock(tmp_path).acquire()
    held_by(tmp_path, 1000, pid=2**22 + 1)
    assert taken(tmp_path)


def test_another_process_with_the_number_of_a_dead_one_does_not_hold_its_lock(tmp_path):
    held_by(tmp_path, started="1")
    assert taken(tmp_path)


@pytest.mark.parametrize(
    ("age", "alive"), [(0, True), (100, True), (140, False), (-100, True), (-4000, False)]
)
def test_a_process_elsewhere_is_judged_by_its_sign_of_life(tmp_path, monkeypatch, age, alive):
    now = lock.clock(tmp_path)
    monkeypatch.setattr(lock, "clock", lambda folder: now)  # however long this test takes
    held_by(tmp_path, place="another machine", host="far", pid=1)
    os.utime(tmp_path / "lock", (now - age, now - age))
    if alive:
        with pytest.raises(UserError, match="by process 1 on far since"):
            Lock(tmp_path).acquire()
    else:
        assert taken(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == (["lock"] if alive else [])


def test_signs_of_life_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    own = Lock(tmp_path)
    own.acquire()
    with own:
        os.utime(tmp_path / "lock", (0, 0))
        while (tmp_path / "lock").stat().st_mtime == 0:
            time.sleep(0.01)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"pid": 3}'])
def test_a_lock_that_cannot_be_read_is_one_of_another_machine(tmp_path, content):
    (tmp_path / "lock").write_text(content)
    with pytest.raises(UserError, match="on an unknown machine"):
        Lock(tmp_path).acquire()
    os.utime(tmp_path / "lock", (0, 0))
    assert taken(tmp_path)


@pytest.mark.parametrize("links", [True, False])
def test_of_many_who_find_a_dead_owner_one_takes_over(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", refuse_links)
    for turn in range(30):
        folder = tmp_path / str(turn)
        folder.mkdir()
        held_by(folder, 1000, place="another machine")
        gate, won = threading.Barrier(6), []

        def take(folder=folder, gate=gate, won=won):
            own = Lock(folder)
            gate.wait()
            try:
                own.acquire()
                won.append(own)
            except UserError:
                pass

        threads = [threading.Thread(target=take) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        won[0].check()
        assert [path.name for path in folder.iterdir()] == ["lock"]


def refuse_links(source, target):
    raise PermissionError(1, "Operation not permitted")


def test_an_heir_that_died_before_it_took_over_has_an_heir(tmp_path):
    held_by(tmp_path, 1000, place="another machine")
    (tmp_path / "lock").rename(tmp_path / "old")
    held_by(tmp_path, started="1")
    (tmp_path / "lock").rename(tmp_path / "lock.other.heir")
    (tmp_path / "lock.other.heir").write_text(
        (tmp_path / "lock.other.heir").read_text().replace('"other"', '"heir"')
    )
    (tmp_path / "old").rename(tmp_path / "lock")
    assert taken(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_who_was_taken_over_while_asleep_stops_without_writing(tmp_path):
    [run] = runs_of()
    seen = []

    def overtaken(progress):
        if progress.step >= 30 and not seen:
            folder = folder_of(tmp_path)
            seen.append(lines_of(folder))
            held_by(folder, pid=1, host="far")

    with pytest.raises(UserError, match=r"process 1 on far took it over .* stops without writing"):
        execute(run, TASK, IQL, tmp_path, "cpu", overtaken)
    folder = folder_of(tmp_path)
    assert seen == [lines_of(folder)]
    assert json.loads((folder / "lock").read_text())["token"] == "other"  # and leaves it to its owner
    assert not (folder / "weights.safetensors").exists()
    (folder / "lock").unlink()
    execute(run, TASK, IQL, tmp_path, "cpu")
    assert is_finished(run, tmp_path)


def test_a_run_that_another_process_has_just_finished_is_not_run_again(tmp_path):
    [run] = runs_of()
    first = execute(run, TASK, IQL, tmp_path, "cpu")
    (folder_of(tmp_path) / "checkpoint.safetensors").write_text("left by one that was killed")
    assert not is_finished(run, tmp_path)
    assert execute(run, TASK, IQL, tmp_path, "cpu", lambda progress: pytest.fail("it trains")) == first
    assert is_finished(run, tmp_path)
