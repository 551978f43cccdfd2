"""`bench import` takes sound scores and says in one line, by its number, which line is not."""

import csv
import shlex
from pathlib import Path

import pytest

from bench.cli import main
from bench.published.reported import COLUMNS, read_published

SEEDS = "algorithm,task,seed,score\nA,two-doors,0,50\nA,two-doors,1,70.5\n"
MEANS = "algorithm,task,mean,std,n_seeds\nA,two-doors,50,3.5,8.0\nB,gamble,20,,\n"


def give(tmp_path: Path, content: str | bytes, *options: str) -> int:
    """Import the content as `x` with a source; the exit code."""
    file = tmp_path / "given.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    command = ["import", str(file), "--as", "x", "--results", str(tmp_path), *options]
    return main(command if "--source" in options else [*command, "--source", "Somebody 2024"])


def refused(tmp_path: Path, capsys: pytest.CaptureFixture, content: str | bytes, *options: str) -> str:
    """The one line that is said; nothing may have been written."""
    assert give(tmp_path, content, *options) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("bench: ")
    assert list((tmp_path / "published").glob("*")) == [] if (tmp_path / "published").exists() else True
    return captured.err


def test_scores_of_seeds_are_taken_and_read_again(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert give(tmp_path, SEEDS) == 0
    (found,), problems = read_published(tmp_path, "diagnostic")
    assert problems == []
    assert (found.name, found.source, found.status) == ("x", "Somebody 2024", "primary")
    assert (found.suite, found.task, found.algorithm) == ("diagnostic", "two-doors", "A")
    assert found.seeds == pytest.approx({"0": 0.5, "1": 0.705})
    assert (found.mean, found.std, found.n_seeds) == (pytest.approx(0.6025), None, 2)
    out = capsys.readouterr().out
    assert "2 scores of single seeds, 1 algorithm\n" in out
    assert "diagnostic: 1 of its 6 tasks, 2 seeds each" in out
    (proposed,) = [line.partition("Next: bench ")[2] for line in out.splitlines() if "Next: " in line]
    assert main(shlex.split(proposed)) == 0  # it holds the folder of the results, which is not the usual one


def test_means_are_taken_with_what_is_known_of_them(tmp_path: Path) -> None:
    assert give(tmp_path, MEANS, "--status", "secondary") == 0
    found, _ = read_published(tmp_path)
    assert [(r.algorithm, r.mean, r.std, r.n_seeds) for r in found] == [
        ("A", 0.5, 0.035, 8),
        ("B", 0.2, None, None),
    ]
    assert {r.status for r in found} == {"secondary"}


def test_what_was_written_can_be_imported_again(tmp_path: Path) -> None:
    give(tmp_path, MEANS)
    written = tmp_path / "published" / "x.csv"
    assert next(csv.reader(written.open())) == list(COLUMNS)
    first = written.read_bytes()
    assert give(tmp_path, first, "--replace") == 0
    assert written.read_bytes() == first


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + SEEDS.encode(),
        SEEDS.replace("\n", "\r\n").encode(),
        SEEDS.replace("\n", "\r").encode(),
        SEEDS.replace(",", ";").encode(),
        SEEDS.replace(",", "\t").encode(),
        SEEDS.replace("A,", '" A ",').encode(),
        (SEEDS + ",,,\n\n").encode(),
        SEEDS.replace("0,50", "0.0,5e1").encode(),
    ],
)
def test_the_forms_that_programs_write_are_the_same(tmp_path: Path, content: bytes) -> None:
    assert give(tmp_path, content) == 0
    (found,), _ = read_published(tmp_path)
    assert (found.algorithm, dict(found.seeds)) == ("A", {"0": 0.5, "1": 0.705})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("algorithm,task,seed,score\n", "holds no scores"),
        (SEEDS.replace("algorithm", "algoritm"), "did you mean 'algorithm'"),
        (SEEDS.replace("score", "scores"), "did you mean 'score'"),
        (SEEDS.replace("seed", "run"), "lacks the column seed"),
        (SEEDS.replace("score", "score,score"), "twice"),
        (SEEDS.replace("70.5", "seventy"), "line 3: the score 'seventy' is no finite number"),
        (SEEDS.replace("70.5", "nan"), "line 3: the score 'nan' is no finite"),
        (SEEDS.replace("70.5", "1e999"), "line 3: the score '1e999' is no finite"),
        (SEEDS.replace("70.5", "7_0"), "line 3: the score '7_0'"),
        (SEEDS.replace(",", ";").replace("70.5", "70,5"), "write the decimal point as '.'"),
        (SEEDS.replace("70.5", "3421.5"), "line 3: 3421.5 is no plausible score"),
        (SEEDS.replace("70.5", ""), "line 3: neither a score nor a mean"),
        (SEEDS.replace(",1,70.5", ",,70.5"), "line 3: a score without a seed"),
        (SEEDS.replace(",1,70.5", ",0,70.5"), "line 3: A on two-doors, seed '0' is there twice (also in line 2)"),
        (SEEDS.replace("1,70.5", "1,70.5,9"), "line 3: 5 fields, but the header has 4"),
        (SEEDS.replace("1,70.5", '1,"70.5'), "cannot be read as CSV"),
        (SEEDS.replace("A,two-doors,1", "A,,1"), "line 3: no task"),
        (SEEDS.replace("two-doors,1", "two-dors,1"), "line 3: no suite has a task 'two-dors'; did you mean 'two-doors'"),
        (SEEDS.replace("A,two-doors,1", "=1+1,two-doors,1"), "line 3: the algorithm '=1+1' begins like a formula"),
        (SEEDS.replace("A,two-doors,1", "@SUM(A1),two-doors,1"), "begins like a formula"),
        (SEEDS.replace("A,two-doors,1", "-2+3,two-doors,1"), "begins like a formula"),
        (SEEDS.replace("A,two-doors,1", "<script>,two-doors,1"), "line 3: the algorithm '<script>' holds '<' or '>'"),
        (SEEDS.replace("A,two-doors,1", '"A\nB",two-doors,1'), "a character that does not show"),
        (SEEDS.replace("A,two-doors,1", "A\u202e,two-doors,1"), "a character that does not show"),
        (SEEDS.replace("A,two-doors,1", "\x1b[31mA,two-doors,1"), "a character that does not show"),
        (SEEDS.replace("A,two-doors,1", "A [reported: y],two-doors,1"), "holds the mark '[reported'"),
        (SEEDS.replace("A,two-doors,1", "A" * 200 + ",two-doors,1"), "has 200 characters"),
        (SEEDS.replace("70.5", "0.7").replace("50", "0.5"), "Give --scale 1 if 1 is the best known"),
        (MEANS.replace("3.5", "-3.5"), "line 2: the std -3.5 is negative"),
        (MEANS.replace("8.0", "8.5"), "line 2: n_seeds '8.5' is no whole number"),
        (MEANS.replace("8.0", "0"), "line 2: n_seeds '0'"),
        (MEANS.replace("8.0", "1"), "needs two seeds or more"),
        (SEEDS.encode().replace(b"70.5", b"70\x00"), "line 3 holds a NUL byte"),
        (SEEDS.encode().replace(b"1,70", b"\xff,70"), "line 3 is not encoded as UTF-8"),
        (SEEDS.encode("utf-16"), "is encoded as UTF-16"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(1, 256)) * 9, "not encoded as UTF-8"),
        ("algorithm,task,seed,score,status\nA,gamble,0,5,hearsay\n", "unknown status 'hearsay'"),
        ("algorithm,task,seed,score,suite\nA,gamble,0,5,diagnostc\n", "line 2: unknown suite 'diagnostc'"),
        ("algorithm,task,seed,score,mean\nA,gamble,0,5,5\n", "line 2: both a score and a mean"),
        ("algorithm,task,seed,score\nA,cube-single-play-singletask-task1-v0,0,120\n", "between 0 and 100"),
        ("algorithm,task,seed,score\nA,pen-human-v1,0," + "9" * 200_000 + "\n", "cannot be read as CSV"),
    ],
)  # fmt: skip
def test_one_line_names_the_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture, content: str | bytes, said: str
) -> None:
    assert said in refused(tmp_path, capsys, content)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "_x", ".x", "x" * 70, "x\n", "con:"])
