"""Numbers that cannot come from where they are said to come from, because they are somebody else's.

Two seeds play episodes with start states and luck of their own, so equal results are a coincidence. How
unlikely one is depends on how much the episodes vary: where all end alike, equality says nothing.
So what is compared has to hold at least BITS of information: the number of episodes times the entropy of how
they end. Evaluations are not added up, because they have the same episodes and all seeds learn the same.
"""

import json
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from bench.submission.contents import Finding, Severity, Submitted

BITS = 40.0  # a coincidence of 1 in 10^12


@dataclass(frozen=True)
class _Part:
    """Results that have an owner: a line, or all lines of a seed under one setting."""

    content: Hashable
    bits: float
    run: Submitted
    seed: int
    what: str


def copied(runs: Sequence[Submitted]) -> Iterator[Finding]:
    """One finding for every pair of seeds on one task that share results or metrics of training.

    Results of the same seed may be equal, because two good policies meet the same start states and luck;
    metrics of the same seed are a warning, because options may be without effect. All else is an error.
    """
    parts = [part for run in runs for part in _parts(run)]
    found: dict[tuple[str, int, str, int], Finding] = {}
    for part, other in _equal(part for part in parts if part.bits >= BITS):
        if part.seed != other.seed:
            found.setdefault(_pair(part, other), _finding("error", part, other, "results"))
    trained = [_trained(run, seed) for run in runs for seed in run.info["seeds"]]
    for part, other in _equal(part for part in trained if part.bits >= BITS):
        same = part.seed == other.seed
        if not same or part.run.info["algorithm"] != other.run.info["algorithm"]:
            said = _finding("warning" if same else "error", part, other, "metrics")
            found.setdefault(_pair(part, other), said)
    yield from found.values()


def _finding(severity: Severity, part: _Part, other: _Part, kind: str) -> Finding:
    return Finding(
        severity,
        part.run.folder,
        f"{part.what} of seed {part.seed} has the same {kind} as that of seed {other.seed} of "
        f"{other.run.folder}; one looks like a copy, train both again",
    )


def _parts(run: Submitted) -> Iterator[_Part]:
    task = (run.info["suite"], run.info["task"])
    lines = [line for line in run.lines if line["status"] == "ok"]
    for _, group in groupby(sorted(lines, key=_owner), key=_owner):
        played = []
        for line in sorted(group, key=lambda line: line["step"]):
            episodes = tuple(zip(line["returns"], line["lengths"], strict=True))
            played.append(episodes)
            yield _Part(
                (task, episodes),
                _bits(episodes),
                run,
                line["seed"],
                f"the evaluation of step {line['step']:,}",
            )
        curve = tuple(zip(*played, strict=True))  # by episode: the same start states at every evaluation
        yield _Part((task, curve), _bits(curve), run, line["seed"], "the curve")


def _owner(line: dict[str, Any]) -> tuple[int, str]:
    return line["seed"], json.dumps(line["inference"])


def _bits(episodes: Sequence[Hashable]) -> float:
    """Information in episodes: their number times the entropy of what they end with."""
    return sum(-n * math.log2(n / len(episodes)) for n in Counter(episodes).values())


def _trained(run: Submitted, seed: int) -> _Part:
    """All metrics of a seed's training; a number that is not round has some 20 bits."""
    task = (run.info["suite"], run.info["task"])
    seen = {line["step"]: line["metrics"] for line in run.lines if line["seed"] == seed and line["metrics"]}
    numbers = {value for metrics in seen.values() for value in metrics.values() if isinstance(value, float)}
    bits = 20.0 * sum(value.as_integer_ratio()[1] > 1024 for value in numbers)
    return _Part((task, json.dumps(list(seen.values()), sort_keys=True)), bits, run, seed, "training")


def _equal(parts: Iterable[_Part]) -> Iterator[tuple[_Part, _Part]]:
    """Every part whose content was there before, with the first that had it."""
    first: dict[Hashable, _Part] = {}
    for part in parts:
        other = first.setdefault(part.content, part)
        if other is not part and (other.run is not part.run or other.seed != part.seed):
            yield part, other


def _pair(part: _Part, other: _Part) -> tuple[str, int, str, int]:
    return part.run.folder, part.seed, other.run.folder, other.seed
