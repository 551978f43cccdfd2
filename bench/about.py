"""What the file of an algorithm says of it: its docstring has one form, so that it can be listed."""

import inspect
import re
import sys
from dataclasses import dataclass

from bench.algorithm import Algorithm
from bench.external import External

CHECKED, FAMILY = "Checked against: ", "Family: "
# By what keeps a policy near the data, or by what represents it where that is the idea.
FAMILIES = (
    "imitation", "unconstrained", "behaviour regularization", "support constraint", "weighted regression",
    "pessimistic values", "ensemble", "diffusion", "consistency", "flow",
)  # fmt: skip


@dataclass(frozen=True)
class About:
    """An algorithm in short; what its file does not say is empty."""

    title: str
    paper: str  # such as Kostrikov et al. 2022
    url: str
    checked: str  # against what the implementation was checked
    file: str
    family: str = ""  # one of FAMILIES
    idea: str = ""  # in some sentences


def about(algorithm: type[Algorithm]) -> About:
    """From the docstring of the algorithm's file: the title on the first line; then authors, "title of the
    paper", year and address; the idea; somewhere a paragraph that starts with `Family: ` and one that starts
    with `Checked against: `.
    """
    if issubclass(algorithm, External):
        return About(algorithm.headline, f"see {algorithm.library}", "", "", "", algorithm.family)
    text = inspect.cleandoc(sys.modules[algorithm.__module__].__doc__ or "")
    title, *paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    reference = next(iter(paragraphs), "")
    url = re.search(r"https?://[^\s,]+[^\s,.]", reference)
    named = {start: _paragraph(paragraphs, start) for start in (CHECKED, FAMILY)}
    idea = next((p for p in paragraphs[1:] if not p.startswith((CHECKED, FAMILY, "Shapes: "))), "")
    name = algorithm.__module__.rpartition(".")[2]
    address = url.group() if url else ""
    cited = _cited(reference)
    return About(title.rstrip("."), cited, address, named[CHECKED], f"{name}.py", named[FAMILY], idea)


def _paragraph(paragraphs: list[str], start: str) -> str:
    """The paragraph that starts so, without its start and its full stop; empty for none."""
    return next((p.removeprefix(start).rstrip(".") for p in paragraphs if p.startswith(start)), "")


def _cited(reference: str) -> str:
    """`Ann, Ben & Cem, "Title", ICML 2025, ...` -> Ann et al. 2025."""
    authors, quote, rest = reference.partition(', "')
    year = re.search(r"\b(?:19|20)\d\d\b", rest)
    if not quote or year is None:
        return ""
    names = re.split(r", | & ", authors)
    cited = {1: names[0], 2: " & ".join(names)}.get(len(names), f"{names[0]} et al.")
    return f"{cited} {year.group()}"


@dataclass(frozen=True)
class Paper:
    """The publication that the file of an algorithm names."""

    authors: tuple[str, ...]  # surnames
    title: str
    venue: str  # such as ICLR 2022 or Neural Computation 1991; of a preprint the year alone
    year: str
    url: str  # empty where the file has none


def paper(algorithm: type[Algorithm]) -> Paper | None:
    """The publication from the docstring of the algorithm's file; None where it has not the usual form."""
    if issubclass(algorithm, External):
        return None
    text = inspect.cleandoc(sys.modules[algorithm.__module__].__doc__ or "")
    reference = " ".join(next(iter(text.split("\n\n")[1:]), "").split())
    found = re.match(
        r'(?P<authors>[^"]+), "(?P<title>[^"]+)",? (?P<venue>[^,.]*?\b(?P<year>(?:19|20)\d\d)\b)', reference
    )
    if found is None:
        return None
    url = re.search(r"https?://[^\s,]+[^\s,.]", reference)
    authors = tuple(re.split(r", | & ", found["authors"]))
    return Paper(authors, found["title"], found["venue"], found["year"], url.group() if url else "")
