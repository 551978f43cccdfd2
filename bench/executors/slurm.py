"""Runs as job arrays of SLURM, submitted with submitit.

submitit keeps its jobs pickled, in results/jobs/<plan>. What is pickled is one class of this module and a
string; nothing of it is read back here: how a job ended is a JSON file beside it.
"""

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.executors.cluster import serve
from bench.executors.interface import Job

POLL_SECONDS = 2.0
ARRAY = 1000  # jobs of one array; SLURM's own limit is 1001 unless it is configured otherwise
GRACE_SECONDS = 20.0  # from when a job left the queue to when its files are missed
TIMES = 1000  # how often a job that reached its time limit goes on
DEFAULTS = {"job_name": "bench", "time": "4:00:00"}
LOGGING = "SUBMITIT_LOG_LEVEL"


class Task:
    """What submitit carries out: a job as JSON; how it ended goes into a file."""

    def __call__(self, text: str, outcome: str) -> None:
        said = serve(text)
        part = Path(f"{outcome}.part")
        part.write_text(said)
        os.replace(part, outcome)

    def checkpoint(self, text: str, outcome: str) -> Any:
        """Called before its time is up, and when it is preempted: the same again, which resumes the run."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, text, outcome)


class SlurmMachines:
    """The machines behind `sbatch`, see cluster.Machines.

    folder: for submitit's files, shared by all machines. items: options of sbatch, `partition=gpu`;
    `cluster=local` takes processes of this machine in place of SLURM. cpus, at_once: cores for a job, and how
    many jobs of an array may work at a time. Raises UserError where an option or submitit is missing.
    """

    def __init__(self, folder: Path, items: Sequence[str], cpus: int, at_once: int | None) -> None:
        submitit = _library()
        options = {"cpus_per_task": str(cpus)} | DEFAULTS | _parsed(items)
        self.kind = options.pop("cluster", "slurm")
        if self.kind not in ("slurm", "local"):
            raise UserError(f"--slurm cluster={self.kind} is not known; give slurm or local")
        self.folder = folder
        try:
            self.executor = submitit.AutoExecutor(folder, cluster=self.kind, slurm_max_num_timeout=TIMES)
            self.executor.update_parameters(**_parameters(options, self.kind, at_once))
        except RuntimeError as error:
            raise UserError(
                "--executor slurm needs `sbatch` and `srun` on this machine; give the command where they are"
            ) from error
        self.jobs: dict[str, Any] = {}
        self.outcomes: dict[str, Path] = {}
        self.missed: dict[str, float] = {}  # since when a job without an outcome is not in the queue

    def submit(self, jobs: Sequence[Job]) -> list[str]:
        handles: list[str] = []
        for start in range(0, len(jobs), ARRAY):
            portion = list(jobs[start : start + ARRAY])
            outcomes = [self.folder / f"{job.run.id}-{job.attempt}.json" for job in portion]
            try:
                submitted = self.executor.map_array(
                    Task(), [job.to_json() for job in portion], [str(path) for path in outcomes]
                )
            except BaseException as error:
                self.cancel(handles)  # of the arrays before: nobody would look after them
                if not isinstance(error, Exception):
                    raise
                # submitit's own errors have nothing in common
                raise UserError(f"sbatch refuses the jobs: {_last_line(error)}; see --slurm") from error
            for job, outcome in zip(submitted, outcomes, strict=True):
                self.jobs[job.job_id], self.outcomes[job.job_id] = job, outcome
                handles.append(job.job_id)
        return handles

    def ended(self, jobs: Mapping[str, Job]) -> dict[str, str | None]:
        time.sleep(POLL_SECONDS)
        queue = self._queue(jobs)
        found: dict[str, str | None] = {}
        for handle in jobs:
            if self.outcomes[handle].exists():
                found[handle] = self.outcomes[handle].read_text()
            elif queue is None or handle in queue:
                self.missed.pop(handle, None)
            elif time.monotonic() - self.missed.setdefault(handle, time.monotonic()) > GRACE_SECONDS:
                found[handle] = None
        return found

    def lost(self, handle: str) -> str:
        return f"its job ended without a result (see {self.jobs[handle].paths.stderr})"

    def cancel(self, handles: Sequence[str]) -> None:
        if self.kind == "local":
            for handle in handles:
                self.jobs[handle].cancel(check=False)
        elif handles:
            numbers = sorted({handle if len(handles) == 1 else handle.split("_")[0] for handle in handles})
            subprocess.run(["scancel", *numbers], capture_output=True)

    def close(self) -> None:
        pass

    def _queue(self, jobs: Mapping[str, Job]) -> set[str] | None:
        """Which jobs wait or work; None where SLURM does not answer now.

        Asked with squeue, because sacct, which submitit asks, needs an accounting database.
        """
        if self.kind == "local":
            return {handle for handle in jobs if not self.jobs[handle].done()}
        asked = subprocess.run(["squeue", "--me", "-h", "-r", "-o", "%i"], capture_output=True, text=True)
        return set(asked.stdout.split()) if asked.returncode == 0 else None


def minutes(text: str) -> int:
    """A time limit as sbatch writes it: `90`, `2:00:00`, `1-12:00:00`; also `2h`. Raises UserError."""
    if re.fullmatch(r"[0:-]+(h|min)?", text):  # for sbatch: without end
        raise UserError(f"--slurm time={text} leaves no time; write minutes, HH:MM:SS or D-HH:MM:SS")
    if match := re.fullmatch(r"(\d+)(h|min)?", text):
        return int(match[1]) * (60 if match[2] == "h" else 1)
    if match := re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", text):
        days, hours, mins, seconds = (int(part or 0) for part in match.groups())
        return days * 1440 + hours * 60 + mins + (seconds > 0)
    raise UserError(f"--slurm time={text} is no time limit; write minutes, HH:MM:SS or D-HH:MM:SS")


def _parsed(items: Sequence[str]) -> dict[str, str]:
    options = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not (key and equals and value):
            raise UserError(f"--slurm {item!r} is not of the form KEY=VALUE, such as partition=gpu")
        options[key.lstrip("-").replace("-", "_")] = value
    return options


def _parameters(options: Mapping[str, str], kind: str, at_once: int | None) -> dict[str, Any]:
    """What submitit calls them; an option that it does not know goes to sbatch as it is."""
    from submitit.slurm.slurm import SlurmExecutor

    limit = minutes(options["time"])
    if kind == "local":
        return {"timeout_min": limit}
    known = SlurmExecutor._valid_parameters()
    given: dict[str, Any] = {
        f"slurm_{key}": int(value) if value.isdecimal() else value
        for key, value in options.items()
        if key in known and key != "time"
    }
    others = {key: value for key, value in options.items() if key not in known}
    given |= {"timeout_min": limit, "slurm_additional_parameters": others}
    return given | ({"slurm_array_parallelism": at_once} if at_once else {})


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "sbatch:" in line), lines[-1] if lines else type(error).__name__)


def _library() -> Any:
    """submitit, without the set-up of all logging that importing it does, which closes what others log to."""
    before = os.environ.get(LOGGING)
    os.environ[LOGGING] = "NOCONFIG"
    try:
        import submitit
    except ImportError as error:
        raise UserError(
            "--executor slurm needs the package submitit: pip install 'offline-bench[slurm]'"
        ) from error
    finally:  # jobs inherit the variables of this process, and their logs are wanted
        os.environ.pop(LOGGING)
        if before is not None:
            os.environ[LOGGING] = before
    return submitit
