"""The statistics must be those of rliable, on the same resampled indices."""

from pathlib import Path

import numpy as np
import pytest
from rliable import library, metrics
from synthetic import write_run

from bench.bootstrap import interval, resample, tally
from bench.metrics import (
    METRICS,
    average_profile,
    everyone,
    improvement,
    iqm,
    mean,
    optimality_gap,
    profile,
    task_means,
)
from bench.protocol import PROTOCOLS
from bench.scores import Row, Scores, load
from bench.stats import Estimate, embolden, summarize

RLIABLE = {
    "IQM": metrics.aggregate_iqm,
    "Median": metrics.aggregate_median,
    "Mean": metrics.aggregate_mean,
    "Optimality gap": metrics.aggregate_optimality_gap,
}
TASKS = ("a", "b", "c", "d", "e", "f", "g")


def some_scores(seeds: int = 5, seed: int = 0) -> np.ndarray:
    """(seeds, 7 tasks) with ties and with values outside of 0..1."""
    return np.round(np.random.default_rng(seed).normal(0.6, 0.4, (seeds, len(TASKS))), 1)


def drawn_for(scores: np.ndarray, replicates: int, name: str = "x") -> np.ndarray:
    return resample(~np.isnan(scores), replicates, name, *TASKS)


def scores_in(results: Path, protocol: str = "final", inference: str = "default") -> Scores:
    return load(results, "diagnostic", PROTOCOLS[protocol], inference)


@pytest.mark.parametrize("seeds", [1, 3, 5, 8])
@pytest.mark.parametrize("name", METRICS)
def test_every_metric_and_every_replicate_equals_rliable_on_the_same_indices(name: str, seeds: int) -> None:
    scores = some_scores(seeds)
    indices = drawn_for(scores, 50)
    expected = [RLIABLE[name](scores[index, np.arange(len(TASKS))]) for index in indices]
    assert METRICS[name](scores, tally(indices)) == pytest.approx(expected, abs=1e-12)
    assert METRICS[name](scores, everyone(scores))[0] == pytest.approx(RLIABLE[name](scores), abs=1e-12)


def test_probability_of_improvement_equals_rliable_on_the_same_indices() -> None:
    x, y = some_scores(5), some_scores(8, seed=1)
    left, right, tasks = drawn_for(x, 20, "x"), drawn_for(y, 20, "y"), np.arange(len(TASKS))
    expected = [
        metrics.probability_of_improvement(x[i, tasks], y[j, tasks]) for i, j in zip(left, right, strict=True)
    ]
    assert improvement(x, y, tally(left), tally(right)) == pytest.approx(expected, abs=1e-12)


def test_performance_profiles_equal_rliable_on_the_same_indices() -> None:
    scores, thresholds = some_scores(), np.linspace(0, 1.2, 13)
    indices = drawn_for(scores, 20)
    expected = [library.score_distributions(scores[i, np.arange(len(TASKS))], thresholds) for i in indices]
    assert profile(scores, tally(indices), thresholds) == pytest.approx(np.array(expected), abs=1e-12)


def test_profiles_of_average_scores_equal_rliable_on_the_same_indices() -> None:
    scores, thresholds = (
        some_scores(),
        np.linspace(0, 1.2, 13) + 0.003,
    )  # apart from means by more than rounding
    indices = drawn_for(scores, 20)
    drawn = [scores[index, np.arange(len(TASKS))] for index in indices]
    expected = [library.average_score_distributions(each, thresholds) for each in drawn]
    assert average_profile(scores, tally(indices), thresholds) == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_optimality_gap_below_any_gamma_equals_rliable(gamma: float) -> None:
    scores = some_scores()
    found = optimality_gap(scores, everyone(scores), gamma)[0]
    assert found == pytest.approx(metrics.aggregate_optimality_gap(scores, gamma))


def test_intervals_agree_with_those_of_rliable_and_arch() -> None:
    scores = some_scores(8)
    np.random.seed(0)  # rliable draws from the global state whatever random_state it is given
    _, theirs = library.get_interval_estimates(
        {"x": scores}, lambda x: np.array([f(x) for f in RLIABLE.values()]), reps=2000
    )
    counts = tally(drawn_for(scores, 2000))
    ours = np.array([interval(metric(scores, counts)) for metric in METRICS.values()]).T
    width = theirs["x"][1] - theirs["x"][0]
    assert (np.abs(ours - theirs["x"]) < 0.1 * width).all()


def test_an_interval_is_the_percentiles_that_arch_takes() -> None:
    class Given(library.StratifiedBootstrap):
        """rliable's bootstrap on indices that are ours."""

        def update_indices(self) -> tuple[np.ndarray, ...]:
            return (next(given), np.arange(len(TASKS)))

    scores = some_scores()
    indices = drawn_for(scores, 200)
    given = iter(indices)
    theirs = Given(scores).conf_int(metrics.aggregate_iqm, reps=200, method="percentile")
    assert np.array(interval(iqm(scores, tally(indices)))) == pytest.approx(theirs[:, 0], abs=1e-12)


