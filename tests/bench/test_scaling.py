"""Test-time scaling: network evaluations are exact, finished runs are kept, the files say what was recorded."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from algorithms import ALGORITHMS
from bench.algorithm import Algorithm, Network, Noise
from bench.cli import main
from bench.networks import MLP, Scalar, ValueMLP
from bench.records import read_runs
from bench.scaling.compute import milliseconds, network_evaluations

OBS, ACTION = 6, 3
TINY = ["--seeds", "0-1", "--steps", "4", "--episodes", "2", "--jobs", "1", "--replicates", "50"]

PLUGIN = '''
"""Best of N draws around a clone; `--set width=...` is trained with two widths."""
from dataclasses import dataclass
from bench.algorithm import Algorithm, BaseConfig, Network, Noise, Scaling
from bench.networks import TanhPolicy, ValueMLP

@dataclass(frozen=True)
class Config(BaseConfig):
    width: int = 4

@dataclass(frozen=True)
class Inference:
    candidates: int = 1

class Best(Algorithm):
    Config = Config
    Inference = Inference
    SCALING = Scaling(train={"width": (4, 8)}, test={"candidates": (1, 2)})
    def networks(self, obs_dim, action_dim):
        return {
            "actor": Network(TanhPolicy((obs_dim, self.config.width, action_dim)), 1e-3),
            "critic": Network(ValueMLP((obs_dim + action_dim, 4)), 1e-3),
        }
    def update(self, learner, batch, noise):
        return learner.minimize("actor", self.loss, batch, noise)
    def loss(self, nets, batch, noise):
        return (nets.actor(batch.obs) - batch.action).square().mean(), {}
    def act_noise(self, action_dim, inference):
        return {"z": Noise.normal(inference.candidates, action_dim)}
    def act(self, nets, obs, noise, inference):
        obs = obs[:, None].expand(-1, inference.candidates, -1)
        action = (nets.actor(obs) + 0.1 * noise.z).clamp(-1, 1)
        best = nets.critic(obs, action).argmax(1)
        return action.take_along_dim(best[:, None, None], 1)[:, 0]
'''


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def plugin(tmp_path) -> str:
    (tmp_path / "plug.py").write_text(PLUGIN)
    return f"{tmp_path / 'plug.py'}:Best"


def scaling(results: Path, algorithm: str, *words: str) -> int:
    return main(
        ["scaling", algorithm, "diagnostic", "--tasks", "gamble", *TINY, "--results", str(results), *words]
    )


def table(results: Path, name: str) -> list[dict[str, str]]:
    with open(results / "scaling" / "diagnostic" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def counted(name: str, **inference: int) -> int:
    algorithm = ALGORITHMS[name]
    return network_evaluations(algorithm(), OBS, ACTION, algorithm.Inference(**inference))


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
@pytest.mark.parametrize("candidates", [1, 2, 32])
def test_sorl_walks_every_candidate_and_judges_them_where_there_are_several(steps, candidates):
    judged = candidates if candidates > 1 else 0
    assert counted("sorl", steps=steps, candidates=candidates) == steps * candidates + judged


@pytest.mark.parametrize("candidates", [1, 2, 50])
def test_diffusion_ql_denoises_and_judges_every_candidate(candidates):
    steps = ALGORITHMS["diffusion_ql"].Config().denoise_timesteps
    assert counted("diffusion_ql", candidates=candidates) == candidates * (steps + 1)


def test_a_policy_without_candidates_is_one_evaluation():
    assert counted("bc") == 1


class Mixed(Algorithm):
    """Calls networks in all ways: broadcast, by keyword, with a number, with nothing, not at all."""

    def networks(self, obs_dim, action_dim):
        return {
            "critic": Network(ValueMLP((obs_dim + action_dim, 4), ensemble=2), 1e-3, target_rate=0.1),
            "actor": Network(Timed(obs_dim, action_dim), 1e-3),
            "temperature": Network(Scalar(1.0), 1e-3),
            "unused": Network(MLP((obs_dim, 1)), 1e-3),
        }

    def act_noise(self, action_dim, inference):
        return {"z": Noise.normal(5, action_dim)}

    def act(self, nets, obs, noise, inference):
        action = noise.z.movedim(1, 0) * nets.temperature()  # (5, E, A)
        nets.critic(obs, action)  # (2, 5, E): 5 rows
        nets.target_critic(obs[:, None], noise.z)  # 5 rows
        return nets.actor(obs=obs, time=torch.tensor(0.5))  # 1 row


class Timed(torch.nn.Module):
    def __init__(self, obs_dim, action_dim):
        super().__init__()
        self.body = MLP((obs_dim + 1, action_dim))

    def forward(self, obs, time):
        return self.body(torch.cat((obs, time.expand(*obs.shape[:-1], 1)), -1))


def test_rows_are_those_of_the_broadcast_inputs_and_an_ensemble_is_one_network():
    assert network_evaluations(Mixed(), OBS, ACTION, Mixed.Inference()) == 5 + 5 + 1


def test_milliseconds_have_the_layout_of_what_was_asked_and_leave_the_threads_alone():
    algorithm = ALGORITHMS["sorl"]
    settings = [algorithm.Inference(steps=steps) for steps in (1, 8)]
    instance = algorithm(algorithm.Config(hidden=(8,)))
    before = torch.get_num_threads()
    ms = milliseconds([(instance, settings), (instance, settings[:1])], OBS, ACTION, "cpu")
    assert [len(group) for group in ms] == [2, 1]
    assert min(x for group in ms for x in group) > 0
    assert torch.get_num_threads() == before


def test_the_command_end_to_end_and_finished_runs_are_not_trained_again(tmp_path, plugin, capsys):
    assert scaling(tmp_path, plugin) == 0
    said = capsys.readouterr().out
    assert "| plug.Best (width=8) [candidates=2]" in said
    assert "Protocol final: " in said
    rows = table(tmp_path, "plug.Best")
    assert [(r["width"], r["candidates"], r["network_evaluations"]) for r in rows] == [
        ("4", "1", "2"), ("4", "2", "4"), ("8", "1", "2"), ("8", "2", "4"),
    ]  # fmt: skip
    runs, _ = read_runs(tmp_path)
    assert [run.info["overrides"] for run in sorted(runs, key=lambda run: run.info["config"]["width"])] == [
        {"width": 4}, {"width": 8},
    ]  # fmt: skip
    for row in rows:
        run = next(run for run in runs if run.info["id"] == row["run"])
        reference = run.info["task_info"]["reference"]
        returns = [
            np.mean(line["returns"])
            for line in run.evaluations
            if line["inference"] == {"candidates": int(row["candidates"])}
        ]
        score = (np.mean(returns) - reference["random"]) / (reference["best"] - reference["random"])
        assert float(row["score"]) == pytest.approx(100 * score, abs=1e-3)
        assert float(row["low"]) <= float(row["score"]) <= float(row["high"])

    folder = tmp_path / "scaling" / "diagnostic"
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["plug.Best.csv", "plug.Best.png", "plug.Best.svg"]
    bytes_before = [hashlib.sha256(file.read_bytes()).digest() for file in files]
    stamps = [path.stat().st_mtime_ns for path in sorted((tmp_path / "runs").rglob("*.json*"))]
    for words in ([], ["--report-only"]):
        assert scaling(tmp_path, plugin, *words) == 0
        assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "runs").rglob("*.json*"))] == stamps
        assert [hashlib.sha256(file.read_bytes()).digest() for file in files] == bytes_before


def test_milliseconds_are_measured_again_where_they_are_unknown(tmp_path, plugin):
    scaling(tmp_path, plugin)
    file = tmp_path / "scaling" / "diagnostic" / "plug.Best.csv"
    before = table(tmp_path, "plug.Best")
    file.write_text(file.read_text().replace("cpu: ", "another: "))
    assert scaling(tmp_path, plugin, "--report-only") == 0
    after = table(tmp_path, "plug.Best")
    assert [row["score"] for row in after] == [row["score"] for row in before]
    assert all(row["device"].startswith("cpu: ") for row in after)


def test_what_is_not_recorded_is_named_with_its_command(tmp_path, plugin, capsys):
    words = "run diagnostic --tasks gamble --seeds 0-1 --steps 4 --evaluations 1 --episodes 2 --jobs 1"
    grid = ["--inference", "plug.Best.candidates=1,2"]
    command = [*words.split(), "--algorithm", plugin, "--set", "width=4", *grid, "--results", str(tmp_path)]
    assert main(command) == 0
    capsys.readouterr()
    assert scaling(tmp_path, plugin, "--report-only") == 0
    said = capsys.readouterr().out
    assert "(width=8) is not finished. Run: bench run diagnostic --algorithm" in said
    assert {row["width"] for row in table(tmp_path, "plug.Best")} == {"4"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("iql diagnostic", "iql declares no test-time axes; these do: diffusion_ql, idql, ifql, sorl"),
        ("sorll diagnostic", "unknown algorithm 'sorll'; did you mean 'sorl'?"),
        ("sorl diagnostics", "unknown suite 'diagnostics'"),
        ("sorl diagnostic --report-only", "none of these runs is finished in"),
        (
            "sorl diagnostic --set max_k_backprop=2",
            "--set max_k_backprop is an axis of bench scaling sorl; leave it out",
        ),
        (
            "sorl diagnostic --set sorl.denoise_timesteps=4",
            "inference steps = 8; it must be a power of two up to 4",
        ),
        ("sorl diagnostic --tasks nowhere", "no task of diagnostic matches 'nowhere'"),
        ("sorl diagnostic --set hiden=8", "did you mean 'hidden'?"),
    ],
)
def test_mistakes_are_said_in_one_line(tmp_path, capsys, words, said):
    assert main(["scaling", *words.split(), "--results", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "scaling").exists()


@pytest.mark.parametrize("name", [name for name, algorithm in ALGORITHMS.items() if algorithm.SCALING])
def test_every_declared_axis_is_an_option_with_values_that_are_allowed(name):
    algorithm = ALGORITHMS[name]
    for option, values in algorithm.SCALING.test.items():
        for value in values:
            algorithm().check_inference(algorithm.Inference(**{option: value}))
    for option, values in algorithm.SCALING.train.items():
        for value in values:
            algorithm.Config(**{option: value})
