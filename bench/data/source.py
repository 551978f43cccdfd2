"""A data set as files: where they come from, where they lie, and which copies of it are on this machine.

Several tasks may share one source (the five tasks of an OGBench environment differ in rewards only). A copy
is either the official one, or was made here from the packages alone; the two never share a name.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.dataset import cache_dir
from bench.errors import UserError

OFFICIAL = "official"


@dataclass(frozen=True)
class File:
    """One file of a data set: its path below the folder of the data set, and where it is published."""

    name: str
    url: str


@dataclass(frozen=True)
class Copy:
    """The files of a data set on this machine; label is `official` or `made-100ep-1a2b3c4d`."""

    label: str
    folder: Path

    @property
    def suffix(self) -> str:
        """What the name of a task on this copy ends in, so that no score of it passes for an official one."""
        return "" if self.label == OFFICIAL else f"@{self.label}"


@dataclass(frozen=True)
class MakeRequest:
    """How to make a data set: training episodes, seed, processes; `progress` hears how many more are done.

    Raises UserError for numbers below 1.
    """

    episodes: int
    seed: int
    workers: int
    progress: Callable[[int], None]

    def __post_init__(self) -> None:
        for name in ("episodes", "workers"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} = {getattr(self, name)}; it is a whole number of 1 or more")


@dataclass(frozen=True)
class Maker:
    """How a data set is made from the packages alone.

    write(folder, request): writes every file of the source into the folder, in the official format;
    total(episodes): how many episodes are played for so many of training, validation included.
    """

    episodes: int  # training episodes of the official data set
    write: Callable[[Path, MakeRequest], None]
    total: Callable[[int], int]


@dataclass(frozen=True)
class Source:
    """The files of one data set, and what can be done with them."""

    suite: str
    name: str
    files: tuple[File, ...]  # the first one names a copy by its sha256
    folder: Callable[[], Path]  # of the official copy
    verify: Callable[[Path], Iterable[str]]  # what is wrong in a folder: sentences with file and place
    maker: Maker | None = None

    @property
    def id(self) -> str:
        return f"{self.suite}/{self.name}"

    def copies(self) -> list[Copy]:
        """The complete copies on this machine, the official one first."""
        found = [Copy(OFFICIAL, self.folder())] if self._complete(self.folder()) else []
        for folder in sorted(self.made_folder.glob(f"{self.name}@made-*")):
            if self._complete(folder):
                found.append(Copy(folder.name.removeprefix(f"{self.name}@"), folder))
        return found

    @property
    def made_folder(self) -> Path:
        """Where copies that were made here lie, a folder each."""
        return data_dir() / "made" / self.suite

    def _complete(self, folder: Path) -> bool:
        return all((folder / file.name).is_file() for file in self.files)


def data_dir() -> Path:
    """Where data sets live that no other package keeps: $BENCH_DATA, or `data` in the cache."""
    chosen = os.environ.get("BENCH_DATA")
    return Path(chosen) if chosen else cache_dir() / "data"


def package_dir(name: str, variable: str | None, usual: str) -> Path:
    """Where the files of another package live: below $BENCH_DATA, else in the package's own `variable`, else
    in its `usual` folder, so that what was downloaded before is used and what is fetched here is found by it.
    """
    if os.environ.get("BENCH_DATA"):
        return data_dir() / name
    chosen = os.environ.get(variable) if variable else None
    return Path(chosen or usual).expanduser()
