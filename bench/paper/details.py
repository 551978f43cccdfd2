"""Experimental details: what a reader and a checklist ask for, taken from the records and from nowhere else.

What the records do not say is said to be unknown.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench import captions
from bench.about import Paper
from bench.paper.bibliography import keys
from bench.paper.sheets import plain_sheet
from bench.records import RunRecord, settings_kind
from bench.stats import Summary
from bench.tables import Sheet, latex, markdown, md, tex

UNKNOWN = "unknown"
RLIABLE_NAME = "rliable"


@dataclass(frozen=True)
class Section:
    """One paragraph with its tables; `cited` are names that stand at its end, each with its key or ""."""

    title: str
    sentences: Sequence[str]
    sheets: Sequence[Sheet] = ()
    cited: Mapping[str, str] = field(default_factory=dict)


def details(summary: Summary, papers: Mapping[str, Paper]) -> list[Section]:
    """All sections; papers: by the name of the algorithm, where one is known, and of rliable."""
    scores = summary.scores
    runs = sorted(
        {cell.run.path: cell.run for seeds in scores.cells.values() for cell in seeds.values()}.values(),
        key=lambda run: (run.info["task"], run.info["algorithm"], run.info["id"]),
    )
    named = keys(papers)
    return [
        Section("Tasks and data", _data(runs), plain_sheet(*_tasks(runs))),
        Section("Algorithms", _algorithms(runs), cited=_cited(runs, named)),
        Section("Settings", _settings(runs), [*plain_sheet(*_options(runs)), *plain_sheet(*_sourced(runs))]),
        Section("Training", _training(summary, runs)),
        Section("Evaluation", _evaluation(summary, runs)),
        Section(
            "Statistics",
            [*captions.foot(summary)[1:], captions.BOLD],
            cited={RLIABLE_NAME: named[RLIABLE_NAME]},
        ),
        Section("Software and hardware", _software(runs)),
        Section("Compute", _compute(runs), plain_sheet(*_costs(runs))),
        Section("Missing, excluded, diverged", _missing(summary)),
    ]


def as_latex(sections: Iterable[Section]) -> str:
    """A fragment for \\input; needs natbib, booktabs, graphicx and textcomp."""
    lines = []
    for section in sections:
        cited = [tex(name) + (rf"~\citep{{{key}}}" if key else "") for name, key in section.cited.items()]
        text = [*map(tex, section.sentences)] + ([", ".join(cited) + "."] if cited else [])
        lines += [rf"\paragraph{{{tex(section.title)}.}}", *text, ""]
        lines += [latex(sheet) for sheet in section.sheets]
    return "\n".join(lines)


def as_markdown(sections: Iterable[Section]) -> str:
    """The same for people who do not write LaTeX."""
    lines = []
    for section in sections:
        cited = [md(name) + (f" [{key}]" if key else "") for name, key in section.cited.items()]
        text = [*map(md, section.sentences)] + ([", ".join(cited) + "."] if cited else [])
        lines += [f"## {section.title}", "", "\n".join(text), ""]
        lines += [markdown(sheet) for sheet in section.sheets]
    return "\n".join(lines)


def _values(runs: Iterable[RunRecord], read: Callable[[RunRecord], Any]) -> list[str]:
    """The different values of something, in order of appearance."""
    return list(dict.fromkeys(_text(read(run)) for run in runs))


def _text(value: Any) -> str:
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return " x ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _either(runs: Iterable[RunRecord], read: Callable[[RunRecord], Any]) -> str:
    return " or ".join(_values(runs, read))


def _data(runs: Sequence[RunRecord]) -> list[str]:
    every = {run.info["task"] for run in runs}
    by_versions: dict[str, set[str]] = {}
    for run in runs:
        identity = run.info["task_info"].get("identity", {})
        versions = ", ".join(f"{key} {value}" for key, value in identity.items() if key != "dataset")
        by_versions.setdefault(versions or UNKNOWN, set()).add(run.info["task"])
    said = "; ".join(f"{versions} ({_some(tasks, every)})" for versions, tasks in by_versions.items())
    notes = [note for run in runs for note in run.info["task_info"].get("notes", [])]
    return [
        f"What identifies the environments, with the tasks that it holds for: {said}.",
        "A data set is identified by the sha256 of its content, of which the first 12 digits are shown. "
        "Random and best are the mean returns of scores 0 and 100, or the shares of episodes with success.",
        *dict.fromkeys(notes),
    ]


def _tasks(runs: Sequence[RunRecord]) -> tuple[str, list[str], list[list[str]]]:
    lines = []
    for run in runs:
        info = run.info["task_info"]
        data = str(info.get("identity", {}).get("dataset", UNKNOWN))[:12]
        scale = f"{info['reference']['random']:.4g}, {info['reference']['best']:.4g}"
        lines.append(
            [run.info["task"], _text(info.get("transitions")), data, _text(info.get("max_steps")), scale]
        )
    head = ["Task", "Transitions", "Data", "Steps at most", "Random, best"]
    return "Tasks and data", head, _unique(lines)


def _unique(lines: Iterable[list[str]]) -> list[list[str]]:
    return [list(line) for line in dict.fromkeys(map(tuple, lines))]


def _algorithms(runs: Sequence[RunRecord]) -> list[str]:
    count = len(_values(runs, lambda run: run.info["algorithm"]))
    return [
        f"Algorithms compared: {count}, in the implementations that offline-bench has under these names; the "
        "file of each says where it departs from its paper. Scores that others report are not part of this "
        "comparison."
    ]


def _cited(runs: Sequence[RunRecord], named: Mapping[str, str]) -> dict[str, str]:
    names = sorted({run.info["algorithm"] for run in runs})
    return {name if name in named else f"{name} (citation unknown)": named.get(name, "") for name in names}


_KINDS = {
    "paper": "the defaults and per-task settings of the algorithm's file",
    "suite": "those, and common settings of the suite",
    "by hand": "given by hand",
}


def _settings(runs: Sequence[RunRecord]) -> list[str]:
    kinds: dict[str, set[str]] = {}
    for run in runs:
        kinds.setdefault(settings_kind(run.info), set()).add(run.info["algorithm"])
    said = "; ".join(
        f"{_KINDS.get(kind, kind)} ({', '.join(sorted(n))})" for kind, n in sorted(kinds.items())
    )
    return [
        f"Settings are {said}. Hidden layers, learning rates and batch sizes are the options hidden, lr "
        "(or one for each network) and batch_size. The kind of optimizer is not in the records; the "
        "algorithm's file says it. How many settings were tried before these is not known from the records.",
    ]


def _options(runs: Sequence[RunRecord]) -> tuple[str, list[str], list[list[str]]]:
    """Every option of every algorithm; where tasks differ, all values."""
    lines = []
    for name in sorted({run.info["algorithm"] for run in runs}):
        own = [run for run in runs if run.info["algorithm"] == name]
        options = dict.fromkeys(option for run in own for option in run.info["config"])
        texts = [f"{o} {' / '.join(_values(own, partial(_option, option=o)))}" for o in options]
        lines += [
            [name if not start else "", ", ".join(texts[start : start + 5])]
            for start in range(0, len(texts), 5)
        ]
    return "Options of every algorithm; where tasks differ, all values", ["Algorithm", "Options"], lines


def _option(run: RunRecord, option: str) -> Any:
    value = run.info["config"].get(option)
    return "none" if value is None else value


def _sourced(runs: Sequence[RunRecord]) -> tuple[str, list[str], list[list[str]]]:
    """Options that are not the algorithm's defaults, with who set them."""
    found: dict[tuple[str, str, str, str], list[str]] = {}  # by algorithm, option, value, source: tasks
    for run in runs:
        for option, source in run.info.get("sources", {}).items():
            said = {"user": "by hand", "suite": "the suite", "task": "the task"}.get(source, source)
            key = (run.info["algorithm"], option, _text(_option(run, option)), said)
            found.setdefault(key, []).append(run.info["task"])
    shared: dict[tuple[str, str, str, str], list[str]] = {}  # by option, value, source, tasks: algorithms
    for (name, option, value, source), tasks in sorted(found.items()):
        key = option, value, source, _some(set(tasks), {run.info["task"] for run in runs})
        shared.setdefault(key, []).append(name)
    everybody = {run.info["algorithm"] for run in runs}
    lines = [[*key, _some(set(names), everybody)] for key, names in sorted(shared.items())]
    head = ["Option", "Value", "Source", "Tasks", "Algorithms"]
    return "Options that are not the defaults of the algorithm's file", head, lines


