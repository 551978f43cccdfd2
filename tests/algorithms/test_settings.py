"""The settings of published papers and code are those that a run uses."""

from pathlib import Path

import pandas as pd
import pytest

from algorithms import ALGORITHMS
from bench import settings
from suites import SUITES

# algorithm, task, key, value: CORL's configs (iql, cql, td3_bc, awac, sac_n, edac) and ReBRAC's own (rebrac).
PUBLISHED = pd.read_csv(Path(__file__).parents[1] / "data" / "d4rl_settings.csv", dtype=str)

NAMES = {  # their key -> our option
    "batch_size": "batch_size", "discount": "discount", "gamma": "discount", "tau": "target_rate",
    "soft_target_update_rate": "target_rate", "normalize": "normalize_obs", "normalize_states": "normalize_obs",
    "iql_tau": "expectile", "beta": "beta", "vf_lr": "lr", "alpha": "alpha", "policy_freq": "actor_delay",
    "policy_noise": "target_noise", "noise_clip": "target_noise_clip", "actor_bc_coef": "actor_bc_coef",
    "critic_bc_coef": "critic_bc_coef", "actor_learning_rate": "lr", "critic_ln": "layer_norm",
    "cql_alpha": "alpha", "cql_n_actions": "sampled_actions", "cql_max_target_backup": "max_target",
    "policy_lr": "actor_lr", "learning_rate": "lr", "alpha_learning_rate": "lr", "num_critics": "critics",
    "eta": "eta", "awac_lambda": "temperature",
}  # fmt: skip
BY_RULE = {  # keys that several of our options answer together; see below
    "normalize_reward", "reward_scale", "reward_bias", "iql_deterministic", "cql_lagrange", "cql_target_action_gap",
    "cql_clip_diff_min", "q_n_hidden_layers", "critic_learning_rate", "actor_n_hiddens", "critic_n_hiddens",
    "hidden_dim", "qf_lr", "actor_lr",
}  # fmt: skip
FIXED = {  # what our code does anyway
    "alpha_multiplier": "1.0", "backup_entropy": "false", "cql_clip_diff_max": ".inf", "cql_temp": "1.0",
    "cql_importance_sample": "true", "target_update_period": "1", "use_automatic_entropy_tuning": "true",
    "normalize_q": "true", "actor_ln": "false",
}  # fmt: skip
NOT_OFFERED = {"actor_dropout", "orthogonal_init"}


def used(algorithm: str, task: str) -> dict[str, object]:
    task_id = f"d4rl-v2/{task}"
    assert task in SUITES["d4rl-v2"].tasks
    rows = settings.explain(algorithm, ALGORITHMS[algorithm], task_id, {}, {})
    return {option: value for option, value, _ in rows}


def number(text: str) -> float:
    words = {"true": 1.0, "false": 0.0}
    return words[text] if text in words else float(text)


def by_rule(algorithm: str, task: str, ours: dict, theirs: dict[str, str]) -> None:
    maze = task.startswith("antmaze")
    told = theirs.get("normalize_reward") == "true"
    shift = {"iql": -1.0, "td3_bc": -1.0, "cql": float(theirs.get("reward_bias", 0)), "awac": -1.0}.get(
        algorithm, 0.0
    )
    scale = {"cql": float(theirs.get("reward_scale", 1)), "rebrac": 100.0}.get(algorithm, 1.0)
    assert (ours["reward_shift"], ours["reward_scale"]) == ((shift, scale) if told and maze else (0.0, 1.0))
    assert ours["normalize_returns"] == (told and not maze)
    if algorithm == "iql":
        assert (ours["fixed_std"] is not None) == (theirs["iql_deterministic"] == "true")
        assert float(theirs["qf_lr"]) == float(theirs["actor_lr"]) == ours["lr"]
        assert ours["hidden"] == (256, 256)
    if algorithm == "cql":
        assert float(theirs["qf_lr"]) == ours["lr"]
        gap = float(theirs["cql_target_action_gap"]) if theirs["cql_lagrange"] == "true" else None
        assert ours["lagrange_gap"] == gap
        limit = theirs["cql_clip_diff_min"]
        assert ours["min_gap"] == (None if limit == "-.inf" else float(limit))
        critic = ours["critic_hidden"] or ours["hidden"]
        assert critic == (256,) * int(theirs["q_n_hidden_layers"])
        assert ours["hidden"] == (256, 256, 256)
    if algorithm in ("awac", "sac_n", "edac"):
        assert ours["hidden"] == (int(theirs["hidden_dim"]),) * 3
        assert float(theirs.get("critic_learning_rate", ours["lr"])) == ours["lr"]
        assert ours["normalize_obs"] == (algorithm == "awac")
    if algorithm == "rebrac":
        assert (ours["critic_lr"] or ours["lr"]) == float(theirs["critic_learning_rate"])
        assert theirs["actor_n_hiddens"] == theirs["critic_n_hiddens"] == "3"
        assert ours["hidden"] == (int(theirs["hidden_dim"]),) * 3


