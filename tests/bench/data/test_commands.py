"""`bench data` on sources of the test: which data sets a name means, making, verifying, where things lie."""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.data import commands, copies
from bench.data.copies import check, find_made, make
from bench.data.lock import Entry, Lock
from bench.data.source import Copy, File, Maker, MakeRequest, Source, data_dir, package_dir
from bench.data.verify import sha256_of
from bench.dataset import Dataset, Episode
from bench.errors import UserError
from bench.task import Reference, Suite, Task, without_copy


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def write(target: Path, request: MakeRequest) -> None:
    for number in range(request.episodes):
        request.progress(1)
        (target / f"part-{number}").touch()
    (target / "a.npz").write_text(f"{request.episodes} episodes from seed {request.seed}")
    (target / "b.npz").write_text("validation")


def verify(target: Path) -> Iterator[str]:
    if "NaN" in (target / "a.npz").read_text():
        yield f"{target / 'a.npz'}: row 3: NaN"


def source(name: str, can_make: bool = True, url: str = "http://127.0.0.1:9/a.npz") -> Source:
    maker = Maker(episodes=3, write=write, total=lambda episodes: episodes)
    return Source(
        suite="maze",
        name=name,
        files=(File("a.npz", url), File("b.npz", url)),
        folder=lambda: package_dir(f"maze/{name}", None, "~/.maze"),
        verify=verify,
        maker=maker if can_make else None,
    )


def read(target: Path) -> Dataset:
    reward = np.full(4, float(len((target / "a.npz").read_text())))
    return Dataset.from_episodes([Episode(np.zeros((5, 2)), np.zeros((4, 1)), reward, False)])


def task(name: str, data: Source | None) -> Task:
    return Task(
        suite="maze",
        name=name,
        summary="a task of the test",
        obs_dim=2,
        action_dim=1,
        max_steps=4,
        reference=Reference(0, 1, "test"),
        load=without_copy,
        environments=lambda count: None,  # type: ignore[arg-type,return-value]
        versions=dict,
        source=data,
        read=read,
    )


EASY, HARD = source("easy-play-v0"), source("hard-play-v0", can_make=False)
TASKS = [task("easy-play-task1-v0", EASY), task("easy-play-task2-v0", EASY), task("hard-play-task1-v0", HARD)]
MAZE = Suite(
    "maze", "", {t.name: t for t in TASKS}, 1, 1, 1, aliases={"easy-play-any-v0": "easy-play-task2-v0"}
)
MEMORY = Suite("memory", "", {"small": task("small", None)}, 1, 1, 1)
SUITES = {
    "maze": MAZE,
    "maze/hard": Suite("maze/hard", "", {TASKS[2].name: TASKS[2]}, 1, 1, 1),
    "memory": MEMORY,
}
REQUEST = MakeRequest(episodes=3, seed=0, workers=1, progress=lambda done: None)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("maze", ["maze/easy-play-v0", "maze/hard-play-v0"]),
        ("maze/hard", ["maze/hard-play-v0"]),
        ("easy-play-v0", ["maze/easy-play-v0"]),
        ("easy-play", ["maze/easy-play-v0"]),
        ("maze/easy-play-v0", ["maze/easy-play-v0"]),
        ("easy-play-task1-v0", ["maze/easy-play-v0"]),
        ("easy-play-any-v0", ["maze/easy-play-v0"]),
        ("*-play", ["maze/easy-play-v0", "maze/hard-play-v0"]),
    ],
)
def test_a_data_set_may_be_named_by_suite_task_or_its_own_name(name: str, meant: list[str]) -> None:
    assert [found.id for found in commands.select(SUITES, [name])] == meant


def test_without_a_name_all_data_sets_are_meant_and_each_once() -> None:
    assert [found.id for found in commands.select(SUITES, [])] == ["maze/easy-play-v0", "maze/hard-play-v0"]
    assert [found.id for found in commands.select(SUITES, ["maze", "easy*"])] == [
        "maze/easy-play-v0",
        "maze/hard-play-v0",
    ]


def test_a_name_that_means_nothing_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UserError, match="did you mean 'maze/easy-play-v0'"):
        commands.select(SUITES, ["maze/esy-play-v0"])
    with pytest.raises(UserError, match="made in memory on first use"):
        commands.select(SUITES, ["memory"])


def test_a_made_copy_carries_its_size_and_hash_in_its_name_and_says_how_it_was_made() -> None:
    copy = make(EASY, REQUEST)
    digest = sha256_of(copy.folder / "a.npz")
    assert copy.label == f"made-3ep-{digest[:8]}"
    assert copy.folder == EASY.made_folder / f"easy-play-v0@{copy.label}"
    about = json.loads((copy.folder / "made.json").read_text())
    assert about["sha256"] == {"a.npz": digest, "b.npz": sha256_of(copy.folder / "b.npz")}
    assert (about["source"], about["episodes"], about["seed"]) == ("maze/easy-play-v0", 3, 0)
    assert about["versions"]["numpy"] == np.__version__
    assert EASY.copies() == [copy]
    assert list(check(EASY, copy, Lock(data_dir() / "lock.json"))) == []


def test_a_copy_that_was_made_before_is_found_by_its_numbers_and_made_no_second_time() -> None:
    copy = make(EASY, REQUEST)
    assert find_made(EASY, 3, 0) == copy
    assert find_made(EASY, 3, 1) is None
    assert find_made(EASY, 4, 0) is None
    assert make(EASY, REQUEST) == copy
    assert len(list(EASY.made_folder.iterdir())) == 1


