"""`bench status`: what is queued, running, stopped, failed and finished; a pure function of the files."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench import splitting
from bench.executors import state
from bench.listing import suite_of
from bench.lock import clock, living_owner
from bench.records import ends_cut
from bench.reporting import add_results
from bench.task import Suite

STATES = {
    "running": "a living process holds its lock",
    "queued": "a command that is being carried out, or SLURM, has it waiting",
    "stopped": "begun or planned, and nobody works on it; the same command continues it",
    "failed": "the last attempt ended with an error; see --only-failed of `bench run`",
    "finished": "its summary is there, and its last line is whole; `bench doctor` reads all lines",
}
SHOWN = 20  # runs of one state in the table
WATCH_SECONDS = 2.0
TAIL = 1 << 16  # bytes at the end of a file in which its last line is looked for


@dataclass(frozen=True)
class Status:
    """How one run is doing. heard: seconds since its process was last heard of; None: never."""

    suite: str
    task: str
    algorithm: str
    run: str
    state: str
    seeds: Sequence[int] = ()
    step: int = 0
    steps: int | None = None
    heard: float | None = None
    host: str | None = None
    attempt: int | None = None
    error: str | None = None

    @property
    def title(self) -> str:
        return f"{self.task} · {self.algorithm}"


def add_parser(commands: Any, suites: Mapping[str, Suite]) -> None:
    """Add the command to the subparsers of `bench`."""
    parser = commands.add_parser("status", help="which runs are queued, running, stopped, failed, finished")
    add = parser.add_argument
    add("suite", nargs="?", metavar="SUITE", help="default: all that the results folder knows")
    add("--json", action="store_true", help="every run, the finished ones too, as JSON")
    add("--watch", action="store_true", help="again every two seconds, until Ctrl-C")
    add_results(parser)
    parser.set_defaults(command=lambda options: _status(options, suites))


def read_status(results: Path, suite: str | None = None, at: float | None = None) -> list[Status]:
    """All runs below `results` that have a folder or are planned, as they are at a time (default: now)."""
    at = clock(results) if at is None else at
    planned = {
        run["path"]: _Known(plan, run)
        for plan in state.read_plans(results, at)
        for run in plan.runs
        if isinstance(run.get("path"), str) and suite in (None, run.get("suite"))
    }
    paths = {str(path.relative_to(results)) for path in (results / "runs").glob(f"{suite or '*'}/*/*/*/")}
    known = {path: planned.get(path, _Known()) for path in paths | planned.keys()}
    for path in sorted(known):
        _replace_by_halves(results, path, known)
    return [_read(results, path, known[path], at) for path in sorted(known)]


@dataclass(frozen=True)
class _Known:
    """What is known of a run besides its folder: its plan, and the folders of what it is a half of."""

    plan: state.PlanRecord | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    wholes: Sequence[Path] = ()


def _replace_by_halves(results: Path, path: str, known: dict[str, _Known]) -> None:
    """A run whose seeds did not fit into memory together is shown as the runs that stand for it."""
    folder = results / path
    if not splitting.is_split(folder):
        return
    halves = splitting.parts(folder)
    if [part for part, _ in halves] == [folder]:  # its split.json cannot be read
        return
    whole = known.pop(path)
    for part, seeds in halves:
        name = str(part.relative_to(results))
        own = known.get(name, _Known())
        info = own.info or {**whole.info, "seeds": seeds}
        known[name] = _Known(own.plan or whole.plan, info, (*own.wholes, folder))


def _read(results: Path, path: str, known: _Known, at: float) -> Status:
    folder = results / path
    suite, task, algorithm, run = path.split("/")[1:5]
    name = (suite, task, known.info.get("algorithm", algorithm), run)
    if (folder / "summary.json").exists() and not ends_cut(folder):
        return Status(*name, state="finished")
    info = (state.read(folder / "run.json") or {}) | dict(known.info)
    name = (suite, task, info.get("algorithm", algorithm), run)
    failure = _first(own / "failed.json" for own in (folder, *known.wholes))
    owner = living_owner(folder, at)
    # Halves are trained in turn by the process of the whole, which writes into the folder of the whole.
    working = (folder, *known.wholes) if owner is not None else (folder,)
    progress = _first(own / "progress.json" for own in working) or {}
    since = state.heard(folder)
    told = progress or failure or {}
    return Status(
        *name,
        state="running" if owner is not None else _state(known.plan, failure),
        seeds=info.get("seeds", ()),
        step=max(progress.get("step", 0), _last_step(folder / "evaluations.jsonl")),
        steps=info.get("steps"),
        heard=None if since is None else max(0.0, at - since),
        host=owner.host if owner is not None else told.get("host"),
        attempt=progress.get("attempt") or (failure or {}).get("attempts"),
        error=(failure or {}).get("error"),
    )


def _first(paths: Iterable[Path]) -> dict[str, Any] | None:
    return next((found for found in map(state.read, paths) if found is not None), None)


def _state(plan: state.PlanRecord | None, failure: Mapping[str, Any] | None) -> str:
    waits = plan is not None and not plan.ended and (plan.looked_after or plan.executor == "slurm")
    if plan is not None and waits and (failure is None or str(failure.get("time")) < plan.created):
        return "queued"
    return "failed" if failure is not None else "stopped"


def _last_step(path: Path) -> int:
    """The step of the last evaluation that is recorded; 0 for none. Reads the end of the file alone."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            lines = file.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, KeyError, TypeError):
            continue
    return 0


