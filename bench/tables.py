"""A table as data, and its two printed forms: Markdown and LaTeX. Names are untrusted text in both."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.errors import printable


@dataclass(frozen=True)
class Entry:
    """One number of a table, ready to print."""

    text: str
    interval: str = ""  # `[1.0, 2.0]`
    bold: bool = False
    diverged: bool = False  # a diverged seed enters the number


@dataclass(frozen=True)
class Sheet:
    """One table with all that must stand under it."""

    title: str
    corner: str  # what the rows are
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Entry]]]
    foot: Sequence[str]  # sentences: protocol, intervals, rules
    notes: Sequence[str]  # sentences: what is missing, mixed, doubled
    texts: bool = False  # the columns hold texts, not numbers


NO_ENTRY = Entry("–")


def markdown(sheet: Sheet) -> str:
    """A GitHub table, padded so that it also reads well as plain text."""
    head = [sheet.corner, *map(md, sheet.head)]
    body = [
        [md(label), *(_md_entry(entry, sheet.texts) for entry in entries)] for label, entries in sheet.rows
    ]
    widths = [max(3, *(len(row[i]) for row in [head, *body])) for i in range(len(head))]
    right = "-" if sheet.texts else ":"
    rule = ["-" * widths[0], *("-" * (width - 1) + right for width in widths[1:])]
    lines = [f"### {md(sheet.title)}", ""]
    for row in (head, rule, *body):
        rest = [c.ljust(w) if sheet.texts else c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        cells = [row[0].ljust(widths[0]), *rest]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"{md(sentence)}  " for sentence in sheet.foot)]
    if sheet.notes:
        lines += ["", "Notes:", "", *(f"- {md(note)}" for note in sheet.notes)]
    return "\n".join(lines) + "\n"


def md(text: str) -> str:
    """Text without a meaning to Markdown or HTML; underscores inside words have none and stay."""
    text = re.sub(r"([\\`*|])", r"\\\1", printable(" ".join(text.split()))).replace("](", "]\\(")
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return text.replace(">", "&gt;", 1) if text.startswith(">") else text  # a quotation; nothing elsewhere


def _md_entry(entry: Entry, text: bool) -> str:
    shown = md(entry.text) if text else entry.text  # numbers need no escapes
    number = f"**{shown}**" if entry.bold else shown
    return " ".join(filter(None, [number + "†" * entry.diverged, entry.interval]))


def latex(sheet: Sheet) -> str:
    """A booktabs table as a fragment for \\input; needs the packages booktabs and graphicx."""
    columns = "l" + ("l" if sheet.texts else "r") * len(sheet.head)
    lines = [
        r"\begin{table}[ht]",
        r"\centering",
        rf"\caption{{{tex(sheet.title)}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(tex, [sheet.corner, *sheet.head])) + r" \\",
        r"\midrule",
    ]
    lines += [" & ".join([tex(label), *map(_tex_entry, entries)]) + r" \\" for label, entries in sheet.rows]
    lines += [
        r"\bottomrule",
        r"\end{tabular}}",
        "",
        r"\smallskip",
        r"\begin{minipage}{\linewidth}\footnotesize",
    ]
    lines += [tex(sentence) + r"\par" for sentence in [*sheet.foot, *sheet.notes]]
    return "\n".join([*lines, r"\end{minipage}", r"\end{table}"]) + "\n"


_TEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "†": r"\textsuperscript{\textdagger}",
    "‡": r"\textsuperscript{\textdaggerdbl}", "–": "--",
    "[": "{[}", "]": "{]}",  # a bracket at the start of a line is an argument of the \\ before it
    "'": r"\textquotesingle{}",  # commands are copied from notes
    **{character: "\\" + character for character in "#$%&_{}"},
}  # fmt: skip


def tex(text: str) -> str:
    """Text without a meaning to LaTeX; hyphens never join to a dash, because commands have options."""
    text = printable(" ".join(text.split())).replace("--", "-\0-")
    return "".join(_TEX.get(character, character) for character in text).replace("\0", "{}")


def _tex_entry(entry: Entry) -> str:
    number = rf"\textbf{{{tex(entry.text)}}}" if entry.bold else tex(entry.text)
    small = rf"{{\scriptsize {tex(entry.interval)}}}" if entry.interval else ""
    return " ".join(filter(None, [number + tex("†" * entry.diverged), small]))
