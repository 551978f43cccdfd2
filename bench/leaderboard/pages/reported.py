"""Scores that others report, as tables beside those of the runs made here."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from bench.bootstrap import resample, tally
from bench.leaderboard.board import Board
from bench.leaderboard.tables import Cell, Line, Table
from bench.leaderboard.words import counted
from bench.metrics import iqm
from bench.published.reported import Reported
from bench.stats import Estimate, estimate_of


@dataclass(frozen=True)
class Group:
    """What one source says of one algorithm in one suite."""

    algorithm: str
    name: str
    source: str
    status: str
    step: str
    entries: Sequence[Reported]

    @property
    def seeds(self) -> str:
        """`8`, or `8 to 10`; empty where the source does not say."""
        counts = sorted({r.n_seeds for r in self.entries if r.n_seeds})
        return " to ".join(str(n) for n in dict.fromkeys([*counts[:1], *counts[-1:]]))

    @property
    def mean(self) -> float:
        """Over the entries, on the scale 0..1."""
        return fmean(r.mean for r in self.entries)

    def aggregate(self, replicates: int) -> Estimate | None:
        """IQM over all entries; None where only means are reported."""
        if not all(r.seeds for r in self.entries):
            return None
        rows = max(len(r.seeds) for r in self.entries)
        columns = [[*r.seeds.values(), *[math.nan] * (rows - len(r.seeds))] for r in self.entries]
        matrix = np.array(columns).T
        names = ("reported", self.name, self.algorithm, *(r.task for r in self.entries))
        return estimate_of(iqm, matrix, iqm(matrix, tally(resample(~np.isnan(matrix), replicates, *names))))


def groups(board: Board, tasks: Collection[str]) -> list[Group]:
    """Everything reported of the suite, by algorithm and source. Where there are scores of its `tasks`, those
    alone count, so that averages over several tasks do not count twice.
    """
    found: dict[tuple[str, str, str, str, str], list[Reported]] = {}
    for r in board.reported:
        found.setdefault((r.algorithm, r.name, r.source, r.status, r.step), []).append(r)
    known = {*board.task_stems, *tasks}
    return [
        Group(*key, [r for r in entries if r.task in known] or entries)
        for key, entries in sorted(found.items(), key=lambda item: item[0])
    ]


def cell(r: Reported) -> Cell:
    """The mean with what the source says of its spread and seeds."""
    seeds = counted(r.n_seeds, "seed") if r.n_seeds else "unknown number of seeds"
    spread = "" if r.std is None else f"± {100 * r.std:z.1f}, "
    return Cell(f"{100 * r.mean:z.1f}", small=f"{spread}{seeds}", sort=100 * r.mean)


def table(board: Board, entries: Sequence[Reported], stem: str, title: str) -> Table | None:
    """One line for each entry; None where there is none."""
    if not entries:
        return None
    lines = [
        Line([
            Cell(r.algorithm), Cell(r.task), cell(r), Cell(r.step or "unknown"),
            Cell(f"reported, {r.status}", badge="reported"), Cell(r.source),
        ])
        for r in sorted(entries, key=lambda r: (r.task, -r.mean, r.algorithm, r.name))
    ]  # fmt: skip
    foot = [
        "Numbers of others, as published: with ± standard deviation where the source gives one. Data, code, "
        "settings and protocol are theirs, so small differences to the runs made here mean nothing. "
        "Primary: the authors' own numbers; secondary: taken from somebody else's table.",
    ]
    head = ["Algorithm", "Task", "Mean", "Updates", "Status", "Source"]
    return Table(title, head, lines, foot, numeric=frozenset({"Mean"}), stem=stem, kind="words")
