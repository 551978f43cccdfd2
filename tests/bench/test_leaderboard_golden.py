"""The pages and tables of a small fixed set of records, byte for byte.

After a change that is meant: `python tests/bench/test_leaderboard_golden.py` writes the expected bytes anew.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from sites import write_site  # noqa: E402

GOLDEN = Path(__file__).parent / "data" / "leaderboard"
# What matplotlib draws depends on its version and on the machine's rounding; plotly's script is not ours.
NOT_COMPARED = {".svg", ".png", ".min.js"}


def compared(folder: Path) -> dict[str, str]:
    """The sha256 of every page, table and script."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        for file in files
        if not any(file.name.endswith(ending) for ending in NOT_COMPARED)
    }


def test_the_site_of_fixed_records_is_as_expected_byte_for_byte(tmp_path: Path) -> None:
    page = write_site(tmp_path)
    assert page.read_text() == (GOLDEN / "index.html").read_text()
    assert compared(page.parent) == json.loads((GOLDEN / "hashes.json").read_text())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as results:
        page = write_site(Path(results))
        GOLDEN.mkdir(parents=True, exist_ok=True)
        (GOLDEN / "index.html").write_bytes(page.read_bytes())
        (GOLDEN / "hashes.json").write_text(json.dumps(compared(page.parent), indent=1) + "\n")
        print(f"wrote {GOLDEN}")
