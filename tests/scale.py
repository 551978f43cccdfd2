"""How the harness grows with the number of runs: `python -m tests.scale [RUNS ...]`, in a scratch folder.

Runs of no work through the local executor, then `bench status` and `bench report` on made-up records. It
prints seconds and asserts nothing: a machine that others use as well has no steady clock.
"""

import io
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench")]

from executor_work import make_job  # noqa: E402
from synthetic import write_run  # noqa: E402

from bench.cli import main  # noqa: E402
from bench.executors.local import Local  # noqa: E402
from bench.memory import largest_resident  # noqa: E402
from bench.status import read_status  # noqa: E402

SEEDS, TASKS, REPLICATES = 5, 20, 200


def execute(runs: int, processes: int, timeout: float | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        jobs = [make_job(Path(folder), "well", seed) for seed in range(runs)]
        ended = []
        start = time.monotonic()
        before = largest_resident()
        executor = Local(processes=processes, timeout=timeout)
        executor.execute(jobs, lambda event: ended.append(event) if event.summary else None)
        seconds = time.monotonic() - start
        assert len(ended) == runs
    grown = (largest_resident() - before) / 1e6
    where = "processes" if timeout else "this process"
    print(
        f"{runs} runs, {processes} at once in {where}: {1000 * seconds / runs:.1f} ms each, parent +{grown:.0f} MB"
    )


def read(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(runs):
            algorithm, task = divmod(number, TASKS)
            scores = {seed: 0.5 + 0.01 * seed for seed in range(SEEDS)}
            write_run(
                Path(folder), f"t{task}", f"a{algorithm}", scores, run_id=f"{number:012x}", evaluations=2
            )
        start = time.monotonic()
        assert len(read_status(Path(folder))) == runs
        status = time.monotonic() - start
        start = time.monotonic()
        with redirect_stdout(io.StringIO()):
            main(
                [
                    "report",
                    "diagnostic",
                    "--replicates",
                    str(REPLICATES),
                    "--format",
                    "csv",
                    "--results",
                    folder,
                ]
            )
        report = time.monotonic() - start
        print(f"{runs} recorded runs: status {status:.2f} s, report {report:.2f} s", flush=True)


if __name__ == "__main__":
    execute(1000, 1, None)
    execute(1000, 2, 600.0)
    for number in [int(word) for word in sys.argv[1:]] or [1000, 10_000]:
        read(number)
