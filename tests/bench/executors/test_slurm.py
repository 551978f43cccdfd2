"""SLURM itself: a controller and a node of it on this machine, for as long as the test lasts.

Needs root and the programs of Debian's slurm-wlm and munge; all files and daemons are the test's own.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from executor_work import needs_submitit, resumed, stopped_worker, wait_for

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=500 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

lacking = [name for name in PROGRAMS if shutil.which(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(lacking), reason=f"not installed: {', '.join(lacking)} (slurm-wlm, munge)"),
    pytest.mark.skipif(os.geteuid() != 0, reason="daemons of SLURM need root"),
]


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """The folder of a running SLURM that all its programs talk to."""
    needs_submitit()
    # munge accepts only folders that nobody else may write to, all the way up
    folder = Path("/run") / f"bench-test-slurm-{os.getpid()}"
    try:
        for name in ("munge", "state", "spool"):
            (folder / name).mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"daemons of SLURM need a folder below /run: {error}")
    started = []
    try:
        configuration = folder / "slurm.conf"
        host = socket.gethostname().split(".")[0]
        configuration.write_text(
            CONFIGURATION.format(host=host, ports=free_ports(), folder=folder, cpus=os.cpu_count())
        )
        monkeypatch.setenv("SLURM_CONF", str(configuration))
        key = folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        own = [f"--{name}={folder}/munge/{name}" for name in ("socket", "pid-file", "seed-file", "log-file")]
        for command in (
            ["munged", "--foreground", "--force", f"--key-file={key}", *own],
            ["slurmctld", "-D", "-f", str(configuration)],
            ["slurmd", "-D", "-f", str(configuration)],
        ):
            log = open(folder / f"{command[0]}.out", "w")  # noqa: SIM115
            started.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
            time.sleep(1)
        for _ in range(1500):
            if "idle" in output("sinfo", "-h", "-o", "%T"):
                break
            time.sleep(0.2)
        else:
            pytest.skip(f"SLURM does not come up here: {output('sinfo')}")
        yield folder
        subprocess.run(["scancel", "--user=root"], check=False)
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder)


def test_a_job_that_is_preempted_makes_the_records_of_an_undisturbed_one(slurm, same_records, tmp_path):
    requeued = []

    def requeue(results, command):
        worker = wait_for(lambda: stopped_worker(results, "iql"), command)
        job = next(line.split()[0] for line in queue() if line.endswith("RUNNING"))
        assert subprocess.run(["scontrol", "requeue", job]).returncode == 0
        requeued.append(job)
        (log,) = results.glob(f"jobs/*/{job}_0_log.err")
        wait_for(lambda: "Bypassing signal SIGTERM" in log.read_text(), command)  # SLURM lets it go on
        with suppress(ProcessLookupError):  # SLURM kills it after a time in which it might finish
            os.kill(worker, signal.SIGKILL)

    options = ["--executor", "slurm", "--slurm", "time=10", "--jobs", "1"]
    same_records(["iql", "bc"], options, steps=2400, meanwhile=requeue)
    assert len(requeued) == 1
    assert sorted(map(len, resumed(tmp_path / "there"))) == [0, 1]
    assert max(map(max, filter(None, resumed(tmp_path / "there")))) > 0
    assert len(list(tmp_path.glob("there/jobs/*/*.pkl"))) == 4  # two jobs of one array, two results


def queue(form="%i %T"):
    return output("squeue", "-h", "-r", "-o", form).splitlines()


def output(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout


def free_ports():
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
