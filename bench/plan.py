"""From what the user asked for to a list of runs. A run is frozen data with an id of its content."""

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from bench import settings
from bench.errors import UserError
from bench.external import External
from bench.precision import DEFAULT_PRECISION
from bench.registry import Entry
from bench.task import MissingDataError, Suite, Task, missing_data

IN_ID = ("name", "trials", "policies")  # of a sweep; the number of a trial may change as the sweep grows


@dataclass(frozen=True)
class Run:
    """One algorithm on one task with one group of seeds.

    config, overrides, sources and each of inferences are tuples of (option, value); the first of
    inferences is the algorithm's default.
    """

    suite: str
    task: str
    algorithm: str
    source: str  # registry name or path.py:Class
    code: str  # hash of the algorithm's file
    config: tuple[tuple[str, Any], ...]
    overrides: tuple[tuple[str, Any], ...]
    sources: tuple[tuple[str, str], ...]
    inferences: tuple[tuple[tuple[str, Any], ...], ...]
    seeds: tuple[int, ...]
    steps: int
    eval_steps: tuple[int, ...]
    episodes: int
    task_options: tuple[tuple[str, str], ...] = ()  # rules of the task that differ from its usual ones
    precision: str = DEFAULT_PRECISION
    settings: str = "paper"  # whose they are, one of records.KINDS
    sweep: tuple[tuple[str, Any], ...] = ()  # the part in a sweep; empty: none

    @property
    def id(self) -> str:
        """Twelve hex digits that stand for all that changes the numbers, besides data and versions."""
        content = [
            self.code,
            self.config,
            (self.inferences[0], *sorted(self.inferences[1:], key=repr)),
            self.seeds,
            self.steps,
            self.eval_steps,
            self.episodes,
            *self.task_options,
        ]
        if self.precision != DEFAULT_PRECISION:
            content.append(self.precision)
        if said := dict(self.sweep):
            content.append([self.settings, *((key, said[key]) for key in IN_ID if key in said)])
        text = json.dumps([self.suite, self.task, self.algorithm, *content])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def title(self) -> str:
        part = {"trial": f" · trial {dict(self.sweep).get('trial')}", "tuned": " · tuned"}
        return f"{self.task} · {self.algorithm}{part.get(self.settings, '')}"

    def command(self) -> str:
        """The command line that repeats this run alone, or the sweep that it is a part of."""
        if self.sweep:
            return str(dict(self.sweep)["command"])
        words = ["bench", "run", self.suite]
        words += ["--algorithm", self.source] if ":" in self.source else [self.source]
        words += ["--tasks", self.task, "--seeds", ",".join(map(str, self.seeds)), "--steps", str(self.steps)]
        words += ["--evaluations", str(len(self.eval_steps)), "--episodes", str(self.episodes)]
        if self.precision != DEFAULT_PRECISION:
            words += ["--precision", self.precision]
        for option, value in self.task_options:
            words += ["--set", f"task.{option}={value}"]
        for option, value in self.overrides:
            words += ["--set", f"{self.algorithm}.{option}={_text(value)}"]
        default, *others = map(dict, self.inferences)
        for option in default:
            values = list(dict.fromkeys(setting[option] for setting in others))
            if values not in ([], [default[option]]):
                words += ["--inference", f"{self.algorithm}.{option}={_text(tuple(values))}"]
        return shlex.join(words)


@dataclass(frozen=True)
class Request:
    """What the user asked for; None: as the suite says."""

    tasks: str | None = None  # globs with commas between
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    steps: int | None = None
    evaluations: int | None = None
    episodes: int | None = None
    overrides: Sequence[str] = ()
    inferences: Sequence[str] = ()
    precision: str = DEFAULT_PRECISION
    group: int | None = None  # seeds that are trained together, at most; None: all


def plan(suite: Suite, entries: Sequence[Entry], request: Request) -> list[Run]:
    """All runs of a request, task by task. Raises UserError where the request does not fit."""
    algorithms = {entry.name: entry.algorithm for entry in entries}
    options, items = _task_options(request.overrides)
    overrides = settings.parse_overrides(items, algorithms)
    settings.check_inference_items(request.inferences, list(algorithms))
    tasks = _located(select_tasks(suite, request.tasks))
    for task in tasks:
        task.variant(options)
    size = request.group or len(request.seeds)
    groups = [request.seeds[start : start + size] for start in range(0, len(request.seeds), size)]
    return [
        replace(run, seeds=seeds)
        for task in tasks
        for entry in entries
        for run in [_run(suite, task, entry, request, overrides[entry.name], tuple(options.items()))]
        for seeds in groups
    ]


