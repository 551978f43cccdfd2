"""Runs commands in this process and says what every command promises, whatever it is given."""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.cli import main


def answer(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error. Whatever else is raised, is raised here."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(words))
        except SystemExit as end:  # argparse's --help
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


def keeps_its_promises(*words: str) -> tuple[int, str, str]:
    """The answer, after checking exit code, the one line of an error, and that nothing orders a terminal."""
    code, out, err = answer(*words)
    assert code in (0, 1, 2), words
    if code == 2:
        assert err.startswith("bench: "), (words, err)
        assert err.count("\n") == 1, (words, err)
    for line in (out + err).split("\n"):
        assert line.replace("\t", "").isprintable(), (words, line)
    (out + err).encode()  # halves of characters cannot be printed
    return code, out, err


@contextlib.contextmanager
def empty_folder() -> Iterator[Path]:
    """A working directory of its own; it has to be as empty afterwards, but for `results`."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            yield Path(name)
            assert {path.name for path in Path(name).iterdir()} <= {"results"}
        finally:
            os.chdir(before)
