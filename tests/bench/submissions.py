"""One real run with its weights, and archives made of it: sound ones, changed ones, hostile ones."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.cli import main
from bench.submission import archive
from bench.submission.checks import run_id

Files = dict[str, bytes]


def train(folder: Path) -> Files:
    """The files of a small run, by their names in an archive."""
    command = ["run", "diagnostic", "bc", "--tasks", "gamble", "--seeds", "0-1", "--steps", "20"]
    options = ["--evaluations", "2", "--episodes", "16", "--set", "bc.hidden=8,8", "--jobs", "1"]
    assert main([*command, *options, "--results", str(folder / "results")]) == 0
    assert main(["pack", str(folder / "results"), "--weights", "--out", str(folder / "a.tar.gz")]) == 0
    found = dict(archive.read(folder / "a.tar.gz"))
    del found[archive.MANIFEST]
    return found


def named(files: Files, kind: str) -> str:
    return next(name for name in files if name.endswith(kind))


def loaded(files: Files) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """run.json, the lines of evaluations.jsonl, summary.json."""
    lines = [json.loads(line) for line in files[named(files, ".jsonl")].splitlines()]
    return json.loads(files[named(files, "run.json")]), lines, json.loads(files[named(files, "summary.json")])


def changed(
    files: Files, change: Callable[[Any, Any, Any], Any], rename: bool = False, weights: bool = False
) -> Files:
    """The files after `change(info, lines, summary)`; rename: with the id and the folder of the new content."""
    info, lines, summary = loaded(files)
    change(info, lines, summary)
    folder = named(files, "run.json").rpartition("/")[0]
    if rename:
        info["id"] = run_id(info, len(info["inferences"]))
        words = [info["suite"], info["task"], info["algorithm"].replace("/", "-"), info["id"]]
        folder = "/".join(["runs", *words])
    new = {
        f"{folder}/run.json": json.dumps(info).encode(),
        f"{folder}/evaluations.jsonl": "".join(json.dumps(line) + "\n" for line in lines).encode(),
        f"{folder}/summary.json": json.dumps(summary).encode(),
    }
    if weights:
        new[f"{folder}/weights.safetensors"] = files[named(files, ".safetensors")]
    return new


def manifest(files: Mapping[str, bytes]) -> bytes:
    entries = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in files.items()
    }
    return json.dumps({"format": 1, "files": entries}).encode()


def make(path: Path, files: Mapping[str, bytes], listed: bytes | None = None) -> Path:
    """An archive of these files; listed: another manifest."""
    everything = {archive.MANIFEST: manifest(files) if listed is None else listed} | dict(files)
    return make_raw(
        path, [(member(name, len(content)), content) for name, content in sorted(everything.items())]
    )


def member(name: str, size: int = 0, **attributes: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def make_raw(
    path: Path,
    members: Sequence[tuple[tarfile.TarInfo, bytes]],
    format: int = tarfile.USTAR_FORMAT,
    tail: bytes = b"",
) -> Path:
    """An archive with these very members, whatever they are."""
    text = io.BytesIO()
    for info, content in members:
        text.write(info.tobuf(format, "utf-8", "surrogateescape"))
        text.write(content + bytes(-len(content) % 512))
    path.write_bytes(gzip.compress(text.getvalue() + bytes(1024), mtime=0) + tail)
    return path
