"""What run.json, the lines of evaluations.jsonl and summary.json have to look like, entry by entry.

Only records that pass are asked whether their numbers are plausible: types need not be asked for there.
Entries that are not known here are passed over: a later version may have more. A stranger's records have to
be complete; of those in a results folder (`kept_...`) an entry may lack, but none may be of another kind.
"""

import datetime
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

FORMAT = 1  # of the records
KINDS = ("paper", "suite", "by hand", "trial", "tuned")  # whose settings a run has

Rule = tuple[Callable[[Any], bool], str]  # whether a value fits, and what would

SEEDS, EPISODES, EVALUATIONS, SETTINGS = 10_000, 100_000, 10_000, 100  # no run has more


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def is_number(value: Any) -> bool:
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_count(value: Any) -> bool:
    return is_whole(value) and value >= 1


def _is_duration(value: Any) -> bool:
    return is_number(value) and value >= 0


def _is_seed(value: Any) -> bool:
    return is_whole(value) and 0 <= value < 2**63


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_time(value: Any) -> bool:
    try:
        return datetime.datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_setting(value: Any) -> bool:
    """Options of an algorithm: numbers, words, truth values or lists of such."""
    if not isinstance(value, dict):
        return False
    items = [part for item in value.values() for part in (item if isinstance(item, list) else [item])]
    return all(item is None or isinstance(item, (str, bool)) or is_number(item) for item in items)


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and bool(value) and all(map(fits, value))


TEXT: Rule = (_is_text, "a text")
TEXTS: Rule = (_is_texts, "an object of texts")
OBJECT: Rule = (_is_object, "an object")
COUNT: Rule = (_is_count, "a whole number of 1 or more")
NUMBER: Rule = (is_number, "a finite number")
DURATION: Rule = (_is_duration, "a number of 0 or more")
SETTING: Rule = (_is_setting, "an object of numbers, texts or lists of them")

RUN: Mapping[str, Rule] = {
    "format": (lambda value: is_whole(value) and value == FORMAT, str(FORMAT)),
    "id": TEXT, "suite": TEXT, "task": TEXT, "algorithm": TEXT, "source": TEXT, "code": TEXT, "command": TEXT,
    "config": SETTING, "overrides": SETTING, "sources": TEXTS, "versions": TEXTS,
    "device": OBJECT, "git": OBJECT, "task_info": OBJECT,
    "seeds": (
        lambda value: _list_of(_is_seed)(value) and len(set(value)) == len(value) <= SEEDS,
        f"a list of at most {SEEDS:,} seeds, each named once",
    ),
    "steps": COUNT,
    "eval_steps": (
        lambda value: _list_of(_is_count)(value) and len(value) <= EVALUATIONS,
        f"a list of at most {EVALUATIONS:,} steps",
    ),
    "episodes": (lambda value: _is_count(value) and value <= EPISODES, f"from 1 to {EPISODES:,}"),
    "inferences": (
        lambda value: _list_of(_is_setting)(value) and len(value) <= SETTINGS,
        f"a list of at most {SETTINGS} settings",
    ),
    "created": (_is_time, "a time with its zone, such as 2026-01-31T12:00:00+00:00"),
}  # fmt: skip

SWEEP: Mapping[str, Rule] = {"name": TEXT, "search": TEXT, "trial": COUNT, "chosen": SETTING}

TUNED: Mapping[str, Rule] = {**SWEEP, "trials": COUNT, "policies": COUNT}

RUN_OPTIONAL: Mapping[str, Rule] = {
    "task_options": TEXTS,
    "precision": TEXT,
    "evaluation_seeds": TEXT,
    "settings": (lambda value: value in KINDS, f"one of {', '.join(KINDS)}"),
    "sweep": OBJECT,
}

TASK_INFO: Mapping[str, Rule] = {"reference": OBJECT, "max_steps": COUNT, "identity": TEXTS}

REFERENCE: Mapping[str, Rule] = {"random": NUMBER, "best": NUMBER, "source": TEXT}

REFERENCE_OPTIONAL: Mapping[str, Rule] = {
    "of": (lambda value: value in ("return", "success"), "return or success")
}

LINE: Mapping[str, Rule] = {
    "seed": (_is_seed, "a seed"),
    "step": COUNT,
    "inference": SETTING,
    "status": (lambda value: value in ("ok", "diverged"), "ok or diverged"),
    "metrics": OBJECT,
    "seconds": DURATION,
}

_NULL: Rule = (lambda value: value is None, "null, because the seed diverged")

DIVERGED: Mapping[str, Rule] = {"returns": _NULL, "success": _NULL, "lengths": _NULL}

