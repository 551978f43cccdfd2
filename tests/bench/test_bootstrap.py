"""What is resampled: episodes, seeds and tasks, on records whose numbers are known."""

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
from rliable import library, metrics
from synthetic import write_run

from bench import report
from bench.bootstrap import BOOTSTRAPS, draw, draw_tasks, episode_scores
from bench.cli import main
from bench.errors import UserError
from bench.metrics import METRICS, average_profile, improvement, mean, profile, task_means
from bench.protocol import PROTOCOLS
from bench.scores import Row, Scores, load
from bench.stats import summarize

IQL, BC = Row("iql", "", 0, ""), Row("bc", "", 0, "")
RLIABLE = {
    "IQM": metrics.aggregate_iqm,
    "Median": metrics.aggregate_median,
    "Mean": metrics.aggregate_mean,
    "Optimality gap": metrics.aggregate_optimality_gap,
}


def scores_in(results: Path, protocol: str = "final") -> Scores:
    return load(results, "diagnostic", PROTOCOLS[protocol])


def write_two(results: Path, spread: float = 0.2, **options: object) -> None:
    for task, level in (("a", 0.4), ("b", 0.7), ("c", 0.5)):
        write_run(results, task, "iql", {s: level + 0.05 * s for s in range(4)}, spread=spread, **options)
        write_run(results, task, "bc", {s: level - 0.02 * s for s in range(4)}, spread=spread, **options)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_mean_of_the_episodes_is_the_score_under_every_protocol(tmp_path: Path, protocol: str) -> None:
    write_two(tmp_path, episodes=7, evaluations=10)  # protocol fql needs those at 80, 90 and 100%
    scores = scores_in(tmp_path, protocol)
    for cell in scores.cells[IQL, "a"].values():
        episodes = episode_scores(cell, scores.protocol)
        assert len(episodes) == 7
        assert episodes.mean() == pytest.approx(cell.score)
        assert episodes.std() > 0.03


def test_episodes_of_several_evaluations_are_averaged_one_by_one(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.5}, spread=0.3, episodes=5)
    scores = scores_in(tmp_path, "last-3")
    cell = scores.cells[IQL, "a"][0]
    lines = [(np.array(line["returns"]) - 10) / 100 for line in cell.run.evaluations[-3:]]
    assert episode_scores(cell, scores.protocol) == pytest.approx(np.mean(lines, axis=0))


def test_episodes_alone_vary_around_the_score_of_each_seed_by_their_standard_error(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.5, 1: 0.9}, spread=0.3, episodes=30)
    scores = scores_in(tmp_path)
    draws = draw(scores, IQL, 4000, "episodes")
    for s, cell in scores.cells[IQL, "a"].items():
        drawn = draws.scores[:, s, 0]
        error = episode_scores(cell, scores.protocol).std() / math.sqrt(30)
        assert drawn.mean() == pytest.approx(cell.score, abs=4 * error / math.sqrt(4000))
        assert drawn.std() == pytest.approx(error, rel=0.06)


def test_the_hierarchical_variance_is_that_of_seeds_and_that_of_episodes_together(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.3, 1: 0.5, 2: 0.8}, spread=0.4, episodes=20)
    scores = scores_in(tmp_path)
    found = {}
    for name in ("seeds", "episodes", "hierarchical"):
        draws = draw(scores, IQL, 20_000, name)
        found[name] = float(mean(draws.scores, draws.counts).var())
    assert found["hierarchical"] == pytest.approx(found["seeds"] + found["episodes"], rel=0.05)
    assert found["episodes"] > 0.1 * found["seeds"]  # so that the sum is not one of its parts


def test_a_seed_that_is_drawn_twice_draws_its_episodes_twice(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.3, 1: 0.6}, spread=0.4, episodes=20)
    drawn = draw(scores_in(tmp_path), IQL, 500, "hierarchical").scores[:, :, 0]
    assert (drawn[:, 0] != drawn[:, 1]).mean() > 0.97  # about half of the replicates draw one seed twice


def test_one_seed_has_an_interval_from_its_episodes_but_never_from_seeds(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.5}, spread=0.3, episodes=20)
    scores = scores_in(tmp_path)
    found = {name: summarize(scores, 300, name).aggregates[IQL]["Mean"] for name in BOOTSTRAPS}
    assert found["episodes"].low < found["episodes"].value < found["episodes"].high
    assert all(math.isnan(found[name].low) for name in ("seeds", "hierarchical", "tasks"))
    assert len({e.value for e in found.values()}) == 1


def test_one_episode_has_no_interval_from_episodes(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.5, 1: 0.6}, episodes=1)
    summary = summarize(scores_in(tmp_path), 50, "episodes")
    assert math.isnan(summary.tasks[IQL, "a"].low)
    assert math.isnan(summary.aggregates[IQL]["IQM"].high)


@pytest.mark.parametrize("name", ["episodes", "hierarchical"])
def test_diverged_missing_and_ragged_seeds_pass_through_every_statistic(tmp_path: Path, name: str) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.5, 1: 0.6, 2: 0.7}, spread=0.2, diverged={1: 2000})
    write_run(tmp_path, "b", "iql", {0: 0.5, 2: 0.7}, spread=0.2, episodes=8)
    write_run(tmp_path, "a", "bc", {0: 0.5, 1: 0.6}, spread=0.2)
    write_run(tmp_path, "b", "bc", {5: 0.5, 6: 0.6, 7: 0.6, 8: 0.6}, spread=0.2, skipped=[8], finished=False)
    scores = scores_in(tmp_path)
    draws = draw(scores, IQL, 400, name)
    assert (draws.counts.sum(2) == np.array([[3], [2]])).all()
    if name == "episodes":
        assert (draws.scores[:, 1, 0] == 0).all()  # diverged
    summary = summarize(scores, 400, name)
    for row in (IQL, BC):
        for e in summary.aggregates[row].values():
            assert e.low < e.value < e.high
        assert not np.isnan(summary.profiles[row]).any()
        assert summary.ranks[row].low <= summary.ranks[row].value <= summary.ranks[row].high
    assert 0 < summary.improvement[IQL, BC].low < 1


