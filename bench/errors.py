"""Mistakes of the user: said in one or two lines, with exit code 2, never with a traceback."""

from collections.abc import Iterable
from difflib import get_close_matches

MANY = 20  # names that a reader looks through; of more, the nearest are shown


class UserError(Exception):
    """Something that the user gave cannot be used.

    The message has three parts: what was given, what is allowed, what to do.
    """


def printable(text: str) -> str:
    """The same text on one line, without anything that a terminal obeys: control characters, halves of
    characters and changes of the writing direction stand as their escapes.
    """
    if text.isprintable():
        return text
    text = " ".join(text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def unknown(kind: str, given: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a list of known names, with the nearest one."""
    names = sorted(known)
    near = get_close_matches(given, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    shown = (
        names if len(names) <= MANY else get_close_matches(given, names, n=MANY, cutoff=0.3) or names[:MANY]
    )
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return UserError(f"unknown {kind} {given!r}{hint} Known: {', '.join(shown) or 'none'}{more}")
