"""Work whose first attempt is killed, or stands still, in the middle of training."""

import os
import signal
import time

from toy import TASK

from algorithms.iql import IQL
from bench.runner import execute


def work(run, results, device, workers, report):
    """Train; what happens the first time is said by the name of the algorithm: killed, slow, late."""
    first = results / f"{run.algorithm}-was-here"

    def told(progress):
        report(progress)
        if run.algorithm in ("killed", "slow") and progress.step > 30 and not first.exists():
            first.touch()
            if run.algorithm == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(600)

    summary = execute(run, TASK, IQL, results, device, told, workers)
    if run.algorithm == "late" and not first.exists():  # all is recorded, and nothing said
        first.touch()
        time.sleep(600)
    return summary
