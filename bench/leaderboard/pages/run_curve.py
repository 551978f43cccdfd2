"""The learning curve of a run: every seed, and their mean, under its default test-time setting."""

from collections.abc import Mapping
from typing import Any

from bench.leaderboard import figures
from bench.leaderboard.pages.parts import Picture, Stroke
from bench.protocol import curve
from bench.records import RunRecord


def learning_curve(run: RunRecord) -> Picture | None:
    """None for a run with fewer than two evaluations."""
    default = run.info["inferences"][0]
    seeds = {seed: sorted(curve(run, seed, default).items()) for seed in run.info["seeds"]}
    lines = {f"seed {seed}": found for seed, found in seeds.items() if len(found) > 1}
    if not lines:
        return None
    mean = _mean(lines)
    return Picture(
        "",
        f"Learning curves of {len(lines)} seeds and their mean. The numbers are in the table below.",
        "Score at every evaluation: thin lines are seeds, the thick line is their mean. Without a "
        "script, the grey lines are the scores 0 and 100.",
        figures.seeds(lines, mean),
        _sketch(lines, mean),
    )


Line = list[tuple[int, float]]  # update, score on the scale 0..1


def _mean(lines: Mapping[str, Line]) -> Line:
    """Where every seed was evaluated."""
    tables = [dict(line) for line in lines.values()]
    shared = sorted(set.intersection(*map(set, tables)))
    return [(step, sum(table[step] for table in tables) / len(tables)) for step in shared]


def _sketch(lines: Mapping[str, Line], mean: Line) -> list[Stroke]:
    scores = [score for line in lines.values() for _, score in line]
    low, high = min([0.0, *scores]), max([1.0, *scores])
    last = max(step for line in lines.values() for step, _ in line)

    def stroke(line: Any, kind: str) -> Stroke:
        places = (f"{300 * x / last:.1f},{2 + 96 * (high - y) / (high - low):.1f}" for x, y in line)
        return Stroke(" ".join(places), kind)

    marks = [stroke([(0, level), (last, level)], "level") for level in (0.0, 1.0)]
    return [*marks, *(stroke(line, "seed") for line in lines.values()), stroke(mean, "mean")]
