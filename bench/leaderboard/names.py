"""Names that anybody may have chosen, as names of files."""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import TypeVar

Key = TypeVar("Key")
LONGEST = 60
# What Windows does not take as a name, with any ending
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def file_stem(name: str) -> str:
    """A name as the start of a file name on any system; one that needs changing gets a hash of itself."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", name).strip(".-")
    if safe and safe == name and len(safe) <= LONGEST and not _RESERVED.fullmatch(safe):
        return safe
    return f"{safe[:40].replace('.', '-')}-{_hash(name)}".lstrip("-")


def stems(names: Mapping[Key, str]) -> dict[Key, str]:
    """File stems by key, no two alike, also where upper and lower case are the same.

    They depend on keys and names alone, not on the order of the mapping.
    """
    found: dict[Key, str] = {}
    taken: set[str] = set()
    for key in sorted(names, key=str):
        stem = file_stem(names[key])
        number = 0
        while stem.lower() in taken:
            number += 1
            stem = f"{file_stem(names[key])[:LONGEST]}-{_hash(f'{key}/{number}')}"
        taken.add(stem.lower())
        found[key] = stem
    return found


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
