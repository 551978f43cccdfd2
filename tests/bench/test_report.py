import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import rename_algorithm, write_run

from bench import report
from bench.episodes import load_scores
from bench.errors import UserError
from bench.protocol import PROTOCOLS

HOSTILE = r"a_b%c#d&e~f^g\h$i{j}|<script>[k](l)"


def render(results: Path, fmt: str = "md", **options: str) -> str:
    return report.render(results, "diagnostic", fmt, PROTOCOLS["final"], replicates=200, **options)


def write_tiny(results: Path) -> None:
    """Two algorithms, two tasks; one seed of bc diverged, one is missing."""
    write_run(results, "gamble", "iql", {0: 0.7, 1: 0.8, 2: 0.9, 3: 0.8, 4: 0.8})
    write_run(results, "two-doors", "iql", {0: 0.5, 1: 0.6, 2: 0.5, 3: 0.4, 4: 0.5})
    write_run(results, "gamble", "bc", {0: 0.2, 1: 0.3, 2: 0.2, 3: 0.3, 4: 0.2}, diverged={1: 2000})
    write_run(results, "two-doors", "bc", {0: 0.5, 1: 0.4, 2: 0.4, 3: 0.5})


GOLDEN = (
    "### diagnostic: scores over 2 tasks\n"
    "\n"
    "| Algorithm |                   IQM |                Median |                  Mean |        "
    "Optimality gap | Seeds | Settings |\n"
    "| --------- | --------------------: | --------------------: | --------------------: | "
    "--------------------: | ----: | -------: |\n"
    "| iql       | **65.0** [60.0, 70.0] | **65.0** [61.0, 69.0] | **65.0** [61.0, 69.0] | **35.0** "
    "[31.0, 39.0] |     5 |    paper |\n"
    "| bc        |    32.3† [27.7, 37.8] |    31.5† [26.5, 35.8] |    31.5† [26.5, 35.8] |    68.5† "
    "[64.2, 73.5] |   4–5 |    paper |\n"
    "\n"
    "Protocol final: the score of a training seed is its mean return at the last scheduled "
    "evaluation, after 4,000 gradient updates, over 3 episodes per seed and evaluation whose "
    "evaluation seeds depend on the training seed alone, with each algorithm's default inference "
    "setting, on the scale 0 = uniformly random, 100 = best known; a diverged seed (†) counts as 0, "
    "the level of a uniformly random policy, and is never dropped or repaired.  \n"
    "4–5 seeds per algorithm and task; intervals are 95% percentiles of 200 stratified bootstrap "
    "replicates (seeds resampled within each task; definitions of rliable).  \n"
    "With fewer than 5 seeds such intervals are too narrow, those of a single task most of all; a "
    "task with one seed has no interval.  \n"
    "†: diverged seeds enter as 0 (bc 1).  \n"
    "Settings: paper – the defaults of the algorithm's file and what it gives for a task.  \n"
    "Bold: the best of its column, and every entry for which the 95% interval of the difference to "
    "the best (over the same bootstrap replicates) includes 0; none where that holds for all "
    "entries.  \n"
    "\n"
    "Notes:\n"
    "\n"
    "- results: diagnostic/two-doors/bc lacks seeds 4. Run: bench run diagnostic bc --tasks "
    "two-doors --seeds 4\n"
)


