"""How often each test calls two algorithms different over six tasks, at the level 5%. Half a minute.

python tests/simulations/overall.py
"""

import numpy as np

from bench.bootstrap import interval
from bench.metrics import mean
from bench.permutation import permutation_test
from bench.welch import ALPHA, welch_over

TRIALS, REPLICATES, SPREAD = 1000, 1000, 0.1
NOTHING = np.zeros(6)
OPPOSITE = np.array(
    [0.8, -0.8, 0.5, -0.5, 0.3, -0.3]
)  # what A gains on each task; no difference of the means


def found(random: np.random.Generator, seeds: int, gains: np.ndarray) -> tuple[float, float, float]:
    """The shares of experiments in which Welch's test, the permutation test and the bootstrap say so."""
    hits = np.zeros(3)
    for _ in range(TRIALS):
        a, b = (random.normal(0, SPREAD, (seeds, len(gains))) + shift for shift in (gains, 0))
        low, high = interval(_resampled(random, a) - _resampled(random, b))
        p = welch_over(list(a.T), list(b.T)).p, permutation_test(a, b, "simulation").p
        hits += [p[0] <= ALPHA, p[1] <= ALPHA, low > 0 or high < 0]
    welch, permutation, bootstrap = hits / TRIALS
    return welch, permutation, bootstrap


def _resampled(random: np.random.Generator, scores: np.ndarray) -> np.ndarray:
    drawn = random.integers(0, len(scores), (REPLICATES, *scores.shape))
    counts = (drawn[:, :, None, :] == np.arange(len(scores))[:, None]).sum(1).transpose(2, 0, 1)
    return mean(scores, counts.astype(float))


def main() -> None:
    random = np.random.default_rng(0)
    print("difference, gains: seeds, share called different by Welch, permutation, bootstrap")
    for shift in (0.0, 0.06):
        for name, gains in (("on no task", NOTHING), ("opposite", OPPOSITE)):
            for seeds in (3, 5, 10):
                shares = " ".join(f"{share:6.3f}" for share in found(random, seeds, gains + shift))
                print(f"{shift:5} {name:10}: {seeds:3} {shares}")


if __name__ == "__main__":
    main()