def test_a_name_that_is_no_file_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture, name: str
) -> None:
    assert "is no name" in refused(tmp_path, capsys, SEEDS, "--as", name)


def test_a_source_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert "line 2: no source; give --source" in refused(tmp_path, capsys, SEEDS, "--source", "")
    assert "begins like a formula" in refused(tmp_path, capsys, SEEDS, "--source", "=cmd|' /C calc'!A0")


def test_a_file_that_is_none_or_too_large_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "huge.csv").touch()
    with open(tmp_path / "huge.csv", "r+b") as file:
        file.truncate(10**10)
    for path, said in (
        (tmp_path / "huge.csv", "more than"),
        (tmp_path, "no file"),
        (Path("/dev/zero"), "no file"),
    ):
        assert main(["import", str(path), "--as", "x", "--results", str(tmp_path)]) == 2
        assert said in capsys.readouterr().err


def test_nothing_is_overwritten_unless_asked_and_nothing_half_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    give(tmp_path, SEEDS)
    before = (tmp_path / "published" / "x.csv").read_bytes()
    assert give(tmp_path, MEANS) == 2
    assert give(tmp_path, MEANS.replace("50", "nan"), "--replace") == 2
    assert (tmp_path / "published" / "x.csv").read_bytes() == before
    assert give(tmp_path, MEANS, "--replace") == 0
    assert (tmp_path / "published" / "x.csv").read_bytes() != before
    assert [path.name for path in (tmp_path / "published").iterdir()] == ["x.csv"]
    assert "--replace" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "published").write_text("a file in the way")
    assert give(tmp_path, SEEDS) == 2
    assert "cannot write" in capsys.readouterr().err


