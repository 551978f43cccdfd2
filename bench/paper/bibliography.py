"""references.bib: the papers that the files of the algorithms name, and rliable."""

from collections.abc import Mapping

from bench.about import Paper
from bench.tables import tex

RLIABLE = Paper(
    ("Agarwal", "Schwarzer", "Castro", "Courville", "Bellemare"),
    "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
    "NeurIPS 2021",
    "2021",
    "https://arxiv.org/abs/2108.13264",
)
HEAD = "% Surnames only, as the files of the algorithms have them: complete the first names.\n"


def keys(papers: Mapping[str, Paper]) -> dict[str, str]:
    """Name -> citation key, such as kostrikov2022; b, c, ... tell papers of the same name and year apart."""
    by_key: dict[str, Paper] = {}
    result = {}
    for name, paper in sorted(papers.items()):
        letters = (c for c in paper.authors[0].lower() if c.isascii() and c.isalpha())
        stem = f"{''.join(letters)}{paper.year}"
        tried = (stem + letter for letter in ("", *"bcdefghijklmnopqrstuvwxyz"))
        key = next(key for key in tried if by_key.get(key, paper).title == paper.title)
        by_key[key] = paper
        result[name] = key
    return result


def bibtex(papers: Mapping[str, Paper]) -> str:
    """One entry for every paper, in the order of their keys."""
    named = keys(papers)
    entries = {named[name]: _entry(named[name], paper) for name, paper in papers.items()}
    return HEAD + "\n" + "\n".join(entries[key] for key in sorted(entries))


def _entry(key: str, paper: Paper) -> str:
    fields = {
        "author": " and ".join(f"{{{tex(author)}}}" for author in paper.authors),
        "title": f"{{{tex(paper.title)}}}",
        "year": paper.year,
    }
    if paper.venue != paper.year:
        fields["howpublished"] = tex(paper.venue.removesuffix(paper.year).strip())
    if paper.url:
        fields["url"] = "".join(c for c in paper.url if c not in "{}\\%")
    lines = "".join(f"  {field} = {{{value}}},\n" for field, value in fields.items())
    return f"@misc{{{key},\n{lines}}}\n"
