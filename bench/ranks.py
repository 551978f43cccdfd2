"""The rank of every algorithm among the others: 1 is the highest mean score of a task, ties share.

Shapes: K rows, T tasks, R replicates.
"""

import numpy as np

EQUAL = 1e-9  # task means that differ by less than this, on the scale 0..1, are the same number


def task_ranks(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From task means (K, T, R): how many rows are better, and how many are equal, oneself included.

    Both (K, T, R). The rank is better + (equal + 1) / 2, so that ranks always sum to K (K + 1) / 2.
    """
    better = np.zeros(means.shape, np.uint16)
    equal = np.zeros(means.shape, np.uint16)
    for k in range(len(means)):
        better[k] = (means > means[k] + EQUAL).sum(0)
        equal[k] = (np.abs(means - means[k]) <= EQUAL).sum(0)
    return better, equal


def mean_ranks(better: np.ndarray, equal: np.ndarray) -> np.ndarray:
    """Mean rank over tasks, (K, R)."""
    return (better + (equal + 1) / 2).mean(1)


def rank_shares(better: np.ndarray, equal: np.ndarray) -> np.ndarray:
    """The share of tasks and replicates in which each row (first axis) has each rank 1 to K, (K, K).

    Rows that tie for several ranks have an equal part of each; every line and every column sums to 1.
    """
    shares = np.zeros((len(better), len(better)))
    for k in range(len(better)):
        weight = 1 / equal[k]
        for rank in range(len(better)):
            held = (better[k] <= rank) & (rank < better[k] + equal[k])
            shares[k, rank] = (held * weight).mean()
    return shares
