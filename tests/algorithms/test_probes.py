"""Data sets with a known answer, learned in a few hundred updates.

Small networks, large rates and a discount of 0.5: whether an answer is found must not depend on luck.
"""

import dataclasses
from functools import cache

import numpy as np
import pytest
import torch
from stubs import one_step, trained
from torch.func import functional_call

from algorithms import ALGORITHMS
from algorithms.sorl import Inference
from bench.dataset import Dataset, Episode
from bench.sampler import draw
from bench.stacked import Draws
from bench.streams import stream

SEEDS = (0, 1)
WITH_CRITIC = [name for name in ALGORITHMS if name != "bc"]
# Nothing holds their actions near the data, so they cannot clone; see the test of TD3 below.
UNCONSTRAINED = ["td3", "sac_n", "edac"]
OPTIONS = {
    "batch_size": 64,
    "hidden": (32, 32),
    "lr": 3e-3,
    "actor_lr": 3e-3,
    "discount": 0.5,
    "target_rate": 0.05,
    "actor_target_rate": 0.05,
    "sampled_actions": 4,
}
TWO_STEPS = {"denoise_timesteps": 2, "max_k_backprop": 2}

# Values: CQL underestimates by design, so it is probed without its conservative term, and with it below.
VALUE_OPTIONS = {"cql": {"alpha": 0.0}}

# The better action: the weight of Q is chosen so that the policy does not follow Q far beyond the data.
# BC is exempt: it does not see rewards, and gives the mean of both actions. TD3 follows Q to the bound.
BETTER_OPTIONS = {
    "fql": {"alpha": 0.3},
    "fbrac": {"alpha": 0.1},
    "fawac": {"alpha": 10.0},
    "cac": {"eta": 3.0, "clip_norm": 10.0},
    "cql": {"alpha": 0.1},  # with more, a peak of Q at every recorded action can hold the policy
    "td3_bc": {"alpha": 1.0},
    "diffusion_ql": {"denoise_timesteps": 3, "eta": 0.5},
    "sorl": TWO_STEPS,
}

# Cloning: with small weights of Q. The reward is 0; where Q is divided by its mean size, as this would make
# the noise of a Q of 0 as large as any signal, the reward is 1, so that Q is flat but not 0.
CLONE_OPTIONS = {
    "srpo": {"beta": 0.01},
    "cac": {"eta": 0.02, "clip_norm": 100.0},
    "td3_bc": {"alpha": 0.02},
    "rebrac": {"actor_bc_coef": 20.0},
    "diffusion_ql": {"denoise_timesteps": 3, "eta": 0.02},
    "sorl": TWO_STEPS | {"q_coef": 0.1, "clip_norm": 100.0},
}


# The policy of SRPO follows a diffusion that is itself being trained; a consistency model learns from its own
# average, level by level, and stays the least exact: a constant policy errs by 0.28.
CLONE_UPDATES = {"srpo": 1200, "cac": 1500}
CLONE_ERROR = {"cac": 0.2}


def train(name, dataset, updates, options):
    algorithm = ALGORITHMS[name]
    known = {field.name for field in dataclasses.fields(algorithm.Config)}
    common = {key: value for key, value in OPTIONS.items() if key in known}
    return trained(algorithm(algorithm.Config(**(common | options))), dataset, SEEDS, updates)


def q_at(learner, obs, action):
    """The mean of both critics, (S, rows); SORL's for the finest number of steps."""
    steps = getattr(learner.algorithm.config, "max_k_backprop", None)
    inputs = (obs, action) if steps is None else (obs, action, torch.full_like(action, steps))
    module = learner.networks["critic"].module
    values = [
        functional_call(
            module, {key: stack[row].detach() for key, stack in learner.params["critic"].items()}, inputs
        )
        for row in range(len(SEEDS))
    ]
    return torch.stack(values).mean(1)


def act(learner, obs):
    """Actions (S, rows) for obs (rows, 1)."""
    algorithm = learner.algorithm
    steps = getattr(algorithm.config, "max_k_backprop", None)
    inference = algorithm.Inference() if steps is None else Inference(steps=steps)
    algorithm.check_inference(inference)
    lead = (len(SEEDS), len(obs))
    noise = {
        key: torch.from_numpy(draw(item, lead, stream("probe", key)))
        for key, item in algorithm.act_noise(1, inference).items()
    }
    return learner.act(obs.repeat(len(SEEDS), 1, 1), Draws(noise, {}), inference).squeeze(-1)


