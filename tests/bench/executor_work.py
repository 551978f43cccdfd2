"""Work for tests of executors: what a run does is said by the name of its algorithm. No training."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import records
from bench.errors import UserError
from bench.execution import Progress
from bench.executors import local
from bench.executors.interface import Job
from bench.lock import HeldError, living_owner
from bench.plan import Run

SUMMARY = {"train_seconds": 1.0, "waiting_seconds": 0.0, "diverged": []}


def make_run(algorithm: str, seed: int = 0, **changes: Any) -> Run:
    settings = {"steps": 10, "eval_steps": (10,), "episodes": 2} | changes
    return Run(
        "diagnostic", "gamble", algorithm, algorithm, "c0de", (("lr", 1e-3), ("hidden", (8, 8))), (), (),
        ((),), (seed,), **settings,
    )  # fmt: skip


def make_job(results: Path, algorithm: str, seed: int = 0, **settings: Any) -> Job:
    return Job(make_run(algorithm, seed), "executor_work:work", str(results), folder=os.getcwd(), **settings)


def work(run: Run, results: Path, device: str, workers: int, report: Any) -> dict[str, Any]:
    """What the run is called: well, wrong, broken, killed, killed-once, exited, slow, slow-once, orphan,
    held."""
    if run.algorithm == "held":
        raise HeldError("its folder is being worked on by process 1 on far since noon; wait")
    report(Progress(3, 0.1, None))
    before = results / f"{run.algorithm}-{run.seeds[0]}-was-here"
    first = not before.exists()
    before.touch()
    match run.algorithm.removesuffix("-once"), first or not run.algorithm.endswith("-once"):
        case "wrong", _:
            raise UserError("lr = -1; it must be above 0; give another")
        case "broken", _:
            raise ZeroDivisionError("on purpose")
        case "killed", True:
            os.kill(os.getpid(), signal.SIGKILL)
        case "exited", True:  # as the watchdog does where an environment hangs in compiled code
            folder = records.run_path(results, run.suite, run.task, run.algorithm, run.id)
            (folder / "error.txt").write_text("the traces of all threads")
            os._exit(1)
        case "orphan", True:
            while not (results / "parent-is-gone").exists():
                time.sleep(0.01)
        case "slow", True:
            # a process of its own, as an environment would be: it must not outlive the run
            child = subprocess.Popen(
                [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
            )
            (results / "child").write_text(str(child.pid))
            time.sleep(600)
    report(Progress(run.steps, 0.2, 0.5))
    return SUMMARY | {"gpu": os.environ.get("CUDA_VISIBLE_DEVICES"), "pid": os.getpid(), "device": device}


def resumed(results: Path) -> list[list[int]]:
    """For each run the updates after which it was resumed."""
    found = sorted(results.glob("runs/*/*/*/*/summary.json"))
    return [json.loads(file.read_text())["resumed"] for file in found]


def clock_that_jumps_when(condition: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """For the executor of this machine an hour passes at that moment, and no time before or after it."""
    monkeypatch.setattr(local, "time", SimpleNamespace(monotonic=lambda: 3600.0 * bool(condition())))


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    """What the condition says when it is not nothing; the process must be there so long."""
    while not (found := condition()):
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.01)
    return found


def stopped_worker(results: Path, runs: str) -> int | None:
    """A process that works on one of these runs, of which there is a checkpoint: it stands still now, so that
    the run does not end before the next thing happens to it. None: there is none at this moment.
    """
    for path in results.glob(f"runs/*/*/{runs}/*/checkpoint.safetensors"):
        owner = living_owner(path.parent)
        if owner is None:
            continue
        with suppress(OSError):  # it has ended meanwhile
            os.kill(owner.pid, signal.SIGSTOP)
            while Path(f"/proc/{owner.pid}/stat").read_text().rpartition(")")[2].split()[0] not in "TZX":
                time.sleep(0.001)
            if living_owner(path.parent) == owner and not (path.parent / "summary.json").exists():
                return owner.pid
            os.kill(owner.pid, signal.SIGCONT)
    return None


def needs_submitit():
    """Skip where it is not installed, without importing it: that would set up all logging anew."""
    if find_spec("submitit") is None:
        pytest.skip("submitit is not installed: pip install 'offline-bench[slurm]'")
