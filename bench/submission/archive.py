"""Archives of records: written with equal bytes for equal records, read as if a stranger had made them.

An archive is a gzip-compressed tar file. It is read once, from front to back, and every header is held
against the limits before its content is unpacked; a zip file has its names in two places, which may differ,
and entries that may overlap. Of tar, one kind of member is known here: a plain file, whose header is byte for
byte the one that `write` makes. So links, devices, extended headers and other owners need no rules of
their own, and no name reaches a file system before it has been matched.
"""

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from bench.errors import UserError

MANIFEST = "MANIFEST.json"
RECORDS = ("evaluations.jsonl", "run.json", "summary.json")
WEIGHTS = "weights.safetensors"
FORMAT = 1

MB = 2**20
LIMITS = {
    MANIFEST: 8 * MB,
    "evaluations.jsonl": 32 * MB,
    "run.json": MB // 4,
    "summary.json": MB,
    WEIGHTS: 1024 * MB,
}
FILES = 20_000
RECORDS_TOTAL = 64 * MB  # held in memory together, where they take many times as much; weights are not
WEIGHTS_TOTAL = 8 * 1024 * MB
BLOCK = tarfile.BLOCKSIZE
CHUNK = 64 * 1024

# The first character is no dot, so that neither `..` nor a hidden file can be named.
PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+=,-]{0,127}", re.ASCII)


class HostileArchiveError(UserError):
    """An archive that is not read any further: damaged, made by something else, or made to do harm."""


def shown(text: str) -> str:
    """A stranger's text for a terminal: short, in ASCII, without anything that a terminal obeys."""
    escaped = text.encode("ascii", "backslashreplace").decode()
    plain = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped)
    return plain if len(plain) <= 200 else plain[:200] + "..."


