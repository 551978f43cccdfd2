"""Tuning curves: expected maxima are exact, bandits find the best arm, intervals cover, mistakes are one line.

`tests/data/rebrac_sweep.csv` is an extract (AntMaze and two tasks of Gym-MuJoCo) of the scores that the authors
of ReBRAC published with their code (Apache-2.0), file eop/bin/eop_all.pickle: the mean over seeds of each setting.
The numbers it is held against are printed in the paper (Tarasov et al. 2023, arXiv 2305.09836): table 9 for the
domain, where one setting is chosen for all tasks of it, and table 25 for single tasks.
"""

import csv
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_run

from bench.cli import main
from bench.tuning.commands import domains_of
from bench.tuning.curves import bandit, expected_maximum, means_of, resample, subsets
from bench.tuning.summary import BANDIT, EACH, NOISE, SHARED, Budget, curves
from bench.tuning.trials import Policies, Trials

SWEEP = Path(__file__).parents[1] / "data" / "rebrac_sweep.csv"
QUICK = Budget(policies=4, pulls=12, repeats=40)


def trials_of(**scores: np.ndarray) -> Trials:
    """One algorithm on the named tasks, each with the scores of its settings, one seed each."""
    policies = {
        ("a", task): Policies([f"{i:03d}" for i in range(len(own))], [1] * len(own), np.asarray(own), None)
        for task, own in scores.items()
    }
    return Trials("made up", policies, [], [])


def test_the_expected_maximum_of_three_scores_by_hand():
    # pairs of {0, 1, 4}: five of nine have 4, three have 1 as the largest, one has 0
    assert expected_maximum(np.array([4.0, 0.0, 1.0]), 2) == pytest.approx([5 / 3, (5 * 4 + 3 * 1) / 9])


def test_the_expected_maximum_is_that_of_all_draws_with_replacement():
    scores = np.array([0.3, -1.0, 0.7, 0.7, 0.1])
    drawn = [np.mean([max(draw) for draw in product(scores, repeat=n)]) for n in range(1, 6)]
    assert expected_maximum(scores, 5) == pytest.approx(drawn)


def test_the_expected_maximum_starts_at_the_mean_never_falls_and_tends_to_the_maximum():
    scores = np.random.default_rng(0).normal(size=(3, 7))
    curve = expected_maximum(scores, 400)
    assert curve[:, 0] == pytest.approx(scores.mean(1))
    assert (np.diff(curve) >= -1e-12).all()
    assert curve[:, -1] == pytest.approx(scores.max(1))


def test_the_score_of_a_setting_is_the_mean_of_its_seeds():
    assert means_of(np.array([1.0, 3.0, 5.0, 2.0, 4.0]), [2, 1, 2]).tolist() == [2, 5, 3]


def test_replicates_hold_settings_together_and_tasks_share_them():
    sizes, names = [3, 1, 2], ("x", "y", "z")
    one, other = (resample(sizes, 500, "a", task, *names) for task in ("first", "second"))
    owner = np.repeat(np.arange(3), sizes)
    assert all(len(set(owner[row[:3]])) == 1 and len(set(owner[row[4:]])) == 1 for row in one)
    assert (owner[one] == owner[other]).all()
    assert (one != other).any()
    assert np.bincount(one[:, 0], minlength=6) / 500 == pytest.approx(
        [1 / 9] * 3 + [1 / 3] + [1 / 6] * 2, abs=0.07
    )


def test_a_bandit_with_one_arm_is_that_arm():
    picked = bandit([np.array([0.2, 0.6])], np.zeros((5, 1), int), 7, np.random.default_rng(0))
    assert picked == pytest.approx(np.full((5, 7), 0.4))


def test_a_bandit_without_noise_has_the_best_arm_so_far_and_then_the_best():
    episodes = [np.array([score]) for score in (0.5, 0.2, 0.9)]
    picked = bandit(episodes, np.array([[0, 1, 2], [2, 0, 1]]), 4, np.random.default_rng(0))
    assert picked.tolist() == [[0.5, 0.5, 0.9, 0.9], [0.9, 0.9, 0.9, 0.9]]


