"""Environments and algorithms that go wrong: said in one sentence, and nothing of it is scored."""

import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from child import Child, finish, run_of
from faulty import InfiniteReward, Looping, NanObservation, Raising, Sleeping, Stuck, run_on
from toy import TASK, Line, folder_of, lines_of, runs_of

from algorithms.iql import IQL
from bench import records, watchdog
from bench.algorithm import Algorithm, BaseConfig, Every, Network
from bench.errors import UserError
from bench.executors.interface import Job
from bench.executors.local import Local
from bench.networks import TanhPolicy
from bench.recorded import folder_of as folder_of_run
from bench.recorded import is_finished
from bench.remote import RemoteEnvironments
from bench.runner import execute

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("quick")]


FAULTS = {
    Raising: ("an environment raises", r"^OSError: the simulator is gone; the trace is in .*error\.txt$"),
    NanObservation: (
        "an environment answers NaN",
        r"answered with a non-finite observation \(seed 0, episode 0",
    ),
    InfiniteReward: ("an environment pays -infinity", r"non-finite reward \(seed 0, episode 3, step 4\)"),
    Sleeping: (
        "an environment hangs, waiting",
        r"^the environments hang: no step or reset ended within 2 s",
    ),
    Looping: ("an environment hangs, computing", r"^the environments hang: no step or reset ended"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_an_environment_that_goes_wrong(tmp_path, row, fault) -> None:
    what, sentence = FAULTS[fault]
    run, other = run_on(fault.__name__), run_on("sound", steps=30)
    events = []
    jobs = [Job(each, "faulty:work", str(tmp_path)) for each in (run, other)]
    Local().execute(jobs, lambda event: event.progress or events.append(event))
    failed, passed = events
    with pytest.raises(UserError, match=sentence):
        raise UserError(failed.error)
    assert "\n" not in failed.error
    assert passed.summary is not None
    folder = folder_of_run(run, tmp_path)
    assert {line["step"] for line in lines_of(folder)} == {20}
    assert (folder / "error.txt").exists() == (fault is Raising)
    execute(run, TASK, IQL, tmp_path, "cpu")
    execute(run, TASK, IQL, tmp_path / "whole", "cpu")
    assert lines_of(folder) == lines_of(folder_of_run(run, tmp_path / "whole"))
    row(what, 1, "one sentence; other runs went on; resumed when it was repaired")


def test_an_environment_that_hangs_in_compiled_code_ends_its_process(tmp_path, whole, row) -> None:
    outcome = Child(tmp_path, environments=Stuck).wait()
    assert outcome == {"exitcode": 1}
    trace = (folder_of(tmp_path) / "error.txt").read_text()
    assert "Timeout" in trace
    assert "in fault" in trace
    finish(tmp_path)
    assert lines_of(folder_of(tmp_path)) == lines_of(folder_of(whole))
    row("an environment hangs in compiled code", 1, "its process ended, the trace in error.txt; resumed")


@pytest.mark.whole
def test_beside_others_only_the_run_fails_whose_environment_hangs_in_compiled_code(tmp_path, row) -> None:
    runs = [run_on("Stuck"), run_on("sound"), run_on("other"), run_on("another")]
    ends = {}
    jobs = [Job(run, "faulty:work", str(tmp_path)) for run in runs]
    Local(processes=2).execute(jobs, lambda event: event.progress or ends.update({event.run: event}))
    trace = folder_of_run(runs[0], tmp_path) / "error.txt"
    assert ends[runs[0]].error.startswith(f"its process ended with exit code 1; the trace is in {trace}")
    assert "in fault" in trace.read_text()
    assert all(ends[run].summary and is_finished(run, tmp_path) for run in runs[1:])
    row(
        "an environment hangs in compiled code, --jobs 2",
        1,
        "its run failed, which names error.txt; others went on",
    )


class Silent(Line):
    def step(self, rows, action):
        time.sleep(1000)


def test_an_environment_that_hangs_in_a_process_of_its_own(monkeypatch, row) -> None:
    environments = RemoteEnvironments(Silent, 4, 2)
    environments.reset(np.arange(4), [0, 1, 2, 3])
    monkeypatch.setattr(watchdog, "LIMIT_SECONDS", 0.5)
    with pytest.raises(UserError, match="the environments hang"):
        environments.step(np.arange(4), np.zeros((4, 1)))
    environments.close()
    assert not any(process.is_alive() for process in environments.processes)
    row("an environment hangs beside training", 1, "one sentence; its processes ended")


@dataclass(frozen=True)
class PoisonedConfig(BaseConfig):
    hidden: tuple[int, ...] = (16, 16)
    poisoned: bool = True


class Poisoned(Algorithm):
    """Cloning; at update 25 the loss of one seed, the one whose first weight is largest, is NaN."""

    Config = PoisonedConfig

    def networks(self, obs_dim, action_dim):
        return {"actor": Network(TanhPolicy((obs_dim, *self.config.hidden, action_dim)), 1e-3)}

    def noise(self, batch_size, action_dim):
        return {"late": Every(25)}

    def update(self, learner, batch, noise):
        return learner.minimize("actor", self.loss, batch, noise)

    def loss(self, nets, batch, noise):
        loss = (nets.actor(batch.obs) - batch.action).square().mean()
        marked = nets.actor.layers[0].weight.detach()[0, 0] > 0.2
        poison = torch.where(marked, torch.nan, 1.0)
        return loss * (poison if noise.late and self.config.poisoned else 1.0), {}

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs)


def test_a_seed_that_diverges_leaves_the_bits_of_its_neighbours(tmp_path, row) -> None:
    from safetensors.torch import load_file

    found = {}
    for name, overrides in (("poisoned", []), ("sound", ["algo.poisoned=false"])):
        [run] = runs_of(Poisoned, overrides=overrides)
        summary = execute(run, TASK, Poisoned, tmp_path / name, "cpu")
        folder = folder_of(tmp_path / name)
        found[name] = (lines_of(folder), load_file(folder / "weights.safetensors"), summary["diverged"])
    lines, weights, lost = found["poisoned"]
    others, sound, none = found["sound"]
    assert none == []
    assert 0 < len(lost) < 3
    for line, other in zip(lines, others, strict=True):
        if line["seed"] in lost and line["step"] > 25:
            assert (line["status"], line["returns"]) == ("diverged", None)
        else:
            assert line == other
    kept = [seed for seed in range(3) if seed not in lost]
    for name in (name for name in weights if name.startswith("net/")):
        assert torch.equal(weights[name][kept], sound[name][kept]), name
    row("a seed diverges at update 25", 1, "recorded as diverged; its neighbours equal bit for bit")


def jumping_clocks() -> None:
    """Both clocks go back or forth by up to a day whenever they are read."""
    jumps = np.random.default_rng(0)
    for name in ("time", "monotonic"):
        true = getattr(time, name)
        setattr(time, name, lambda true=true: true() + jumps.uniform(-86_400, 86_400))


def test_clocks_that_jump(tmp_path, whole, often, row) -> None:
    times = often(1, 5)
    for number in range(times):
        outcome = Child(tmp_path / str(number), prepare=jumping_clocks).wait()
        summary = outcome["summary"]
        assert all(summary[f"{what}_seconds"] >= 0 for what in ("train", "eval", "waiting"))
        found, _ = records.read_run(folder_of(tmp_path / str(number)))
        assert found is not None
        assert all(line["seconds"] >= 0 for line in found.evaluations)
        assert lines_of(found.path) == lines_of(folder_of(whole))
        assert is_finished(run_of(), tmp_path / str(number))
    row("clocks that jump by up to a day", times, "same records; no negative seconds")
