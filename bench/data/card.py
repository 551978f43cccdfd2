"""What a data set is, in numbers: its size, its returns, how good it is and how much it covers.

Two measures follow Schweighofer et al. 2022, "A Dataset Perspective on Offline Reinforcement Learning"
(arXiv 2111.04714). One departs from the paper:

TQ, trajectory quality: the mean return of the episodes, 0 for a random policy and 1 for the best known, both
from the task's reference. Where the reference scores success it is the share of the episodes that reach the
goal at least once, which the data say by `terminal`.

SACo, state-action coverage: the paper divides the number of distinct pairs (s, a) by that of the replay
buffer of a policy trained online. Of continuous pairs nearly all are distinct, and there is no such buffer
here. So pairs are first put into cells, and the ratio is to the number of transitions: 1 says that every
transition is in a cell of its own, near 0 that few cells are seen again and again. The cells depend on
nothing in the data:

    cell(s, a) = round(P [asinh(s), a]),    P: 6 rows of standard normal numbers, fixed for the environment

asinh keeps small numbers and compresses large ones; two pairs whose distance is far below 1 mostly share a
cell. As the cells are fixed, more transitions never have fewer of them, and the quotient of the counts of two
data sets is that of the paper's SACo under any common reference. Cells bounded by quantiles of the data lack
that, and do not tell narrow data from wide. Neither number says anything across environments.
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from bench.dataset import Dataset, cache_dir
from bench.errors import UserError
from bench.task import Reference

VERSION = 1  # of the measures and of the file format: a stored card of another version is not read
BINS = 24
PROJECTED = 6  # numbers that a pair is projected to
COUNTED = 5_000_000  # transitions whose cells are counted, at most
_BLOCK = 65_536  # rows that are copied at a time
_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Histogram:
    """counts (b,) of the values between edges (b + 1,), with the mean and the extremes of the values."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Card:
    """A data set in numbers; the head of this file defines the measures."""

    episodes: int
    transitions: int
    obs_dim: int
    action_dim: int
    length: tuple[float, float, float]  # shortest, mean, longest episode, in transitions
    returns: Histogram  # undiscounted, of every episode
    quality_of: Literal["return", "success"]  # what the next number is about
    trajectory_quality: float | None  # TQ; None: it is about success, and no transition is marked as one
    coverage: float  # SACo: cells / counted
    cells: int  # distinct cells
    counted: int  # transitions whose cells were counted: all, or evenly spaced ones of a very large data set


def describe(dataset: Dataset, reference: Reference) -> Card:
    """The card of a data set as it was recorded, so before observations or rewards are normalized.

    All numbers have to be finite. Raises UserError where there is no transition.
    """
    if len(dataset) == 0:
        raise UserError("the data set has no transitions; a card needs at least one; verify its files")
    last = np.flatnonzero(dataset.episode_ends())
    lengths = np.diff(last, prepend=-1)
    starts = last - lengths + 1
    returns = dataset.returns()
    reached = np.add.reduceat(_numpy(dataset.terminal), starts) > 0
    cells, counted = _cells(dataset)
    return Card(
        episodes=len(last),
        transitions=len(dataset),
        obs_dim=dataset.obs_dim,
        action_dim=dataset.action_dim,
        length=(float(lengths.min()), float(lengths.mean()), float(lengths.max())),
        returns=_histogram(returns),
        quality_of=reference.of,
        trajectory_quality=_quality(returns, reached, reference),
        coverage=cells / counted,
        cells=cells,
        counted=counted,
    )


def _quality(returns: np.ndarray, reached: np.ndarray, reference: Reference) -> float | None:
    if reference.of == "return":
        return float(reference.score(returns.mean()))
    return float(reference.score(reached.mean())) if reached.any() else None


def _histogram(values: np.ndarray) -> Histogram:
    least, most = float(values.min()), float(values.max())
    flat = most - least <= 1e-9 * max(1.0, abs(least), abs(most))  # too narrow to be divided
    counts, edges = np.histogram(values, bins=1 if flat else BINS)
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()), float(values.mean()), least, most)


