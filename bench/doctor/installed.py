"""Checks of `bench doctor`: Python, packages that do not work together, and optional packages.

Versions come from the metadata of packages, so that nothing is imported to read them.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from operator import eq, ge, lt
from pathlib import Path

from bench.doctor.findings import FAIL, OK, WARN, Finding

Versions = Mapping[str, str | None]  # by the name of the package; None where it is not installed

COMPARISONS = {">=": ge, "==": eq, "<": lt}
SHOWN = 5  # packages that a line names
PATIENCE = 60  # seconds that an import may take


@dataclass(frozen=True)
class Rule:
    """Which versions of a package work, and why others do not.

    level: of a version outside `wanted`. A package that is `required` and missing is always a FAIL. With
    `beside`, the rule counts only where one of these packages is installed.
    """

    package: str
    wanted: str
    reason: str
    level: str = FAIL
    required: bool = True
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extra:
    """Packages that are imported only where they are used, and what they enable."""

    name: str  # of the extra in pyproject.toml; empty for packages that are always installed
    packages: Mapping[str, str]  # the module of each package
    enables: str


RULES = (
    Rule("torch", ">=2.11", "every algorithm is trained with it; earlier versions were not tested"),
    Rule("numpy", ">=2.0", "data and random numbers are made with numpy 2"),
    Rule("scipy", ">=1.13", "it computes the statistics"),
    Rule("pandas", ">=2.2", "records are read with it"),
    Rule(
        "pandas", "<3", "arch, which rliable needs, does not import with pandas 3", beside=("rliable", "arch")
    ),
    Rule("rliable", ">=1.2", "it computes the intervals of tables"),
    Rule("gymnasium", "==1.0.0", "d3rlpy 2.8.1 pins gymnasium 1.0.0", beside=("d3rlpy",)),
    Rule("gymnasium", "==1.0.0", "environments were tested with this version only", WARN),
    Rule("mujoco", ">=3.1,<3.2", "the physics is part of a task's identity", WARN),
    Rule("minari", ">=0.5.3", "earlier versions lay out their data sets in another way", WARN),
    Rule("safetensors", ">=0.5", "weights are kept with it"),
    Rule("matplotlib", ">=3.9", "it draws the plots"),
    Rule("jinja2", ">=3.1", "it writes the leaderboard"),
    Rule("plotly", ">=6", "its script draws the plots of the leaderboard"),
    Rule("rich", ">=13", "it shows the progress"),
    Rule("ogbench", "==1.2.2", "rewards and success changed with its version", WARN, required=False),
    Rule("gymnasium-robotics", "==1.3.1", "adroit's rewards changed with its version", WARN, required=False),
    Rule("d3rlpy", "==2.8.1", "its algorithms were tested with this version only", WARN, required=False),
)

EXTRAS = (
    Extra("", {"minari": "minari", "mujoco": "mujoco"}, "suites classic, d4rl and minari-mujoco"),
    Extra("ogbench", {"ogbench": "ogbench"}, "suite ogbench"),
    Extra(
        "d4rl",
        {"gymnasium-robotics": "gymnasium_robotics", "h5py": "h5py"},
        "mazes, hands and kitchen of suites d4rl and d4rl-v2",
    ),
    Extra("d3rlpy", {"d3rlpy": "d3rlpy"}, "the algorithms d3rlpy/*"),
    Extra("sweep", {"optuna": "optuna"}, "bench sweep --search random and tpe"),
)


def installed(package: str) -> str | None:
    """The version of a package as its metadata say; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def python(given: Sequence[int]) -> Iterator[Finding]:
    """Is this version of Python, such as (3, 11, 9), one that all packages exist for?"""
    found = ".".join(map(str, given[:3]))
    if (3, 11) <= tuple(given[:2]) < (3, 13):
        yield Finding("python", OK, found)
        return
    late = tuple(given[:2]) >= (3, 13)
    reason = "mujoco 3.1 has no wheels for it" if late else "it is too old for the code"
    remedy = "make a new environment with 3.11 or 3.12: make clean; make quickstart PYTHON=python3.11"
    yield Finding("python", FAIL, f"{found}; 3.11 and 3.12 work, {reason}", remedy)


def packages(versions: Versions, rules: Sequence[Rule] = RULES) -> Iterator[Finding]:
    """One finding for each package that is missing or breaks a rule, or a single one where none does."""
    broken: dict[str, Finding] = {}
    for rule in rules:
        finding = _judge(rule, versions)
        if finding:
            broken.setdefault(rule.package, finding)  # the first rule says why
    yield from broken.values()
    if not broken:
        present = [rule.package for rule in rules if versions.get(rule.package)]
        yield Finding("packages", OK, f"{len(set(present))} packages that work together")


