"""The command line as its users meet it: what it prints, its exit codes, and how it says that it cannot."""

import json
import subprocess
import sys

import pytest

from algorithms import ALGORITHMS, EXTERNAL
from bench.cli import main

GOOD = '''
"""A clone of one layer."""
from dataclasses import dataclass
from bench.algorithm import Algorithm, BaseConfig, Network
from bench.networks import TanhPolicy

@dataclass(frozen=True)
class Config(BaseConfig):
    lr: float = 1e-3

class MyAlgo(Algorithm):
    Config = Config
    def networks(self, obs_dim, action_dim):
        return {"actor": Network(TanhPolicy((obs_dim, 8, action_dim)), self.config.lr)}
    def update(self, learner, batch, noise):
        return learner.minimize("actor", self.loss, batch, noise)
    def loss(self, nets, batch, noise):
        return (nets.actor(batch.obs) - batch.action).square().mean(), {}
    def act(self, nets, obs, noise, inference):
        return nets.actor(obs)
'''
SHORT = ["--steps", "20", "--evaluations", "2", "--episodes", "2", "--seeds", "0-1", "--jobs", "1"]


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def run(*words, results=None):
    return main([*map(str, words), *(["--results", str(results)] if results else [])])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run diagnostic iqll", "unknown algorithm 'iqll'; did you mean 'iql'?"),
        ("run diagnostics", "unknown suite 'diagnostics'; did you mean 'diagnostic'?"),
        (
            "run diagnostic --tasks two-window",
            "no task of diagnostic matches 'two-window'; it has: two-doors",
        ),
        ("run diagnostic --set iql.temprature=3", "iql has no option 'temprature'; it has: "),
        ("run diagnostic --set temprature=3", "unknown option 'temprature'"),
        ("run diagnostic --set iql.beta=high", "iql.beta = 'high' is not a number"),
        (
            "run diagnostic --set iql.hidden=a",
            "iql.hidden = 'a' is not a list of whole numbers such as 64,64",
        ),
        ("run diagnostic --set iql.beta", "write --set ALGORITHM.OPTION=VALUE"),
        ("run diagnostic --set sorl.max_k_backprop=3", "max_k_backprop = 3; it must be a power of two"),
        ("run diagnostic sorl --inference sorl.steps=3", "steps = 3; it must be a power of two up to 8"),
        ("run diagnostic sorl --inference steps=2", "is not of the form ALGORITHM.OPTION=VALUE,VALUE"),
        (
            "run diagnostic sorl --inference sorl.step=2",
            "sorl has no option 'step'; it has: candidates, steps",
        ),
        ("run diagnostic --seeds 5-1", "5-1 runs backwards; write 1-5"),
        ("run diagnostic --seeds 1,1", "names a seed twice"),
        ("run diagnostic --seeds x", "is not a list of seeds; write 0-4 or 0,2,7"),
        ("run diagnostic --steps 0", "'0' is not a whole number of 1 or more"),
        ("run diagnostic --steps 2", "evaluations do not fit into 2 steps"),
        ("run diagnostic --device tpu", "give auto, cpu or cuda"),
        ("run diagnostic --algorithm nowhere.py:A", "nowhere.py does not exist"),
        ("run", "the following arguments are required: SUITE"),
        ("frobnicate", "invalid choice: 'frobnicate'"),
        ("list tasks", "the following arguments are required: SUITE"),
        ("report diagnostic --protocol finale", "unknown protocol 'finale'; did you mean 'final'?"),
        ("report diagnostic --format pdf", "invalid choice: 'pdf'"),
    ],
)
def test_wrong_input_is_said_in_a_line_with_exit_code_2(capsys, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert run(*words.split()) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") <= 2
    assert "Traceback" not in err + out
    assert not list(tmp_path.glob("results/runs/*"))


@pytest.mark.parametrize("command", ["report diagnostic", "leaderboard"])
def test_a_report_on_an_empty_folder_says_what_to_run(capsys, tmp_path, command):
    assert run(*command.split(), results=tmp_path) == 2
    assert "Run: bench run" in capsys.readouterr().err


def test_a_results_folder_that_cannot_be_written_is_refused_before_training(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert run("run", "diagnostic", *SHORT, results=tmp_path / "file") == 2
    assert "choose another folder with --results" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def broken(:\n", ":1 does not import: SyntaxError"),
        ("import nothing_of_this_name\n", ":1 does not import: ModuleNotFoundError"),
        ("x = 1\nraise ValueError('no')\n", ":2 does not import: ValueError: no"),
        ("class Other: pass\n", "unknown class"),
        ("class MyAlgo: pass\n", "is not an algorithm; derive it from bench.algorithm.Algorithm"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_said_in_a_line(capsys, tmp_path, code, said):
    (tmp_path / "my_algo.py").write_text(code)
    assert run("run", "diagnostic", "--algorithm", f"{tmp_path}/my_algo.py:MyAlgo", results=tmp_path) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") <= 2


def test_a_plugin_runs_next_to_a_registered_algorithm_and_is_reported(capsys, tmp_path):
    (tmp_path / "my_algo.py").write_text(GOOD)
    plugin = f"{tmp_path}/my_algo.py:MyAlgo"
    words = ["run", "diagnostic", "bc", "--algorithm", plugin, "--tasks", "two-doors", *SHORT]
    assert run(*words, "--set", "hidden=8", results=tmp_path) == 0
    assert "2 of 2 runs finished" in capsys.readouterr().out
    assert run("report", "diagnostic", "--replicates", "50", results=tmp_path) == 0
    out = capsys.readouterr().out
    assert "my_algo.MyAlgo" in out
    assert run(*words, "--set", "hidden=8", results=tmp_path) == 0
    assert "2 of 2 runs are finished already" in capsys.readouterr().err


def test_a_plugin_runs_in_worker_processes_too(capsys, tmp_path):
    (tmp_path / "my_algo.py").write_text(GOOD)
    words = [
        "run",
        "diagnostic",
        "--algorithm",
        f"{tmp_path}/my_algo.py:MyAlgo",
        "--tasks",
        "two-doors,gamble",
    ]
    assert run(*words, *SHORT[:-1], "2", results=tmp_path) == 0
    assert "2 of 2 runs finished" in capsys.readouterr().out


def test_a_run_that_fails_stops_no_other_and_is_named(capsys, tmp_path):
    (tmp_path / "my_algo.py").write_text(GOOD.replace(".square().mean()", ".square()"))
    words = ["run", "diagnostic", "bc", "--algorithm", f"{tmp_path}/my_algo.py:MyAlgo", "--set", "hidden=8"]
    assert run(*words, "--tasks", "two-doors", *SHORT, results=tmp_path) == 1
    out, err = capsys.readouterr()
    assert "1 of 2 runs finished" in out
    assert "MyAlgo.loss returned shape" in err
    assert "did you forget .mean()?" in err


def test_an_exception_in_an_algorithm_is_one_line_and_leaves_its_trace_in_a_file(capsys, tmp_path):
    (tmp_path / "my_algo.py").write_text(
        GOOD.replace("nets.actor(batch.obs) -", "nets.actor(batch.obs)[:, :9, :9, 0] -")
    )
    plugin = f"{tmp_path}/my_algo.py:MyAlgo"
    assert (
        run("run", "diagnostic", "--algorithm", plugin, "--tasks", "two-doors", *SHORT, results=tmp_path) == 1
    )
    err = capsys.readouterr().err
    assert "IndexError: too many indices" in err
    assert "Traceback" not in err
    [trace] = tmp_path.glob("runs/*/*/*/*/error.txt")
    assert "my_algo.py" in trace.read_text()


def test_the_recorded_command_repeats_the_run(capsys, tmp_path):
    words = ["run", "diagnostic", "sorl", "--tasks", "two-doors", *SHORT, "--set", "sorl.hidden=8,8"]
    assert run(*words, "--inference", "sorl.steps=1,2", results=tmp_path) == 0
    [info] = tmp_path.glob("runs/*/*/*/*/run.json")
    command = json.loads(info.read_text())["command"].split()
    assert command[0] == "bench"
    assert run(*command[1:], results=tmp_path) == 0
    assert "1 of 1 runs are finished already" in capsys.readouterr().err


def test_lists_name_all_there_is(capsys):
    assert run("list", "algorithms") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [*ALGORITHMS, *EXTERNAL]
    assert run("list", "suites") == 0
    assert {"diagnostic", "classic"} <= {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert run("list", "tasks", "diagnostic") == 0
    assert len(capsys.readouterr().out.splitlines()) >= 6


def test_a_reader_that_closes_the_pipe_sees_no_traceback():
    command = f"{sys.executable} -m bench.cli list algorithms | head -n 0"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
