"""A data set takes at most twice its size in memory, from its file to the last update."""

import pytest
from peak import measure

LIMIT = 2.0


@pytest.mark.parametrize("kind", ["ogbench", "d4rl-float64"])
def test_peak_memory_is_within_twice_the_size_of_the_data(kind: str) -> None:
    ratio, size = measure(kind, 200_000, updates=5)
    assert size > 30e6
    assert 1.0 < ratio <= LIMIT