GROUPS = {
    key: dict(zip(rows.key, rows.value, strict=True))
    for key, rows in PUBLISHED.groupby(["algorithm", "task"])
}


def test_all_tasks_and_all_keys_are_looked_at():
    assert len(GROUPS) == 7 * 27
    keys = set(PUBLISHED.key)
    assert keys == (set(NAMES) | BY_RULE | set(FIXED) | NOT_OFFERED) & keys
    assert keys >= BY_RULE | set(FIXED) | NOT_OFFERED


@pytest.mark.parametrize(("algorithm", "task"), GROUPS, ids=lambda word: word)
def test_a_run_uses_the_published_values(algorithm, task):
    theirs, ours = GROUPS[algorithm, task], used(algorithm, task)
    for key, value in theirs.items():
        if key in NAMES:
            assert float(ours[NAMES[key]]) == pytest.approx(number(value)), key
        elif key in FIXED:
            assert value == FIXED[key], key
    by_rule(algorithm, task, ours, theirs)


def test_clones_see_normalized_observations_on_d4rl_as_in_corl():
    for task in SUITES["d4rl-v2"].tasks:
        assert used("bc", task)["normalize_obs"]


# environment: discount; IQL's beta and its hidden size; ReBRAC's two weights: FQL's README and tables 6 and 7.
BASELINES = {
    "antmaze-large-navigate": (0.99, 10, 512, 0.003, 0.01),
    "antmaze-giant-navigate": (0.995, 10, 512, 0.003, 0.01),
    "humanoidmaze-medium-navigate": (0.995, 10, 512, 0.01, 0.01),
    "humanoidmaze-large-navigate": (0.995, 10, 512, 0.01, 0.01),
    "antsoccer-arena-navigate": (0.995, 1, 512, 0.01, 0.01),
    "cube-single-play": (0.99, 1, 256, 1, 0),
    "cube-double-play": (0.99, 0.3, 256, 0.1, 0),
    "scene-play": (0.99, 10, 256, 0.1, 0.01),
    "puzzle-3x3-play": (0.99, 10, 256, 0.3, 0.01),
    "puzzle-4x4-play": (0.99, 3, 256, 0.3, 0.01),
}
SORL = {  # discount, q_coef, q_agg: SORL's README
    "antmaze-large-navigate": (0.99, 500, "min"),
    "antmaze-giant-navigate": (0.995, 500, "min"),
    "humanoidmaze-medium-navigate": (0.995, 100, "mean"),
    "humanoidmaze-large-navigate": (0.995, 500, "mean"),
    "antsoccer-arena-navigate": (0.995, 500, "mean"),
    "cube-single-play": (0.99, 10, "mean"),
    "cube-double-play": (0.99, 50, "mean"),
    "scene-play": (0.99, 100, "mean"),
}


def explained(algorithm: str, environment: str, number: int = 1) -> dict[str, tuple[object, str]]:
    """Option -> value and source on one of the five tasks of an environment of OGBench."""
    task = f"{environment}-singletask-task{number}-v0"
    assert task in SUITES["ogbench"].tasks
    rows = settings.explain(algorithm, ALGORITHMS[algorithm], f"ogbench/{task}", {}, {})
    return {option: (value, source) for option, value, source in rows}


@pytest.mark.parametrize("environment", BASELINES)
def test_baselines_use_fql_s_values_on_ogbench(environment):
    discount, beta, width, actor_weight, critic_weight = BASELINES[environment]
    shared = {"batch_size": 256, "lr": 3e-4, "activation": "gelu"}
    critics = {"discount": discount, "layer_norm": True, "target_rate": 0.005}
    expected = {
        "bc": shared | {"hidden": (512,) * 4},
        "iql": shared | critics | {
            "hidden": (width,) * 4, "beta": beta, "expectile": 0.9, "max_weight": 100.0, "fixed_std": 1.0,
            "squash_mean": False, "schedule": "constant",
        },
        "rebrac": shared | critics | {
            "hidden": (512,) * 4, "actor_bc_coef": actor_weight, "critic_bc_coef": critic_weight,
            "target_noise": 0.2, "target_noise_clip": 0.5, "actor_delay": 2,
        },
    }  # fmt: skip
    for algorithm, values in expected.items():
        found = explained(algorithm, environment)
        assert {option: found[option][0] for option in values} == values, algorithm


# SRPO's beta, CAC's eta, alpha of FAWAC, FBRAC and FQL: table 6 and FQL's README. Where its row is lost: None.
FLOWS = {
    "antmaze-large-navigate": (0.3, 1, 3, 3, 10),
    "antmaze-giant-navigate": (0.3, 1, 3, 10, 10),
    "humanoidmaze-medium-navigate": (0.3, 0.03, 3, 30, 30),
    "humanoidmaze-large-navigate": (0.3, 1, 3, 30, 30),
    "antsoccer-arena-navigate": (None, None, None, None, 10),
    "cube-single-play": (0.03, 0.003, 1, 100, 300),
    "cube-double-play": (0.1, 0.3, 0.3, 100, 300),
    "scene-play": (0.1, 0.3, 0.3, 100, 300),
    "puzzle-3x3-play": (0.1, 0.01, 0.3, 100, 1000),
    "puzzle-4x4-play": (0.1, 0.01, 0.3, 300, 1000),
}


