"""Tables of a small fixed set of records, kept byte for byte in tests/bench/data/golden.

    python tests/bench/golden.py

writes them anew; read the difference before it is committed.
"""

import tempfile
from pathlib import Path

from synthetic import write_run

from bench import all_pairs, comparison, report
from bench.differences import compare
from bench.pairs import compare_all
from bench.protocol import PROTOCOLS
from bench.scores import Row, load

GOLDEN = Path(__file__).parent / "data" / "golden"
ENDINGS = {"md": "md", "csv": "csv", "latex": "tex"}
REPLICATES = 200


def write_records(results: Path) -> None:
    """Four algorithms on three tasks: one diverged seed, one missing seed, one missing task, one single seed."""
    levels = {"gamble": 0.3, "long-way": 0.5, "two-doors": 0.7}
    offsets = (0.00, 0.04, -0.03, 0.02, -0.05)
    for task, level in levels.items():
        iql = {seed: level + offset for seed, offset in enumerate(offsets)}
        write_run(results, task, "iql", iql, spread=0.1)
        bc = {seed: level - 0.2 - 2 * offset for seed, offset in enumerate(offsets[1:])}
        if task == "gamble":
            write_run(results, task, "bc", bc | {4: 0.1}, spread=0.1, diverged={2: 2000})
        else:
            write_run(results, task, "bc", bc, spread=0.1)
        settings = [{"steps": 8}, {"steps": 1}]
        sorl = {seed: score + 0.02 for seed, score in iql.items()}
        write_run(results, task, "sorl", sorl, spread=0.1, inferences=settings)
    write_run(results, "gamble", "cql", {0: 0.5, 1: 0.4}, spread=0.1)
    write_run(results, "two-doors", "cql", {0: 0.5}, spread=0.1, overrides={"alpha": 1.0})


def tables() -> dict[str, str]:
    """The text of every golden file, by its name."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        write_records(results)
        final = PROTOCOLS["final"]
        scores = load(results, "diagnostic", final)
        pair = compare(scores, Row("sorl", "", 0, ""), Row("bc", "", 0, ""), 0.05, REPLICATES)
        every = compare_all(scores, 0.05, REPLICATES)
        for fmt, ending in ENDINGS.items():
            found[f"report.{ending}"] = report.render(
                results, "diagnostic", fmt, final, "default", REPLICATES
            )
            found[f"compare.{ending}"] = comparison.render(pair, fmt)
            found[f"compare-all.{ending}"] = all_pairs.render(every, fmt)
        found["report-hierarchical.md"] = report.render(
            results, "diagnostic", "md", final, "all", REPLICATES, bootstrap="hierarchical"
        )
    return found


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, text in tables().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
        print(f"wrote {GOLDEN / name}")
