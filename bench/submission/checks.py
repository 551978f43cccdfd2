"""What of a submission is plausible: one run against its plan and its task, and all together."""

import datetime
import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from bench import records
from bench.algorithm import Algorithm
from bench.plan import IN_ID, Run
from bench.precision import DEFAULT_PRECISION
from bench.submission import clock, registered, schema
from bench.submission.archive import shown
from bench.submission.contents import Finding, Severity, Submitted
from bench.submission.copies import copied
from bench.task import Suite

HIGH = 1.1  # mean score of an evaluation, where 1 is the best known
ABSURD = 100.0  # no policy is a hundred times as far from random as the best known

Said = Iterator[tuple[Severity, str]]


def check(
    runs: Sequence[Submitted],
    suites: Mapping[str, Suite],
    algorithms: Mapping[str, type[Algorithm]],
    now: datetime.datetime,
) -> list[Finding]:
    """Everything that is found, run by run, then between runs of which each is sound by itself."""
    findings: list[Finding] = []
    sound = []
    for run in runs:
        said = [Finding(severity, run.folder, text) for severity, text in _one(run, suites, algorithms, now)]
        findings += said
        if not any(finding.severity == "error" for finding in said):
            sound.append(run)
    return [*findings, *_doubled(sound), *clock.together(sound), *copied(sound)]


def _one(
    run: Submitted,
    suites: Mapping[str, Suite],
    algorithms: Mapping[str, type[Algorithm]],
    now: datetime.datetime,
) -> Said:
    faults = [*schema.run_faults(run.info), *schema.summary_faults(run.summary)]
    faults += [
        fault for number, line in enumerate(run.lines, 1) for fault in schema.line_faults(number, line)
    ]
    yield from (("error", fault) for fault in faults)
    if faults:
        return
    yield from _place(run)
    yield from _plan(run)
    yield from registered.check_task(run.info, suites)
    yield from registered.check_algorithm(run.info, algorithms, suites)
    yield from _coverage(run)
    yield from _episodes(run)
    yield from _divergence(run)
    yield from _scores(run)
    yield from clock.check(run.info, run.summary, run.lines[: _planned_lines(run)], now)


def _place(run: Submitted) -> Said:
    info = run.info
    names = [info["suite"], info["task"], info["algorithm"].replace("/", "-"), info["id"]]
    if run.folder != "/".join(["runs", *names]):
        yield "error", f"run.json belongs into runs/{shown('/'.join(names))}; pack it from there"


def _is_command(text: str) -> bool:
    """Whether a shell would run `bench run` or `bench sweep` and nothing else: reports show it."""
    try:
        words = shlex.split(text)
    except ValueError:
        return False
    return words[:1] == ["bench"] and words[1:2] in (["run"], ["sweep"]) and shlex.join(words) == text


def planned_settings(info: Mapping[str, Any]) -> int:
    """How many of the test-time settings the run was planned with, so that its id follows from its content;
    `bench evaluate` adds others behind them. 0: the id does not follow.
    """
    counts = range(len(info["inferences"]), 0, -1)
    return next((count for count in counts if run_id(info, count) == info["id"]), 0)


def run_id(info: Mapping[str, Any], settings: int) -> str:
    inferences = tuple(registered.pairs(setting) for setting in info["inferences"][:settings])
    return Run(
        suite=info["suite"],
        task=info["task"],
        algorithm=info["algorithm"],
        source=info["source"],
        code=info["code"],
        config=registered.pairs(info["config"]),
        overrides=registered.pairs(info["overrides"]),
        sources=registered.pairs(info["sources"]),
        inferences=inferences,
        seeds=tuple(info["seeds"]),
        steps=info["steps"],
        eval_steps=tuple(info["eval_steps"]),
        episodes=info["episodes"],
        task_options=registered.pairs(info.get("task_options", {})),
        precision=info.get("precision", DEFAULT_PRECISION),
        settings=records.settings_kind(info),
        sweep=tuple((key, value) for key, value in info.get("sweep", {}).items() if key in IN_ID),
    ).id