@pytest.mark.parametrize("environment", FLOWS)
def test_flow_and_diffusion_baselines_use_fql_s_values_on_ogbench(environment):
    weights = zip(
        (("srpo", "beta"), ("cac", "eta"), ("fawac", "alpha"), ("fbrac", "alpha"), ("fql", "alpha")),
        FLOWS[environment],
        strict=True,
    )
    for (algorithm, option), weight in weights:
        value, source = explained(algorithm, environment)[option]
        assert source == "default" if weight is None else value == weight, algorithm
    smallest = "min" if environment.startswith("antmaze") else "mean"
    for algorithm in ("fql", "fawac", "fbrac"):
        assert explained(algorithm, environment)["q_agg"][0] == smallest
    maze = environment.partition("-")[0] in ("antmaze", "humanoidmaze", "antsoccer")
    critics = ((512, 512), 256, 0.7) if maze else ((256, 256), 256, 0.9)
    for algorithm in ("idql", "srpo"):
        found = explained(algorithm, environment)
        assert tuple(found[o][0] for o in ("hidden", "width", "expectile")) == critics
    found = explained("cac", environment)
    assert (found["max_target"][0], found["clip_norm"][0]) == (True, 5.0)
    assert explained("ifql", environment)["expectile"][0] == 0.9
    for algorithm in ("fql", "ifql", "fawac", "fbrac", "idql", "srpo", "cac"):
        assert explained(algorithm, environment)["discount"][0] == BASELINES[environment][0]


# eta, clip_norm (also that of Diffusion-QL's code), steps, normalize_target of CAC's code; beta of SRPO's.
LOCOMOTION = {
    "halfcheetah-medium-v2": (1.0, 9.0, 2, False, 0.2),
    "hopper-medium-v2": (0.1, 9.0, 2, False, 0.05),
    "walker2d-medium-v2": (1.0, 1.0, 5, True, 0.05),
    "halfcheetah-medium-replay-v2": (1.0, 2.0, 2, False, 0.2),
    "hopper-medium-replay-v2": (0.1, 4.0, 2, False, 0.2),
    "walker2d-medium-replay-v2": (0.1, 4.0, 5, False, 0.5),
    "halfcheetah-medium-expert-v2": (1.0, 7.0, 2, False, 0.01),
    "hopper-medium-expert-v2": (1.0, 5.0, 2, False, 0.01),
    "walker2d-medium-expert-v2": (1.0, 5.0, 2, True, 0.1),
}


@pytest.mark.parametrize("task", LOCOMOTION)
def test_generative_baselines_use_their_authors_values_on_locomotion(task):
    *theirs, beta = LOCOMOTION[task]
    found = used("cac", task)
    assert [found[o] for o in ("eta", "clip_norm", "steps", "normalize_target")] == theirs
    found = used("diffusion_ql", task)
    assert (found["eta"], found["clip_norm"]) == (1.0, theirs[1])
    found = used("srpo", task)
    assert (found["beta"], found["expectile"]) == (beta, 0.7)
    for algorithm in ("srpo", "idql"):
        rewards = used(algorithm, task)
        assert (rewards["normalize_returns"], rewards["reward_shift"]) == (True, 0.0)


@pytest.mark.parametrize("algorithm", ["fql", "ifql", "fawac", "fbrac", "sorl", "idql", "srpo"])
def test_ant_mazes_of_d4rl_pay_0_at_the_goal_and_1_less_elsewhere(algorithm):
    for task in SUITES["d4rl-v2"].tasks:
        found = used(algorithm, task)
        assert found["reward_shift"] == (-1.0 if task.startswith("antmaze") else 0.0)
        if task.startswith("antmaze"):
            assert not found["normalize_returns"]
            assert found.get("expectile", 0.9) == 0.9


@pytest.mark.parametrize("environment", SORL)
def test_sorl_uses_its_authors_values_on_ogbench(environment):
    for task in range(1, 6):
        found = explained("sorl", environment, task)
        assert tuple(found[o][0] for o in ("discount", "q_coef", "q_agg")) == SORL[environment]


def test_values_that_were_published_for_another_setting_say_so():
    assert explained("iql", "scene-play")["beta"][1] == "Park et al. 2025 (FQL), table 6"
    for algorithm, option in (("iql", "beta"), ("rebrac", "actor_bc_coef"), ("rebrac", "critic_bc_coef")):
        source = explained(algorithm, "antsoccer-arena-navigate")[option][1]
        assert source == "Park et al. 2025 (FQL), table 7 (offline-to-online)"


def test_algorithms_without_published_values_on_ogbench_keep_their_defaults():
    for algorithm in ("td3_bc", "cql", "diffusion_ql"):
        for environment in BASELINES:
            assert {source for _, source in explained(algorithm, environment).values()} == {"default"}
