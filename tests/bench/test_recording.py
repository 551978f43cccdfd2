"""A recording computes the same bits as the function, touches nothing of others, and knows what it saw."""

import pytest
import torch
from torch import Tensor

from algorithms import ALGORITHMS
from bench.conformance import _dataset, _instance
from bench.learner import Learner
from bench.recording import Recordings, record
from bench.sampler import Sampler

SEEDS = (0, 5)


def trained(name: str, recorded: bool, updates: int = 50) -> Learner:
    algorithm = _instance(ALGORITHMS[name])
    learner = Learner(algorithm, 3, 2, SEEDS, updates, recorded=recorded)
    noise = algorithm.noise(algorithm.config.batch_size, 2)
    sampler = Sampler(_dataset(2), noise, algorithm.config.batch_size, SEEDS)
    for step in range(updates):
        learner.update(*sampler(step))
    return learner


@pytest.mark.parametrize("name", ALGORITHMS)
def test_recorded_updates_and_metrics_have_the_bits_of_those_that_run_the_code(name: str) -> None:
    recorded, eager = trained(name, True), trained(name, False)
    for key, tensor in eager.state_dict().items():
        assert torch.equal(recorded.state_dict()[key], tensor), key
    assert recorded.metrics.keys() == eager.metrics.keys()
    for key, tensor in eager.metrics.items():
        assert torch.equal(recorded.metrics[key], tensor), key


def inputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(4, 4, generator=generator) for name in ("a", "b")}


def test_only_memory_that_the_recording_made_itself_is_written_over() -> None:
    def function(tensors, choices):
        a, b = tensors["a"], tensors["b"]
        product = a @ b
        kept = product + 1  # `product` is needed once more, below
        rows = (a @ a).view(2, 2, 4)
        return {
            "sum": a + b,
            "rows": (rows * 2).relu(),
            "kept": kept,
            "twice": product * product,
            "view": (b @ b).t() + a,
            "wide": a[:, :1] + b,
        }

    given = inputs()
    before = {name: tensor.clone() for name, tensor in given.items()}
    expected = function(given, {})
    replay = record(function, given, {})
    for _ in range(2):
        found = replay(given)
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert all(torch.equal(given[name], tensor) for name, tensor in before.items())


def test_an_operand_that_dies_is_written_over() -> None:
    made: list[str] = []

    def function(tensors, choices):
        return {"y": ((tensors["a"] @ tensors["b"]) + tensors["a"]).relu()}

    replay = record(function, inputs(), {})
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        replay(inputs())
    made = [event.key for event in profile.key_averages()]
    assert "aten::add_" in made
    assert "aten::relu_" in made


def test_there_is_one_recording_for_each_value_of_the_choices_that_were_looked_at() -> None:
    calls: list[int] = []

    def function(tensors, choices):
        calls.append(choices["steps"])
        return {"y": tensors["a"] * choices["steps"]}

    recordings, given = Recordings(), inputs()
    for steps, other in ((1, 0), (2, 0), (1, 1), (2, 1), (1, 2)):
        found = recordings.run("key", function, given, {"steps": steps, "other": other})
        assert torch.equal(found["y"], given["a"] * steps)
    assert calls == [1, 2]


def test_what_cannot_be_recorded_runs_with_one_warning() -> None:
    def function(tensors, choices):
        if torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY) is not None:
            raise RuntimeError("not while somebody listens")
        return {"y": tensors["a"] + choices["steps"]}

    recordings, given = Recordings(), inputs()
    with pytest.warns(UserWarning, match="not while somebody listens"):
        recordings.run("key", function, given, {"steps": 1})
    assert torch.equal(recordings.run("key", function, given, {"steps": 1})["y"], given["a"] + 1)
    with pytest.warns(UserWarning, match="not while"):
        found = recordings.run("key", function, given, {"steps": 2})
    assert torch.equal(found["y"], given["a"] + 2)


def test_a_loss_made_on_the_spot_is_not_recorded_because_what_it_closes_over_may_change() -> None:
    class Growing(ALGORITHMS["bc"]):  # type: ignore[misc, name-defined]
        factor = 0

        def update(self, learner, batch, noise):
            self.factor += 1
            factor = self.factor

            def loss(nets, batch, noise):
                error = nets.actor(batch.obs) - batch.action
                return factor * error.square().mean(), {"factor": torch.tensor(float(factor))}

            return learner.minimize("actor", loss, batch, noise)

    algorithm = _instance(Growing)
    learner = Learner(algorithm, 3, 2, SEEDS, 3)
    sampler = Sampler(_dataset(2), {}, algorithm.config.batch_size, SEEDS)
    for step in range(3):
        learner.update(*sampler(step))
    assert learner.metrics["factor"].tolist() == [3, 3]
