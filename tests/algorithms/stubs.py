"""Small stand-ins, so that a loss can be worked out by hand."""

import numpy as np
import torch
from torch import nn

from bench.algorithm import Batch
from bench.dataset import Dataset, Episode
from bench.learner import Learner
from bench.sampler import Sampler
from bench.stacked import Draws


def column(*values):
    """Numbers as a tensor (B, 1)."""
    return torch.tensor(values, dtype=torch.float32)[:, None]


def row(*values):
    return torch.tensor(values, dtype=torch.float32)


def batch_of(action, reward=None, terminal=None, next_action=None, obs=None, next_obs=None):
    """A batch in which only the columns that matter are given; the others are zero."""
    count = len(action)
    zeros = torch.zeros(count)
    return Batch(
        obs=torch.zeros(count, 1) if obs is None else obs,
        action=action,
        reward=zeros if reward is None else reward,
        next_obs=torch.ones(count, 1) if next_obs is None else next_obs,
        next_action=torch.zeros_like(action) if next_action is None else next_action,
        terminal=zeros if terminal is None else terminal,
    )


def draws(choices=None, **tensors):
    return Draws(tensors, choices or {})


class Recorded(nn.Module):
    """A function in the place of a network, which remembers its inputs."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.calls = []

    def forward(self, *inputs):
        self.calls.append(inputs)
        return self.function(*inputs)


def always(values):
    """A network that ignores its inputs."""
    return Recorded(lambda *inputs: values)


def saw(network, value):
    """Whether a network was asked, and only about observations of this value; s is 0 and s' is 1."""
    return bool(network.calls) and all((call[0] == value).all() for call in network.calls)


def two_critics(first, second):
    """An ensemble of two functions of (obs, action (B, 1), ...): (2, B)."""
    return Recorded(lambda obs, action, *more: torch.stack((first(action), second(action))).squeeze(-1))


class Schedule:
    """In the place of a learner: writes down in which order an update calls it."""

    def __init__(self):
        self.calls = []

    def minimize(self, names, loss, batch, noise):
        self.calls.append(f"minimize {names}")
        return {}

    def update_target(self, name):
        self.calls.append(f"target {name}")

    def simultaneously(self):
        return self

    def __enter__(self):
        self.calls.append("at once")

    def __exit__(self, *error):
        self.calls.append("end")


def schedule_of(algorithm, **choices):
    """The calls of one update."""
    schedule = Schedule()
    algorithm.update(schedule, None, draws(choices))
    return schedule.calls


def trained(algorithm, dataset, seeds, updates):
    """A learner after some updates on the data set."""
    size = algorithm.config.batch_size
    learner = Learner(algorithm, dataset.obs_dim, dataset.action_dim, seeds, updates)
    sampler = Sampler(dataset, algorithm.noise(size, dataset.action_dim), size, seeds)
    for step in range(updates):
        learner.update(*sampler(step))
    return learner


def changed(before, after, network):
    """Whether any parameter of a network differs between two copies of `Learner.weights()`."""
    names = [name for name in before if name.startswith(f"net/{network}/")]
    return any(not torch.equal(before[name], after[name]) for name in names)


def weights_of(learner):
    return {name: tensor.clone() for name, tensor in learner.weights().items()}


def one_step(action, reward, count=200):
    """Episodes of one step that end the world: obs (N, 1) uniform, action and reward as functions."""
    obs = np.random.default_rng(0).uniform(-1, 1, (count, 1))
    actions = action(obs)
    rewards = reward(actions)
    return Dataset.from_episodes(
        Episode(np.repeat(obs[i : i + 1], 2, 0), actions[i : i + 1], rewards[i : i + 1], True)
        for i in range(count)
    )


def dull():
    """A data set for tests that only need one."""
    return one_step(lambda obs: 0.5 * obs, lambda action: 1 + action[:, 0])
