"""Inputs that once broke a reader, and sound ones, do no harm any more."""

from pathlib import Path

import pytest
from targets import TARGETS, seeds

CORPUS = Path(__file__).parent / "corpus"
FOUND = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name[:20]}")
def test_what_a_fuzzer_found_is_answered(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_a_sound_input_and_reads_it() -> None:
    found = list(seeds())
    assert {name for name, _ in found} == set(TARGETS)
    for name, content in found:
        TARGETS[name](content)


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_answers_damaged_inputs(name: str) -> None:
    for target, content in seeds():
        for place in range(0, len(content) if target == name else 0, 7):
            TARGETS[name](content[:place])
            TARGETS[name](content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :])
