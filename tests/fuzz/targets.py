"""What parses files of strangers, as functions of bytes: each returns, or raises UserError; all else is a finding.

`make fuzz` tries millions of inputs (atheris); tests/fuzz/test_corpus.py replays those that once were findings.
"""

import contextlib
import gzip
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from bench.data.download import Part
from bench.data.lock import Lock
from bench.dataset import read_stored
from bench.errors import UserError
from bench.records import read_run
from bench.submission import archive, contents, schema, strict
from bench.tuning.trials import from_csv
from suites.ogbench.catalogue import ENVIRONMENTS
from suites.ogbench.files import verify

FACTS = next(facts for facts in ENVIRONMENTS if facts.obs_dim == 28)
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))


def archive_of_a_stranger(data: bytes) -> None:
    """`bench verify`: the archive itself, then what its files say."""
    (FOLDER / "a.tar.gz").write_bytes(data)
    _judge()


def tar_of_a_stranger(data: bytes) -> None:
    """The same behind a sound gzip layer, which random bytes rarely are."""
    (FOLDER / "a.tar.gz").write_bytes(gzip.compress(data, 1, mtime=0))
    _judge()


def _judge() -> None:
    with contextlib.suppress(UserError):
        runs, findings = contents.load(FOLDER / "a.tar.gz")
        for finding in findings:
            assert finding.text
        for run in runs:
            list(schema.run_faults(run.info))


def json_of_a_stranger(data: bytes) -> None:
    """run.json, a line and a summary in an archive: what the schema says of any object."""
    with contextlib.suppress(UserError):
        content = strict.parse(data, "run.json")
        for faults in (
            schema.run_faults(content),
            schema.line_faults(1, content),
            schema.summary_faults(content),
        ):
            for fault in faults:
                assert fault.isprintable(), fault


def records(data: bytes) -> None:
    """The three files of a run, with zero bytes between them: read, and made a table."""
    folder = FOLDER / "results" / "runs" / "s" / "t" / "a" / "id"
    folder.mkdir(parents=True, exist_ok=True)
    parts = (*data.split(b"\0", 2), b"", b"")
    for name, part in zip(("run.json", "evaluations.jsonl", "summary.json"), parts, strict=False):
        (folder / name).write_bytes(part)
    run, problems = read_run(folder)
    for problem in problems:
        assert problem.isprintable(), problem
    if run is not None:
        repr(run).encode()


def lock(data: bytes) -> None:
    """suites/lock.json, and the note beside a broken download."""
    (FOLDER / "lock.json").write_bytes(data)
    with contextlib.suppress(UserError):
        Lock(FOLDER / "lock.json").expected("a/b/c")
    (FOLDER / "x.part").write_bytes(b"x")
    (FOLDER / "x.part.json").write_bytes(data)
    validator = Part(FOLDER / "x").validator("u")
    assert validator is None or isinstance(validator, str)


def trials(data: bytes) -> None:
    """A CSV for `bench tuning`."""
    (FOLDER / "trials.csv").write_bytes(data)
    with contextlib.suppress(UserError):
        found = from_csv(FOLDER / "trials.csv", [], None)
        assert all(np.isfinite(own.scores).all() for own in found.policies.values())


def npz(data: bytes) -> None:
    """A data set of the cache, and one of OGBench. Any sizes that a header claims are no reason for memory."""
    (FOLDER / "made.npz").write_bytes(data)
    read_stored(FOLDER / "made.npz")
    (FOLDER / "cube.npz").write_bytes(data)
    for problem in verify(FACTS, "cube", FOLDER):
        assert problem


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (archive_of_a_stranger, tar_of_a_stranger, json_of_a_stranger, records, lock, trials, npz)
}


def seeds() -> Iterator[tuple[str, bytes]]:
    """Sound inputs to start from: name of the target and content."""
    files = {
        "run.json": b'{"id": "r", "suite": "s", "task": "t", "algorithm": "a", "seeds": [0], "steps": 2, "command": "x"}',
        "evaluations.jsonl": b'{"seed": 0, "step": 2, "inference": {}, "status": "ok", "returns": [1.5], "success": null, '
        b'"lengths": [3], "metrics": {"q": 1}, "seconds": 0.1}\n',
        "summary.json": b'{"train_seconds": 1, "eval_seconds": 1, "updates_per_second": 2, "diverged": []}',
    }
    yield "records", b"\0".join(files.values())
    yield "json_of_a_stranger", files["run.json"]
    yield "json_of_a_stranger", files["summary.json"]
    yield "lock", b'{"a/b/c": {"size": 1, "sha256": "0", "source": "https://x"}}'
    yield "lock", b'{"url": "u", "validator": "\\"tag\\""}'
    yield "trials", b"algorithm,task,setting,seed,episode,score\na,t,s,0,0,1.5\na,t,s,0,1,2\n"
    paths = {}
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)
        paths[f"runs/s/t/a/r/{name}"] = FOLDER / name
    archive.write(FOLDER / "seed.tar.gz", paths)
    packed = (FOLDER / "seed.tar.gz").read_bytes()
    yield "archive_of_a_stranger", packed
    yield "tar_of_a_stranger", gzip.decompress(packed)
    rows = SimpleNamespace(
        obs=np.zeros((3, FACTS.obs_dim), "f4"), action=np.zeros((3, FACTS.action_dim), "f4")
    )
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, observations=rows.obs, actions=rows.action, terminals=np.array([0, 0, 1], bool))
        yield "npz", file.getvalue()
