"""The records and pictures that README shows."""

import re
from pathlib import Path

import matplotlib.image
import pytest

from bench.cli import main
from bench.protocol import PROTOCOLS
from bench.scores import load

ROOT = Path(__file__).parents[2]
ARCHIVE = ROOT / "results" / "submissions" / "diagnostic.tar.gz"


def test_the_records_behind_the_picture_are_sound_and_can_be_added_to_a_results_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(ARCHIVE), "--into", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "108 runs, 0 errors, 0 warnings" in said
    assert "level reached: records" in said
    scores = load(tmp_path, "diagnostic", PROTOCOLS["final"])
    assert (len(scores.rows), len(scores.tasks)) == (18, 6)
    assert {len(cells) for cells in scores.cells.values()} == {5}
    assert not scores.notes


def test_every_picture_of_the_readme_is_there_and_light() -> None:
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert {"results/pictures/diagnostic-overview.png", "results/pictures/site.png"} <= set(shown)
    for path in shown:
        assert (ROOT / path).stat().st_size < 200_000, path
    assert matplotlib.image.imread(ROOT / "results/pictures/site.png").shape[:2] == (1000, 1400)
