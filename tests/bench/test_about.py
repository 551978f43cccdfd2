import pytest

from algorithms import ALGORITHMS, EXTERNAL
from bench.about import _cited, about
from bench.cli import main


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_says_its_paper_and_what_it_was_checked_against(name):
    found = about(ALGORITHMS[name])
    assert found.title
    assert found.paper
    assert found.checked
    assert found.url.startswith("https://")
    assert found.file == f"{name}.py"


@pytest.mark.parametrize(
    ("reference", "cited"),
    [
        ('Pomerleau, "Training", Neural Computation 1991, https://doi.org/x.', "Pomerleau 1991"),
        ('Fujimoto & Gu, "A Minimalist Approach", NeurIPS 2021, https://x.org.', "Fujimoto & Gu 2021"),
        ('Park, Li & Levine, "Flow", ICML 2025, https://x.org/2502.02538, E.2.', "Park et al. 2025"),
        ("An algorithm of my own.", ""),
    ],
)
def test_a_reference_is_cited_by_authors_and_year(reference, cited):
    assert _cited(reference) == cited


def test_the_long_list_has_all_of_it(capsys):
    assert main(["list", "algorithms", "--long"]) == 0
    out = capsys.readouterr().out
    assert "fql: Flow Q-learning (FQL)\n  paper: Park et al. 2025, https://arxiv.org/abs/2502.02538\n" in out
    assert "  file: algorithms/fql.py; checked against: numbers of the authors' code\n" in out
    assert all(f"{name}: " in out for name in EXTERNAL)
