"""What stands on the pages: protocols once each, ranks and wins, marks, reported seeds, the curve of a run."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import trim_mean
from sites import ABOUT, write_site
from synthetic import write_run

from bench import report
from bench.about import About
from bench.cli import main
from bench.leaderboard import Known, write_leaderboard
from bench.leaderboard.board import Options, published_summary
from bench.leaderboard.twins import distinct, sentences
from bench.protocol import PROTOCOLS, Protocol
from bench.published.reported import read_published
from bench.scores import load
from bench.stats import summarize

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("results")).parents[1]


@pytest.fixture(scope="module")
def d4rl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of reported scores alone: those of single seeds, and means of others."""
    folder = tmp_path_factory.mktemp("reported")
    (folder / "published").mkdir()
    for name in ("rebrac-per-seed", "offlinerl-kit"):
        text = (RESULTS / "published" / f"{name}.csv").read_text()
        (folder / "published" / f"{name}.csv").write_text(text)
    known = Known({"td3_bc": About("", "", "", "", "", "behaviour regularization"), "iql": ABOUT})
    return write_leaderboard(folder, [PROTOCOLS["final"]], 100, known=known).parent


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def words(path: Path) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", path.read_text()).split())


def test_every_rule_is_there_once_and_the_page_says_which_name_it_also_has() -> None:
    kept = distinct(PROTOCOLS.values())
    assert [protocol.name for protocol in kept] == ["final", "last-3", "fql", "best"]
    said = " ".join(sentences({protocol.name: protocol for protocol in kept}))
    assert "Protocol corl-last is final under another name" in said
    assert "Protocol corl-best is best under another name" in said
    assert sentences({"corl-best": PROTOCOLS["corl-best"], "best": PROTOCOLS["best"]}) == []
    one = [Protocol("a", 2), Protocol("b", 2), Protocol("c", 3)]
    assert distinct(one) == [one[0], one[2]]


def test_the_command_leaves_twins_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    write_run(tmp_path, "gamble", "bc", {0: 0.3, 1: 0.4}, evaluations=10)
    folder = tmp_path / "leaderboard" / "diagnostic"
    assert main(["leaderboard", "--results", str(tmp_path), "--replicates", "50"]) == 0
    pages = {path.name for path in folder.glob("*.html")}
    assert pages == {"index.html", "protocol-last-3.html", "protocol-fql.html", "protocol-best.html"}
    assert "Protocol corl-last is final under another name" in words(folder / "index.html")
    assert "Protocol corl-last is final under another name" in words(folder.parent / "index.html")
    asked = ["--protocol", "final", "--protocol", "corl-last"]
    assert main(["leaderboard", "--results", str(tmp_path), "--replicates", "50", *asked]) == 0
    assert {path.name for path in folder.glob("*.html")} == {"index.html", "protocol-corl-last.html"}
    assert "under another name" not in words(folder / "index.html")


def test_ranks_and_tasks_won_are_those_of_the_report(results: Path) -> None:
    summary = summarize(load(results, "diagnostic", PROTOCOLS["final"]), 50)
    for name, sheet in (("ranks", report.ranks(summary)), ("wins", report.wins(summary))):
        lines = read(results / f"leaderboard/tables/diagnostic-final-{name}.csv")
        assert len(lines) == len(sheet.rows) == 3
        for line, (label, entries) in zip(lines, sheet.rows, strict=True):
            assert line[next(iter(line))].rstrip(" ‡") == label.rstrip("†‡ ")
            columns = [key for key in line if not key.endswith((" low", " high", ", remarks"))][1:]
            assert [line[key] for key in columns] == [entry.text.replace("–", "") for entry in entries]
    text = words(results / "leaderboard/diagnostic/index.html")
    assert text.index("Ranks") < text.index("Tasks won, tied and lost") < text.index("Probability of")


def test_numbers_that_are_too_good_say_so_in_headings_captions_and_downloads(results: Path) -> None:
    mark = "(optimistic: protocol best)"
    page = words(results / "leaderboard/diagnostic/protocol-best.html")
    assert f"Aggregate scores {mark}" in page
    assert f"Performance profile {mark}" in page
    text = (results / "leaderboard/diagnostic/protocol-best.html").read_text()
    assert f"<h1><bdi>diagnostic {mark}</bdi></h1>" in text
    assert f"diagnostic {mark}" in (results / "leaderboard/tables/diagnostic-best-ranks.md").read_text()
    assert "optimistic: protocol" not in words(results / "leaderboard/diagnostic/index.html")
    scores = next((results / "leaderboard/tables").glob("diagnostic-algorithm-*-aggregates.md")).read_text()
    best = next(line for line in scores.splitlines() if "| best" in line.replace("  ", ""))
    assert "optimistic" in best


def test_a_task_that_does_not_compare_marks_the_aggregates_that_hold_it(results: Path) -> None:
    lines = read(results / "leaderboard/tables/diagnostic-final-aggregates.csv")
    remarks = {line["Algorithm"]: line["Algorithm, remarks"] for line in lines}
    assert "1 task not strictly comparable" in remarks["bc"]
    assert "not strictly comparable" not in remarks["cql"]  # it has no score on that task
    assert "‡ 1 task not strictly comparable" in words(results / "leaderboard/index.html")


