"""A card says what a data set is: sizes by hand, TQ on the task's scale, SACo from cells that the data do not move."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.data import card as module
from bench.data.card import Card, cached_card, describe, from_json, lines, to_json
from bench.dataset import Dataset, Episode
from bench.errors import UserError
from bench.task import SUCCESS, Reference

SCALE = Reference(random=-10.0, best=10.0, source="by hand")


def episode(rewards: list[float], terminal: bool = False, start: float = 0.0) -> Episode:
    steps = len(rewards)
    return Episode(
        obs=np.arange(start, start + steps + 1)[:, None],
        action=np.zeros((steps, 1)),
        reward=np.array(rewards),
        terminal=terminal,
    )


def recorded_on(*episodes: list[int]) -> Dataset:
    """Episodes that go on beyond the goal: a list of flags `terminal` each, the last row also a timeout."""
    data = Dataset.from_episodes(episode([flag - 1.0 for flag in flags]) for flags in episodes)
    return dataclasses.replace(data, terminal=torch.tensor(np.concatenate(episodes), dtype=torch.float32))


def pairs(obs: np.ndarray, action: np.ndarray | None = None) -> Dataset:
    """One episode with these observations (N, D) and actions (N, A)."""
    action = np.zeros((len(obs), 1)) if action is None else action
    return Dataset.from_episodes(
        [Episode(np.concatenate([obs, obs[-1:]]), action, np.zeros(len(obs)), False)]
    )


def cells(obs: np.ndarray, action: np.ndarray | None = None) -> int:
    return describe(pairs(obs, action), SCALE).cells


def normal(rows: int, columns: int = 5, width: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, width, (rows, columns))


def test_sizes_lengths_and_returns_are_those_counted_by_hand() -> None:
    data = Dataset.from_episodes([episode([1, 2, 3], True), episode([4]), episode([-1, -1])])
    card = describe(data, SCALE)
    assert (card.episodes, card.transitions, card.obs_dim, card.action_dim) == (3, 6, 1, 1)
    assert card.length == (1, 2, 3)
    returns = card.returns
    assert (returns.minimum, returns.mean, returns.maximum) == (-2, pytest.approx(8 / 3), 6)
    assert (returns.edges[0], returns.edges[-1], len(returns.edges)) == (-2, 6, 25)
    assert (returns.counts[0], returns.counts[18], returns.counts[23], sum(returns.counts)) == (1, 1, 1, 3)


def test_equal_returns_are_one_bar() -> None:
    for value in (0.0, -1000.0, 1e9):
        card = describe(Dataset.from_episodes([episode([value])] * 3), SCALE)
        assert card.returns.counts == (3,)
    barely = Dataset.from_episodes(
        [episode([0.1] * 10), episode([1.0])]
    )  # 0.1 in single precision is not 0.1
    assert describe(barely, SCALE).returns.counts in ((2,), (1, *[0] * 22, 1))


def test_returns_are_summed_in_double_precision() -> None:
    data = Dataset.from_episodes([episode([1e8] + [1.0] * 1000)])
    assert describe(data, SCALE).returns.mean == 1e8 + 1000


def test_a_recording_ends_at_timeouts_and_at_terminals_that_are_not_continued() -> None:
    data = Dataset.from_episodes(
        [episode([0, 0], True), episode([0], True, 5), episode([0, 0]), episode([0])]
    )
    assert data.episode_ends().tolist() == [False, True, True, False, True, True]
    data = recorded_on([0, 1, 1, 0], [1, 1, 1], [0, 0])
    assert np.flatnonzero(data.episode_ends()).tolist() == [3, 6, 8]


def test_the_last_row_ends_the_last_episode_even_without_a_flag() -> None:
    data = Dataset.from_episodes([episode([1, 1]), episode([1, 1])])
    data.timeout[-1] = 0
    assert np.flatnonzero(data.episode_ends()).tolist() == [1, 3]


def test_quality_is_the_mean_return_on_the_scale_of_the_task() -> None:
    data = Dataset.from_episodes([episode([0, 10, 0]), episode([-10])])
    assert describe(data, SCALE).trajectory_quality == pytest.approx(0.5)
    assert describe(data, Reference(0, 5, "")).trajectory_quality == pytest.approx(0)


def test_quality_of_a_task_with_success_is_the_share_of_the_episodes_that_reach_the_goal() -> None:
    card = describe(recorded_on([0, 1, 1, 0], [0, 0, 0], [0, 0], [0, 0, 1]), SUCCESS)
    assert card.trajectory_quality == 0.5
    assert "0.500: share of the episodes" in "\n".join(lines(card))


def test_quality_is_unknown_where_the_scale_needs_successes_and_there_are_none() -> None:
    data = recorded_on([0, 0], [0, 0])
    assert describe(data, SUCCESS).trajectory_quality is None
    assert "unknown" in "\n".join(lines(describe(data, SUCCESS)))
    assert describe(data, SCALE).trajectory_quality == pytest.approx(0.4)  # each returns -2


def test_equal_pairs_are_one_cell_and_two_clusters_are_two() -> None:
    spot = np.full((1000, 5), 3.0)
    assert cells(spot) == 1
    far = np.concatenate([spot, spot + 20])
    assert cells(far) == 2
    assert describe(pairs(far), SCALE).coverage == 2 / 2000


def test_a_narrow_cloud_around_zero_is_one_cell() -> None:
    assert cells(normal(1000, width=0.01)) == 1


def test_actions_count_as_observations_do() -> None:
    still = np.zeros((1000, 5))
    action = np.random.default_rng(0).choice([-1.0, 1.0], (1000, 3))
    assert cells(still) == 1
    assert cells(still, action) == 8


def test_spread_data_is_in_many_cells_and_the_wider_of_two_covers_more() -> None:
    narrow, wide, wider = (cells(normal(20_000, width=width)) for width in (0.3, 1, 3))
    assert 50 < narrow < wide / 5
    assert wide < wider < 20_000


def test_more_transitions_never_have_fewer_cells() -> None:
    one, other = normal(5000), normal(5000, width=2, seed=1)
    both = cells(np.concatenate([one, other]))
    assert max(cells(one), cells(other)) < both <= cells(one) + cells(other)


def test_cells_are_exact() -> None:
    """Against a count of the cells themselves."""
    obs, action = normal(30_000, 4, 2).astype(np.float32), np.zeros((30_000, 1), np.float32)
    projection = np.random.RandomState(0).normal(size=(5, 6))
    rounded = np.rint(np.concatenate([np.arcsinh(obs), action], 1).astype(np.float64) @ projection)
    assert cells(obs, action) == len({tuple(row) for row in rounded.tolist()})


def test_the_order_of_the_transitions_changes_no_coverage() -> None:
    obs = normal(70_001)
    shuffled = np.random.default_rng(1).permutation(obs)
    assert cells(obs) == cells(shuffled)


def test_of_very_large_data_evenly_spaced_transitions_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNTED", 4)
    far = np.repeat(np.arange(5.0), 2)[:, None] ** 3 * 100  # five places, two rows each
    card = describe(pairs(far), SCALE)
    assert (card.counted, card.cells, card.coverage) == (4, 4, 1.0)  # rows 0, 3, 6 and 9
    assert "4 evenly spaced transitions" in "\n".join(lines(card))
    assert "10" in lines(card)[0]


def test_data_without_transitions_has_no_card() -> None:
    whole = pairs(normal(3))
    empty = Dataset(**{f.name: getattr(whole, f.name)[:0] for f in dataclasses.fields(Dataset)})
    with pytest.raises(UserError, match="no transitions"):
        describe(empty, SCALE)


def cards() -> list[Card]:
    data = recorded_on([0, 1, 1, 0], [0, 0, 0])
    return [describe(data, SCALE), describe(data, SUCCESS), describe(recorded_on([0, 0]), SUCCESS)]


@pytest.mark.parametrize("card", cards())
def test_a_card_survives_json(card: Card) -> None:
    plain = to_json(card)
    text = json.dumps(plain, allow_nan=False)
    assert json.loads(text) == plain
    assert from_json(json.loads(text)) == card


@pytest.mark.parametrize(
    "data", [{}, [], None, "card", {"returns": 3}, {"returns": {"edges": [], "counts": []}}]
)
def test_what_is_no_card_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="no card"):
        from_json(data)


def test_a_card_with_something_more_or_less_is_refused() -> None:
    whole = to_json(cards()[0])
    for key in whole:
        with pytest.raises(ValueError, match="no card"):
            from_json({k: v for k, v in whole.items() if k != key})
    with pytest.raises(ValueError, match="no card"):
        from_json(whole | {"more": 1})


def test_the_card_in_a_terminal() -> None:
    data = Dataset.from_episodes([*[episode([100.5] * 10)] * 7, episode([0.0] * 1200), episode([2000.0])])
    assert lines(describe(data, Reference(0, 1000, ""))) == [
        "transitions  1,271; observations of 1 numbers, actions of 1",
        "episodes     9; 1 to 1,200 transitions, mean 141.2",
        "return       0 ▂           █          ▂ 2,000, mean 1,003.9",
        "TQ           1.004: mean return; 0 is a random policy, 1 the best known",
        "SACo         0.036: 46 distinct cells among 1,271 transitions",
        "             (the reference is the number of transitions, not the paper's replay buffer;",
        "             compare data sets of one environment only)",
    ]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    return tmp_path / "cards"


def never() -> Card:
    raise AssertionError("made again")


def test_a_card_is_made_once_for_data_and_scale(cache: Path) -> None:
    first, second, third = cards()
    assert cached_card("a1", SCALE, lambda: first) == first
    assert cached_card("a1", SCALE, never) == first
    assert cached_card("b2", SCALE, lambda: second) == second
    other_scale = dataclasses.replace(SCALE, best=11.0)
    assert cached_card("a1", other_scale, lambda: third) == third
    assert cached_card("a1", SCALE, never) == first
    assert len(list(cache.iterdir())) == 3  # and nothing half-written


def test_a_card_of_another_version_is_not_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, _ = cards()
    cached_card("a1", SCALE, lambda: first)
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    assert cached_card("a1", SCALE, lambda: second) == second


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"card": {}}', "\0\xff", "digit"])
def test_a_damaged_file_is_made_again(cache: Path, damage: str) -> None:
    first = cards()[0]
    cached_card("a1", SCALE, lambda: first)
    (path,) = cache.iterdir()
    text = path.read_text()
    path.write_bytes(
        (text.replace('"cells": ', '"cells": 1') if damage == "digit" else damage).encode("latin-1")
    )
    made = []
    assert cached_card("a1", SCALE, lambda: made.append(1) or first) == first
    assert made == [1]
    assert path.read_text() == text


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="BENCH_CACHE"):
        cached_card("a1", SCALE, lambda: cards()[0])
