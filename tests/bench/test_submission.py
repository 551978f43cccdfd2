"""Archives of records: the same bytes for the same records, and nothing of a hostile one gets anywhere."""

import gzip
import io
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from submissions import Files, changed, loaded, make, make_raw, manifest, member, named, train

from bench.cli import main
from bench.submission import archive


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("submission")


@pytest.fixture(scope="module")
def trained(folder: Path) -> Files:
    return train(folder)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder; temporary folders lie in it too."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def records_of(files: Files) -> Files:
    return {name: content for name, content in files.items() if not name.endswith(".safetensors")}


# Round trips.


def test_what_is_packed_is_verified_and_copied_byte_for_byte(
    trained: Files, folder: Path, here: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["pack", str(folder / "results")]) == 0
    assert "wrote submission.tar.gz: 1 runs" in capsys.readouterr().out
    assert main(["verify", "submission.tar.gz", "--into", "mine"]) == 0
    out = capsys.readouterr().out
    assert "diagnostic/gamble  bc" in out
    assert "(2 seeds)" in out
    assert "0 errors, 0 warnings, 0 notes; level reached: records" in out
    for name, content in records_of(trained).items():
        assert (here / "mine" / name).read_bytes() == content
    assert not list(here.rglob("*.safetensors"))
    assert main(["report", "diagnostic", "--results", "mine", "--replicates", "50"]) == 0


def test_a_run_that_is_there_already_stays_as_it_is(
    trained: Files, here: Path, capsys: pytest.CaptureFixture
) -> None:
    there = here / "mine" / named(trained, "run.json")
    there.parent.mkdir(parents=True)
    there.write_text("mine")
    make(here / "a.tar.gz", records_of(trained))
    assert main(["verify", "a.tar.gz", "--into", "mine"]) == 0
    assert "is there already and stays as it is" in capsys.readouterr().out
    assert there.read_text() == "mine"
    assert os.listdir(there.parent) == ["run.json"]


def test_equal_records_make_equal_bytes(trained: Files, folder: Path, here: Path) -> None:
    shutil.copytree(folder / "results", here / "again")
    for path in here.rglob("*"):
        os.utime(path, (1, 1))
    assert main(["pack", str(folder / "results"), "--out", "a.tar.gz"]) == 0
    assert main(["pack", "again", "--out", "b.tar.gz"]) == 0
    assert (here / "a.tar.gz").read_bytes() == (here / "b.tar.gz").read_bytes()
    with tarfile.open("a.tar.gz") as packed:  # any tool can look into it
        members = packed.getmembers()
    assert [m.name for m in members] == ["MANIFEST.json", *sorted(records_of(trained))]
    assert {(m.uid, m.gid, m.uname, m.mtime) for m in members} == {(0, 0, "", 0)}


def test_the_policies_of_an_archive_play_again(
    trained: Files, here: Path, capsys: pytest.CaptureFixture
) -> None:
    make(here / "a.tar.gz", trained)
    assert main(["verify", "a.tar.gz", "--level", "re-run"]) == 0
    assert "level reached: re-run" in capsys.readouterr().out
    assert os.listdir(here / "tmp") == []


def _better(info, lines, summary):
    lines[-1]["returns"] = [float(value) + 1 for value in lines[-1]["returns"]]


def _large(info, lines, summary):
    info["config"]["hidden"] = info["overrides"]["hidden"] = [10**9, 10**9]


@pytest.mark.parametrize(
    ("change", "weights", "said"),
    [
        (_better, True, "the record is not confirmed: 1 of 2 seeds differ"),
        (_large, True, "do not have the shape that run.json leads to"),
        (lambda i, li, s: i["config"].update(batch_size=10**9), True, "an option is above 100,000"),
        (lambda i, li, s: i["config"].update(unknown=1), True, "cannot be played again (TypeError"),
        (lambda i, li, s: i.update(source="evil.py:Class"), True, "the algorithm is not registered"),
        (lambda i, li, s: None, False, "holds no weights to play again"),
    ],
)
def test_what_cannot_be_confirmed_stays_at_its_level(
    trained: Files, here: Path, capsys: pytest.CaptureFixture, change: Callable, weights: bool, said: str
) -> None:
    (here / "evil.py").write_text("open('was-run', 'w')\n")
    make(here / "a.tar.gz", changed(trained, change, rename=True, weights=weights))
    assert main(["verify", "a.tar.gz", "--level", "re-run", "--into", "mine"]) == 1
    out = capsys.readouterr().out
    assert said in out
    assert "level reached: records" in out
    assert tree(here) == ["a.tar.gz", "evil.py", "tmp"]