def _cells(dataset: Dataset) -> tuple[int, int]:
    """How many distinct cells there are, among how many transitions."""
    rows = np.arange(len(dataset))
    if len(rows) > COUNTED:
        rows = np.linspace(0, len(rows) - 1, COUNTED).astype(np.int64)
    obs, action = _numpy(dataset.obs), _numpy(dataset.action)
    # A Generator may draw other numbers in another version of numpy; RandomState is frozen.
    fixed = np.random.RandomState(0)
    projection = fixed.normal(size=(dataset.obs_dim + dataset.action_dim, PROJECTED))
    keys = fixed.randint(1 << 62, size=PROJECTED)
    hashes = np.empty(len(rows), np.int64)
    for block in _blocks(np.arange(len(rows))):
        pairs = np.concatenate([np.arcsinh(obs[rows[block]]), action[rows[block]]], axis=1, dtype=np.float64)
        # Cells are 6 small integers: their sum with 62-bit weights, modulo 2^64, is in practice never shared.
        hashes[block] = np.rint(pairs @ projection).astype(np.int64) @ keys
    hashes.sort()  # in place: np.unique would copy
    return 1 + int(np.count_nonzero(hashes[1:] != hashes[:-1])), len(rows)


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().numpy()


def to_json(card: Card) -> dict[str, Any]:
    """Numbers, lists and names only, for run.json."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(card)))  # tuples become lists, as when read again
    return plain


def from_json(data: Mapping[str, Any]) -> Card:
    """The card that `to_json` wrote. Raises ValueError where something in it is missing or more."""
    try:
        returns = dict(data["returns"])
        returns |= {"edges": tuple(returns["edges"]), "counts": tuple(returns["counts"])}
        return Card(**(dict(data) | {"length": tuple(data["length"]), "returns": Histogram(**returns)}))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is no card of a data set: {error}") from error


def lines(card: Card) -> list[str]:
    """The card for a terminal, about 100 columns wide."""
    shortest, mean, longest = (show(number) for number in card.length)
    returns = card.returns
    histogram = f"{show(returns.minimum)} {bars(returns.counts)} {show(returns.maximum)}"
    if card.counted < card.transitions:
        among = f"{card.counted:,} evenly spaced transitions"
    else:
        among = f"{card.counted:,} transitions"
    sizes = f"observations of {card.obs_dim} numbers, actions of {card.action_dim}"
    return [
        f"transitions  {card.transitions:,}; {sizes}",
        f"episodes     {card.episodes:,}; {shortest} to {longest} transitions, mean {mean}",
        f"return       {histogram}, mean {show(returns.mean)}",
        f"TQ           {_quality_line(card)}",
        f"SACo         {card.coverage:.3f}: {card.cells:,} distinct cells among {among}",
        "             (the reference is the number of transitions, not the paper's replay buffer;",
        "             compare data sets of one environment only)",
    ]


def _quality_line(card: Card) -> str:
    if card.trajectory_quality is None:
        return "unknown: the task scores success, and no transition is marked as one"
    if card.quality_of == "success":
        return (
            f"{card.trajectory_quality:.3f}: share of the episodes that reach the goal, on the task's scale"
        )
    return f"{card.trajectory_quality:.3f}: mean return; 0 is a random policy, 1 the best known"


def bars(counts: tuple[int, ...]) -> str:
    """A histogram in text. One character for each count; only an empty bin is blank."""
    most = max(counts)
    return "".join(_BLOCKS[math.ceil(count / most * len(_BLOCKS)) - 1] if count else " " for count in counts)


def show(number: float) -> str:
    """A number with as many digits as matter to a reader."""
    if number == round(number):
        return f"{number:,.0f}"
    return f"{number:,.1f}" if abs(number) >= 10 else f"{number:.3g}"


def cached_card(dataset_sha: str, reference: Reference, make: Callable[[], Card]) -> Card:
    """The card of the data with this hash on this scale: from the cache, or made and kept there.

    The scale is part of the name, as TQ depends on it. The file carries the sha256 of its content; a damaged
    one is made again. It appears under its name only when it is complete, so that several processes may ask
    at once. Raises UserError where the cache cannot be written.
    """
    scale = f"{reference.of}_{float(reference.random)!r}_{float(reference.best)!r}"
    path = cache_dir() / "cards" / f"{dataset_sha}-{scale}-v{VERSION}.json"
    card = _read(path)
    if card is None:
        card = make()
        _write(path, card)
    return card


def _read(path: Path) -> Card | None:
    """The stored card; None where there is none or the file is damaged."""
    try:
        stored = json.loads(path.read_text())
        return from_json(stored["card"]) if stored["sha256"] == _sha256(stored["card"]) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _write(path: Path, card: Card) -> None:
    content = to_json(card)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as file:
            json.dump({"sha256": _sha256(content), "card": content}, file)
        os.replace(file.name, path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; set BENCH_CACHE to a folder that can be written"
        ) from error


def _sha256(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
