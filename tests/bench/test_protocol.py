import math
from pathlib import Path

import pytest
from synthetic import write_run

from bench.protocol import PROTOCOLS, curve
from bench.records import RunRecord, read_runs


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
    write_run(tmp_path, "two-doors", "iql", {0: 0.8, 1: 0.8}, diverged={1: 4000})
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
    (path / "summary.json").write_text('{"diverged": [0, 1]}')
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
        "after 4,000 gradient updates, over 20 episodes per seed and evaluation whose evaluation seeds are "
        "the same for all algorithms, with each algorithm's default inference setting (sorl: steps=8), on "
        "the scale 0 = uniformly random, 100 = best known; a diverged seed (†) counts as 0, the level of a "
        "uniformly random policy, and is never dropped or repaired."
    )
    assert "(optimistic:" in PROTOCOLS["best"].describe([run])
    assert "over the last 3 scheduled evaluations" in PROTOCOLS["last-3"].describe([run])
    assert "as named in brackets" in PROTOCOLS["final"].describe([run], "all")