def write(out: Path, files: Mapping[str, Path]) -> None:
    """Write an archive of these files, by their names in it, with a manifest of their sizes and sha256.

    Raises UserError for a name or a size that `read` would refuse, and where a file changes meanwhile.
    """
    entries = {}
    for name, path in sorted(files.items()):
        entries[name] = {
            "sha256": hashlib.sha256(content := path.read_bytes()).hexdigest(),
            "size": len(content),
        }
    manifest = json.dumps({"format": FORMAT, "files": entries}, indent=1).encode() + b"\n"
    part = out.with_name(out.name + ".part")
    try:
        with open(part, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
            budget = Budget()
            _append(packed, MANIFEST, manifest, budget)
            for name, path in sorted(files.items()):
                content = path.read_bytes()
                if hashlib.sha256(content).hexdigest() != entries[name]["sha256"]:
                    raise UserError(f"{path} changed while it was packed; wait until its run is finished")
                _append(packed, name, content, budget)
            packed.write(bytes(2 * BLOCK))
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of an archive, one after the other, in the order of their names.

    A name is `MANIFEST.json` or `runs/SUITE/TASK/ALGORITHM/ID/` and one of RECORDS or WEIGHTS. Raises
    HostileArchiveError in front of the first file that cannot be trusted, UserError where there is no file.
    """
    try:
        with open(path, "rb") as file:
            yield from _members(_Unpacked(file))
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror or error}); give an archive of bench pack"
        ) from error


class Budget:
    """What an archive may still hold. Raises HostileArchiveError where a file exceeds it."""

    def __init__(self) -> None:
        self.files, self.records, self.weights = FILES, RECORDS_TOTAL, WEIGHTS_TOTAL

    def take(self, name: str, size: int) -> None:
        kind = name.rpartition("/")[2]
        if not 0 <= size <= LIMITS[kind]:
            raise HostileArchiveError(
                f"{name} has {size:,} bytes; {LIMITS[kind]:,} are allowed. Pack runs of fewer seeds"
            )
        self.files -= 1
        if kind == WEIGHTS:
            self.weights -= size
        else:
            self.records -= size
        if min(self.files, self.records, self.weights) < 0:
            raise HostileArchiveError(
                f"the archive holds too much; it may have {FILES:,} files, {RECORDS_TOTAL // MB:,} MB of "
                f"records and {WEIGHTS_TOTAL // MB:,} MB of weights. Pack fewer runs"
            )


def check_name(name: str) -> None:
    """Raise HostileArchiveError unless `name` is one that an archive of records may hold."""
    if name == MANIFEST:
        return
    top, *parts = name.split("/")
    if top != "runs" or len(parts) != 5 or not all(map(PART.fullmatch, parts)):
        raise HostileArchiveError(
            f"the name '{shown(name)}' is not allowed; names are {MANIFEST} and "
            "runs/SUITE/TASK/ALGORITHM/ID/FILE, of letters, digits and ._@+=,-"
        )
    if parts[-1] not in (*RECORDS, WEIGHTS):
        raise HostileArchiveError(
            f"the file '{shown(name)}' is not allowed; a run has {', '.join(RECORDS)} and {WEIGHTS}"
        )


class _Unpacked:
    """The content of one gzip stream, unpacked no further than it is asked for."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.buffer = file, bytearray()
        self.unzip = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def read(self, count: int) -> bytes:
        """The next `count` bytes. Raises HostileArchiveError where there are fewer."""
        while len(self.buffer) < count and self._more():
            pass
        if len(self.buffer) < count:
            raise HostileArchiveError("the archive is cut off; get it again")
        content = bytes(self.buffer[:count])
        del self.buffer[:count]
        return content

    def ended(self) -> bool:
        """Whether there is nothing else, neither packed nor behind what is packed."""
        while not self.buffer and self._more():
            pass
        return not self.buffer and not self.unzip.unused_data and not self.file.read(1)

    def _more(self) -> bool:
        if self.unzip.eof:
            return False
        packed = self.unzip.unconsumed_tail or self.file.read(CHUNK)
        if not packed:
            raise HostileArchiveError("the archive is cut off; get it again")
        try:
            self.buffer += self.unzip.decompress(packed, CHUNK)
        except zlib.error as error:
            raise HostileArchiveError("it is not a sound .tar.gz file; make it with bench pack") from error
        return True


def _members(stream: _Unpacked) -> Iterator[tuple[str, bytes]]:
    budget, before = Budget(), ""
    while (header := stream.read(BLOCK)) != bytes(BLOCK):
        name, size = _read_header(header)
        budget.take(name, size)
        if name <= before:
            said = "is there twice" if name == before else "is not in the order of names"
            raise HostileArchiveError(f"{name} {said}; make the archive with bench pack")
        content, padding = stream.read(size), stream.read(-size % BLOCK)
        if padding.strip(b"\0"):
            raise HostileArchiveError(f"something is hidden behind {name}; make the archive with bench pack")
        yield name, content
        before = name
    if stream.read(BLOCK) != bytes(BLOCK) or not stream.ended():
        raise HostileArchiveError(
            "something is hidden behind the last file; make the archive with bench pack"
        )


KINDS = {
    tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link", tarfile.DIRTYPE: "a folder",
    tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe",
}  # fmt: skip


def _read_header(block: bytes) -> tuple[str, int]:
    """Name and size. Raises HostileArchiveError unless `write` could have made the block."""
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise HostileArchiveError("a header is damaged or not ASCII; make it with bench pack") from error
    if info.type != tarfile.REGTYPE:
        kind = KINDS.get(info.type, "no plain file")
        raise HostileArchiveError(f"'{shown(info.name)}' is {kind}; an archive holds plain files only")
    check_name(info.name)
    if info.size < 0 or _header(info.name, info.size) != block:
        raise HostileArchiveError(f"the header of {info.name} is unusual; make the archive with bench pack")
    return info.name, info.size


def _header(name: str, size: int) -> bytes:
    """The one header that a file of this name and size has: no owner, no time, to be read by all."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    try:
        return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError as error:
        raise HostileArchiveError(
            f"the name '{shown(name)}' is too long or not ASCII; give a shorter one"
        ) from error


def _append(packed: io.BufferedIOBase, name: str, content: bytes, budget: Budget) -> None:
    check_name(name)
    budget.take(name, len(content))
    packed.write(_header(name, len(content)) + content + bytes(-len(content) % BLOCK))
