"""The mathematics of tuning curves: pure functions of scores and episodes.

Two questions. Expected online performance (Kurenkov & Kolesnikov 2022, arXiv 2110.04156): how good is the
best of n settings? The bandit curve (Jackson et al. 2025, arXiv 2504.11453): how good is the policy that a
bandit picks after so many episodes of evaluation? Settings are numbered 0..N-1, policies (one per setting
and seed) 0..P-1, in the order of their settings.
"""

from collections.abc import Sequence

import numpy as np

from bench.streams import stream


def weights(settings: int, most: int) -> np.ndarray:
    """What each sorted score counts in the expected maximum of n draws with replacement, (N, most).

    Column n - 1 holds (i/N)^n - ((i-1)/N)^n for i = 1..N (Dodge et al. 2019, arXiv 1909.03004, equation 7).
    """
    distribution = np.arange(settings + 1)[:, None] / settings
    return np.diff(distribution ** np.arange(1, most + 1), axis=0)


def expected_maximum(scores: np.ndarray, most: int) -> np.ndarray:
    """Expected maximum of n = 1..most scores drawn uniformly with replacement: (..., N) gives (..., most).

    The value at n = 1 is the mean; for large n it tends to the maximum. Drawn without replacement the maximum
    would be larger at equal n, and would equal the best score at n = N.
    """
    return np.sort(scores, axis=-1) @ weights(scores.shape[-1], most)


def resample(sizes: Sequence[int], replicates: int, algorithm: str, task: str, *settings: str) -> np.ndarray:
    """Bootstrap replicates of the policies, (R, P): settings are drawn with replacement, then their seeds.

    sizes: seeds of each setting; P is their sum. Place p of a replicate belongs to the setting of policy p;
    all places of one setting hold seeds of one drawn setting. The settings that are drawn depend on the names
    of the algorithm and the settings alone, so tasks with equal settings share them (a setting that is good
    on one task tends to be good on another); the seeds also depend on the task: trainings are separate.
    """
    owner = np.repeat(np.arange(len(sizes)), sizes)  # (P,)
    drawn = stream("tuning settings", algorithm, *settings).integers(
        len(sizes), size=(replicates, len(sizes))
    )
    uniform = stream("tuning seeds", algorithm, task, *settings).random((replicates, len(owner)))
    chosen = drawn[:, owner]
    first = np.cumsum([0, *sizes[:-1]])
    return first[chosen] + (uniform * np.asarray(sizes)[chosen]).astype(int)


def means_of(values: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Mean over the seeds of each setting: values (..., P) of policies give (..., N)."""
    first = np.cumsum([0, *sizes[:-1]])
    return np.add.reduceat(values, first, axis=-1) / np.asarray(sizes)


def subsets(policies: np.ndarray, size: int, repeats: int, draw: np.random.Generator) -> np.ndarray:
    """For every row of policies (R, P), `repeats` draws of `size` of its places, (R * repeats, size).

    Drawn without replacement; those of one row stand one below the other.
    The order within a draw is random too, so that a tie that goes to the first arm goes to a random one.
    """
    return draw.permuted(np.repeat(policies, repeats, axis=0), axis=1)[:, :size]


def bandit(
    episodes: Sequence[np.ndarray], arms: np.ndarray, pulls: int, draw: np.random.Generator
) -> np.ndarray:
    """True scores of what UCB1 would pick after 1..pulls episodes, (M, pulls), for M bandits at once.

    episodes: the recorded scores of each policy, on a scale where 1 is about the largest. arms (M, K): the
    policies that each bandit chooses from. A pull returns one recorded episode of the arm, drawn with
    replacement. Every arm is pulled once, then the one with the largest mean + sqrt(2 ln t / its pulls),
    where t counts all pulls so far (Auer, Cesa-Bianchi & Fischer 2002). The pick is the arm with the largest
    mean among those that were pulled; its true score is the mean of all its recorded episodes.
    """
    recorded = np.concatenate(episodes)
    length = np.array([len(own) for own in episodes])
    first = np.cumsum(length) - length
    true = np.array([own.mean() for own in episodes])
    row, sums, counts = np.arange(len(arms)), np.zeros(arms.shape), np.zeros(arms.shape)
    picked = np.empty((len(arms), pulls))
    for t in range(pulls):
        arm = np.full(len(arms), t) if t < arms.shape[1] else _upper(sums, counts, t).argmax(1)
        policy = arms[row, arm]
        sums[row, arm] += recorded[first[policy] + (draw.random(len(arms)) * length[policy]).astype(int)]
        counts[row, arm] += 1
        means = np.divide(sums, counts, out=np.full(sums.shape, -np.inf), where=counts > 0)
        picked[:, t] = true[arms[row, means.argmax(1)]]
    return picked


def _upper(sums: np.ndarray, counts: np.ndarray, total: int) -> np.ndarray:
    """The upper confidence bounds of UCB1."""
    return sums / counts + np.sqrt(2 * np.log(total) / counts)
