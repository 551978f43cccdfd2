"""Every algorithm keeps the rules of the interface."""

import dataclasses
import fnmatch
from pathlib import Path

import pytest

import algorithms
from algorithms import ALGORITHMS
from algorithms.cql import CQL
from bench.algorithm import Algorithm
from bench.conformance import CHECKS
from suites import SUITES


class LagrangeCQL(CQL):
    """The variant with a learned weight and the best of N next actions."""

    class Config(CQL.Config):
        def __init__(self, **options):
            super().__init__(**({"lagrange_gap": 0.8, "max_target": True} | options))


VARIANTS = ALGORITHMS | {"cql, lagrange_gap and max_target": LagrangeCQL}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_algorithm_passes_every_check(name, check):
    CHECKS[check](VARIANTS[name])


def test_the_variant_of_cql_really_is_another_one():
    config = LagrangeCQL.Config(batch_size=32)
    assert config.lagrange_gap == 0.8
    assert config.max_target
    assert "log_multiplier" in LagrangeCQL(config).networks(3, 2)


def test_names_in_the_registry_are_names_of_files():
    folder = Path(algorithms.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "d3rlpy_peers"}
    assert set(ALGORITHMS) == files
    for name, algorithm in ALGORITHMS.items():
        assert algorithm.__module__ == f"algorithms.{name}"
        assert issubclass(algorithm, Algorithm)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_what_every_algorithm_has_is_called_by_the_same_words(name):
    options = {field.name for field in dataclasses.fields(ALGORITHMS[name].Config)}
    assert options >= {
        "batch_size", "lr", "hidden", "activation", "layer_norm",
        "normalize_obs", "normalize_returns", "reward_scale", "reward_shift",
    }  # fmt: skip
    if name != "bc":
        assert options >= {"discount", "target_rate"}
    config = ALGORITHMS[name].Config(hidden=(4, 4), activation="mish", layer_norm=True)
    names = {
        n
        for net in ALGORITHMS[name](config).networks(3, 2).values()
        for n, _ in net.module.named_parameters()
    }
    assert any("norms" in parameter for parameter in names)


def test_published_settings_are_options_of_their_algorithm_on_tasks_that_exist():
    tasks = [task.id for suite in SUITES.values() for task in suite.tasks.values()]
    for name, algorithm in ALGORITHMS.items():
        module = __import__(f"algorithms.{name}", fromlist=["SETTINGS"])
        for settings in getattr(module, "SETTINGS", []):
            assert settings.source
            for glob, options in settings.tasks.items():
                algorithm.Config(**options)  # raises TypeError for an option that does not exist
                assert fnmatch.filter(tasks, glob), f"{name}: {glob} is no task"
