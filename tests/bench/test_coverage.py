"""Our 95% intervals hold the true value as often as rliable's own; tests/simulations/coverage.py is larger."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parents[1] / "simulations" / "coverage.py"
spec = importlib.util.spec_from_file_location("coverage_simulation", FILE)
assert spec is not None
assert spec.loader is not None
coverage = importlib.util.module_from_spec(spec)
spec.loader.exec_module(coverage)


@pytest.mark.parametrize("tasks", [1, 10])
@pytest.mark.parametrize("shape", coverage.SHAPES)
def test_intervals_cover_like_those_of_rliable(shape: str, tasks: int) -> None:
    ours, theirs = coverage.covered(shape, 5, tasks, data_sets=60, replicates=150)
    apart = ours.astype(float) - theirs  # on the same data
    error = np.maximum(apart.std(0), 0.1) / math.sqrt(len(apart))
    assert (np.abs(apart.mean(0)) <= 3 * error).all()
    assert ours.mean(0).min() > 0.6


def test_hierarchical_intervals_are_wider_and_cover_at_least_as_often() -> None:
    arguments = {"seeds": 5, "tasks": 1, "share": 1.0, "data_sets": 150, "replicates": 200}
    over_seeds, both = (coverage.covered_by(name, **arguments) for name in ("seeds", "hierarchical"))
    assert over_seeds < 0.92
    assert both > over_seeds + 0.03