def _judge(rule: Rule, versions: Versions) -> Finding | None:
    found = versions.get(rule.package)
    partners = [f"{name} {versions[name]}" for name in rule.beside if versions.get(name)]
    remedy = f"python -m pip install '{rule.package}{rule.wanted}'"
    if rule.beside and not partners:
        return None
    if found is None:
        missing = Finding(rule.package, FAIL, f"not installed; {rule.reason}", remedy)
        return missing if rule.required else None
    if satisfies(found, rule.wanted):
        return None
    beside = f" beside {', '.join(partners)}" if partners else ""
    said = f"{found}{beside}; wanted {rule.wanted}, because {rule.reason}"
    return Finding(rule.package, rule.level, said, remedy)


def satisfies(found: str, wanted: str) -> bool:
    """Is a version such as `2.13.0+cpu` within `>=2.11,<3`? A local part (`+cpu`) does not count."""
    for part in wanted.split(","):
        match = re.fullmatch(r"(>=|==|<)([\d.]+)", part)
        if match is None:
            raise ValueError(f"{part!r} is no bound of a version; write >=, == or < and numbers")
        if not COMPARISONS[match[1]](_numbers(found), _numbers(match[2])):
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    """`1.0` and `1.0.0` are the same, and so are they as numbers."""
    match = re.match(r"\d+(\.\d+)*", text)
    numbers = [int(number) for number in match[0].split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def constraints(path: Path, find: Callable[[str], str | None] = installed) -> Iterator[Finding]:
    """How the installed packages differ from the versions that the tests run with.

    path: of constraints.txt, which is there only where the package is used from a checkout.
    """
    if not path.is_file():
        yield Finding(
            "versions", OK, "installed without constraints.txt; compared with the known limits only"
        )
        return
    pinned = [line.partition("==") for line in path.read_text().splitlines() if "==" in line]
    pairs = [(name.strip(), wanted.strip(), find(name.strip())) for name, _, wanted in pinned]
    present = [(name, wanted, found) for name, wanted, found in pairs if found]
    other = [(name, wanted, found) for name, wanted, found in present if found.partition("+")[0] != wanted]
    if not other:
        yield Finding("versions", OK, f"{len(present)} packages as in {path.name}")
        return
    shown = [f"{name} {found} (tested with {wanted})" for name, wanted, found in other[:SHOWN]]
    more = f" and {len(other) - SHOWN} more" if len(other) > SHOWN else ""
    remedy = f"python -m pip install --constraint {path} {' '.join(name for name, _, _ in other)}"
    yield Finding("versions", WARN, f"not those of {path.name}: {', '.join(shown)}{more}", remedy)


def extra(wanted: Extra, versions: Versions, broken: Callable[[str], str | None]) -> Iterator[Finding]:
    """Are these packages there, and do they import? Not being installed is nothing wrong.

    broken: why a module does not import, or None.
    """
    name = wanted.name or "environments"
    there = [package for package in wanted.packages if versions.get(package)]
    missing = [package for package in wanted.packages if package not in there]
    for package in there:
        if reason := broken(wanted.packages[package]):
            first = "if the line of rendering warns, do that first; else "  # mujoco reads MUJOCO_GL
            again = f"{first}python -m pip install --force-reinstall --no-deps {package}=={versions[package]}"
            found = f"{package} {versions[package]} does not import ({reason}); it enables {wanted.enables}"
            yield Finding(name, FAIL, found, again)
            return
    if missing:
        which = f"'offline-bench[{wanted.name}]'" if wanted.name else " ".join(missing)
        found = (
            f"{', '.join(missing)} not installed; {wanted.enables} would need python -m pip install {which}"
        )
        yield Finding(name, OK, found)
        return
    shown = ", ".join(f"{package} {versions[package]}" for package in there)
    yield Finding(name, OK, f"{shown}: {wanted.enables}")


def import_error(module: str) -> str | None:
    """Why a module does not import, in one line, or None; a process of its own may crash on it."""
    code = (
        "import importlib, json, sys\n"
        "try: importlib.import_module(sys.argv[1]); said = None\n"
        "except BaseException as error: said = f'{type(error).__name__}: {error}'\n"
        "print('\\n' + json.dumps(said))"
    )
    return outcome([sys.executable, "-c", code, module], {})


def outcome(command: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """What a process prints as JSON in its last line (a text or null), or in words how it ended before."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            env={**os.environ, **environment},
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE} s"
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        said = json.loads(lines[-1])
        return said if said is None else " ".join(said.split())
    last = (done.stderr.split("\n")[-2:] or [""])[0].strip()
    return f"the process ended with code {done.returncode}: {last}"
