"""What README shows is true: its example, its commands, its table of algorithms."""

import re
import shlex
from pathlib import Path

import pytest

from algorithms import ALGORITHMS, EXTERNAL
from bench.about import about
from bench.cli import main, parser
from suites import SUITES

README = (Path(__file__).parents[1] / "README.md").read_text()
EXAMPLE = next(code for code in re.findall(r"```python\n(.*?)```", README, re.S) if "# my_algo.py" in code)
COMMANDS = re.findall(r"^bench .*?(?=\s+#|$)", README, re.M)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    (tmp_path / "my_algo.py").write_text(EXAMPLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return "my_algo.py:MyAlgo"


def test_the_example_passes_the_conformance_tests(plugin, capsys):
    assert main(["check", plugin]) == 0
    assert "all checks passed" in capsys.readouterr().out


def test_the_example_runs_and_is_reported(plugin, capsys):
    short = ["--tasks", "few-good", "--steps", "30", "--evaluations", "1", "--episodes", "2", "--jobs", "1"]
    assert main(["run", "diagnostic", "--algorithm", plugin, *short]) == 0
    assert main(["report", "diagnostic", "--replicates", "100"]) == 0
    assert "my_algo.MyAlgo" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_is_understood(command):
    parser().parse_args(shlex.split(command)[1:])


def test_the_readme_names_every_algorithm_and_suite():
    for name, algorithm in ALGORITHMS.items():
        said = about(algorithm)
        paper = f"[{said.paper}]({said.url})"
        assert f"| `{name}` | [{said.file}](algorithms/{said.file}) | {paper} | {said.checked} |" in README
    for name in EXTERNAL:
        assert f"`{name.removeprefix('d3rlpy/')}`" in README
    for name in SUITES:
        assert f"| `{name}` |" in README


def test_every_link_to_a_file_leads_somewhere():
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (root / target).exists(), target
