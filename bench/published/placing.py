"""Which suite a reported task belongs to, and whether it is one of its tasks or somebody's own words."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from bench.errors import UserError, unknown
from bench.published.text import Line
from bench.task import Suite

_VERSION = re.compile(r"-v\d+$")


class Places:
    """The tasks of all suites by name; lists of tasks of another suite count as that suite."""

    def __init__(self, suites: Mapping[str, Suite], chosen: str | None) -> None:
        """chosen: the suite of every line that names none. Raises UserError where there is no such suite."""
        self.known = set(suites)
        self.tasks = {name: suite for name, suite in suites.items() if name == suite.home}
        self.chosen = None if chosen is None else self._home(chosen)

    def _home(self, name: str, where: str = "") -> str:
        if name not in self.known:
            raise UserError(f"{where}{unknown('suite', name, self.known)}")
        return name.partition("/")[0]

    def place(self, line: Line) -> tuple[str, str, bool]:
        """The suite, the task by its usual name or in the publication's words, and whether it is a task.

        Raises UserError where no suite, or more than one, has the task and none is named.
        """
        named = self._home(line.suite, f"{line.where}: ") if line.suite else self.chosen
        having = [name for name, suite in self.tasks.items() if line.task in {*suite.tasks, *suite.aliases}]
        if named is None:
            if len(having) != 1:
                raise UserError(f"{line.where}: {self._said(line.task, having)}")
            named = having[0]
        suite = self.tasks[named]
        if named in having:
            return named, suite.aliases.get(line.task, line.task), True
        if having and not self.other_version(line.task, named):
            raise UserError(
                f"{line.where}: {line.task!r} is a task of {having[0]}, not of {named}; name the suite of "
                "each line in a column suite, or leave --suite out"
            )
        return named, line.task, False

    def other_version(self, task: str, suite: str) -> str:
        """The task of the suite that differs in its version only; empty for none."""
        base = _VERSION.sub("", task)
        found = (name for name in self.tasks[suite].tasks if base != task and _VERSION.sub("", name) == base)
        return next(found, "")

    def _said(self, task: str, having: list[str]) -> str:
        if having:
            return f"{task!r} is a task of {' and of '.join(having)}; name one with --suite"
        base = _VERSION.sub("", task)  # another version is no misspelling
        names = {n for suite in self.tasks.values() for n in suite.tasks if _VERSION.sub("", n) != base}
        near = get_close_matches(task, names, n=1, cutoff=0.75)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        return (
            f"no suite has a task {task[:80]!r}{hint} --suite SUITE keeps it in the publication's own "
            "words, beside the tasks of that suite"
        )

    def check_versions(self, placed: Iterable[tuple[Line, str]]) -> None:
        """Raise UserError where two versions of a task were found in different suites: one is a namesake.

        D4RL's antmaze-umaze-v1 is not Minari's, but it is called the same.
        """
        first: dict[str, tuple[str, str]] = {}
        for line, suite in placed:
            if line.suite or self.chosen:
                continue
            task, other = first.setdefault(_VERSION.sub("", line.task), (line.task, suite))
            if other != suite:
                raise UserError(
                    f"{line.where}: {line.task!r} is the name of a task of {suite}, but {task!r} of {other} "
                    "stands in the same file; if all are of one suite, name it with --suite, else name "
                    "those of each line in a column suite"
                )