def test_a_bandit_is_the_same_as_ucb1_step_by_step():
    episodes = [np.array([0.1, 0.9, 0.4]), np.array([0.6, 0.5]), np.array([0.3])]

    class Halves:  # every pull returns the middle of the recorded episodes
        def random(self, count):
            return np.full(count, 0.5)

    pulled = [float(own[len(own) // 2]) for own in episodes]
    sums, counts, expected = [0.0] * 3, [0] * 3, []
    for t in range(30):
        bounds = [
            s / c + np.sqrt(2 * np.log(t) / c) if c else np.inf for s, c in zip(sums, counts, strict=True)
        ]
        arm = t if t < 3 else int(np.argmax(bounds))
        sums[arm] += pulled[arm]
        counts[arm] += 1
        means = [s / c if c else -np.inf for s, c in zip(sums, counts, strict=True)]
        expected.append(episodes[int(np.argmax(means))].mean())
    assert bandit(episodes, np.array([[0, 1, 2]]), 30, Halves())[0] == pytest.approx(expected)


def test_a_bandit_finds_a_clearly_best_arm_under_noise():
    draw = np.random.default_rng(1)
    episodes = [level + 0.3 * draw.standard_normal(200) for level in (0.2, 0.3, 0.8, 0.1)]
    arms = subsets(np.arange(4)[None], 4, 300, draw)
    picked = bandit(episodes, arms, 150, draw).mean(0)
    assert picked[0] == pytest.approx(np.mean([own.mean() for own in episodes]), abs=0.05)
    assert picked[-1] == pytest.approx(episodes[2].mean(), abs=0.01)


def test_subsets_are_without_replacement_and_in_random_order():
    arms = subsets(np.array([[0, 1, 2, 3], [7, 7, 7, 7]]), 3, 200, np.random.default_rng(0))
    assert arms.shape == (400, 3)
    assert all(len(set(row)) == 3 for row in arms[:200])
    assert (arms[200:] == 7).all()
    assert np.bincount(arms[:200, 0]).min() > 30


@pytest.mark.parametrize(("n", "least"), [(1, 0.9), (3, 0.85), (5, 0.8)])
def test_intervals_cover_the_expected_maximum_of_the_distribution(n, least):
    draw = np.random.default_rng(n)
    truth = draw.normal(size=(50_000, n)).max(1).mean()
    held = 0
    for _ in range(120):
        (curve,) = curves(trials_of(t=draw.normal(size=20)), {}, QUICK, 200)
        held += curve.low[n - 1] <= truth <= curve.high[n - 1]
    assert least <= held / 120 <= 0.99


def test_intervals_of_bandits_cover_the_pick_among_other_policies():
    draw = np.random.default_rng(5)

    def policies(count):  # one seed each; ten episodes whose mean is the policy's score
        levels = draw.normal(0.5, 0.2, count)
        noise = draw.normal(0, 0.3, (count, 10))
        return list(levels[:, None] + noise - noise.mean(1, keepdims=True))

    budget = Budget(policies=4, pulls=12, repeats=200)
    many = policies(4000)
    truth = bandit(many, subsets(np.arange(4000)[None], 4, 8000, draw), 12, draw).mean(0)
    held = np.zeros(12)
    widths = []
    for _ in range(30):
        own = policies(20)
        scores = np.array([episodes.mean() for episodes in own])
        named = Policies([f"{i:02d}" for i in range(20)], [1] * 20, scores, own)
        found = curves(Trials("made up", {("a", "t"): named}, [], []), {}, budget, 20)
        (curve,) = (each for each in found if each.kind == BANDIT)
        held += (curve.low <= truth) & (truth <= curve.high)
        widths.append(curve.high - curve.low)
    assert (held / 30 >= 0.8).all()
    # the first pick is one of 20 policies at random, averaged over NOISE bandits: its error is known
    error = 0.2 * np.sqrt(1 / 20 + 1 / NOISE)
    assert np.mean(widths, 0)[0] == pytest.approx(2 * 2.09 * error, rel=0.15)


def test_there_is_no_interval_for_more_than_half_of_the_settings_or_for_a_single_policy():
    (curve,) = curves(trials_of(t=np.arange(6.0)), {}, QUICK, 50)
    assert np.isfinite(curve.low).tolist() == [True] * 3 + [False] * 3
    (lone,) = curves(trials_of(t=np.ones(1)), {}, QUICK, 50)
    assert np.isnan(lone.low).all()
    assert lone.value.tolist() == [1]


def test_one_setting_for_all_tasks_is_judged_by_its_mean():
    trials = trials_of(t=np.array([1.0, 0.0]), u=np.array([0.0, 1.0]))
    found = {(c.kind, c.scope): c for c in curves(trials, {"both": ["t", "u"]}, QUICK, 50)}
    assert found[EACH, "both"].value == pytest.approx([0.5, 0.75])
    assert found[SHARED, "both"].value == pytest.approx([0.5, 0.5])
    # whatever is drawn for one task is drawn for the other, so their mean does not vary
    assert found[SHARED, "both"].low[0] == found[SHARED, "both"].high[0] == pytest.approx(0.5)


def test_an_average_reaches_as_far_as_all_tasks_and_names_both_budgets():
    trials = trials_of(t=np.arange(3.0), u=np.arange(5.0))
    found = {(c.kind, c.scope): c for c in curves(trials, {"both": ["t", "u"]}, QUICK, 50)}
    assert (len(found[EACH, "both"].value), found[EACH, "both"].settings) == (3, "3–5")
    assert (SHARED, "both") not in found


def tuning(tmp_path, *words):
    return main(
        [
            "tuning",
            *words,
            "--results",
            str(tmp_path),
            "--replicates",
            "60",
            "--repeats",
            "60",
            "--pulls",
            "12",
        ]
    )


def table(path: Path) -> dict[tuple[str, str, str, int], dict[str, str]]:
    with open(path, newline="") as file:
        return {(r["curve"], r["scope"], r["algorithm"], int(r["n"])): r for r in csv.DictReader(file)}


TABLE_9 = {  # AntMaze, for 1, 2, 3, 5, 10, 15, 20 policies
    "TD3 + BC": (6.9, 10.7, 13.0, 15.5),
    "IQL": (29.8, 38.0, 43.1, 48.7, 53.2, 54.3, 54.7),
    "ReBRAC": (67.9, 73.6, 76.1, 78.3, 79.9, 80.4),
}
TABLE_25 = {
    ("halfcheetah-random-v2", "TD3 + BC"): (14.6, 19.8, 22.5, 25.3),
    ("halfcheetah-random-v2", "IQL"): (10.2, 14.1, 16.1, 17.9, 19.1),
    ("halfcheetah-random-v2", "ReBRAC"): (17.6, 22.2, 24.6, 27.0, 28.9, 29.4, 29.6),
    ("halfcheetah-medium-v2", "TD3 + BC"): (48.0, 51.1, 52.9, 54.9),
    ("halfcheetah-medium-v2", "IQL"): (48.0, 48.8, 49.1, 49.5, 49.8, 49.9),
    ("halfcheetah-medium-v2", "ReBRAC"): (56.1, 59.6, 61.6, 63.6, 65.2, 65.6, 65.7),
}


def test_the_published_curves_of_rebrac_are_reproduced(tmp_path, capsys):
    assert tuning(tmp_path, "--trials", str(SWEEP), "--domain", "AntMaze=antmaze-*") == 0
    said = capsys.readouterr().out
    assert "No bandit curve" in said
    assert "| AntMaze: ReBRAC   |             16 | 67.9 [" in said
    found = table(tmp_path / "tuning" / "rebrac_sweep.csv")
    published = {(SHARED, "AntMaze", name): row for name, row in TABLE_9.items()}
    published |= {(EACH, *key): row for key, row in TABLE_25.items()}
    for key, row in published.items():
        for n, score in zip((1, 2, 3, 5, 10, 15, 20), row, strict=False):
            # rounded to one digit there
            assert float(found[*key, n]["score"]) == pytest.approx(score, abs=0.06), (key, n)
    assert {found[key]["settings"] for key in found if key[2] == "TD3 + BC"} == {"5"}
    files = {file.name for file in (tmp_path / "tuning").iterdir()}
    assert files == {f"rebrac_sweep{end}" for end in (".csv", ".svg", ".png", "-tasks.svg", "-tasks.png")}


def sweep(results: Path) -> None:
    for task in ("gamble", "two-doors"):
        for k in range(3):
            scores = {seed: 0.2 + 0.3 * k + 0.05 * seed for seed in range(3)}
            given = {"beta": k} if k else {}
            write_run(results, task, "iql", scores, run_id=f"r{k}", overrides=given, episodes=6, spread=0.1)
    write_run(results, "gamble", "bc", {0: 0.5, 1: 0.5}, diverged={1: 2000})
    write_run(results, "gamble", "bc", {0: 9.0}, run_id="rules", task_options={"success_timing": "post"})


def test_the_command_reads_records_and_is_reproducible(tmp_path, capsys):
    sweep(tmp_path)
    assert tuning(tmp_path, "diagnostic") == 0
    said = capsys.readouterr().out
    assert "Protocol final: " in said
    assert "1 runs with options of the task are left out" in said
    assert "all tasks: no average of bc, which has no trials on two-doors" in said
    assert "lacks" not in said
    file = tmp_path / "tuning" / "diagnostic.csv"
    found, before = table(file), file.read_bytes()
    # the settings are at 25, 55 and 85 (seeds 0 to 2), and an episode has noise of 10
    assert float(found[EACH, "gamble", "iql", 1]["score"]) == pytest.approx(55, abs=5)
    three = (1 * 25 + 7 * 55 + 19 * 85) / 27
    assert float(found[EACH, "all tasks", "iql", 3]["score"]) == pytest.approx(three, abs=5)
    assert found[BANDIT, "gamble", "iql", 12]["policies"] == "9"
    assert float(found[EACH, "gamble", "bc", 1]["score"]) == pytest.approx(25)  # a diverged seed counts as 0
    assert float(found[BANDIT, "gamble", "bc", 12]["score"]) == pytest.approx(50)
    assert tuning(tmp_path, "diagnostic", "--format", "csv") == 0
    assert capsys.readouterr().out.encode() == before == file.read_bytes()


def test_algorithms_and_tasks_can_be_chosen(tmp_path, capsys):
    sweep(tmp_path)
    alone = "That of a single setting is of its seeds alone"
    assert tuning(tmp_path, "diagnostic", "bc") == 0
    assert alone in capsys.readouterr().out
    assert tuning(tmp_path, "diagnostic", "iql", "--tasks", "gam*") == 0
    assert alone not in capsys.readouterr().out
    assert {key[1:3] for key in table(tmp_path / "tuning" / "diagnostic.csv")} == {("gamble", "iql")}


def test_a_csv_with_episodes_has_bandit_curves(tmp_path):
    lines = [f"a,t,{k},{s},{e},{10 * k + s + e % 2}" for k in range(3) for s in range(2) for e in range(4)]
    (tmp_path / "x.csv").write_text("algorithm,task,setting,seed,episode,score\n" + "\n".join(lines) + "\n")
    assert tuning(tmp_path, "--trials", str(tmp_path / "x.csv")) == 0
    found = table(tmp_path / "tuning" / "x.csv")
    assert float(found[EACH, "t", "a", 1]["score"]) == pytest.approx(11)
    assert found[BANDIT, "t", "a", 12]["policies"] == "6"
    assert 11 < float(found[BANDIT, "t", "a", 12]["score"]) <= 21.5


HEAD = "algorithm,task,setting,score\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "lacks the column algorithm, task, setting, score; it has: none"),
        (HEAD, "holds no trials"),
        ("algorithm,task,score\na,t,1\n", "lacks the column setting; it has: algorithm, task, score"),
        (HEAD + "a,t,0,nan\n", "line 2: the score 'nan' is no number from"),
        (HEAD + "a,t,0,inf\n", "line 2: the score 'inf' is no number from"),
        (HEAD + "a,t,0,1e300\n", "line 2: the score '1e300' is no number from"),
        (HEAD + "a,t,0,good\n", "line 2: the score 'good' is no number from"),
        (HEAD + "a,t,0\n", "line 2: no score; every trial needs one"),
        (HEAD + "a,,0,1\n", "line 2: no task; every trial needs one"),
        (HEAD + "a,t,0,1\na,t,0,2\n", "trial 2: a on t with setting '0' is there twice"),
        (b"\xff\xfe\x00", "cannot be read as a CSV of trials"),
        (HEAD + '"' + "x" * 200_000 + '",t,0,1\n', "cannot be read as a CSV of trials"),
    ],
)
def test_a_bad_csv_is_said_in_one_line(tmp_path, capsys, content, said):
    file = tmp_path / "bad.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert tuning(tmp_path, "--trials", str(file)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "tuning").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no suite is given; name one"),
        (["diagnostik"], "unknown suite 'diagnostik'; did you mean 'diagnostic'?"),
        (["diagnostic"], "no runs of diagnostic in"),
        (["--trials", "nowhere.csv"], "nowhere.csv cannot be read as a CSV of trials"),
        (["--trials", str(SWEEP), "IQQL"], "unknown algorithm with trials 'IQQL'; did you mean 'IQL'?"),
        (["--trials", str(SWEEP), "--tasks", "pen-*"], "unknown task 'pen-*'"),
        (["--trials", str(SWEEP), "--domain", "Adroit=pen-*"], "--domain 'Adroit=pen-*' names no tasks"),
        (["--trials", str(SWEEP), "--domain", "antmaze-*"], "it is NAME=GLOBS"),
        (
            ["--trials", str(SWEEP), "--pulls", "99999999"],
            "do not fit into memory; give at most 20,000 pulls",
        ),
    ],
)
def test_mistakes_are_said_in_one_line(tmp_path, capsys, words, said):
    assert main(["tuning", *words, "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_result_does_not_overwrite_the_trials(tmp_path, capsys):
    file = tmp_path / "tuning" / "x.csv"
    file.parent.mkdir()
    file.write_text(HEAD + "a,t,0,1\n")
    assert tuning(tmp_path, "--trials", str(file)) == 2
    assert "would be overwritten" in capsys.readouterr().err


def test_domains_are_globs_of_tasks():
    tasks = ["door", "pen-a", "pen-b"]
    assert domains_of(tasks, ["P=pen-*", "all=*"]) == {"P": ["pen-a", "pen-b"], "all": tasks}
    assert domains_of(tasks, []) == {"all tasks": tasks}
    assert domains_of(["door"], []) == {}


def test_one_setting_under_two_names_is_one_setting(tmp_path):
    for number, (given, scores) in enumerate(
        [({"beta": 3}, {0: 0.2, 1: 0.4}), ({"beta": 3, "lr": 1}, {2: 0.9})]
    ):
        config = {"beta": 3, "lr": 1}
        write_run(tmp_path, "gamble", "iql", scores, run_id=f"r{number}", overrides=given, config=config)
    assert tuning(tmp_path, "diagnostic") == 0
    found = table(tmp_path / "tuning" / "diagnostic.csv")
    assert found[EACH, "gamble", "iql", 1]["settings"] == "1"
    assert float(found[EACH, "gamble", "iql", 1]["score"]) == pytest.approx(50)
