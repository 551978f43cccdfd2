"""What `bench doctor` says: findings, and checks that cannot crash it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: level `ok`, `warn` or `FAIL`; the remedy is empty where nothing is to do."""

    name: str
    level: str
    found: str
    remedy: str = ""

    def line(self) -> str:
        """The finding as one line of text."""
        todo = f". To do: {self.remedy}" if self.remedy else ""
        return " ".join(f"{self.level:4}  {self.name}: {self.found}{todo}".splitlines())


Check = Callable[[], Iterable[Finding]]


def guarded(name: str, check: Check) -> list[Finding]:
    """The findings of a check; one that raises becomes a finding itself, which names the exception."""
    try:
        return list(check())
    except Exception as error:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        remedy = "repair what the message names; if it names nothing, report it as a mistake of bench doctor"
        return [Finding(name, FAIL, f"the check did not get through ({said})", remedy)]