def test_drawn_tasks_are_those_of_rliables_task_bootstrap_on_the_same_indices(tmp_path: Path) -> None:
    class Given(library.StratifiedBootstrap):
        """rliable's bootstrap over seeds and tasks on indices that are ours."""

        def update_indices(self) -> tuple[np.ndarray, ...]:
            seeds, tasks = next(given)
            return (seeds[:, tasks], tasks[None])

    write_two(tmp_path, spread=0.3)
    scores = scores_in(tmp_path)
    matrix = scores.matrix(IQL)
    tasks = draw_tasks(200, "tasks", scores.suite, scores.tasks)
    assert tasks is not None
    within = draw(scores, IQL, 200, "tasks")
    ours = within.over(tasks)
    # the counts of ours, written out as indices
    seeds = [[np.repeat(np.arange(4), c) for c in of_tasks] for of_tasks in within.counts.transpose(1, 0, 2)]
    given = iter(zip([np.array(each).T for each in seeds], tasks, strict=True))
    for name, metric in METRICS.items():
        given = iter(zip([np.array(each).T for each in seeds], tasks, strict=True))
        theirs = Given(matrix).conf_int(RLIABLE[name], reps=200, method="percentile")[:, 0]
        assert np.percentile(metric(ours.scores, ours.counts), [2.5, 97.5]) == pytest.approx(
            theirs, abs=1e-12
        )


def test_numbers_of_their_own_and_counts_give_the_same_statistics(tmp_path: Path) -> None:
    write_two(tmp_path, spread=0.3)
    write_run(tmp_path, "d", "iql", {0: 0.2, 5: 0.9})
    write_run(tmp_path, "d", "bc", {0: 0.2, 1: 0.4, 2: 0.6})
    scores = scores_in(tmp_path)
    thresholds = np.linspace(0, 1, 11)
    x, y = (draw(scores, row, 50) for row in (IQL, BC))
    every = np.tile(np.arange(4), (50, 1))  # every task once: changes the form, not the draws
    u, v = x.over(every), y.over(every)
    assert x.scores.ndim == 2
    assert u.scores.ndim == 3
    for function in (*METRICS.values(), task_means):
        assert function(u.scores, u.counts) == pytest.approx(function(x.scores, x.counts), abs=1e-12)
    for function in (profile, average_profile):
        first, second = function(u.scores, u.counts, thresholds), function(x.scores, x.counts, thresholds)
        assert first == pytest.approx(second, abs=1e-12)
    found = improvement(u.scores, v.scores, u.counts, v.counts)
    assert found == pytest.approx(improvement(x.scores, y.scores, x.counts, y.counts), abs=1e-12)


def test_all_rows_draw_the_same_tasks(tmp_path: Path) -> None:
    for task, level in (("a", 0.1), ("b", 0.5), ("c", 0.9)):
        for algorithm, more in (("iql", 0.05), ("bc", 0.0)):
            write_run(tmp_path, task, algorithm, {0: level + more, 1: level + more})
    summary = summarize(scores_in(tmp_path), 300, "tasks")
    assert summary.aggregates[IQL]["Mean"].low < summary.aggregates[BC]["Mean"].high  # tasks differ much
    assert summary.aggregates[IQL]["Mean"].bold  # but on every task iql is better
    assert not summary.aggregates[BC]["Mean"].bold


@pytest.mark.parametrize("name", BOOTSTRAPS)
def test_every_command_takes_the_option_and_says_what_was_resampled(
    tmp_path: Path, capsys, name: str
) -> None:
    write_two(tmp_path)
    for words in ("report diagnostic", "compare iql bc diagnostic", "compare diagnostic --all"):
        given = [*words.split(), "--results", str(tmp_path), "--replicates", "50", "--bootstrap", name]
        assert main(given) == 0
        text = capsys.readouterr().out
        assert f"({BOOTSTRAPS[name]}" in text
        assert main(given) == 0
        assert capsys.readouterr().out == text


def test_an_unknown_bootstrap_is_a_user_error(tmp_path: Path) -> None:
    write_two(tmp_path)
    with pytest.raises(UserError, match="unknown bootstrap 'seed'; did you mean 'seeds'"):
        report.render(tmp_path, "diagnostic", "md", PROTOCOLS["final"], bootstrap="seed")


def test_other_rows_do_not_change_the_intervals_of_episodes(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "iql", {0: 0.5, 1: 0.6}, spread=0.3)
    options = {"replicates": 100, "bootstrap": "hierarchical"}
    first = report.render(tmp_path, "diagnostic", "csv", PROTOCOLS["final"], **options)  # type: ignore[arg-type]
    write_run(tmp_path, "a", "bc", {0: 0.5, 1: 0.6}, spread=0.3)
    second = report.render(tmp_path, "diagnostic", "csv", PROTOCOLS["final"], **options)  # type: ignore[arg-type]
    before, after = (list(csv.DictReader(io.StringIO(text))) for text in (first, second))
    wanted = [line for line in before if line["row"] == "iql" and line["level"] in ("aggregate", "task")]
    assert len(wanted) == 5
    assert all(line in after for line in wanted)
