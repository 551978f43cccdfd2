"""`bench report`: the statistics of a suite as Markdown, LaTeX or CSV; a pure function of the records."""

import csv
import io
import math
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from bench.bootstrap import BOOTSTRAPS
from bench.errors import unknown
from bench.pairs import win_records
from bench.protocol import Protocol
from bench.published import tables as published
from bench.records import settings_kind
from bench.scores import Row, Scores, load
from bench.stats import FEW_SEEDS, METRICS, REPLICATES, Estimate, Summary, summarize
from bench.tables import NO_ENTRY, Entry, Sheet, latex, markdown

BOLD = (
    "Bold: the best of its column, and every entry for which the 95% interval of the difference to the best "
    "(over the same bootstrap replicates) includes 0; none where that holds for all entries."
)
IMPROVEMENT = (
    "Entry: the probability that a run of the row scores higher than a run of the column on the same task "
    "(ties count half), mean over tasks. Bold: its 95% interval excludes 0.50."
)
SETTINGS = {
    "paper": "paper – the defaults of the algorithm's file and what it gives for a task",
    "suite": "suite – some options are set by the suite for all algorithms",
    "by hand": "by hand – some were given on the command line",
    "trial": "trial – made to choose settings by: picked among others, it is too good",
    "tuned": "tuned – for each task the best of so many trials, trained again with fresh seeds",
}

RANKS = (
    "Mean rank: 1 is the highest mean score of a task, ties share, mean over tasks; P(k): the share of tasks "
    "and bootstrap replicates in which the algorithm has rank k. Where algorithms are close, ranks are drawn "
    "towards the middle by the noise of seeds, and their intervals cover less than 95%."
)
WINS = (
    "A task is won where the means differ by Welch's test over seeds at 5%, corrected by Holm's method for "
    "the tasks of the pair (as in bench compare), lost where the other wins, tied otherwise: too few seeds "
    "make ties. Not counted: a task where one of the two has a single seed, or that is marked ‡."
)


def render(
    results: Path,
    suite: str,
    fmt: str,
    protocol: Protocol,
    inference: str = "default",
    replicates: int = REPLICATES,
    tasks: Collection[str] | None = None,
    bootstrap: str = "seeds",
    trials: bool = False,
) -> str:
    """The report on `suite` (or on `tasks` of it) from the records below `results`, as md, csv or latex.

    Equal records give equal bytes. Raises UserError for an unknown format or bootstrap, or where
    there are no runs.
    """
    if fmt not in FORMATS:  # before all records are read
        raise unknown("format", fmt, FORMATS)
    scores = load(Path(results), suite, protocol, inference, tasks, trials)
    return render_scores(scores, fmt, replicates, bootstrap)


def render_scores(scores: Scores, fmt: str, replicates: int = REPLICATES, bootstrap: str = "seeds") -> str:
    """The report on scores that are loaded already. Raises UserError for an unknown format."""
    if fmt not in FORMATS:
        raise unknown("format", fmt, FORMATS)
    return FORMATS[fmt](summarize(scores, replicates, bootstrap))


def _markdown(summary: Summary) -> str:
    sheets = [aggregates(summary), tasks(summary), improvements(summary), ranks(summary), wins(summary)]
    return "\n".join(map(markdown, [*sheets, *_own_words(summary)]))


def _own_words(summary: Summary) -> list[Sheet]:
    return [published.own_words(summary.scores)] if summary.scores.words else []


def _latex(summary: Summary) -> str:
    sheets = [aggregates(summary), tasks(summary), against_leader(summary), ranks(summary)]
    sheets += [wins(summary, leader_only=True), *_own_words(summary)]
    return "% needs \\usepackage{booktabs,graphicx,textcomp}\n" + "\n".join(map(latex, sheets))


