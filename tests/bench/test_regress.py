"""Regressions: the test by hand and by simulation, the command on made-up records, and the tiny suite of CI."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from synthetic import write_run

from algorithms import ALGORITHMS
from bench.cli import main
from bench.drops import drop_p, smallest_p
from bench.plan import Request, plan
from bench.protocol import PROTOCOLS
from bench.registry import find_algorithms
from bench.regress import regress
from bench.runner import execute
from bench.welch import holm
from suites import SUITES

BASELINE = Path(__file__).parents[2] / "results" / "baseline"
GOOD = {0: 0.90, 1: 0.92, 2: 0.88, 3: 0.91, 4: 0.89}
BAD = {0: 0.60, 1: 0.62, 2: 0.58, 3: 0.61, 4: 0.59}


def said(capsys, tmp_path, *words: str) -> tuple[int, str]:
    """Exit code and output of the command on the folders `now` and `before`."""
    code = main(
        [
            "regress",
            "diagnostic",
            "--against",
            str(tmp_path / "before"),
            "--results",
            str(tmp_path / "now"),
            *words,
        ]
    )
    return code, "".join(capsys.readouterr())


def cells(capsys, tmp_path, *words: str) -> tuple[int, dict[tuple[str, str], dict]]:
    code, text = said(capsys, tmp_path, "--json", *words)
    return code, {(cell["task"], cell["algorithm"]): cell for cell in json.loads(text)["cells"]}


def test_p_is_that_of_scipy_where_the_spread_is_what_counts():
    random = np.random.default_rng(0)
    base, here = random.normal(80, 10, 9), random.normal(70, 10, 6)
    theirs = [
        stats.ttest_ind(base - 5, here, equal_var=equal, alternative="greater").pvalue
        for equal in (True, False)
    ]
    assert drop_p(base, here, 5) == pytest.approx(max(theirs))


@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 5), (10, 5)])
def test_seeds_that_all_learned_and_all_fail_have_the_p_of_the_worst_coin(n, m):
    # the share s + 0.05 of the seeds learned before and s here: 5 points are lost. The worst s is in between
    by_hand = max((s + 0.05) ** n * (1 - s) ** m for s in np.linspace(0, 0.95, 9501))
    assert smallest_p(n, m, 5) == pytest.approx(by_hand, rel=1e-3)
    assert drop_p(np.full(n, 100.0), np.zeros(m), 5) == pytest.approx(by_hand, rel=1e-3)


def test_one_seed_that_overlaps_has_barnards_p():
    learned = np.array([100.0, 100.0, 100.0, 100.0, 100.0])
    # (1 + 5 + 5) / 1024: all five and none, four and none, five and one
    assert drop_p(learned, np.array([100.0, 0, 0, 0, 0]), 1e-9) == pytest.approx(11 / 1024, rel=1e-3)


def test_a_drop_within_the_margin_has_a_large_p_and_one_seed_has_none():
    assert drop_p(np.full(5, 90.0), np.full(5, 85.0), 5) == 1
    assert math.isnan(drop_p(np.full(5, 90.0), np.full(1, 0.0), 5))


WORLDS = {
    "learn or fail": lambda r, shape: 100.0 * (r.random(shape) < 0.5),
    "often learn": lambda r, shape: 100.0 * (r.random(shape) < 0.8),
    "skewed": lambda r, shape: 100 - 10 * r.exponential(size=shape),
    "normal": lambda r, shape: r.normal(50, 10, shape),
    "saturated": lambda r, shape: np.full(shape, 100.0),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("count", [4, 40])
def test_without_a_change_at_most_one_report_of_twenty_has_a_false_alarm(world, count):
    random = np.random.default_rng(count)
    reports, alarms = 6000 // count, 0
    for _ in range(reports):
        base, here = WORLDS[world](random, (2, count, 5))
        alarms += min(holm([drop_p(a, b, 5) for a, b in zip(base, here, strict=True)])) <= 0.05
    assert alarms <= stats.binom.ppf(0.999, reports, 0.05)


@pytest.mark.parametrize(("count", "reports"), [(31, 400), (51, 1000)])
def test_where_every_cell_has_lost_the_margin_alarms_are_as_rare(count, reports):
    random = np.random.default_rng(1)
    alarms = 0
    for _ in range(reports):
        base, here = (100.0 * (random.random((count, 5)) < share) for share in (0.525, 0.475))
        alarms += min(holm([drop_p(a, b, 5) for a, b in zip(base, here, strict=True)])) <= 0.05
    assert alarms <= stats.binom.ppf(0.99, reports, 0.05)


def test_most_drops_of_thirty_points_are_found_among_thirty_cells():
    random = np.random.default_rng(0)
    found = 0
    for _ in range(40):
        base, here = random.normal(70, 5, (2, 30, 5))
        here[0] -= 30
        found += holm([drop_p(a, b, 5) for a, b in zip(base, here, strict=True)])[0] <= 0.05
    assert found >= 32


def test_equal_episodes_are_identical_and_nothing_is_tested(capsys, tmp_path):
    write_run(tmp_path / "before", "gamble", "bc", GOOD, spread=0.1)
    shutil.copytree(tmp_path / "before", tmp_path / "now")
    code, found = cells(capsys, tmp_path)
    assert code == 0
    assert found["gamble", "bc"]["status"] == "identical"
    assert found["gamble", "bc"]["p"] is None


def test_a_lost_third_is_a_regression_and_the_other_task_is_not(capsys, tmp_path):
    for folder, scores in (("before", GOOD), ("now", BAD)):
        write_run(tmp_path / folder, "gamble", "bc", scores)
        write_run(tmp_path / folder, "few-good", "bc", GOOD, spread=0.01 if folder == "now" else 0)
    code, found = cells(capsys, tmp_path)
    assert code == 1
    assert {task: cell["status"] for (task, _), cell in found.items()} == {
        "gamble": "REGRESSED",
        "few-good": "ok",
    }
    assert found["gamble", "bc"]["drop"] == pytest.approx(30)
    assert found["gamble", "bc"]["p_holm"] == pytest.approx(2 * (1.05 / 2) ** 10, rel=1e-3)
    code, text = said(capsys, tmp_path)
    assert code == 1
    assert "| gamble · bc   |  5, 5 |     90.0 | 60.0 | 30.0 | 0.0016 |   0.0032 | **REGRESSED** |" in text
    assert said(capsys, tmp_path, "--margin", "31")[0] == 0


def test_better_scores_are_no_regression(capsys, tmp_path):
    write_run(tmp_path / "before", "gamble", "bc", BAD)
    write_run(tmp_path / "now", "gamble", "bc", GOOD)
    code, found = cells(capsys, tmp_path)
    assert (code, found["gamble", "bc"]["status"]) == (0, "ok")


def test_too_few_seeds_for_so_many_tests_are_said_with_how_many_are_needed(capsys, tmp_path):
    for task in ("gamble", "few-good", "two-doors", "long-way"):
        write_run(tmp_path / "before", task, "bc", {0: 0.9, 1: 0.91})
        write_run(tmp_path / "now", task, "bc", {0: 0.1, 1: 0.11})
    code, found = cells(capsys, tmp_path)
    assert (code, found["gamble", "bc"]["status"]) == (0, "unclear")
    assert (
        "4 there and 4 here" in found["gamble", "bc"]["said"]
    )  # 4/256 of four tests is below 5%, 4/64 is not


def test_what_is_missing_here_is_named_with_its_command(capsys, tmp_path):
    for folder in ("before", "now"):
        write_run(tmp_path / folder, "gamble", "bc", GOOD)
    write_run(tmp_path / "before", "gamble", "iql", GOOD)
    write_run(tmp_path / "now", "gamble", "iql", GOOD, finished=False, skipped=list(GOOD))
    code, found = cells(capsys, tmp_path)
    assert (code, found["gamble", "iql"]["status"]) == (1, "missing")
    assert "Run: bench run diagnostic iql --tasks gamble" in found["gamble", "iql"]["said"]


def test_runs_of_other_algorithms_alone_leave_every_cell_missing_with_its_command(capsys, tmp_path):
    write_run(tmp_path / "before", "gamble", "bc", GOOD)
    write_run(tmp_path / "now", "gamble", "iql", GOOD)
    code, found = cells(capsys, tmp_path)
    assert (code, found["gamble", "bc"]["status"]) == (2, "missing")
    assert "Run: bench run diagnostic bc --tasks gamble" in found["gamble", "bc"]["said"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"episodes": 4}, "numbers of episodes: 3 there, 4 here"),
        (
            {"task_info": {"reference": {"random": 10.0, "best": 110.0}, "identity": {"gymnasium": "2"}}},
            "gymnasium",
        ),
    ],
)
def test_scores_of_another_kind_are_incomparable_and_alone_cannot_be_carried_out(
    capsys, tmp_path, change, word
):
    write_run(tmp_path / "before", "gamble", "bc", GOOD)
    write_run(tmp_path / "now", "gamble", "bc", BAD, **change)
    code, found = cells(capsys, tmp_path)
    assert (code, found["gamble", "bc"]["status"]) == (2, "incomparable")
    assert word in found["gamble", "bc"]["said"]


def test_another_default_is_compared_and_said(capsys, tmp_path):
    write_run(tmp_path / "before", "gamble", "bc", GOOD)
    write_run(tmp_path / "now", "gamble", "bc", BAD, config={"batch_size": 64})
    code, found = cells(capsys, tmp_path)
    assert (code, found["gamble", "bc"]["status"]) == (1, "REGRESSED")
    assert found["gamble", "bc"]["said"] == "batch_size 256 there, 64 here"


def test_other_numbers_of_updates_are_other_rows(capsys, tmp_path):
    write_run(tmp_path / "before", "gamble", "bc", GOOD, steps=4000)
    write_run(tmp_path / "now", "gamble", "bc", BAD, steps=400)
    assert cells(capsys, tmp_path)[1]["gamble", "bc"]["status"] == "missing"


def test_seeds_that_diverge_here_count_as_zero_and_are_named(capsys, tmp_path):
    write_run(tmp_path / "before", "gamble", "bc", GOOD)
    write_run(tmp_path / "now", "gamble", "bc", GOOD, diverged=dict.fromkeys(GOOD, 2000))
    code, found = cells(capsys, tmp_path)
    assert (code, found["gamble", "bc"]["here"]) == (1, 0)
    assert "seeds 0, 1, 2, 3, 4 diverged here" in found["gamble", "bc"]["said"]


@pytest.mark.parametrize("words", [["--against", "nowhere"], ["--alpha", "2"], ["--margin", "-1"]])
def test_what_cannot_be_used_is_said_in_one_line(capsys, tmp_path, words):
    write_run(tmp_path / "before", "gamble", "bc", GOOD)
    code, text = said(capsys, tmp_path, *words)
    assert code == 2
    assert text.startswith("bench: ")
    assert text.count("\n") == 1


def train(results: Path, task: str, algorithm: str) -> None:
    """What the baseline of CI was trained on, again and in this process."""
    request = Request(tasks=task, steps=300, evaluations=1, episodes=20)
    for run in plan(SUITES["diagnostic"], find_algorithms([algorithm], ALGORITHMS), request):
        entry = find_algorithms([algorithm], ALGORITHMS)[0]
        execute(run, SUITES["diagnostic"].task(task), entry.algorithm, results, "cpu", lambda _: None, 1)


def verdicts(results: Path) -> dict[tuple[str, str], str]:
    found = regress(results, BASELINE, SUITES["diagnostic"], PROTOCOLS["final"], 5, 0.05)
    return {(cell.task, cell.algorithm): cell.status for cell in found.cells}


def test_this_code_is_no_worse_than_the_baseline(tmp_path):
    for task in ("few-good", "narrow-expert"):
        for algorithm in ("bc", "td3_bc", "iql"):
            train(tmp_path, task, algorithm)
    found = verdicts(tmp_path)
    assert len(found) == 6
    assert set(found.values()) <= {"identical", "ok", "unclear"}


@pytest.mark.parametrize(
    ("algorithm", "loss", "task"),
    [
        ("bc", "actor_loss", "narrow-expert"),
        ("iql", "actor_loss", "narrow-expert"),
        ("td3_bc", "actor_loss", "few-good"),
    ],
)
def test_a_loss_with_the_wrong_sign_is_found(tmp_path, monkeypatch, algorithm, loss, task):
    right = getattr(ALGORITHMS[algorithm], loss)

    def wrong(self, nets, batch, noise):
        value, metrics = right(self, nets, batch, noise)
        return -value, metrics

    monkeypatch.setattr(ALGORITHMS[algorithm], loss, wrong)
    train(tmp_path, task, algorithm)
    found = verdicts(tmp_path)
    assert found[task, algorithm] == "REGRESSED"
    assert set(found.values()) == {"REGRESSED", "missing"}