def _some(names: set[str], every: set[str]) -> str:
    """`all`, `all but two-doors`, or the names."""
    if names == every:
        return "all"
    rest = every - names
    return (
        f"all but {', '.join(sorted(rest))}" if len(rest) < min(3, len(names)) else ", ".join(sorted(names))
    )


def _training(summary: Summary, runs: Sequence[RunRecord]) -> list[str]:
    seeds = {f"{', '.join(map(str, summary.scores.seeds(row)))}" for row in summary.scores.rows}
    return [
        f"Gradient updates: {_either(runs, lambda run: run.info['steps'])}.",
        f"Seeds: {'; '.join(sorted(seeds))}. A seed sets the initial parameters, the batches and all noise, "
        "and is the same for every algorithm.",
        f"Precision of matrix products: {_either(runs, lambda run: run.info.get('precision'))}.",
    ]


def _evaluation(summary: Summary, runs: Sequence[RunRecord]) -> list[str]:
    schedules = _values(runs, lambda run: ", ".join(f"{step:,}" for step in run.info["eval_steps"]))
    shown = "; or ".join(
        s if s.count(" ") < 12 else f"{s.count(' ') + 1} evaluations, the last {s.rsplit(' ', 1)[1]}"
        for s in schedules
    )
    return [summary.scores.sentence(), f"Policies were evaluated after these numbers of updates: {shown}."]


