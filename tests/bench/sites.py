"""A small fixed set of records for the tests of the leaderboard, with everything that a page has to show."""

from pathlib import Path

from synthetic import rename_algorithm, write_run

from bench.about import About
from bench.leaderboard import Known, write_leaderboard
from bench.protocol import PROTOCOLS

HOSTILE = "<script>alert(1)</script>"
LONG = "x" * 300
NAMES = (HOSTILE, "a/b", "..", LONG, "\u202eإختبار", "\"quoted\" 'twice'")
CARD = {
    "episodes": 40, "transitions": 4000, "obs_dim": 3, "action_dim": 2, "length": [100.0, 100.0, 100.0],
    "returns": {"edges": [0.0, 50.0, 100.0], "counts": [30, 10], "mean": 42.0, "minimum": 0.0, "maximum": 100.0},
    "quality_of": "return", "trajectory_quality": 0.32, "coverage": 0.5, "cells": 2000, "counted": 4000,
}  # fmt: skip
REPORTED = """source,status,suite,task,algorithm,seed,step,score,mean,std,n_seeds
"Somebody et al. 2025, table 3",secondary,diagnostic,gamble,iql,,1000000,,55.3,4.1,8
"Somebody et al. 2025, table 3",secondary,diagnostic,two-doors,iql,,1000000,,61,,8
"<b>Others</b>, 2024",primary,elsewhere,maze,IQL,,final,,61,,
"Others, 2023",primary,diagnostic,gamble,bc,0,final,30,,,
"Others, 2023",primary,diagnostic,gamble,bc,1,final,40,,,
"""
ABOUT = About("Implicit Q", "Kostrikov et al. 2022", "https://arxiv.org/abs/2110.06169", "numbers", "iql.py",
              "weighted regression", "V stands in for the maximum.")  # fmt: skip


def write_records(results: Path) -> None:
    """Two suites: a diverged seed, missing seeds and a task, runs that differ, two test-time settings."""
    for task in ("gamble", "two-doors"):
        write_run(results, task, "bc", {0: 0.3, 1: 0.4, 2: 0.35}, spread=0.1)
        write_run(
            results,
            task,
            "iql",
            {0: 0.6, 1: 0.5, 2: 0.7},
            diverged={1: 3000},
            settings="tuned",
            sweep={"trials": 6, "chosen": {}},
        )
        write_run(
            results, task, "sorl", {0: 0.5, 1: 0.6, 2: 0.55} if task == "gamble" else {0: 0.5},
            inferences=[{"steps": 8}, {"steps": 1}], episodes=3 if task == "gamble" else 4,
            task_info=_task_info(task),
        )  # fmt: skip
    write_run(results, "gamble", "cql", {0: 0.2, 1: 0.1}, finished=False, skipped=[1])
    (results / "published").mkdir()
    (results / "published" / "some.csv").write_text(REPORTED)
    for number, name in enumerate(NAMES):
        rename_algorithm(
            write_run(results, "maze", "x", {0: 0.1, 1: 0.2}, suite="odd", run_id=f"r{number}"), name
        )


def _task_info(task: str) -> dict[str, object]:
    reference = {"random": 10.0, "best": 110.0, "source": "made up for tests"}
    identity = {"dataset": "0" * 64, "gymnasium": "1.0.0"}
    return {
        "summary": f"what {task} tests",
        "reference": reference,
        "identity": identity,
        "max_steps": 100,
        "card": CARD,
    }


def write_site(results: Path) -> Path:
    """The site of these records; the path of its front page."""
    write_records(results)
    known = Known(
        {"iql": ABOUT}, {"diagnostic": "small tasks"}, {}, lambda info, inference: inference.get("steps")
    )
    return write_leaderboard(results, [PROTOCOLS["final"], PROTOCOLS["best"]], replicates=50, known=known)
