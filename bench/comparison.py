"""What a comparison of two algorithms says, as Markdown, LaTeX or CSV."""

import csv
import io
import math
from collections.abc import Callable, Collection, Sequence

from bench.bootstrap import BOOTSTRAPS
from bench.captions import entry, label
from bench.differences import Comparison, TaskDifference
from bench.notes import unequal_steps
from bench.overall import OverallDifference
from bench.permutation import ARRANGEMENTS, Permutation
from bench.power import POWER
from bench.published import tables as published
from bench.stats import FEW_SEEDS, Estimate
from bench.tables import NO_ENTRY, Entry, Sheet, latex, markdown
from bench.welch import ALPHA, Welch


def render(comparison: Comparison, fmt: str) -> str:
    """The comparison as md, csv or latex; equal records give equal bytes."""
    return FORMATS[fmt](comparison)


def sheet(c: Comparison) -> Sheet:
    """One line per task, and below them one per aggregate over all tasks."""
    a, b = (label(c.scores, row, diverged=True) for row in (c.a, c.b))
    head = [f"A: {a}", f"B: {b}", "Seeds", "A - B", "p (Holm)", "p (pairs)", "P(A > B)", "Verdict"]
    rows = [(label(c.scores, t.task), _line(c, t)) for t in c.tasks]
    over = "all tasks" if len(_both(c)) == len(c.tasks) else f"{len(_both(c))} of {len(c.tasks)} tasks"
    rows += [(f"{over}: {overall.name}", _last_line(c, overall)) for overall in c.overall]
    title = f"{c.scores.suite}: {c.a.label} against {c.b.label}{c.scores.protocol.mark}"
    return Sheet(title, "Task", head, rows, foot(c), notes(c))


def _line(c: Comparison, t: TaskDifference) -> list[Entry]:
    means = [
        _score(float(scores.mean()), c.scores.diverged(row, t.task) > 0) if len(scores) else NO_ENTRY
        for row, scores in ((c.a, t.a), (c.b, t.b))
    ]
    seeds = Entry(f"{len(t.a)} / {len(t.b)}")
    better = NO_ENTRY if math.isnan(t.improvement.value) else entry(t.improvement, scale=1)
    tests = [Entry(p_text(t.p_holm)), Entry(p_text(t.permutation.p))]
    return [*means, seeds, _difference(t.welch), *tests, better, Entry(_badged(c, t.verdict, [t.task]))]


def _badged(c: Comparison, verdict: str, tasks: Collection[str]) -> str:
    """The verdict, whose scores it rests on where not all are from runs made here, and a mark where the two
    had different numbers of updates on one of the tasks.
    """
    names = [name for name, row in (("A", c.a), ("B", c.b)) if row.source]
    badge = f" [{' and '.join(names)} reported]" if names else ""
    mark = " (unequal updates ‡)" if _unequal(c).keys() & set(tasks) else ""
    return verdict + badge + mark


def _last_line(c: Comparison, overall: OverallDifference) -> list[Entry]:
    numbers = [_score(overall.a), _score(overall.b), NO_ENTRY, _difference(overall.difference)]
    numbers.append(Entry(p_text(overall.p)))
    permuted = Entry(p_text(c.permutation.p)) if overall.name == "mean" else NO_ENTRY
    return [*numbers, permuted, entry(overall.improvement, scale=1), Entry(_overall(c, overall))]


def _overall(c: Comparison, overall: OverallDifference) -> str:
    return _badged(c, overall.verdict, _both(c))


def _both(c: Comparison) -> list[str]:
    """The tasks on which both can be compared."""
    return [t.task for t in c.tasks if len(t.a) and len(t.b) and t.task not in c.scores.flagged]


def _score(value: float, diverged: bool = False) -> Entry:
    return Entry(f"{100 * value:z.1f}", diverged=diverged)


def _difference(found: Welch | Estimate) -> Entry:
    if math.isnan(found.value):
        return NO_ENTRY
    return entry(Estimate(found.value, found.low, found.high))


def p_text(p: float) -> str:
    """A p-value for a table."""
    if math.isnan(p):
        return NO_ENTRY.text
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def p_number(p: float) -> str:
    """A p-value for a CSV: four significant digits, so that a small one is not 0; empty for NaN."""
    return "" if math.isnan(p) else f"{p:.4g}"


def foot(c: Comparison) -> list[str]:
    """The sentences under the table: protocol, intervals, tests, what the verdicts mean."""
    x, tests = f"{100 * c.margin:g}", sum(not math.isnan(t.p_holm) for t in c.tasks)
    sentences = [
        c.scores.sentence(),
        "Tasks: the difference of the means over seeds with Welch's 95% t interval (not corrected); p is "
        f"that of Welch's test, corrected by Holm's method for {tests} task{'s' * (tests != 1)}; P is the "
        "probability that a seed of A scores higher than one of B (ties count half), its "
        f"interval from {c.replicates:,} bootstrap replicates.",
        f"Verdict: differs – the corrected p is at most {ALPHA:g}, so that the chance of even one false such "
        f"verdict among equal tasks is at most {ALPHA:.0%}; an uncorrected interval may exclude 0 without "
        f"it. No difference seen of {x} or more – the interval lies between -{x} and {x}. Otherwise there "
        f"are too few seeds; {power_sentence(x, tests)}",
        pairing_sentence([*(t.permutation for t in c.tasks), c.permutation]) + " It is not corrected.",
    ]
    compared = [t for t in c.tasks if t.task not in c.scores.flagged]
    if any(len(t.a) > 1 and len(t.b) > 1 and math.isnan(t.welch.low) for t in compared):
        sentences.append(
            "Where no seed of either varies there is no interval: a width of 0 would claim certainty. "
            "There p is that of the exact permutation test, and 1 where both are equal."
        )
    if c.overall:
        sentences.append(
            f"All tasks: the {len(_both(c))} of {len(c.tasks)} on which both can be compared. "
            f"{means_sentence(c.bootstrap)} It is one test, not corrected. The IQM, like P: "
            f"{bootstrap_sentence(c.bootstrap)}, so an interval without 0 "
            "is no verdict."
        )
    broken = [(row, c.scores.diverged(row)) for row in (c.a, c.b) if c.scores.diverged(row)]
    if broken:
        named = ", ".join(f"{row.label} {number}" for row, number in broken)
        sentences.append(f"†: diverged seeds enter as 0 ({named}).")
    if _unequal(c):
        sentences.append(
            "Unequal updates ‡: A and B had different numbers of gradient updates, see the notes; the "
            "verdict is on these runs, not on the algorithms alone."
        )
    if any("‡" in note for note in c.scores.notes):
        sentences.append(
            "‡: runs that are not strictly comparable stand together; see the notes. A task marked so gets "
            "no difference and no verdict."
        )
    return sentences + published.foot(c.scores)


