"""Each check must fail on an algorithm that breaks its rule, with a message that says what is wrong."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench import cli, conformance
from bench.algorithm import Algorithm, BaseConfig, Batch, Choice, Every, Network, Noise
from bench.conformance import check
from bench.networks import TanhPolicy, ValueMLP


@dataclass(frozen=True)
class Config(BaseConfig):
    lr: float = 1e-3
    hidden: tuple[int, ...] = (64, 64)


class Good(Algorithm):
    """A small actor-critic that uses every part of the interface and keeps every rule."""

    Config: Any = Config

    def networks(self, obs_dim: int, action_dim: int) -> dict[str, Network]:
        c = self.config
        actor = TanhPolicy((obs_dim, *c.hidden, action_dim))
        critic = ValueMLP((obs_dim + action_dim, *c.hidden), ensemble=2)
        return {
            "actor": Network(actor, c.lr, schedule="cosine", clip_norm=1.0),
            "critic": Network(critic, c.lr, target_rate=0.1),
        }

    def noise(self, batch_size: int, action_dim: int) -> Mapping[str, Noise | Choice | Every]:
        return {"z": Noise.normal(batch_size, action_dim), "scale": Choice(0.1, 0.2), "late": Every(2)}

    def update(self, learner: Any, batch: Batch, noise: Any) -> dict[str, Tensor]:
        metrics = learner.minimize("critic", self.critic_loss, batch, noise)
        if noise.late:
            metrics |= learner.minimize("actor", self.actor_loss, batch, noise)
            learner.update_target("critic")
        return metrics

    def critic_loss(self, nets: Any, batch: Batch, noise: Any) -> tuple[Tensor, dict[str, Tensor]]:
        next_action = (nets.actor(batch.next_obs) + noise.scale * noise.z).clamp(-1, 1)
        target = batch.reward + (1 - batch.terminal) * nets.target_critic(batch.next_obs, next_action).amin(0)
        q = nets.critic(batch.obs, batch.action)
        return (q - target).square().mean(), {"q": q.mean()}

    def actor_loss(self, nets: Any, batch: Batch, noise: Any) -> tuple[Tensor, dict[str, Tensor]]:
        action = nets.actor(batch.obs)
        return (action - batch.action).square().mean() - nets.critic(batch.obs, action).mean(), {}

    def act_noise(self, action_dim: int, inference: Any) -> Mapping[str, Noise]:
        return {"candidates": Noise.normal(4, action_dim)}

    def act(self, nets: Any, obs: Tensor, noise: Any, inference: Any) -> Tensor:
        """The best of four candidates by the critic."""
        actions = (nets.actor(obs)[:, None] + 0.1 * noise.candidates).clamp(-1, 1)  # (E, 4, A)
        q = nets.critic(self.rows(obs), actions.flatten(0, 1)).amin(0).view(-1, 4)
        best = q.argmax(-1)[:, None, None].expand(-1, 1, actions.shape[-1])
        return actions.gather(1, best)[:, 0]

    def rows(self, obs: Tensor) -> Tensor:
        """Every observation as often as it has candidates: (E, D) -> (4 E, D)."""
        return obs.repeat_interleave(4, 0)


class WrongPairs(Good):
    def rows(self, obs: Tensor) -> Tensor:
        return obs.repeat(4, 1)  # s1 s2 ... s1 s2 ..., while the actions are a11 a12 a13 a14 a21 ...


class OwnRandomness(Good):
    def actor_loss(self, nets: Any, batch: Batch, noise: Any) -> Any:
        action = nets.actor(batch.obs) + torch.randn_like(batch.action)
        return (action - batch.action).square().mean(), {}


class OwnRandomnessOutside(Good):
    def update(self, learner: Any, batch: Batch, noise: Any) -> Any:
        loud = batch._replace(reward=batch.reward + torch.randn(batch.reward.shape[-1]))
        return super().update(learner, loud, noise)


class OwnRandomnessInActing(Good):
    def act(self, nets: Any, obs: Tensor, noise: Any, inference: Any) -> Tensor:
        return (nets.actor(obs) + torch.randn(obs.shape[0], 1)).clamp(-1, 1)


class VectorLoss(Good):
    def actor_loss(self, nets: Any, batch: Batch, noise: Any) -> Any:
        return (nets.actor(batch.obs) - batch.action).square().mean(-1), {}


class OutOfBounds(Good):
    def act(self, nets: Any, obs: Tensor, noise: Any, inference: Any) -> Tensor:
        return nets.actor(obs) + noise.candidates[:, 0]


class NotFinite(Good):
    def act(self, nets: Any, obs: Tensor, noise: Any, inference: Any) -> Tensor:
        return nets.actor(obs) / 0.0 * 0.0


class ChangesInPlace(Good):
    def actor_loss(self, nets: Any, batch: Batch, noise: Any) -> Any:
        with torch.no_grad():
            nets.critic.layers[0].bias.mul_(0.9).add_(0.01)
        return super().actor_loss(nets, batch, noise)


class ChangesParams(Good):
    def update(self, learner: Any, batch: Batch, noise: Any) -> Any:
        with torch.no_grad():
            for parameter in learner.params["actor"].values():
                parameter.mul_(0.999)
        return learner.minimize("critic", self.critic_loss, batch, noise)


class MovesTargetItself(Good):
    def update(self, learner: Any, batch: Batch, noise: Any) -> Any:
        for name, parameter in learner.params["critic"].items():
            learner.params["target_critic"][name].copy_(parameter.detach())
        return learner.minimize("critic", self.critic_loss, batch, noise)


class HiddenState(Good):
    """Counts its updates in itself: lost when a run is continued."""

    count = 0

    def update(self, learner: Any, batch: Batch, noise: Any) -> Any:
        self.count += 1
        return super().update(learner, batch._replace(reward=batch.reward * self.count), noise)


class SharedState(Good):
    """Remembers in the class: a second run starts where the first one ended."""

    memory: list[float] = []

    def update(self, learner: Any, batch: Batch, noise: Any) -> Any:
        self.memory.append(1.0)
        return super().update(learner, batch._replace(reward=batch.reward * len(self.memory)), noise)


class MixesSeeds(Good):
    def update(self, learner: Any, batch: Batch, noise: Any) -> Any:
        centred = batch._replace(reward=batch.reward - batch.reward.mean())  # over the seeds as well
        return super().update(learner, centred, noise)


class RandomBuffer(Good):
    """Random features in a buffer, which is not stacked: all seeds of a group share those of the first."""

    def networks(self, obs_dim: int, action_dim: int) -> dict[str, Network]:
        networks = super().networks(obs_dim, action_dim)
        networks["actor"].module.register_buffer("shift", torch.randn(action_dim))
        return networks

    def actor_loss(self, nets: Any, batch: Batch, noise: Any) -> Any:
        return (nets.actor(batch.obs) - nets.actor.shift).square().mean(), {}


class SqueezesAction(Good):
    def act(self, nets: Any, obs: Tensor, noise: Any, inference: Any) -> Tensor:
        return nets.actor(obs).squeeze(-1)


class MixesObservations(Good):
    def act(self, nets: Any, obs: Tensor, noise: Any, inference: Any) -> Tensor:
        return nets.actor(obs - obs.mean(0))


class Explodes(Good):
    def actor_loss(self, nets: Any, batch: Batch, noise: Any) -> Any:
        return (nets.actor(batch.obs) * 1e30).square().square().mean(), {}


class ForgetsMetrics(Good):
    def update(self, learner: Any, batch: Batch, noise: Any) -> Any:
        super().update(learner, batch, noise)


class RaisesItself(Good):
    def actor_loss(self, nets: Any, batch: Batch, noise: Any) -> Any:
        return [][batch.obs.dim()], {}


class NotFrozen(Good):
    @dataclass
    class Config:
        batch_size: int = 256


class NotADataclass(Good):
    class Config(BaseConfig):
        pass

    class Inference:
        pass


class OtherBase(Good):
    @dataclass(frozen=True)
    class Config:
        batch_size: int = 256


class WithoutDefault(Good):
    @dataclass(frozen=True, kw_only=True)
    class Config(BaseConfig):
        beta: float


class WithoutInferenceDefault(Good):
    @dataclass(frozen=True)
    class Inference:
        steps: int


OPTIONS, WORKS, CHANGES, TWICE, GROUP, PLAIN, BOUNDS, ALONE, CONTINUES = conformance.CHECKS

BROKEN: dict[type[Algorithm], tuple[str, list[str]]] = {
    OwnRandomness: (
        WORKS,
        ["OwnRandomness.actor_loss draws its own random numbers", "declare them in noise()"],
    ),
    OwnRandomnessOutside: (
        TWICE,
        ["differs between two equal runs", "randomness that noise() does not declare"],
    ),
    OwnRandomnessInActing: (WORKS, ["OwnRandomnessInActing.act draws its own random numbers", "act_noise()"]),
    VectorLoss: (WORKS, ["VectorLoss.actor_loss returned shape (32,)", "did you forget .mean()?"]),
    OutOfBounds: (BOUNDS, ["act returned an action of", "actions lie in [-1, 1]"]),
    NotFinite: (BOUNDS, ["an action that is not finite"]),
    ChangesInPlace: (CHANGES, ["actor_loss changes critic in place", "a loss changes nothing"]),
    ChangesParams: (CHANGES, ["update changes actor", "only through learner.minimize"]),
    MovesTargetItself: (CHANGES, ["update changes target_critic", "learner.update_target"]),
    HiddenState: (CONTINUES, ["differs after saving and loading", "state outside the networks"]),
    SharedState: (TWICE, ["differs between two equal runs", "state outside the networks"]),
    MixesSeeds: (GROUP, ["between seed 0 in a group and alone"]),
    RandomBuffer: (GROUP, ["between seed 3 in a group and alone"]),
    WrongPairs: (ALONE, ["the same observation gets another action", "paired with their own observation"]),
    MixesObservations: (ALONE, ["when other observations are in the batch"]),
    SqueezesAction: (WORKS, ["act returned shape (5,) for 5 observations, not (5, 1)"]),
    Explodes: (WORKS, ["parameters are not finite after 20 updates"]),
    ForgetsMetrics: (WORKS, ["ForgetsMetrics.update must return a dict of metrics"]),
    RaisesItself: (WORKS, [f"{__file__}:", "IndexError: list index out of range"]),
    NotFrozen: (OPTIONS, ["Config is not a frozen dataclass", "@dataclass(frozen=True)"]),
    OtherBase: (OPTIONS, ["Config does not extend BaseConfig", "class Config(BaseConfig)"]),
    NotADataclass: (OPTIONS, ["Inference is not a frozen dataclass"]),
    WithoutDefault: (OPTIONS, ["Config.beta has no default value"]),
    WithoutInferenceDefault: (OPTIONS, ["Inference.steps has no default value"]),
}


@pytest.mark.parametrize("algorithm", BROKEN, ids=lambda algorithm: algorithm.__name__)
def test_a_broken_algorithm_fails_the_check_of_the_rule_that_it_breaks(algorithm: type[Algorithm]) -> None:
    name, words = BROKEN[algorithm]
    result = next(result for result in check(algorithm) if not result.passed)
    assert result.name == name, result.message
    for word in words:
        assert word in result.message
    assert "\n" not in result.message


def test_an_algorithm_that_keeps_the_rules_passes_every_check() -> None:
    results = list(check(Good))
    assert [(r.name, r.passed, r.message) for r in results] == [(n, True, "") for n in conformance.CHECKS]


def test_after_an_algorithm_that_does_not_run_nothing_more_is_checked() -> None:
    assert [(r.name, r.passed) for r in check(NotFrozen)] == [(OPTIONS, False)]
    assert [(r.name, r.passed) for r in check(VectorLoss)] == [(OPTIONS, True), (WORKS, False)]


def test_after_another_failure_the_remaining_checks_are_made() -> None:
    results = list(check(MovesTargetItself))
    assert [r.name for r in results] == list(conformance.CHECKS)
    assert results[-1].passed


def test_checking_leaves_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    for function in (conformance.runs, conformance.equals_a_plain_loop):
        function(Good)
    assert torch.equal(torch.random.get_rng_state(), state)


PLUGIN = """
from bench.algorithm import Algorithm, Network
from bench.networks import TanhPolicy


