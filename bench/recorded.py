"""What of a run is recorded already."""

import json
from itertools import product
from pathlib import Path
from typing import Any

from bench import checkpoint, records, splitting
from bench.plan import Run

# What is deleted after the summary was written; whoever is killed just then leaves some of it.
LEFTOVERS = (checkpoint.NEWEST, checkpoint.PREVIOUS, checkpoint.PART, "notes.txt", "error.txt", "lock")


def is_finished(run: Run, results: Path) -> bool:
    """Whether nothing is left to do for this very run; a damaged line makes it unfinished again.

    A run that was replaced by its halves is finished when both are.
    """
    folder = folder_of(run, results)
    if splitting.is_split(folder):
        return all(is_finished(half, results) for half in splitting.halves(run))
    return is_complete(run, folder) and not any((folder / name).exists() for name in LEFTOVERS)


def is_complete(run: Run, folder: Path) -> bool:
    """Whether all records of a run are in its folder; files that it needs no more may be there as well."""
    found, _ = records.read_run(folder)
    whole = found is not None and found.finished and not records.ends_cut(folder)
    return whole and planned(run) <= recorded(folder)


def folder_of(run: Run, results: Path) -> Path:
    """Where the records of a run lie."""
    return records.run_path(results, run.suite, run.task, run.algorithm, run.id)


def planned(run: Run) -> set[tuple[int, int, str]]:
    """The evaluations of a run: seed, step, test-time setting."""
    settings = [json.dumps(dict(setting)) for setting in run.inferences]
    return set(product(run.seeds, run.eval_steps, settings))


def recorded(folder: Path) -> set[tuple[int, int, str]]:
    """The evaluations that can be read in the folder of a run."""
    return {(line["seed"], line["step"], json.dumps(line["inference"])) for line in _lines_of(folder)}


def diverged(folder: Path) -> set[int]:
    """The seeds of which a line says so."""
    return {line["seed"] for line in _lines_of(folder) if line["status"] == "diverged"}


def _lines_of(folder: Path) -> list[dict[str, Any]]:
    run, _ = records.read_run(folder)
    return run.evaluations if run else []
