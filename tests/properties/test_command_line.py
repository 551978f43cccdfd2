"""Whatever words a command is given: an exit code, one line that says what is wrong, never a traceback."""

import json
from pathlib import Path

import pytest
from commands import empty_folder, keeps_its_promises
from hypothesis import example, given
from hypothesis import strategies as st

from bench import plan, settings
from bench.algorithm import BaseConfig
from bench.cli import KNOWN
from bench.errors import UserError, printable

# What a shell can pass: any bytes but 0, as Python decodes them; long numbers are a case of their own.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=()), max_size=12) | st.sampled_from(
    ["", "-1", "0", "9" * 5000, "1e999", "nan", "²", "٣", "\x1b[31m", "\udcff", "../x", "*", "["]
)
COMMANDS = (
    "list", "report", "leaderboard", "compare", "data", "tuning", "pack", "verify", "evaluate", "scaling",
    "check", "run", "import", "regress", "paper", "status", "sweep",
)  # fmt: skip
WORDS = TEXT | st.sampled_from(
    [
        "algorithms", "suites", "tasks", "settings", "where", "verify", "iql", "sorl", "bc", "diagnostic",
        "diagnostic/gamble", "gamble", "two-*", "final", "best", "all", "md", "csv", "latex", "--format",
        "--tasks", "--protocol", "--inference", "--long", "--difference", "--replicates", "--level", "--out",
        "--domain", "--set", "--seeds", "--steps", "--device", "--episodes", "--trials", "nowhere/x.tar.gz",
        "my.py:Algo", "iql.expectile=2", "sorl.steps=0",
    ]
)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(COMMANDS), st.lists(WORDS, max_size=5))
@example("list", ["tasks", "diagnostic", "--tasks", "["])
@example("compare", ["iql", "bc", "diagnostic", "--difference", "nan"])
@example("report", ["\udcff"])
def test_any_words_are_answered(command: str, words: list[str]) -> None:
    if command == "run" or (command == "scaling" and "--report-only" not in words):
        words = ["nosuch", *words] if command == "run" else ["--report-only", *words]
    with empty_folder() as folder:
        keeps_its_promises(command, *words)
        assert not (folder / "results" / "runs").exists()


OPTIONS = [
    f"{name}.{option}" for name in ("iql", "sorl", "bc") for option in KNOWN[name].Config.__dataclass_fields__
]


@given(st.sampled_from([*OPTIONS, "nosuch", "iql.nosuch", "task.x", "."]) | TEXT, st.just("=") | TEXT, TEXT)
@example("iql.hidden", "=", ",")
@example("iql.batch_size", "=", "-5")
@example("iql.lr", "=", "9" * 5000)
@example("iql.batch_size", "=", "9" * 5000)
def test_any_setting_becomes_a_value_of_its_type_or_a_sentence(key: str, equals: str, value: str) -> None:
    algorithms = {name: KNOWN[name] for name in ("iql", "sorl", "bc")}
    try:
        found = settings.parse_overrides([key + equals + value], algorithms)
        for name, options in found.items():
            resolved = settings.resolve(name, algorithms[name], "diagnostic/gamble", {}, options).config
            assert isinstance(resolved, BaseConfig)
            json.dumps(options, allow_nan=False)  # run.json can hold it
    except UserError as error:
        assert printable(str(error))


@given(st.sampled_from(["sorl.steps", "sorl.candidates", "sorl.x", "iql.steps", "sorl"]) | TEXT, TEXT)
@example("sorl.steps", "9" * 5000)
def test_any_inference_becomes_settings_or_a_sentence(key: str, value: str) -> None:
    algorithm = KNOWN["sorl"](KNOWN["sorl"].Config())
    try:
        settings.check_inference_items([f"{key}={value}"], ["sorl"])
        found = settings.parse_inferences([f"{key}={value}"], "sorl", algorithm)
        assert found[0] == algorithm.Inference()
    except UserError as error:
        assert printable(str(error))


@given(TEXT | st.text("0123456789,- ", max_size=12))
@example("9" * 5000)
@example("99999999999999999999")
@example("0-²")
def test_any_seeds_are_distinct_and_usable_or_refused(text: str) -> None:
    try:
        seeds = plan.parse_seeds(text)
    except UserError as error:
        assert "--seeds" in str(error)
    else:
        assert seeds
        assert len(set(seeds)) == len(seeds)
        assert all(0 <= seed < 2**63 for seed in seeds)  # what torch and records can hold


@given(st.sets(st.integers(0, 2**63 - 1), min_size=1, max_size=8))
def test_seeds_of_a_command_line_are_read_back(seeds: set[int]) -> None:
    assert plan.parse_seeds(",".join(map(str, seeds))) == tuple(seeds)


PLUGINS = {
    "not python": b"def (",
    "bytes": b"\xff\xfe\x00\x01",
    "raises": b"raise RuntimeError('a\\nb\\x1b[31m')",
    "leaves": b"import sys; sys.exit(3)",
    "interrupts itself": b"raise GeneratorExit",
    "no class": b"x = 1",
    "another kind": b"Algo = 3",
    "a class of its own": b"class Algo: pass",
    "abstract": b"from bench.algorithm import Algorithm\nclass Algo(Algorithm): pass",
    "recursion": b"def f(): f()\nf()",
    "deep": b"x = " + b"(" * 500 + b")" * 500,
    "null": b"x = '\0'",
}


@pytest.mark.parametrize("content", PLUGINS.values(), ids=PLUGINS)
@pytest.mark.parametrize("command", ["check", "run"])
def test_any_plugin_file_that_is_no_algorithm_is_said_in_one_line(
    tmp_path: Path, content: bytes, command: str
) -> None:
    path = tmp_path / "plugin.py"
    path.write_bytes(content)
    source = f"{path}:Algo"
    words = (
        ["check", source]
        if command == "check"
        else ["run", "diagnostic", "--tasks", "gamble", "--jobs", "1", "--algorithm", source]
    )
    code, out, err = keeps_its_promises(
        *words, *(["--results", str(tmp_path / "r")] if command == "run" else [])
    )
    assert code in (1, 2), out + err
    assert "Traceback" not in err


@given(st.binary(max_size=40))
@example(b"class Algo\n")
@example(b"# coding: nosuch\nx=1")
def test_any_bytes_as_a_plugin_are_answered(content: bytes) -> None:
    with empty_folder() as folder:
        inside = folder / "results" / "plugin.py"
        inside.parent.mkdir()
        inside.write_bytes(b"if 0:\n  " + content.replace(b"\n", b"\n  ") if content[:1] != b"#" else content)
        assert keeps_its_promises("check", f"{inside}:Algo")[0] == 2
