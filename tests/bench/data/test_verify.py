"""Every problem of a data set is said once, with its place, and sound data gets no sentence."""

import hashlib
import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.verify import Column, check_columns, check_episode_ends, sha256_of

COLUMNS = (
    Column("observations", 3, dtype="float32"),
    Column("actions", -1, -1, 1),
    Column("terminals", None, 0, 1, kinds="fb"),
    Column("buttons", None, kinds="iu", optional=True),
)


def sound(rows: int = 2000) -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(0)
    return {
        "observations": numbers.normal(size=(rows, 3)).astype(np.float32),
        "actions": numbers.uniform(-1, 1, (rows, 2)).astype(np.float32),
        "terminals": np.arange(rows) % 10 == 9,
    }


def problems(**changed: Any) -> list[str]:
    return list(check_columns("data.npz", sound() | changed, COLUMNS))


def changed(name: str, *cells: tuple[Any, float]) -> np.ndarray:
    array = sound()[name]
    for place, value in cells:
        array[place] = value
    return array


def test_sound_data_gets_no_sentence() -> None:
    assert problems() == []
    assert problems(buttons=np.arange(2000), more=np.zeros((1, 2, 3))) == []
    assert problems(actions=changed("actions", ((0, 0), -1), ((1, 1), 1))) == []  # the bounds are inside


def test_a_missing_column_is_said_with_those_there_are() -> None:
    arrays = sound()
    del arrays["actions"]
    assert list(check_columns("a.npz", arrays, COLUMNS)) == [
        "a.npz: actions is missing; there are observations, terminals"
    ]
    assert list(check_columns("a.npz", {}, COLUMNS[:1])) == [
        "a.npz: observations is missing; there are no arrays"
    ]


@pytest.mark.parametrize(
    ("name", "array", "sentences"),
    [
        ("observations", np.zeros((2000, 4), "f4"), ["has the shape (2000, 4); wanted is (rows, 3)"]),
        ("actions", np.zeros(2000), ["has the shape (2000,); wanted is (rows, any)"]),
        ("terminals", np.zeros((2000, 1)), ["has the shape (2000, 1); wanted is (rows,)"]),
        ("terminals", np.array(1.0), ["has the shape (); wanted is (rows,)"]),
        ("terminals", np.zeros((2000, 1, 1, 2)), ["has the shape (2000, 1, 1, 2); wanted is (rows,)"]),
        ("terminals", np.zeros(1999), ["has 1,999 rows; the first column has 2,000"]),
        ("terminals", np.zeros(0), ["has 0 rows; the first column has 2,000"]),
        ("terminals", np.array(None), ["has the shape (); wanted is (rows,)", "holds object; allowed is float or bool"]),
        ("terminals", np.full(2000, None), ["holds object; allowed is float or bool"]),
        ("terminals", np.full(2000, "yes"), ["holds <U3; allowed is float or bool"]),
        ("terminals", np.zeros(2000, int), ["holds int64; allowed is float or bool"]),
        ("observations", np.zeros((2000, 3)), ["holds float64; the official files hold float32"]),
        ("observations", np.zeros((2000, 3), ">f4"), ["holds >f4; the official files hold float32"]),
        ("buttons", np.full(2000, -2.0), ["holds float64; allowed is int or uint"]),
    ],
)  # fmt: skip
def test_shape_and_kind_are_checked(name: str, array: np.ndarray, sentences: list[str]) -> None:
    assert problems(**{name: array}) == [f"data.npz: {name} {sentence}" for sentence in sentences]


def test_data_without_rows_is_said_once() -> None:
    assert list(check_columns("a.npz", sound(0), COLUMNS)) == ["a.npz: observations has no rows"]


def test_what_is_not_finite_is_said_with_the_first_row_and_the_number_of_rows() -> None:
    array = changed("observations", ((1234, 1), np.nan), ((1234, 2), np.inf), ((1500, 0), -np.inf))
    assert problems(observations=array) == [
        "data.npz: observations, row 1,234: nan is not finite (and 1 more row)"
    ]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_one_number_that_is_not_finite_is_found_without_bounds_too(value: float) -> None:
    array = changed("observations", ((7, 2), value))
    assert problems(observations=array) == [f"data.npz: observations, row 7: {value} is not finite"]


def test_what_is_out_of_bounds_is_said_with_value_bounds_and_number_of_rows() -> None:
    array = changed("actions", ((1234, 1), 1.37), *(((row, 0), -2) for row in (1300, 1400, 1999)))
    assert problems(actions=array) == [
        "data.npz: actions, row 1,234: 1.37 is outside [-1, 1] (and 3 more rows)"
    ]


def test_one_number_below_the_bounds_is_enough() -> None:
    array = changed("actions", ((5, 0), -1.5))
    assert problems(actions=array) == ["data.npz: actions, row 5: -1.5 is outside [-1, 1]"]


