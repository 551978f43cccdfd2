"""A task of a few lines, its runs, and what two runs of it have to have in common."""

import json

import numpy as np
import torch
from safetensors.torch import load_file

from algorithms.iql import IQL
from bench.dataset import Dataset, Episode
from bench.plan import Request, plan
from bench.registry import Entry
from bench.task import Reference, Step, Suite, Task


class Line:
    """A point on a line moves by the action; the reward is minus its distance from 0. Ten steps."""

    def __init__(self, count):
        self.x, self.t = np.zeros(count), np.zeros(count, int)

    def reset(self, rows, seeds):
        self.x[rows] = [np.random.default_rng(seed).uniform(-1, 1) for seed in seeds]
        self.t[rows] = 0
        return self.x[rows, None]

    def step(self, rows, action):
        self.x[rows] += 0.2 * action[:, 0]
        self.t[rows] += 1
        never = np.zeros(len(rows), bool)
        return Step(self.x[rows, None], -np.abs(self.x[rows]), never, self.t[rows] >= 10, never)

    def close(self):
        pass


def line_data():
    generator = np.random.default_rng(0)
    episodes = []
    for _ in range(20):
        action = generator.uniform(-1, 1, (10, 1))
        obs = generator.uniform(-1, 1) + np.concatenate([[[0.0]], 0.2 * action.cumsum(0)])
        episodes.append(Episode(obs, action, -np.abs(obs[1:, 0]), terminal=False))
    return Dataset.from_episodes(episodes)


TASK = Task(
    suite="toy", name="line", summary="a line", obs_dim=1, action_dim=1, max_steps=10,
    reference=Reference(random=-5.0, best=-1.0, source="made up"), load=line_data, environments=Line,
    versions=lambda: {"toy": "1"}, settings={"hidden": (16, 16), "batch_size": 16},
)  # fmt: skip
SUITE = Suite("toy", "a toy", {"line": TASK}, steps=60, evaluations=3, episodes=4)


def runs_of(algorithm=IQL, **request):
    return plan(SUITE, [Entry("algo", "algo", algorithm, "code")], Request(seeds=(0, 1, 2), **request))


def lines_of(folder):
    """The records of a run without the only thing that may differ: seconds."""
    lines = [json.loads(text) for text in (folder / "evaluations.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def folder_of(results):
    return next((results / "runs" / "toy" / "line" / "algo").iterdir())


def assert_equal_weights(first, second):
    assert_equal_files(folder_of(first), folder_of(second))


def assert_equal_files(first, second):
    one, other = (load_file(folder / "weights.safetensors") for folder in (first, second))
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name
