"""A Ray cluster of a head and two workers on this machine, one of which is killed while it works."""

import json
import os
import signal
import sys
import time

import pytest
from executor_work import resumed


@pytest.mark.skipif(sys.platform != "linux", reason="Ray clusters of several nodes need Linux")
def test_a_cluster_that_loses_a_machine_makes_the_records_of_this_one(same_records, tmp_path):
    pytest.importorskip("ray", reason="the package ray is not installed: pip install 'offline-bench[ray]'")
    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": 80_000_000}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False} | memory
    )
    try:
        first = cluster.add_node(num_cpus=1, **memory)

        def kill_a_machine(results):
            (path,) = wait_for(lambda: list(results.glob("runs/*/*/*/*/checkpoint.safetensors")))
            worker = json.loads((path.parent / "lock").read_text())["pid"]
            os.kill(worker, signal.SIGSTOP)  # or the run might end while its machine is taken away
            cluster.remove_node(first, allow_graceful=False)  # the only one: what it worked on is lost
            os.kill(worker, signal.SIGKILL)
            cluster.add_node(num_cpus=1, **memory)

        options = ["--executor", "ray", "--address", cluster.address]
        printed = same_records(["bc", "iql", "td3_bc"], options, steps=400, meanwhile=kill_a_machine)
        assert "3 of 3 runs finished" in printed
        assert "raylet" not in printed
        assert sum(map(bool, resumed(tmp_path / "there"))) == 1  # the one that the machine worked on
    finally:
        cluster.shutdown()


def wait_for(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found
