import math
from pathlib import Path

import pytest
from synthetic import write_run

from bench import report
from bench.cli import main
from bench.errors import UserError
from bench.protocol import PROTOCOLS, curve, find_protocol
from bench.records import RunRecord, read_runs
from bench.scores import load


def only_run(results: Path) -> RunRecord:
    (run,), problems = read_runs(results)
    assert not problems
    return run


def test_the_protocols_pick_the_last_the_mean_of_the_last_three_and_the_largest(tmp_path: Path) -> None:
    write_run(tmp_path, "two-doors", "iql", {0: 0.8, 1: -0.8})
    run = only_run(tmp_path)
    # scores at the four evaluations: seed 0 has 0.2, 0.4, 0.6, 0.8, seed 1 the same numbers below zero
    expected = {"final": (0.8, -0.8), "last-3": (0.6, -0.6), "best": (0.8, -0.2)}
    for name, values in expected.items():
        found = tuple(PROTOCOLS[name].score(run, seed, {}).value for seed in (0, 1))
        assert found == pytest.approx(values), name


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_diverged_seed_scores_0_under_every_protocol(tmp_path: Path, name: str) -> None:
    write_run(tmp_path, "two-doors", "iql", {0: 0.8, 1: 0.8}, diverged={1: 4000}, evaluations=10)
    run = only_run(tmp_path)
    score = PROTOCOLS[name].score(run, 1, {})
    assert (score.value, score.diverged) == (0, True)
    assert not PROTOCOLS[name].score(run, 0, {}).diverged


def test_a_curve_is_0_from_the_divergence_on(tmp_path: Path) -> None:
    write_run(tmp_path, "two-doors", "iql", {0: 0.8}, diverged={0: 3000})
    assert curve(only_run(tmp_path), 0, {}) == pytest.approx({1000: 0.2, 2000: 0.4, 3000: 0, 4000: 0})


def test_a_seed_without_its_last_evaluation_has_no_score(tmp_path: Path) -> None:
    write_run(tmp_path, "two-doors", "iql", {0: 0.8}, skipped=[0], finished=False)
    run = only_run(tmp_path)
    assert all(math.isnan(protocol.score(run, 0, {}).value) for protocol in PROTOCOLS.values())


def test_a_summary_that_names_a_diverged_seed_is_believed_where_evaluations_are_missing(
    tmp_path: Path,
) -> None:
    path = write_run(tmp_path, "two-doors", "iql", {0: 0.8, 1: 0.8}, skipped=[0])
    clocks = '"train_seconds": 1, "eval_seconds": 1, "updates_per_second": 9'
    (path / "summary.json").write_text(f'{{"diverged": [0, 1], {clocks}}}')
    run = only_run(tmp_path)
    assert PROTOCOLS["final"].score(run, 0, {}).diverged
    assert not PROTOCOLS["final"].score(run, 1, {}).diverged  # every evaluation is there and sound


def test_inference_settings_are_scored_apart(tmp_path: Path) -> None:
    settings = [{"steps": 8}, {"steps": 1}]
    write_run(tmp_path, "two-doors", "sorl", {0: 0.5}, inferences=settings)
    run = only_run(tmp_path)
    found = [PROTOCOLS["final"].score(run, 0, setting).value for setting in settings]
    assert found == pytest.approx([0.5, 0.6])


def test_the_sentence_says_everything_that_the_score_depends_on(tmp_path: Path) -> None:
    write_run(tmp_path, "two-doors", "sorl", {0: 0.5}, episodes=20, inferences=[{"steps": 8}, {"steps": 1}])
    run = only_run(tmp_path)
    assert PROTOCOLS["final"].describe([run]) == (
        "Protocol final: the score of a training seed is its mean return at the last scheduled evaluation, "
        "after 4,000 gradient updates, over 20 episodes per seed and evaluation whose evaluation seeds "
        "depend on the training seed alone, with each algorithm's default inference setting (sorl: steps=8), on "
        "the scale 0 = uniformly random, 100 = best known; a diverged seed (†) counts as 0, the level of a "
        "uniformly random policy, and is never dropped or repaired."
    )
    assert "(optimistic:" in PROTOCOLS["best"].describe([run])
    assert "over the last 3 scheduled evaluations" in PROTOCOLS["last-3"].describe([run])
    assert "as named in brackets" in PROTOCOLS["final"].describe([run], "all")


def test_any_number_of_last_evaluations_can_be_averaged(tmp_path: Path) -> None:
    write_run(tmp_path, "two-doors", "iql", {0: 1.0}, evaluations=10)
    run = only_run(tmp_path)
    # 0.1, 0.2, ..., 1.0
    found = {k: find_protocol(f"last-{k}").score(run, 0, {}).value for k in (1, 2, 5, 10)}
    assert found == pytest.approx({1: 1.0, 2: 0.95, 5: 0.8, 10: 0.55})
    assert math.isnan(find_protocol("last-11").score(run, 0, {}).value)


@pytest.mark.parametrize("count", [10, 20, 100])
def test_fql_is_the_mean_at_80_90_and_100_percent_of_the_updates(tmp_path: Path, count: int) -> None:
    write_run(tmp_path, "two-doors", "iql", {0: 1.0}, evaluations=count)
    run = only_run(tmp_path)
    assert find_protocol("fql").needed(run) == [3200, 3600, 4000]
    assert find_protocol("fql").score(run, 0, {}).value == pytest.approx(0.9)
    assert "over the evaluations at 80, 90 and 100% of its updates" in find_protocol("fql").describe([run])


