"""The page of a run: its record for a reader, and the command that repeats it."""

import math
from collections.abc import Mapping
from typing import Any

from bench.leaderboard.board import Board, run_key
from bench.leaderboard.pages.algorithm import options
from bench.leaderboard.pages.parts import HOME, Crumb, algorithm_href, run_cell, suite_crumb, task_href
from bench.leaderboard.pages.run_curve import learning_curve
from bench.leaderboard.tables import Cell, Line, Mark, Table
from bench.leaderboard.words import device, duration, value
from bench.protocol import curve, has_diverged
from bench.records import RunRecord, inference_label, settings_kind


def context(board: Board, run: RunRecord) -> dict[str, Any]:
    """What the template shows."""
    info = run.info
    task, algorithm = str(info["task"]), str(info["algorithm"])
    stem = f"tables/runs/{board.stem}-{board.run_stems[run_key(run)]}"
    default = info["inferences"][0]
    broken = [seed for seed in info["seeds"] if has_diverged(run, seed, default)]
    return {
        "title": f"run {info['id']} · {algorithm} · {task}",
        "heading": f"{algorithm} on {task}",
        "id": str(info["id"]),
        "crumbs": [HOME, suite_crumb(board), Crumb(str(info["id"]), run_cell(board, run).href)],
        "algorithm": (algorithm, algorithm_href(board, algorithm)),
        "task": (task, task_href(board, task)),
        "command": str(info["command"]),
        "diverged": ", ".join(map(str, broken)),
        "unfinished": not run.finished,
        "facts": _facts(run),
        "evaluations": [
            _evaluations(run, setting, f"{stem}-{n}") for n, setting in enumerate(info["inferences"])
        ],
        "curve": learning_curve(run),
        "options": options(algorithm, [run], f"{stem}-options"),
        "versions": _pairs(info.get("versions")),
        "identity": _pairs(info["task_info"].get("identity")),
        "git": _git(info.get("git")),
        "record": f"results/runs/{'/'.join(run.path.parts[-4:])}",
    }  # fmt: skip


def _facts(run: RunRecord) -> list[tuple[str, str]]:
    info = run.info
    facts = [
        ("Created", str(info["created"])),
        (
            "Seeds",
            ", ".join(map(str, info["seeds"])) + (" (trained together)" if len(info["seeds"]) > 1 else ""),
        ),
        ("Gradient updates", f"{info['steps']:,}"),
        ("Evaluations", f"{len(info['eval_steps'])}, of {info['episodes']:,} episodes per seed"),
        ("Settings", settings_kind(info)),
        ("Device", device(run)),
        ("Precision of matrix products", str(info.get("precision", "fp32"))),
        ("Version of the algorithm's code", str(info["code"])),
    ]
    for key, said in (("overrides", "Given by hand"), ("task_options", "Options of the task")):
        if info.get(key):
            facts.append(
                (said, ", ".join(f"{name}={value(held)}" for name, held in sorted(info[key].items())))
            )
    if run.summary:
        clocks = [("train_seconds", "Training"), ("eval_seconds", "Evaluation")]
        facts += [(said, duration(float(run.summary[key]))) for key, said in clocks if key in run.summary]
        if "updates_per_second" in run.summary:
            facts.append(("Updates per second", f"{float(run.summary['updates_per_second']):,.0f}"))
    here = (run.path / "weights.safetensors").exists()
    facts.append(
        ("Weights", "weights.safetensors lies beside the record" if here else "not beside the record")
    )
    return facts


def _evaluations(run: RunRecord, setting: Mapping[str, Any], stem: str) -> Table:
    """The mean score of every seed at every evaluation under one test-time setting."""
    seeds = run.info["seeds"]
    reached = {seed: curve(run, seed, setting) for seed in seeds}
    broken = _broken(run, setting)
    lines = []
    for step in sorted({step for found in reached.values() for step in found}):
        cells = [_score(reached[seed].get(step), step >= broken.get(seed, math.inf)) for seed in seeds]
        known = [found[step] for found in reached.values() if step in found]
        mean = 100 * sum(known) / len(known)
        lines.append(Line([Cell(f"{step:,}", sort=float(step)), Cell(f"{mean:z.1f}", sort=mean), *cells]))
    heads = [f"Seed {seed}" for seed in seeds]
    named = inference_label(setting)
    foot = [
        "Mean score over the episodes of an evaluation: 0 uniformly random, 100 best known; or success in "
        "percent."
    ]
    title = "Evaluations" + (f" with {named}" if named else "")
    return Table(
        title,
        ["Updates", "Mean", *heads],
        lines,
        foot,
        numeric=frozenset({"Updates", "Mean", *heads}),
        stem=stem,
    )


def _broken(run: RunRecord, setting: Mapping[str, Any]) -> dict[int, int]:
    """The step of the first divergence of every seed that has one."""
    found: dict[int, int] = {}
    for line in run.evaluations:
        if line["status"] != "ok" and line["inference"] == setting:
            found[line["seed"]] = min(line["step"], found.get(line["seed"], line["step"]))
    return found


def _score(score: float | None, diverged: bool) -> Cell:
    if score is None:
        return Cell("–", sort=math.nan, marks=(Mark("not evaluated"),))
    return Cell(f"{100 * score:z.1f}", sort=100 * score, marks=(Mark("diverged", "†"),) * diverged)


def _pairs(content: Any) -> list[tuple[str, str]]:
    return [(str(k), value(v)) for k, v in sorted(content.items())] if isinstance(content, Mapping) else []


def _git(content: Any) -> str:
    if not isinstance(content, Mapping) or "commit" not in content:
        return "not recorded"
    clean = content.get("clean")
    state = "the code was as committed" if clean else "the code had changes that were not committed"
    return f"{content['commit']}; {state}"
