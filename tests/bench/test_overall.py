"""Two algorithms over several tasks: Welch's test over all groups of seeds, and what is said of it."""

import math

import numpy as np
import pytest
from scipy import stats
from synthetic import write_run

from bench.differences import compare
from bench.overall import overall_verdict
from bench.pairs import compare_all
from bench.protocol import PROTOCOLS
from bench.scores import load
from bench.stats import Estimate
from bench.welch import ALPHA, welch, welch_over

OFFSETS = np.array([0.00, 0.04, -0.03, 0.02, -0.05])
VARIED = [np.array([0.1, 0.2, 0.4])]


def test_one_task_is_welchs_test_of_scipy() -> None:
    a, b = np.array([0.5, 0.6, 0.9, 0.4]), np.array([0.2, 0.5, 0.3])
    theirs = stats.ttest_ind(a, b, equal_var=False)
    found = welch_over([a], [b])
    assert found == welch(a, b)
    assert (found.p, found.low, found.high) == pytest.approx((theirs.pvalue, *theirs.confidence_interval()))


def test_two_tasks_by_hand() -> None:
    a, b = [np.array([0.0, 0.2]), np.array([1.0, 1.0])], [np.array([0.1, 0.1]), np.array([0.4, 0.8])]
    found = welch_over(a, b)
    # the variances of the means, 0.02 / 2 and 0.08 / 2, enter with 1 / 2**2; each has one degree of freedom
    error, freedom = math.sqrt((0.01 + 0.04) / 4), 0.05**2 / (0.01**2 + 0.04**2)
    assert found.value == pytest.approx(0.2)
    assert found.high - found.value == pytest.approx(error * stats.t.ppf(0.975, freedom))
    assert found.p == pytest.approx(2 * stats.t.sf(0.2 / error, freedom))


@pytest.mark.parametrize(
    ("a", "b"), [(VARIED, [np.array([0.5])]), ([np.array([0.5, 0.5])], [np.array([0.1, 0.1])])]
)
def test_without_two_seeds_or_without_spread_there_is_no_test(a, b) -> None:
    found = welch_over(a, b)
    assert math.isnan(found.low) and math.isnan(found.p)  # noqa: PT018
    assert found.value == pytest.approx(a[0].mean() - b[0].mean())
    assert math.isnan(welch_over(a, [np.array([])]).value)


@pytest.mark.parametrize("gains", [(0.0,) * 6, (0.8, -0.8, 0.5, -0.5, 0.3, -0.3)])
@pytest.mark.parametrize("spreads", [(0.1,) * 6, (0.01, 0.3, 0.1, 0.05, 0.02, 0.2)])
def test_equal_means_are_called_different_in_one_of_twenty_experiments(gains, spreads) -> None:
    random, trials = np.random.default_rng(0), 3000
    called = 0
    for _ in range(trials):
        a, b = (random.normal(0, spreads, (5, 6)).T for _ in "ab")
        called += welch_over(list(a + np.array(gains)[:, None]), list(b)).p <= ALPHA
    assert called / trials == pytest.approx(ALPHA, abs=4 * math.sqrt(ALPHA * (1 - ALPHA) / trials))


def write_opposite(results) -> None:
    """sorl wins two tasks clearly and loses one as clearly; its mean is 10 points above that of iql."""
    for task, gain in (("gamble", 0.5), ("two-doors", 0.4), ("crossroads", -0.6)):
        write_run(results, task, "sorl", {s: 0.5 + gain / 2 + o for s, o in enumerate(OFFSETS)})
        write_run(results, task, "iql", {s: 0.5 - gain / 2 - o for s, o in enumerate(OFFSETS)})


def test_one_pair_and_all_pairs_say_the_same_where_each_wins_some_tasks(tmp_path) -> None:
    write_opposite(tmp_path)
    scores = load(tmp_path, "diagnostic", PROTOCOLS["final"])
    iql, sorl = sorted(scores.rows)
    one, (pair,) = compare(scores, sorl, iql, 0.05, 200), compare_all(scores, 0.05, 200).pairs
    middle = one.overall[0]
    assert (middle.difference, middle.p, middle.verdict) == (pair.difference, pair.p, pair.verdict)
    assert middle.verdict == "differs"
    assert one.permutation.p == pair.permutation.p > 0.3  # blind to it
    assert middle.difference.value == pytest.approx(0.1 + 2 * OFFSETS.mean())


def test_the_iqm_has_an_interval_and_no_verdict(tmp_path) -> None:
    write_opposite(tmp_path)
    scores = load(tmp_path, "diagnostic", PROTOCOLS["final"])
    _, iqm = compare(scores, *sorted(scores.rows), 0.05, 200).overall
    assert math.isnan(iqm.p)
    assert iqm.verdict == "the interval excludes 0"


def test_an_interval_over_other_tasks_overrules_the_test_on_these(tmp_path) -> None:
    write_opposite(tmp_path)
    scores = load(tmp_path, "diagnostic", PROTOCOLS["final"])
    middle = compare(scores, *sorted(scores.rows), 0.05, 200, "tasks").overall[0]
    assert middle.difference.low < 0 < middle.difference.high
    assert middle.verdict == "unclear: the test finds a difference, the interval contains 0"


def test_the_permutation_test_stands_in_where_no_seed_varies(tmp_path) -> None:
    for task in ("gamble", "two-doors", "crossroads"):
        write_run(tmp_path, task, "sorl", dict.fromkeys(range(3), 0.9))
        write_run(tmp_path, task, "iql", dict.fromkeys(range(3), 0.2))
    scores = load(tmp_path, "diagnostic", PROTOCOLS["final"])
    found = compare(scores, *sorted(scores.rows), 0.05, 200)
    assert found.overall[0].p == found.permutation.p == 2 / 2**9
    assert found.overall[0].verdict == "differs"


@pytest.mark.parametrize(
    ("interval", "p", "said"),
    [
        ((0.01, 0.2), 0.04, "differs"),
        ((-0.04, 0.04), 0.9, "no difference seen of 5 or more"),
        ((0.01, 0.2), 0.06, "unclear: the interval excludes 0, the corrected test does not"),
        ((-0.1, 0.2), 0.5, "more per task would find a difference of 5 with 80% power"),
        ((math.nan, math.nan), 0.01, "differs"),
    ],
)
def test_verdicts(interval, p, said) -> None:
    assert said in overall_verdict(VARIED * 4, Estimate(0.02, *interval), p, 0.05, tests=2)