def worlds(timeouts_are_terminal=False):
    """Four states, one-hot, in one data set; actions are random and do not matter.

    0: reward 1, then the end. 1: reward 0, then state 2: reward 1, then the end.
    3: reward 1 and back to 3, for ever; the recording stops after two steps.
    """
    generator = np.random.default_rng(0)
    states = np.eye(4)
    paths = (
        ([0, 0], [1.0], True),
        ([1, 2, 2], [0.0, 1.0], True),
        ([3, 3, 3], [1.0, 1.0], timeouts_are_terminal),
    )
    return Dataset.from_episodes(
        Episode(states[path], generator.uniform(-1, 1, (len(reward), 1)), np.array(reward), terminal)
        for _ in range(64)
        for path, reward, terminal in paths
    )


# One process of pytest-xdist asks all three questions of one training.
ONE_TRAINING = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in WITH_CRITIC]


@cache
def values(name):
    """Q of all seeds at the four states, for three actions each: (S, 4, 3)."""
    learner = train(name, worlds(), 400, VALUE_OPTIONS.get(name, {}))
    obs = torch.eye(4).repeat_interleave(3, 0)
    return q_at(learner, obs, torch.tensor([[-0.5], [0.0], [0.5]]).repeat(4, 1)).view(-1, 4, 3)


@pytest.mark.parametrize("name", ONE_TRAINING)
def test_reward_1_and_the_end_is_worth_1(name):
    assert (values(name)[:, 0] - 1).abs().max() < 0.15
    assert (values(name)[:, 2] - 1).abs().max() < 0.15


@pytest.mark.parametrize("name", ONE_TRAINING)
def test_a_reward_one_step_ahead_is_discounted_once(name):
    assert (values(name)[:, 1] - OPTIONS["discount"]).abs().max() < 0.15


@pytest.mark.parametrize("name", ONE_TRAINING)
def test_a_timeout_is_not_a_terminal(name):
    # 1 + 0.5 + 0.25 + ... = 2; it would be 1.33 if every second step were the end, and 1 if every step were
    assert (values(name)[:, 3] - 2).abs().max() < 0.25


def test_the_probe_of_timeouts_notices_terminals():
    learner = train("td3_bc", worlds(timeouts_are_terminal=True), 400, {})
    q = q_at(learner, torch.eye(4)[[3]], torch.zeros(1, 1))
    assert (q - 1.5).abs().min() > 0.05
    assert q.max() < 1.75


def test_cql_is_a_lower_bound_and_lowest_away_from_the_data():
    # One recorded action, 0.5, worth 1. The term pushes Q up there and down elsewhere.
    data = one_step(lambda obs: np.full_like(obs, 0.5), lambda action: np.ones(len(action)))
    obs = torch.linspace(-0.9, 0.9, 7)[:, None]
    free, bound = (train("cql", data, 300, {"alpha": alpha}) for alpha in (0.0, 1.0))
    recorded, other = (q_at(bound, obs, torch.full_like(obs, a)) for a in (0.5, -0.5))
    assert (recorded - other).min() > 0.5
    assert (q_at(free, obs, torch.full_like(obs, -0.5)) - other).min() > 0.5


def two_clusters():
    """Every second action is -0.5 and worth nothing, the others are 0.5 and worth 1."""
    return one_step(
        lambda obs: np.where(np.arange(len(obs)) % 2, 0.5, -0.5)[:, None], lambda a: (a[:, 0] > 0) * 1.0
    )


@pytest.mark.parametrize("name", [name for name in WITH_CRITIC if name != "td3"])
def test_the_better_of_two_actions_is_preferred(name):
    learner = train(name, two_clusters(), 400, BETTER_OPTIONS.get(name, {}))
    action = act(learner, torch.linspace(-0.9, 0.9, 40)[:, None])
    assert (action.mean(1) - 0.5).abs().max() < 0.4, action.mean(1)
    assert (action > 0).float().mean() > 0.9


def test_cloning_gives_the_mean_of_two_actions():
    action = act(train("bc", two_clusters(), 400, {}), torch.linspace(-0.9, 0.9, 40)[:, None])
    assert action.mean(1).abs().max() < 0.15


def test_unconstrained_td3_follows_q_beyond_the_data():
    action = act(train("td3", two_clusters(), 400, {}), torch.linspace(-0.9, 0.9, 40)[:, None])
    assert action.mean(1).min() > 0.8


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name not in UNCONSTRAINED])
def test_a_deterministic_policy_is_cloned(name):
    reward = 1.0 if name in CLONE_OPTIONS else 0.0
    data = one_step(lambda obs: 0.6 * obs, lambda action: np.full(len(action), reward))
    learner = train(name, data, CLONE_UPDATES.get(name, 400), CLONE_OPTIONS.get(name, {}))
    obs = torch.linspace(-0.9, 0.9, 40)[:, None]
    error = (act(learner, obs) - 0.6 * obs.squeeze(-1)).abs().mean(1)
    assert error.max() < CLONE_ERROR.get(name, 0.1), error