def test_corl_takes_the_last_of_each_seed_or_the_largest_of_each_seed(tmp_path: Path) -> None:
    write_run(tmp_path, "two-doors", "iql", {0: 0.8, 1: -0.8})
    run = only_run(tmp_path)
    last, best = find_protocol("corl-last"), find_protocol("corl-best")
    assert [last.score(run, seed, {}).value for seed in (0, 1)] == pytest.approx([0.8, -0.8])
    assert [best.score(run, seed, {}).value for seed in (0, 1)] == pytest.approx([0.8, -0.2])


def test_a_run_without_the_evaluations_of_a_protocol_has_no_score_and_a_command_that_helps(
    tmp_path: Path,
) -> None:
    write_run(tmp_path, "two-doors", "iql", {0: 0.5, 1: 0.5}, evaluations=10)
    write_run(tmp_path, "two-doors", "bc", {0: 0.5, 1: 0.5}, evaluations=4)
    scores = load(tmp_path, "diagnostic", find_protocol("fql"))
    assert {row.algorithm: math.isnan(scores.matrix(row)[0, 0]) for row in scores.rows} == {
        "iql": False,
        "bc": True,
    }
    assert scores.notes == (
        "results: diagnostic/two-doors/bc, run r1 has no score: protocol fql needs evaluations at 80, 90 and "
        "100% of its steps. Run: bench run diagnostic bc --tasks two-doors --evaluations 10",
    )
    assert "| iql " in report.render(tmp_path, "diagnostic", "md", find_protocol("fql"), replicates=20)


def test_a_suite_whose_runs_all_lack_evaluations_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path, "two-doors", "bc", {0: 0.5}, evaluations=4)
    with pytest.raises(UserError, match=r"last-5: it needs 5 evaluations, and it has 4 .* --evaluations 5"):
        load(tmp_path, "diagnostic", find_protocol("last-5"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "fqll",
            "unknown protocol 'fqll'; did you mean 'fql'? Known: best, corl-best, corl-last, final, fql",
        ),
        ("last-0", "K of last-K is a whole number from 1"),
        ("last-x", "unknown protocol 'last-x'; did you mean"),
        ("last", "Known: .*last-K"),
    ],
)
def test_an_unknown_protocol_is_said_with_those_that_there_are(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said.replace("?", r"\?")):
        find_protocol(name)


@pytest.mark.parametrize("name", ["best", "corl-best"])
def test_optimistic_protocols_stand_in_every_title(tmp_path: Path, name: str) -> None:
    write_run(tmp_path, "two-doors", "iql", {0: 0.5, 1: 0.6})
    write_run(tmp_path, "two-doors", "bc", {0: 0.5, 1: 0.4})
    mark = f"(optimistic: protocol {name})"
    text = report.render(tmp_path, "diagnostic", "md", find_protocol(name), replicates=20)
    titles = [line for line in text.splitlines() if line.startswith("###")]
    assert len(titles) == 5
    assert all(mark in title for title in titles)
    words = ["--results", str(tmp_path), "--replicates", "20", "--protocol", name]
    assert main(["leaderboard", *words]) == 0
    assert mark in (tmp_path / "leaderboard" / "index.html").read_text()
    assert "optimistic" not in report.render(tmp_path, "diagnostic", "md", PROTOCOLS["final"], replicates=20)


DIFFERENT = {
    "numbers of episodes": {"episodes": 7},
    "evaluation seeds": {"evaluation_seeds": "one for all"},
    "evaluation schedules": {"evaluations": 8},
    "reference scores": {"reference": {"random": 0.0, "best": 1.0}},
    "task identity (dataset)": {"identity": {"dataset": "f" * 64, "gymnasium": "1.0.0"}},
    "task identity (success_timing)": {
        "identity": {"dataset": "0" * 64, "gymnasium": "1.0.0", "success_timing": "post"}
    },
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_is_not_comparable_is_flagged_refused_and_fails_a_strict_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    write_run(tmp_path, "two-doors", "iql", {0: 0.5, 1: 0.6})
    write_run(tmp_path, "gamble", "iql", {0: 0.5, 1: 0.6})
    write_run(tmp_path, "gamble", "bc", {0: 0.1, 1: 0.2})
    info = dict(DIFFERENT[what])
    inner = {key: info.pop(key) for key in ("reference", "identity") if key in info}
    if inner:
        info["task_info"] = only_run_info(tmp_path)["task_info"] | inner
    write_run(tmp_path, "two-doors", "bc", {0: 0.1, 1: 0.2}, **info)
    words = ["--results", str(tmp_path), "--replicates", "20", "--protocol", "last-2"]
    assert main(["report", "diagnostic", *words]) == 0
    assert main(["report", "diagnostic", "--strict", *words]) == 1
    said = capsys.readouterr()
    assert f"bench: ‡ two-doors mixes runs with different {what}: " in said.err
    assert main(["compare", "iql", "bc", "diagnostic", *words]) == 0
    cells = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    lines = {cell[1].strip(" ‡"): cell for cell in cells}
    assert lines["two-doors"][-2].strip() == "not comparable ‡"
    assert lines["two-doors"][5].strip() == "–"
    # what is left is gamble alone
    assert lines["1 of 2 tasks: mean"][2:4] == lines["gamble"][2:4]


def only_run_info(results: Path) -> dict:
    return dict(read_runs(results)[0][0].info)


def test_a_strict_report_on_comparable_runs_succeeds(tmp_path: Path) -> None:
    write_run(tmp_path, "two-doors", "iql", {0: 0.5, 1: 0.6})
    write_run(tmp_path, "two-doors", "bc", {0: 0.1, 1: 0.2}, evaluations=8)
    # under `final` only the last evaluation counts, so the schedule may differ
    assert main(["report", "diagnostic", "--strict", "--results", str(tmp_path), "--replicates", "20"]) == 0
