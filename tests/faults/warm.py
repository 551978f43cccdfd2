"""Imported once, by the process that children are forked from: what a run imports late is then there."""

import tempfile
from pathlib import Path

import torch
from toy import TASK, runs_of

from algorithms.iql import IQL
from bench import runner

torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as folder:
    [run] = runs_of(IQL, steps=1, evaluations=1)
    runner.execute(run, TASK, IQL, Path(folder), "cpu")
