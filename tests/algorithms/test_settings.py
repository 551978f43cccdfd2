"""The settings of published code on D4RL's tasks are those that a run uses."""

from pathlib import Path

import pandas as pd
import pytest

from algorithms import ALGORITHMS
from bench import settings
from suites import SUITES

# algorithm, task, key, value: CORL's configs (iql, cql, td3_bc) and ReBRAC's own (rebrac).
PUBLISHED = pd.read_csv(Path(__file__).parents[1] / "data" / "d4rl_settings.csv", dtype=str)

NAMES = {  # their key -> our option
    "batch_size": "batch_size", "discount": "discount", "gamma": "discount", "tau": "target_rate",
    "soft_target_update_rate": "target_rate", "normalize": "normalize_obs", "normalize_states": "normalize_obs",
    "iql_tau": "expectile", "beta": "beta", "vf_lr": "lr", "alpha": "alpha", "policy_freq": "actor_delay",
    "policy_noise": "target_noise", "noise_clip": "target_noise_clip", "actor_bc_coef": "actor_bc_coef",
    "critic_bc_coef": "critic_bc_coef", "actor_learning_rate": "lr", "critic_ln": "layer_norm",
    "cql_alpha": "alpha", "cql_n_actions": "sampled_actions", "cql_max_target_backup": "max_target",
    "policy_lr": "actor_lr",
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
    shift = {"iql": -1.0, "td3_bc": -1.0, "cql": float(theirs.get("reward_bias", 0)), "rebrac": 0.0}[
        algorithm
    ]
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
    if algorithm == "rebrac":
        assert (ours["critic_lr"] or ours["lr"]) == float(theirs["critic_learning_rate"])
        assert theirs["actor_n_hiddens"] == theirs["critic_n_hiddens"] == "3"
        assert ours["hidden"] == (int(theirs["hidden_dim"]),) * 3


GROUPS = {
    key: dict(zip(rows.key, rows.value, strict=True))
    for key, rows in PUBLISHED.groupby(["algorithm", "task"])
}


def test_all_tasks_and_all_keys_are_looked_at():
    assert len(GROUPS) == 4 * 27
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
