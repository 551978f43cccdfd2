"""What reported scores add to the tables of `bench report`: means without intervals, and whose they are."""

import statistics
from collections.abc import Iterator, Sequence

from bench.published.reported import Reported
from bench.scores import Row, Scores
from bench.tables import NO_ENTRY, Entry, Sheet

NO_IQM = "no IQM: only means are reported"
NOT_CHECKED = (
    "Reported scores stand as published: whether their data, versions, protocol and number of episodes are "
    "those of the runs made here, or of each other, is not checked."
)
STATUSES = {
    "secondary": " (secondary source: not the authors' own numbers)",
    "optimistic": " (optimistic: the best evaluation of each run, picked by the episodes it is scored with)",
}
FORM = "Without an interval: reported mean ± standard deviation over seeds (number of seeds; ?: unknown)."


def means(scores: Scores) -> dict[Row, dict[str, Reported]]:
    """Rows without a single seed in the statistics, each with its tasks, in the order of their names."""
    found: dict[Row, dict[str, Reported]] = {}
    for (row, task), r in sorted(scores.reported.items(), key=lambda item: item[0]):
        if row not in scores.rows:
            found.setdefault(row, {})[task] = r
    return found


def aggregate_rows(scores: Scores, head: Sequence[str]) -> Iterator[tuple[str, list[Entry]]]:
    """A line that says why there is no aggregate, for every row that is known by means only."""
    for row, own in means(scores).items():
        counts = {"?" if r.n_seeds is None else str(r.n_seeds) for r in own.values()}
        texts = {"Seeds": "–".join(sorted(counts, key=lambda n: n.zfill(9))), "Settings": "reported"}
        texts = {head[0]: NO_IQM} | texts
        yield row.label, [Entry(texts[name]) if name in texts else NO_ENTRY for name in head]


def lines(scores: Scores) -> list[str]:
    """All tasks with a score of any kind: the lines of the table of tasks."""
    return sorted({*scores.tasks, *(task for _, task in scores.reported)})


def entry(r: Reported | None) -> Entry:
    """`53.0 ± 3.0 (8)`; of single seeds, their mean and sample standard deviation."""
    if r is None:
        return NO_ENTRY
    std = deviation(r)
    spread = "" if std is None else f" ± {100 * std:.1f}"
    return Entry(f"{100 * r.mean:z.1f}{spread} ({'?' if r.n_seeds is None else r.n_seeds})")


def deviation(r: Reported) -> float | None:
    """The standard deviation over seeds: as published, or of the seeds themselves."""
    return statistics.stdev(r.seeds.values()) if r.std is None and len(r.seeds) > 1 else r.std


def foot(scores: Scores) -> list[str]:
    """Each source with its status, and what is not checked; nothing where no score is reported."""
    every = [*scores.reported.values(), *scores.words]
    cited: dict[str, dict[str, str]] = {}
    for r in sorted(every, key=lambda r: (r.name, r.source)):
        cited.setdefault(r.badge, {})[r.source + STATUSES.get(r.status, "")] = ""
    sentences = [f"[reported: {badge}]: {'; '.join(own)}." for badge, own in cited.items()]
    if scores.words or any((row, task) not in scores.cells for row, task in scores.reported):
        sentences.append(FORM)
    return sentences + [NOT_CHECKED] * bool(sentences)


def own_words(scores: Scores) -> Sheet:
    """What is reported in the publications' own words, such as averages: in no task's line."""
    table: dict[str, dict[str, Reported]] = {}
    for r in scores.words:
        step = f" (step {r.step})" if _several_steps(scores.words, r) else ""
        column = f"{r.algorithm}{step} [reported: {r.badge}]"
        table.setdefault(r.task, {})[column] = r
    head = sorted({column for own in table.values() for column in own})
    rows = [(words, [entry(own.get(column)) for column in head]) for words, own in sorted(table.items())]
    rule = "These are averages, or tasks that the suite does not have: in the words of the publications."
    title = f"{scores.suite}: reported, in the publications' own words"
    return Sheet(title, "Task", head, rows, [rule, *foot(scores)], ())


def _several_steps(words: Sequence[Reported], one: Reported) -> bool:
    same = (one.name, one.algorithm, one.task)
    return len({r.step for r in words if (r.name, r.algorithm, r.task) == same}) > 1


def csv_lines(scores: Scores) -> list[list[object]]:
    """The means as lines of the tidy CSV: those of tasks, then those in the publications' own words."""
    found: list[list[object]] = [
        ["task", task, row.label, *_numbers(r)]
        for (row, task), r in sorted(scores.reported.items(), key=lambda item: item[0])
        if (row, task) not in scores.cells
    ]
    return found + [
        ["own words", r.task, f"{r.algorithm} [reported: {r.badge}]", *_numbers(r)] for r in scores.words
    ]


def _numbers(r: Reported) -> list[object]:
    std = deviation(r)
    spread = "" if std is None else f"{100 * std:.4f}"
    return ["Mean", f"{100 * r.mean:.4f}", "", "", r.n_seeds or "", "", "reported", "reported", spread]