PLAYED: Mapping[str, Rule] = {
    "returns": (_list_of(is_number), "a list of finite numbers"),
    "success": (
        lambda value: value is None or _list_of(lambda item: item is True or item is False)(value),
        "null or a list of true and false",
    ),
    "lengths": (_list_of(_is_count), "a list of whole numbers of 1 or more"),
}

SUMMARY: Mapping[str, Rule] = {
    "train_seconds": DURATION,
    "eval_seconds": DURATION,
    "updates_per_second": DURATION,
    "diverged": (lambda value: isinstance(value, list) and all(map(_is_seed, value)), "a list of seeds"),
}


_KEPT_REFERENCE: Mapping[str, Rule] = {"random": NUMBER, "best": NUMBER, **REFERENCE_OPTIONAL}

_KEPT_RUN: Mapping[str, Rule] = {
    key: TEXT if key == "created" else rule
    for key, rule in {**RUN, **RUN_OPTIONAL}.items()
    if key not in ("format", "versions")
}

_KEPT_LINE: Mapping[str, Rule] = {
    **LINE,
    # null: the environment paid a number that JSON has no word for
    "returns": (_list_of(lambda item: item is None or is_number(item)), "a list of numbers"),
    "success": PLAYED["success"],
    "lengths": PLAYED["lengths"],
}


def kept_run_faults(info: Mapping[str, Any]) -> Iterator[str]:
    """What of a run.json no reader could use; an entry that is not there is left to who needs it."""
    yield from _faults("it", info, {}, _KEPT_RUN)
    inner = info.get("task_info")
    if isinstance(inner, dict):
        yield from _faults("its task_info", inner, {}, {"reference": OBJECT, "identity": OBJECT})
        if isinstance(reference := inner.get("reference"), dict):
            yield from _faults("its reference", reference, {}, _KEPT_REFERENCE)


def kept_line_faults(line: Mapping[str, Any]) -> Iterator[str]:
    """What of a line of evaluations.jsonl no reader could use."""
    faults = list(_faults("it", line, LINE))
    yield from faults or _faults("it", line, DIVERGED if line["status"] == "diverged" else _KEPT_LINE)
    if not faults and line["status"] == "ok":
        episodes = {
            len(v) for v in (line["returns"], line["success"], line["lengths"]) if isinstance(v, list)
        }
        if len(episodes) > 1:
            yield "its lists are of different lengths"


def run_faults(info: Mapping[str, Any]) -> Iterator[str]:
    """What of run.json is not as it has to be, as sentences."""
    yield from _faults("run.json", info, RUN, RUN_OPTIONAL)
    yield from _sweep_faults(info)
    inner = info.get("task_info")
    if not isinstance(inner, dict):
        return
    yield from _faults("run.json: task_info", inner, TASK_INFO)
    reference = inner.get("reference")
    if isinstance(reference, dict):
        faults = list(_faults("run.json: reference", reference, REFERENCE, REFERENCE_OPTIONAL))
        if not faults and reference["best"] <= reference["random"]:
            faults.append("run.json: the reference 'best' has to be above 'random'")
        yield from faults


def _sweep_faults(info: Mapping[str, Any]) -> Iterator[str]:
    kind, sweep = info.get("settings"), info.get("sweep")
    if (kind in ("trial", "tuned")) != (sweep is not None):
        yield "run.json: 'sweep' is there for the settings trial and tuned, and for no others"
    elif isinstance(sweep, dict):
        faults = list(_faults("run.json: sweep", sweep, TUNED if kind == "tuned" else SWEEP))
        overrides = info.get("overrides")
        if not faults and isinstance(overrides, dict) and not sweep["chosen"].items() <= overrides.items():
            faults.append("run.json: sweep: 'chosen' is not among the overrides")
        yield from faults


def line_faults(number: int, line: Mapping[str, Any]) -> Iterator[str]:
    """What of a line of evaluations.jsonl is not as it has to be, as sentences."""
    where = f"evaluations.jsonl, line {number}"
    faults = list(_faults(where, line, LINE))
    yield from faults or _faults(where, line, PLAYED if line["status"] == "ok" else DIVERGED)


def summary_faults(summary: Mapping[str, Any]) -> Iterator[str]:
    """What of summary.json is not as it has to be, as sentences."""
    yield from _faults("summary.json", summary, SUMMARY)


def _faults(
    where: str,
    content: Mapping[str, Any],
    rules: Mapping[str, Rule],
    optional: Mapping[str, Rule] | None = None,
) -> Iterator[str]:
    for key, (fits, wanted) in rules.items():
        if key not in content:
            yield f"{where} lacks '{key}'; it is {wanted}"
        elif not fits(content[key]):
            yield f"{where}: '{key}' is not allowed; it is {wanted}"
    for key, (fits, wanted) in (optional or {}).items():
        if key in content and not fits(content[key]):
            yield f"{where}: '{key}' is not allowed; it is {wanted}"