class Mine(Algorithm):
    def networks(self, obs_dim, action_dim):
        return {"actor": Network(TanhPolicy((obs_dim, 8, action_dim)), 1e-3)}

    def update(self, learner, batch, noise):
        return learner.minimize("actor", self.loss, batch, noise)

    def loss(self, nets, batch, noise):
        return (nets.actor(batch.obs) - batch.action).square().mean(), {}

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs)


class Loud(Mine):
    def act(self, nets, obs, noise, inference):
        return 10 * nets.actor(obs)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which holds plugin.py."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_says_ok_for_every_check_and_exits_with_0(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "plugin.py:Mine"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        *(f"ok    {name}" for name in conformance.CHECKS),
        "plugin.Mine: all checks passed",
    ]
    assert said.err == ""


def test_the_installed_command_says_fail_with_the_reason_and_exits_with_1(folder: Path) -> None:
    program = Path(sys.executable).with_name("bench")
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([program, "check", "plugin.py:Loud"], env=env, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    place = lines.index(f"FAIL  {BOUNDS}")
    assert "act returned an action of" in lines[place + 1]
    assert sum(line.startswith("FAIL") for line in lines) == 1
    assert lines[-1].startswith("plugin.Loud: 1 check")
    assert (done.returncode, done.stderr) == (1, "")
