"""Two algorithms compared: the statistics against scipy and by simulation, the command on made-up records."""

import csv
import io
import math

import numpy as np
import pytest
from scipy import stats
from synthetic import write_run

from bench.cli import main
from bench.differences import more_constant_seeds, more_seeds, verdict
from bench.welch import ALPHA, holm, welch

A = np.array([0.50, 0.60, 0.70])
B = np.array([0.30, 0.40, 0.20, 0.30])
SEEDS = dict(enumerate((0.70, 0.78, 0.90, 0.80, 0.82)))


def compare(capsys, results, *words: str) -> str:
    """What the command prints, on the suite `diagnostic`; its exit code is 0."""
    assert main(["compare", *words, "--results", str(results), "--replicates", "200"]) == 0
    return capsys.readouterr().out


def line_of(text: str, task: str) -> list[str]:
    """The entries of a line of the table."""
    return next(
        [part.strip() for part in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith(f"| {task} ")
    )


def test_welch_by_hand():
    # variances 0.01 and 0.02/3; of the means 1/300 and 1/600; error sqrt(1/200); freedom
    # (1/200)^2 / ((1/300)^2 / 2 + (1/600)^2 / 3) = 3.857
    found = welch(A, B)
    half = stats.t.ppf(0.975, 3.857142857) * 0.0707106781
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3 - half, 0.3 + half))


@pytest.mark.parametrize("sizes", [(2, 2), (5, 5), (3, 10), (50, 4)])
def test_welch_is_that_of_scipy(sizes):
    random = np.random.default_rng(sum(sizes))
    a, b = random.normal(0.4, 0.3, sizes[0]), random.normal(0.5, 0.05, sizes[1])
    found, theirs = welch(a, b), stats.ttest_ind(a, b, equal_var=False)
    low, high = theirs.confidence_interval()
    assert (found.low, found.high, found.p) == pytest.approx((low, high, theirs.pvalue), abs=1e-12)


def test_one_group_without_spread_still_has_welchs_interval():
    found = welch(np.full(4, 0.5), B)
    assert found.low == pytest.approx(0.2 - stats.t.ppf(0.975, 3) * B.std(ddof=1) / 2)


@pytest.mark.parametrize(("a", "b"), [(A[:1], B), (A, B[:1]), (A[:1], B[:1])])
def test_one_seed_has_a_difference_but_neither_interval_nor_p(a, b):
    found = welch(a, b)
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert math.isnan(found.low)
    assert math.isnan(found.p)
    assert verdict(a, b, found, math.nan, 0.05) == "too few seeds: 2 of each are the least"


def test_without_any_spread_there_is_no_interval_and_p_is_the_exact_permutation_tests():
    zeros, ones = np.full(4, 0.3 - 0.1), np.full(5, 0.2)
    equal = welch(zeros, ones)  # equal up to rounding
    assert math.isnan(equal.low)
    assert equal.p == 1
    assert verdict(zeros, ones, equal, 1, 0.05) == "no difference seen of 5 or more (no seed varies)"
    apart = welch(np.ones(4), np.zeros(4))
    exact = stats.permutation_test(
        (np.ones(4), np.zeros(4)), lambda x, y: x.mean() - y.mean(), n_resamples=np.inf
    )
    assert apart.p == pytest.approx(exact.pvalue) == pytest.approx(2 / 70)
    assert math.isnan(apart.low)
    assert verdict(np.ones(4), np.zeros(4), apart, apart.p, 0.05) == "differs"


def test_few_seeds_without_spread_need_as_many_as_the_permutation_test_can_use():
    a, b = np.ones(3), np.zeros(3)
    found = welch(a, b)
    assert found.p == pytest.approx(0.1)
    assert verdict(a, b, found, found.p, 0.05).startswith("too few seeds: 1 more of each")
    assert 2 / math.comb(8, 4) <= ALPHA < 2 / math.comb(6, 3)
    assert more_constant_seeds(3, 3, tests=10) == 3  # 2 / (12 choose 6) = 0.0022, 2 / (10 choose 5) = 0.0079


def test_holm_by_hand():
    assert holm([0.01, 0.04, math.nan, 0.03, 0.005]) == pytest.approx(
        [0.03, 0.06, math.nan, 0.06, 0.02], nan_ok=True
    )
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("spread", "shift", "said"),
    [
        (0.01, 0.30, "differs"),
        (0.02, 0.00, "no difference seen of 5 or more"),
        (0.20, 0.00, "too few seeds: "),
        (0.03, 0.03, "too few seeds: 1 more"),  # ±3.5 around 3: neither 0 nor 5 is excluded
    ],
)
def test_verdicts(spread, shift, said):
    a = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * spread
    found = welch(a + shift, a)
    assert verdict(a + shift, a, found, min(1, 2 * found.p), 0.05).startswith(said)


