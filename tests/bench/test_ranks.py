from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata
from synthetic import write_run

from bench import report
from bench.protocol import PROTOCOLS
from bench.ranks import mean_ranks, rank_shares, task_ranks
from bench.scores import Row, load
from bench.stats import summarize


def test_ranks_are_those_of_scipy_ties_included() -> None:
    means = np.round(np.random.default_rng(0).random((6, 5, 40)), 1)  # many ties
    better, equal = task_ranks(means)
    assert mean_ranks(better, equal) == pytest.approx(rankdata(-means, axis=0).mean(1))


def test_rounding_makes_no_rank() -> None:
    means = np.array([0.1 + 0.2, 0.3, 0.2])[:, None, None]
    assert mean_ranks(*task_ranks(means))[:, 0].tolist() == [1.5, 1.5, 3]


def test_shares_of_ranks_by_hand() -> None:
    means = np.array([[[0.9, 0.5]], [[0.5, 0.5]], [[0.1, 0.2]]])  # one task, two replicates
    shares = rank_shares(*task_ranks(means))
    assert shares.tolist() == [[0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0, 1]]


def test_shares_sum_to_one_over_ranks_and_over_rows() -> None:
    better, equal = task_ranks(np.round(np.random.default_rng(1).random((5, 4, 30)), 1))
    shares = rank_shares(better, equal)
    assert shares.sum(0) == pytest.approx(1)
    assert shares.sum(1) == pytest.approx(1)
    assert shares @ np.arange(1, 6) == pytest.approx(mean_ranks(better, equal).mean(1))


def write_three(results: Path) -> None:
    for task, level in (("a", 0.4), ("b", 0.7)):
        write_run(results, task, "iql", {0: level, 1: level + 0.02, 2: level + 0.04})
        write_run(results, task, "bc", {0: level + 0.01, 1: level, 2: level + 0.06})
        write_run(results, task, "cql", {0: 0.1, 1: 0.1, 2: 0.1})


def test_the_report_ranks_rows_that_have_every_task_and_names_the_others(tmp_path: Path) -> None:
    write_three(tmp_path)
    write_run(tmp_path, "a", "td3", {0: 0.99, 1: 0.99})
    text = report.render(tmp_path, "diagnostic", "md", PROTOCOLS["final"], replicates=300)
    table = text.split("### diagnostic: ranks over 2 tasks")[1].split("###")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert len(lines) == 5
    assert next(line for line in lines if line.startswith("| cql")).split() == [
        "|", "cql", "|", "3.00", "[3.00,", "3.00]", "|", "0.00", "|", "0.00", "|", "1.00", "|",
    ]  # fmt: skip
    assert "Without a rank, because a whole task is missing: td3." in table


def test_the_interval_shows_that_two_are_close(tmp_path: Path) -> None:
    write_three(tmp_path)
    summary = summarize(load(tmp_path, "diagnostic", PROTOCOLS["final"]), 500)
    bc = summary.ranks[Row("bc", "", 0, "")]
    assert (bc.value, bc.low, bc.high) == (1, 1, 2)
    assert summary.shares[Row("bc", "", 0, "")][:2].sum() == pytest.approx(1)
    assert bc.bold
    assert summary.ranks[Row("iql", "", 0, "")].bold
    assert not summary.ranks[Row("cql", "", 0, "")].bold


def test_a_single_seed_anywhere_takes_the_intervals_of_all_ranks(tmp_path: Path) -> None:
    write_three(tmp_path)
    write_run(tmp_path, "a", "td3", {0: 0.99})
    write_run(tmp_path, "b", "td3", {0: 0.99})
    summary = summarize(load(tmp_path, "diagnostic", PROTOCOLS["final"]), 50)
    assert all(np.isnan(e.low) and not np.isnan(e.value) for e in summary.ranks.values())