def means_sentence(bootstrap: str) -> str:
    """How the difference of the means over tasks is judged."""
    own = "" if bootstrap == "seeds" else f"; its interval, which must agree: {bootstrap_sentence(bootstrap)}"
    return (
        f"The mean: Welch's 95% t interval and test over the groups of seeds of all tasks{own}; without two "
        "seeds in every group, or where none varies, p is that of the permutation test. Seeds of one group "
        "that all score the same add no width, though more seeds might differ. Where each wins some tasks, p "
        "(pairs) misses differences of the means: swapping runs also swaps what the algorithms gain and lose "
        "on different tasks."
    )


def bootstrap_sentence(bootstrap: str) -> str:
    """What the percentiles are of."""
    return (
        f"95% percentiles of a stratified bootstrap ({BOOTSTRAPS[bootstrap]}), which are too narrow "
        f"where seeds are few ({FEW_SEEDS} are few); a width of 0 is no certainty"
    )


def power_sentence(points: str, tests: int) -> str:
    """What the number of seeds in a verdict means."""
    level = f"{ALPHA:g} / {tests}" if tests > 1 else f"{ALPHA:g}"
    return (
        f"with the number named, a t test at the level {level} (the strictest of Holm's method) would find a "
        f"true difference of {points} with a probability of {POWER:.0%}, if the standard deviations stay as "
        "observed. Those of five seeds are uncertain by a third: in simulations 66 to 79% remained."
    )


def pairing_sentence(found: Sequence[Permutation], name: str = "p (pairs)") -> str:
    """What p (pairs) is, and whether seeds are shared."""
    pairs, singles = sum(each.pairs for each in found), sum(each.singles for each in found)
    text = f"{name}: a permutation test of the difference of the means"
    if pairs:
        text += (
            "; runs of the same seed, which saw the same batches, noise and start states, are swapped as "
            "pairs (five pairs alone permit no p below 2/32)"
        )
    if singles:
        text += "; runs whose seed the other lacks are exchanged among themselves, within their task"
    if all(each.exact for each in found):
        return f"{text}; exact."
    return f"{text}; exact up to {ARRANGEMENTS:,} arrangements, beyond over as many drawn ones."


def notes(c: Comparison) -> list[str]:
    """What is missing, with the command that adds it, and what is not comparable."""
    said = [
        f"‡ {task}: {c.a.label} was trained for {first} gradient updates and {c.b.label} for {second}"
        for task, (first, second) in _unequal(c).items()
    ]
    return [*c.scores.notes, *said]


def _unequal(c: Comparison) -> dict[str, tuple[str, str]]:
    return {} if c.a.source or c.b.source else unequal_steps(c.scores.cells, c.a, c.b)


def _csv(c: Comparison) -> str:
    """Tidy: scores and differences times 100, probabilities from 0 to 1; sentences at the end."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for t in c.tasks:
        means = [100 * float(x.mean()) if len(x) else math.nan for x in (t.a, t.b)]
        cells = [*map(_number, [*means, *_numbers(t.welch, 100)]), p_number(t.welch.p), p_number(t.p_holm)]
        cells += map(_number, _numbers(t.improvement, 1))
        pairs = [p_number(t.permutation.p), t.permutation.pairs]
        writer.writerow(
            [
                "task",
                t.task,
                len(t.a),
                len(t.b),
                *cells,
                _badged(c, t.verdict, [t.task]),
                *pairs,
            ]
        )
    for o in c.overall:
        numbers = [100 * o.a, 100 * o.b, *_numbers(o.difference, 100)]
        cells = [*map(_number, numbers), p_number(o.p), "", *map(_number, _numbers(o.improvement, 1))]
        pairs = [p_number(c.permutation.p), c.permutation.pairs] if o.name == "mean" else ["", ""]
        writer.writerow(["all tasks", o.name, "", "", *cells, _overall(c, o), *pairs])
    for sentence in [*foot(c), *notes(c)]:
        writer.writerow(["note", sentence, *[""] * (len(_COLUMNS) - 2)])
    return text.getvalue()


_COLUMNS = (
    "level", "task", "seeds_a", "seeds_b", "a", "b", "difference", "low", "high", "p", "p_holm",
    "improvement", "improvement_low", "improvement_high", "verdict", "p_pairs", "pairs",
)  # fmt: skip


def _numbers(e: Welch | Estimate, scale: int) -> list[float]:
    return [scale * e.value, scale * e.low, scale * e.high]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "md": lambda c: markdown(sheet(c)),
    "csv": _csv,
    "latex": lambda c: "% needs \\usepackage{booktabs,graphicx,textcomp}\n" + latex(sheet(c)),
}
