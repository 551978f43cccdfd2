"""Algorithms of other libraries: called by name alone, and treated like all others from there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from algorithms import ALGORITHMS, EXTERNAL
from bench.cli import main
from bench.errors import UserError
from bench.external.d3rlpy import config_type
from bench.plan import Request, plan
from bench.registry import code_hash, find_algorithms
from bench.runner import execute
from bench.settings import resolve
from suites import SUITES

ROOT = Path(__file__).parents[2]
SMALL = ["--tasks", "two-doors", "--seeds", "0-1", "--steps", "40", "--evaluations", "2", "--episodes", "2"]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def names(*sources):
    return [entry.name for entry in find_algorithms(sources, ALGORITHMS | EXTERNAL)]


def command(*words):
    """The command in a process of its own, which then says whether d3rlpy was imported."""
    code = (
        "import sys\nfrom bench.cli import main\ncode = main(sys.argv[1:])\n"
        "print('imported:', sorted({'d3rlpy', 'gym', 'sklearn'} & set(sys.modules)))\nsys.exit(code)"
    )
    words = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT)


def test_a_glob_of_names_stops_at_the_slash():
    pytest.importorskip("d3rlpy")
    assert names("d3rlpy/*") == list(EXTERNAL)
    assert names("*") == list(ALGORITHMS)
    assert names("c*l", "d3rlpy/c*l") == ["cql", "d3rlpy/cql", "d3rlpy/cal_ql"]
    assert names("cql", "cq*") == ["cql"]
    with pytest.raises(UserError, match=r"unknown algorithm 'd4rlpy/\*'"):
        names("d4rlpy/*")


def test_all_are_listed_and_none_is_imported_for_it():
    done = command("list", "algorithms")
    assert done.returncode == 0, done.stderr
    assert "imported: []" in done.stdout
    for name, algorithm in EXTERNAL.items():
        assert f"{name} " in done.stdout
        assert algorithm.headline in done.stdout


def test_a_run_of_our_own_imports_no_other_library(tmp_path):
    done = command("run", "diagnostic", "iql", *SMALL, "--results", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 runs finished" in done.stdout
    assert "imported: []" in done.stdout


def test_without_names_all_algorithms_of_our_own_run(monkeypatch, tmp_path):
    chosen = []
    monkeypatch.setattr("bench.executors.local.Local.execute", lambda _, jobs, __: chosen.extend(jobs))
    main(["run", "diagnostic", "--tasks", "gamble", "--results", str(tmp_path), "--jobs", "1"])
    assert [job.run.algorithm for job in chosen] == list(ALGORITHMS)


def test_a_library_that_is_not_installed_is_named_with_its_remedy(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "d3rlpy", None)
    config_type.cache_clear()  # as in a process that has not met it yet
    assert main(["run", "diagnostic", "d3rlpy/plas", "--set", "d3rlpy/plas.tau=1"]) == 2
    error = capsys.readouterr().err
    assert "pip install 'offline-bench[d3rlpy]'" in error
    assert error.count("\n") == 1


def test_the_code_of_a_run_is_that_of_the_adapter_and_the_version(monkeypatch):
    pytest.importorskip("d3rlpy")
    algorithm = EXTERNAL["d3rlpy/iql"]
    now = code_hash(algorithm)
    monkeypatch.setattr("bench.external.d3rlpy.version", lambda: "9")
    assert code_hash(algorithm) != now
    monkeypatch.undo()
    assert code_hash(algorithm) == now


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("d3rlpy/iqll", "unknown algorithm 'd3rlpy/iqll'; did you mean 'd3rlpy/iql'?"),
        (
            "d3rlpy/iql --set d3rlpy/iql.expectil=1",
            "d3rlpy/iql has no option 'expectil'; it has: activation,",
        ),
        ("d3rlpy/iql --set d3rlpy/iql.expectile=x", "d3rlpy/iql.expectile = 'x' is not a number"),
        ("d3rlpy/iql --set d3rlpy/iql.compile_graph=1", "d3rlpy/iql has no option 'compile_graph'"),
        ("d3rlpy/crr --set d3rlpy/crr.weight_type=log", "'log' is not one of exp, binary"),
        (
            "d3rlpy/iql --set hidden=",
            "d3rlpy/iql: hidden is empty, and networks of d3rlpy need a hidden layer",
        ),
        (
            "d3rlpy/iql --set hidden=64,0",
            "d3rlpy/iql.hidden = '64,0' cannot be used; give sizes of at least 1",
        ),
        ("d3rlpy/iql --set gamma=1.5", "d3rlpy/iql.gamma = 1.5 cannot be used; give a number from 0 to 1"),
        ("d3rlpy/cql --set temp_learning_rate=-1", "d3rlpy/cql.temp_learning_rate = -1.0 cannot be used"),
        ("d3rlpy/bc --precision bf16", "--precision bf16 is not for d3rlpy/bc"),
    ],
)
def test_a_mistake_is_said_in_one_line(capsys, tmp_path, words, said):
    pytest.importorskip("d3rlpy")
    words = ["run", "diagnostic", *words.split(), "--device", "cpu", "--results", str(tmp_path)]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_options_that_the_library_refuses_are_an_error_of_the_run(capsys, tmp_path):
    pytest.importorskip("d3rlpy")
    both = ["--set", "soft_q_backup=true", "--set", "max_q_backup=true", "--results", str(tmp_path)]
    assert main(["run", "diagnostic", "d3rlpy/cql", *SMALL, *both, "--jobs", "1"]) == 1
    error = capsys.readouterr().err
    assert "two-doors · d3rlpy/cql: d3rlpy refuses these options: soft_q_backup and max_q_backup" in error
    assert "Traceback" not in error


def test_what_suites_say_reaches_the_library_in_its_own_words():
    pytest.importorskip("d3rlpy")
    layers = {"suite": {"discount": 0.9, "lr": 0.1, "hidden": (4,), "other": 1}, "task": {"target_rate": 0.2}}
    resolved = resolve("d3rlpy/cql", EXTERNAL["d3rlpy/cql"], "a/b", layers, {"temp_learning_rate": 0.5})
    config = resolved.config
    assert (config.gamma, config.tau, config.hidden) == (0.9, 0.2, (4,))
    assert config.actor_learning_rate == config.critic_learning_rate == config.alpha_learning_rate == 0.1
    assert config.temp_learning_rate == 0.5
    assert resolved.sources["tau"] == "task"


def test_a_run_is_recorded_reported_and_played_again_in_silence(tmp_path):
    pytest.importorskip("d3rlpy")
    words = ["run", "diagnostic", "d3rlpy/bc", "d3rlpy/bcq", *SMALL, "--results", tmp_path]
    words += ["--set", "d3rlpy/bc.learning_rate=0.01", "--set", "n_action_samples=3", "--jobs", "1"]
    done = command(*words, "--workers", "2")
    assert done.returncode == 0, done.stderr
    for noise in ("gym", "Gym", "Warning", "warning", "structlog"):
        assert noise not in done.stdout.replace("'gym'", "") + done.stderr
    assert "2 of 2 runs finished" in done.stdout
    folder = next((tmp_path / "runs/diagnostic/two-doors/d3rlpy-bc").iterdir())
    info = json.loads((folder / "run.json").read_text())
    assert (info["algorithm"], info["config"]["learning_rate"]) == ("d3rlpy/bc", 0.01)
    assert info["versions"]["d3rlpy"]
    assert "d3rlpy/bc --tasks two-doors" in info["command"]
    again = command(*words)
    assert "2 of 2 runs are finished already" in again.stderr
    report = command("report", "diagnostic", "--replicates", "20", "--results", tmp_path)
    assert "d3rlpy/bc (learning_rate=0.01)" in report.stdout
    assert "imported: []" in report.stdout
    played = command("evaluate", tmp_path, "--workers", "1")
    assert played.returncode == 0, played.stderr
    assert played.stdout.count("equal to the record") == 2, played.stdout


def test_a_run_that_was_interrupted_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    pytest.importorskip("d3rlpy")
    monkeypatch.setattr("bench.execution.CHECKPOINT_SECONDS", -1)
    (entry,) = find_algorithms(["d3rlpy/crr"], EXTERNAL)
    request = Request(tasks="gamble", seeds=(0, 1), steps=30, evaluations=1, episodes=2)
    (run,) = plan(SUITES["diagnostic"], [entry], request)
    task = SUITES["diagnostic"].task("gamble")

    def interrupt(progress):
        if progress.step >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(run, task, entry.algorithm, tmp_path / "cut", "cpu", interrupt)
    (checkpoint,) = tmp_path.rglob("checkpoint.safetensors")
    with safe_open(checkpoint, "pt") as file:
        assert 0 < int(file.metadata()["step"]) < 30
    for folder in ("cut", "whole"):
        execute(run, task, entry.algorithm, tmp_path / folder, "cpu")
    (cut,), (whole,) = ((tmp_path / name).rglob("weights.safetensors") for name in ("cut", "whole"))
    assert cut.read_bytes() == whole.read_bytes()


def test_who_continues_has_the_metrics_of_every_seed():
    pytest.importorskip("d3rlpy")
    (entry,) = find_algorithms(["d3rlpy/bc"], EXTERNAL)
    data = SUITES["diagnostic"].task("gamble").load()
    first, second = (entry.algorithm(entry.algorithm.Config()).population(data, (0, 1), "cpu") for _ in "12")
    first.update(2)
    first.newest[1] = {}  # as of a seed that diverged before its first update
    second.load_state_dict(first.state_dict(), 2)
    assert second.metrics() == first.metrics()
    assert second.metrics()[0]
