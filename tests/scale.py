"""How the harness grows with the number of runs: `python -m tests.scale [RUNS ...]`, in a scratch folder.

Runs of no work through the local executor, then `bench status` and `bench report` on made-up records. It
prints seconds and asserts nothing: a machine that others use as well has no steady clock.
"""

import io
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench")]

from executor_work import make_job  # noqa: E402
from synthetic import write_run  # noqa: E402

from bench.cli import main  # noqa: E402
from bench.executors.local import Local  # noqa: E402
from bench.memory import largest_resident  # noqa: E402
from bench.records import read_runs  # noqa: E402
from bench.status import read_status  # noqa: E402

SEEDS, ALGORITHMS, TASKS, REPLICATES = 5, 20, 50, 200


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
    """ALGORITHMS x TASKS x groups of seeds: a report compares all pairs of algorithms, so these stay as many."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        for number in range(runs):
            group, cell = divmod(number, ALGORITHMS * TASKS)
            algorithm, task = divmod(cell, TASKS)
            scores = {SEEDS * group + seed: 0.5 + 0.01 * seed for seed in range(SEEDS)}
            write_run(results, f"t{task}", f"a{algorithm}", scores, run_id=f"{number:012x}", evaluations=2)
        command = ["report", "diagnostic", "--replicates", str(REPLICATES), "--format", "csv"]
        seconds = {
            "status": timed(lambda: read_status(results)),
            "loading": timed(lambda: read_runs(results)),
            "report": timed(lambda: main([*command, "--results", folder])),
        }
        said = ", ".join(
            f"{what} {wall:.2f} s ({own:.2f} s of a core)" for what, (wall, own) in seconds.items()
        )
        print(f"{runs} recorded runs: {said}", flush=True)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of a core."""
    start, own = time.monotonic(), time.process_time()
    with redirect_stdout(io.StringIO()):
        work()
    return time.monotonic() - start, time.process_time() - own


if __name__ == "__main__":
    execute(1000, 1, None)
    execute(1000, 2, 600.0)
    for number in [int(word) for word in sys.argv[1:]] or [1000, 10_000]:
        read(number)