def test_a_failure_leaves_nothing_behind_and_a_killed_process_s_leftovers_are_swept() -> None:
    def broken(target: Path, request: MakeRequest) -> None:
        (target / "a.npz").write_text("half")
        raise UserError("no more")

    failing = Source("maze", "f-v0", EASY.files, EASY.folder, verify, Maker(1, broken, lambda n: n))
    left = failing.made_folder / ".making-999999999-x"
    left.mkdir(parents=True)
    mine = failing.made_folder / f".making-{os.getpid()}-other"
    mine.mkdir()
    with pytest.raises(UserError, match="no more"):
        make(failing, REQUEST)
    assert list(failing.made_folder.iterdir()) == [mine]  # of a process that is alive
    assert failing.copies() == []


def test_what_cannot_be_made_is_said_with_the_way_to_get_it() -> None:
    with pytest.raises(UserError, match="bench data fetch maze/hard-play-v0"):
        make(HARD, REQUEST)


def test_a_changed_file_is_found_by_its_hash_and_a_damaged_one_by_its_content() -> None:
    lock = Lock(data_dir() / "lock.json")
    copy = make(EASY, REQUEST)
    (copy.folder / "b.npz").write_text("changed")
    assert ["b.npz" in problem for problem in check(EASY, copy, lock)] == [True]
    (copy.folder / "a.npz").write_text("NaN")
    assert [("NaN" in p, "sha256" in p) for p in check(EASY, copy, lock)] == [
        (True, False),
        (False, True),
        (False, True),
    ]
    (copy.folder / "made.json").unlink()
    assert any("made.json" in problem for problem in check(EASY, copy, lock))


def test_an_official_copy_is_checked_against_the_lock() -> None:
    official = Copy("official", EASY.folder())
    official.folder.mkdir(parents=True)
    write(official.folder, REQUEST)
    lock = Lock(data_dir() / "lock.json")
    assert list(check(EASY, official, lock)) == []
    lock.record("maze/easy-play-v0/a.npz", Entry(size=1, sha256="0" * 64, source="test"))
    assert any("a.npz" in problem and "sha256" in problem for problem in check(EASY, official, lock))


def test_a_task_takes_the_official_copy_or_else_the_only_one_that_was_made_here() -> None:
    first = TASKS[0]
    with pytest.raises(
        UserError, match="bench data fetch maze/easy-play-v0; without a network: bench data make"
    ):
        first.located()
    made = make(EASY, REQUEST)
    assert first.located().name == f"easy-play-task1-v0@{made.label}"
    assert len(first.located().load()) == 4
    other = make(EASY, MakeRequest(2, 0, 1, lambda done: None))
    with pytest.raises(UserError, match="was made here more than once"):
        first.located()
    assert first.located(other.label).name == f"easy-play-task1-v0@{other.label}"
    with pytest.raises(UserError, match="unknown copy of maze/easy-play-v0 'made-9ep-x'"):
        first.located("made-9ep-x")
    EASY.folder().mkdir(parents=True)
    write(EASY.folder(), REQUEST)
    assert first.located().name == "easy-play-task1-v0"
    assert first.located(made.label).name == f"easy-play-task1-v0@{made.label}"
    assert MAZE.task("easy-play-any-v0").name == "easy-play-task2-v0"


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    commands.add_parser(parser.add_subparsers(), SUITES, data_dir() / "lock.json", int)
    options = parser.parse_args(["data", *words])
    return int(options.command(options))


def test_the_commands_in_a_row(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert run("list") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "maze/easy-play-v0  -                      fetch, make",
        "maze/hard-play-v0  -                      fetch",
    ]
    assert run("make", "easy-play", "--episodes", "2", "--workers", "1") == 0
    made = capsys.readouterr().out
    label = EASY.copies()[0].label
    assert made == f"maze/easy-play-v0@{label}: in {EASY.copies()[0].folder}\n"
    assert run("list", "maze") == 0
    assert label in capsys.readouterr().out
    assert run("where", "easy-play") == 0
    where = capsys.readouterr().out
    assert str(EASY.copies()[0].folder) in where
    assert f"{folder / 'maze/easy-play-v0'} (not there)" in where
    assert run("verify", "easy-play") == 0
    assert capsys.readouterr().out == f"ok     maze/easy-play-v0@{label}\n"
    (EASY.copies()[0].folder / "a.npz").write_text("NaN")
    assert run("verify") == 1
    assert "row 3: NaN" in capsys.readouterr().out
    with pytest.raises(UserError, match="bench data fetch maze/hard-play-v0"):
        run("verify", "hard-play")


def test_what_is_not_published_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    unpublished = source("own-v0", url="")
    suite = Suite("maze", "", {"own-task-v0": task("own-task-v0", unpublished)}, 1, 1, 1)
    monkeypatch.setitem(SUITES, "maze", suite)
    with pytest.raises(UserError, match="is not published; make it with: bench data make maze/own-v0"):
        run("fetch", "own")


def test_the_folder_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("BENCH_DATA", str(blocked))
    with pytest.raises(UserError, match="set BENCH_DATA to another folder"):
        copies.make(EASY, REQUEST)
