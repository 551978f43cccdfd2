"""How much memory training takes at most."""

import multiprocessing
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import torch
from torch import Tensor
from torch.func import vmap

from bench.errors import UserError
from bench.memory import keep_freed_memory, largest_resident
from bench.recording import record
from bench.speed.counting import warm
from bench.speed.workload import Workload, set_threads

UPDATES = 20
SECONDS = 20.0  # large groups do fewer updates; the first ones take as much memory as the others


def peak_memory(workload: Workload, seeds: int) -> int:
    """Bytes that a group of seeds needs at most while it trains: its networks, its data, all between.

    On a CPU the largest resident memory of a process is only ever raised, so every group gets a process
    of its own. Raises UserError where that process is killed.
    """
    if torch.device(workload.device).type == "cuda":
        return _on_cuda(workload, seeds)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        try:
            return pool.submit(_grown, workload, seeds, torch.get_num_threads()).result()
        except BrokenProcessPool as error:
            raise UserError(
                f"{workload.source} with {seeds} seeds was killed, probably because memory ran out; "
                "give fewer --seeds or a smaller --hidden"
            ) from error


def _on_cuda(workload: Workload, seeds: int) -> int:
    data = workload.data()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(workload.device)
    before = torch.cuda.memory_allocated(workload.device)
    warm(workload.population(seeds, data))
    return torch.cuda.max_memory_allocated(workload.device) - before


def _grown(workload: Workload, seeds: int, threads: int) -> int:
    """In a fresh process: by how much its largest resident memory grows through training."""
    keep_freed_memory()
    set_threads(threads)
    data = workload.data()
    _load_libraries()
    before = largest_resident()
    population = workload.population(seeds, data)
    end = time.monotonic() + SECONDS
    while population.step < UPDATES and (population.step == 0 or time.monotonic() < end):
        population.update(1)
    return largest_resident() - before


def _load_libraries() -> None:
    """What the first update of anything loads is not part of what the group needs."""
    weight = torch.rand(1, 8, 8, requires_grad=True)

    def loss(inputs: Mapping[str, Tensor], _: object) -> dict[str, Tensor]:
        value = vmap(lambda w: (w @ w).square().mean())(inputs["w"]).sum()
        return {"w": torch.autograd.grad(value, inputs["w"])[0]}

    weight.grad = record(loss, {"w": weight}, {})({"w": weight})["w"]
    torch.optim.Adam([weight], fused=True).step()