def _software(runs: Sequence[RunRecord]) -> list[str]:
    names = sorted({name for run in runs for name in run.info.get("versions", {})})
    versions = [f"{name} {_either(runs, partial(_version, name=name))}" for name in names]
    return [
        f"Software: {', '.join(versions) or UNKNOWN}.",
        f"Commit of the harness: {_either(runs, _commit)}.",
        f"Hardware: {_either(runs, _device)}. The amount of memory is unknown.",
    ]


def _version(run: RunRecord, name: str) -> Any:
    return run.info.get("versions", {}).get(name)


def _commit(run: RunRecord) -> str:
    git = run.info.get("git") or {}
    changed = " (state unknown)"
    if "clean" in git:
        changed = "" if git["clean"] else " (with changes that are not committed)"
    return f"{git['commit']}{changed}" if git.get("commit") else UNKNOWN


def _device(run: RunRecord) -> str:
    device = run.info.get("device") or {}
    cuda = f", CUDA {device['cuda']}" if device.get("cuda") else ""
    threads = f"{device['threads']} thread(s) for each run" if device.get("threads") else "threads unknown"
    name = f"{device.get('type') or UNKNOWN} {device.get('name') or '(name unknown)'}"
    return f"{name}{cuda}, {threads}"


def _compute(runs: Sequence[RunRecord]) -> list[str]:
    unknown = sum(not _seconds(run) for run in runs)
    total = sum(sum(_seconds(run)) for run in runs) / 3600
    lacking = f"; {unknown} of {len(runs)} runs have no recorded time and are not in it" if unknown else ""
    return [
        f"Training and evaluation took {total:.3g} hours of wall-clock time, summed over runs, of which "
        f"several may have shared a machine{lacking}. Experiments besides these runs are not in the records."
    ]


def _costs(runs: Sequence[RunRecord]) -> tuple[str, list[str], list[list[str]]]:
    lines = []
    for name in sorted({run.info["algorithm"] for run in runs}):
        own = [run for run in runs if run.info["algorithm"] == name]
        timed = [_seconds(run) for run in own if _seconds(run)]
        hours = [f"{sum(part) / 3600:.3g}" for part in zip(*timed, strict=True)] or [UNKNOWN, UNKNOWN]
        lines.append([name, str(len(own)), str(sum(len(run.info["seeds"]) for run in own)), *hours])
    return "Wall-clock hours", ["Algorithm", "Runs", "Seeds in them", "Training", "Evaluation"], lines


def _seconds(run: RunRecord) -> tuple[float, ...]:
    summary = run.summary or {}
    try:
        return float(summary["train_seconds"]), float(summary["eval_seconds"])
    except (KeyError, TypeError, ValueError):
        return ()


def _missing(summary: Summary) -> list[str]:
    scores = summary.scores
    diverged = sum(scores.diverged(row) for row in scores.rows)
    lost = f"{diverged} seed(s) diverged and count as 0." if diverged else "No seed diverged."
    if not scores.notes:
        return [lost, "Nothing is missing, excluded or mixed."]
    return [lost, *(note.rstrip(".") + "." for note in scores.notes)]
