"""Records that anybody wrote, through every command that reads them: said and left out, never a traceback."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from commands import keeps_its_promises
from damage import VALUES, changed, damaged
from hypothesis import example, given, settings
from hypothesis import strategies as st
from submissions import train
from synthetic import write_run

from bench import records
from bench.submission import archive

# These call many commands per example.
FEW = settings(max_examples=max(10, settings.default.max_examples // 5))

FILES = ("run.json", "evaluations.jsonl", "summary.json")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sound runs and a third that every example damages in another way."""
    folder = tmp_path_factory.mktemp("results")
    write_run(folder, "gamble", "iql", {0: 0.5, 1: 0.6}, spread=0.1, evaluations=2)
    write_run(folder, "gamble", "bc", {0: 0.4, 1: 0.3}, spread=0.1, evaluations=2)
    write_run(folder, "two-doors", "bc", {0: 0.2, 1: 0.1}, spread=0.1, evaluations=2)
    return folder


@pytest.fixture(scope="module")
def sound(results: Path) -> dict[str, bytes]:
    folder = results / "runs" / "diagnostic" / "two-doors" / "bc" / "r1"
    return {name: (folder / name).read_bytes() for name in FILES}


def put(results: Path, sound: dict[str, bytes], name: str, content: bytes) -> Path:
    folder = results / "runs" / "diagnostic" / "two-doors" / "bc" / "r1"
    for other, bytes_ in sound.items():
        (folder / other).write_bytes(content if other == name else bytes_)
    return folder


def read_by_all(results: Path, folder: Path, plots: bool = False) -> None:
    where = ["--results", str(results), "--replicates", "20"]
    for form in ("md", "csv", "latex"):
        code, out, _ = keeps_its_promises("report", "diagnostic", "--format", form, *where)
        assert code == 0
        assert "iql" in out  # what is sound is not lost with what is not
    assert keeps_its_promises("compare", "iql", "bc", "diagnostic", *where)[0] == 0
    keeps_its_promises("evaluate", str(folder))
    keeps_its_promises("pack", str(folder), "--out", str(results / "x.tar.gz"))
    if plots:
        assert keeps_its_promises("leaderboard", *where)[0] == 0
        small = ["--repeats", "5", "--pulls", "5", "--format", "csv"]
        assert keeps_its_promises("tuning", "diagnostic", *small, *where)[0] == 0


def text_of(name: str, content: Any) -> bytes:
    if name != "evaluations.jsonl":
        return json.dumps(content).encode()
    lines = content if isinstance(content, list) else [content]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def content_of(name: str, sound: dict[str, bytes]) -> Any:
    if name == "evaluations.jsonl":
        return [json.loads(line) for line in sound[name].splitlines()]
    return json.loads(sound[name])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
@FEW
@given(data=st.data())
def test_json_that_is_nearly_a_record_is_left_out_or_used(
    results: Path, sound: dict[str, bytes], name: str, data: st.DataObject
) -> None:
    content = data.draw(changed(content_of(name, sound)))
    read_by_all(results, put(results, sound, name, text_of(name, content)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
@FEW
@given(data=st.data())
def test_any_bytes_in_place_of_a_record_are_left_out(
    results: Path, sound: dict[str, bytes], name: str, data: st.DataObject
) -> None:
    read_by_all(results, put(results, sound, name, data.draw(damaged(sound[name]))))


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content",
    [DEEP, b'{"a":' * 800 + b"1" + b"}" * 800, b"9" * 5000, b"\xff\xfe", b"null", b'{"id": "a", "id": "b"}'],
    ids=["deep list", "deep object", "long number", "no text", "null", "twice"],
)
def test_extreme_json_is_left_out_everywhere(
    results: Path, sound: dict[str, bytes], name: str, content: bytes
) -> None:
    read_by_all(results, put(results, sound, name, content), plots=content == DEEP)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("algorithm", "\x1b[31m$\\frac{"), ("algorithm", "$x$ _^ %"), ("algorithm", "a" * 5000),
        ("suite", "../../out"), ("task", "\u202egnp.exe"), ("overrides", {"\x1b]0;t\x07": "\ud800"}),
        ("steps", 2**63 - 1), ("eval_steps", [1]), ("seeds", [2**62, 5]), ("command", "bench 'x"),
        ("git", {"a": [1, {"b": None}]}), ("versions", 3), ("device", {"name": "\x9b"}),
        ("inferences", [{"a": [1, 2]}, {}]), ("created", "yesterday"), ("episodes", 10**5),
    ],
)  # fmt: skip
def test_entries_that_would_do_harm_where_they_are_shown_do_none(
    results: Path, sound: dict[str, bytes], key: str, value: Any
) -> None:
    info = json.loads(sound["run.json"]) | {key: value}
    read_by_all(results, put(results, sound, "run.json", json.dumps(info).encode()), plots=True)
    assert not (results.parent / "out").exists()


