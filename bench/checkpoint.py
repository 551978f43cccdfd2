"""Where a killed run continues: the last two states of its training, each with a checksum of every bit.

`checkpoint.safetensors` is the newest, `checkpoint-previous.safetensors` the one before it. A file has its
name only when it is whole and on the disk; between two renames the newest may be missing for a moment, and
the one before it is then used. Its metadata hold the number of updates (`step`), what the run says about
itself (`about`, JSON) and the checksum of the file with zeros in the place of the checksum (`blake2b`).
"""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import safe_open
from torch import Tensor

from bench.records import sync_folder
from bench.tensorfile import pieces

NEWEST, PREVIOUS, PART = "checkpoint.safetensors", "checkpoint-previous.safetensors", "checkpoint.part"
CHUNK = 2**20  # bytes that are read at once
_NO_SUM = b"0" * 64
_SUM = re.compile(rb'"blake2b":"([0-9a-f]{64})"')


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a population after `step` updates, and what else the run needs (of JSON types)."""

    step: int
    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Make this the newest checkpoint of the run in `folder`; the newest so far becomes the previous one.

    Raises OSError where it cannot be written; both old ones are then as they were.
    """
    part = folder / PART
    try:
        with open(part, "wb") as file:
            _write(file, checkpoint)
            file.flush()
            os.fsync(file.fileno())
        if (folder / NEWEST).exists():
            os.replace(folder / NEWEST, folder / PREVIOUS)
        os.replace(part, folder / NEWEST)
        sync_folder(folder)
    except OSError:
        with suppress(OSError):  # half of it would take the room that is missing
            part.unlink(missing_ok=True)
        raise


def load(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole (None: start from the beginning), and what was wrong with others.

    Damaged ones are deleted, so that no good one ever gives way to them.
    """
    damaged = []
    found: Checkpoint | None = None
    for path in (folder / NEWEST, folder / PREVIOUS):
        if not path.exists():
            continue
        found = _read(path)
        if found is not None:
            break
        damaged.append(path.name)
        path.unlink()
    if not damaged:
        return found, []
    instead = f"training went on after update {found.step}" if found else "training began anew"
    return found, [f"{' and '.join(damaged)} had been damaged; {instead}, which changes no result"]


def discard(folder: Path) -> None:
    """Delete what a finished run needs no more."""
    for name in (NEWEST, PREVIOUS, PART):
        (folder / name).unlink(missing_ok=True)


def _write(file: BinaryIO, checkpoint: Checkpoint) -> None:
    metadata = {
        "step": str(checkpoint.step),
        "about": json.dumps(checkpoint.about),
        "blake2b": _NO_SUM.decode(),
    }
    checksum = blake2b(digest_size=32)
    place: slice | None = None
    for piece in pieces(checkpoint.tensors, metadata):
        place = place or _place_of_sum(bytes(piece))  # it is in the first one, the header
        checksum.update(piece)
        file.write(piece)
    assert place is not None
    file.seek(place.start)
    file.write(checksum.hexdigest().encode())


def _place_of_sum(header: bytes) -> slice | None:
    found = list(_SUM.finditer(header))
    return slice(*found[0].span(1)) if len(found) == 1 else None


def _read(path: Path) -> Checkpoint | None:
    """What a file holds; None where one bit of it is not as it was written."""
    with open(path, "rb") as file:
        length = file.read(8)
        size = int.from_bytes(length, "little")
        if size > path.stat().st_size:
            return None
        header = bytearray(length + file.read(size))
        place = _place_of_sum(bytes(header))
        if place is None:
            return None
        expected = bytes(header[place])
        header[place] = _NO_SUM
        checksum = blake2b(header, digest_size=32)
        while piece := file.read(CHUNK):
            checksum.update(piece)
    if checksum.hexdigest().encode() != expected:
        return None
    with safe_open(path, "pt") as content:
        metadata = content.metadata()
        tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    return Checkpoint(int(metadata["step"]), tensors, json.loads(metadata["about"]))
