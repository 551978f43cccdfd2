"""Whatever file `bench import` is given: taken whole and read back the same, or refused in one line, nothing written."""

import csv
import io
import math

from commands import empty_folder, keeps_its_promises
from hypothesis import example, given
from hypothesis import strategies as st

from bench.published.reported import read_published

NAMES = st.sampled_from(["iql", "ReBRAC", "=1+1", "<script>", "a,b", '"', "é", "\u202e", "\x1b[31m", "", " "])
TASKS = st.sampled_from(["gamble", "two-doors", "two-doors ", "walker", "gamble@made", "../gamble"])
NUMBERS = st.sampled_from(
    ["0", "12.5", "100", "-3", "1e3", "1e999", "nan", "inf", "", "twelve", "9" * 400, "1,5"]
)
COLUMNS = st.lists(
    st.sampled_from(
        ["algorithm", "task", "seed", "score", "step", "mean", "std", "n_seeds", "source", "scor"]
    ),
    max_size=8,
)


@given(st.binary(max_size=300))
@example(b"\xff\xfealgorithm,task")
@example(b"algorithm,task,seed,score\n" + b"\0" * 20)
def test_any_bytes_are_answered(content: bytes) -> None:
    imported(content)


@given(COLUMNS, st.lists(st.tuples(NAMES, TASKS, *[NUMBERS] * 6), max_size=6), st.sampled_from(",;\t"))
def test_tables_of_any_columns_are_answered(
    columns: list[str], lines: list[tuple[str, ...]], mark: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=mark)
    writer.writerows([columns, *(line[: len(columns)] for line in lines)])
    imported(text.getvalue().encode())


@given(st.lists(st.tuples(NAMES, TASKS, st.integers(0, 3), NUMBERS), min_size=1, max_size=6))
def test_what_is_taken_is_read_back_the_same(lines: list[tuple[str, str, int, str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("algorithm", "task", "seed", "score"), *lines])
    taken = imported(text.getvalue().encode())
    if taken is not None:
        given_scores = sorted(float(score) for *_, score in lines)
        read = sorted(100 * score for each in taken for score in each.seeds.values())
        assert all(math.isclose(a, b, abs_tol=1e-9) for a, b in zip(given_scores, read, strict=True))


def imported(content: bytes):
    """What was taken of the file; None where it was refused, after checking that nothing was written."""
    with empty_folder() as folder:
        file = folder / "results" / "given.csv"
        file.parent.mkdir()
        file.write_bytes(content)
        command = ["import", str(file), "--as", "given", "--suite", "diagnostic", "--source", "a test"]
        code, _, _ = keeps_its_promises(*command)
        written = folder / "results" / "published" / "given.csv"
        assert written.exists() == (code == 0)
        if code:
            return None
        taken, problems = read_published(folder / "results")
        assert not problems
        assert taken
        return taken
