"""Reported scores in `bench report`: never without their badge, and never in the way of the runs made here."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_run

from bench import report
from bench.cli import main
from bench.protocol import PROTOCOLS
from bench.published.rows import load_with_reported
from bench.scores import Scores
from suites import SUITES

SUITE = SUITES["diagnostic"]


def publish(results: Path, name: str, text: str) -> None:
    results.mkdir(exist_ok=True)
    (results / f"{name}.given").write_text(text)
    command = ["import", str(results / f"{name}.given"), "--as", name, "--results", str(results)]
    assert main([*command, "--source", f"Authors of {name}", "--suite", "diagnostic"]) == 0


def seeds_of(algorithm: str, **tasks: list[float]) -> str:
    return "".join(
        f"{algorithm},{task.replace('_', '-')},{seed},{score}\n"
        for task, scores in tasks.items()
        for seed, score in enumerate(scores)
    )


SINGLE = "algorithm,task,seed,score\n"
MEANS = "algorithm,task,mean,std,n_seeds\nM,gamble,41.5,2.5,4\nM,two-doors,30,,\nM,average of all,35.5,,\n"


def load(results: Path, **options: str) -> Scores:
    return load_with_reported(results, SUITE, SUITE, PROTOCOLS["final"], **options)


def render(results: Path, fmt: str = "md", **options: str) -> str:
    return report.render_scores(load(results, **options), fmt, 200)


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """One algorithm run here on two tasks; one reported by seeds, one by means."""
    write_run(tmp_path, "gamble", "mine", {0: 0.7, 1: 0.8, 2: 0.9})
    write_run(tmp_path, "two-doors", "mine", {0: 0.5, 1: 0.6})
    publish(tmp_path, "paper", SINGLE + seeds_of("P", gamble=[10, 20, 30, 40], two_doors=[50, 60]))
    publish(tmp_path, "table", MEANS)
    return tmp_path


def test_reported_seeds_have_all_statistics_and_a_badge_everywhere(both: Path) -> None:
    text = render(both)
    lines = [line for line in text.split("\n") if line.startswith("|")]
    assert not any("| P |" in line or " M |" in line for line in lines)
    (own,) = [line for line in lines if line.startswith("| P [reported: paper] |") and "40.0" in line]
    assert own.split("|")[2].split()[0].strip("*") == "41.9"
    # (0.5 x 20 + 0.75 x 30 + 0.75 x 40 + 1.5 x 50 + 0.5 x 60) / 4: two seeds count as much as the other four
    assert own.split("|")[-3].strip() == "2–4"
    assert own.split("|")[-2].strip() == "reported"
    assert text.count("[reported: paper]: Authors of paper.") == 6  # one for each table
    assert "not checked" in text


def test_a_mean_has_no_interval_and_no_aggregate(both: Path) -> None:
    text = render(both)
    (aggregate,) = [line for line in text.split("\n") if "no IQM: only means are reported" in line]
    assert aggregate.startswith("| M [reported: table]")
    tasks = text.split("mean score on each task")[1].split("###")[0]
    (gamble,) = [line for line in tasks.split("\n") if line.startswith("| gamble")]
    (doors,) = [line for line in tasks.split("\n") if line.startswith("| two-doors")]
    assert gamble.split("|")[-2].strip() == "41.5 ± 2.5 (4)"
    assert doors.split("|")[-2].strip() == "30.0 (?)"
    words = text.split("reported, in the publications' own words")[1]
    assert "| average of all | 35.5 (?)" in " ".join(words.split())
    assert "average of all" not in tasks


def test_nothing_reported_is_shown_unless_asked(both: Path, capsys: pytest.CaptureFixture) -> None:
    plain = report.render(both, "diagnostic", "md", PROTOCOLS["final"], replicates=200)
    assert "reported" not in plain
    capsys.readouterr()
    assert main(["report", "diagnostic", "--results", str(both), "--replicates", "200"]) == 0
    assert capsys.readouterr().out == plain


def test_the_numbers_of_runs_made_here_do_not_change(both: Path) -> None:
    alone = report.render(both, "diagnostic", "csv", PROTOCOLS["final"], replicates=200)
    beside = render(both, "csv")
    about_one = {"aggregate", "task"}  # ranks, wins and P(improvement) are of pairs
    own = [line for line in csv.reader(io.StringIO(alone)) if line[2] == "mine" and line[0] in about_one]
    same = [line for line in csv.reader(io.StringIO(beside)) if line[2] == "mine" and line[0] in about_one]
    assert own
    assert same == [[*line, "run here", ""] for line in own]


def test_the_csv_says_whose_every_number_is(both: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(render(both, "csv"))))
    numbers = [line for line in lines if line["level"] != "note"]
    assert {line["origin"] for line in numbers} == {"run here", "reported"}
    assert all((line["origin"] == "reported") == ("[reported: " in line["row"]) for line in numbers)
    (mean,) = [line for line in numbers if line["row"] == "M [reported: table]" and line["task"] == "gamble"]
    assert (mean["value"], mean["std"], mean["seeds"], mean["low"]) == ("41.5000", "2.5000", "4", "")
    assert {line["task"] for line in numbers if line["level"] == "own words"} == {"average of all"}


def test_latex_has_the_badge_too(both: Path) -> None:
    text = render(both, "latex")
    assert "P {[}reported: paper{]}" in text
    assert "Authors of table" in text


def test_no_note_asks_for_runs_of_reported_algorithms(both: Path) -> None:
    publish(both, "short", SINGLE + seeds_of("Q", gamble=[10, 20]))
    scores = load(both)
    assert scores.flagged == frozenset()
    assert [note for note in scores.notes if "Run:" in note] == [
        note for note in load(both, sources="table").notes if "Run:" in note
    ]
    assert any(note.startswith("Q [reported: short] reports no seeds on two-doors") for note in scores.notes)


def test_tasks_that_nobody_ran_here_do_not_take_the_aggregates(both: Path) -> None:
    publish(both, "wide", SINGLE + seeds_of("W", gamble=[1, 2], two_doors=[3, 4], few_good=[5, 6]))
    scores = load(both)
    assert scores.tasks == ["gamble", "two-doors"]
    assert any("reported on 1 more tasks" in note for note in scores.notes)
    assert load(both, globs="*").tasks == ["few-good", "gamble", "two-doors"]
    assert load(both, globs="gamble").tasks == ["gamble"]


def test_a_mean_on_the_published_data_stands_beside_a_run_on_a_copy(tmp_path: Path) -> None:
    write_run(tmp_path, "gamble@made-10ep-1a2b3c4d", "mine", {0: 0.5, 1: 0.6})
    publish(tmp_path, "table", MEANS)
    publish(tmp_path, "paper", SINGLE + seeds_of("P", gamble=[10, 20]))
    scores = load(tmp_path)
    assert scores.tasks == ["gamble@made-10ep-1a2b3c4d"]  # the copy is another task: no common aggregate
    tasks = render(tmp_path).split("mean score on each task")[1].split("###")[0]
    (line,) = [line for line in tasks.split("\n") if line.startswith("| gamble ")]
    assert "41.5 ± 2.5 (4)" in line
    assert "15.0 ± 7.1 (2)" in line


def test_a_suite_without_runs_is_reported_from_others_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    publish(tmp_path, "paper", SINGLE + seeds_of("P", gamble=[10, 20, 30, 40]))
    capsys.readouterr()
    for fmt in ("md", "csv", "latex"):
        assert main(["report", "diagnostic", "--reported", "--results", str(tmp_path), "--format", fmt]) == 0
        assert "No run was made here" in capsys.readouterr().out
    assert main(["report", "diagnostic", "--results", str(tmp_path)]) == 2
    assert main(["report", "classic", "--reported", "--results", str(tmp_path)]) == 2
    assert "bench import" in capsys.readouterr().err


def test_means_alone_make_a_report_too(tmp_path: Path) -> None:
    publish(tmp_path, "table", MEANS)
    assert "41.5 ± 2.5 (4)" in render(tmp_path)
    assert "41.5000" in render(tmp_path, "csv")
    assert "no IQM" in render(tmp_path, "latex")


def test_sources_are_chosen_by_name(both: Path, capsys: pytest.CaptureFixture) -> None:
    assert {row.source for row in load(both, sources="pap*").rows} == {"", "paper"}
    capsys.readouterr()
    assert main(["report", "diagnostic", "--sources", "papr", "--results", str(both)]) == 2
    assert (
        "unknown source of reported scores on diagnostic 'papr'; did you mean 'paper'?"
        in capsys.readouterr().err
    )


def test_a_secondary_source_says_so_under_every_table(tmp_path: Path) -> None:
    text = SINGLE.strip() + ",status\n" + "P,gamble,0,10,secondary: read in a talk\n"
    publish(tmp_path, "talk", text)
    shown = render(tmp_path)
    said = "[reported: talk]: Authors of talk (read in a talk) (secondary source: not the"
    assert shown.count(said) == shown.count("### ") == 2


def test_optimistic_scores_say_so_in_their_badge_and_below(tmp_path: Path) -> None:
    publish(tmp_path, "best", SINGLE.strip() + ",status\n" + "P,gamble,0,10,optimistic\n")
    shown = render(tmp_path)
    assert "| P [reported: best, optimistic] |" in shown
    assert "[reported: best, optimistic]: Authors of best (optimistic: the best evaluation of each" in shown


def test_means_alone_make_no_empty_tables(tmp_path: Path) -> None:
    publish(tmp_path, "paper", "algorithm,task,mean,std,n_seeds\nP,gamble,10,1,3\nQ,gamble,20,1,3\n")
    shown = render(tmp_path)
    assert shown.count("### ") == 2
    assert "Bold" not in shown


def test_many_algorithms_on_few_tasks_stand_in_lines(tmp_path: Path) -> None:
    lines = "".join(f"A{number},gamble,{number},1,3\n" for number in range(9))
    publish(tmp_path, "paper", "algorithm,task,mean,std,n_seeds\n" + lines)
    shown = render(tmp_path)
    assert "| Algorithm            |        gamble |" in shown
    assert "| A8 [reported: paper] | 8.0 ± 1.0 (3) |" in shown


def test_it_is_said_where_nobody_reports_scores_on_the_suite(tmp_path: Path) -> None:
    write_run(tmp_path, "gamble", "iql", {0: 0.5, 1: 0.6})
    assert "no scores that others report on diagnostic in results/published: bench import" in render(tmp_path)


def test_steps_of_one_source_are_rows_of_their_own(tmp_path: Path) -> None:
    text = (
        "algorithm,task,seed,step,score\nP,gamble,0,500000,10\nP,gamble,1,500000,20\nP,gamble,0,1000000,30\n"
    )
    publish(tmp_path, "paper", text)
    labels = [row.label for row in load(tmp_path).rows]
    assert labels == ["P (step 1000000) [reported: paper]", "P (step 500000) [reported: paper]"]


def test_names_of_seeds_need_not_be_numbers_and_are_the_same_for_all_tasks(tmp_path: Path) -> None:
    text = SINGLE + "P,gamble,s10,10\nP,gamble,s9,20\nP,two-doors,s10,30\n"
    publish(tmp_path, "paper", text)
    scores = load(tmp_path)
    matrix = scores.matrix(scores.rows[0])
    assert np.array_equal(matrix, [[0.2, np.nan], [0.1, 0.3]], equal_nan=True)


def test_a_damaged_file_is_a_note(both: Path) -> None:
    (both / "published" / "broken.csv").write_text("a,b\n1,2\n")
    assert any("results/published/broken.csv cannot be read" in note for note in load(both).notes)


def compare(results: Path, a: str, b: str, *options: str) -> int:
    return main(["compare", a, b, "diagnostic", "--results", str(results), "--replicates", "100", *options])


@pytest.mark.parametrize("fmt", ["md", "csv", "latex"])
def test_a_comparison_with_reported_scores_says_so_in_the_verdict(
    both: Path, capsys: pytest.CaptureFixture, fmt: str
) -> None:
    capsys.readouterr()
    assert compare(both, "mine", "P [reported: paper]", "--format", fmt) == 0
    text = capsys.readouterr().out.replace("{[}", "[").replace("{]}", "]")
    lines = [
        line
        for line in text.split("\n")
        if "few seeds" in line or "differs" in line or line.startswith(("| all tasks: ", "all tasks"))
    ]
    verdicts = [line for line in lines if "Verdict:" not in line]
    assert len(verdicts) >= 4
    assert all("[B reported]" in line for line in verdicts)
    assert "Authors of paper" in text


def test_a_comparison_of_runs_made_here_has_no_badge(both: Path, capsys: pytest.CaptureFixture) -> None:
    write_run(both, "gamble", "other", {0: 0.2, 1: 0.3, 2: 0.1})
    capsys.readouterr()
    assert compare(both, "mine", "other") == 0
    assert "reported" not in capsys.readouterr().out


def test_means_cannot_be_compared(both: Path, capsys: pytest.CaptureFixture) -> None:
    capsys.readouterr()
    assert compare(both, "mine", "M [reported: table]") == 2
    assert "only means are reported" in capsys.readouterr().err
    assert compare(both, "mine", "M [reported: tabel]") == 2
    assert "unknown column" in capsys.readouterr().err


@pytest.mark.parametrize("bootstrap", ["hierarchical", "episodes", "tasks"])
def test_a_reported_seed_counts_as_one_episode(both: Path, bootstrap: str) -> None:
    over_seeds = report.render_scores(load(both), "csv", 200)
    text = report.render_scores(load(both), "csv", 200, bootstrap)
    values = [
        [line.split(",")[:5] for line in t.splitlines() if line.startswith("aggregate")]
        for t in (text, over_seeds)
    ]
    assert values[0] == values[1]
