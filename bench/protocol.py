"""Which number is the score of a seed: an object with a name, printed under every table.

Everything here is a pure function of records, so the same runs can be scored again under another
protocol without training anything.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

from bench.errors import UserError, unknown
from bench.records import RunRecord, inference_label, scored

MOST = 10_000  # evaluations of last-K


@dataclass(frozen=True)
class Score:
    """The score of one seed: 0 a uniformly random policy, 1 the best known."""

    value: float  # NaN: an evaluation that the protocol needs is not recorded
    diverged: bool  # the value is then 0


@dataclass(frozen=True)
class Protocol:
    """A rule that turns the scheduled evaluations of a seed into its score: their mean, or their largest."""

    name: str
    last: int | None = None  # how many scheduled evaluations count, from the end; None: all, or those `at`
    at: tuple[int, ...] = ()  # percent of a run's steps at which evaluations count, instead of the last ones
    optimistic: bool = False  # the largest of them instead of their mean

    def needed(self, run: RunRecord) -> list[int]:
        """The steps of the scheduled evaluations that count in this run; empty where `lacking` says why."""
        scheduled = sorted(run.info["eval_steps"])
        if self.lacking(run):
            return []
        if self.at:
            return [run.info["steps"] * percent // 100 for percent in self.at]
        return scheduled if self.last is None else scheduled[-self.last :]

    def lacking(self, run: RunRecord) -> str:
        """Which evaluations the protocol needs and the run did not plan, in words; empty where none."""
        planned, steps = set(run.info["eval_steps"]), run.info["steps"]
        if self.at and not {steps * percent // 100 for percent in self.at} <= planned:
            *others, final = map(str, self.at)
            return f"evaluations at {', '.join(others)} and {final}% of its steps"
        if self.last and len(planned) < self.last:
            return f"{self.last} evaluations, and it has {len(planned)}"
        return ""

    @property
    def evaluations(self) -> int:
        """The fewest evaluations, evenly spaced, that hold all that the protocol needs (`--evaluations`)."""
        return 100 // gcd(100, *self.at) if self.at else self.last or 1

    def score(self, run: RunRecord, seed: int, inference: Mapping[str, Any]) -> Score:
        """The score of `seed` under one inference setting.

        A diverged seed has score 0 under every protocol, whatever it reached before: nobody could
        have used its final policy. No seed has a score where `lacking` says why.
        """
        if self.lacking(run):
            return Score(math.nan, False)
        if has_diverged(run, seed, inference):
            return Score(0.0, True)
        reached = curve(run, seed, inference)
        values = [reached.get(step, math.nan) for step in self.needed(run)]
        if any(math.isnan(value) for value in values):
            return Score(math.nan, False)
        return Score(max(values) if self.optimistic else sum(values) / len(values), False)

    @property
    def mark(self) -> str:
        """What the title of every table says where scores are too good; else empty."""
        return f" (optimistic: protocol {self.name})" if self.optimistic else ""

    def describe(self, runs: Iterable[RunRecord], inference: str = "default") -> str:
        """One sentence for the foot of a table made from `runs`.

        `inference` is "default" (each algorithm's first setting) or "all" (one row per setting).
        """
        runs = list(runs)
        episodes = _either({run.info["episodes"] for run in runs})
        steps = _either({run.info["steps"] for run in runs})
        if inference == "all":
            setting = "inference setting as named in brackets"
        else:
            setting = f"each algorithm's default inference setting{_defaults(runs)}"
        return (
            f"Protocol {self.name}: the score of a training seed is {self._number(runs)}, "
            f"after {steps} gradient updates, over {episodes} episodes per seed and evaluation whose "
            f"evaluation seeds depend on the training seed alone, with {setting}, on the scale "
            f"{_scale(runs)}, and is never dropped or repaired."
        )

    def _number(self, runs: Sequence[RunRecord]) -> str:
        if self.last == 1:
            return f"its {_measure(runs)} at the last scheduled evaluation"
        if self.at:
            *others, final = map(str, self.at)
            places = f"{', '.join(others)} and {final}%"
            return f"its {_measure(runs)} over the evaluations at {places} of its updates"
        count = _either({len(self.needed(run)) for run in runs} - {0})
        if self.optimistic:
            return (
                f"the largest {_measure(runs)} of all {count} scheduled evaluations (optimistic: the "
                "evaluation is picked by the episodes that it is scored with)"
            )
        return f"its {_measure(runs)} over the last {count} scheduled evaluations"


def _last(count: int) -> Protocol:
    return Protocol("final" if count == 1 else f"last-{count}", count)


PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        _last(1),
        _last(3),
        Protocol("fql", at=(80, 90, 100)),
        Protocol("corl-last", 1),
        Protocol("corl-best", optimistic=True),
        Protocol("best", optimistic=True),
    )
}
NAMES = ", ".join([*(name for name in PROTOCOLS if name != "last-3"), "last-K"])


def find_protocol(name: str) -> Protocol:
    """The protocol of this name; `last-K` for any K of 1 or more. Raises UserError where there is none."""
    head, _, count = name.partition("-")
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if head == "last" and count.isdecimal():
        if not 0 < int(count) <= MOST:
            raise UserError(f"protocol {name!r}: K of last-K is a whole number from 1 to {MOST:,}")
        return _last(int(count))
    raise unknown("protocol", name, [*PROTOCOLS, "last-K"])


def curve(run: RunRecord, seed: int, inference: Mapping[str, Any]) -> dict[int, float]:
    """Score of `seed` at every recorded evaluation, by step; 0 from the first divergence on.

    Where a resumed run has recorded an evaluation twice, the first line counts.
    """
    reference = run.info["task_info"]["reference"]
    scores: dict[int, float] = {}
    for line in _lines(run, seed, inference):
        if line["status"] != "ok":
            later = (step for step in run.info["eval_steps"] if step >= line["step"])
            return {step: s for step, s in scores.items() if step < line["step"]} | dict.fromkeys(later, 0.0)
        values = scored(line, reference)
        mean = sum(values) / len(values)
        score = (mean - reference["random"]) / (reference["best"] - reference["random"])
        scores.setdefault(line["step"], score)
    return scores


def has_diverged(run: RunRecord, seed: int, inference: Mapping[str, Any]) -> bool:
    """Whether the records say that `seed` diverged under this inference setting.

    The summary names a diverged seed without saying where; it is believed where an evaluation is
    missing, so that a setting whose evaluations are all sound keeps them.
    """
    lines = _lines(run, seed, inference)
    if any(line["status"] != "ok" for line in lines):
        return True
    named = seed in (run.summary or {}).get("diverged", [])
    return named and {line["step"] for line in lines} < set(run.info["eval_steps"])


def _lines(run: RunRecord, seed: int, inference: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [line for line in run.evaluations if line["seed"] == seed and line["inference"] == inference]


def _defaults(runs: Iterable[RunRecord]) -> str:
    """The default settings by algorithm, ` (sorl: steps=8)`; empty where no algorithm has settings."""
    labels = {(run.info["algorithm"], inference_label(run.info["inferences"][0])) for run in runs}
    named = [f"{algorithm}: {label}" for algorithm, label in sorted(labels) if label]
    return f" ({'; '.join(named)})" if named else ""


def _measures(runs: Iterable[RunRecord]) -> set[str]:
    return {run.info["task_info"]["reference"].get("of", "return") for run in runs}


def _measure(runs: Iterable[RunRecord]) -> str:
    words = {"return": "mean return", "success": "success rate"}
    return " or ".join(words[measure] for measure in sorted(_measures(runs)))


def _scale(runs: Iterable[RunRecord]) -> str:
    """The scale, and what a diverged seed counts on it."""
    if "return" in _measures(runs):
        return (
            "0 = uniformly random, 100 = best known; a diverged seed (†) counts as 0, the level of a "
            "uniformly random policy"
        )
    return "0 = no episode, 100 = every episode; a diverged seed (†) counts as 0"


def _either(numbers: Iterable[int]) -> str:
    return " or ".join(f"{number:,}" for number in sorted(numbers))