def _csv(summary: Summary) -> str:
    """Tidy: one number per line, scores times 100, probabilities from 0 to 1, ranks from 1, numbers of tasks
    won and tied; sentences at the end.
    """
    scores = summary.scores
    lines: list[list[object]] = []
    for row in summary.order:
        for metric, e in summary.aggregates.get(row, {}).items():
            lines.append(["aggregate", "", row.label, metric, *_numbers(e, 100), seeds_of(scores, row)])
            lines[-1].append(scores.diverged(row))
    for (row, task), e in sorted(summary.tasks.items(), key=lambda item: (item[0][1], item[0][0])):
        lines.append(["task", task, row.label, "Mean", *_numbers(e, 100), seeds_of(scores, row, task)])
        lines[-1].append(scores.diverged(row, task))
    for (x, y), e in summary.improvement.items():
        lines.append(["improvement", "", x.label, f"P(> {y.label})", *_numbers(e, 1), "", ""])
    for row, e in summary.ranks.items():
        lines.append(["rank", "", row.label, "Mean rank", *_numbers(e, 1), seeds_of(scores, row)])
        lines[-1].append(scores.diverged(row))
        lines += [
            ["rank", "", row.label, f"P(rank {rank})", f"{share:.4f}", "", "", "", ""]
            for rank, share in enumerate(summary.shares[row], 1)
        ]
    for (x, y), record in win_records(scores, list(summary.aggregates)).items():
        for metric, count in ((f"Wins over {y.label}", record.wins), (f"Ties with {y.label}", record.ties)):
            lines.append(["wins", "", x.label, metric, count, "", "", "", ""])
    head = ["level", "task", "row", "metric", "value", "low", "high", "seeds", "diverged"]
    if scores.reported or scores.words:
        reported = {row.label for row in summary.order if row.source}
        lines = [[*line, "reported" if line[2] in reported else "run here", ""] for line in lines]
        lines += published.csv_lines(scores)
        head += ["origin", "std"]
    nothing = [""] * (len(head) - 4)
    lines += [["note", "", "", sentence, *nothing] for sentence in [*foot(summary), *scores.notes]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return text.getvalue()


FORMATS: dict[str, Callable[[Summary], str]] = {"md": _markdown, "csv": _csv, "latex": _latex}


def aggregates(summary: Summary) -> Sheet:
    """Algorithms by IQM, with the four aggregates of rliable and the number of seeds."""
    scores, rows = summary.scores, []
    for row in summary.order:
        found = summary.aggregates.get(row)
        diverged = scores.diverged(row) > 0
        entries = [entry(found[name], diverged) for name in METRICS] if found else [NO_ENTRY] * len(METRICS)
        rows.append(
            (label(scores, row), [*entries, Entry(seeds_of(scores, row)), Entry(scores.settings(row))])
        )
    rule = [BOLD] + ["–: no aggregate, because a whole task is missing."] * (
        len(summary.aggregates) < len(summary.order)
    )
    over = f"over {_counted(len(scores.tasks), 'task')}" if scores.tasks else "are reported as means only"
    title = f"{scores.heading}: scores {over}"
    head = [*METRICS, "Seeds", "Settings"]
    rows += published.aggregate_rows(scores, head)
    return Sheet(title, "Algorithm", head, rows, foot(summary) + settings(scores) + rule, scores.notes)


def tasks(summary: Summary) -> Sheet:
    """The mean of every algorithm on every task."""
    scores, rows = summary.scores, []
    means = published.means(scores)
    for task in published.lines(scores):
        entries = [
            entry(summary.tasks[row, task], scores.diverged(row, task) > 0)
            if (row, task) in summary.tasks
            else published.entry(scores.reported.get((row, task)))
            for row in summary.order
        ]
        entries += [published.entry(own.get(task)) for own in means.values()]
        rows.append((label(scores, task), entries))
    head = [label(scores, row) for row in [*summary.order, *means]]
    rule = BOLD.replace("column", "line")
    return Sheet(
        f"{scores.heading}: mean score on each task", "Task", head, rows, [*foot(summary), rule], scores.notes
    )


def improvements(summary: Summary) -> Sheet:
    """P(row > column) for every pair of algorithms that have every task."""
    complete = [row for row in summary.order if row in summary.aggregates]
    names = [label(summary.scores, row, diverged=True) for row in complete]
    rows = [
        (
            name,
            [entry(summary.improvement[x, y], scale=1, bare=True) if x != y else NO_ENTRY for y in complete],
        )
        for name, x in zip(names, complete, strict=True)
    ]
    title = f"{summary.scores.heading}: probability of improvement"
    return Sheet(title, "Row > column", names, rows, [*foot(summary), IMPROVEMENT], summary.scores.notes)


def against_leader(summary: Summary) -> Sheet:
    """P(leader > other) with intervals: the line of the matrix that fits into a paper."""
    complete = [row for row in summary.order if row in summary.aggregates]
    rows = [
        (label(summary.scores, y, diverged=True), [entry(summary.improvement[complete[0], y], scale=1)])
        for y in complete[1:]
    ]
    leader = label(summary.scores, complete[0], diverged=True) if complete else "leader"
    rule = IMPROVEMENT.replace("the row", "the column").replace(
        "a run of the column on", "a run of the row on"
    )
    title = f"{summary.scores.heading}: probability that {leader} improves on the others"
    return Sheet(title, "Other", [f"P({leader} > other)"], rows, [*foot(summary), rule], summary.scores.notes)


def ranks(summary: Summary) -> Sheet:
    """Mean rank over tasks with its interval, and how often each rank is held."""
    scores = summary.scores
    rows = [
        (
            label(scores, row, diverged=True),
            [entry(e, scale=1), *(Entry(f"{share:.2f}") for share in summary.shares[row])],
        )
        for row, e in summary.ranks.items()
    ]
    head = ["Mean rank", *(f"P({rank})" for rank in range(1, len(rows) + 1))]
    absent = [row.label for row in summary.order if row not in summary.ranks]
    rule = [RANKS + " " + BOLD] + [
        f"Without a rank, because a whole task is missing: {', '.join(absent)}."
    ] * (len(absent) > 0)
    title = f"{scores.heading}: ranks over {_counted(len(scores.tasks), 'task')}"
    return Sheet(title, "Algorithm", head, rows, [*foot(summary), *rule], scores.notes)


def wins(summary: Summary, leader_only: bool = False) -> Sheet:
    """Tasks won, tied and lost by every row against every column, or against the leader alone."""
    complete = [row for row in summary.order if row in summary.aggregates]
    records = win_records(summary.scores, complete)
    columns = complete[:1] if leader_only else complete
    rows = [
        (
            label(summary.scores, x, diverged=True),
            [Entry(str(records[x, y])) if x != y else NO_ENTRY for y in columns],
        )
        for x in complete
    ]
    head = [label(summary.scores, row, diverged=True) for row in columns]
    title = f"{summary.scores.heading}: tasks won / tied / lost by the row against the column"
    return Sheet(title, "Row", head, rows, [*foot(summary), WINS], summary.scores.notes)


def foot(summary: Summary) -> list[str]:
    """The sentences under every table: protocol, seeds, intervals, diverged seeds, marks."""
    scores = summary.scores
    counts = [seed_count(scores, row, task) for row, task in scores.cells]
    seeds = f"{_range(counts or [0])} {'seed' if set(counts) == {1} else 'seeds'} per algorithm and task"
    draws = (
        f"{seeds}; intervals are 95% percentiles of {summary.replicates:,} stratified bootstrap replicates "
        f"({BOOTSTRAPS[summary.bootstrap]}; definitions of rliable)."
    )
    sentences = [scores.sentence(), *([draws] if counts else [])]
    if summary.bootstrap == "episodes":
        sentences.append("A seed with one episode has no interval.")
    elif any(0 < count < FEW_SEEDS for count in counts):
        sentences.append(
            f"With fewer than {FEW_SEEDS} seeds such intervals are too narrow, those of a single task most "
            "of all; a task with one seed has no interval."
        )
    broken = [(row, scores.diverged(row)) for row in summary.order if scores.diverged(row)]
    if broken:
        named = ", ".join(f"{row.label} {number}" for row, number in broken)
        sentences.append(f"†: diverged seeds enter as 0 ({named}).")
    if scores.flagged:
        sentences.append("‡: runs that are not strictly comparable stand together; see the notes.")
    return sentences + published.foot(scores)


def settings(scores: Scores) -> list[str]:
    """What the column of settings says, for the kinds that occur."""
    kinds = {settings_kind(run.info) for run in scores.runs}
    found = [text for kind, text in SETTINGS.items() if kind in kinds]
    return [f"Settings: {'; '.join(found)}."] if found else []


def label(scores: Scores, thing: Row | str, diverged: bool = False) -> str:
    """The name of a row or a task with its marks; † only where `diverged` asks for it."""
    name = thing if isinstance(thing, str) else thing.label
    if diverged and isinstance(thing, Row) and scores.diverged(thing):
        name += "†"
    return name + " ‡" * (thing in scores.flagged)


def entry(e: Estimate, diverged: bool = False, scale: int = 100, bare: bool = False) -> Entry:
    """An estimate as text: scores times 100 with one decimal, probabilities with two."""
    digits = 1 if scale == 100 else 2
    value, low, high = (f"{number * scale:z.{digits}f}" for number in (e.value, e.low, e.high))
    known = not (bare or math.isnan(e.low))
    return Entry(value, f"[{low}, {high}]" if known else "", e.bold, diverged)


def seed_count(scores: Scores, row: Row, task: str) -> int:
    """How many seeds of the row have a score on the task."""
    return sum(not math.isnan(cell.score) for cell in scores.cells.get((row, task), {}).values())


def seeds_of(scores: Scores, row: Row, task: str | None = None) -> str:
    """`5`, or `3–5` where tasks differ."""
    return _range(seed_count(scores, row, t) for t in (scores.tasks if task is None else [task]))


def _range(counts: Iterable[int]) -> str:
    low, *_, high = [*sorted(counts)] * 2
    return str(low) if low == high else f"{low}–{high}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def _numbers(e: Estimate, scale: int) -> list[str]:
    return ["" if math.isnan(x) else f"{x * scale:.4f}" for x in (e.value, e.low, e.high)]