def test_an_interval_without_0_is_no_difference_where_the_corrected_p_says_so():
    a, b = np.array([0.52, 0.56, 0.60, 0.52, 0.60]), np.array([0.44, 0.48, 0.52, 0.44, 0.52])
    found = welch(a, b)
    assert found.low > 0
    assert found.p < ALPHA
    assert verdict(a, b, found, ALPHA + 0.01, 0.05).startswith("too few seeds: ")


@pytest.mark.parametrize("margin", [0.01, 0.05, 0.2, 5.0])
def test_more_seeds_is_the_first_number_that_gives_the_test_80_percent_power(margin):
    def power(more: int) -> float:
        error = math.sqrt(A.var(ddof=1) / (3 + more) + B.var(ddof=1) / (4 + more))
        parts = (A.var(ddof=1) / (3 + more), B.var(ddof=1) / (4 + more))
        freedom = sum(parts) ** 2 / (parts[0] ** 2 / (2 + more) + parts[1] ** 2 / (3 + more))
        return stats.nct.sf(stats.t.ppf(0.975, freedom), freedom, margin / error)

    counted = next(more for more in range(1, 3000) if power(more) >= 0.8)
    assert more_seeds(A, B, margin) == counted
    with pytest.raises(ValueError, match="not known"):
        more_seeds(A[:1], B, margin)


@pytest.mark.parametrize(
    ("sizes", "spreads"), [((5, 5), (0.1, 0.1)), ((5, 10), (0.3, 0.1)), ((3, 3), (0.1, 0.1))]
)
def test_the_interval_covers_the_true_difference_in_19_of_20_experiments(sizes, spreads):
    random, covered, trials = np.random.default_rng(7), 0, 4000
    for _ in range(trials):
        found = welch(random.normal(0.2, spreads[0], sizes[0]), random.normal(0, spreads[1], sizes[1]))
        covered += found.low <= 0.2 <= found.high
    # Welch's degrees of freedom are an approximation: with 5 and 10 seeds of spreads 3 and 1 the level is 94.5%
    assert covered / trials > 0.945 - 3 * math.sqrt(0.05 * 0.95 / trials)
    assert covered / trials < 0.98  # and with three seeds a little careful


def test_holm_finds_a_difference_among_ten_equal_tasks_in_at_most_1_of_20_experiments():
    random, wrong, trials = np.random.default_rng(3), 0, 2000
    for _ in range(trials):
        pairs = random.normal(0.5, 0.1, (10, 2, 5))
        found = [welch(a, b) for a, b in pairs]
        corrected = holm([each.p for each in found])
        wrong += any(
            verdict(a, b, each, p, 0.05) == "differs"
            for (a, b), each, p in zip(pairs, found, corrected, strict=True)
        )
    assert wrong / trials <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / trials)


def test_the_command_prints_differences_intervals_and_verdicts(tmp_path, capsys):
    write_run(tmp_path, "gamble", "iql", SEEDS)
    write_run(tmp_path, "gamble", "bc", {seed: score - 0.5 for seed, score in SEEDS.items()})
    write_run(tmp_path, "two-doors", "iql", SEEDS)
    write_run(tmp_path, "two-doors", "bc", SEEDS)
    text = compare(capsys, tmp_path, "iql", "bc", "diagnostic", "--difference", "2")
    x = np.array(list(SEEDS.values()))
    low, high = stats.ttest_ind(x, x - 0.5, equal_var=False).confidence_interval()
    assert line_of(text, "gamble")[1:7:2] == ["80.0", "5 / 5", "<0.001"]
    assert line_of(text, "gamble")[4:] == [
        f"50.0 [{100 * low:.1f}, {100 * high:.1f}]", "<0.001", "0.062", "1.00 [1.00, 1.00]", "differs",
    ]  # fmt: skip
    assert line_of(text, "two-doors")[5:8] == ["1.000", "1.000", "0.50 [0.18, 0.82]"]
    more = more_seeds(x, x, 0.02, tests=2)
    said = f"too few seeds: {more} more of each would find a difference of 2 with 80% power"
    assert line_of(text, "two-doors")[8] == said
    assert "a t test at the level 0.05 / 2" in text
    assert line_of(text, "all tasks: mean")[1:4] == ["80.0", "55.0", "–"]
    assert line_of(text, "all tasks: mean")[6] == "0.062"  # 2 / 2^5: two-doors adds no difference
    assert line_of(text, "all tasks: mean")[8] == "differs"
    assert "Protocol final: " in text
    assert "corrected by Holm's method for 2 tasks" in text
    assert compare(capsys, tmp_path, "iql", "bc", "diagnostic", "--difference", "2") == text


