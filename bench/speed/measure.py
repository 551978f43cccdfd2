"""Measures one algorithm for several numbers of seeds, and its peers, in turn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from bench.dataset import Dataset
from bench.population import NativePopulation
from bench.sampler import draw
from bench.speed.counting import warm, work_of_update
from bench.speed.footprint import peak_memory
from bench.speed.machine import Machine
from bench.speed.peers import Peer, PeerRun
from bench.speed.workload import Workload
from bench.streams import stream

ACTED_ON = 256  # observations that are acted on together


@dataclass(frozen=True)
class Effort:
    """Rounds, the least seconds that each training is timed for in a round, and whether to measure memory."""

    repeats: int
    seconds: float
    memory: bool = True


@dataclass(frozen=True)
class Round:
    """What was seen once, one after the other, so that a slow moment of the machine hits everybody.

    peak: FLOP/s. bandwidth: bytes/s. updates: updates/s by number of seeds. peers: updates/s of one seed
    with (sampled) and without (alone) the drawing of batches, by name; None where a peer lacks the algorithm.
    act_1, act_batch: seconds per action for one observation, and for ACTED_ON of them.
    """

    peak: float
    bandwidth: float
    updates: Mapping[int, float]
    peers: Mapping[str, Mapping[str, float] | None]
    act_1: float
    act_batch: float


def measure(
    workload: Workload,
    groups: Sequence[int],
    peers: Mapping[str, Peer],
    effort: Effort,
    machine: Machine,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """One row for each number of seeds in `groups`; `say` is told what is being done."""
    name, data = workload.entry().name, workload.data()
    populations = {}
    for seeds in groups:
        say(f"{name}, {_seeds(seeds)}: preparing")
        populations[seeds] = workload.population(seeds, data)
        warm(populations[seeds])
    config = workload.config()
    runs = {title: peer(name, config, data, workload.device) for title, peer in peers.items()}
    for run in runs.values():
        if run is not None:  # every network of it: some are trained in every other update only
            run.sampled(4)
            run.prepared(4)
    rounds = []
    actor = _Actor(workload, data)
    for number in range(effort.repeats):
        say(f"{name}, {' and '.join(_seeds(s) for s in groups)}: round {number + 1} of {effort.repeats}")
        rounds.append(_round(populations, runs, actor, effort.seconds, machine))
    work = {seeds: work_of_update(population) for seeds, population in populations.items()}
    populations.clear()  # on a GPU, memory is measured in this process
    rows = []
    for seeds in groups:
        row = {"algorithm": name, "hidden": _hidden(config), "batch": workload.batch}
        row |= _row(seeds, rounds, *work[seeds])
        if effort.memory:
            say(f"{name}, {_seeds(seeds)}: memory")
        rows.append(row | {"memory_bytes": peak_memory(workload, seeds) if effort.memory else None})
    return rows


class _Actor:
    """One seed that is asked for actions, with the default settings of acting."""

    def __init__(self, workload: Workload, data: Dataset) -> None:
        self.population: NativePopulation = workload.population(1, data)
        self.inference = self.population.actor.algorithm.Inference()
        self.obs = data.obs[:ACTED_ON].numpy()[None]  # (1, E, D)
        generator = stream("speed/act", 0)
        self.noise = {
            name: draw(noise, (1, ACTED_ON), generator)
            for name, noise in self.population.act_noise(self.inference).items()
        }
        warm(self.population)
        for count in (1, ACTED_ON):
            self.act(count)

    def act(self, count: int) -> np.ndarray:
        """Actions (1, count, A); from arrays to arrays, as in an evaluation."""
        noise = {name: numbers[:, :count] for name, numbers in self.noise.items()}
        return self.population.act(self.obs[:, :count], noise, self.inference)


def _round(
    populations: Mapping[int, NativePopulation],
    runs: Mapping[str, PeerRun | None],
    actor: _Actor,
    seconds: float,
    machine: Machine,
) -> Round:
    return Round(
        peak=machine.peak(seconds / 2),
        bandwidth=machine.bandwidth(seconds / 2),
        updates={seeds: machine.rate(group.update, seconds) for seeds, group in populations.items()},
        peers={name: _peer_rates(run, seconds, machine) for name, run in runs.items()},
        act_1=machine.latency(lambda: actor.act(1), seconds / 4),
        act_batch=machine.latency(lambda: actor.act(ACTED_ON), seconds / 4) / ACTED_ON,
    )


def _peer_rates(run: PeerRun | None, seconds: float, machine: Machine) -> dict[str, float] | None:
    if run is None:
        return None
    return {
        "sampled": machine.rate(run.sampled, seconds),
        "alone": machine.rate(run.prepared, seconds),
    }


def _row(seeds: int, rounds: Sequence[Round], flops: float, moved: float) -> dict[str, Any]:
    """Medians over the rounds; a share or a ratio is the median of those within the rounds.

    flops, moved: FLOPs and bytes of an update of the group.
    """
    updates = [one.updates[seeds] for one in rounds]
    rate = median(updates)
    return {
        "seeds": seeds,
        "updates_per_s": rate,
        "seed_updates_per_s": seeds * rate,
        "flops_per_update": flops,
        "bytes_per_update": moved,
        "flops_per_s": flops * rate,
        "share_of_peak": median(flops * one.updates[seeds] / one.peak for one in rounds),
        "share_of_bandwidth": median(moved * one.updates[seeds] / one.bandwidth for one in rounds),
        "act_1_s": median(one.act_1 for one in rounds),
        f"act_{ACTED_ON}_s": median(one.act_batch for one in rounds),
        "peers": {name: _against(name, seeds, rounds) for name in rounds[0].peers},
        "rounds": {
            "updates_per_s": updates,
            "peak_flops_per_s": [one.peak for one in rounds],
            "bandwidth_bytes_per_s": [one.bandwidth for one in rounds],
            "act_1_s": [one.act_1 for one in rounds],
            f"act_{ACTED_ON}_s": [one.act_batch for one in rounds],
            "peers": {name: [one.peers[name] for one in rounds] for name in rounds[0].peers},
        },
    }


def _against(name: str, seeds: int, rounds: Sequence[Round]) -> dict[str, float] | None:
    """Updates/s of a peer, and how many times as many seed-updates/s are ours."""
    seen = [(seeds * one.updates[seeds], theirs) for one in rounds if (theirs := one.peers[name])]
    if not seen:
        return None
    return {
        "updates_per_s": median(theirs["sampled"] for _, theirs in seen),
        "ratio": median(ours / theirs["sampled"] for ours, theirs in seen),
        "updates_alone_per_s": median(theirs["alone"] for _, theirs in seen),
        "ratio_alone": median(ours / theirs["alone"] for ours, theirs in seen),
    }


def _hidden(config: Any) -> list[int] | None:
    hidden = getattr(config, "hidden", None)
    return None if hidden is None else list(hidden)


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count > 1 else ''}"
