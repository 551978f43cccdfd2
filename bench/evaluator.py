"""When and where the episodes of a run are played: in this process, or beside its training."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.evaluate import Evaluation, evaluate, rows_of
from bench.population import Policy, Population
from bench.remote import RemoteEnvironments
from bench.sampler import draw
from bench.streams import stream
from bench.task import Environments, Task
from bench.watchdog import Watch, Watched

Result = tuple[list[Evaluation], float]  # one per test-time setting, and the seconds that all took


def elapsed(start: float) -> float:
    """Seconds since `start`, as `time.monotonic` says; never less than 0, whatever happens to clocks."""
    return max(0.0, time.monotonic() - start)


class Evaluator:
    """Plays episodes with the policies of some seeds, one evaluation after the other.

    With more than one worker the environments live in processes of their own, and a thread plays with a
    snapshot of the policies while training goes on. Results do not depend on the number of workers.

    trace: where the trace goes if environments of this process hang (see bench/watchdog.py).
    """

    def __init__(self, task: Task, seeds: Sequence[int], episodes: int, workers: int, trace: Path) -> None:
        self.task, self.seeds, self.episodes, self.trace = task, seeds, episodes, trace
        self.workers = 1 if task.vectorized else workers
        self._environments: Environments | None = None
        self._held = 0
        self._thread = ThreadPoolExecutor(
            1, initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)
        )
        self._running: Future[Result] | None = None
        self._given_up = False

    @property
    def idle(self) -> bool:
        """Whether no evaluation has been started whose result was not taken."""
        return self._running is None

    @property
    def done(self) -> bool:
        """Whether a result can be taken without waiting."""
        return self._running is not None and self._running.done()

    def start(self, population: Population, inferences: Sequence[Any]) -> None:
        """Play under these test-time settings, with the policies as they are now."""
        assert self.idle
        if self.workers == 1:
            self._running = Future()
            self._running.set_result(self._play(population, inferences))
            return
        policy = population.snapshot()
        for inference in inferences:
            self._rehearse(policy, inference, len(inferences))
        self._running = self._thread.submit(self._play, policy, inferences)

    def take(self) -> Result:
        """The result of the evaluation that was started, when it is there."""
        assert self._running is not None
        result = self._running.result()
        self._running = None
        return result

    def close(self) -> None:
        """Free the environments. An evaluation whose result was not taken is given up: nobody waits for it,
        as after Ctrl-C.
        """
        self._given_up = not self.idle
        self._give_up()
        self._thread.shutdown(wait=True)
        if self._environments is not None:
            self._environments.close()

    def _play(self, policy: Policy, inferences: Sequence[Any]) -> Result:
        start = time.monotonic()
        count = self._rows(len(inferences)) * len(inferences) * len(self.seeds)
        what = (self.seeds, self.episodes, inferences, self.task.max_rows)
        if self.workers > 1:
            results = evaluate(policy, self._made(count), *what)
        else:
            with Watch(self.trace) as watch:
                results = evaluate(policy, Watched(self._made(count), watch), *what)
        return results, elapsed(start)

    def _rows(self, settings: int) -> int:
        return rows_of(settings * len(self.seeds), self.episodes, self.task.max_rows)

    def _made(self, count: int) -> Environments:
        """At least `count` environments, kept from one evaluation to the next."""
        if self._environments is not None and self._held < count:
            self._environments.close()
            self._environments = None
        if self._environments is None:
            self._held = count
            make = self.task.environments
            self._environments = (
                make(count) if self.workers == 1 else RemoteEnvironments(make, count, self.workers)
            )
            self._give_up()  # it may have been said while they were made
        return self._environments

    def _give_up(self) -> None:
        if self._given_up and isinstance(self._environments, RemoteEnvironments):
            self._environments.kill()

    def _rehearse(self, policy: Policy, inference: Any, settings: int) -> None:
        """One decision, so that it is recorded here: recording is not for two threads at once."""
        lead = (len(self.seeds), self._rows(settings))
        obs = np.zeros((*lead, self.task.obs_dim), np.float32)
        declared = policy.act_noise(inference)
        policy.act(
            obs, {name: draw(item, lead, stream("shape")) for name, item in declared.items()}, inference
        )
