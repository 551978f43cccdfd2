"""A run is worked on by one process at a time, also where several machines share a results folder.

The owner of the folder of a run is written into its file `lock` and gives a sign of life by touching it. A
process of this machine is looked up by its number and the moment it was started. Of a process elsewhere, or
of another user where the machine hides those, only the sign of life is seen; its age is measured with the
clock of the file system, by touching another file there, because the clocks of two machines differ. Nothing
but creating, linking and renaming files is asked of the file system, so NFS will do.

Whoever finds a dead owner must first create `lock.<owner>.heir`, which only one can; then the lock is
replaced. An heir that dies in between has an heir in turn. A dead owner that was only asleep finds another
name in the lock before it writes the next record, and stops.
"""

import json
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from bench.errors import UserError

HEARTBEAT_SECONDS = 15.0  # between signs of life
LIMIT_SECONDS = 120.0  # without one, an owner on another machine is taken to be dead
ATTEMPTS = 100  # every one of which another process was faster


class HeldError(UserError):
    """Another process works on the run: nothing is wrong with it."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock."""

    token: str  # of this one locking
    host: str
    place: str  # machine, its start and its space of process numbers: where `pid` means the same process
    pid: int
    started: str  # when the process was, in ticks of the machine; empty where that is not known
    since: str  # for the reader; never compared

    def alive(self, file: Path, now: float | None = None) -> bool:
        """Whether it still works; `file` is the one that it touches. now: as `clock` says; None: ask it."""
        if self.place == _place() and not _is_hidden(self.pid):
            return _started(self.pid) == self.started
        return _is_fresh(file, now)


class Lock:
    """The right to write into the folder of a run: acquire it, then use it as a context manager.

    `check` is called before anything is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "lock"
        token = secrets.token_hex(8)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        pid = os.getpid()
        self.owner = Owner(token, socket.gethostname(), _place(), pid, _started(pid) or "", now)
        self._over = threading.Event()

    def __enter__(self) -> "Lock":
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with suppress(OSError):  # what cannot be deleted belongs to a process that will be seen to be dead
            if self._is_mine():
                self.path.unlink()

    def check(self) -> None:
        """Raise UserError where another process has taken over: this one must not write any more."""
        if not self._is_mine():
            holder = _read(self.path)
            who = f"process {holder.pid} on {holder.host} took it over" if holder else "its lock was deleted"
            raise UserError(
                f"{self.folder}: {who} while this process gave no sign of life; "
                "it stops without writing. What is recorded stays valid; give the same command to continue"
            )

    def _is_mine(self) -> bool:
        holder = _read(self.path)
        return holder is not None and holder.token == self.owner.token

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):  # a share may be away for a moment
                if self._is_mine():
                    os.utime(self.path)

    def acquire(self) -> None:
        """Become the owner. Raises UserError where another process is."""
        own = self.folder / f"lock.{self.owner.token}"
        try:
            for _ in range(ATTEMPTS):
                own.write_text(json.dumps(asdict(self.owner)))
                if _create(self.path, own) or self._inherit(own):
                    return
        finally:
            own.unlink(missing_ok=True)
        raise UserError(f"{self.folder}: other processes take turns with {self.path}; wait until they end")

    def _inherit(self, own: Path) -> bool:
        """Replace the lock of a dead owner; False where the lock has changed meanwhile.

        Raises UserError where the owner is alive.
        """
        first = _read(self.path)
        holder, file = first, self.path
        heirs: list[Path] = []
        while holder is not None:
            if holder.alive(file):
                raise HeldError(
                    f"{self.folder} is being worked on by process {holder.pid} on {holder.host} since "
                    f"{holder.since}; wait until it ends, or stop it: the same command then continues"
                )
            file = self.folder / f"lock.{holder.token}.heir"
            heirs.append(file)
            if _create(file, own):
                break
            holder = _read(file)
        if holder is None or first is None:
            return False
        now = _read(self.path)
        if now is None or now.token != first.token:
            file.unlink(missing_ok=True)
            return False
        os.replace(own, self.path)
        for heir in heirs:
            heir.unlink(missing_ok=True)
        return True


def living_owner(folder: Path, now: float | None = None) -> Owner | None:
    """Who works on the run of a folder; None: nobody, or one that is dead. now: as for Owner.alive."""
    path = folder / "lock"
    holder = _read(path)
    return holder if holder is not None and holder.alive(path, now) else None


def clock(folder: Path) -> float:
    """The time by the clock of the file system of a folder; that of this machine where it cannot be had."""
    probe = folder / f"lock.{secrets.token_hex(8)}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with suppress(OSError):
            probe.unlink()


def _create(path: Path, source: Path) -> bool:
    """Create `path` with the content of `source`, at once; False where it exists."""
    try:
        os.link(source, path)
        return True
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            with open(path, "x") as file:
                file.write(source.read_text())
            return True
        except FileExistsError:
            return False


def _read(path: Path) -> Owner | None:
    """Who is named in a lock; None where there is none. Who cannot be read is nobody of this machine."""
    try:
        content, node = path.read_text(errors="replace"), path.stat().st_ino
    except FileNotFoundError:
        return None
    try:
        return Owner(**json.loads(content))
    except (ValueError, TypeError):
        return Owner(f"unreadable-{node}", "an unknown machine", "", 0, "", "an unknown time")


def _is_fresh(file: Path, now: float | None) -> bool:
    """Whether a sign of life is recent, by the clock of the file system.

    One from the future is as old as one from the past: a clock was set, and who lives will soon touch it.
    """
    now = clock(file.parent) if now is None else now
    try:
        return abs(now - file.stat().st_mtime) <= LIMIT_SECONDS
    except FileNotFoundError:
        return False


def _place() -> str:
    facts = [socket.gethostname()]
    for fact in (_boot, _process_space):
        with suppress(OSError):
            facts.append(fact())
    return " ".join(facts)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _process_space() -> str:
    return os.readlink("/proc/self/ns/pid")


def _is_hidden(pid: int) -> bool:
    """Whether a process is there, but another user's, of which this machine shows nothing (hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return not Path(f"/proc/{pid}").exists()
    except (OSError, OverflowError, TypeError):  # TypeError: a lock that somebody has edited
        pass
    return False


def _started(pid: int) -> str | None:
    """When a process of this machine was started; None where there is none, or only its remains."""
    if not Path("/proc/self/stat").exists():
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            return ""
        return None
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else fields[18]
