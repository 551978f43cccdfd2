"""Every test marked `fault` injects one kind of fault, and puts one row into the table that ends the tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from child import Child

from bench import execution
from bench.population import NativePopulation

HEAD = ("What was injected", "Times", "What was said and done", "Lost")


@pytest.fixture
def often(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """How often to inject: the second number with --whole, else the first."""
    return lambda short, whole: whole if request.config.getoption("--whole") else short


@pytest.fixture
def row(record_property: Callable[[str, Any], None]) -> Callable[..., None]:
    """Put a row into the table; called at the end of a test, when nothing was lost."""
    return lambda what, times, outcome: record_property("fault", (what, str(times), outcome, "nothing"))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run that nothing happened to."""
    results = tmp_path_factory.mktemp("whole")
    assert "summary" in Child(results).wait()
    return results


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of this process without recording, which takes longer than a short run; checkpoints all the time."""
    monkeypatch.setattr(
        execution,
        "make_population",
        lambda algorithm, dataset, seeds, steps, device, precision: NativePopulation(
            algorithm, dataset, seeds, steps, device, precision, recorded=False
        ),
    )
    monkeypatch.setattr(execution, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # no power fails in these tests


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--whole"):
        items[:] = [item for item in items if item.get_closest_marker("whole") is None]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = list(_rows(terminalreporter))
    if rows:
        terminalreporter.section("faults")
        for cells in (HEAD, ("---",) * len(HEAD), *rows):
            terminalreporter.write_line(f"| {' | '.join(cells)} |")


def _rows(terminalreporter: Any) -> Iterator[tuple[str, ...]]:
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == "fault" and getattr(report, "when", "") == "call":
                    yield value
            if outcome != "passed" and "faults" in report.nodeid:
                reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "see above"
                yield (report.nodeid.rpartition("::")[2], "0", f"{outcome}: {reason}", "?")
