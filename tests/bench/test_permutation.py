import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from synthetic import write_run

from bench.permutation import ARRANGEMENTS, permutation_of, permutation_test
from bench.protocol import PROTOCOLS
from bench.scores import Row, load

NAN = math.nan


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


def difference(x, y, axis=-1):
    return np.mean(x, axis=axis) - np.mean(y, axis=axis)


def test_pairs_are_tested_as_scipy_does_it_exactly() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(0.3, 0.2, 9), random.normal(0.0, 0.2, 9)
    found = permutation_test(column(*a), column(*b))
    theirs = stats.permutation_test((a, b), difference, permutation_type="samples", n_resamples=np.inf)
    assert found.exact
    assert found.arrangements == 2**9
    assert (found.value, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert (found.pairs, found.singles) == (9, 0)


def test_without_a_common_seed_it_is_scipys_test_of_independent_samples() -> None:
    a, b = np.array([0.5, 0.7, 0.6, 0.9]), np.array([0.3, 0.6, 0.2, 0.4])
    x = column(*a, NAN, NAN, NAN, NAN)
    y = column(NAN, NAN, NAN, NAN, *b)
    found = permutation_test(x, y)
    theirs = stats.permutation_test((a, b), difference, n_resamples=np.inf)
    assert (found.value, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert (found.pairs, found.singles, found.arrangements) == (0, 8, math.comb(8, 4))


def test_shared_and_other_seeds_together_by_hand() -> None:
    a, b = column(0.9, 0.5, 0.8, NAN), column(0.2, 0.4, NAN, 0.1)
    every = []
    for first, second, third in itertools.product((False, True), repeat=3):  # the unshared two are a pair too
        pairs = [(0.9, 0.2), (0.5, 0.4), (0.8, 0.1)]
        chosen = [p[::-1] if swap else p for p, swap in zip(pairs, (first, second, third), strict=True)]
        every.append(sum(x - y for x, y in chosen) / 3)
    expected = np.mean(np.abs(every) >= abs(every[0]) - 1e-12)
    found = permutation_test(a, b)
    assert found.p == pytest.approx(expected)
    assert (found.pairs, found.singles, found.arrangements) == (2, 2, 8)


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_unequal_size_are_enumerated(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, y, alone = random.normal(0.3, 0.3, 8), random.normal(0, 0.3, 8), np.array([0.6, 0.9, 0.8])
    every = []
    for swaps in itertools.product((False, True), repeat=8):  # b has three seeds more
        a, b = np.where(swaps, y, x), np.where(swaps, x, y)
        every.append(a.mean() - np.concatenate([b, alone]).mean())
    found = permutation_test(column(*x, NAN, NAN, NAN), column(*y, *alone))
    assert found.value == pytest.approx(every[0])
    assert found.p == np.mean(np.abs(every) >= abs(every[0]) - 1e-12)


def test_tasks_are_exchanged_within_themselves() -> None:
    # two tasks, unpaired, one large scale and one small: mixing them would need 8 runs to be exchanged
    a = np.array([[0.9, 0.10], [0.8, 0.12], [NAN, NAN], [NAN, NAN]])
    b = np.array([[NAN, NAN], [NAN, NAN], [0.7, 0.05], [0.6, 0.06]])
    found = permutation_test(a, b)
    assert found.arrangements == 6 * 6
    assert found.p == pytest.approx(2 / 36)
    assert found.value == pytest.approx(((0.85 - 0.65) + (0.11 - 0.055)) / 2)


def test_drawn_arrangements_agree_with_all_of_them_and_are_the_same_each_time() -> None:
    random = np.random.default_rng(3)
    a, b = random.normal(0.05, 0.2, (14, 1)), random.normal(0, 0.2, (14, 1))
    exact = permutation_test(a, b).p
    # a task where nothing differs doubles the arrangements ten times, and changes no p
    same = np.full((14, 1), 0.5)
    drawn = permutation_test(np.hstack([a, same]), np.hstack([b, same]), "x")
    assert not drawn.exact
    assert drawn.p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / ARRANGEMENTS))
    np.random.seed(0)
    assert permutation_test(np.hstack([a, same]), np.hstack([b, same]), "x").p == drawn.p


def test_groups_without_partners_are_drawn_too() -> None:
    random = np.random.default_rng(4)
    a, b = random.normal(0.1, 0.2, 12), random.normal(0, 0.2, 12)
    hole = [NAN] * 12
    found = permutation_test(column(*a, *hole), column(*hole, *b), "x")
    theirs = stats.permutation_test((a, b), difference, n_resamples=20_000, rng=np.random.default_rng(0))
    assert not found.exact
    assert found.p == pytest.approx(theirs.pvalue, abs=0.02)


def test_p_is_never_0_and_equal_scores_have_p_1() -> None:
    apart = permutation_test(np.ones((5, 6)), np.zeros((5, 6)), "x")
    assert apart.p == 1 / (ARRANGEMENTS + 1)
    assert permutation_test(np.ones((5, 6)), np.ones((5, 6)), "x").p == 1
    assert permutation_test(np.ones((5, 1)), np.zeros((5, 1))).p == 2 / 2**5


def test_what_one_of_them_lacks_is_left_out_and_nothing_in_common_has_no_p() -> None:
    a, b = np.array([[0.5, 0.9], [0.7, 0.9]]), np.array([[0.1, NAN], [0.2, NAN]])
    assert permutation_test(a, b) == permutation_test(a[:, :1], b[:, :1])
    assert math.isnan(permutation_test(a[:, 1:], b[:, 1:]).p)
    # one pair, and two seeds of b without a counterpart: 0.5 - 0.7 / 3, swapped 0.4 - 0.8 / 3
    lone = permutation_test(column(0.5, NAN, NAN), column(0.4, 0.1, 0.2))
    assert (lone.value, lone.p, lone.arrangements) == (pytest.approx(0.8 / 3), 0.5, 2)


def test_equal_algorithms_are_called_different_in_at_most_1_of_20_experiments() -> None:
    random, wrong, trials = np.random.default_rng(5), 0, 600
    for _ in range(trials):
        shared = random.normal(0, 0.2, (4, 3))  # what a seed does to both
        a, b = (shared + random.normal(0, 0.1, (4, 3)) for _ in range(2))
        a[3, 0] = b[0, 1] = b[1, 1] = NAN
        wrong += permutation_test(a, b).p <= 0.05
    assert wrong / trials <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)
    assert wrong / trials > 0.01


