"""Get the published files of a data set: each appears under its name only when it is complete and checked."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from bench.data.download import CHUNK, Download, Part
from bench.data.lock import Entry, Lock, exclusive
from bench.data.source import File, Source
from bench.data.verify import sha256_of
from bench.errors import UserError


class Progress(Protocol):
    """Hears how files arrive. A file with a folder in its name is called `suite/data set/file`."""

    def __call__(self, file_name: str, done_bytes: int, total_bytes: int | None) -> None:
        """So many bytes are there, of a total that is None where the server does not say."""

    def finished(self, file_name: str, words: str) -> None:
        """The file is there under its name; the words say how large it is and whether it was checked."""


class Silent:
    """A progress that nobody sees."""

    def __call__(self, file_name: str, done_bytes: int, total_bytes: int | None) -> None:
        pass

    def finished(self, file_name: str, words: str) -> None:
        pass


class DownloadBars:
    """A context manager that shows a bar for the file on its way, and a line for each finished one."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        name = TextColumn("{task.description}", markup=False)
        self.display = Bars(name, *columns, console=console, disable=not console.is_terminal)
        self.bars: dict[str, TaskID] = {}

    def __enter__(self) -> "DownloadBars":
        self.display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.display.stop()

    def __call__(self, file_name: str, done_bytes: int, total_bytes: int | None) -> None:
        if file_name not in self.bars:
            self.bars[file_name] = self.display.add_task(file_name, completed=done_bytes, total=total_bytes)
        self.display.update(self.bars[file_name], completed=done_bytes, total=total_bytes)

    def finished(self, file_name: str, words: str) -> None:
        if file_name in self.bars:
            self.display.remove_task(self.bars.pop(file_name))
        self.console.print(f"{file_name}: {words}", markup=False, highlight=False, soft_wrap=True)


_SILENT = Silent()
_ELSEWHERE = "name another place with --from DIR or URL"


def fetch(
    source: Source,
    lock: Lock,
    mirror: str | None = None,
    progress: Progress = _SILENT,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Path]:
    """The files of the official copy, downloaded where they are not there yet.

    Size and sha256 are checked where the lock knows them; where it does not, they are recorded for what came
    from the published URL. `mirror` is a folder or a URL that has `suite/data set/file` or `file`.
    Raises UserError where a file cannot be had or written, or is not the one that the lock knows.
    """
    places = [_places(source, file, mirror) for file in source.files]
    transfers = [_Transfer(source, file, lock, progress) for file in source.files]
    for transfer, where in zip(transfers, places, strict=True):
        transfer.get(where, mirror is None, sleep)
    return [transfer.target for transfer in transfers]


def _places(source: Source, file: File, mirror: str | None) -> list[str] | list[Path]:
    """Where the file may be found, URLs or paths, the likeliest first."""
    if mirror is None:
        if not _is_site(file.url):
            raise UserError(f"{source.id}/{file.name} has no published URL; {_otherwise(source)}")
        if not _is_safe(file.url):
            raise UserError(f"{file.url} is not https, so that anybody could change it; {_otherwise(source)}")
        return [file.url]
    names = (f"{source.id}/{file.name}", file.name)
    if _is_site(mirror):
        return [f"{mirror.rstrip('/')}/{quote(name)}" for name in names]
    folder = Path(url2pathname(mirror[len("file://") :]) if mirror.startswith("file://") else mirror)
    if not folder.expanduser().is_dir():
        raise UserError(
            f"--from {mirror} is not there; it takes a folder of this machine, file://... or http(s)://... "
            f"Check the name"
        )
    return [folder.expanduser() / name for name in names]


