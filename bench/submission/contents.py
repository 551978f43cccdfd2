"""From an archive to runs: every file parsed strictly, held against the manifest, and put to its run."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.records import RunRecord
from bench.submission import archive, strict

Severity = Literal["error", "warning", "note"]
MANIFEST_SAYS = "make the archive with bench pack"


@dataclass(frozen=True)
class Finding:
    """One thing about a submission: an error refuses it, a warning is for its reader to judge."""

    severity: Severity
    where: str  # the folder of a run in the archive, or the manifest
    text: str


@dataclass
class Submitted:
    """One run of an archive: its folder there, its files byte for byte, and what they say."""

    folder: str
    files: dict[str, bytes] = field(default_factory=dict)
    parsed: dict[str, Any] = field(default_factory=dict)
    weights: Path | None = None  # where they were put; None: not packed, or not asked for

    @property
    def record(self) -> RunRecord:
        """The run as the rest of the harness knows it; only where no file is missing."""
        lines = self.parsed["evaluations.jsonl"]
        return RunRecord(Path(self.folder), self.parsed["run.json"], lines, self.parsed["summary.json"])

    @property
    def info(self) -> Mapping[str, Any]:
        return self.parsed["run.json"]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return self.parsed["evaluations.jsonl"]

    @property
    def summary(self) -> Mapping[str, Any]:
        return self.parsed["summary.json"]


def load(path: Path, weights: Path | None = None) -> tuple[list[Submitted], list[Finding]]:
    """The runs of an archive, and what does not fit its manifest.

    weights: an empty folder for the weights; None: they are hashed and passed over. A run that lacks a file
    is an error and left out. Raises HostileArchiveError as `archive.read` and `strict.parse` do.
    """
    runs: dict[str, Submitted] = {}
    manifest: Mapping[str, Any] = {}
    seen: dict[str, dict[str, Any]] = {}
    for name, content in archive.read(path):
        if name == archive.MANIFEST:
            manifest = strict.parse(content, name)
            continue
        seen[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        folder, _, file = name.rpartition("/")
        run = runs.setdefault(folder, Submitted(folder))
        if file != archive.WEIGHTS:
            read = strict.parse_lines if file.endswith(".jsonl") else strict.parse
            run.files[file], run.parsed[file] = content, read(content, name)
        elif weights is not None:
            run.weights = weights / f"{len(runs)}.safetensors"  # no name of a stranger's
            run.weights.write_bytes(content)
    findings = [*_against_manifest(manifest, seen)]
    lacking = {
        run.folder: [name for name in archive.RECORDS if name not in run.files] for run in runs.values()
    }
    findings += [
        Finding("error", folder, f"lacks {', '.join(names)}; pack finished runs only")
        for folder, names in lacking.items()
        if names
    ]
    if not runs:
        findings.append(Finding("error", archive.MANIFEST, "the archive holds no run; pack finished runs"))
    return [run for run in runs.values() if not lacking[run.folder]], findings


def _against_manifest(manifest: Mapping[str, Any], seen: Mapping[str, Any]) -> Iterator[Finding]:
    where = archive.MANIFEST
    files = manifest.get("files")
    if not isinstance(files, dict) or manifest.get("format") != archive.FORMAT:
        yield Finding("error", where, f"is missing or not of format {archive.FORMAT}; {MANIFEST_SAYS}")
        return
    for name in sorted(files.keys() | seen.keys()):
        if name not in seen:
            yield Finding("error", where, f"names {archive.shown(name)}, which is not there; {MANIFEST_SAYS}")
        elif name not in files:
            yield Finding("error", where, f"does not name {name}, which is there; {MANIFEST_SAYS}")
        elif files[name] != seen[name]:
            yield Finding("error", where, f"size or sha256 of {name} is another; {MANIFEST_SAYS}")
