"""Copies of data sets that are made on this machine, and the check of any copy.

A made copy gets a folder of its own, named by its size and the hash of its content. Beside the files lies
`made.json`: how they were made, with which versions, and their hashes.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.data.lock import Lock
from bench.data.source import OFFICIAL, Copy, Maker, MakeRequest, Source
from bench.data.verify import sha256_of
from bench.errors import UserError

_PACKAGES = ("numpy", "mujoco", "dm-control", "ogbench", "gymnasium", "gymnasium-robotics", "minari")


def make(source: Source, request: MakeRequest) -> Copy:
    """Make a copy of `source` from the packages alone. It appears under its name when it is complete.

    Raises UserError where the data set cannot be made, or the folder cannot be written.
    """
    maker = maker_of(source)
    root = source.made_folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        workshop = Path(tempfile.mkdtemp(dir=root, prefix=f".making-{os.getpid()}-"))
    except OSError as error:
        raise _cannot_write(root, error) from error
    try:
        maker.write(workshop, request)
        return _name(source, workshop, request)
    except OSError as error:
        raise _cannot_write(root, error) from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def maker_of(source: Source) -> Maker:
    """How to make the data set. Raises UserError where it cannot be made."""
    if source.maker is None:
        raise UserError(
            f"{source.id} cannot be made from packages alone; get it with: bench data fetch {source.id}"
        )
    return source.maker


def find_made(source: Source, episodes: int, seed: int) -> Copy | None:
    """The copy that was made here with these numbers and the installed versions, where there is one."""
    for copy in source.copies():
        about = _about(copy.folder)
        if (about.get("episodes"), about.get("seed"), about.get("versions")) == (episodes, seed, _versions()):
            return copy
    return None


def check(source: Source, copy: Copy, lock: Lock) -> Iterator[str]:
    """What is wrong with a copy: its content as the source knows it, then sizes and hashes."""
    yield from source.verify(copy.folder)
    made = copy.label != OFFICIAL
    known = _about(copy.folder).get("sha256", {})
    if made and not known:
        yield f"{copy.folder / 'made.json'}: missing or damaged; it says how the copy was made"
    for file in source.files:
        path = copy.folder / file.name
        if not path.is_file():
            continue  # the source has said so
        expected = lock.expected(f"{source.id}/{file.name}")
        wanted = known.get(file.name) if made else (expected.sha256 if expected else None)
        if wanted is not None and sha256_of(path) != wanted:
            yield f"{path}: the sha256 is not the recorded one, {wanted[:12]}...; the file has changed"


def _name(source: Source, workshop: Path, request: MakeRequest) -> Copy:
    """Write `made.json` and give the folder its name; where that copy is there already, keep the old one."""
    hashes = {file.name: sha256_of(workshop / file.name) for file in source.files}
    about = {
        "source": source.id,
        "episodes": request.episodes,
        "seed": request.seed,
        "sha256": hashes,
        "versions": _versions(),
    }
    (workshop / "made.json").write_text(json.dumps(about, indent=1) + "\n")
    label = f"made-{request.episodes}ep-{hashes[source.files[0].name][:8]}"
    folder = source.made_folder / f"{source.name}@{label}"
    if not folder.exists():
        workshop.chmod(0o755)
        os.rename(workshop, folder)
    return Copy(label, folder)


def _versions() -> Mapping[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _about(folder: Path) -> Mapping[str, Any]:
    """The content of `made.json`; empty where it cannot be read."""
    try:
        content = json.loads((folder / "made.json").read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _sweep(root: Path) -> None:
    """Remove what killed processes left half made."""
    for leftover in root.glob(".making-*"):
        process = leftover.name.split("-")[1]
        if not process.isdecimal() or not _alive(int(process)):
            shutil.rmtree(leftover, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _cannot_write(root: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write {root}: {error.strerror or error}; free space, or set BENCH_DATA to another folder"
    )
