"""The paper kit: its bytes, what LaTeX makes of it, and what it says where records say nothing.

The golden files are written anew by `python tests/bench/test_paper.py`.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from synthetic import rename_algorithm, write_run

from algorithms import ALGORITHMS
from bench.about import Paper, paper
from bench.cli import main
from bench.paper.bibliography import bibtex, keys

GOLDEN = Path(__file__).parents[1] / "data" / "paper"
TEXTS = ("table-scores.tex", "table-aggregates.tex", "table-improvement.tex", "details.tex", "details.md",
         "references.bib", "main.tex")  # fmt: skip
HOSTILE = r"a_b%c#d&e~f^g\h$i{j}|<script>[k](l)"


def write_records(results: Path) -> None:
    """Three algorithms, two tasks; a seed of bc diverged, one is missing; one algorithm is not registered."""
    config = {"batch_size": 256, "hidden": [64, 64], "lr": 1e-3}
    settings = {"config": config, "sources": {"hidden": "suite", "lr": "Somebody et al. 2020, table 3"}}
    write_run(results, "gamble", "iql", {0: 0.7, 1: 0.8, 2: 0.9, 3: 0.8, 4: 0.8}, **settings)
    write_run(results, "two-doors", "iql", {0: 0.5, 1: 0.6, 2: 0.5, 3: 0.4, 4: 0.5}, **settings)
    write_run(results, "gamble", "bc", {0: 0.2, 1: 0.3, 2: 0.2, 3: 0.3, 4: 0.2}, diverged={1: 2000})
    write_run(results, "two-doors", "bc", {0: 0.5, 1: 0.4, 2: 0.4, 3: 0.5})
    write_run(results, "gamble", "mine", {0: 0.6, 1: 0.7})
    write_run(results, "two-doors", "mine", {0: 0.2, 1: 0.1})


def kit(results: Path, folder: Path, *words: str) -> Path:
    command = ["paper", "diagnostic", "--results", str(results), "--out", str(folder), "--replicates", "200"]
    assert main([*command, *words]) == 0
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("paper")
    write_records(folder / "results")
    return kit(folder / "results", folder / "kit")


@pytest.mark.parametrize("name", TEXTS)
def test_the_kit_of_a_small_set_of_records_is_this_text(tiny, name):
    assert (tiny / name).read_text() == (GOLDEN / name).read_text()


def test_equal_records_give_equal_bytes_also_of_the_figures(tiny, tmp_path):
    write_records(tmp_path / "elsewhere")
    again = kit(tmp_path / "elsewhere", tmp_path / "again")
    names = sorted(path.name for path in tiny.iterdir())
    assert {"intervals.pdf", "profiles.pdf", "curves-1.pdf", *TEXTS} == set(names)
    assert [name for name in names if (tiny / name).read_bytes() != (again / name).read_bytes()] == []


def test_figures_are_dated_nowhere_fit_the_page_and_have_vector_fonts(tiny):
    widths = {"intervals.pdf": 6.75, "profiles.pdf": 3.25, "curves-1.pdf": 6.75}
    for name, inches in widths.items():
        content = (tiny / name).read_bytes()
        assert content.startswith(b"%PDF-")
        assert content.rstrip().endswith(b"%%EOF")
        assert b"CreationDate" not in content
        assert b"/Type3" not in content
        assert b"/FontFile2" in content  # TrueType
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", content)
        assert box is not None
        assert float(box[1]) == pytest.approx(72 * inches)


def compiled(folder: Path) -> str:
    """The log of pdflatex on a copy of the kit; the test is skipped where there is none."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    result = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main"],
        cwd=folder, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-2000:]
    assert (folder / "main.pdf").read_bytes().startswith(b"%PDF-")
    return result.stdout


def test_latex_makes_a_document_of_it_without_overfull_boxes(tiny, tmp_path):
    log = compiled(shutil.copytree(tiny, tmp_path / "copy"))
    assert "Overfull" not in log
    assert "Citation `kostrikov2022'" in log  # it waits for bibtex


def test_names_that_mean_something_to_latex_are_plain_text(tmp_path):
    for task in ("gamble", "two-doors"):
        write_run(tmp_path / "results", task, "iql", {0: 0.7, 1: 0.8}, run_id="r0")
        odd = write_run(tmp_path / "results", task, "odd", {0: 0.4, 1: 0.3})
        rename_algorithm(odd, HOSTILE)
        content = json.loads((odd / "run.json").read_text())
        content["sources"] = {HOSTILE: HOSTILE}
        content["versions"] = {HOSTILE: HOSTILE}
        (odd / "run.json").write_text(json.dumps(content))
    folder = kit(tmp_path / "results", tmp_path / "kit", "--against", "iql")
    assert "<script>" not in (folder / "details.md").read_text()
    compiled(folder)


