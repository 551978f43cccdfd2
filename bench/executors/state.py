"""The small files that say how runs are doing: written by executors, read by `bench status`.

    results/plans/<time>-<id>.json         the runs of a command that is being carried out; its mtime is a
                                           heartbeat while somebody looks after them
    results/runs/.../<run id>/progress.json   how far a working run is, replaced every few seconds
    results/runs/.../<run id>/failed.json     why the last attempt failed; gone when a later one succeeds

Who works on a run is said by its lock, see bench/lock.py.
None of them is a record: no number of a report depends on them.
"""

import json
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import splitting
from bench.execution import Progress
from bench.lock import HEARTBEAT_SECONDS, LIMIT_SECONDS, clock
from bench.plan import Run
from bench.records import run_path, write_json

PROGRESS_SECONDS = 2.0  # between two writes of progress.json


class Diary:
    """Keeps progress.json of one attempt, from its first word until it ends: before, another process may be
    working on the run. A disk that is full or gone stops no training.
    """

    def __init__(self, folder: Path, steps: int, attempt: int, plan: str = "") -> None:
        self.path = folder / "progress.json"
        self.about: dict[str, Any] = {
            "steps": steps,
            "attempt": attempt,
            "plan": plan,  # tells the attempts of one command from those of another
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        self.written = -math.inf

    def __enter__(self) -> "Diary":
        self.about["started"] = now()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if math.isfinite(self.written):
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def write(self, progress: Progress) -> None:
        if time.monotonic() - self.written >= PROGRESS_SECONDS:
            self._replace({"step": progress.step, "seconds": progress.seconds, "score": progress.score})

    def _replace(self, reached: dict[str, Any]) -> None:
        """Not synced to the disk, unlike records: whoever reads it wants to know about now."""
        self.written = time.monotonic()
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        with suppress(OSError):
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(self.about | reached) + "\n")
            os.replace(part, self.path)


def write_failure(folder: Path, error: str, attempts: int) -> None:
    """Keep why a run failed; a disk that cannot take it is not worth a second error."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        content = {"error": error, "time": now(), "attempts": attempts, "host": socket.gethostname()}
        write_json(folder / "failed.json", content)


def forget_failure(folder: Path) -> None:
    with suppress(OSError):
        (folder / "failed.json").unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any] | None:
    """A file of this module, or None where there is none that can be read."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def heard(folder: Path) -> float | None:
    """When a process that worked on a run was last heard of (seconds since the epoch); None: never."""
    times = [_mtime(folder / name) for name in ("lock", "progress.json")]
    return max((at for at in times if at is not None), default=None)


def has_failed(run: Run, results: Path) -> bool:
    """Whether the last attempt at a run failed."""
    return (run_path(results, run.suite, run.task, run.algorithm, run.id) / "failed.json").exists()


class Plan:
    """The file that lists what a command is going to run; a context manager that keeps it fresh.

    Where all its runs have ended it is removed. An exception (Ctrl-C) leaves it, marked as ended: the runs
    that were never started are known from it alone.
    """

    def __init__(self, results: Path, runs: Sequence[Run], command: str, executor: str) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        self.path = results / "plans" / f"{stamp}-{uuid.uuid4().hex[:6]}.json"
        self.results = results
        self.content: dict[str, Any] = {
            "format": 1,
            "created": now(),
            "command": command,
            "executor": executor,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "ended": None,
            "runs": [_planned(run, results) for run in runs],
        }
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Plan":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _forget_plans(self.results, {run["path"] for run in self.content["runs"]})
        write_json(self.path, self.content)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        with suppress(OSError):
            if kind is None:
                self.path.unlink(missing_ok=True)
            else:
                write_json(self.path, self.content | {"ended": now()})

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):
                os.utime(self.path)


@dataclass(frozen=True)
class PlanRecord:
    """A plan as it was read. looked_after: the command that wrote it still runs."""

    path: Path
    created: str
    executor: str
    runs: Sequence[Mapping[str, Any]]
    ended: bool
    looked_after: bool


def read_plans(results: Path, at: float) -> list[PlanRecord]:
    """All plans, oldest first, as they are at a time (seconds since the epoch); damaged ones are left out."""
    found = []
    for path in sorted((results / "plans").glob("*.json")):
        content = read(path)
        if content is None or not isinstance(content.get("runs"), list):
            continue
        beat = _mtime(path) or 0.0
        ended = bool(content.get("ended"))
        alive = not ended and at - beat <= LIMIT_SECONDS
        created, executor = str(content.get("created")), str(content.get("executor"))
        found.append(PlanRecord(path, created, executor, content["runs"], ended, alive))
    return found


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _planned(run: Run, results: Path) -> dict[str, Any]:
    path = run_path(results, run.suite, run.task, run.algorithm, run.id)
    names = {"suite": run.suite, "task": run.task, "algorithm": run.algorithm, "run": run.id}
    return names | {"path": str(path.relative_to(results)), "seeds": run.seeds, "steps": run.steps}


def _forget_plans(results: Path, planned_anew: Iterable[str]) -> None:
    """Remove plans that nobody looks after, where each of their runs is planned anew or has ended."""
    anew = set(planned_anew)
    for plan in read_plans(results, clock(results)):
        if not plan.looked_after and all(
            run.get("path") in anew or _has_ended(results / str(run.get("path"))) for run in plan.runs
        ):
            with suppress(OSError):
                plan.path.unlink(missing_ok=True)


def _has_ended(folder: Path) -> bool:
    return (folder / "failed.json").exists() or all(
        (part / "summary.json").exists() for part, _ in splitting.parts(folder)
    )


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
