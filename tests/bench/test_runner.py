"""One run from start to records: skipping, killing, resuming, diverging."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from toy import TASK, Line, assert_equal_files, assert_equal_weights, folder_of, line_data, lines_of, runs_of

from algorithms.iql import IQL
from algorithms.sorl import SORL
from bench import checkpoint, execution, load_scores, records
from bench.algorithm import Algorithm, BaseConfig, Network
from bench.devices import resolve_device
from bench.errors import UserError
from bench.evaluator import Evaluator
from bench.lock import living_owner
from bench.networks import TanhPolicy
from bench.recorded import is_finished
from bench.runner import execute


@dataclass(frozen=True)
class ExplodingConfig(BaseConfig):
    hidden: tuple[int, ...] = (16, 16)


class Exploding(Algorithm):
    """Cloning, but one seed (the one whose first weight is largest) gets a NaN in every loss."""

    Config = ExplodingConfig

    def networks(self, obs_dim, action_dim):
        return {"actor": Network(TanhPolicy((obs_dim, *self.config.hidden, action_dim)), 1e-3)}

    def update(self, learner, batch, noise):
        return learner.minimize("actor", self.loss, batch, noise)

    def loss(self, nets, batch, noise):
        marked = nets.actor.layers[0].weight.detach()[0, 0] > 0.2
        return (nets.actor(batch.obs) - batch.action).square().mean() * torch.where(
            marked, torch.nan, 1.0
        ), {}

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs)


def test_a_run_leaves_complete_records(tmp_path):
    [run] = runs_of()
    assert not is_finished(run, tmp_path)
    summary = execute(run, TASK, IQL, tmp_path, "cpu")
    assert is_finished(run, tmp_path)
    lines = lines_of(folder_of(tmp_path))
    assert [(line["step"], line["seed"]) for line in lines] == [
        (s, i) for s in (20, 40, 60) for i in range(3)
    ]
    assert all(len(line["returns"]) == 4 and line["lengths"] == [10] * 4 for line in lines)
    assert summary["diverged"] == []
    info = json.loads((folder_of(tmp_path) / "run.json").read_text())
    assert info["task_info"]["identity"] == {"toy": "1", "dataset": line_data().sha256()}
    assert info["config"]["hidden"] == [16, 16]
    assert info["sources"]["hidden"] == "task"
    assert "--seeds 0,1,2" in info["command"]
    assert {name.split("/")[0] for name in load_file(folder_of(tmp_path) / "weights.safetensors")} == {
        "net",
        "obs",
    }
    assert not list(folder_of(tmp_path).glob("checkpoint*"))


def test_the_same_run_twice_has_the_same_records_and_weights(tmp_path):
    [run] = runs_of()
    for name in ("a", "b"):
        execute(run, TASK, IQL, tmp_path / name, "cpu")
    assert lines_of(folder_of(tmp_path / "a")) == lines_of(folder_of(tmp_path / "b"))
    assert_equal_weights(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("moment", [1, 2, 3, 4, 5, 6])
def test_a_run_that_stops_anywhere_continues_to_the_same_records(tmp_path, moment):
    [run] = runs_of()
    execute(run, TASK, IQL, tmp_path / "whole", "cpu")
    calls = 0

    def stop(progress):
        nonlocal calls
        calls += 1
        if calls == moment:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(run, TASK, IQL, tmp_path / "cut", "cpu", stop)
    execute(run, TASK, IQL, tmp_path / "cut", "cpu")
    assert lines_of(folder_of(tmp_path / "cut")) == lines_of(folder_of(tmp_path / "whole"))
    assert_equal_weights(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-30], lambda text: text.replace('"seed": 1', '"se', 1)]
)
def test_a_finished_run_with_a_damaged_line_is_unfinished_again_and_completed(tmp_path, damage):
    [run] = runs_of()
    execute(run, TASK, IQL, tmp_path / "whole", "cpu")
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    file = folder_of(tmp_path / "cut") / "evaluations.jsonl"
    file.write_text(damage(file.read_text()))
    assert is_finished(run, tmp_path / "whole")
    assert not is_finished(run, tmp_path / "cut")
    execute(run, TASK, IQL, tmp_path / "cut", "cpu")
    assert is_finished(run, tmp_path / "cut")
    whole, cut = (records.read_run(folder_of(tmp_path / name))[0].evaluations for name in ("whole", "cut"))
    key = lambda line: (line["step"], line["seed"])  # noqa: E731
    assert [(key(a), a["returns"]) for a in sorted(whole, key=key)] == [
        (key(b), b["returns"]) for b in sorted(cut, key=key)
    ]
    assert_equal_weights(tmp_path / "whole", tmp_path / "cut")


def test_a_diverged_seed_is_recorded_and_the_others_go_on(tmp_path):
    [run] = runs_of(Exploding)
    summary = execute(run, TASK, Exploding, tmp_path, "cpu")
    lost = set(summary["diverged"])
    assert 0 < len(lost) < 3  # otherwise the threshold in Exploding marks none or all of the seeds
    for line in lines_of(folder_of(tmp_path)):
        assert (line["status"] == "diverged") == (line["seed"] in lost)
        assert (line["returns"] is None) == (line["seed"] in lost)
    scores = load_scores(tmp_path)
    assert set(scores.seed) == {0, 1, 2}
    assert scores[scores.seed.isin(lost)].score.isna().all()
    assert scores[~scores.seed.isin(lost)].score.notna().all()


def test_results_that_cannot_be_written_are_an_error_of_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    [run] = runs_of()
    with pytest.raises(UserError, match="choose another --results"):
        execute(run, TASK, IQL, tmp_path / "file", "cpu")


def test_an_unknown_device_is_refused():
    with pytest.raises(UserError, match="give auto, cpu or cuda"):
        resolve_device("tpu9")


def test_normalized_observations_are_normalized_for_the_policy_too(tmp_path):
    [run] = runs_of(overrides=["algo.normalize_obs=true"])
    execute(run, TASK, IQL, tmp_path, "cpu")
    weights = load_file(folder_of(tmp_path) / "weights.safetensors")
    torch.testing.assert_close(weights["obs/mean"], line_data().obs.mean(0))


KILL_ARGUMENTS = ["diagnostic", "bc", "iql", "--tasks", "two-doors", "--steps", "600", "--evaluations", "6",
                  "--seeds", "0-1", "--episodes", "2", "--set", "hidden=16,16"]  # fmt: skip


def bench_run(results, jobs=1):
    words = [
        sys.executable,
        "-m",
        "bench.cli",
        "run",
        *KILL_ARGUMENTS,
        "--results",
        str(results),
        "--jobs",
        str(jobs),
    ]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("jobs", [1, 2])
def test_kill_9_in_the_middle_repeats_nothing_and_changes_nothing(tmp_path, jobs):
    whole = bench_run(tmp_path / "whole")
    assert whole.wait() == 0, whole.stdout.read()
    while True:
        killed = bench_run(tmp_path / "killed", jobs)
        wait_for(killed, tmp_path / "killed" / "runs", "*/*/iql/*/evaluations.jsonl")  # its first of six
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        folders = list((tmp_path / "killed").glob("runs/*/*/*/*"))
        while any(map(living_owner, folders)):  # its processes end by themselves
            time.sleep(0.01)
        [cut] = (tmp_path / "killed" / "runs" / "diagnostic" / "two-doors" / "iql").iterdir()
        if not (cut / "summary.json").exists():
            break
        shutil.rmtree(tmp_path / "killed")  # on a busy machine the blow may come too late
    before = (cut / "evaluations.jsonl").read_text()
    finished = list(tmp_path.glob("killed/runs/*/*/bc/*/summary.json"))  # with two jobs: or not yet
    again = bench_run(tmp_path / "killed", jobs)
    said = again.communicate()[0]
    assert again.returncode == 0
    assert ("1 of 2 runs are finished already" in said) == bool(finished)
    assert finished or jobs == 2
    after = (cut / "evaluations.jsonl").read_text()
    assert after.startswith(before[: before.rfind("\n") + 1])
    for name in ("bc", "iql"):
        first, second = (
            (tmp_path / side / "runs/diagnostic/two-doors" / name) for side in ("whole", "killed")
        )
        assert lines_of(next(first.iterdir())) == lines_of(next(second.iterdir()))
        assert_equal_files(next(first.iterdir()), next(second.iterdir()))


def wait_for(process, folder, glob):
    while not any(path.stat().st_size for path in folder.glob(glob)):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)


class Endless(Line):
    """Its first evaluation ends; the second one does not."""

    resets = 0

    def reset(self, rows, seeds):
        Endless.resets += 1
        return super().reset(rows, seeds)

    def step(self, rows, action):
        if Endless.resets > 1:
            time.sleep(600)
        return super().step(rows, action)


def test_ctrl_c_does_not_wait_for_an_evaluation_that_runs_beside_training(tmp_path):
    [run] = runs_of()

    def interrupt(progress):
        if progress.step > 40:
            raise KeyboardInterrupt

    task, start = replace(TASK, environments=Endless), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        execute(run, task, IQL, tmp_path, "cpu", interrupt, workers=2)
    assert time.monotonic() - start < 500  # less than a single step of theirs
    [resumed] = execute(run, TASK, IQL, tmp_path, "cpu")["resumed"]
    assert 20 < resumed <= 40  # after the first evaluation, which also ran beside training


def test_a_run_whose_evaluations_take_longer_than_training_between_them_has_checkpoints(
    tmp_path, monkeypatch
):
    [run], saved = runs_of(steps=12, evaluations=4), []
    save = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda folder, new: [saved.append(new.step), save(folder, new)])
    monkeypatch.setattr(Evaluator, "done", False)  # no result is there before somebody waits for it
    execute(run, TASK, IQL, tmp_path, "cpu", workers=2)
    assert saved == [6, 9, 12, 12]


@pytest.mark.parametrize("inference", [[], ["algo.candidates=1,2"]])
def test_processes_that_step_environments_change_nothing_but_the_time(tmp_path, inference):
    algorithm = SORL if inference else IQL
    [run] = runs_of(algorithm, inferences=inference)
    for workers in (1, 2):
        execute(run, TASK, algorithm, tmp_path / str(workers), "cpu", workers=workers)
    alone, beside = (folder_of(tmp_path / str(workers)) for workers in (1, 2))
    assert sorted(map(str, lines_of(alone))) == sorted(map(str, lines_of(beside)))
    assert len(lines_of(alone)) == 3 * 3 * (2 if inference else 1)
    for name, tensor in load_file(alone / "weights.safetensors").items():
        assert torch.equal(tensor, load_file(beside / "weights.safetensors")[name])


def test_no_checkpoint_lies_beyond_an_evaluation_that_is_not_recorded(tmp_path, monkeypatch):
    """Who is killed while an evaluation runs beside training must not lose it."""
    seen = []
    save = execution.Execution._checkpoint

    def watched(self):
        stored = save(self)
        path = self.folder / "checkpoint.safetensors"
        if path.exists():
            with safe_open(path, "pt") as file:
                step = int(file.metadata()["step"])
            written = (self.folder / "evaluations.jsonl").exists()
            recorded = {line["step"] for line in lines_of(self.folder)} if written else set()
            seen.append(step)
            assert {goal for goal in self.run.eval_steps if goal < step} <= recorded
        return stored

    monkeypatch.setattr(execution.Execution, "_checkpoint", watched)
    monkeypatch.setattr(execution, "CHECKPOINT_SECONDS", 0)
    [run] = runs_of()
    execute(run, TASK, IQL, tmp_path, "cpu", workers=2)
    assert seen


def test_the_summary_says_how_long_training_stood_still_and_how_updates_were_executed(tmp_path):
    [run] = runs_of()
    summary = execute(run, TASK, IQL, tmp_path, "cpu")
    assert 0 < summary["eval_seconds"] <= summary["waiting_seconds"]
    assert summary["execution"] == "recorded"


def test_the_precision_is_recorded_and_sets_a_run_apart(tmp_path):
    [usual], [coarse] = runs_of(), runs_of(precision="bf16")
    assert usual.id != coarse.id
    assert coarse.command().endswith("--precision bf16")
    for run in (usual, coarse):
        execute(run, TASK, IQL, tmp_path, "cpu")
    found, _ = records.read_runs(tmp_path)
    assert sorted(records.variant_label(run.info) for run in found) == ["", "precision=bf16"]
    first, second = (load_file(run.path / "weights.safetensors") for run in found)
    assert all(tensor.dtype == torch.float32 for tensor in (*first.values(), *second.values()))
    assert any(not torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_seeds_in_groups_are_the_same_seeds(tmp_path):
    [whole] = runs_of()
    groups = runs_of(group=2)
    assert [run.seeds for run in groups] == [(0, 1), (2,)]
    for name, runs in (("whole", [whole]), ("groups", groups)):
        for run in runs:
            execute(run, TASK, IQL, tmp_path / name, "cpu")
    of_whole, of_groups = (load_scores(tmp_path / name) for name in ("whole", "groups"))
    keys = ["seed", "step", "episode"]
    of_whole, of_groups = (table.sort_values(keys).reset_index() for table in (of_whole, of_groups))
    assert np.allclose(of_whole["return"], of_groups["return"], atol=1e-3)


def test_every_evaluation_is_followed_by_a_checkpoint_however_short_the_time_between_them(tmp_path):
    [run] = runs_of()
    seen = []

    def stop(progress):
        file = tmp_path / "runs" / "toy" / "line" / "algo" / run.id / "checkpoint.safetensors"
        seen.append((progress.step, file.exists()))
        if progress.step > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(run, TASK, IQL, tmp_path, "cpu", stop)
    assert not any(there for step, there in seen if step < 20)
    assert seen[-1][1]
    assert execute(run, TASK, IQL, tmp_path, "cpu")["resumed"] == [20]
