"""Batches and noise are functions of (seed, name, number of the update) and of nothing else."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.algorithm import Choice, Every, Noise
from bench.dataset import Dataset, Episode
from bench.sampler import CHUNK, Sampler, draw
from bench.streams import stream

N = 40
DATA = Dataset.from_episodes(
    Episode(
        obs=np.arange(first, first + 11.0)[:, None],  # the observation of row i is its number (plus episodes)
        action=np.zeros((10, 1)),
        reward=np.arange(first, first + 10.0),
        terminal=True,
    )
    for first in range(0, N, 10)
)
DECLARED = {
    "z": Noise.normal(3),
    "u": Noise.uniform(2, 2),
    "k": Noise.integers(5, 4),
    "steps": Choice(1, 2, 4, 8),
    "late": Every(2),
}


def sampler(seeds: tuple[int, ...] = (0, 1, 2), **declared: Any) -> Sampler:
    return Sampler(DATA, declared or DECLARED, 16, seeds)


def seen(source: Sampler, step: int) -> dict[str, Any]:
    """Everything that the update of this number sees, by name."""
    batch, noise = source(step)
    tensors = {name: tensor.clone() for name, tensor in (batch._asdict() | noise.tensors).items()}
    return tensors | noise.choices


def equal(
    first: dict[str, Any], second: dict[str, Any], row: Any = slice(None), other: Any = slice(None)
) -> bool:
    """Whether the row of one is the other row of the other, for all that both have."""
    return all(
        torch.equal(value[row], second[name][other]) if isinstance(value, Tensor) else value == second[name]
        for name, value in first.items()
        if name in second
    )


def test_a_seed_sees_the_same_alone_and_in_a_group() -> None:
    group, alone = sampler((3, 8, 5)), sampler((8,))
    for step in (0, 1, CHUNK - 1, CHUNK, 3 * CHUNK + 7):
        assert equal(seen(group, step), seen(alone, step), row=1, other=0)


def test_different_seeds_and_different_updates_see_different_things() -> None:
    now, later, next_chunk = (seen(sampler(), step) for step in (0, 1, CHUNK))
    for name in ("reward", "z", "u", "k"):
        assert not torch.equal(now[name][0], now[name][1]), name
        assert not torch.equal(now[name], later[name]), name
        assert not torch.equal(now[name], next_chunk[name]), name


@pytest.mark.parametrize("restart", [1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_a_restart_at_any_update_goes_on_with_the_same_numbers(restart: int) -> None:
    straight, continued = sampler(), sampler()
    expected = [seen(straight, step) for step in range(3 * CHUNK)]
    for step in range(restart, 3 * CHUNK):
        assert equal(expected[step], seen(continued, step)), step


def test_algorithms_with_different_noise_see_the_same_batches() -> None:
    first, second = sampler(z=Noise.normal(3)), sampler(other=Noise.uniform(100), steps=Choice(1, 2))
    for step in (0, 5, CHUNK):
        assert equal(first(step)[0]._asdict(), second(step)[0]._asdict())


def test_adding_a_noise_does_not_change_the_others() -> None:
    few = sampler(z=Noise.normal(3), steps=Choice(1, 2, 4, 8))
    many = sampler(first=Noise.normal(3), early=Choice(5, 6), **DECLARED)
    for step in (0, 5, CHUNK):
        assert equal(seen(few, step), seen(many, step))
        assert not torch.equal(seen(many, step)["first"], seen(many, step)["z"])


def test_a_batch_holds_whole_rows_of_the_data() -> None:
    batch, _ = sampler()(4)
    assert batch.obs.shape == (3, 16, 1)
    assert batch.reward.shape == batch.terminal.shape == (3, 16)
    assert torch.equal(batch.obs[..., 0], batch.reward)
    assert torch.equal(batch.next_obs, batch.obs + 1)
    assert torch.equal(batch.terminal, (batch.reward % 10 == 9).float())


def test_every_row_of_the_data_is_drawn_about_equally_often() -> None:
    source = sampler()
    rows = torch.cat([source(step)[0].reward.flatten() for step in range(200)])
    counts = torch.bincount(rows.long(), minlength=N)  # mean 240, standard deviation 15.3
    assert counts.min() > 240 - 5 * 15.3
    assert counts.max() < 240 + 5 * 15.3


def test_noise_has_the_declared_shapes_types_and_distributions() -> None:
    source = sampler(z=Noise.normal(50), u=Noise.uniform(50), k=Noise.integers(5, 50))
    parts = [source(step)[1].tensors for step in range(64)]
    z, u, k = (torch.stack([part[name] for part in parts]) for name in ("z", "u", "k"))  # (64, 3, 50)
    assert z.shape == u.shape == k.shape == (64, 3, 50)
    assert z.dtype == u.dtype == torch.float32
    assert k.dtype == torch.int64
    assert abs(z.mean()) < 0.05
    assert abs(z.std() - 1) < 0.05
    assert abs((z.abs() < 1).float().mean() - 0.6827) < 0.03
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 0.02
    assert sorted(k.unique().tolist()) == [0, 1, 2, 3, 4]
    assert torch.bincount(k.flatten()).min() > 0.9 * k.numel() / 5


def test_a_number_may_be_drawn_without_a_shape() -> None:
    assert sampler(z=Noise.normal())(0)[1].tensors["z"].shape == (3,)


def test_draw_puts_the_lead_in_front_of_the_declared_shape() -> None:
    assert draw(Noise.normal(3, 2), (4,), stream("x")).shape == (4, 3, 2)
    assert draw(Noise.integers(1, 2), (), stream("x")).tolist() == [0, 0]


def test_a_choice_does_not_depend_on_the_seeds_and_takes_all_values_about_equally_often() -> None:
    one, other = sampler((0, 1, 2)), sampler((77,))
    chosen = [one._choose("steps", one.choices["steps"], step) for step in range(2000)]
    assert chosen == [other._choose("steps", other.choices["steps"], step) for step in range(2000)]
    counts = Counter(chosen)
    assert set(counts) == {1, 2, 4, 8}
    assert max(abs(count - 500) for count in counts.values()) < 100  # 5 standard deviations
    assert seen(one, 3)["steps"] == chosen[3]


def test_a_choice_comes_out_as_the_object_that_was_given() -> None:
    values = ("mean", None, (1, 2))
    found = {sampler(kind=Choice(*values))(step)[1].kind for step in range(40)}
    assert found == set(values)


def test_every_second_update_is_the_second_the_fourth_and_so_on() -> None:
    source = sampler()
    assert [source(step)[1].late for step in range(7)] == [False, True, False, True, False, True, False]
    always = sampler(late=Every(1))
    assert all(always(step)[1].late is True for step in range(3))
    third = sampler(late=Every(3))
    assert [step for step in range(9) if third(step)[1].late] == [2, 5, 8]
