"""Whether the number of seeds that `bench compare` names finds the difference 4 times of 5. Half a minute.

python tests/simulations/power.py
"""

import numpy as np

from bench.differences import more_seeds
from bench.welch import ALPHA, welch

SHAPE = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])  # five seeds; standard deviation 0.79


def found(
    random: np.random.Generator, spreads: tuple[float, float], margin: float, tests: int, trials: int
) -> tuple[float, float]:
    """How often a true difference of `margin` is found at the level ALPHA / tests.

    First where the five seeds at hand show the true standard deviations, then where these are estimated
    from five random seeds, which stay in the test.
    """
    known = estimated = 0
    a, b = (spread / SHAPE.std(ddof=1) * SHAPE for spread in spreads)
    more = more_seeds(a, b, margin, tests)
    for _ in range(trials):
        x, y = (random.normal(0, spread, 5 + more) for spread in spreads)
        known += welch(x + margin, y).p <= ALPHA / tests
        x, y = (random.normal(0, spread, 5) for spread in spreads)
        add = more_seeds(x, y, margin, tests)
        x, y = (
            np.concatenate([each, random.normal(0, s, add)]) for each, s in zip((x, y), spreads, strict=True)
        )
        estimated += welch(x + margin, y).p <= ALPHA / tests
    return known / trials, estimated / trials


def main() -> None:
    random = np.random.default_rng(0)
    print("spreads, difference, tests: seeds named, power with known and with estimated deviations")
    for spreads in ((0.1, 0.1), (0.2, 0.05)):
        for margin in (0.05, 0.1):
            for tests in (1, 6):
                a, b = (spread / SHAPE.std(ddof=1) * SHAPE for spread in spreads)
                known, estimated = found(random, spreads, margin, tests, 2000)
                print(
                    f"{spreads} {margin:5} {tests}: {more_seeds(a, b, margin, tests):4} {known:6.3f} {estimated:6.3f}"
                )


if __name__ == "__main__":
    main()
