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
from typing import Any

from safetensors.torch import load as tensors_of
from safetensors.torch import save as bytes_of
from torch import Tensor

from bench.records import sync_folder

NEWEST, PREVIOUS, PART = "checkpoint.safetensors", "checkpoint-previous.safetensors", "checkpoint.part"
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
            for piece in _signed(_serialized(checkpoint)):
                file.write(piece)
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
        found = _read(path.read_bytes())
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


def _serialized(checkpoint: Checkpoint) -> bytes:
    metadata = {
        "step": str(checkpoint.step),
        "about": json.dumps(checkpoint.about),
        "blake2b": _NO_SUM.decode(),
    }
    return bytes_of({name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()}, metadata)


def _signed(content: bytes) -> tuple[memoryview | bytes, ...]:
    """The file in three pieces, the second of which is its checksum."""
    place = _place_of_sum(content)
    assert place is not None
    view = memoryview(content)
    return view[: place.start], blake2b(content, digest_size=32).hexdigest().encode(), view[place.stop :]


def _place_of_sum(content: bytes) -> slice | None:
    end = 8 + int.from_bytes(content[:8], "little")
    found = list(_SUM.finditer(content, 0, min(end, len(content))))
    return slice(*found[0].span(1)) if len(found) == 1 else None


def _read(content: bytes) -> Checkpoint | None:
    """What a file holds; None where one bit of it is not as it was written."""
    place = _place_of_sum(content)
    if place is None:
        return None
    unsigned = bytearray(content)
    unsigned[place] = _NO_SUM
    if blake2b(unsigned, digest_size=32).hexdigest().encode() != content[place]:
        return None
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = header["__metadata__"]
    return Checkpoint(int(metadata["step"]), tensors_of(content), json.loads(metadata["about"]))
