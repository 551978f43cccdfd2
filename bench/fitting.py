"""How many seeds fit in memory together."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.algorithm import Algorithm
from bench.dataset import Dataset, Episode
from bench.errors import UserError
from bench.memory import largest_resident
from bench.population import NativePopulation

Make = Callable[[], Algorithm]  # picklable: it is called in other processes

RESERVE = 0.2  # share of the memory that is left free
UPDATES = 8


def largest_group(make: Make, obs_dim: int, action_dim: int, seeds: int, device: str, jobs: int = 1) -> int:
    """How many of so many seeds can be trained together, when `jobs` such groups share the memory.

    Measured with groups of two and of four seeds, on data made up for it: what the last two add is what
    every further two add. Raises UserError where not even one fits.
    """
    room = (1 - RESERVE) * _free(device) / jobs
    two, four = (_peak(make, obs_dim, action_dim, count, device) for count in (2, 4))
    each = max((four - two) / 2, _state(make(), obs_dim, action_dim))
    one = max(two - each, each)
    if one > room:
        raise UserError(
            f"one seed needs {one / 1e9:.1f} GB and {room / 1e9:.1f} GB are free for it; "
            "take a smaller network or batch, or fewer --jobs"
        )
    return max(1, min(seeds, 1 + int((room - one) / each)))


def _free(device: str) -> int:
    """Bytes that are free on a device, or on this machine within the limit of its container."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return free
    return free if limit == "max" else min(free, int(limit) - int(used))


def _peak(make: Make, obs_dim: int, action_dim: int, seeds: int, device: str) -> int:
    """Bytes that training so many seeds takes at most."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        _train(make(), obs_dim, action_dim, seeds, device)
        return torch.cuda.max_memory_allocated(device) - before
    # A process keeps what it frees, so each measurement has one of its own.
    context = multiprocessing.get_context("spawn")
    answers: Any = context.SimpleQueue()
    process = context.Process(target=_report_peak, args=(answers, make, obs_dim, action_dim, seeds))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise UserError(f"{seeds} seeds could not be trained together, to measure memory; give --group N")
    return answers.get()


def _report_peak(answers: Any, make: Make, obs_dim: int, action_dim: int, seeds: int) -> None:
    algorithm = make()
    torch.set_num_threads(1)
    before = largest_resident()
    _train(algorithm, obs_dim, action_dim, seeds, "cpu")
    answers.put(largest_resident() - before)


def _state(algorithm: Algorithm, obs_dim: int, action_dim: int) -> int:
    """Bytes of the parameters of one seed, with gradients and both moments."""
    networks = algorithm.networks(obs_dim, action_dim).values()
    return 4 * 4 * sum(p.numel() for network in networks for p in network.module.parameters())


def _train(algorithm: Algorithm, obs_dim: int, action_dim: int, seeds: int, device: str) -> None:
    generator = np.random.default_rng(0)
    episode = Episode(
        obs=generator.normal(size=(101, obs_dim)),
        action=generator.uniform(-1, 1, (100, action_dim)),
        reward=generator.normal(size=100),
        terminal=True,
    )
    dataset = Dataset.from_episodes([episode])
    NativePopulation(algorithm, dataset, range(seeds), UPDATES, device).update(UPDATES)
