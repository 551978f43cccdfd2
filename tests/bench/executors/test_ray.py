"""A Ray cluster of a head and two workers on this machine, one of which is killed while it works."""

import os
import signal
import sys
from contextlib import suppress

import pytest
from executor_work import resumed, stopped_worker, wait_for


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

        def kill_a_machine(results, command):
            worker = wait_for(lambda: stopped_worker(results, "*"), command)
            cluster.remove_node(first, allow_graceful=False)  # the only one: what it worked on is lost
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
            cluster.add_node(num_cpus=1, **memory)

        options = ["--executor", "ray", "--address", cluster.address]
        printed = same_records(["bc", "iql", "td3_bc"], options, steps=400, meanwhile=kill_a_machine)
        assert "3 of 3 runs finished" in printed
        assert "raylet" not in printed
        assert sum(map(bool, resumed(tmp_path / "there"))) == 1  # the one that the machine worked on
    finally:
        cluster.shutdown()