def test_pairing_finds_what_the_noise_of_seeds_hides() -> None:
    random, paired, unpaired, trials = np.random.default_rng(6), 0, 0, 60
    for _ in range(trials):
        shared = random.normal(0, 0.3, (8, 1))
        a, b = shared + 0.1 + random.normal(0, 0.05, (8, 1)), shared + random.normal(0, 0.05, (8, 1))
        hole = np.full((8, 1), NAN)
        paired += permutation_test(a, b).p <= 0.05
        unpaired += permutation_test(np.vstack([a, hole]), np.vstack([hole, b])).p <= 0.05
    assert paired > 0.8 * trials
    assert unpaired < 0.3 * trials


def test_rows_are_paired_by_seed_not_by_position_and_either_way_round(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.9, 1: 0.5, 2: 0.7, 3: 0.2, 4: 0.3, 5: 0.6})
    write_run(tmp_path, "a", "bc", {1: 0.4, 2: 0.6, 3: 0.1, 4: 0.2, 5: 0.5, 9: 0.1})
    scores = load(tmp_path, "diagnostic", PROTOCOLS["final"])
    iql, bc = Row("iql", "", 0, ""), Row("bc", "", 0, "")
    found, turned = permutation_of(scores, iql, bc), permutation_of(scores, bc, iql)
    assert (found.pairs, found.singles) == (5, 2)
    assert found.p == turned.p
    assert found.value == -turned.value == pytest.approx((3.2 - 1.9) / 6)