# What `bench pack` refuses.


def test_what_cannot_be_packed_is_said(
    folder: Path, trained: Files, here: Path, capsys: pytest.CaptureFixture
) -> None:
    def said(*words: str) -> str:
        assert main(["pack", *words]) == 2
        return capsys.readouterr().err

    shutil.copytree(folder / "results", here / "copy")
    run = here / "copy" / Path(named(trained, "run.json")).parent
    assert "no run lies in tmp" in said("tmp")
    assert "ends in .tar.gz" in said("copy", "--out", "a.zip")
    assert "hold the same run" in said("copy", str(folder / "results"))
    assert "cannot be written" in said("copy", "--out", "nowhere/a.tar.gz")
    (run / "weights.safetensors").unlink()
    assert "lacks weights.safetensors" in said("copy", "--weights")
    with open(run / "evaluations.jsonl", "a") as file:
        file.write('{"seed": NaN}\n')
    assert "NaN is no number of JSON" in said("copy")
    (run / "summary.json").unlink()
    assert "none of 1 runs is finished" in said("copy")
    assert not list(here.glob("*.tar.gz*"))


# Hostile archives.

RUN = "runs/diagnostic/gamble/bc/0123456789ab"


def one(name: str, content: bytes = b"{}", **attributes) -> Callable[[Path], Path]:
    return lambda path: make_raw(path, [(member(name, len(content), **attributes), content)])


def link(kind: bytes, target: str) -> Callable[[Path], Path]:
    return lambda path: make_raw(path, [(member(f"{RUN}/run.json", type=kind, linkname=target), b"")])


def json_file(content: bytes, file: str = "run.json") -> Callable[[Path], Path]:
    return lambda path: make(path, {f"{RUN}/{file}": content})


def bomb(path: Path) -> Path:
    """A small archive of a large file."""
    size = archive.LIMITS["evaluations.jsonl"] + 1
    return make_raw(path, [(member(f"{RUN}/evaluations.jsonl", size), b"\n" * size)])


def behind(path: Path) -> Path:
    return make_raw(path, [(member(f"{RUN}/run.json", 2), b"{}")], tail=b"PK")


def second_stream(path: Path) -> Path:
    return make_raw(path, [(member(f"{RUN}/run.json", 2), b"{}")], tail=gzip.compress(bytes(1024)))


def padding(path: Path) -> Path:
    text = member(f"{RUN}/run.json", 2).tobuf(tarfile.USTAR_FORMAT) + b"{}" + b"x" * 510 + bytes(1024)
    path.write_bytes(gzip.compress(text))
    return path