def _plan(run: Submitted) -> Said:
    info = run.info
    if not planned_settings(info):
        yield (
            "error",
            "the id does not follow from run.json, so an entry was changed; pack the run as it was made",
        )
    if not _is_command(info["command"]):
        yield (
            "error",
            "the command is not one of bench run or bench sweep, quoted for a shell; pack the run as it was "
            "made",
        )
    count, steps = len(info["eval_steps"]), info["steps"]
    if info["eval_steps"] != [steps * number // count for number in range(1, count + 1)]:
        yield (
            "error",
            f"the {count} evaluations are not evenly spaced over {steps:,} steps; run it with bench run",
        )
    settings = [json.dumps(setting) for setting in info["inferences"]]
    if len(set(settings)) < len(settings):
        yield "error", "a test-time setting is there twice; run it with bench run"


def _planned_lines(run: Submitted) -> int:
    """How many lines the run itself wrote; `bench evaluate` adds others behind them."""
    info = run.info
    return len(info["seeds"]) * len(info["eval_steps"]) * (planned_settings(info) or len(info["inferences"]))


def _coverage(run: Submitted) -> Said:
    """Exactly one line for every seed, step and setting; settings that were added have the last step only."""
    info = run.info
    planned = planned_settings(info) or len(info["inferences"])
    expected = _planned_lines(run) + len(info["seeds"]) * (len(info["inferences"]) - planned)
    if expected > 2 * len(run.lines) + 100:  # a plan too long to be written out is not worth it
        yield (
            "error",
            f"{len(run.lines):,} evaluations are recorded and {expected:,} planned; pack finished runs only",
        )
        return
    settings = [json.dumps(setting) for setting in info["inferences"]]
    wanted = Counter(product(info["seeds"], info["eval_steps"], settings[:planned]))
    wanted |= Counter(product(info["seeds"], info["eval_steps"][-1:], settings[planned:]))
    there = Counter((line["seed"], line["step"], json.dumps(line["inference"])) for line in run.lines)
    if missing := wanted - there:
        yield "error", f"{_named(missing)} not recorded; give the run's command again, then pack it"
    surplus = there - wanted
    if foreign := Counter({key: n for key, n in surplus.items() if key not in wanted}):
        yield "error", f"{_named(foreign)} not part of the run; pack the run as it was made"
    if doubled := surplus - foreign:
        yield "error", f"{_named(doubled)} recorded more than once; keep one line of each, then pack it"


def _named(keys: Counter[tuple[int, int, str]]) -> str:
    (seed, step, _), count = next(iter(keys)), keys.total()
    more = f" and {count - 1} others" if count > 1 else ""
    return f"the evaluation of seed {seed} at step {step:,}{more} {'are' if count > 1 else 'is'}"


def _episodes(run: Submitted) -> Said:
    count, longest = run.info["episodes"], run.info["task_info"]["max_steps"]
    success = run.info["task_info"]["reference"].get("of") == "success"
    for number, line in enumerate(run.lines, 1):
        if line["status"] != "ok":
            continue
        where, columns = f"evaluations.jsonl, line {number}", ("returns", "success", "lengths")
        wrong = [name for name in columns if line[name] is not None and len(line[name]) != count]
        if wrong:
            yield "error", f"{where}: {', '.join(wrong)} do not have {count} episodes, as the run says"
        if max(line["lengths"]) > longest:
            yield "error", f"{where}: an episode has {max(line['lengths'])} steps; the task allows {longest}"
        if success and line["success"] is None:
            yield "error", f"{where}: the task is scored by success, and none is recorded"


def _divergence(run: Submitted) -> Said:
    first: dict[tuple[int, str], int] = {}
    for line in run.lines:
        if line["status"] != "ok":
            key = (line["seed"], json.dumps(line["inference"]))
            first[key] = min(line["step"], first.get(key, line["step"]))
    for line in run.lines:
        key = (line["seed"], json.dumps(line["inference"]))
        if line["status"] == "ok" and line["step"] > first.get(key, line["step"]):
            yield "error", f"seed {line['seed']} diverged and is sound later; a diverged seed stays so"
    named, foreign = set(run.summary["diverged"]), set(run.summary["diverged"]) - set(run.info["seeds"])
    silent = {seed for seed, _ in first} - named
    if foreign or silent:
        yield (
            "error",
            "summary.json and evaluations.jsonl name different diverged seeds; pack the run as it was made",
        )
    if named:
        yield "note", f"{len(named)} of {len(run.info['seeds'])} seeds diverged and count as 0"


def _scores(run: Submitted) -> Said:
    """Errors for absurd scores, one warning where the best known is exceeded."""
    reference = run.info["task_info"]["reference"]
    scale, highest = reference["best"] - reference["random"], 0.0
    for number, line in enumerate(run.lines, 1):
        if line["status"] != "ok" or (reference.get("of") == "success" and line["success"] is None):
            continue
        values = [(value - reference["random"]) / scale for value in records.scored(line, reference)]
        highest = max(highest, sum(values) / len(values))
        if max(map(abs, values)) > ABSURD:
            yield "error", f"evaluations.jsonl, line {number}: a return is not plausible on the task's scale"
    if highest > HIGH:
        yield "warning", f"an evaluation has a mean score of {100 * highest:.1f}; 100 is the best known"


def _doubled(runs: Sequence[Submitted]) -> Iterator[Finding]:
    """Warnings for seeds that two runs of one configuration have: the reports count the one created first."""
    keys = ("suite", "task", "algorithm", "code", "config", "task_options", "precision", "steps", "episodes")
    first: dict[str, Submitted] = {}
    for run in runs:
        kind = records.settings_kind(run.info)
        own = kind if kind in ("trial", "tuned") else ""  # these stand in rows of their own, or in none
        configuration = [own, run.info["inferences"][0], *(run.info.get(key) for key in keys)]
        for seed in run.info["seeds"]:
            key = json.dumps([configuration, seed], sort_keys=True)
            other = first.setdefault(key, run)
            if other is not run:
                text = f"seed {seed} is in {other.folder} too, under the same configuration; only one counts"
                yield Finding("warning", run.folder, text)
