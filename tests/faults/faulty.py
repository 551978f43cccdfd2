"""Environments that go wrong, and the work of runs on them: which one is said by the name of the algorithm."""

import itertools
import time
from dataclasses import replace

import numpy as np
from toy import SUITE, TASK, Line

from algorithms.iql import IQL
from bench import watchdog
from bench.plan import Request, plan
from bench.registry import Entry
from bench.runner import execute


class Faulty(Line):
    """Answers as `Line` until step 5 of an episode of the second evaluation, then `fault` happens."""

    evaluations = 0

    def reset(self, rows, seeds):
        self.evaluations += 1
        return super().reset(rows, seeds)

    def step(self, rows, action):
        step = super().step(rows, action)
        if self.evaluations == 2 and self.t[rows[0]] == 4:  # a sound environment has all the time it needs
            watchdog.LIMIT_SECONDS, watchdog.GRACE_SECONDS = 2.0, 1.0
            time.sleep(0.3)  # so long that the watchdog sets its alarms anew at the next step
        if self.evaluations == 2 and self.t[rows[0]] == 5:
            return self.fault(step)
        return step


class Raising(Faulty):
    def fault(self, step):
        raise OSError("the simulator is gone")


class NanObservation(Faulty):
    def fault(self, step):
        return step._replace(obs=np.full_like(step.obs, np.nan))


class InfiniteReward(Faulty):
    def fault(self, step):
        return step._replace(reward=np.where(np.arange(len(step.reward)) == 3, -np.inf, step.reward))


class Sleeping(Faulty):
    def fault(self, step):
        time.sleep(1000)


class Looping(Faulty):
    def fault(self, step):
        while True:
            pass


class Stuck(Faulty):
    """Hangs where no signal is looked at: in one call of compiled code that never gives way."""

    def fault(self, step):
        return sum(itertools.repeat(0))


def run_on(name, **request):
    """A run of three seeds whose work is on the environments of that name; any other one is sound."""
    [run] = plan(SUITE, [Entry(name, "algo", IQL, "code")], Request(seeds=(0, 1, 2), **request))
    return run


def work(run, results, device, workers, report):
    task = replace(TASK, environments=globals().get(run.algorithm, Line))
    limits = watchdog.LIMIT_SECONDS, watchdog.GRACE_SECONDS
    try:
        return execute(run, task, IQL, results, device, report, workers)
    finally:
        watchdog.LIMIT_SECONDS, watchdog.GRACE_SECONDS = limits
