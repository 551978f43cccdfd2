"""What the published files of data sets look like: one JSON file with size, sha256 and source of each."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.errors import UserError


@dataclass(frozen=True)
class Entry:
    """A published file: its size in bytes, its sha256 in hexadecimal, and the URL that it came from."""

    size: int
    sha256: str
    source: str


class Lock:
    """The entries of a lock file, by `suite/data set/file`. A file that is not there has no entries."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def expected(self, key: str) -> Entry | None:
        """What is known of a file; None where nothing is. Raises UserError for a damaged lock file."""
        return self._read().get(key)

    def record(self, key: str, entry: Entry) -> None:
        """Add or replace an entry; what other processes add at the same time is kept.

        Raises UserError where the lock file is damaged or cannot be written.
        """
        part = self.path.with_name(f"{self.path.name}.part")
        try:
            with exclusive(self.path.with_name(f"{self.path.name}.lock")):
                entries = {**self._read(), key: entry}
                content = {name: asdict(entries[name]) for name in sorted(entries)}
                part.write_text(json.dumps(content, indent=1) + "\n")
                os.replace(part, self.path)
        except OSError as error:
            raise UserError(
                f"cannot write {self.path}: {error.strerror or error}; it takes the size and sha256 of "
                f"{key}. Make its folder writable"
            ) from error

    def _read(self) -> Mapping[str, Entry]:
        try:
            content = json.loads(self.path.read_text())
            return {key: _entry(fields) for key, fields in content.items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UserError(
                f"cannot read {self.path}: {error.strerror}; it holds the sizes and hashes of data sets. "
                f"Make it readable"
            ) from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{self.path} is damaged ({error}); it holds size, sha256 and source for each file. "
                f"Repair it or delete it"
            ) from error


def _entry(fields: Mapping[str, object]) -> Entry:
    entry = Entry(**fields)  # type: ignore[arg-type]
    if not (type(entry.size) is int and isinstance(entry.sha256, str) and isinstance(entry.source, str)):
        raise ValueError(f"not an entry: {fields}")
    return entry


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold `path` alone among processes and threads, and wait for whoever holds it; it is removed afterwards.

    Raises OSError where the file cannot be made or its file system knows no locks.
    """
    while True:
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(path, file.fileno()):
                continue  # the holder that was waited for has removed it: a lock on a file without a name
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
