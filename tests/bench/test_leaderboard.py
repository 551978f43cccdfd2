import csv
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from sites import HOSTILE, NAMES, write_site
from synthetic import rename_algorithm, write_run

from algorithms import ALGORITHMS, EXTERNAL
from bench.about import FAMILIES, about
from bench.errors import UserError
from bench.leaderboard import plots, write_leaderboard
from bench.leaderboard.cost import Point, counter, front
from bench.leaderboard.curves import learning_curves
from bench.leaderboard.names import file_stem, stems
from bench.leaderboard.site import HERE
from bench.protocol import PROTOCOLS
from bench.scores import Row, load
from bench.stats import Estimate

FINAL = [PROTOCOLS["final"]]


def write_some(results: Path) -> None:
    for task in ("gamble", "two-doors"):
        write_run(results, task, "bc", {0: 0.3, 1: 0.4, 2: 0.35})
        write_run(results, task, "iql", {0: 0.6, 1: 0.5, 2: 0.7}, diverged={1: 3000})


def content(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


class Page(HTMLParser):
    """Collects the tags of a page and its text, and complains about tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "link", "br", "input", "path", "rect", "col"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("results")).parent


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {
        path.relative_to(site).as_posix(): Page(path.read_text()) for path in sorted(site.rglob("*.html"))
    }


def test_equal_records_give_equal_files_wherever_they_lie(tmp_path: Path) -> None:
    found = []
    for place in ("here", "there"):
        write_some(tmp_path / place)
        np.random.seed(len(found))
        path = write_leaderboard(tmp_path / place, FINAL, replicates=50)
        assert path == tmp_path / place / "leaderboard" / "index.html"
        found.append(content(path.parent))
    assert found[0] == found[1]
    assert json.loads(found[0]["manifest.json"])["files"] == sorted({*found[0]} - {"manifest.json"})
    for name in ("intervals", "profiles", "training", "acting", "curves"):
        assert any(re.fullmatch(rf"plots/diagnostic-(final-)?{name}\.svg", path) for path in found[0])
    plots = {ending: {path[:-4] for path in found[0] if path.endswith(ending)} for ending in (".svg", ".png")}
    assert plots[".png"] == plots[".svg"] | {"plots/diagnostic-overview"}


def test_every_table_and_plot_can_be_had_in_every_format(pages: dict[str, Page]) -> None:
    stems: dict[str, set[str]] = {}
    for link in (link for page in pages.values() for link in page.all("a") if "download" in link):
        stem, _, ending = str(link["href"]).rpartition(".")
        stems.setdefault(stem, set()).add(ending)
    assert any("tables/runs/" in stem for stem in stems)
    assert any("plots/" in stem for stem in stems)
    for stem, endings in stems.items():
        assert endings == ({"svg", "png"} if "plots/" in stem else {"csv", "tex", "md"})


def test_there_is_a_page_for_every_suite_protocol_task_algorithm_and_run(pages: dict[str, Page]) -> None:
    assert {
        "index.html", "diagnostic/index.html", "diagnostic/protocol-best.html", "elsewhere/index.html",
        "diagnostic/tasks/gamble.html", "diagnostic/tasks/two-doors.html", "odd/tasks/maze.html",
        *(f"diagnostic/algorithms/{name}.html" for name in ("bc", "iql", "sorl", "cql")),
    } <= set(pages)  # fmt: skip
    assert sum(path.startswith("diagnostic/runs/") for path in pages) == 7
    assert sum(path.startswith("odd/algorithms/") for path in pages) == len(NAMES)


def test_every_link_leads_to_a_file_of_the_site_or_to_a_paper(site: Path, pages: dict[str, Page]) -> None:
    for path, page in pages.items():
        folder = (site / path).parent
        for tag, key in (("a", "href"), ("link", "href"), ("script", "src"), ("img", "src")):
            for target in filter(None, (attributes.get(key) for attributes in page.all(tag))):
                if target.startswith(("#", "data:")):
                    continue
                if target.startswith("http"):
                    assert tag == "a"
                    assert target == "https://arxiv.org/abs/2110.06169"
                else:
                    assert (folder / target).is_file(), (path, target)
                    assert not Path(target).is_absolute()


def test_every_page_is_whole_and_can_be_read_with_a_screen_reader(pages: dict[str, Page]) -> None:
    for path, page in pages.items():
        assert not page.open, path
        assert page.tags[0] == ("html", {"lang": "en"})
        assert [tag for tag, _ in page.tags].count("h1") == 1
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert all(after - before <= 1 for before, after in pairwise(levels)), path
        assert {tag for tag, _ in page.tags} >= {"title", "main", "header", "footer"}
        assert any(a.get("class") == "skip" and a.get("href") == "#main" for a in page.all("a"))
        labels = {attributes["for"] for attributes in page.all("label")}
        fields = [*page.all("input"), *page.all("select")]
        assert all(field["id"] in labels for field in fields)
        assert all(image["alt"] for image in page.all("img"))
        assert len(page.all("caption")) == len(page.all("table"))
        assert all(attributes.get("scope") in {"col", "row"} for attributes in page.all("th"))
        ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
        assert len(ids) == len(set(ids)), path


def test_no_page_runs_anything_but_the_two_scripts_beside_it(pages: dict[str, Page]) -> None:
    for page in pages.values():
        policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv"))
        assert policy is not None
        assert policy.startswith("default-src 'none'; script-src 'self' file:;")
        scripts = [a for a in page.all("script") if a.get("type") != "application/json"]
        assert {str(a["src"]).rpartition("/")[2] for a in scripts} <= {"site.js", "plotly.min.js"}
        assert all("defer" in a for a in scripts)
        assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)


def test_hostile_names_are_text_everywhere(site: Path, pages: dict[str, Page]) -> None:
    for name in (name.lstrip("\u202e") for name in NAMES):  # readers drop what turns text around
        assert name in pages["index.html"].text
        assert any(name in page.text for path, page in pages.items() if path.startswith("odd/algorithms/"))
    assert all(
        "alert(1)" not in str(attributes.get("src"))
        for _, page in pages.items()
        for attributes in page.all("script")
    )
    found = ET.fromstring((site / "plots/odd-task-maze.svg").read_text())  # well-formed
    texts = ["".join(element.itertext()) for element in found.iter() if element.tag.endswith("text")]
    assert any(HOSTILE in text for text in texts)
    assert "<b>Others</b>, 2024" in pages["elsewhere/index.html"].text
    assert "\\textless{}script" in (site / "tables/odd-final-aggregates.tex").read_text()


def test_what_no_reader_should_miss_stands_above_the_tables_and_in_the_cells(pages: dict[str, Page]) -> None:
    text = " ".join(pages["diagnostic/index.html"].text.split())
    box, table = text.index("Read this first"), text.index("Over all tasks")
    assert box < table
    for said in (
        "‡ Not strictly comparable: two-doors.",
        "† 2 seeds have diverged and count as 0: iql (tuned, 6 trials) on gamble, iql (tuned, 6 trials) on two-doors.",
        "Missing: cql on two-doors.",
        "Missing seeds: cql on gamble (1 of 2), sorl on two-doors (1 of 3).",
        "1 run not finished",
    ):
        assert box < text.index(said) < table
    for mark in ("† 1 diverged seed as 0", "1 of 3 seeds", "‡ not strictly comparable, see the notes"):
        assert text.count(mark) >= 1
    gamble = " ".join(pages["diagnostic/tasks/gamble.html"].text.split())
    assert gamble.index("† Diverged, which counts as 0: iql (tuned, 6 trials) 1 seed.") < gamble.index(
        "All algorithms"
    )
    front = " ".join(pages["index.html"].text.split())
    assert "† 2 diverged seeds as 0" in front
    assert "no score on 1 of 2 tasks" in front


def test_a_page_has_no_notes_of_what_only_begins_like_its_name(tmp_path: Path) -> None:
    for task in ("maze", "maze-long"):
        write_run(tmp_path, task, "td3", {0: 0.3, 1: 0.4})
        write_run(tmp_path, task, "td3_bc", {0: 0.3} if task == "maze-long" else {0: 0.3, 1: 0.4})
    site = write_leaderboard(tmp_path, FINAL, replicates=20).parent
    for page, named in (
        ("algorithms/td3", 0),
        ("algorithms/td3_bc", 1),
        ("tasks/maze", 0),
        ("tasks/maze-long", 1),
    ):
        assert (site / f"diagnostic/{page}.html").read_text().count("lacks seeds 1") == named


def test_reported_scores_stand_apart_with_source_status_and_what_is_unknown(pages: dict[str, Page]) -> None:
    text = " ".join(pages["index.html"].text.split())
    assert "reported, secondary Somebody et al. 2025, table 3" in text
    assert "no IQM: only means are reported" in text
    assert "58.1 of 2 reported scores" in text  # the mean of 55.3 and 61
    assert "± 4.1, 8 seeds" in pages["diagnostic/tasks/gamble.html"].text
    assert "reported, primary" in pages["elsewhere/index.html"].text


def test_a_run_is_told_with_its_command_and_an_algorithm_with_its_sources(pages: dict[str, Page]) -> None:
    run = next(page for path, page in pages.items() if "/runs/" in path and "iql on gamble" in page.text)
    assert "bench run diagnostic iql --tasks gamble" in run.text
    assert "not beside the record" in run.text
    assert "Diverged seeds, which count as 0: 1." in run.text
    algorithm = pages["diagnostic/algorithms/iql.html"].text
    for said in (
        "Implicit Q",
        "V stands in for the maximum.",
        "weighted regression",
        "numbers",
        "batch_size",
    ):
        assert said in algorithm
    assert "Trajectory quality (TQ)" in pages["diagnostic/tasks/gamble.html"].text


def test_tables_can_be_had_with_intervals_and_remarks_as_csv(site: Path) -> None:
    with open(site / "tables/diagnostic-final-tasks.csv", newline="") as file:
        lines = {line["Task"]: line for line in csv.DictReader(file)}
    gamble = lines["gamble"]
    iql = "iql (tuned, 6 trials)"
    assert float(gamble[f"{iql} low"]) <= float(gamble[iql]) <= float(gamble[f"{iql} high"])
    assert gamble[f"{iql}, remarks"] == "1 diverged seed as 0"
    assert lines["two-doors"]["cql"] == "missing"
    with open(site / "tables/all-results.csv", newline="") as file:
        names = [line["Algorithm"] for line in csv.DictReader(file)]
    assert iql in names
    assert HOSTILE in names


def test_no_spreadsheet_takes_a_name_for_a_formula_and_none_stops_the_site(tmp_path: Path) -> None:
    rename_algorithm(write_run(tmp_path, "gamble", "x", {0: -0.3, 1: -0.4}), '=HYPERLINK("x")\ud800')
    write_leaderboard(tmp_path, FINAL, replicates=50)
    text = (tmp_path / "leaderboard/tables/all-results.csv").read_text()
    assert "\"'=HYPERLINK" in text
    assert "-35.0" in text


def test_file_names_are_safe_on_every_system_and_no_two_are_alike() -> None:
    assert file_stem("diagnostic") == "diagnostic"
    odd = ["a/b", "a:b", "../a", "é", ".hidden", "..", "CON", "nul.txt", "x" * 300, "a.", ""]
    found = [file_stem(name) for name in odd]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,59}", name) for name in found)
    assert not {"con", "nul"} & {name.lower().partition(".")[0] for name in found}
    taken = stems({name: name for name in ("a/b", file_stem("a/b"), "IQL", "iql")})
    assert len({stem.lower() for stem in taken.values()}) == 4


def test_files_of_an_earlier_site_go_and_all_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "leaderboard"
    run = write_run(tmp_path / "results", "gamble", "bc", {0: 0.3, 1: 0.4}, suite="gone")
    write_run(tmp_path / "results", "gamble", "bc", {0: 0.3, 1: 0.4})
    write_leaderboard(tmp_path / "results", FINAL, replicates=50)
    (folder / "gone" / "notes.txt").write_text("mine")
    (folder / "other.svg").write_text("mine")
    (tmp_path / "victim").write_text("mine")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] += ["../../victim", str(tmp_path / "victim"), "", "gone", 3]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (run / "run.json").unlink()
    write_leaderboard(tmp_path / "results", FINAL, replicates=50)
    assert [file.name for file in (folder / "gone").rglob("*")] == ["notes.txt"]
    assert (folder / "other.svg").read_text() == (tmp_path / "victim").read_text() == "mine"
    assert not list((folder / "plots").glob("gone*"))
    assert (folder / "diagnostic/index.html").exists()


def test_files_that_cannot_be_read_are_named_and_empty_plots_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, "gamble", "bc", {0: 0.3, 1: 0.4})
    write_run(tmp_path, "two-doors", "iql", {0: 0.3, 1: 0.4})
    (tmp_path / "runs/lost/a/b/r1").mkdir(parents=True)
    (tmp_path / "runs/lost/a/b/r1/run.json").write_text("{")
    path = write_leaderboard(tmp_path, FINAL, replicates=50)
    assert "results/runs/lost/a/b/r1/run.json cannot be read" in path.read_text()
    text = (path.parent / "diagnostic/index.html").read_text()
    assert "results: diagnostic/two-doors/bc lacks seeds 0, 1; bc has no aggregate without this task." in text
    assert not (path.parent / "plots/diagnostic-final-intervals.svg").exists()
    assert (path.parent / "plots/diagnostic-curves.svg").exists()


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours."""
    lights = []
    for color in (one, other):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def blend(page: str, over: str, alpha: float) -> str:
    mixed = [
        round(int(page[i : i + 2], 16) * (1 - alpha) + int(part) * alpha)
        for i, part in zip((1, 3, 5), over.split(), strict=True)
    ]
    return "#" + "".join(f"{part:02x}" for part in mixed)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_enough_contrast(theme: str) -> None:
    sheet = (HERE / "assets/site.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)[:2]
    colors = dict(re.findall(r"--([a-z-]+): ([^;]+);", light))
    if theme == "dark":
        colors |= dict(re.findall(r"--([a-z-]+): ([^;]+);", dark))
    for text, page in (
        ("ink", "page"), ("soft", "page"), ("link", "page"), ("ink", "stripe"), ("soft", "stripe"), ("link", "stripe"),
        ("ink", "card"), ("soft", "card"), ("link", "card"), ("warn-ink", "warn-page"), ("tag-ink", "tag-page"),
        ("page", "ink"),
    ):  # fmt: skip
        assert contrast(colors[text], colors[page]) >= 4.5, (text, page)
    for shade in ("high", "low"):  # the darkest cells: 0.6 of a score of 100, 0.55 of the matrix
        assert contrast(colors["ink"], blend(colors["page"], colors[shade], 0.6 * 0.72)) >= 4.5, shade


@pytest.mark.parametrize("name", ALGORITHMS | EXTERNAL)
def test_every_algorithm_has_a_family(name: str) -> None:
    assert about((ALGORITHMS | EXTERNAL)[name]).family in FAMILIES


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_tells_its_idea(name: str) -> None:
    idea = about(ALGORITHMS[name]).idea
    assert idea.endswith(".")
    assert not idea.startswith(("Shapes", "Checked", "Family", "Follows"))


def test_network_evaluations_are_counted_with_the_code_and_unknown_elsewhere() -> None:
    def info(algorithm: str, config: dict[str, object], card: dict[str, int]) -> dict[str, object]:
        return {"algorithm": algorithm, "config": config, "task_info": {"card": card}}

    count, card = counter(ALGORITHMS), {"obs_dim": 3, "action_dim": 2}
    assert count(info("bc", {"hidden": [8]}, card), {}) == 1
    eight, one = ({"steps": steps, "candidates": 1} for steps in (8, 1))
    assert count(info("sorl", {"hidden": [8]}, card), eight) == 8
    assert count(info("sorl", {"hidden": [8]}, card), one) == 1
    assert count(info("elsewhere", {}, card), {}) is None
    assert count(info("bc", {"hidden": [8]}, {}), {}) is None
    assert count(info("bc", {"hidden": [10**9]}, card), {}) is None
    assert count(info("bc", {"no_option": 1}, card), {}) is None


def test_the_front_keeps_what_nothing_beats_in_both_cost_and_score() -> None:
    def point(name: str, cost: float, score: float) -> Point:
        return Point(Row(name, "", 0, ""), cost, Estimate(score, score, score))

    found = [point("a", 1, 0.2), point("b", 2, 0.1), point("c", 3, 0.5), point("d", 4, 0.5)]
    assert [p.row.algorithm for p in front(found)] == ["a", "c"]


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
    found = learning_curves(load(tmp_path, "diagnostic", FINAL[0]), 50)
    bc, iql = (found[Row(name, "", 0, ""), "gamble"] for name in ("bc", "iql"))
    assert bc.steps.tolist() == [1000, 2000, 3000, 4000]
    assert bc.mean == pytest.approx([0.15, 0.3, 0.45, 0.4])
    assert np.isnan(bc.low).tolist() == [False, False, False, True]
    assert iql.mean == pytest.approx([0.15, 0.3, 0.15, 0.2])


def test_the_picture_of_the_readme_is_1200_pixels_wide(tmp_path: Path) -> None:
    write_some(tmp_path)
    picture = write_leaderboard(tmp_path, FINAL, 50).parent / "plots/diagnostic-overview.png"
    assert matplotlib.image.imread(picture).shape[1] == 1200
