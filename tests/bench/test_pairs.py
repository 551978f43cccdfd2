import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_run

from bench.cli import main
from bench.pairs import WinRecord, compare_all, win_record, win_records
from bench.power import POWER, power, seeds_to_add, standard_error
from bench.protocol import PROTOCOLS
from bench.scores import Row, Scores, load
from bench.welch import holm

OFFSETS = (0.00, 0.04, -0.03, 0.02, -0.05)


def write_all(results: Path) -> None:
    """iql far above bc on both tasks; td3 as iql on one of them."""
    for task, level in (("gamble", 0.5), ("two-doors", 0.7)):
        write_run(results, task, "iql", {s: level + o for s, o in enumerate(OFFSETS)})
        write_run(results, task, "bc", {s: level - 0.4 - o for s, o in enumerate(OFFSETS)})
        td3 = level - (0.3 if task == "gamble" else 0.0)
        write_run(results, task, "td3", {s: td3 + 1.5 * o for s, o in enumerate(OFFSETS)})


def scores_in(results: Path) -> Scores:
    return load(results, "diagnostic", PROTOCOLS["final"])


def compare_command(capsys, results: Path, *words: str) -> str:
    given = ["compare", "diagnostic", "--all", *words, "--results", str(results), "--replicates", "200"]
    assert main(given) == 0
    return capsys.readouterr().out


def test_wins_ties_and_losses_by_hand() -> None:
    high, low = np.array([0.8, 0.81, 0.79]), np.array([0.1, 0.11, 0.12])
    near = np.array([0.8, 0.7, 0.9])
    assert win_record([high, low, near], [low, high, high]) == WinRecord(1, 1, 1)
    assert win_record([high, low[:1], low[:0]], [low, high, high]) == WinRecord(1, 0, 0)


def test_wins_are_corrected_for_the_tasks_of_the_pair() -> None:
    a, b = np.array([0.50, 0.54, 0.58, 0.50, 0.58]), np.array([0.44, 0.48, 0.52, 0.44, 0.52])
    assert win_record([a], [b]) == WinRecord(1, 0, 0)
    same = np.array([0.1, 0.2, 0.3])
    assert win_record([a, *[same] * 9], [b, *[same] * 9]) == WinRecord(0, 10, 0)


def test_the_matrix_of_wins_is_the_negative_of_itself(tmp_path: Path) -> None:
    write_all(tmp_path)
    scores = scores_in(tmp_path)
    records = win_records(scores, scores.rows)
    iql, bc, td3 = (Row(name, "", 0, "") for name in ("iql", "bc", "td3"))
    assert records[iql, bc] == WinRecord(2, 0, 0)
    assert records[bc, iql] == WinRecord(0, 0, 2)
    assert str(records[iql, td3]) == "1 / 1 / 0"
    assert str(records[td3, iql]) == "0 / 1 / 1"


def test_all_pairs_are_corrected_together_and_the_better_is_a(tmp_path: Path) -> None:
    write_all(tmp_path)
    found = compare_all(scores_in(tmp_path), 0.05, 200)
    assert [(pair.a.label, pair.b.label) for pair in found.pairs] == [
        ("iql", "td3"),
        ("iql", "bc"),
        ("td3", "bc"),
    ]
    assert [pair.p_holm for pair in found.pairs] == pytest.approx(holm([pair.p for pair in found.pairs]))
    raw = [pair.permutation.p for pair in found.pairs]
    assert [pair.p_pairs_holm for pair in found.pairs] == pytest.approx(holm(raw))
    assert raw[1] == 2 / 2**10
    assert all(pair.difference.value > 0 for pair in found.pairs)
    assert found.pairs[1].verdict == "differs"


def test_the_table_of_all_pairs_says_what_it_did(tmp_path: Path, capsys) -> None:
    write_all(tmp_path)
    write_run(tmp_path, "gamble", "cql", {7: 0.95, 8: 0.96, 9: 0.97})
    text = compare_command(capsys, tmp_path)
    assert "| cql against iql" in text
    assert "corrected by Holm's method for 6 pairs" in text
    assert (
        "; runs whose seed the other lacks are exchanged among themselves" in text
    )  # no number of a sum of sums
    assert "Not over all 2 tasks: cql against iql, cql against td3, cql against bc." in text
    assert "lacks seeds" in text
    assert compare_command(capsys, tmp_path) == text
    rows = list(csv.DictReader(io.StringIO(compare_command(capsys, tmp_path, "--format", "csv"))))
    pair = next(row for row in rows if (row["a"], row["b"]) == ("iql", "bc"))
    assert (pair["won"], pair["tied"], pair["lost"], pair["pairs"], pair["singles"]) == (
        "2",
        "0",
        "0",
        "10",
        "0",
    )
    assert float(pair["difference"]) == pytest.approx(39.2)
    assert "\\begin{table}" in compare_command(capsys, tmp_path, "--format", "latex")


