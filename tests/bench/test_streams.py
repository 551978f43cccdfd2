"""A stream is a function of its name: equal names, equal numbers; different names, different numbers."""

import subprocess
import sys
from itertools import product

import numpy as np

from bench.streams import stream, stream_seed

NAMES = [
    *product(("batch", "noise/z", "choice"), range(12), range(12)),
    ("batch", 1, 11), ("batch", 11, 1), ("batch", 111), ("batch", "1", 1, 1), ("batch1", 1),
    ("batch", ""), ("batch",), ("", "batch"), ("batch", -1), ("batch", 2**40), ("Batch", 0),
]  # fmt: skip


def test_equal_names_give_equal_numbers_in_every_process() -> None:
    code = "from bench.streams import *; print(stream_seed('a', 1), *stream('a', 1).integers(10**9, size=3))"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.split() == [str(stream_seed("a", 1)), *map(str, stream("a", 1).integers(10**9, size=3))]


def test_a_stream_starts_anew_whenever_it_is_opened() -> None:
    first, second = stream("a", 1), stream("a", 1)
    first.normal(size=100)
    assert np.array_equal(second.normal(size=5), stream("a", 1).normal(size=5))


def test_no_two_different_names_give_equal_streams_or_seeds() -> None:
    names = list(dict.fromkeys(NAMES))
    draws = {stream(*name).integers(2**63, size=2).tobytes() for name in names}
    assert len(draws) == len(names)
    assert len({stream_seed(*name) for name in names}) == len(names)


def test_neighbouring_streams_are_not_correlated() -> None:
    rows = np.stack([stream("batch", seed, 0).standard_normal(2000) for seed in range(20)])
    correlation = np.corrcoef(rows) - np.eye(20)
    assert np.abs(correlation).max() < 0.12  # 5 standard errors
    assert abs(rows.mean()) < 0.025
    assert abs(rows.std() - 1) < 0.02


def test_opening_a_stream_leaves_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()
    stream("a").normal(size=10)
    assert np.array_equal(np.random.get_state()[1], before)


def test_seeds_of_streams_fill_64_bits() -> None:
    seeds = [stream_seed("a", number) for number in range(500)]
    assert all(0 <= seed < 2**64 for seed in seeds)
    assert max(seeds) > 2**63 > min(seeds)
