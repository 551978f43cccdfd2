import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from synthetic import rename_algorithm, write_run

from bench import leaderboard
from bench.errors import UserError
from bench.leaderboard import file_stem, plots, write_leaderboard
from bench.leaderboard.curves import learning_curves
from bench.protocol import PROTOCOLS
from bench.scores import Row, load

HOSTILE = "<script>alert(1)</script>\" onerror='x' $\\frac$"
FINAL = PROTOCOLS["final"]


def write_some(results: Path) -> None:
    for task in ("gamble", "two-doors"):
        write_run(results, task, "bc", {0: 0.3, 1: 0.4, 2: 0.35})
        write_run(results, task, "iql", {0: 0.6, 1: 0.5, 2: 0.7}, diverged={1: 3000})


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


class Page(HTMLParser):
    """Collects the tags of a page, and complains about tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_equal_records_give_an_equal_page_and_equal_plots_wherever_they_lie(tmp_path: Path) -> None:
    pages = []
    for place in ("here", "there"):
        write_some(tmp_path / place)
        np.random.seed(len(pages))
        path = write_leaderboard(tmp_path / place, FINAL, replicates=50)
        assert path == tmp_path / place / "leaderboard" / "index.html"
        pages.append(content(path.parent))
    assert pages[0] == pages[1]
    assert sorted(pages[0]) == sorted(
        ["index.html", "diagnostic-overview.png"]
        + [
            f"diagnostic-{plot}.{kind}"
            for plot in ("intervals", "profiles", "curves")
            for kind in ("svg", "png")
        ]
    )


def test_the_page_is_whole_accessible_and_needs_no_network(tmp_path: Path) -> None:
    write_some(tmp_path)
    path = write_leaderboard(tmp_path, FINAL, replicates=50)
    text = path.read_text()
    page = Page(text)
    assert not page.open
    assert page.tags[0] == ("html", {"lang": "en"})
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 3
    assert all(image["alt"] and (path.parent / str(image["src"])).exists() for image in images)
    assert all(attributes.get("scope") in {"col", "row"} for tag, attributes in page.tags if tag == "th")
    assert not re.search(r"https?://|<script|@import", text)
    assert "prefers-color-scheme: dark" in text
    assert "†: diverged seeds enter as 0 (iql 2)." in text
    assert "bench run diagnostic iql --tasks gamble" in text


def test_a_hostile_name_is_text_on_the_page_and_in_the_plots(tmp_path: Path) -> None:
    for seed in range(2):
        rename_algorithm(write_run(tmp_path, "gamble", "x", {seed: 0.3}, run_id=f"r{seed}"), HOSTILE)
    write_run(tmp_path, "gamble", "bc", {0: 0.3, 1: 0.4}, suite="..$&x")
    path = write_leaderboard(tmp_path, FINAL, replicates=50)
    page = Page(path.read_text())
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert not [attributes for _, attributes in page.tags if "onerror" in attributes]
    images = [str(attributes["src"]) for tag, attributes in page.tags if tag == "img"]
    assert all((path.parent / image).exists() for image in images)
    found = ET.fromstring((path.parent / "diagnostic-intervals.svg").read_text())  # well-formed
    texts = ["".join(element.itertext()) for element in found.iter() if element.tag.endswith("text")]
    assert any("<script>alert(1)</script>" in text for text in texts)


def test_file_names_are_safe_and_stay_distinct() -> None:
    assert file_stem("diagnostic") == "diagnostic"
    odd = [file_stem(name) for name in ("a/b", "a:b", "../a", "é", ".hidden")]
    assert len(set(odd)) == len(odd)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*|-?[0-9a-f]{6}", name) for name in odd)


def test_what_is_missing_is_said_on_the_page_and_empty_plots_are_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, "gamble", "bc", {0: 0.3, 1: 0.4})
    write_run(tmp_path, "two-doors", "iql", {0: 0.3, 1: 0.4})
    (tmp_path / "runs/lost/a/b/r1").mkdir(parents=True)
    (tmp_path / "runs/lost/a/b/r1/run.json").write_text("{")
    path = write_leaderboard(tmp_path, FINAL, replicates=50)
    text = path.read_text()
    assert "results: diagnostic/two-doors/bc lacks seeds 0, 1; bc has no aggregate without this task." in text
    assert "results/runs/lost/a/b/r1/run.json cannot be read" in text
    assert not (path.parent / "diagnostic-intervals.svg").exists()
    assert (path.parent / "diagnostic-curves.svg").exists()


def test_a_suite_that_is_gone_leaves_no_plots_and_other_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "leaderboard"
    folder.mkdir()
    (folder / "old-intervals.svg").write_text("")
    (folder / "notes.txt").write_text("mine")
    write_run(tmp_path, "gamble", "bc", {0: 0.3, 1: 0.4})
    write_leaderboard(tmp_path, FINAL, replicates=50)
    assert not (folder / "old-intervals.svg").exists()
    assert (folder / "notes.txt").read_text() == "mine"


def test_an_empty_folder_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no runs of any suite"):
        write_leaderboard(tmp_path, FINAL)
    assert not (tmp_path / "leaderboard").exists()


def test_an_algorithm_has_one_colour_and_its_variants_differ_in_dash() -> None:
    names = [Row(f"a{number}", "", 0, "") for number in range(9)]
    variant = Row("a3", "x=1", 0, "")
    look = plots.looks([*names, variant])
    assert look[variant].color == look[names[3]].color
    assert look[variant].dash != look[names[3]].dash
    assert len({(item.color, item.dash) for item in look.values()}) == len(look)


def test_learning_curves_reach_as_far_as_any_seed_and_fall_to_0_at_a_divergence(tmp_path: Path) -> None:
    write_run(tmp_path, "gamble", "bc", {0: 0.4, 1: 0.8}, skipped=[1], finished=False)
    write_run(tmp_path, "gamble", "iql", {0: 0.4, 1: 0.8}, diverged={1: 3000})
    found = learning_curves(load(tmp_path, "diagnostic", FINAL), 50)
    bc, iql = (found[Row(name, "", 0, ""), "gamble"] for name in ("bc", "iql"))
    assert bc.steps.tolist() == [1000, 2000, 3000, 4000]
    assert bc.mean == pytest.approx([0.15, 0.3, 0.45, 0.4])
    assert np.isnan(bc.low).tolist() == [False, False, False, True]
    assert iql.mean == pytest.approx([0.15, 0.3, 0.15, 0.2])


def test_the_picture_of_the_readme_is_1200_pixels_wide(tmp_path: Path) -> None:
    write_some(tmp_path)
    picture = leaderboard.write_leaderboard(tmp_path, FINAL, 50).parent / "diagnostic-overview.png"
    assert matplotlib.image.imread(picture).shape[1] == 1200