def test_the_report_on_a_tiny_set_of_records_is_this_text(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    assert render(tmp_path).startswith(GOLDEN)


@pytest.mark.parametrize("fmt", report.FORMATS)
def test_equal_records_give_equal_bytes_wherever_they_lie(tmp_path: Path, fmt: str) -> None:
    write_tiny(tmp_path / "here")
    path = write_run(tmp_path / "here", "gamble", "cql", {0: 0.5})
    with open(path / "evaluations.jsonl", "a") as file:
        file.write('{"seed": 0')
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    np.random.seed(1)
    first = render(tmp_path / "here", fmt)
    np.random.seed(2)
    assert render(tmp_path / "there", fmt) == first
    assert str(tmp_path) not in first


def test_a_cut_last_line_names_its_run_and_loses_nothing_else(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    before = render(tmp_path)
    file = tmp_path / "runs/diagnostic/gamble/iql/r1/evaluations.jsonl"
    file.write_text(file.read_text()[:-30])
    after = render(tmp_path)
    assert "- results/runs/diagnostic/gamble/iql/r1/evaluations.jsonl, line 20 is damaged" in after
    assert "results: diagnostic/gamble/iql lacks seeds 4. Run: " in after
    for line in before.splitlines():
        if line.startswith("| bc "):
            assert line in after


def test_a_diverged_seed_carries_a_dagger_and_counts_as_0(tmp_path: Path) -> None:
    write_run(tmp_path, "gamble", "bc", {0: 0.6, 1: 0.6, 2: 0.6}, diverged={2: 4000})
    text = render(tmp_path)
    assert "| gamble | 40.0† [0.0, 60.0] |" in text
    assert "†: diverged seeds enter as 0 (bc 1)." in text
    assert "\\textsuperscript{\\textdagger}" in render(tmp_path, "latex")
    rows = list(csv.DictReader(io.StringIO(render(tmp_path, "csv"))))
    assert {row["diverged"] for row in rows if row["level"] == "task"} == {"1"}


def test_the_csv_is_tidy(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    table = pd.read_csv(io.StringIO(render(tmp_path, "csv")))
    assert list(table) == [
        "level",
        "task",
        "row",
        "metric",
        "value",
        "low",
        "high",
        "seeds",
        "diverged",
        "settings",
    ]
    assert set(table["level"]) == {"aggregate", "task", "improvement", "rank", "wins", "note"}
    numbers = table[
        table["level"].isin(["aggregate", "task", "improvement"]) | (table["metric"] == "Mean rank")
    ]
    assert ((numbers["low"] <= numbers["value"]) & (numbers["value"] <= numbers["high"])).all()
    task = table[(table["level"] == "task") & (table["row"] == "iql") & (table["task"] == "gamble")]
    assert task["value"].item() == pytest.approx(80)
    assert any("lacks seeds 4" in str(text) for text in table["metric"])


def test_the_csv_says_whose_settings_a_row_has(tmp_path: Path) -> None:
    write_run(tmp_path, "gamble", "iql", {0: 0.5, 1: 0.6}, overrides={"beta": 1.0})
    write_run(tmp_path, "gamble", "bc", {0: 0.5, 1: 0.6})
    table = pd.read_csv(io.StringIO(render(tmp_path, "csv")))
    by_row = table[table["level"] == "aggregate"].groupby("row")["settings"].unique()
    assert {row: list(found) for row, found in by_row.items()} == {
        "iql (beta=1.0)": ["by hand"],
        "bc": ["paper"],
    }
    assert any(str(text).startswith("Settings: paper – ") for text in table["metric"])


def test_hostile_names_are_text_in_markdown(tmp_path: Path) -> None:
    rename_algorithm(write_run(tmp_path, "gamble", "x", {0: 0.5, 1: 0.6}), HOSTILE)
    text = render(tmp_path)
    assert "<script>" not in text
    assert "](" not in text
    line = next(line for line in text.splitlines() if line.startswith("| a_b"))
    assert len(re.findall(r"(?<!\\)\|", line)) == 8  # the borders of seven columns


def test_hostile_names_are_text_in_latex(tmp_path: Path) -> None:
    rename_algorithm(write_run(tmp_path, "gamble", "x", {0: 0.5, 1: 0.6}), HOSTILE)
    write_run(tmp_path, "gamble", "bc", {0: 0.5, 1: 0.6})
    text = render(tmp_path, "latex")
    name = (
        r"a\_b\%c\#d\&e\textasciitilde{}f\textasciicircum{}g\textbackslash{}h\$i\{j\}\textbar{}"
        r"\textless{}script\textgreater{}{[}k{]}(l)"
    )
    assert name in text
    bare = re.sub(r"\\[{}\\]", "", text)  # escaped braces and line ends
    assert bare.count("{") == bare.count("}")
    depth = np.cumsum([(c == "{") - (c == "}") for c in bare])
    assert depth.min() >= 0
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 5


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_the_latex_compiles(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    rename_algorithm(write_run(tmp_path, "gamble", "x", {0: 0.5, 1: 0.6}), HOSTILE)
    packages = r"\documentclass{article}\usepackage{booktabs,graphicx,textcomp}\begin{document}"
    (tmp_path / "t.tex").write_text(f"{packages}\n{render(tmp_path, 'latex')}\\end{{document}}\n")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "-draftmode", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]


def test_an_empty_folder_an_unknown_format_and_an_unknown_inference_are_user_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no runs of diagnostic"):
        render(tmp_path)
    write_run(tmp_path, "gamble", "bc", {0: 0.5})
    with pytest.raises(UserError, match="unknown format 'mdd'; did you mean 'md'"):
        render(tmp_path, "mdd")
    with pytest.raises(UserError, match="unknown inference 'al'; did you mean 'all'"):
        render(tmp_path, inference="al")


def test_scores_load_as_one_row_per_episode(tmp_path: Path) -> None:
    write_run(tmp_path, "gamble", "iql", {0: 0.8, 1: 0.8}, diverged={1: 4000}, overrides={"expectile": 0.8})
    table = load_scores(tmp_path)
    assert list(table) == [
        "suite", "task", "algorithm", "variant", "settings", "run", "seed", "step", "inference",
        "episode", "status", "return", "success", "length", "score",
    ]  # fmt: skip
    assert len(table) == 4 * 3 + 3 * 3 + 1  # four and three sound evaluations of three episodes, one diverged
    last = table[(table["seed"] == 0) & (table["step"] == 4000)]
    assert last["score"].to_numpy() == pytest.approx([0.8] * 3)
    assert set(table["variant"]) == {"expectile=0.8"}


def test_an_interval_without_width_is_called_no_certainty(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    said = "An interval without width is no certainty"
    assert said not in render(tmp_path)
    write_run(tmp_path, "gamble", "cql", dict.fromkeys(range(5), 0.5))
    assert said in render(tmp_path)