def test_a_is_the_better_one_on_the_tasks_that_both_have(tmp_path: Path) -> None:
    write_all(tmp_path)
    write_run(tmp_path, "two-doors", "cql", {0: 0.64, 1: 0.65, 2: 0.66})  # below iql there, above its mean
    pairs = compare_all(scores_in(tmp_path), 0.05, 100).pairs
    assert ("iql", "cql") in [(pair.a.label, pair.b.label) for pair in pairs]
    assert all(pair.difference.value >= 0 for pair in pairs)


def test_rows_without_a_common_task_are_named(tmp_path: Path, capsys) -> None:
    write_run(tmp_path, "gamble", "iql", {0: 0.5, 1: 0.6})
    write_run(tmp_path, "two-doors", "bc", {0: 0.5, 1: 0.6})
    text = compare_command(capsys, tmp_path)
    assert "Without a common task, and left out: bc and iql." in text


def test_tasks_can_be_chosen(tmp_path: Path, capsys) -> None:
    write_all(tmp_path)
    text = compare_command(capsys, tmp_path, "--tasks", "two-*")
    line = next(line for line in text.splitlines() if line.startswith("| iql against bc"))
    assert line.split("|")[2].strip() == "1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("iql diagnostic", "takes two algorithms and a suite"),
        ("iql bc diagnostic --all", "with --all a suite alone"),
        ("diagnostic", "bench compare got 1 names (diagnostic)"),
        ("diagnostic --all --tasks few-good", "no scores on the tasks 'few-good'"),
        ("diagnostic --all --tasks gamble", "only iql has runs of diagnostic"),
        ("classic --all", "no runs of classic"),
    ],
)
def test_mistakes_are_said_in_one_line(tmp_path: Path, capsys, words: str, said: str) -> None:
    write_run(tmp_path, "gamble", "iql", {0: 0.5, 1: 0.6})
    assert main(["compare", *words.split(), "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_verdicts_of_a_pair_without_a_test(tmp_path: Path) -> None:
    for algorithm, score in (("iql", 0.5), ("bc", 0.4)):
        write_run(tmp_path, "gamble", algorithm, {0: score, 1: score})
    (pair,) = compare_all(scores_in(tmp_path), 0.05, 50).pairs
    assert pair.verdict == "too few seeds for the test (no seed varies)"
    write_run(tmp_path, "gamble", "td3", {0: 0.45})
    found = compare_all(scores_in(tmp_path), 0.05, 50).pairs
    assert {p.verdict for p in found if "td3" in (p.a.algorithm, p.b.algorithm)} == {
        "too few seeds: 2 of each on every task are the least"
    }
    assert all(math.isnan(p.difference.low) for p in found if "td3" in (p.a.algorithm, p.b.algorithm))


def test_the_number_of_seeds_gives_the_power_that_is_promised() -> None:
    random, hits, trials, margin = np.random.default_rng(0), 0, 2000, 0.1
    spreads, sizes = np.array([0.15, 0.10, 0.05, 0.2]), np.array([5, 5, 3, 4])  # A and B on two tasks
    more = seeds_to_add((spreads / 2) ** 2, sizes, margin, 0.05)
    assert power(margin / standard_error((spreads / 2) ** 2, sizes + more - 1)[0], 1e6, 0.05) < 0.83
    from scipy.special import stdtrit

    for _ in range(trials):
        groups = [random.normal(0, s, n + more) for s, n in zip(spreads, sizes, strict=True)]
        means = [g.mean() for g in groups]
        difference = (means[0] + means[1] - means[2] - means[3]) / 2 + margin
        error, freedom = standard_error(np.array([g.var(ddof=1) for g in groups]) / 4, sizes + more)
        hits += difference / error > stdtrit(freedom, 0.975)
    assert hits / trials == pytest.approx(POWER, abs=0.04)


def test_power_grows_to_certainty() -> None:
    found = [power(effect, 8, 0.05) for effect in (0, 1, 3, 10, 50, 1e6)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(0.025)
    assert found[-1] == 1