def test_rows_are_compared_with_the_first_column_not_with_the_one_before() -> None:
    found = problems(actions=np.zeros((1999, 2)), terminals=np.zeros(1999))
    assert found == [
        f"data.npz: {name} has 1,999 rows; the first column has 2,000" for name in ("actions", "terminals")
    ]


def test_a_number_barely_out_of_bounds_is_not_shown_as_the_bound() -> None:
    array = changed("actions", ((0, 0), np.nextafter(np.float32(1), np.float32(2))))
    assert problems(actions=array) == ["data.npz: actions, row 0: 1.0000001 is outside [-1, 1]"]


def test_bounds_are_those_of_the_array_s_precision() -> None:
    column = Column("actions", None, -0.1, 0.1)
    assert list(check_columns("a", {"actions": np.float32([0.1, -0.1])}, [column])) == []


def test_infinity_is_not_said_twice_and_hides_no_number_out_of_bounds() -> None:
    array = changed("actions", ((3, 0), np.inf), ((9, 1), 5))
    assert problems(actions=array) == [
        "data.npz: actions, row 3: inf is not finite",
        "data.npz: actions, row 9: 5.0 is outside [-1, 1]",
    ]


def test_every_problem_is_said() -> None:
    found = problems(
        observations=np.full((2000, 2), np.nan), actions=np.full((5, 2), 3.0), terminals=np.zeros(())
    )
    assert len(found) == 6  # width, dtype and NaN; rows and bounds; dimensions
    assert all(sentence.startswith("data.npz: ") for sentence in found)


def test_arrays_that_cannot_be_read_are_a_problem_of_theirs_alone() -> None:
    file = io.BytesIO()
    np.savez(file, **(sound() | {"terminals": np.full(2000, None)}))
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        (found,) = check_columns("a.npz", arrays, COLUMNS)
    assert found.startswith("a.npz: terminals cannot be read (")


def test_a_damaged_archive_is_a_sentence() -> None:
    file = io.BytesIO()
    np.savez(file, **sound())
    with zipfile.ZipFile(file) as archive:
        start = archive.getinfo("observations.npy").header_offset
    file.seek(start + 5000)
    file.write(b"damaged")
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        (found,) = check_columns("a.npz", arrays, COLUMNS)
    assert found.startswith("a.npz: observations cannot be read (")


def test_two_million_rows_are_checked_without_a_copy() -> None:
    array = np.full((2_000_000, 30), 0.5, np.float32)
    tracemalloc.start()
    assert list(check_columns("a", {"observations": array}, [Column("observations", 30, -1, 1)])) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < array.nbytes / 100


def ends(*lengths: int, rest: int = 0) -> np.ndarray:
    """Flags of episodes of these lengths, and `rest` more rows."""
    flags = np.zeros(sum(lengths) + rest)
    flags[np.cumsum(lengths, dtype=int) - 1] = 1
    return flags


def test_sound_ends_get_no_sentence() -> None:
    for flags in (ends(3, 3, 3), ends(3, 3, 3).astype(bool), ends(3, 3, 3).astype(np.uint8)):
        assert list(check_episode_ends("a", flags, 3)) == []
    assert list(check_episode_ends("a", ends(2, 3, 9), None)) == []


def test_a_last_row_that_ends_no_episode_is_said() -> None:
    sentence = "a.npz: the last row, {}, does not end an episode; the file may be cut off"
    assert list(check_episode_ends("a.npz", ends(3, 3, rest=2), 3)) == [sentence.format(7)]
    assert list(check_episode_ends("a.npz", np.zeros(1500), 3)) == [sentence.format("1,499")]


def test_episodes_of_another_length_are_said_with_the_rows_of_the_first() -> None:
    assert list(check_episode_ends("a", ends(5, 4, 5, 6, 1), 5)) == [
        "a: episode 1 has 4 rows (row 5 to 8); every episode has 5 (and 2 more episodes)"
    ]


def test_an_episode_of_one_row_has_no_transition() -> None:
    assert list(check_episode_ends("a", ends(1, 5, 1), None)) == [
        "a: episode 0 has 1 row (row 0 to 0); an episode needs two at least (and 1 more episode)"
    ]


@pytest.mark.parametrize("value", [0.5, np.nan, 2, -1])
def test_a_flag_is_0_or_1(value: float) -> None:
    flags = ends(3, 3)
    flags[4] = value
    assert list(check_episode_ends("a", flags, 3)) == [
        f"a: end of episode, row 4: {float(value)} is neither 0 nor 1"
    ]


@pytest.mark.parametrize(
    "flags", [np.zeros(0), np.array(True), np.zeros((3, 1)), np.array([None, 1], object)]
)
def test_flags_without_meaning_are_left_to_the_check_of_columns(flags: np.ndarray) -> None:
    assert list(check_episode_ends("a", flags, 3)) == []


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(3_000_001)
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()
