"""`bench import`: takes scores that others report, after checking them, and keeps them apart from runs."""

import argparse
import csv
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.published.checks import STATUSES, Checked, check, check_text, small_algorithms
from bench.published.placing import Places
from bench.published.reported import COLUMNS
from bench.published.text import read_lines
from bench.reporting import add_results, in_results
from bench.task import Suite

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}", re.ASCII)
SHOWN = 6  # names in one sentence


def add_parser(commands: Any, suites: Mapping[str, Suite]) -> None:
    """Add the command to the subparsers of `bench`."""
    parser = commands.add_parser("import", help="scores that others report, from a CSV, for bench report")
    add = parser.add_argument
    add("file", type=Path, metavar="FILE.csv", help="algorithm, task, seed, score, or mean, std, n_seeds")
    add("--as", dest="name", required=True, metavar="NAME", help="what tables call it, such as fql-paper")
    add("--suite", metavar="SUITE", help="of all tasks, also of those in words of its own; default: by name")
    add("--source", default="", metavar="TEXT", help="citation, where the file has no column source")
    add(
        "--status",
        choices=STATUSES,
        default="primary",
        help="secondary: taken from elsewhere than the authors; optimistic: the best evaluation of each run",
    )
    add("--scale", choices=["1", "100"], help="what the best known counts in the file; default: 100")
    add("--replace", action="store_true", help="also where this name was imported before")
    add_results(parser)
    parser.set_defaults(command=lambda options: _import(options, suites))


def _import(options: argparse.Namespace, suites: Mapping[str, Suite]) -> int:
    if not _NAME.fullmatch(options.name):
        raise UserError(
            f"--as {options.name[:60]!r} is no name; give up to 60 of a-z, 0-9, '.', '_', '-', such as "
            "fql-paper"
        )
    target = options.results / "published" / f"{options.name}.csv"
    if target.exists() and not options.replace:
        raise UserError(f"{target} is there already; give another name, or --replace to write it anew")
    check_text("--source", options.source)
    lines, unused = read_lines(options.file)
    scale = float(options.scale) if options.scale else None
    found = check(lines, suites, options.suite, options.source.strip(), options.status, scale)
    _write(target, found)
    print("\n".join([*_taken(target, found, suites, unused), *_doubts(found)]))
    where = in_results(options.results)
    print(f"Next: bench report {found[0].suite} --reported --sources {options.name}{where}")
    return 0


def _write(target: Path, lines: Iterable[Checked]) -> None:
    """The whole file at once: after a crash there is the old one or the new one, never half."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        held = (getattr(line, column) for column in COLUMNS)
        writer.writerow("" if value is None else _plain(value) for value in held)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "w", encoding="utf-8", newline="") as file:
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        raise UserError(
            f"cannot write {target} ({error.strerror}); choose another folder with --results"
        ) from None
    finally:
        with suppress(OSError):
            part.unlink()


def _plain(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def _taken(
    target: Path, lines: Sequence[Checked], suites: Mapping[str, Suite], unused: Sequence[str]
) -> list[str]:
    algorithms = {line.algorithm for line in lines}
    seeds = sum(line.score is not None for line in lines)
    means = len(lines) - seeds
    kinds = [f"{seeds:,} score{'s' * (seeds != 1)} of single seeds"] * bool(seeds)
    kinds += [f"{means:,} mean{'s' * (means != 1)}"] * bool(means)
    said = [f"wrote {target}: {' and '.join(kinds)}, {_counted(algorithms, 'algorithm')}"]
    said += [f"  {status}: {source}" for source, status in dict.fromkeys((x.source, x.status) for x in lines)]
    for suite in sorted({line.suite for line in lines}):
        own = [line for line in lines if line.suite == suite]
        tasks = {line.task for line in own if line.of_suite}
        said.append(f"  {suite}: {len(tasks)} of its {len(suites[suite].tasks)} tasks{_sizes(own)}")
        words = sorted({line.task for line in own if not line.of_suite})
        places = Places(suites, suite)
        if words:
            said.append(f"  {suite}, in words of its own, in no task's line: {_some(words)}")
        if others := [word for word in words if places.other_version(word, suite)]:
            said.append(f"    {len(others)} of them are other versions of its tasks, with other data")
    if unused:
        said.append(f"  passed over: column {', '.join(name[:40] for name in unused[:SHOWN])}")
    return said


def _sizes(lines: Iterable[Checked]) -> str:
    """`, 10 seeds each`, `, 8 to 10 seeds`, or nothing where there are only means."""
    count: dict[tuple[str, str, str], int] = {}
    for line in lines:
        if line.score is not None:
            key = (line.algorithm, line.task, line.step)
            count[key] = count.get(key, 0) + 1
    if not count:
        return ""
    low, high = min(count.values()), max(count.values())
    return f", {low} to {high} seeds" if low < high else f", {low} seed{'s' * (low > 1)} each"


def _doubts(lines: Sequence[Checked]) -> list[str]:
    """What is allowed, but perhaps not meant."""
    return [
        f"  look again: all scores of {algorithm} are between 0 and 1, unlike those of others; if 1 is its "
        "best known, import it by itself with --scale 1"
        for algorithm in small_algorithms(lines)
    ]


def _some(names: Sequence[str]) -> str:
    return "; ".join(names[:SHOWN]) + (f"; and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _counted(things: set[str], noun: str) -> str:
    return f"{len(things)} {noun}" + "s" * (len(things) != 1)
