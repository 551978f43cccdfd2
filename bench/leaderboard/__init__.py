"""The leaderboard: one static page from the records, with its plots beside it.

Everything is a pure function of the files in `results/runs`: delete the folder, write it again, and the
same bytes are back. Names that come from files are shown as text, never as markup.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench import report
from bench.bootstrap import REPLICATES
from bench.data.card import Card, bars, from_json, show
from bench.errors import UserError
from bench.leaderboard import plots
from bench.leaderboard.curves import learning_curves
from bench.protocol import Protocol
from bench.records import RunRecord, no_runs, read_runs
from bench.scores import Row, Scores, build, shorten
from bench.stats import Estimate, Summary, summarize
from bench.tables import Entry, Sheet


def write_leaderboard(
    results: Path,
    protocol: Protocol,
    replicates: int = REPLICATES,
    inference: str = "default",
    bootstrap: str = "seeds",
    trials: bool = False,
) -> Path:
    """Write `results`/leaderboard/index.html with the plots of every suite; the path of the page.

    Raises UserError where `results` holds no runs.
    """
    results = Path(results)
    folder = results / "leaderboard"
    summaries, unusable = _summaries(results, protocol, replicates, inference, bootstrap, trials)
    look = plots.looks(row for summary in summaries for row in summary.scores.rows)
    folder.mkdir(parents=True, exist_ok=True)
    for old in (old for pattern in _WRITTEN for old in folder.glob(pattern)):
        old.unlink()  # a suite that is gone leaves no plots behind
    sections = [_section(summary, look, folder) for summary in summaries]
    command = f"bench leaderboard --protocol {protocol.name}"
    command += "" if bootstrap == "seeds" else f" --bootstrap {bootstrap}"
    page = _template().render(sections=sections, protocol=protocol.name, command=command, unusable=unusable)
    path = folder / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


_WRITTEN = ("*-intervals.???", "*-profiles.???", "*-curves.???", "*-overview.png")


def file_stem(suite: str) -> str:
    """A suite's name as the start of a file name; names that need changing stay distinct."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", suite).lstrip(".-")
    if safe == suite:
        return safe
    return f"{safe[:40]}-{blake2b(suite.encode(), digest_size=3).hexdigest()}"


def _summaries(
    results: Path, protocol: Protocol, replicates: int, inference: str, bootstrap: str, trials: bool
) -> tuple[list[Summary], list[str]]:
    """The statistics of every suite with usable runs, and notes on files that belong to none."""
    runs, problems = read_runs(results, None)
    notes = shorten(problems, results)
    by_suite: dict[str, list[RunRecord]] = {}
    for run in runs:
        by_suite.setdefault(run.path.parts[-4], []).append(run)
    summaries, unusable = [], [n for n in notes if not any(_names(n, suite) for suite in by_suite)]
    for suite, found in sorted(by_suite.items()):
        own = [note for note in notes if _names(note, suite)]
        try:
            scores = build(found, own, results, suite, protocol, inference, trials=trials)
        except UserError as error:  # none of its runs is usable
            unusable += [
                *own,
                f"results: no run of {suite} can be scored: {str(error).replace(str(results), 'results')}",
            ]
        else:
            summaries.append(summarize(scores, replicates, bootstrap))
    if not summaries:
        raise no_runs(results, None)
    return summaries, unusable


def _names(note: str, suite: str) -> bool:
    return note.startswith(f"results/runs/{suite}/")


def _section(summary: Summary, look: Mapping[Row, plots.Look], folder: Path) -> dict[str, Any]:
    """All that the template shows of one suite; writes its plots."""
    scores, stem = summary.scores, file_stem(summary.scores.suite)
    found = learning_curves(scores, summary.replicates)
    if summary.aggregates:
        plots.save(lambda theme: plots.intervals(summary, look, theme), folder / f"{stem}-intervals")
        plots.save(lambda theme: plots.profiles(summary, look, theme), folder / f"{stem}-profiles")
    plots.save(lambda theme: plots.curves(summary, found, look, theme), folder / f"{stem}-curves")
    plots.save_png(lambda theme: plots.overview(summary, look, theme), folder / f"{stem}-overview.png")
    return {
        "suite": scores.heading,
        "stem": stem,
        "statement": _statement(scores),
        "leader": summary.order[0].label if summary.aggregates else "",
        "colors": {
            report.label(scores, row, d): look[row].color for row in scores.rows for d in (False, True)
        },
        "aggregates": report.aggregates(summary),
        "tasks": report.tasks(summary),
        "improvements": report.improvements(summary),
        "heat": _heat(summary),
        "cost": _cost(summary),
        "references": [_reference(scores, task) for task in scores.tasks],
        "cards": [row for task in scores.tasks for row in _cards(scores, task)],
        "foot": report.foot(summary) + _BANDS * (summary.bootstrap != "seeds"),
        "notes": scores.notes,
        "versions": _versions(scores.runs),
        "commands": sorted({str(run.info["command"]) for run in scores.runs}),
    }


_BANDS = ["The bands of learning curves are over seeds alone."]