def test_the_other_way_round_is_the_negative(tmp_path, capsys):
    write_run(tmp_path, "gamble", "iql", SEEDS)
    write_run(tmp_path, "gamble", "bc", {0: 0.1, 1: 0.3, 2: 0.2})
    rows = [
        next(csv.DictReader(io.StringIO(compare(capsys, tmp_path, *pair, "diagnostic", "--format", "csv"))))
        for pair in (("iql", "bc"), ("bc", "iql"))
    ]
    assert float(rows[0]["difference"]) == -float(rows[1]["difference"]) == pytest.approx(60)
    assert (rows[0]["low"], rows[0]["p"]) == (rows[1]["high"].removeprefix("-"), rows[1]["p"])
    assert (rows[0]["seeds_a"], rows[0]["seeds_b"]) == ("5", "3")


def test_a_task_that_one_of_them_lacks_is_named_with_the_command_that_fills_it(tmp_path, capsys):
    write_run(tmp_path, "gamble", "iql", SEEDS)
    write_run(tmp_path, "gamble", "bc", SEEDS)
    write_run(tmp_path, "two-doors", "bc", SEEDS)
    said = "Run: bench run diagnostic iql --tasks two-doors --seeds 0,1,2,3,4"
    text = compare(capsys, tmp_path, "iql", "bc", "diagnostic")
    assert line_of(text, "two-doors")[1:] == ["–", "80.0", "0 / 5", "–", "–", "–", "–", "no scores of iql"]
    assert said in text
    assert line_of(text, "1 of 2 tasks: mean")[1:3] == ["80.0", "80.0"]  # of gamble alone
    assert "All tasks: the 1 of 2 on which both can be compared." in text
    alone = compare(capsys, tmp_path, "iql", "bc", "diagnostic", "--tasks", "two-doors")
    assert said in alone
    assert "all tasks" not in alone.split("Protocol")[0]


def test_what_is_not_comparable_is_flagged(tmp_path, capsys):
    task = {
        "summary": "", "reference": {"random": 10.0, "best": 110.0, "source": ""}, "max_steps": 100,
        "identity": {"dataset": "1" * 64, "gymnasium": "1.0.0"},
    }  # fmt: skip
    write_run(tmp_path, "gamble", "iql", SEEDS)
    write_run(tmp_path, "gamble", "cql", SEEDS)
    write_run(tmp_path, "gamble", "bc", SEEDS, steps=2000, episodes=7, task_info=task)
    text = compare(capsys, tmp_path, "iql", "bc (2,000 steps)", "diagnostic")
    assert "‡ gamble mixes runs with different numbers of episodes: 3 (iql); 7 (bc)" in text
    assert "different task identity (dataset): 000000000000 (iql); 111111111111 (bc)" in text
    assert "‡ gamble: iql was trained for 4,000 gradient updates and bc (2,000 steps) for 2,000" in text
    assert "| gamble ‡" in text
    assert "cql" not in text


def test_unequal_numbers_of_updates_mark_the_verdict_and_fail_strict(tmp_path, capsys):
    for task in ("gamble", "two-doors"):
        write_run(tmp_path, task, "iql", SEEDS)
        write_run(tmp_path, task, "bc", SEEDS, steps=2000 if task == "gamble" else 4000)
    words = ("iql", "bc (2,000 steps)", "diagnostic")
    text = compare(capsys, tmp_path, *words)
    assert line_of(text, "gamble")[-1].endswith(" (unequal updates ‡)")
    assert line_of(text, "1 of 2 tasks: mean")[-1].endswith(" (unequal updates ‡)")
    assert "Unequal updates ‡: A and B had different numbers" in text
    assert "A task marked so gets" not in text  # nothing else is wrong
    assert "unequal" not in compare(capsys, tmp_path, "iql", "bc", "diagnostic")
    command = ["compare", "--results", str(tmp_path), "--strict", "--replicates", "50"]
    assert main([*command, *words]) == 1
    assert "bench: ‡ gamble: iql was trained for 4,000" in capsys.readouterr().err
    assert main([*command, "iql", "bc", "diagnostic"]) == 0
    assert main([*command, "diagnostic", "--all"]) == 1
    every = "".join(capsys.readouterr())
    assert every.count("(unequal updates ‡)") == 1
    assert "had different numbers of gradient updates: gamble: 2,000, 4,000" in every


