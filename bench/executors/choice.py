"""The options of a command line that say where runs are executed, and the executor that they mean."""

import argparse
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.arguments import positive
from bench.devices import resolve_device
from bench.errors import UserError
from bench.executors.cluster import Cluster
from bench.executors.interface import Executor
from bench.executors.local import Local, cores

EXECUTORS = ("local", "ray", "slurm")
OWN = {"address": "ray", "gpus": "ray", "slurm": "slurm", "max_queued": "slurm"}  # option: its executor
RETRIES = {"local": 0, "ray": 2, "slurm": 2}  # machines of a cluster come and go


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command that executes runs."""
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1; default: auto")
    add(
        "--jobs",
        type=positive,
        metavar="N",
        help="runs at once; default: as many as cores allow, one on a GPU",
    )
    add("--threads", type=positive, default=1, metavar="N", help="cores for each run; default: 1")
    add(
        "--workers",
        type=positive,
        metavar="N",
        help="processes of each run that step environments, beside its training; default: the cores that "
        "runs at once leave free",
    )
    add("--executor", choices=EXECUTORS, default="local", help="where runs work; default: local")
    add("--timeout", type=_seconds, metavar="TIME", help="for an attempt at a run: 90 (seconds), 30min, 2h")
    add(
        "--retries",
        type=_count,
        metavar="N",
        help="of a run whose process was killed, whose machine was lost, or that took too long; default: "
        "0, on clusters 2",
    )
    add("--address", metavar="HOST:PORT", help="of Ray's head; default: $RAY_ADDRESS, else this machine")
    add("--gpus", type=_share, metavar="SHARE", help="of Ray for each run, such as 0.5; default: 1 with cuda")
    add(
        "--slurm",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of sbatch, such as partition=gpu, time=8:00:00 or gres=gpu:1",
    )
    add("--max-queued", type=positive, metavar="N", help="jobs in SLURM at a time; default: all")


def _check(options: argparse.Namespace) -> None:
    """Raise UserError where an option belongs to another executor than the chosen one."""
    for name, owner in OWN.items():
        if getattr(options, name) and options.executor != owner:
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{option} is for --executor {owner}; here it is {options.executor}")
    if options.executor == "slurm" and options.timeout is not None:
        raise UserError(
            "--timeout is not for --executor slurm, whose jobs go on after their time limit; "
            "give --slurm time=8:00:00"
        )


def device_of(options: argparse.Namespace) -> str:
    """Where runs train. `auto` is asked of this machine, or on a cluster of what the options ask for.

    Raises UserError for a device that is not there, and for options that do not fit together.
    """
    _check(options)
    if options.executor == "local":
        return resolve_device(options.device)
    if options.device != "auto":
        try:
            return str(torch.device(options.device))
        except RuntimeError as error:
            raise UserError(f"device {options.device!r} is not known; give auto, cpu or cuda") from error
    asked = any("gpu" in item or item.startswith("gres") for item in options.slurm)
    return "cuda" if options.gpus or asked else "cpu"


def visible_gpus(device: str) -> list[str]:
    """What CUDA_VISIBLE_DEVICES may say for one of several GPUs each; empty where there are not several."""
    if device != "cuda" or torch.cuda.device_count() < 2:
        return []
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named or [str(number) for number in range(torch.cuda.device_count())]


@dataclass(frozen=True)
class Layout:
    """How runs share a machine: runs at once, processes of each that step environments, GPUs."""

    processes: int
    workers: int
    gpus: list[str]


def layout(
    executor: str, device: str, jobs: int | None, threads: int, workers: int | None, runs: int
) -> Layout:
    """None stands for as many as the machine has room for; `jobs` counts for each GPU."""
    if executor != "local":  # what other machines have room for is their own matter
        return Layout(jobs or 0, workers or 1, [])
    gpus = visible_gpus(device)
    processes = (jobs or default_jobs(device, threads)) * max(1, len(gpus))
    processes = min(processes, max(1, runs))
    return Layout(processes, workers or max(1, cores() // processes), gpus)


def default_jobs(device: str, threads: int) -> int:
    return 1 if device.startswith("cuda") else max(1, cores() // threads)


def make_executor(
    options: argparse.Namespace, device: str, shares: Layout, plan: Path, results: Path
) -> Executor:
    """The executor that the options name. Raises UserError where it is not to be had."""
    retries = RETRIES[options.executor] if options.retries is None else options.retries
    if options.executor == "local":
        return Local(shares.processes, options.threads, shares.gpus, options.timeout, retries)
    jobs = results.resolve() / "jobs"
    cpus = options.threads + (shares.workers if shares.workers > 1 else 0)
    if options.executor == "ray":
        from bench.executors.ray import RayMachines

        share = options.gpus or (1.0 if device.startswith("cuda") else 0.0)
        machines = RayMachines(options.address, cpus, share, jobs / f"{plan.stem}-ray.log")
        machines.say_what_is_lacking()
        return Cluster(machines, options.timeout, retries, options.jobs)
    from bench.executors.slurm import SlurmMachines

    slurm = SlurmMachines(jobs / plan.stem, options.slurm, cpus, options.jobs)
    return Cluster(slurm, None, retries, options.max_queued)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|min|h)?", text)
    if not match or not float(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time above 0 such as 90, 30min or 2h")
    return float(match[1]) * {"h": 3600, "min": 60}.get(match[2], 1)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0 or math.isinf(value) or (value > 1 and value % 1):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a share of one GPU nor a number of GPUs")
    return value
