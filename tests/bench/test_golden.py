"""The printed tables, byte for byte. After a change that is meant: python tests/bench/golden.py."""

from functools import cache

import pytest
from golden import GOLDEN, tables

made = cache(tables)


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_a_table_is_the_golden_one(name: str) -> None:
    text = made()[name]
    assert text == (GOLDEN / name).read_text(encoding="utf-8"), (
        "if that is meant: python tests/bench/golden.py"
    )


def test_no_golden_table_is_missing() -> None:
    assert sorted(made()) == sorted(path.name for path in GOLDEN.iterdir())
