"""A disk that is full, over quota or read-only: one sentence, and the same command goes on later."""

import errno
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from child import Child, assert_same, finish
from toy import folder_of

from bench import records

pytestmark = pytest.mark.fault
SENTENCE = "give the same command again"


def refused(child: Child, reason: str) -> None:
    outcome = child.wait()
    assert "error" in outcome, outcome
    assert reason in outcome["error"]
    assert SENTENCE in outcome["error"]
    assert "\n" not in outcome["error"]


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_files_that_may_not_grow(tmp_path, whole, often, row) -> None:
    sizes = [5_000, 3_000, 1_000, 20_000][: often(1, 4)]  # a checkpoint, evaluations or run.json is too large
    for size in sizes:
        results = tmp_path / str(size)
        refused(Child(results, prepare=partial(limit_files, size)), "File too large")
        finish(results)
        assert_same(results, whole)
    row("disk full: files may not grow (RLIMIT_FSIZE)", len(sizes), "one sentence; resumed with more space")


def fail_at(number: int, code: int) -> None:
    """From its so manieth fsync on, this process cannot write any more."""
    fsync, count = os.fsync, 0

    def failing(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count >= number:
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    os.fsync = failing


@pytest.mark.parametrize(("code", "what"), [(errno.EDQUOT, "over quota"), (errno.EROFS, "read-only folder")])
def test_writing_that_fails_at_any_time(tmp_path, whole, often, row, code, what) -> None:
    numbers = range(often(17, 1), 40, often(40, 4))
    for number in numbers:
        results = tmp_path / str(number)
        refused(Child(results, prepare=partial(fail_at, number, code)), os.strerror(code))
        finish(results)
        assert_same(results, whole)
    row(f"{what} ({errno.errorcode[code]} injected)", len(numbers), "one sentence; resumed later")


def stand_still_at(number: int) -> None:
    """Stop this process at its so manieth renaming after its first evaluation, when no file is open."""
    replace, count = os.replace, 0

    def stopping(source: str | Path, target: str | Path) -> None:
        nonlocal count
        replace(source, target)
        count += (Path(target).parent / "evaluations.jsonl").exists()
        if count == number:
            os.kill(os.getpid(), signal.SIGSTOP)

    os.replace = stopping  # type: ignore[assignment]


def wait_until_stopped(child: Child) -> None:
    stat = Path(f"/proc/{child.process.pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.001)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"a disk of its own cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_full(tmp_path, whole, often, row) -> None:
    free = [24, 64, 100, 140][: often(1, 4)]
    for room in free:
        with small_disk(tmp_path / str(room)) as disk:
            (disk / "filler").write_bytes(bytes((400 - room) * 1024))
            refused(Child(disk / "results"), "No space left")
            (disk / "filler").unlink()
            finish(disk / "results")
            assert_same(disk / "results", whole)
    row("disk full: a small file system (ENOSPC)", len(free), "one sentence; resumed with more space")


def test_a_disk_that_becomes_read_only_in_the_middle(tmp_path, whole, often, row) -> None:
    times = often(1, 4)
    for number in range(times):
        with small_disk(tmp_path / str(number)) as disk:
            child = Child(disk / "results", prepare=partial(stand_still_at, 1 + 3 * number))
            wait_until_stopped(child)
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            os.kill(child.process.pid, signal.SIGCONT)
            refused(child, "Read-only file system")
            [before] = disk.rglob("evaluations.jsonl")
            kept = before.read_bytes()
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            finish(disk / "results")
            assert before.read_bytes().startswith(kept)
            assert_same(disk / "results", whole)
            assert not records.read_run(folder_of(disk / "results"))[1]
    row("a file system remounted read-only in the middle", times, "one sentence; resumed when writable again")
