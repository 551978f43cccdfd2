"""A record held against the tasks and the algorithms that are registered here."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.algorithm import Algorithm
from bench.errors import UserError
from bench.registry import code_hash
from bench.settings import resolve
from bench.submission.archive import shown
from bench.submission.contents import Severity
from bench.task import Suite, Task

Said = Iterator[tuple[Severity, str]]


def pairs(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Options as a run has them; JSON knows lists only, where they were tuples."""
    return tuple((name, tuple(v) if isinstance(v, list) else v) for name, v in options.items())


def check_task(info: Mapping[str, Any], suites: Mapping[str, Suite]) -> Said:
    """What differs between a record and the task that it names."""
    try:
        task = find_task(info, suites)
    except UserError as error:
        yield "error", shown(str(error))
        return
    said, known = info["task_info"]["reference"], task.reference
    given = (said["random"], said["best"], said.get("of", "return"))
    if task.reference_of is not None:
        yield "note", "the scale of this task comes with its data and was not compared"
    elif given != (wanted := (known.random, known.best, known.of)):
        yield "error", f"the scale {given} is not the task's, {wanted}; run it with the registered task"
    if info["task_info"]["max_steps"] != task.max_steps:
        yield "error", f"max_steps is not the task's {task.max_steps}; run it with the registered task"
    if "@" in info["task"]:
        yield "note", "trained on a copy of the data that was made locally, not on published files"


def find_task(info: Mapping[str, Any], suites: Mapping[str, Suite]) -> Task:
    """The registered task of a run, without data. Raises UserError where there is none."""
    suite = suites.get(info["suite"])
    if suite is None or suite.name != suite.home:
        raise UserError(f"the suite '{shown(info['suite'])}' is not registered; known: {', '.join(suites)}")
    task = suite.find(info["task"])
    if task.name != info["task"].partition("@")[0]:
        raise UserError(f"the task is called {task.name}; run it with bench run")
    return task.variant(info.get("task_options", {}))


def check_algorithm(
    info: Mapping[str, Any], algorithms: Mapping[str, type[Algorithm]], suites: Mapping[str, Suite]
) -> Said:
    """What differs between a record and its algorithm, and whether the record says all that was chosen."""
    given = {name for name, source in info["sources"].items() if source == "user"}
    if given != set(info["overrides"]) or not info["overrides"].items() <= info["config"].items():
        yield (
            "error",
            "config, sources and overrides do not fit, so rows would be mislabelled; pack it as it was made",
        )
    name = info["algorithm"]
    if name != info["source"] or name not in algorithms:
        yield "note", f"the algorithm '{shown(name)}' is not one of this project; its code was not seen"
        return
    try:
        known = code_hash(algorithms[name])
        expected = _expected(info, algorithms[name], suites)
    except UserError:  # the package that brings it is not installed, or an option is unknown here
        known, expected = "", {}
    else:
        yield from _settings(info, algorithms[name], suites, expected)
    if known != info["code"]:
        yield "note", "the code of the algorithm is unknown here: it is another version"
    config = dict(pairs(info["config"]))
    if differing := [key for key in config.keys() & expected if config[key] != expected[key]]:
        yield "warning", f"not the usual {shown(', '.join(sorted(differing)))}, though not given by hand"


def _settings(
    info: Mapping[str, Any],
    algorithm: type[Algorithm],
    suites: Mapping[str, Suite],
    expected: Mapping[str, Any],
) -> Said:
    """Whether settings that were given by hand are said to be so."""
    usual = _expected({**info, "overrides": {}}, algorithm, suites)
    if info.get("settings", "by hand") in ("paper", "suite") and usual != expected:
        yield "error", f"the settings are not those of the {info['settings']}: some were given by hand"


def _expected(
    info: Mapping[str, Any], algorithm: type[Algorithm], suites: Mapping[str, Suite]
) -> Mapping[str, Any]:
    """The options that follow from defaults, suite, task and what was given by hand. Raises UserError."""
    task = find_task(info, suites)
    layers = {"suite": suites[info["suite"]].settings, "task": task.settings}
    overrides = dict(pairs(info["overrides"]))
    return dict(vars(resolve(info["algorithm"], algorithm, task.id, layers, overrides).config))