@pytest.mark.parametrize(("number", "which"), [(1e308, 1), (-1e308, 0), (5e-324, 0)])
@pytest.mark.filterwarnings("ignore")
def test_numbers_at_the_edge_of_floats_are_shown(
    results: Path, sound: dict[str, bytes], number: float, which: int
) -> None:
    lines = content_of("evaluations.jsonl", sound)
    for line in lines:
        line["returns"][0] = number * (-1 if which and line["seed"] else 1)
    read_by_all(
        results, put(results, sound, "evaluations.jsonl", text_of("evaluations.jsonl", lines)), plots=True
    )


PLAIN = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\u00a0"), max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    returns=st.lists(NUMBERS, min_size=1, max_size=4),
    step=st.integers(1, 10**6),
    setting=st.dictionaries(st.text("abcde_", min_size=1, max_size=4), st.integers() | NUMBERS, max_size=2),
    metrics=st.dictionaries(st.text("abc", min_size=1), NUMBERS | st.just(math.inf), max_size=2),
)
def test_lines_are_read_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, returns: list[float], step: int, setting: Any, metrics: Any
) -> None:
    setting = {name: value if abs(value) < 2**63 else 0 for name, value in setting.items()}
    folder = tmp_path_factory.mktemp("run")
    records.write_json(folder / "run.json", {"id": "x"})
    line = {
        "seed": 3, "step": step, "inference": setting, "status": "ok", "returns": returns, "success": None,
        "lengths": [1] * len(returns), "metrics": metrics, "seconds": 0.5,
    }  # fmt: skip
    records.append_evaluations(folder, [line])
    run, problems = records.read_run(folder)
    assert run is not None
    assert not problems
    finite = {name: None if math.isinf(value) else value for name, value in metrics.items()}
    assert run.evaluations == [line | {"metrics": finite}]


@given(st.dictionaries(st.text(st.characters(categories=["L", "N"]), min_size=1), VALUES, max_size=4))
def test_what_is_read_of_run_json_can_be_written_and_printed(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / "run.json").write_text(json.dumps(content))
    run, problems = records.read_run(folder)
    assert (run is None) == bool(problems)
    if run is not None:
        said = repr(sorted(run.info.items(), key=repr))
        said.encode()
        assert said.isprintable()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return train(tmp_path_factory.mktemp("submission"))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path


@given(data=st.data())
def test_an_archive_is_read_back_as_it_was_written(
    packed: dict[str, bytes], scratch: Path, data: st.DataObject
) -> None:
    sizes = data.draw(st.lists(st.binary(max_size=1500), min_size=3, max_size=3))
    folder = next(iter(packed)).rpartition("/")[0]
    files = {f"{folder}/{name}": content for name, content in zip(archive.RECORDS, sizes, strict=True)}
    paths = {}
    for number, (name, content) in enumerate(files.items()):
        paths[name] = scratch / str(number)
        paths[name].write_bytes(content)
    archive.write(scratch / "a.tar.gz", paths)
    found = dict(archive.read(scratch / "a.tar.gz"))
    del found[archive.MANIFEST]
    assert found == files


@given(data=st.data())
@example(data=None)
def test_a_damaged_archive_is_refused_in_one_line(
    packed: dict[str, bytes], scratch: Path, data: st.DataObject | None
) -> None:
    paths = {}
    for number, (name, content) in enumerate(packed.items()):
        paths[name] = scratch / str(number)
        paths[name].write_bytes(content)
    archive.write(scratch / "a.tar.gz", paths)
    sound = (scratch / "a.tar.gz").read_bytes()
    content = b"" if data is None else data.draw(damaged(sound))
    (scratch / "a.tar.gz").write_bytes(content)
    code, out, _ = keeps_its_promises("verify", str(scratch / "a.tar.gz"))
    assert code == 2 or content == sound or (code == 1 and "error" in out)


@FEW
@given(
    st.binary(max_size=60)
    | st.text(max_size=40).map(
        lambda text: ("algorithm,task,setting,score\n" + text).encode("utf-8", "surrogatepass")
    )
)
@pytest.mark.filterwarnings("ignore")
@example(b'algorithm,task,setting,score\na,b,c,1\n"')
@example(b"algorithm,task,setting,score\n$\\frac,\x1b[1m,\xe2\x80\xae,1\n")
@example(b"algorithm,task,setting,score\n..,../../x,s,1e5\n..,../../x,t,-1e5\n")
@example(b"algorithm,task,setting,score\na,b,c,1,2,3\na\n")
@example(b"algorithm,algorithm,task,setting,score\na,b,c,d,1\n")
def test_any_file_as_trials_is_answered(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("trials")
    (folder / "t.csv").write_bytes(content)
    code, _, _ = keeps_its_promises(
        "tuning", "--trials", str(folder / "t.csv"), "--results", str(folder / "r"), "--replicates", "10",
        "--repeats", "2", "--pulls", "3",
    )  # fmt: skip
    assert code in (0, 2)
    assert {path.name for path in folder.iterdir()} <= {"t.csv", "r"}
