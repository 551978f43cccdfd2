"""CUDA graphs compute what ordinary updates compute. Skipped where there is no GPU."""

import pytest
import torch

from algorithms import ALGORITHMS
from bench import graphs
from bench.conformance import _dataset, _instance
from bench.population import NativePopulation

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def trained(name: str, recorded: bool, updates: int = 50) -> NativePopulation:
    population = NativePopulation(
        _instance(ALGORITHMS[name]), _dataset(2), (0, 5), updates, "cuda", recorded=recorded
    )
    population.update(updates)
    return population


@pytest.mark.parametrize("name", ALGORITHMS)
def test_fifty_updates_by_graphs_equal_fifty_ordinary_ones(name: str) -> None:
    graphed, eager = trained(name, True), trained(name, False)
    assert graphed.execution() == "CUDA graphs"
    assert graphed.graphs is not None
    assert graphed.graphs.graphs
    for key, tensor in eager.weights().items():
        assert torch.allclose(graphed.weights()[key], tensor, atol=1e-5, rtol=1e-4), key


def test_a_failed_capture_is_a_warning_and_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments, **options):
        raise RuntimeError("no capture today")

    monkeypatch.setattr(graphs.torch.cuda, "graph", refuse)
    with pytest.warns(UserWarning, match="no capture today"):
        population = trained("iql", True)
    assert population.execution() == "recorded"
    assert population.step == 50


def test_a_gpu_starts_from_the_same_parameters_and_sees_the_same_numbers_as_a_cpu() -> None:
    algorithm = ALGORITHMS["iql"]
    here, there = (
        NativePopulation(_instance(algorithm), _dataset(2), (0, 5), 50, device) for device in ("cpu", "cuda")
    )
    for population in (here, there):
        population.update(20)
    for key, tensor in here.weights().items():
        assert torch.allclose(there.weights()[key].cpu(), tensor, atol=1e-4, rtol=1e-3), key
