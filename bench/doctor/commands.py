"""`bench doctor`: is everything here that runs need, and what to do where it is not."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from bench.data.commands import select
from bench.data.lock import Lock
from bench.data.source import OFFICIAL, Source, data_dir
from bench.dataset import cache_dir
from bench.doctor import installed, surroundings
from bench.doctor.findings import FAIL, OK, WARN, Check, Finding, guarded
from bench.records import read_runs
from bench.task import Suite

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
SHOWN = 3  # names in a line


def add_parser(commands: Any, suites: Mapping[str, Suite], lock: Path) -> None:
    """The command `doctor`; `lock` is the file that knows sizes and hashes of data sets."""
    parser = commands.add_parser(
        "doctor", help="is the installation complete, and what to do where it is not"
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER")
    parser.set_defaults(command=lambda options: _doctor(options, suites, lock))


def _doctor(options: argparse.Namespace, suites: Mapping[str, Suite], lock: Path) -> int:
    findings = examine(checks(options.results, suites, lock, os.environ))
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        print("\n".join(finding.line() for finding in findings))
    return exit_code(findings)


def exit_code(findings: Sequence[Finding]) -> int:
    """1 where something failed, else 0: a warning stops no run."""
    return int(any(finding.level == FAIL for finding in findings))


def examine(named: Mapping[str, Check]) -> list[Finding]:
    """The findings of all checks in their order; one that raises is a finding that names the exception."""
    with ThreadPoolExecutor() as pool:  # most of the time is spent waiting for processes that try imports
        return [finding for found in pool.map(guarded, named, named.values()) for finding in found]


def checks(
    results: Path, suites: Mapping[str, Suite], lock: Path, environment: Mapping[str, str]
) -> dict[str, Check]:
    """All checks by name."""
    versions = {rule.package: installed.installed(rule.package) for rule in installed.RULES}
    versions |= {name: installed.installed(name) for name in ("arch", "h5py")}
    found: dict[str, Check] = {
        "python": partial(installed.python, sys.version_info[:3]),
        "packages": partial(installed.packages, versions),
        "versions": partial(installed.constraints, CONSTRAINTS),
    }
    for extra in installed.EXTRAS:
        found[extra.name or "environments"] = partial(
            installed.extra, extra, versions, installed.import_error
        )
    found |= {
        "cuda": partial(surroundings.cuda_here, environment),
        "threads": partial(surroundings.threads_here, environment),
        "memory": surroundings.memory_here,
        "rendering": partial(surroundings.rendering_here, environment, bool(versions["mujoco"])),
        "cache": partial(_folder, "cache"),
        "data": partial(_folder, "data"),
        "data sets": partial(_data_sets_of, suites, lock),
        "results": partial(surroundings.folder, "results", results, "--results", True),
        "runs": partial(_runs_in, results),
    }
    return found


def _folder(name: str) -> Iterator[Finding]:
    path = cache_dir() if name == "cache" else data_dir()
    return surroundings.folder(name, path, f"BENCH_{name.upper()}", needed=name == "cache")


def _data_sets_of(suites: Mapping[str, Suite], lock: Path) -> Iterator[Finding]:
    return data_sets(select(suites, []), Lock(lock))


def data_sets(sources: Sequence[Source], lock: Lock) -> Iterator[Finding]:
    """How many data sets are here, and whether published ones have the size that the lock file knows.

    Hashes are left to `bench data verify`, which reads everything. Raises UserError for a damaged lock file.
    """
    here = [(source, copy) for source in sources for copy in source.copies()]
    official = [(source, copy.folder) for source, copy in here if copy.label == OFFICIAL]
    present = len({source.id for source, _ in here})
    found = f"{present} of {len(sources)} here, {len(here) - len(official)} copies made here"
    wrong = [source.id for source, folder in official if _sizes(source, folder, lock) is False]
    unknown = [source.id for source, folder in official if _sizes(source, folder, lock) is None]
    if wrong:
        said = f"{found}; not of the size in {lock.path.name}: {_names(wrong)}"
        yield Finding("data sets", FAIL, said, f"bench data verify {' '.join(wrong[:SHOWN])}")
    elif unknown:
        said = f"{found}; without an entry in {lock.path.name}: {_names(unknown)}"
        remedy = f"check their content with: bench data verify {' '.join(unknown[:SHOWN])}"
        yield Finding("data sets", WARN, said, remedy)
    else:
        yield Finding("data sets", OK, found + (f", {len(official)} as published" if official else ""))


def _sizes(source: Source, folder: Path, lock: Lock) -> bool | None:
    """Whether all files have the size in the lock; None where it does not know one of them."""
    known = [(file, lock.expected(f"{source.id}/{file.name}")) for file in source.files]
    if any(entry and (folder / file.name).stat().st_size != entry.size for file, entry in known):
        return False
    return None if any(entry is None for _, entry in known) else True


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _runs_in(results: Path) -> Iterator[Finding]:
    found, problems = read_runs(results)
    finished = sum(run.finished for run in found)
    yield from runs(results, len(found), finished, problems)


def runs(results: Path, readable: int, finished: int, problems: Sequence[str]) -> Iterator[Finding]:
    """Can all records be read? problems: sentences that name the file."""
    counted = f"{readable} runs in {results} can be read, {finished} of them finished"
    if problems:
        found = f"{counted}; {len(problems)} problems: {problems[0]}{', ...' if len(problems) > 1 else ''}"
        remedy = "delete the folder of such a run and give its bench run again; tables leave it out"
        yield Finding("runs", WARN, found, remedy)
    else:
        yield Finding("runs", OK, counted)