def test_ragged_tasks_are_resampled_among_their_own_seeds() -> None:
    scores = some_scores()
    scores[2, 0] = scores[0, 1] = scores[4, 1] = np.nan
    counts = tally(drawn_for(scores, 300))
    assert (counts.sum(2) == (~np.isnan(scores)).sum(0)[:, None]).all()
    assert (counts.transpose(2, 0, 1)[np.isnan(scores)] == 0).all()
    means = task_means(scores, counts)
    assert not np.isnan(means).any()
    assert mean(scores, everyone(scores))[0] == pytest.approx(np.nanmean(scores, 0).mean())


def test_seeds_that_lack_on_a_hard_task_do_not_raise_the_iqm() -> None:
    full = np.tile([1.0, 0.7, 1.0, 0.0, 1.0, 0.0], (5, 1))  # six tasks on which the seeds agree
    ragged = full.copy()
    ragged[1:, 3] = np.nan
    counts = np.repeat(everyone(ragged), 3, axis=1)
    assert iqm(full, everyone(full))[0] == pytest.approx(metrics.aggregate_iqm(full))
    # 26 runs count, 26/6 for each task; six of each end are cut off, so 2 x 26/6 - 6 zeros are left
    kept = np.array([2 * 26 / 6 - 6, 26 / 6, 3 * 26 / 6 - 6]) @ [0, 0.7, 1] / 14
    assert iqm(ragged, counts) == pytest.approx([kept] * 3)
    assert iqm(np.broadcast_to(ragged, (3, 5, 6)), counts) == pytest.approx([kept] * 3)


def test_intervals_depend_neither_on_the_global_state_nor_on_other_rows_and_tasks(tmp_path: Path) -> None:
    for task in ("a", "b"):
        write_run(tmp_path, task, "iql", {0: 0.1, 1: 0.5, 2: 0.9})
    np.random.seed(1)
    first = summarize(scores_in(tmp_path), 200)
    iql = Row("iql", "", 0, "")
    write_run(tmp_path, "a", "bc", {0: 0.1, 1: 0.5, 2: 0.9})
    write_run(tmp_path, "b", "bc", {0: 0.1, 1: 0.5, 2: 0.9})
    np.random.seed(2)
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    second = summarize(scores_in(tmp_path), 200)
    assert first.aggregates[iql]["Mean"].low == second.aggregates[iql]["Mean"].low
    assert first.tasks[iql, "a"].low == second.tasks[iql, "a"].low
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]
    bc = second.aggregates[Row("bc", "", 0, "")]["Mean"]
    assert bc.value == second.aggregates[iql]["Mean"].value  # same scores, but draws of its own
    assert first.profiles[iql].shape[0] == 3


def test_runs_of_one_row_are_merged_and_a_seed_run_twice_counts_once_and_is_said(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.1, 1: 0.2}, run_id="late", created="2026-02-01")
    write_run(tmp_path, "a", "iql", {1: 0.9, 2: 0.3}, run_id="early", created="2026-01-01")
    scores = scores_in(tmp_path)
    (row,) = scores.rows
    assert scores.matrix(row)[:, 0] == pytest.approx([0.1, 0.9, 0.3])
    assert scores.notes == (
        "results: diagnostic/a/iql has seeds 1 in two runs; run early, the first created that has a score, "
        "counts and run late does not",
    )


def test_missing_seeds_are_named_with_the_command_that_adds_them(tmp_path: Path) -> None:
    write_run(tmp_path, "gamble", "iql", dict.fromkeys(range(8), 0.5))
    write_run(tmp_path, "two-doors", "iql", dict.fromkeys([0, 1, 2, 4, 5, 6], 0.5))
    scores = scores_in(tmp_path)
    assert scores.notes == (
        "results: diagnostic/two-doors/iql lacks seeds 3, 7. "
        "Run: bench run diagnostic iql --tasks two-doors --seeds 3,7",
    )
    assert np.isnan(scores.matrix(scores.rows[0])).sum() == 2
    assert list(summarize(scores, 50).aggregates) == scores.rows  # ragged seeds still have an aggregate


def test_a_row_without_a_whole_task_has_no_aggregate_and_the_command_keeps_its_settings(
    tmp_path: Path,
) -> None:
    write_run(tmp_path, "a", "bc", {0: 0.5})
    write_run(tmp_path, "b", "bc", {0: 0.5})
    command = "bench run diagnostic iql --tasks a --seeds 0,1 --set iql.expectile=0.8"
    write_run(tmp_path, "a", "iql", {0: 0.5, 1: 0.5}, overrides={"expectile": 0.8}, command=command)
    scores = scores_in(tmp_path)
    assert list(summarize(scores, 50).aggregates) == [Row("bc", "", 0, "")]
    assert scores.notes == (
        "results: diagnostic/b/iql (expectile=0.8) lacks seeds 0, 1; iql (expectile=0.8) has no aggregate "
        "without this task. Run: bench run diagnostic iql --tasks b --seeds 0,1 --set iql.expectile=0.8",
    )