def negative(path: Path) -> Path:
    block = bytearray(member(f"{RUN}/run.json").tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = b"\xff" * 12  # a size of -1 in base 256
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    path.write_bytes(gzip.compress(bytes(block) + bytes(1024)))
    return path


def twice(path: Path) -> Path:
    return make_raw(path, [(member(f"{RUN}/run.json", 2), b"{}")] * 2)


def unordered(path: Path) -> Path:
    return make_raw(path, [(member(f"{RUN}/{name}", 2), b"{}") for name in ("summary.json", "run.json")])


def long_name(path: Path) -> Path:
    return make_raw(path, [(member("runs/" + "a" * 300, 2), b"{}")], tarfile.GNU_FORMAT)


def extended(path: Path) -> Path:
    info = member(f"{RUN}/run.json", 2, pax_headers={"path": "../evil"})
    return make_raw(path, [(info, b"{}")], tarfile.PAX_FORMAT)


def cut(path: Path) -> Path:
    content = make(path, {f"{RUN}/run.json": os.urandom(5000)}).read_bytes()
    path.write_bytes(content[:-2000])
    return path


def cut_inside(path: Path) -> Path:
    path.write_bytes(gzip.compress(member(f"{RUN}/run.json", 2000).tobuf(tarfile.USTAR_FORMAT)))
    return path


def garbled(path: Path) -> Path:
    content = bytearray(make(path, {f"{RUN}/run.json": os.urandom(5000)}).read_bytes())
    content[2000] ^= 255
    path.write_bytes(content)
    return path


def zipped(path: Path) -> Path:
    text = io.BytesIO()
    with zipfile.ZipFile(text, "w") as file:
        file.writestr("../evil", "x")
    path.write_bytes(text.getvalue())
    return path


DEEP = b'{"a": ' * 100_000 + b"1" + b"}" * 100_000

HOSTILE = {
    "parent folder": (one("../evil/run.json"), "is not allowed; names are"),
    "parent folder inside": (one("runs/../../../evil/run.json"), "is not allowed; names are"),
    "six parts with a parent": (one("runs/a/b/../c/run.json"), "is not allowed; names are"),
    "absolute": (one("/tmp/evil/run.json"), "is not allowed; names are"),
    "drive": (one("C:/a/b/c/d/run.json"), "is not allowed; names are"),
    "drive in a part": (one("runs/C:/b/c/d/run.json"), "is not allowed; names are"),
    "backslashes": (one("runs/a/b/c/..\\..\\d/run.json"), "is not allowed; names are"),
    "hidden": (one("runs/a/b/c/.ssh/run.json"), "is not allowed; names are"),
    "empty part": (one("runs//b/c/d/run.json"), "is not allowed; names are"),
    "HTML": (one("runs/a/b/<script>/d/run.json"), "is not allowed; names are"),
    "control characters": (one("runs/a/b/\x1b[2J/d/run.json"), "is not allowed; names are"),
    "line feed": (one("runs/a/b/c\n/d/run.json"), "is not allowed; names are"),
    "not ASCII": (one("runs/a/b/ä/d/run.json"), "not ASCII"),
    "pickle": (one(f"{RUN}/weights.pkl"), "weights.pkl' is not allowed; a run has"),
    "torch": (one(f"{RUN}/weights.pt"), "is not allowed; a run has"),
    "script": (one(f"{RUN}/setup.py"), "is not allowed; a run has"),
    "second manifest": (one(f"{RUN}/MANIFEST.json"), "is not allowed; a run has"),
    "symbolic link": (link(tarfile.SYMTYPE, "/etc/passwd"), "is a symbolic link"),
    "hard link": (link(tarfile.LNKTYPE, "../../a"), "is a hard link"),
    "device": (one(f"{RUN}/run.json", b"", type=tarfile.CHRTYPE), "is a device"),
    "pipe": (one(f"{RUN}/run.json", b"", type=tarfile.FIFOTYPE), "is a pipe"),
    "folder": (one(f"{RUN}/run.json", b"", type=tarfile.DIRTYPE), "is a folder"),
    "sparse": (one(f"{RUN}/run.json", b"", type=tarfile.GNUTYPE_SPARSE), "is no plain file"),
    "long name": (long_name, "is no plain file"),
    "extended header": (extended, "is no plain file"),
    "owner": (one(f"{RUN}/run.json", uid=1000), "is unusual"),
    "setuid": (one(f"{RUN}/run.json", mode=0o4755), "is unusual"),
    "negative size": (negative, "is unusual"),
    "bomb in a file": (bomb, "33,554,432 are allowed"),
    "twice": (twice, "is there twice"),
    "unordered": (unordered, "is not in the order of names"),
    "padding": (padding, "is hidden behind"),
    "tail": (behind, "is hidden behind"),
    "second stream": (second_stream, "is hidden behind"),
    "cut": (cut, "is cut off"),
    "cut inside": (cut_inside, "is cut off"),
    "garbled": (garbled, "no"),
    "zip": (zipped, "is not a sound .tar.gz file"),
    "empty": (lambda path: path.write_bytes(b"") and path, "is cut off"),
    "missing": (lambda path: path, "cannot be read"),
    "NaN": (json_file(b'{"a": NaN}'), "NaN is no number of JSON"),
    "infinity": (json_file(b'{"a": -Infinity}'), "-Infinity is no number of JSON"),
    "overflow": (json_file(b'{"a": 1e999}'), "a number is gigantic"),
    "gigantic": (json_file(b'{"a": ' + b"9" * 100_000 + b"}"), "a number is gigantic"),
    "above 64 bits": (json_file(b'{"a": 9223372036854775808}'), "a number is gigantic"),
    "deep": (json_file(DEEP[:200_000]), "run.json is"),
    "quite deep": (json_file(b'{"a": ' * 20 + b"1" + b"}" * 20), "nested too deeply"),
    "deep line": (json_file(DEEP + b"\n", "evaluations.jsonl"), "nested too deeply"),
    "long line": (json_file(b"[" * (2**20 + 1) + b"\n", "evaluations.jsonl"), "is too long"),
    "many lines": (json_file(b"{}\n" * 200_001, "evaluations.jsonl"), "has more than 200,000 lines"),
    "cut line": (json_file(b'{"seed": 0}', "evaluations.jsonl"), "cut off in its last line"),
    "latin-1": (json_file(b'{"a": "\xe4"}'), "is not UTF-8"),
    "not JSON": (json_file(b"{'a': 1}"), "is not sound JSON"),
    "list": (json_file(b"[]"), "holds no JSON object"),
    "name twice": (json_file(b'{"id": 1, "id": 2}'), "has a name twice"),
    "HTML inside": (json_file(b'{"a": "<script>alert(1)</script>"}'), "holds < or >"),
    "HTML in a name inside": (json_file(b'{"<b>": 1}'), "holds < or >"),
    "control inside": (json_file(b'{"a": "\\u001b[2J"}'), "control characters"),
    "half a character": (json_file(b'{"a": "\\ud800"}'), "control characters"),
    "writing direction": (json_file('{"a": "\u202eabc"}'.encode()), "control characters"),
    "manifest": (lambda path: make(path, {}, listed=b'{"files": NaN}'), "NaN is no number of JSON"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_one_line_and_leaves_nothing(
    here: Path, capsys: pytest.CaptureFixture, kind: str
) -> None:
    build, said = HOSTILE[kind]
    build(here / "a.tar.gz")
    before = tree(here)
    assert main(["verify", "a.tar.gz", "--level", "re-run", "--into", "mine"]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert err.count("\n") == 1
    assert err.isascii()
    assert err[:-1].isprintable()
    assert tree(here) == before


@pytest.mark.parametrize(
    ("limit", "most", "file"),
    [
        ("FILES", 9, "run.json"),
        ("RECORDS_TOTAL", 90, "run.json"),
        ("WEIGHTS_TOTAL", 90, "weights.safetensors"),
    ],
)
def test_what_all_files_together_may_be_is_limited(
    here: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, file: str
) -> None:
    monkeypatch.setattr(archive, limit, most)
    names = [f"runs/diagnostic/gamble/bc/{i:06}/{file}" for i in range(10)]
    make_raw(here / "a.tar.gz", [(member(name, 10), bytes(10)) for name in names])
    members = archive.read(here / "a.tar.gz")
    assert [next(members)[0] for _ in range(9)] == names[:9]
    with pytest.raises(archive.HostileArchiveError, match="holds too much"):
        next(members)


def test_a_bomb_is_unpacked_no_further_than_a_chunk(here: Path) -> None:
    with open("bomb", "wb") as file:
        file.write(gzip.compress(bytes(50_000_000)))
    with open("bomb", "rb") as file:
        stream = archive._Unpacked(file)
        stream.read(512)
        assert len(stream.buffer) <= archive.CHUNK


# The manifest.


def test_the_manifest_has_to_fit(trained: Files, here: Path, capsys: pytest.CaptureFixture) -> None:
    files = records_of(trained)
    name = named(files, "run.json")

    def said(files: Files, listed: bytes) -> str:
        make(here / "a.tar.gz", files, listed)
        assert main(["verify", "a.tar.gz", "--into", "mine"]) == 1
        assert not (here / "mine").exists()
        out = capsys.readouterr().out
        assert "level reached: reported" in out
        return out

    assert f"size or sha256 of {name} is another" in said(files, manifest(files | {name: b"other"}))
    assert "which is not there" in said(files, manifest(files | {"../evil": b""}))
    assert f"does not name {name}" in said(files, manifest({k: v for k, v in files.items() if k != name}))
    assert "is missing or not of format 1" in said(files, b"{}")
    assert "is missing or not of format 1" in said(files, b'{"format": 1, "files": []}')
    less = {k: v for k, v in files.items() if not k.endswith("summary.json")}
    assert "lacks summary.json" in said(less, manifest(less))
    assert "holds no run" in said({}, manifest({}))


def test_the_record_that_the_tests_change_is_sound(trained: Files) -> None:
    info, lines, summary = loaded(trained)
    assert info["id"] in named(trained, "run.json")
    assert len(lines) == 4
    assert summary["diverged"] == []
