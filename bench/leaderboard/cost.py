"""What the rows of a suite cost: training, evaluation, and computation per action."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from bench.algorithm import Algorithm
from bench.external import External
from bench.leaderboard.board import Count
from bench.leaderboard.words import device, runs_of
from bench.records import RunRecord
from bench.scaling.compute import network_evaluations
from bench.scores import Row, Scores
from bench.stats import Estimate, Summary


@dataclass(frozen=True)
class Cost:
    """Of one row; NaN and empty where the records do not say."""

    runs: int
    group: str  # seeds that were trained together
    train_seconds: float  # per seed, mean over the finished runs
    eval_seconds: float  # per episode, of all evaluations under the row's test-time setting
    updates: tuple[float, float]  # per second, of a whole group: slowest and fastest run
    evaluations: float  # rows that pass through networks per action, mean over the runs
    devices: str


def cost_of(scores: Scores, row: Row, count: Count) -> Cost:
    """The cost of a row, from the summaries and evaluations of its runs."""
    runs = runs_of(scores, row)
    done = [run for run in runs if run.summary and set(run.summary) >= _CLOCKS]
    seeds = sum(len(run.info["seeds"]) for run in done)
    speeds = [float(run.summary["updates_per_second"]) for run in done if run.summary]
    seconds = sum(float(run.summary["train_seconds"]) for run in done if run.summary)
    counts = [count(run.info, setting) for run, setting in _settings(scores, row)]
    known = [number for number in counts if number is not None]
    return Cost(
        len(runs),
        " or ".join(str(n) for n in sorted({len(run.info["seeds"]) for run in runs})),
        seconds / seeds if seeds else math.nan,
        _episode_seconds(scores, row),
        (min(speeds), max(speeds)) if speeds else (math.nan, math.nan),
        fmean(known) if known and len(known) == len(counts) else math.nan,
        ", ".join(sorted({device(run) for run in runs})),
    )


_CLOCKS = {"train_seconds", "eval_seconds", "updates_per_second"}


def _settings(scores: Scores, row: Row) -> list[tuple[RunRecord, Mapping[str, Any]]]:
    """The runs of the row, each with its test-time setting."""
    found = {
        str(cell.run.path): (cell.run, cell.inference)
        for task in scores.tasks
        for cell in scores.cells.get((row, task), {}).values()
    }
    return [found[path] for path in sorted(found)]


def _episode_seconds(scores: Scores, row: Row) -> float:
    seconds, episodes = 0.0, 0
    for run, setting in _settings(scores, row):
        for line in run.evaluations:
            if line["inference"] == setting and line["status"] == "ok":
                seconds += line["seconds"]
                episodes += len(line["returns"])
    return seconds / episodes if episodes else math.nan


@dataclass(frozen=True)
class Point:
    """A row in a plot of score against cost."""

    row: Row
    cost: float
    score: Estimate  # IQM


def points(summary: Summary, costs: Mapping[Row, float]) -> list[Point]:
    """The rows that have both an aggregate and a known cost above 0, the cheapest first."""
    found = [
        Point(row, costs[row], summary.aggregates[row]["IQM"])
        for row in summary.order
        if row in summary.aggregates and costs.get(row, 0) > 0
    ]
    return sorted(found, key=lambda point: (point.cost, -point.score.value))


def front(found: list[Point]) -> list[Point]:
    """Those that no other point beats in cost and score: each scores higher than all cheaper ones."""
    best, kept = -math.inf, []
    for point in found:
        if point.score.value > best:
            kept.append(point)
            best = point.score.value
    return kept


LARGEST = 4096  # of a number in a configuration: a record of somebody else must not fill the memory


def counter(algorithms: Mapping[str, type[Algorithm]]) -> Count:
    """Counts network evaluations per action with the code of `algorithms`, once for equal configurations.

    None for algorithms that are not among them, for those of other libraries, and for records whose
    configuration this code does not understand.
    """
    kept: dict[str, int | None] = {}

    def count(info: Mapping[str, Any], inference: Mapping[str, Any]) -> int | None:
        card = info["task_info"].get("card")
        sizes = (card.get("obs_dim"), card.get("action_dim")) if isinstance(card, Mapping) else (None, None)
        key = json.dumps([info["algorithm"], info["config"], inference, sizes], sort_keys=True)
        if key not in kept:
            algorithm = algorithms.get(info["algorithm"])
            kept[key] = None if algorithm is None else _count(algorithm, info["config"], inference, sizes)
        return kept[key]

    return count


def _count(
    algorithm: type[Algorithm],
    config: Mapping[str, Any],
    inference: Mapping[str, Any],
    sizes: tuple[Any, Any],
) -> int | None:
    obs_dim, action_dim = sizes
    if issubclass(algorithm, External) or not isinstance(obs_dim, int) or not isinstance(action_dim, int):
        return None
    if any(isinstance(x, int) and not 0 <= x <= LARGEST for x in _flat([config, inference, sizes])):
        return None
    try:
        made = algorithm(algorithm.Config(**_tuples(config)))
        return network_evaluations(made, obs_dim, action_dim, made.Inference(**inference))
    except Exception:  # a record of another version of the algorithm may hold anything
        return None


def _flat(content: Any) -> list[Any]:
    if isinstance(content, Mapping):
        content = list(content.values())
    return [x for item in content for x in _flat(item)] if isinstance(content, list | tuple) else [content]


def _tuples(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in config.items()}
