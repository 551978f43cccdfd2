"""What the comparison of all pairs says, as Markdown, LaTeX or CSV."""

import csv
import io
import math
from collections.abc import Callable

from bench.captions import WINS, entry, label
from bench.comparison import (
    bootstrap_sentence,
    means_sentence,
    p_number,
    p_text,
    pairing_sentence,
    power_sentence,
)
from bench.notes import unequal_steps
from bench.pairs import AllPairs, Pair
from bench.tables import Entry, Sheet, latex, markdown
from bench.welch import ALPHA


def render(found: AllPairs, fmt: str) -> str:
    """All pairs as md, csv or latex; equal records give equal bytes."""
    return FORMATS[fmt](found)


def sheet(found: AllPairs) -> Sheet:
    """One line per pair; A is the one with the higher mean score."""
    head = ["Tasks", "A - B", "P(A > B)", "p (Holm)", "p (pairs, Holm)", "Won / tied / lost", "Verdict"]
    rows = [(_name(found, pair), _line(found, pair)) for pair in found.pairs]
    title = f"{found.scores.heading}: all pairs of {len(found.scores.rows)} algorithms"
    return Sheet(title, "A against B", head, rows, foot(found), notes(found))


def notes(found: AllPairs) -> list[str]:
    """What is missing, and what is not comparable."""
    said = [
        f"‡ {pair.a.label} and {pair.b.label} had different numbers of gradient updates: "
        + "; ".join(f"{task}: {first}, {second}" for task, (first, second) in unequal.items())
        for pair in found.pairs
        if (unequal := unequal_steps(found.scores.cells, pair.a, pair.b))
    ]
    return [*found.scores.notes, *said]


def _name(found: AllPairs, pair: Pair) -> str:
    a, b = (label(found.scores, row, diverged=True) for row in (pair.a, pair.b))
    return f"{a} against {b}"


def _line(found: AllPairs, pair: Pair) -> list[Entry]:
    return [
        Entry(str(pair.tasks)),
        entry(pair.difference),
        entry(pair.improvement, scale=1),
        Entry(p_text(pair.p_holm)),
        Entry(p_text(pair.p_pairs_holm)),
        Entry(str(pair.record)),
        Entry(_verdict(found, pair)),
    ]


def _verdict(found: AllPairs, pair: Pair) -> str:
    unequal = unequal_steps(found.scores.cells, pair.a, pair.b)
    return pair.verdict + " (unequal updates ‡)" * (len(unequal) > 0)


def foot(found: AllPairs) -> list[str]:
    """The sentences under the table: protocol, intervals, test, verdicts, what is left out."""
    points = f"{100 * found.margin:g}"
    sentences = [
        found.scores.sentence(),
        "A - B: the difference of the mean scores over the tasks that both have. "
        f"{means_sentence(found.bootstrap)} p (Holm): corrected by Holm's method for {found.tests} pairs; "
        "intervals are not corrected.",
        "P(A > B): the probability that a run of A scores higher than one of B on the same task (ties half), "
        f"with {bootstrap_sentence(found.bootstrap)}; {found.replicates:,} replicates.",
        pairing_sentence([pair.permutation for pair in found.pairs], "p (pairs, Holm)")
        + " Corrected by Holm's method, too.",
        f"Verdict: differs – the corrected p is at most {ALPHA:g}. No difference seen of {points} or more – "
        f"the interval lies between -{points} and {points}. Unclear – the interval and the corrected test "
        f"do not agree. Otherwise there are too few seeds; {power_sentence(points, found.tests)}",
        f"Won / tied / lost by A. {WINS}",
    ]
    partial = [_name(found, pair) for pair in found.pairs if pair.tasks < len(found.scores.tasks)]
    if partial:
        sentences.append(f"Not over all {len(found.scores.tasks)} tasks: {', '.join(partial)}.")
    if found.apart:
        named = ", ".join(f"{a.label} and {b.label}" for a, b in found.apart)
        sentences.append(f"Without a common task, and left out: {named}.")
    broken = [(row, found.scores.diverged(row)) for row in found.scores.rows if found.scores.diverged(row)]
    if broken:
        named = ", ".join(f"{row.label} {number}" for row, number in broken)
        sentences.append(f"†: diverged seeds enter as 0 ({named}).")
    if any(unequal_steps(found.scores.cells, pair.a, pair.b) for pair in found.pairs):
        sentences.append(
            "Unequal updates ‡: A and B had different numbers of gradient updates; the verdict is on these "
            "runs, not on the algorithms alone."
        )
    if found.scores.flagged:
        sentences.append("‡: runs that are not strictly comparable stand together; see the notes.")
    return sentences


def _csv(found: AllPairs) -> str:
    """Tidy: differences times 100, probabilities from 0 to 1; sentences at the end."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for pair in found.pairs:
        estimates = [(pair.difference, 100), (pair.improvement, 1)]
        numbers = [scale * x for e, scale in estimates for x in (e.value, e.low, e.high)]
        tests = [pair.p, pair.p_holm, pair.permutation.p, pair.p_pairs_holm]
        record = [pair.record.wins, pair.record.ties, pair.record.losses]
        runs = [pair.permutation.pairs, pair.permutation.singles]
        cells = [*("" if math.isnan(x) else f"{x:.4f}" for x in numbers), *map(p_number, tests)]
        writer.writerow(
            ["pair", pair.a.label, pair.b.label, pair.tasks, *cells, *runs, *record, _verdict(found, pair)]
        )
    for sentence in [*foot(found), *notes(found)]:
        writer.writerow(["note", sentence, *[""] * (len(_COLUMNS) - 2)])
    return text.getvalue()


_COLUMNS = (
    "level", "a", "b", "tasks", "difference", "low", "high", "improvement", "improvement_low",
    "improvement_high", "p", "p_holm", "p_pairs", "p_pairs_holm", "pairs", "singles", "won", "tied", "lost",
    "verdict",
)  # fmt: skip


FORMATS: dict[str, Callable[[AllPairs], str]] = {
    "md": lambda found: markdown(sheet(found)),
    "csv": _csv,
    "latex": lambda found: "% needs \\usepackage{booktabs,graphicx,textcomp}\n" + latex(sheet(found)),
}