def _is_site(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _is_safe(url: str) -> bool:
    """Whether nobody between here and the publisher can change what comes: https, or this very machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")


def _otherwise(source: Source) -> str:
    """What to do where the published file cannot be had."""
    make = f", or make a copy here: bench data make {source.id}" if source.maker else ""
    return f"name a place that has the file with --from DIR or URL{make}"


class _Transfer:
    """One file, from where it may be found into a part file, and from there to its name."""

    def __init__(self, source: Source, file: File, lock: Lock, progress: Progress) -> None:
        self.source, self.url, self.lock, self.progress = source, file.url, lock, progress
        self.key = f"{source.id}/{file.name}"
        self.label = self.key if "/" in file.name else file.name  # a flat name says enough
        self.entry = lock.expected(self.key)
        self.target = source.folder() / file.name
        self.part = Part(self.target)

    def get(self, places: list[str] | list[Path], record: bool, sleep: Callable[[float], None]) -> None:
        """See to it that the file is there; `record` tells the lock of one that it does not know."""
        try:
            if not self.target.is_file():
                self.target.parent.mkdir(parents=True, exist_ok=True)
                with exclusive(self.part.path.with_name(f"{self.part.path.name}.lock")):
                    self.entry = self.lock.expected(self.key)  # while this one waited, another process may
                    if not self.target.is_file():  # have got the file and recorded it
                        return self._get(places, record, sleep)
            self._check(self.target, f"move {self.target} away and fetch again")
        except OSError as error:
            raise UserError(
                f"cannot read or write {error.filename or self.target}: {error.strerror or error}; "
                f"free space or set BENCH_DATA to a folder that can be written, then run the same command"
            ) from error
        return self.progress.finished(self.label, f"is there already, {self._checked()}")

    def _get(self, places: list[str] | list[Path], record: bool, sleep: Callable[[float], None]) -> None:
        if paths := [place for place in places if isinstance(place, Path)]:
            self._copy(paths)
        else:
            urls = [str(place) for place in places]
            Download(urls, self.part, self._arrived, sleep, _otherwise(self.source)).run()
        try:
            self._check(self.part.path, f"it was deleted; {_ELSEWHERE}")
        except UserError:
            self.part.drop()  # going on with it could never end well
            raise
        with self.part.path.open("rb") as file:
            os.fsync(file.fileno())
        # Before the file gets its name: one that is there already is never recorded.
        known = self._record() if record and self.entry is None else self._checked()
        words = f"{decimal(self.part.size)}, {known}"
        os.replace(self.part.path, self.target)
        self.part.about.unlink(missing_ok=True)
        self.progress.finished(self.label, words)

    def _copy(self, paths: Sequence[Path]) -> None:
        origin = next((path for path in paths if path.is_file()), None)
        if origin is None:
            raise UserError(
                f"there is neither {' nor '.join(map(str, paths))}; put the file of {self.key} into the "
                f"folder of --from, or name another place"
            )
        if (origin.parent / "made.json").exists():
            raise UserError(
                f"{origin} was made by `bench data make`: it is no copy of the published {self.source.id}, "
                f"and is used where it lies, in the folder that `bench data where` names"
            )
        total = origin.stat().st_size
        self._arrived(0, total)
        self.part.drop()  # what a download has left is of another origin
        with origin.open("rb") as reader, self.part.path.open("wb") as writer:
            while chunk := reader.read(CHUNK):
                writer.write(chunk)
                self._arrived(writer.tell(), total)

    def _arrived(self, done: int, total: int | None) -> None:
        """Tell the progress, unless the total says that this is another file, before anything is written."""
        if self.entry is not None and total not in (None, self.entry.size):
            found, expected = f"size {total}", f"size {self.entry.size}"
            raise self._wrong(f"what is offered as {self.key}", found, expected, _ELSEWHERE)
        self.progress(self.label, done, total)

    def _check(self, path: Path, remedy: str) -> None:
        """Raises UserError where the lock knows the file otherwise."""
        if self.entry is None:
            return
        found, expected = f"size {path.stat().st_size}", f"size {self.entry.size}"
        if found == expected:
            found, expected = f"sha256 {sha256_of(path)}", f"sha256 {self.entry.sha256}"
        if found != expected:
            raise self._wrong(str(path), found, expected, remedy)

    def _wrong(self, what: str, found: str, expected: str, remedy: str) -> UserError:
        return UserError(
            f"{what} has {found}, expected {expected} as in {self.lock.path}; {remedy}. If the publisher has "
            f"changed the file, delete the entry {self.key} there"
        )

    def _checked(self) -> str:
        return "size and sha256 are as recorded" if self.entry else "not checked: its sha256 is not known"

    def _record(self) -> str:
        """Tell the lock what was downloaded; in words, what came of it. The file is good in any case."""
        entry = Entry(self.part.size, sha256_of(self.part.path), self.url)
        try:
            self.lock.record(self.key, entry)
        except UserError as error:
            return f"sha256 {entry.sha256} was not recorded: {error}"
        return f"recorded: sha256 {entry.sha256}"
