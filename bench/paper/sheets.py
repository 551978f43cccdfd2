"""The tables of a paper: those of `bench report`, cut so that they fit a page."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from bench import captions, report
from bench.scores import Row
from bench.stats import Summary
from bench.tables import NO_ENTRY, Entry, Sheet

Spread = Literal["interval", "std"]
WIDTH = 130  # small letters, that fit the width of the text
LINES = 40  # that fit a page


def main_table(summary: Summary, spread: Spread) -> list[Sheet]:
    """Mean scores, tasks x algorithms or the other way round, whichever needs fewer parts."""
    sheet = report.tasks(summary)
    if spread == "std":
        sheet = _with_deviations(summary, sheet)
    forms = [list(_parts(replace(form, notes=()))) for form in (sheet, _transposed(sheet))]
    return min(forms, key=len)


def aggregate_table(summary: Summary) -> list[Sheet]:
    """The four aggregates of rliable; what stands under the main table is not repeated."""
    sheet = report.aggregates(summary)
    said = set(captions.foot(summary))
    return list(_parts(replace(sheet, foot=[s for s in sheet.foot if s not in said], notes=()), whole=True))


def improvement_table(summary: Summary, against: Row | None) -> list[Sheet]:
    """P(algorithm > `against`) for every other one; `against` None: the first by IQM. Empty where no two
    algorithms have every task.
    """
    complete = [row for row in summary.order if row in summary.aggregates]
    against = against or next(iter(complete), None)
    if against not in complete or len(complete) < 2:
        return []
    name = captions.label(summary.scores, against, diverged=True)
    rows = [
        (
            captions.label(summary.scores, row, diverged=True),
            [captions.entry(summary.improvement[row, against], scale=1)],
        )
        for row in complete
        if row != against
    ]
    title = f"{summary.scores.suite}: probability of improvement on {name}"
    rule = report.IMPROVEMENT.replace("a run of the column on", f"a run of {name} on")
    return list(_parts(Sheet(title, "Algorithm", [f"P(> {name})"], rows, [rule], ()), whole=True))


def _with_deviations(summary: Summary, sheet: Sheet) -> Sheet:
    """The same table with ± standard deviations over seeds in place of intervals."""
    rows = []
    for number, (label, entries) in enumerate(sheet.rows):
        deviations = [summary.scores.matrix(row)[:, number] for row in summary.order]
        rows.append((label, [_deviation(e, d) for e, d in zip(entries, deviations, strict=True)]))
    rule = "±: standard deviation over seeds (n - 1), not an interval."
    return replace(sheet, rows=rows, foot=[*sheet.foot, rule])


def _deviation(entry: Entry, scores: np.ndarray) -> Entry:
    known = scores[~np.isnan(scores)]
    return replace(entry, interval=f"± {100 * known.std(ddof=1):.1f}" if len(known) > 1 else "")


def _transposed(sheet: Sheet) -> Sheet:
    columns = zip(*(entries for _, entries in sheet.rows), strict=True)
    rows = [(name, list(entries)) for name, entries in zip(sheet.head, columns, strict=True)]
    foot = [sentence.replace("best of its line", "best of its column") for sentence in sheet.foot]
    return replace(sheet, corner="Algorithm", head=[label for label, _ in sheet.rows], rows=rows, foot=foot)


def _parts(sheet: Sheet, whole: bool = False) -> Iterator[Sheet]:
    """The table in pieces of what fits WIDTH and LINES; the first one has the foot.

    whole: all columns stand side by side.
    """
    pieces = [
        (slice(left, left + wide), slice(top, top + high))
        for wide in [len(sheet.head) if whole else _even(len(sheet.head), _columns(sheet))]
        for high in [_even(len(sheet.rows), LINES)]
        for top in range(0, len(sheet.rows), high)
        for left in range(0, len(sheet.head), wide)
    ]
    for number, (columns, lines) in enumerate(pieces, 1):
        yield replace(
            sheet,
            title=sheet.title + (f" (part {number} of {len(pieces)})" if len(pieces) > 1 else ""),
            head=sheet.head[columns],
            rows=[(label, entries[columns]) for label, entries in sheet.rows[lines]],
            foot=sheet.foot if number == 1 else (),
        )


def _columns(sheet: Sheet) -> int:
    """How many columns stand side by side; intervals are printed smaller."""
    entries = [len(e.text) + 0.7 * len(e.interval) for _, line in sheet.rows for e in line]
    widest = max([*map(len, sheet.head), *entries]) + 2
    names = max(len(label) for label, _ in sheet.rows)
    return max(1, int((WIDTH - names) / widest))


def _even(count: int, most: int) -> int:
    """The size of parts that are about equal, none larger than `most`."""
    return max(1, -(-count // max(1, -(-count // most))))


def plain_sheet(title: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[Sheet]:
    """A table of texts, in parts of LINES lines."""
    rows = [(line[0], [Entry(text) if text else NO_ENTRY for text in line[1:]]) for line in lines]
    return list(_parts(Sheet(title, head[0], head[1:], rows, (), (), texts=True), whole=True))