def test_an_unfinished_run_is_named_with_its_command(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.5, 1: 0.5}, skipped=[0, 1], finished=False)
    scores = scores_in(tmp_path)
    assert scores.notes == (
        "results: diagnostic/a/iql, run r1 is unfinished: seeds 0, 1 are evaluated up to step 3,000 of "
        "4,000. Run: bench run diagnostic iql --tasks a",
    )
    assert summarize(scores, 50).aggregates == {}


def test_runs_that_are_not_comparable_are_flagged(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.5}, episodes=20, code="1111")
    write_run(
        tmp_path, "a", "iql", {1: 0.5}, run_id="r2", episodes=20, code="2222", config={"batch_size": 64}
    )
    write_run(tmp_path, "a", "bc", {0: 0.5, 1: 0.5}, episodes=50)
    path = write_run(tmp_path, "a", "cql", {0: 0.5, 1: 0.5}, episodes=50)
    info = (path / "run.json").read_text().replace("0" * 64, "f" * 64)
    (path / "run.json").write_text(info)
    scores = scores_in(tmp_path)
    assert list(scores.notes) == [
        "‡ iql on a mixes runs with different settings",
        "‡ a mixes runs with different numbers of episodes: 20 (iql); 50 (bc, cql)",
        "‡ a mixes runs with different task identity (dataset): 000000000000 (bc, iql); ffffffffffff (cql)",
        "‡ iql mixes runs of different versions of its code: 1111 (a); 2222 (a)",
    ]
    assert scores.flagged == {"a", Row("iql", "", 0, "")}


def test_variants_other_steps_and_inference_settings_are_rows_of_their_own(tmp_path: Path) -> None:
    settings = [{"steps": 8, "candidates": 1}, {"steps": 1, "candidates": 4}]
    write_run(tmp_path, "a", "sorl", {0: 0.5, 1: 0.5}, inferences=settings)
    write_run(tmp_path, "a", "iql", {0: 0.5}, overrides={"expectile": 0.8}, run_id="r2", steps=400)
    assert [row.label for row in scores_in(tmp_path).rows] == ["iql (expectile=0.8, 400 steps)", "sorl"]
    labels = [row.label for row in scores_in(tmp_path, inference="all").rows]
    assert labels == [
        "iql (expectile=0.8, 400 steps)",
        "sorl [steps=1,candidates=4]",
        "sorl [steps=8,candidates=1]",
    ]


def test_a_run_whose_files_hold_nonsense_is_named_and_the_rest_stays(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "bc", {0: 0.5, 1: 0.5})
    path = write_run(tmp_path, "a", "iql", {0: 0.5})
    (path / "run.json").write_text("{}")
    path = write_run(tmp_path, "a", "cql", {0: 0.5})
    lines = (path / "evaluations.jsonl").read_text()
    (path / "evaluations.jsonl").write_text(lines.replace("60.0", "null"))
    scores = scores_in(tmp_path)
    assert scores.matrix(Row("bc", "", 0, ""))[:, 0] == pytest.approx([0.5, 0.5])
    notes = "\n".join(scores.notes)
    assert "results: diagnostic/a/iql/r1 is left out: run.json lacks id, suite" in notes
    assert "run r1: the evaluation of seed 0 at step 4000 holds a return that is no number" in notes


def test_bold_is_the_best_and_what_cannot_be_told_from_it_unless_that_is_everything() -> None:
    draws = np.random.default_rng(0).normal(0, 0.01, (3, 1000))
    rows = [Row(name, "", 0, "") for name in "abc"]
    replicates = {
        row: draw + center for row, draw, center in zip(rows, draws, (0.5, 0.495, 0.1), strict=True)
    }
    found = {row: Estimate(float(r.mean()), *map(float, interval(r))) for row, r in replicates.items()}

    def bold(estimates: dict[Row, Estimate], lower: bool = False) -> list[str]:
        marked = embolden(estimates, replicates, lower)
        return [row.label for row, e in marked.items() if e.bold]

    assert bold(found) == ["a", "b"]
    assert bold(found, lower=True) == ["c"]
    assert bold({row: found[row] for row in rows[:2]}) == []  # nothing is told apart
    lone = dict(found) | {rows[0]: Estimate(found[rows[0]].value, np.nan, np.nan)}
    assert bold(lone) == []  # the best has one seed: no interval, no claim


def test_a_task_with_a_single_seed_has_no_interval(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.5})
    summary = summarize(scores_in(tmp_path), 50)
    row = summary.order[0]
    assert summary.aggregates[row]["IQM"].value == pytest.approx(0.5)
    assert np.isnan(summary.aggregates[row]["IQM"].low)
    assert np.isnan(summary.tasks[row, "a"].high)
