"""The lock file: what is recorded is found, nothing is lost, damage is said."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bench.data.lock import Entry, Lock, exclusive
from bench.errors import UserError

ENTRY = Entry(size=3, sha256="ab" * 32, source="https://example.org/a.npz")


def test_what_is_recorded_is_expected_also_by_another_reader(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock.json")
    assert lock.expected("maze/a.npz") is None
    lock.record("maze/a.npz", ENTRY)
    assert lock.expected("maze/a.npz") == Lock(tmp_path / "lock.json").expected("maze/a.npz") == ENTRY
    assert lock.expected("maze/b.npz") is None


def test_the_file_is_sorted_ends_with_a_newline_and_is_the_only_one_left(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock.json")
    for key in ("b", "c", "a"):
        lock.record(key, ENTRY)
    text = (tmp_path / "lock.json").read_text()
    assert list(json.loads(text)) == ["a", "b", "c"]
    assert text.endswith("}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["lock.json"]


def test_processes_that_record_at_once_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bench.data.lock import Entry, Lock\n"
        "for n in range(40): Lock(Path(sys.argv[1])).record(f'{sys.argv[2]}-{n}', Entry(n, 'ab', 'test'))"
    )
    path = tmp_path / "lock.json"
    children = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "abc"]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert sorted(json.loads(path.read_text())) == sorted(f"{name}-{n}" for name in "abc" for n in range(40))


def test_one_at_a_time_holds_a_file_alone_and_it_is_gone_afterwards(tmp_path: Path) -> None:
    inside, most = [], []

    def enter() -> None:
        for _ in range(20):
            with exclusive(tmp_path / "alone"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"a": 3}', '{"a": {"size": 1}}', '{"a": {"size": "1", "sha256": "", "source": ""}}']
)
def test_a_damaged_lock_file_is_said_and_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lock.json"
    path.write_text(text)
    for ask in (lambda: Lock(path).expected("a"), lambda: Lock(path).record("a", ENTRY)):
        with pytest.raises(UserError, match=r"lock.json is damaged .* Repair it or delete it"):
            ask()
    assert path.read_text() == text


def test_a_folder_that_is_not_there_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*lock.json: No such file"):
        Lock(tmp_path / "no" / "lock.json").record("a", ENTRY)