def test_a_small_p_is_not_0_in_a_csv(tmp_path, capsys):
    write_run(tmp_path, "gamble", "iql", SEEDS)
    write_run(tmp_path, "gamble", "bc", {seed: score - 0.6 for seed, score in SEEDS.items()})
    task, mean, *_ = csv.DictReader(
        io.StringIO(compare(capsys, tmp_path, "iql", "bc", "diagnostic", "--format", "csv"))
    )
    (pair, *_) = csv.DictReader(
        io.StringIO(compare(capsys, tmp_path, "diagnostic", "--all", "--format", "csv"))
    )
    scores = np.array(list(SEEDS.values()))
    theirs = stats.ttest_ind(scores, scores - 0.6, equal_var=False).pvalue
    for line in (task, mean, pair):
        assert 0 < float(line["p"]) == pytest.approx(theirs, rel=1e-3)


def test_variants_are_named_as_in_the_report_and_diverged_seeds_count_as_0(tmp_path, capsys):
    write_run(tmp_path, "gamble", "iql", SEEDS)
    write_run(tmp_path, "gamble", "iql", SEEDS, run_id="r2", overrides={"expectile": 0.8}, diverged={1: 4000})
    text = compare(capsys, tmp_path, "iql (expectile=0.8)†", "iql", "diagnostic")
    assert line_of(text, "gamble")[1:3] == ["64.4†", "80.0"]
    assert "†: diverged seeds enter as 0 (iql (expectile=0.8) 1)." in text


def test_an_algorithm_with_one_column_needs_no_more_than_its_name(tmp_path, capsys):
    write_run(tmp_path, "gamble", "bc", SEEDS, overrides={"lr": 0.1})
    write_run(tmp_path, "gamble", "iql", SEEDS, overrides={"expectile": 0.8})
    assert "bc (lr=0.1) against iql (expectile=0.8)" in compare(capsys, tmp_path, "bc", "iql", "diagnostic")
    write_run(tmp_path, "gamble", "iql", SEEDS, run_id="r2", overrides={"expectile": 0.9})
    assert main(["compare", "bc", "iql", "diagnostic", "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "iql has 2 columns" in error
    assert "'iql (expectile=0.9)'" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "iqll bc diagnostic",
            "unknown column of the report on diagnostic 'iqll'; did you mean 'iql'? Known: bc, iql",
        ),
        ("iql iql diagnostic", "'iql' is given twice"),
        ("iql bc diagnostics", "unknown suite 'diagnostics'; did you mean 'diagnostic'?"),
        ("iql bc diagnostic --tasks two-doors", "no scores of 'iql' or 'bc' on the tasks 'two-doors'"),
        ("iql bc diagnostic --tasks two-window", "no task of diagnostic matches 'two-window'"),
        ("iql bc diagnostic --difference 0", "'0' is not a number of 0.001 or more"),
        ("iql bc diagnostic --difference 1e-9", "'1e-9' is not a number of 0.001 or more"),
        ("iql bc diagnostic --difference five", "'five' is not a number of 0.001 or more"),
        ("iql bc diagnostic --protocol finale", "did you mean 'final'?"),
        ("iql bc classic", "no runs of classic in"),
    ],
)
def test_mistakes_are_said_in_one_line(tmp_path, capsys, words, said):
    write_run(tmp_path, "gamble", "iql", SEEDS)
    write_run(tmp_path, "gamble", "bc", SEEDS)
    assert main(["compare", *words.split(), "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_the_latex_has_the_same_numbers(tmp_path, capsys):
    write_run(tmp_path, "gamble", "iql", SEEDS)
    write_run(tmp_path, "gamble", "bc", {0: 0.2, 1: 0.2})
    text = compare(capsys, tmp_path, "iql", "bc", "diagnostic", "--format", "latex")
    assert r"gamble & 80.0 & 20.0 & 5 / 2 & 60.0 {\scriptsize {[}" in text
    assert text.isascii() or set(text) - set(map(chr, range(128))) <= {"±"}