def _statement(scores: Scores) -> str:
    names = ", ".join(row.label for row in scores.rows)
    algorithms = f"{len(scores.rows)} algorithm" + "s" * (len(scores.rows) != 1)
    tasks = f"{len(scores.tasks)} task" + "s" * (len(scores.tasks) != 1)
    return (
        f"{algorithms} ({names}) on {tasks}: each is trained on the fixed data set of a task and scored by "
        "the episodes that its policy then plays there."
    )


def _heat(summary: Summary) -> list[list[str]]:
    """Background of each cell of the improvement matrix: blue where the row wins, orange where it loses."""
    rows = [row for row in summary.order if row in summary.aggregates]
    return [[_shade(summary.improvement.get((x, y))) for y in rows] for x in rows]


def _shade(e: Estimate | None) -> str:
    if e is None:
        return "transparent"
    color = "0, 114, 178" if e.value > 0.5 else "213, 94, 0"
    return f"rgba({color}, {1.1 * abs(e.value - 0.5):.2f})"


def _cost(summary: Summary) -> Sheet:
    """What training and evaluating took, from the summaries of finished runs."""
    rows = []
    for row in summary.order:
        runs = _runs_of(summary.scores, row)
        done = [run.summary for run in runs if run.summary and set(run.summary) >= _CLOCKS]
        speeds = [done_run["updates_per_second"] for done_run in done]
        entries = [
            Entry(str(len(runs))),
            Entry(" or ".join(str(n) for n in sorted({len(run.info["seeds"]) for run in runs}))),
            Entry(_duration(sum(s["train_seconds"] for s in done)) if done else "–"),
            Entry(_duration(sum(s["eval_seconds"] for s in done)) if done else "–"),
            Entry(_speed(min(speeds), max(speeds)) if done else "–"),
            Entry(", ".join(sorted({_device(run) for run in runs}))),
        ]
        rows.append((report.label(summary.scores, row), entries))
    head = ["Runs", "Seeds per run", "Training", "Evaluation", "Updates per second", "Device"]
    foot = (
        "Wall-clock time of all finished runs together; a run trains its seeds at once. "
        "Times compare only between runs on the same device with the same number of seeds."
    )
    return Sheet("Cost", "Algorithm", head, rows, [foot], ())


_CLOCKS = {"train_seconds", "eval_seconds", "updates_per_second"}


def _runs_of(scores: Scores, row: Row) -> list[RunRecord]:
    found = {
        str(cell.run.path): cell.run
        for task in scores.tasks
        for cell in scores.cells.get((row, task), {}).values()
    }
    return [found[path] for path in sorted(found)]


def _device(run: RunRecord) -> str:
    device = run.info.get("device")
    if isinstance(device, Mapping):
        return f"{device.get('type')} ({device.get('name')})"
    return str(device or "unknown")


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _speed(low: float, high: float) -> str:
    low_text, high_text = f"{low:,.0f}", f"{high:,.0f}"
    return low_text if low_text == high_text else f"{low_text} to {high_text}"


def _reference(scores: Scores, task: str) -> dict[str, str]:
    info = next(run.info["task_info"] for run in scores.runs if run.info["task"] == task)
    return {
        "task": task,
        "summary": ". ".join([str(info.get("summary", "")), *map(str, info.get("notes", []))]),
        "measure": str(info["reference"].get("of", "return")),
        "random": f"{info['reference']['random']:g}",
        "best": f"{info['reference']['best']:g}",
        "source": str(info["reference"].get("source", "")),
        "identity": ", ".join(f"{key} {str(v)[:12]}" for key, v in sorted(info.get("identity", {}).items())),
    }


def _cards(scores: Scores, task: str) -> list[dict[str, str]]:
    """What the data of a task are, as cells of a table; one row for each data set that its runs name."""
    found: dict[str, Card] = {}
    for run in scores.runs:
        info = run.info["task_info"]
        if run.info["task"] == task and "card" in info:
            with suppress(ValueError):
                found.setdefault(str(info.get("identity", {}).get("dataset")), from_json(info["card"]))
    return [{"task": task, "sha256": sha256[:12]} | _card(card) for sha256, card in sorted(found.items())]


def _card(card: Card) -> dict[str, str]:
    shortest, mean, longest = map(show, card.length)
    returns = card.returns
    quality = card.trajectory_quality
    return {
        "episodes": f"{card.episodes:,}",
        "transitions": f"{card.transitions:,}",
        "sizes": f"{card.obs_dim}, {card.action_dim}",
        "length": shortest if shortest == longest else f"{shortest} to {longest}, mean {mean}",
        "returns": f"{show(returns.minimum)} to {show(returns.maximum)}, mean {show(returns.mean)}",
        "bars": bars(returns.counts),
        "quality": "unknown" if quality is None else f"{quality:.3f}",
        "coverage": f"{card.coverage:.3f}: {card.cells:,} cells",
    }


def _versions(runs: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """What the runs were made with; several values where they differ."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for key, value in _pairs(run.info.get("versions")):
            found.setdefault(key, set()).add(value)
        for key, value in _pairs(run.info.get("git")):
            found.setdefault(f"git {key}", set()).add(value)
    return [(key, ", ".join(sorted(values))) for key, values in sorted(found.items())]


def _pairs(content: Any) -> Iterable[tuple[str, str]]:
    return [(str(key), str(value)) for key, value in content.items()] if isinstance(content, Mapping) else []


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("template.html")