def _status(options: argparse.Namespace, suites: Mapping[str, Suite]) -> int:
    suite = suite_of(suites, options.suite) if options.suite else None

    def read() -> list[Status]:
        found = read_status(options.results, suite.home if suite else None)
        if suite is None or suite.name == suite.home:
            return found
        return [status for status in found if status.task.partition("@")[0] in suite.tasks]

    if options.json:
        json.dump([asdict(status) for status in read()], sys.stdout, indent=1)
        print()
        return 0
    console = Console()
    if options.watch and console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(_table(read()), refresh=True)
                time.sleep(WATCH_SECONDS)
    found = read()
    if not found:
        print(f"no runs in {options.results}. Run: bench run {options.suite or 'SUITE'}")
        return 0
    for line in summary_lines(found):
        print(line)
    if any(status.state != "finished" for status in found):
        wide = console if console.is_terminal else Console(width=140)
        print()
        wide.print(_table(found))
        for line in _errors(found):
            print(line)
    return 0


def summary_lines(found: Iterable[Status]) -> list[str]:
    """`diagnostic: 3 running, 5 queued, 1 failed, 99 finished`, a line per suite."""
    counts: dict[str, Counter[str]] = {}
    for status in found:
        counts.setdefault(status.suite, Counter())[status.state] += 1
    return [
        f"{suite}: " + ", ".join(f"{counted[name]} {name}" for name in STATES if counted[name])
        for suite, counted in sorted(counts.items())
    ]


def _table(found: Sequence[Status]) -> Table:
    table = Table(box=None, pad_edge=False, caption_justify="left")
    for name in ("State", "Run", "Seeds", "Step", "Heard of", "Host"):
        table.add_column(name, justify="right" if name == "Step" else "left", no_wrap=name != "Run")
    for name in STATES:
        chosen = [status for status in found if status.state == name]
        if name == "finished":
            continue
        for status in chosen[:SHOWN]:
            steps = f"{status.step:,} of {status.steps:,}" if status.steps else ""
            heard = "" if status.heard is None else f"{_ago(status.heard)} ago"
            cells = (name, status.title, _seeds(status.seeds), steps, heard, status.host or "")
            table.add_row(*map(Text, cells))
        if len(chosen) > SHOWN:
            table.add_row(Text(name), Text(f"and {len(chosen) - SHOWN} more (--json lists all)"))
    return table


def _errors(found: Sequence[Status]) -> list[str]:
    failures = [status for status in found if status.state == "failed"]
    lines = [f"{status.title}: {_sentence(status)}" for status in failures[:SHOWN]]
    return ["", *lines] if lines else []


def _sentence(status: Status) -> str:
    """The last line of an error, which in a trace is the one that says what happened."""
    lines = [line for line in (status.error or "").splitlines() if line.strip()]
    attempts = f" (attempt {status.attempt})" if (status.attempt or 1) > 1 else ""
    return (lines[-1].strip() if lines else "no message") + attempts


def _seeds(seeds: Sequence[int]) -> str:
    """`0-4` for seeds without a gap, else a list."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