def test_fractions_are_taken_with_their_scale(tmp_path: Path) -> None:
    fractions = SEEDS.replace("70.5", "0.705").replace("50", "0.5")
    assert give(tmp_path, fractions, "--scale", "1") == 0
    assert read_published(tmp_path)[0][0].seeds == pytest.approx({"0": 0.5, "1": 0.705})
    assert give(tmp_path, fractions, "--scale", "100", "--replace") == 0
    assert read_published(tmp_path)[0][0].seeds == pytest.approx({"0": 0.005, "1": 0.00705})


def test_one_algorithm_in_fractions_among_points_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tasks = ("gamble", "two-doors", "few-good")
    lines = [f"{a},{t},0,{s}" for a, s in (("A", 60), ("B", 0.6)) for t in tasks]
    assert give(tmp_path, "algorithm,task,seed,score\n" + "\n".join(lines)) == 0
    assert "look again: all scores of B are between 0 and 1" in capsys.readouterr().out


def test_the_publications_own_words_need_a_suite(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    averages = "algorithm,task,mean\nA,antmaze-large (avg of 5 singletask tasks),50\n"
    assert "--suite SUITE keeps it" in refused(tmp_path, capsys, averages)
    assert give(tmp_path, averages, "--suite", "ogbench/sorl") == 0
    assert read_published(tmp_path)[0][0].suite == "ogbench"
    out = capsys.readouterr().out
    assert "ogbench: 0 of its 255 tasks" in out
    assert "in words of its own, in no task's line: antmaze-large (avg of 5" in out


def test_a_task_of_another_suite_is_not_taken_for_words(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    said = refused(tmp_path, capsys, SEEDS, "--suite", "d4rl-v2")
    assert "'two-doors' is a task of diagnostic, not of d4rl-v2" in said


def test_namesakes_of_another_suite_are_not_confused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """D4RL's antmaze-umaze-v1 is not Minari's: beside antmaze-umaze-v2 of D4RL the name is not enough."""
    both = "algorithm,task,seed,score\nA,antmaze-umaze-v2,0,50\nA,antmaze-umaze-v1,0,60\n"
    said = refused(tmp_path, capsys, both)
    assert (
        "line 3: 'antmaze-umaze-v1' is the name of a task of d4rl, but 'antmaze-umaze-v2' of d4rl-v2" in said
    )
    assert give(tmp_path, both, "--suite", "d4rl-v2") == 0
    assert {r.task: r.suite for r in read_published(tmp_path)[0]} == {
        "antmaze-umaze-v2": "d4rl-v2",
        "antmaze-umaze-v1": "d4rl-v2",
    }
    assert "1 of them are other versions of its tasks" in capsys.readouterr().out
    of_each = "suite," + both.replace("\nA,antmaze-umaze-v2", "\nd4rl-v2,A,antmaze-umaze-v2").replace(
        "\nA,antmaze-umaze-v1", "\nd4rl,A,antmaze-umaze-v1"
    )
    assert give(tmp_path, of_each, "--replace") == 0
    assert {r.suite for r in read_published(tmp_path)[0]} == {"d4rl-v2", "d4rl"}


def test_a_version_is_never_offered_as_the_spelling_of_another(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    said = refused(tmp_path, capsys, "algorithm,task,seed,score\nA,walker2d-medium-v7,0,50\n")
    assert "no suite has a task 'walker2d-medium-v7'" in said
    assert "walker2d-medium-v2'" not in said
    assert "walker2d-medium-v0'" not in said


def test_another_name_of_a_task_is_that_task(tmp_path: Path) -> None:
    give(tmp_path, "algorithm,task,seed,score\nA,cube-single-play-singletask-v0,0,50\n")
    assert read_published(tmp_path)[0][0].task == "cube-single-play-singletask-task2-v0"


def test_words_behind_a_status_make_it_secondary_and_stay(tmp_path: Path) -> None:
    quoted = "algorithm,task,mean,status,source\nA,gamble,50,{},Paper\n"
    give(tmp_path, quoted.format('"primary, quoted there from prior work"'))
    assert (read_published(tmp_path)[0][0].status, read_published(tmp_path)[0][0].source) == (
        "secondary", "Paper (quoted there from prior work)",
    )  # fmt: skip
    give(tmp_path, quoted.format("primary"), "--replace")
    assert (read_published(tmp_path)[0][0].status, read_published(tmp_path)[0][0].source) == (
        "primary",
        "Paper",
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("50", "nan"),
        lambda text: text.replace("50", "much"),
        lambda text: text.replace("task", "tsk", 1),
        lambda text: text + text.split("\n")[1] + "\n",
        lambda text: text + "Paper\n",
        lambda text: "\x00" + text,
    ],
)
def test_a_file_damaged_later_is_said_and_left_out(tmp_path: Path, damage) -> None:
    give(tmp_path, MEANS)
    give(tmp_path, SEEDS, "--as", "sound")
    path = tmp_path / "published" / "x.csv"
    path.write_text(damage(path.read_text()))
    found, problems = read_published(tmp_path)
    assert [r.name for r in found] == ["sound"]
    assert len(problems) == 1
    assert problems[0].startswith("results/published/x.csv cannot be read")