def test_eighteen_algorithms_on_twelve_tasks_are_cut_into_tables_that_fit(tmp_path):
    for number in range(18):
        for task in range(12):
            write_run(tmp_path / "results", f"some-environment-task-{task}", f"algorithm_{number:02}",
                      {0: 0.3 + number / 40, 1: 0.4 + task / 40}, evaluations=2)  # fmt: skip
    folder = kit(tmp_path / "results", tmp_path / "kit")
    text = (folder / "table-scores.tex").read_text()
    assert {len(line) for line in re.findall(r"tabular\}\{l(r+)\}", text)} == {6}
    for number in range(18):
        assert rf"\_{number:02}" in text
    assert "part 1 of" in text
    assert "Overfull" not in compiled(folder)


def test_more_algorithms_than_tasks_are_the_lines(tmp_path):
    for number in range(12):
        write_run(tmp_path / "results", "gamble", f"algorithm_{number}", {0: 0.3 + number / 40, 1: 0.4})
    text = (kit(tmp_path / "results", tmp_path / "kit") / "table-scores.tex").read_text()
    assert r"Algorithm & gamble \\" in text


def test_deviations_can_stand_in_place_of_intervals(tiny, tmp_path):
    folder = kit(tiny.parent / "results", tmp_path / "kit", "--spread", "std")
    assert r"{\scriptsize ± 7.1}" in (folder / "table-scores.tex").read_text()  # of 0.7 0.8 0.9 0.8 0.8


def test_algorithms_and_the_one_to_improve_on_can_be_chosen(tiny, tmp_path):
    folder = kit(tiny.parent / "results", tmp_path / "kit", "--algorithms", "iql,b*", "--against", "bc")
    text = (folder / "table-improvement.tex").read_text()
    assert "probability of improvement on bc" in text
    assert "iql &" in text
    assert "mine" not in "".join((folder / name).read_text() for name in TEXTS)


@pytest.mark.parametrize(
    "words",
    [["--algorithms", "iqll"], ["--against", "cql"], ["--protocol", "worst"], ["--results", "nowhere"]],
)
def test_what_does_not_exist_is_said_in_one_line_and_nothing_is_written(tiny, tmp_path, capsys, words):
    command = [
        "paper",
        "diagnostic",
        "--results",
        str(tiny.parent / "results"),
        "--out",
        str(tmp_path / "kit"),
    ]
    assert main([*command, *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("bench: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "kit").exists()


def test_what_the_records_do_not_say_is_unknown(tmp_path):
    path = write_run(tmp_path / "results", "gamble", "iql", {0: 0.7, 1: 0.8}, git={}, device={}, versions={})
    (path / "summary.json").write_text('{"diverged": []}\n')
    text = (kit(tmp_path / "results", tmp_path / "kit") / "details.md").read_text()
    assert "Software: unknown." in text
    assert "Commit of the harness: unknown." in text
    assert "Hardware: unknown (name unknown), threads unknown" in text
    assert "1 of 1 runs have no recorded time" in text


def test_every_algorithm_names_a_paper_that_can_be_cited():
    papers = {name: paper(algorithm) for name, algorithm in ALGORITHMS.items()}
    assert [name for name, found in papers.items() if found is None] == []
    assert papers["iql"] == Paper(
        ("Kostrikov", "Nair", "Levine"), "Offline Reinforcement Learning with Implicit Q-Learning",
        "ICLR 2022", "2022", "https://arxiv.org/abs/2110.06169",
    )  # fmt: skip
    assert papers["idql"].venue == "2023"  # a preprint


def test_one_paper_has_one_key_and_two_of_one_author_and_year_have_two():
    one, two = (Paper(("Park", "Li"), title, "ICML 2025", "2025", "") for title in ("One", "Two"))
    papers = {"a": one, "b": one, "c": two}
    assert keys(papers) == {"a": "park2025", "b": "park2025", "c": "park2025b"}
    assert bibtex(papers).count("@misc") == 2


if __name__ == "__main__":  # writes the golden files anew
    with tempfile.TemporaryDirectory() as scratch:
        write_records(Path(scratch) / "results")
        made = kit(Path(scratch) / "results", Path(scratch) / "kit")
        GOLDEN.mkdir(parents=True, exist_ok=True)
        for text in TEXTS:
            shutil.copy(made / text, GOLDEN / text)
    sys.exit(0)
