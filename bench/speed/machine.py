"""The machine: what it can do at best, and how time is taken on it."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

PRODUCT_SIZE = {"cpu": 2048, "cuda": 8192}  # rows and columns of the matrices of the largest product
COPIED_BYTES = 256 * 2**20
FLOAT_BYTES = 4


class Machine:
    """One device, with the tensors on which its limits are measured."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        size = PRODUCT_SIZE.get(self.device.type, PRODUCT_SIZE["cpu"])
        self._left, self._right = torch.rand(2, size, size, device=device)
        self._product = torch.empty(size, size, device=device)
        self._source = torch.rand(COPIED_BYTES // FLOAT_BYTES, device=device)
        self._copy = torch.empty_like(self._source)
        self._multiply(1)  # the first calls load libraries and touch pages
        self._move(1)

    def peak(self, seconds: float) -> float:
        """FLOP/s of a large product of float32 matrices."""
        return self.rate(self._multiply, seconds) * 2 * len(self._product) ** 3

    def bandwidth(self, seconds: float) -> float:
        """Bytes/s read and written by a copy within the device's memory."""
        return self.rate(self._move, seconds) * 2 * COPIED_BYTES

    def rate(self, work: Callable[[int], object], seconds: float) -> float:
        """How often per second `work(n)` does its work, n times per call, over at least `seconds`."""
        self.wait()
        done, block, start = 0, 1, time.perf_counter()
        while True:
            begun = time.perf_counter()
            work(block)
            self.wait()
            now = time.perf_counter()
            done += block
            if now - start >= seconds:
                return done / (now - start)
            if now - begun < seconds / 10:  # waiting for the device is part of the time: let it be rare
                block *= 2

    def latency(self, call: Callable[[], object], seconds: float) -> float:
        """Median of the seconds that one call takes, over at least five calls."""
        taken: list[float] = []
        while len(taken) < 5 or sum(taken) < seconds:
            self.wait()
            start = time.perf_counter()
            call()
            self.wait()
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def describe(self) -> dict[str, str | float]:
        """Name of the device, cores, threads, processes that wanted a core in the last minute, versions."""
        cuda = self.device.type == "cuda"
        return {
            "device": str(self.device),
            "name": torch.cuda.get_device_name(self.device) if cuda else processor(),
            "cores": len(os.sched_getaffinity(0)),
            "threads": torch.get_num_threads(),
            "load": os.getloadavg()[0],
            "torch": torch.__version__,
            "python": platform.python_version(),
        }

    def _multiply(self, times: int) -> None:
        for _ in range(times):
            torch.mm(self._left, self._right, out=self._product)

    def _move(self, times: int) -> None:
        for _ in range(times):
            self._copy.copy_(self._source)


def processor() -> str:
    """The model of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
