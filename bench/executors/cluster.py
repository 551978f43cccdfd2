"""The loop behind all executors that use other machines: submit, watch, try again, cancel."""

import json
import math
import os
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bench import splitting
from bench.errors import UserError
from bench.execution import Progress
from bench.executors import state
from bench.executors.interface import Event, Job, Listener, carry_out, failed, prepare_process
from bench.executors.local import duration
from bench.lock import HEARTBEAT_SECONDS, LIMIT_SECONDS, living_owner
from bench.recorded import is_finished

WATCH_SECONDS = 2.0  # between two looks at the progress of all runs
REFUSED_SECONDS = 30.0  # from jobs that could not be submitted to the next attempt, while others work
VISIBLE_SECONDS = 30.0  # a new file may take so long to be seen over NFS


class Machines(Protocol):
    """Somewhere to carry out jobs. A handle is what the machines call a submitted job; it is hashable."""

    def submit(self, jobs: Sequence[Job]) -> list[Any]:
        """A handle for each job, in order."""

    def ended(self, jobs: Mapping[Any, Job]) -> dict[Any, str | None]:
        """Those that have ended, each with what `serve` returned, or with None where it is lost: its process
        or its machine was. May wait a second.
        """

    def lost(self, handle: Any) -> str:
        """Why a job that is lost may be so: a sentence without its end."""

    def cancel(self, handles: Sequence[Any]) -> None: ...

    def close(self) -> None: ...


@dataclass
class Cluster:
    """Executes jobs on machines of which it knows nothing but the interface above.

    timeout: seconds of work for an attempt. retries: how often a lost run is tried again. max_queued: how
    many are submitted and not ended, at most; None: all.
    """

    machines: Machines
    timeout: float | None = None
    retries: int = 0
    max_queued: int | None = None
    _since: dict[Any, float] = field(default_factory=dict, init=False)  # when a job was first seen to work
    _watched: float = field(default=0.0, init=False)
    _refused: float = field(default=-math.inf, init=False)  # when jobs could not be submitted

    def execute(self, jobs: Sequence[Job], listener: Listener) -> None:
        waiting, running = deque(jobs), dict[Any, Job]()
        try:
            while waiting or running:
                portion = [waiting.popleft() for _ in range(self._portion(len(waiting), len(running)))]
                if portion:
                    try:
                        running |= zip(self.machines.submit(portion), portion, strict=True)
                    except UserError:
                        if not running:
                            raise
                        waiting.extendleft(reversed(portion))  # a scheduler is out of reach now and then
                        self._refused = time.monotonic()
                for handle, text in self.machines.ended(running).items():
                    job = running.pop(handle)
                    self._since.pop(handle, None)
                    if text is None:
                        waiting.extend(self._lost(job, self.machines.lost(handle), listener))
                    else:
                        for event in _events(job, text):
                            listener(event)
                for handle in self._watch(running, listener):
                    self.machines.cancel([handle])
                    reason = f"timed out after {duration(self.timeout or 0)}"
                    waiting.extend(self._lost(running.pop(handle), reason, listener))
        except BaseException:
            self.machines.cancel(list(running))
            raise
        finally:
            self.machines.close()

    def _portion(self, waiting: int, running: int) -> int:
        """How many jobs to submit now: as many as there is room for, but no driblets."""
        if running and time.monotonic() - self._refused < REFUSED_SECONDS:
            return 0
        if self.max_queued is None:
            return waiting
        room = self.max_queued - running
        return min(waiting, room) if room >= min(waiting, max(1, self.max_queued // 4)) else 0

    def _lost(self, job: Job, reason: str, listener: Listener) -> list[Job]:
        if job.attempt <= self.retries:
            return [job.again()]
        with suppress(OSError):
            (job.path / "progress.json").unlink(missing_ok=True)
        if job.is_recorded():  # it was lost just after its last word
            listener(carry_out(job))
            return []
        listener(failed(job, f"{reason}; the same command continues from its last checkpoint"))
        return []

    def _watch(self, running: Mapping[Any, Job], listener: Listener) -> list[Any]:
        """Tell the listener how far jobs are, from the files that they write; those that take too long."""
        if time.monotonic() - self._watched < WATCH_SECONDS:
            return []
        late = []
        for handle, job in running.items():
            said = state.read(job.path / "progress.json")
            if said is None or (said.get("plan"), said.get("attempt")) != (job.plan, job.attempt):
                continue
            since = self._since.setdefault(handle, time.monotonic())
            with suppress(KeyError):
                listener(Event(job.run, Progress(said["step"], said["seconds"], said["score"])))
            if self.timeout is not None and time.monotonic() - since >= self.timeout:
                late.append(handle)
        self._watched = time.monotonic()
        return late


def serve(text: str) -> str:
    """Carry out a job that came as JSON, on whatever machine this is; how it ended, as JSON."""
    try:
        job = Job.from_json(text)
        _check_shared(job)
    except UserError as error:
        return json.dumps({"summary": None, "error": str(error)})
    os.chdir(job.folder)
    prepare_process(job.threads)
    _wait_for_another(job.path)
    reached: deque[Progress] = deque(maxlen=1)
    if is_finished(job.run, Path(job.results)):  # SLURM may requeue what has just ended
        event = Event(job.run, summary=state.read(job.path / "summary.json"))
    else:
        event = carry_out(job, reached.append)
    last = asdict(reached[-1]) if reached else None
    return json.dumps({"summary": event.summary, "error": event.error, "held": event.held, "progress": last})


def _events(job: Job, text: str) -> Iterator[Event]:
    """What a listener hears of a job that has ended, from what `serve` returned."""
    said = json.loads(text)
    if said.get("progress"):
        yield Event(job.run, Progress(**said["progress"]))
    if said.get("held") or not said["error"]:
        yield Event(job.run, summary=said["summary"], error=said["error"], held=bool(said.get("held")))
    else:
        yield failed(job, said["error"])


def _check_shared(job: Job) -> None:
    """Raise UserError where this machine does not see the files of the one that gave the command."""
    until = time.monotonic() + VISIBLE_SECONDS
    while not Path(job.plan).exists():
        if time.monotonic() > until:
            raise UserError(
                f"{socket.gethostname()} does not see {job.results}; results must be in a folder that all "
                "machines share, under the same path: choose one with --results"
            )
        time.sleep(0.5)
    if not Path(job.folder).is_dir():
        raise UserError(
            f"{socket.gethostname()} does not see {job.folder}, where the command was given; give it in a "
            "folder that all machines share"
        )


def _wait_for_another(folder: Path) -> None:
    """Wait while another process works on a run.

    When a machine is lost nobody can tell it from one that does not answer; its sign of life can. What is to
    be done with a lock that stays is for the runner to say.
    """
    until = time.monotonic() + LIMIT_SECONDS + HEARTBEAT_SECONDS
    while time.monotonic() < until and any(living_owner(part) for part, _ in splitting.parts(folder)):
        time.sleep(1.0)
