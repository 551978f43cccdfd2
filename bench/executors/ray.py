"""Runs on a Ray cluster: each is one task with its share of cores and GPUs."""

import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.executors.cluster import serve
from bench.executors.interface import Job

WAIT_SECONDS = 1.0
CONNECT_SECONDS = 20.0
PASSED_ON = ("BENCH_", "MUJOCO_")  # variables that workers need, by how they begin


class RayMachines:
    """The machines of a Ray cluster, see cluster.Machines.

    address: of the head; None: RAY_ADDRESS, else the cluster of this machine. cpus, gpus: what a job takes;
    gpus may be a fraction. log: where what Ray prints goes, which is long and not for the terminal. Raises
    UserError where Ray is not installed or no cluster answers.
    """

    def __init__(self, address: str | None, cpus: int, gpus: float, log: Path) -> None:
        self.ray = _library()
        address = address or os.environ.get("RAY_ADDRESS") or "auto"
        _check_reachable(address)
        variables = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        try:
            self.ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": variables} if variables else None,
            )
        except (ConnectionError, ValueError, RuntimeError, SystemExit) as error:  # Ray exits where all fails
            raise _no_cluster(address, error) from error
        self.task = self.ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(serve)
        self.resources = {"CPU": float(cpus), "GPU": gpus}
        self._reasons: dict[Any, str] = {}
        log.parent.mkdir(parents=True, exist_ok=True)
        self._printed = ExitStack()
        file = self._printed.enter_context(log.open("w"))
        self._printed.enter_context(redirect_stdout(file))

    def say_what_is_lacking(self) -> None:
        """A line where no machine can take a job now: it may be that one joins later."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if not any(all(node.get(k, 0) >= v for k, v in self.resources.items()) for node in nodes):
            asked = ", ".join(f"{value:g} {name}" for name, value in self.resources.items() if value)
            print(f"bench: no machine of the cluster has {asked}; runs wait until one joins", file=sys.stderr)

    def submit(self, jobs: Sequence[Job]) -> list[Any]:
        return [self.task.remote(job.to_json()) for job in jobs]

    def ended(self, jobs: Mapping[Any, Job]) -> dict[Any, str | None]:
        done, _ = self.ray.wait(list(jobs), num_returns=1, timeout=WAIT_SECONDS)
        if done:  # whatever else has ended, without waiting
            done, _ = self.ray.wait(list(jobs), num_returns=len(jobs), timeout=0)
        return {handle: self._outcome(handle) for handle in done}

    def lost(self, handle: Any) -> str:
        return self._reasons.pop(handle, "it was lost")

    def cancel(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            self.ray.cancel(handle, force=True)

    def close(self) -> None:
        self.ray.shutdown()
        self._printed.close()

    def _outcome(self, handle: Any) -> str | None:
        try:
            return self.ray.get(handle)
        except self.ray.exceptions.RayTaskError as error:  # `serve` did not even begin
            raise UserError(
                f"the machines of the cluster cannot start a run ({str(error).splitlines()[-1]}); install "
                "the same version of offline-bench on all of them"
            ) from error
        except self.ray.exceptions.RayError as error:
            self._reasons[handle] = f"its process or its machine was lost ({type(error).__name__})"
            return None


def _check_reachable(address: str) -> None:
    """Raise UserError where nobody listens: Ray itself tries for five minutes, and then ends the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: BaseException) -> UserError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return UserError(
        f"no Ray cluster at {address!r} ({reason}); start one with `ray start --head`, or give the --address "
        "of one"
    )


def _library() -> Any:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # and no warning about it
    try:
        import ray
    except ImportError as error:
        raise UserError("--executor ray needs the package ray: pip install 'offline-bench[ray]'") from error
    return ray
