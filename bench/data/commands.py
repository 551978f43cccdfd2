"""`bench data list|fetch|make|verify|where`: the files of data sets, named by suite, task or data set."""

import argparse
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.data import copies
from bench.data.fetch import DownloadBars, fetch
from bench.data.lock import Lock
from bench.data.source import OFFICIAL, Copy, MakeRequest, Source, data_dir
from bench.errors import UserError, printable, unknown
from bench.task import MissingDataError, Suite, missing_data

Suites = Mapping[str, Suite]


def add_parser(commands: Any, suites: Suites, lock: Path, positive: Callable[[str], int]) -> None:
    """The command `data` with its actions; `lock` is the file that knows sizes and hashes."""
    root = commands.add_parser("data", help="the files of data sets: list, fetch, make, verify, where")
    actions = root.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, run: Callable[..., int], text: str, count: str = "*") -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=text)
        parser.add_argument(
            "names", nargs=count, metavar="NAME", help="of a suite, a task or a data set; globs"
        )
        parser.set_defaults(command=partial(run, suites, Lock(lock)))
        return parser

    action("list", _list, "which data sets there are, and which of them are on this machine")
    action("where", _where, "the folders of data sets")
    action("verify", _verify, "check every copy on this machine: shapes, numbers, episodes, rewards, hashes")
    parser = action("fetch", _fetch, "download; a broken download is continued", "+")
    parser.add_argument(
        "--from", dest="mirror", metavar="DIR_OR_URL", help="a folder or a site that holds the files"
    )
    parser = action("make", _make, "make a data set anew from packages alone; without a network", "+")
    parser.add_argument("--episodes", type=positive, metavar="N", help="of training; default: as published")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--workers", type=positive, metavar="N", help="processes; default: one for each core")


def select(suites: Suites, names: Sequence[str]) -> list[Source]:
    """The data sets that are meant by names of suites, tasks or data sets (globs; the version may be left
    out); all of them without a name. Raises UserError for a name that means nothing.
    """
    known = _named(suites)
    if not names:
        return list({source.id: source for source in known.values()}.values())
    chosen: dict[str, Source] = {}
    for name in names:
        if name in suites:
            found = [task.source for task in suites[name].tasks.values() if task.source]
            if not found:
                raise UserError(
                    f"the data of {name} are made in memory on first use; there are no files to name"
                )
        else:
            found = [source for called, source in known.items() if fnmatchcase(called, name)]
        if not found:
            raise unknown("suite, task or data set", name, [*suites, *known])
        chosen |= {source.id: source for source in found}
    return list(chosen.values())


def _named(suites: Suites) -> dict[str, Source]:
    """Everything that a data set may be called: its own names and those of its tasks."""
    found: dict[str, Source] = {}
    for suite in suites.values():
        for task in suite.tasks.values():
            if task.source is not None:
                for name in (task.source.id, task.source.name, task.id, task.name):
                    found[name] = task.source
                    found[name.rpartition("-v")[0] or name] = task.source
        for alias, name in suite.aliases.items():
            if source := suite.tasks[name].source:
                found[alias] = source
    return found


def _list(suites: Suites, lock: Lock, options: argparse.Namespace) -> int:
    rows = []
    for source in select(suites, options.names):
        here = source.copies()
        size = _bytes(sum(_size(source, copy) for copy in here)) if here else ""
        ways = [word for word, can in (("fetch", _published(source)), ("make", source.maker)) if can]
        rows.append((source.id, ", ".join(copy.label for copy in here) or "-", size, ", ".join(ways)))
    _table(("data set", "on this machine", "size", "can be had by"), rows)
    return 0


def _where(suites: Suites, lock: Lock, options: argparse.Namespace) -> int:
    rows = []
    for source in select(suites, options.names):
        here = source.copies()
        if all(copy.label != OFFICIAL for copy in here):
            rows.append((source.id, OFFICIAL, f"{source.folder()} (not there)"))
        rows += [(source.id, copy.label, str(copy.folder)) for copy in here]
    _table(("data set", "copy", "folder"), rows)
    print(f"copies made here: {data_dir() / 'made'}; set BENCH_DATA to keep all data sets in one folder")
    return 0


def _fetch(suites: Suites, lock: Lock, options: argparse.Namespace) -> int:
    sources = select(suites, options.names)
    for source in sources:
        if not _published(source) and options.mirror is None:
            raise UserError(f"{source.id} is not published; make it with: bench data make {source.id}")
    with DownloadBars(Console(stderr=True)) as bars:
        for source in sources:
            fetch(source, lock, options.mirror, bars)
            print(f"{source.id}: in {source.folder()}")
    return 0


def _make(suites: Suites, lock: Lock, options: argparse.Namespace) -> int:
    for source in select(suites, options.names):
        episodes = options.episodes or copies.maker_of(source).episodes
        copy = copies.find_made(source, episodes, options.seed)
        if copy is None:
            copy = _make_one(source, episodes, options)
        print(f"{source.id}@{copy.label}: in {copy.folder}")
    return 0


def _make_one(source: Source, episodes: int, options: argparse.Namespace) -> Copy:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as display:
        bar = display.add_task(source.name, total=copies.maker_of(source).total(episodes))
        workers = options.workers or len(os.sched_getaffinity(0))
        request = MakeRequest(episodes, options.seed, workers, lambda done: display.advance(bar, done))
        return copies.make(source, request)


def _verify(suites: Suites, lock: Lock, options: argparse.Namespace) -> int:
    sources = select(suites, options.names)
    found = [(source, copy) for source in sources for copy in source.copies()]
    if not found:
        if len(sources) == 1:
            raise MissingDataError(sources[0])
        raise UserError(missing_data(sources))
    wrong = 0
    for source, copy in found:
        problems = list(copies.check(source, copy, lock))
        wrong += bool(problems)
        print(f"{'WRONG' if problems else 'ok   '}  {source.id}{copy.suffix}")
        for problem in problems:
            print(f"       {printable(problem)}")
    return 1 if wrong else 0


def _published(source: Source) -> bool:
    return all(file.url for file in source.files)


def _size(source: Source, copy: Copy) -> int:
    return sum((copy.folder / file.name).stat().st_size for file in source.files)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
