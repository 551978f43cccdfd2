"""`bench doctor`: each check on versions and surroundings that are given, and the command as it is here."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.cli import main
from bench.data.lock import Entry, Lock
from bench.data.source import File, Source
from bench.doctor import commands as doctor
from bench.doctor import installed, surroundings
from bench.doctor.findings import FAIL, OK, WARN, Finding, guarded

GOOD = {
    "torch": "2.13.0+cpu", "numpy": "2.4.6", "scipy": "1.17.1", "pandas": "2.3.3", "rliable": "1.2.0",
    "arch": "7.2.0", "gymnasium": "1.0.0", "mujoco": "3.1.6", "minari": "0.5.4", "safetensors": "0.8.0",
    "matplotlib": "3.11.2", "jinja2": "3.1.6", "plotly": "7.1.0", "rich": "15.0.0", "d3rlpy": "2.8.1", "ogbench": "1.2.2",
    "gymnasium-robotics": "1.3.1", "h5py": "3.16.0",
}  # fmt: skip


def only(findings) -> Finding:
    found = list(findings)
    assert len(found) == 1, found
    return found[0]


def test_a_line_is_one_line_and_says_what_to_do():
    assert Finding("disk", OK, "much").line() == "ok    disk: much"
    assert Finding("disk", FAIL, "a\nb", "rm c").line() == "FAIL  disk: a b. To do: rm c"


def test_a_check_that_raises_is_a_finding():
    def broken():
        yield Finding("first", OK, "fine")
        raise ZeroDivisionError("by\nzero")

    finding = only(guarded("sums", broken))
    assert (finding.name, finding.level) == ("sums", FAIL)
    assert "ZeroDivisionError: by zero" in finding.line()
    assert finding.remedy
    found = doctor.examine({"sums": broken, "rest": lambda: [Finding("rest", OK, "")]})
    assert [each.name for each in found] == ["sums", "rest"]
    assert doctor.exit_code(found) == 1


def test_warnings_leave_the_exit_code_at_zero():
    assert doctor.exit_code([Finding("a", OK, ""), Finding("b", WARN, "")]) == 0


@pytest.mark.parametrize(
    ("version", "level"), [((3, 10, 1), FAIL), ((3, 11, 9), OK), ((3, 12, 0), OK), ((3, 13, 0), FAIL)]
)
def test_python(version, level):
    assert only(installed.python(version)).level == level


@pytest.mark.parametrize(
    ("found", "wanted", "fits"),
    [
        ("2.13.0+cpu", ">=2.11", True),
        ("2.9.1", ">=2.11", False),
        ("1.0", "==1.0.0", True),
        ("3.0.0", ">=2.2,<3", False),
        ("3.2.0rc1", "<3.2", False),
    ],
)
def test_versions_are_compared_as_numbers(found, wanted, fits):
    assert installed.satisfies(found, wanted) is fits


def test_a_bound_that_is_not_understood_is_refused():
    with pytest.raises(ValueError, match="no bound of a version"):
        installed.satisfies("1.0", "~=1.0")


@pytest.mark.parametrize(
    ("changed", "name", "level", "said"),
    [
        ({"pandas": "3.0.1"}, "pandas", FAIL, "beside rliable 1.2.0, arch 7.2.0; wanted <3"),
        ({"gymnasium": "1.2.0"}, "gymnasium", FAIL, "d3rlpy 2.8.1 pins gymnasium 1.0.0"),
        ({"gymnasium": "1.2.0", "d3rlpy": None}, "gymnasium", WARN, "tested with this version only"),
        ({"numpy": "1.26.4"}, "numpy", FAIL, "wanted >=2.0"),
        ({"mujoco": "3.3.0"}, "mujoco", WARN, "physics"),
        ({"torch": None}, "torch", FAIL, "not installed"),
        ({"ogbench": "1.1.0"}, "ogbench", WARN, "rewards and success"),
    ],
)
def test_packages_that_do_not_work_together(changed, name, level, said):
    finding = only(installed.packages(GOOD | changed))
    assert (finding.name, finding.level) == (name, level)
    assert said in finding.found
    assert finding.remedy.startswith("python -m pip install")


def test_good_packages_and_missing_optional_ones_are_ok():
    assert only(installed.packages(GOOD)).level == OK
    assert only(installed.packages(GOOD | {"ogbench": None, "d3rlpy": None})).level == OK


def test_versions_are_compared_with_constraints_where_they_are(tmp_path):
    assert only(installed.constraints(tmp_path / "constraints.txt")).level == OK
    path = tmp_path / "constraints.txt"
    path.write_text("# tested\nnumpy==2.4.6\ntorch==2.13.0\nlabmaze==1.0\n")
    assert only(installed.constraints(path, GOOD.get)).found == "2 packages as in constraints.txt"
    finding = only(installed.constraints(path, (GOOD | {"numpy": "2.5.0"}).get))
    assert finding.level == WARN
    assert "numpy 2.5.0 (tested with 2.4.6)" in finding.found
    assert finding.remedy == f"python -m pip install --constraint {path} numpy"


def test_optional_packages_may_be_missing_but_not_broken():
    extra = installed.Extra("ogbench", {"ogbench": "ogbench"}, "suite ogbench")
    finding = only(installed.extra(extra, {"ogbench": None}, lambda module: "never asked"))
    assert finding.level == OK
    assert "suite ogbench would need python -m pip install 'offline-bench[ogbench]'" in finding.found
    assert only(installed.extra(extra, GOOD, lambda module: None)).level == OK
    finding = only(installed.extra(extra, GOOD, lambda module: "ImportError: no lib"))
    assert finding.level == FAIL
    assert "does not import (ImportError: no lib)" in finding.found


def test_imports_are_tried_in_a_process_that_may_die(tmp_path, monkeypatch):
    (tmp_path / "chatty.py").write_text("print('welcome')")
    (tmp_path / "raises.py").write_text("raise OSError('no\\nlib')")
    (tmp_path / "dies.py").write_text("import os; os._exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert installed.import_error("chatty") is None
    assert installed.import_error("raises") == "OSError: no lib"
    assert installed.import_error("dies").startswith("the process ended with code 3")
    monkeypatch.setattr(installed, "PATIENCE", 0.2)
    sleeping = [sys.executable, "-c", "import time; time.sleep(9)"]
    assert installed.outcome(sleeping, {}) == "no answer within 0.2 s"


@pytest.mark.parametrize(
    ("built", "driver", "devices", "level", "said"),
    [
        (None, False, [], OK, "no GPU"),
        (None, True, [], WARN, "built without CUDA"),
        ("12.8", False, [], WARN, "no driver"),
        ("12.8", True, [], WARN, "no device can be used"),
        ("12.8", True, [("H200", 139 * 2**30)] * 2, OK, "devices: 2: H200 (139 GiB), H200 (139 GiB)"),
    ],
)
def test_cuda(built, driver, devices, level, said):
    finding = only(surroundings.cuda("2.13.0", built, driver, devices))
    assert finding.level == level
    assert said in finding.found


@pytest.mark.parametrize(
    ("omp", "torch", "affinity", "levels"),
    [
        ("2", 2, 2, [OK]),
        (None, 4, 2, [WARN]),
        ("8", 1, 2, [WARN]),
        ("many", 1, 2, [WARN]),
        ("2,1", 1, 4, [OK]),
    ],
)
def test_threads(omp, torch, affinity, levels):
    environment = {"OMP_NUM_THREADS": omp} if omp else {}
    found = list(surroundings.threads(environment, torch, affinity, None))
    assert [each.level for each in found] == levels


def test_a_quota_below_the_cores_in_sight_is_said():
    found = list(surroundings.threads({}, 2, 64, 2.5))
    assert [each.level for each in found] == [OK, WARN]
    assert found[1].remedy == "give --jobs 2 to bench run"


def test_limits_of_control_groups_are_read(tmp_path):
    membership = tmp_path / "cgroup"
    membership.write_text("0::/a/b\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert surroundings.core_quota(tmp_path, membership) is None
    (inner / "cpu.max").write_text("max 100000\n")
    (tmp_path / "a" / "cpu.max").write_text("150000 100000\n")
    (inner / "memory.max").write_text("3000\n")
    (inner / "memory.current").write_text("1000\n")
    assert surroundings.core_quota(tmp_path, membership) == 1.5
    assert surroundings.memory_room(tmp_path, membership) == 2000


def test_limits_of_the_first_version_of_control_groups_are_read(tmp_path):
    membership = tmp_path / "cgroup"
    membership.write_text("3:cpu,cpuacct:/\n4:memory:/box\n")
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("400000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert surroundings.core_quota(tmp_path, membership) == 4
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert surroundings.core_quota(tmp_path, membership) is None


def test_memory():
    assert only(surroundings.memory(8 * 2**30, None)).level == OK
    finding = only(surroundings.memory(8 * 2**30, 2**30))
    assert finding.level == WARN
    assert "1.0 GiB free within the limit of the container" in finding.found
    assert only(surroundings.memory(None, None)).level == OK


@pytest.mark.parametrize(
    ("chosen", "broken", "level", "said"),
    [
        ("egl", {"egl": None, "osmesa": "E"}, OK, "egl"),
        ("egl", {"egl": "E", "osmesa": None}, WARN, "export MUJOCO_GL=osmesa"),
        ("", {"egl": "E", "osmesa": "E"}, WARN, "apt-get install libegl1 libosmesa6"),
        ("vulkan", {"egl": None}, WARN, "export MUJOCO_GL=egl"),
        ("off", {"egl": "E"}, OK, "off"),
        ("", {}, OK, "not installed"),
    ],
)
def test_rendering_only_warns(chosen, broken, level, said):
    finding = only(surroundings.rendering({"MUJOCO_GL": chosen}, broken))
    assert finding.level == level
    assert said in finding.line()


def test_folders(tmp_path):
    path = tmp_path / "new" / "cache"
    finding = only(surroundings.folder("cache", path, "BENCH_CACHE", True, lambda place: 9e9))
    assert (finding.level, finding.found) == (OK, f"{path} (made on first use): 9 GB free")
    assert not path.parent.exists()
    finding = only(surroundings.folder("cache", path, "BENCH_CACHE", True, lambda place: 1e9))
    assert finding.level == WARN
    (tmp_path / "file").write_text("")
    for needed, level in ((True, FAIL), (False, WARN)):
        finding = only(surroundings.folder("data", tmp_path / "file", "BENCH_DATA", needed))
        assert finding.level == level
        assert finding.remedy == "choose another folder with BENCH_DATA"


def source(folder: Path) -> Source:
    return Source("toys", folder.name, (File("a.bin", "http://x/a.bin"),), lambda: folder, lambda path: [])


def test_data_sets_are_counted_and_their_sizes_compared(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "own"))
    for place in (tmp_path / "first", tmp_path / "own" / "made" / "toys" / "second@made-1ep-0a"):
        place.mkdir(parents=True)
        (place / "a.bin").write_bytes(b"1234")
    lock, sources = Lock(tmp_path / "lock.json"), [source(tmp_path / name) for name in ("first", "second")]
    finding = only(doctor.data_sets(sources, lock))
    assert finding.level == WARN
    assert finding.found.startswith(
        "2 of 2 here, 1 copies made here; without an entry in lock.json: toys/first"
    )
    lock.record("toys/first/a.bin", Entry(4, "00", "http://x"))
    assert only(doctor.data_sets(sources, lock)).level == OK
    lock.record("toys/first/a.bin", Entry(5, "00", "http://x"))
    finding = only(doctor.data_sets(sources, lock))
    assert (finding.level, finding.remedy) == (FAIL, "bench data verify toys/first")


def test_unreadable_runs_are_warned_of(tmp_path):
    assert only(doctor.runs(tmp_path, 3, 2, [])).level == OK
    finding = only(doctor.runs(tmp_path, 3, 2, ["a/run.json is damaged", "another"]))
    assert finding.level == WARN
    assert "2 problems: a/run.json is damaged, ..." in finding.found


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """The command without the processes that import packages, in folders of its own."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(installed, "outcome", lambda command, environment: None)
    monkeypatch.setattr(surroundings, "outcome", lambda command, environment: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_damaged_run_and_a_file_for_a_folder_are_found(quick, capsys):
    run = quick / "results" / "runs" / "s" / "t" / "a" / "1"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{")
    (quick / "cache").write_text("")
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("FAIL  cache: ") for line in lines)
    assert any(line.startswith("warn  runs: 0 runs") for line in lines)


def test_a_broken_check_does_not_stop_the_others(quick, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=("three", 11, 0)))
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found[0]["level"] == FAIL
    assert "TypeError" in found[0]["found"]
    assert len(found) > 10


def test_the_command_as_it_is_here(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    code = main(["doctor", "--json"])
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert {"python", "cuda", "threads", "memory", "rendering", "cache", "data", "data sets", "runs"} <= set(
        found
    )
    assert code == int(any(each["level"] == FAIL for each in found.values()))
    assert all(each["remedy"] for each in found.values() if each["level"] != OK)
    assert list(tmp_path.iterdir()) == []