def select_tasks(suite: Suite, globs: str | None) -> list[tuple[Task, str]]:
    """The tasks whose names match one of the globs, each with the copy of its data set that the glob names
    behind an `@` (empty: none). Raises UserError for a glob without a match.
    """
    if globs is None:
        return [(task, "") for task in suite.tasks.values()]
    chosen: dict[str, set[str]] = {}
    names = {name: name for name in suite.tasks} | dict(suite.aliases)
    for glob in globs.split(","):
        pattern, _, label = glob.partition("@")
        matches = {name for called, name in names.items() if fnmatchcase(called, pattern)}
        if not matches:
            raise UserError(
                f"no task of {suite.name} matches {glob!r}; it has: {_some(list(suite.tasks))}. "
                f"See: bench list tasks {suite.name}"
            )
        for name in matches:
            chosen.setdefault(name, set()).add(label)
    return [(task, label) for name, task in suite.tasks.items() for label in sorted(chosen.get(name, ()))]


def _some(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _located(chosen: Sequence[tuple[Task, str]]) -> list[Task]:
    """The tasks, each on a copy of its data set. Raises one UserError for all data sets that are missing."""
    tasks, missing = {}, []
    for task, label in chosen:
        try:
            located = task.located(label)
            tasks[located.name] = located
        except MissingDataError as error:
            missing.append(error.source)
    if missing:
        raise UserError(missing_data(missing))
    return list(tasks.values())


def _task_options(items: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """`--set task.OPTION=VALUE` apart from the options of algorithms."""
    own = [item for item in items if item.startswith("task.")]
    for item in own:
        if "=" not in item:
            raise UserError(f"--set {item!r} has no value; write --set task.OPTION=VALUE")
    options = dict(item.removeprefix("task.").split("=", 1) for item in own)
    return options, [item for item in items if item not in own]


def _run(
    suite: Suite,
    task: Task,
    entry: Entry,
    request: Request,
    overrides: dict[str, Any],
    task_options: tuple[tuple[str, str], ...],
) -> Run:
    if issubclass(entry.algorithm, External):
        entry.algorithm.check_precision(entry.name, request.precision)
    settings.defaults(entry.algorithm.Config)
    layers = {"suite": suite.settings, "task": task.settings}
    resolved = settings.resolve(entry.name, entry.algorithm, task.id, layers, overrides)
    inferences = settings.parse_inferences(request.inferences, entry.name, entry.algorithm(resolved.config))
    steps = request.steps or suite.steps
    count = request.evaluations or suite.evaluations_of(steps)
    if count > steps:
        raise UserError(
            f"{count} evaluations do not fit into {steps} steps; give --evaluations {steps} or fewer"
        )
    return Run(
        suite=task.suite,
        task=task.name,
        algorithm=entry.name,
        source=entry.source,
        code=entry.code,
        config=_pairs(resolved.config),
        overrides=tuple(sorted(overrides.items())),
        sources=tuple(resolved.sources.items()),
        inferences=tuple(_pairs(inference) for inference in inferences),
        seeds=request.seeds,
        steps=steps,
        eval_steps=tuple(steps * number // count for number in range(1, count + 1)),
        episodes=request.episodes or suite.episodes,
        task_options=task_options,
        precision=request.precision,
        settings=_whose(resolved, settings.resolve(entry.name, entry.algorithm, task.id, layers, {})),
    )


def _whose(resolved: settings.Resolved, usual: settings.Resolved) -> str:
    """Whose settings a run has, where `usual` are those without anything given by hand."""
    if resolved.config != usual.config:
        return "by hand"
    return "suite" if {"suite", "task"} & set(usual.sources.values()) else "paper"


LARGEST_SEED = 2**63 - 1  # torch's generators take no larger one
_SEEDS = f"seeds are whole numbers up to {LARGEST_SEED}"


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0-4` or `0,2,7` or `0-4,8` -> seeds. Raises UserError."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UserError(f"--seeds {text!r} is not a list of seeds; write 0-4 or 0,2,7")
        if max(len(first), len(last)) > len(
            str(LARGEST_SEED)
        ):  # Python reads no number of thousands of digits
            raise UserError(f"--seeds {text[:40]!r}... has a number of too many digits; {_SEEDS}")
        start, stop = int(first), int(last or first)
        if max(start, stop) > LARGEST_SEED:
            raise UserError(f"--seeds {text!r}: {part} is too large; {_SEEDS}")
        if stop < start:
            raise UserError(f"--seeds {text!r}: {part} runs backwards; write {stop}-{start}")
        if stop - start >= 10_000:
            raise UserError(f"--seeds {text!r}: {part} are more than 10,000 seeds; give fewer")
        seeds += range(start, stop + 1)
    if len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds {text!r} names a seed twice; name each once")
    return tuple(seeds)


def _pairs(config: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((name, getattr(config, name)) for name in config.__dataclass_fields__)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
