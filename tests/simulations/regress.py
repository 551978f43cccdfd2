"""False alarms and power of `bench regress`, on made-up scores and on recorded ones. Takes some minutes.

    python tests/simulations/regress.py [RESULTS]

A report is drawn again and again from known distributions: once without a change, once with every cell of
it at the edge of the margin, and, for the power, with a loss in one cell of seven. Scores are points. With a
results folder, seeds are also drawn with replacement from the cells that are recorded there.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from bench.drops import drop_p
from bench.protocol import PROTOCOLS
from bench.scores import load
from bench.welch import holm

MARGIN, ALPHA = 5.0, 0.05
World = Callable[[np.random.Generator, tuple[int, int], float], np.ndarray]  # (cells, seeds) less the points


def two_levels(high: float, low: float, share: float) -> World:
    """A share of the seeds reaches the high level, the others the low one; a loss makes the share smaller."""
    return lambda random, shape, lost: np.where(random.random(shape) < share - lost / (high - low), high, low)


def shifted(draw: Callable[[np.random.Generator, tuple[int, int]], np.ndarray]) -> World:
    """A loss is subtracted from the score of every seed."""
    return lambda random, shape, lost: draw(random, shape) - lost


WORLDS: Mapping[str, World] = {
    "half learn (0 or 100)": two_levels(100, 0, 0.525),
    "most learn (0 or 100)": two_levels(100, 0, 0.8),
    "few learn (0 or 100)": two_levels(100, 0, 0.2),
    "half learn (20 or 80)": two_levels(80, 20, 0.54),
    "half learn (40 or 60)": two_levels(60, 40, 0.625),
    "normal, deviation 2": shifted(lambda random, shape: random.normal(70, 2, shape)),
    "normal, deviation 15": shifted(lambda random, shape: random.normal(70, 15, shape)),
    "skewed to below": shifted(lambda random, shape: 100 - 10 * random.exponential(size=shape)),
    "skewed to above": shifted(lambda random, shape: 10 * random.exponential(size=shape)),
}


def recorded(results: Path) -> World:
    """Cells drawn from those that are recorded, each with its own seeds drawn with replacement."""
    scores = load(results, "diagnostic", PROTOCOLS["final"])
    cells = [np.array([100 * cell.score for cell in seeds.values()]) for seeds in scores.cells.values()]

    def draw(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return np.array([random.choice(cells[number], shape[1]) for number in range(shape[0])])

    return shifted(draw)


def alarms(world: World, count: int, seeds: int, lost: float, reports: int) -> float:
    """The share of reports with `count` cells in which any is called regressed; each has lost so much."""
    random = np.random.default_rng([count, seeds])
    found = 0
    for _ in range(reports):
        base, here = world(random, (count, seeds), 0), world(random, (count, seeds), lost)
        found += min(holm([drop_p(a, b, MARGIN) for a, b in zip(base, here, strict=True)])) <= ALPHA
    return found / reports


def power(count: int, seeds: int, deviation: float, lost: float, reports: int) -> float:
    """The share of the regressed cells, one of seven, that are called so; normal scores."""
    random = np.random.default_rng(0)
    found, worse = 0, count // 7
    for _ in range(reports):
        base, here = random.normal(70, deviation, (2, count, seeds))
        here[:worse] -= lost
        corrected = holm([drop_p(a, b, MARGIN) for a, b in zip(base, here, strict=True)])
        found += sum(p <= ALPHA for p in corrected[:worse])
    return found / (worse * reports)


def main(results: Path | None, reports: int = 2000) -> None:
    worlds = dict(WORLDS) | ({"recorded": recorded(results)} if results else {})
    print("any false alarm: cells x seeds, without a change | every cell has lost the margin")
    for name, world in worlds.items():
        texts = []
        for count, seeds in ((6, 5), (18, 5), (31, 5), (42, 6)):
            still, edge = (alarms(world, count, seeds, lost, reports) for lost in (0, MARGIN))
            texts.append(f"{count} x {seeds}: {still:.1%} | {edge:.1%}")
        print(f"{name:24s} {'   '.join(texts)}", flush=True)
    print("power: share of the regressed cells (one of seven) that are found, by deviation 2, 5, 10, 15, 20")
    for count, seeds, lost in ((28, 5, 20), (28, 5, 30), (42, 6, 20), (42, 6, 30), (42, 10, 30)):
        shares = [power(count, seeds, deviation, lost, reports // 10) for deviation in (2, 5, 10, 15, 20)]
        print(f"{count} cells, {seeds} seeds, {lost} lost: {'  '.join(f'{share:.0%}' for share in shares)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
