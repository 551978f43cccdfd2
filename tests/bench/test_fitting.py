"""As many seeds together as fit in memory, measured and not guessed."""

from functools import partial

import numpy as np
import pytest

from algorithms import ALGORITHMS
from bench import fitting
from bench.errors import UserError


def make(hidden: tuple[int, ...] = (8,)):
    return ALGORITHMS["bc"](ALGORITHMS["bc"].Config(hidden=hidden, batch_size=8))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch):
    """Groups that take 50 and 10 more per seed, where 200 are free; the reserve is a fifth."""
    monkeypatch.setattr(fitting, "_peak", lambda make, obs, action, seeds, device: 50 + 10 * seeds)
    monkeypatch.setattr(fitting, "_state", lambda make, obs, action: 1)
    monkeypatch.setattr(fitting, "_free", lambda device: 200)
    return partial(fitting.largest_group, make, 3, 2)


def test_a_group_is_as_large_as_memory_allows(measured) -> None:
    assert measured(100, "cpu") == 11  # 50 + 11 * 10 = 160
    assert measured(4, "cpu") == 4
    assert measured(100, "cpu", jobs=2) == 3


def test_where_not_even_one_fits_the_user_is_told(measured) -> None:
    with pytest.raises(UserError, match="take a smaller network"):
        measured(100, "cpu", jobs=4)


def test_more_seeds_and_larger_networks_take_more_memory() -> None:
    large = partial(make, (512, 512))
    # The peak that this process has reached must not hide what its children need.
    np.ones(2**27)
    assert fitting._peak(large, 3, 2, 1, "cpu") < fitting._peak(large, 3, 2, 16, "cpu")
    # weights, gradients and two moments of 4 bytes: (3 * 8 + 8) + (8 * 2 + 2)
    assert fitting._state(make(), 3, 2) == 16 * (32 + 18)
    assert fitting._free("cpu") > 2**20