def test_reported_seeds_have_aggregates_on_the_tasks_that_all_of_them_have(d4rl: Path) -> None:
    lines = {line["Algorithm"]: line for line in read(d4rl / "tables/d4rl-v2-reported-aggregates.csv")}
    entries, _ = read_published(RESULTS)
    seeds = [r for r in entries if r.name == "rebrac-per-seed"]
    by_row: dict[str, dict[str, list[float]]] = {}
    for r in seeds:
        by_row.setdefault(r.algorithm, {})[r.task] = list(r.seeds.values())
    common = set.intersection(*(set(own) for own in by_row.values()))
    assert len(common) == 22
    for name, own in by_row.items():
        line = lines[f"{name} [reported: rebrac-per-seed]"]
        pooled = [100 * score for task in sorted(common) for score in own[task]]
        assert float(line["IQM"]) == pytest.approx(trim_mean(pooled, 0.25), abs=0.051)
        assert float(line["IQM low"]) < float(line["IQM"]) < float(line["IQM high"])
    page = words(d4rl / "d4rl-v2/index.html")
    assert "4 algorithms on 22 tasks" in page
    assert "left out, because not all of these algorithms have them: antmaze-large-diverse-v1" in page
    for what in ("Ranks", "Tasks won, tied and lost", "Probability of improvement", "Performance profile"):
        assert what in page
    assert len(read(d4rl / "tables/d4rl-v2-reported-improvement.csv")) == 4


def test_a_source_with_few_tasks_does_not_shrink_what_the_others_are_compared_on() -> None:
    entries, _ = read_published(RESULTS)
    seeds = [r for r in entries if r.name == "rebrac-per-seed"]
    lone = replace(next(r for r in seeds if r.algorithm == "IQL"), name="other", algorithm="X")
    summary = published_summary("d4rl-v2", [*seeds, lone], Options(50, "default", "seeds", False))
    assert summary is not None
    assert len(summary.scores.tasks) == 22
    assert "X of other" in " ".join(summary.scores.notes)


def test_the_card_of_a_suite_without_runs_names_the_leaders_with_their_badge(d4rl: Path) -> None:
    text = words(d4rl / "index.html")
    card = text[text.index("reported scores; no runs here") : text.index("All results")]
    assert card.index("ReBRAC reported: rebrac-per-seed") < card.index("IQL reported: rebrac-per-seed")
    assert "Reported by others, not run here: IQM and 95% interval of their seeds on 22 tasks" in card


def test_well_known_names_have_the_family_of_the_registered_algorithm(d4rl: Path) -> None:
    families = {line["Algorithm"]: line["Family"] for line in read(d4rl / "tables/all-results.csv")}
    assert families["TD3 + BC"] == families["TD3+BC"] == "behaviour regularization"
    assert families["IQL"] == "weighted regression"
    assert families["COMBO"] == "unknown"


def test_a_summary_of_junk_is_no_reason_to_stop(tmp_path: Path) -> None:
    for number, junk in enumerate(
        [
            {"train_seconds": "long", "eval_seconds": [], "updates_per_second": None, "diverged": []},
            {"train_seconds": {}, "diverged": "all"},
            [],
            {"train_seconds": 1e400, "eval_seconds": 1, "updates_per_second": 0, "diverged": []},
        ]
    ):
        path = write_run(tmp_path, "gamble", f"a{number}", {0: 0.3, 1: 0.4})
        (path / "summary.json").write_text(json.dumps(junk))
    page = write_leaderboard(tmp_path, [PROTOCOLS["final"]], 50)
    costs = read(page.parent / "tables/diagnostic-cost.csv")
    assert [line["Training per seed"] for line in costs] == [""] * 4
    assert len(read(page.parent / "tables/diagnostic-final-aggregates.csv")) == 4


def test_a_run_shows_its_curve_and_its_options_can_be_had(results: Path) -> None:
    page = next(
        path
        for path in sorted((results / "leaderboard/diagnostic/runs").glob("*.html"))
        if "iql on gamble" in path.read_text()
    )
    text = page.read_text()
    figure = json.loads(re.search(r'<script type="application/json">(.*?)</script>', text).group(1))
    assert [trace["name"] for trace in figure["data"]] == ["seed 0", "seed 1", "seed 2", "mean"]
    assert figure["data"][0]["y"] == [15, 30, 45, 60]
    means = np.mean([trace["y"] for trace in figure["data"][:3]], axis=0)
    assert figure["data"][3]["y"] == pytest.approx(means, abs=0.01)
    assert figure["data"][1]["y"][2:] == [0, 0]  # diverged
    assert text.count("<polyline") == 2 + 3 + 1
    points = re.search(r'class="mean" points="([^"]*)"', text).group(1).split()
    assert [float(point.split(",")[0]) for point in points] == [75, 150, 225, 300]
    heights = [float(point.split(",")[1]) for point in points]
    assert heights == pytest.approx([98 - 0.96 * mean for mean in means], abs=0.06)
    [path] = set(re.findall(r'href="([^"]*-options\.csv)"', text))
    assert read((page.parent / path).resolve())[0] == {
        "Option": "batch_size", "Value": "256", "Source": "default",
    }  # fmt: skip
