"""What is written can be read, what is damaged is named, and nothing else is lost with it."""

import json
import math
import os
import warnings
from pathlib import Path
from typing import Any

import pytest
from synthetic import BEST, RANDOM, write_run

from bench import load_scores, records
from bench.errors import UserError


def line(seed: int = 0, step: int = 10, **parts: Any) -> dict[str, Any]:
    return {
        "seed": seed,
        "step": step,
        "inference": {"steps": 8, "candidates": 1},
        "status": "ok",
        "returns": [1.5, -2.0],
        "success": [True, False],
        "lengths": [3, 4],
        "metrics": {"q": 0.25},
        "seconds": 0.1,
    } | parts


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has started and has no evaluations yet."""
    (tmp_path / "run.json").write_text('{"id": "abc"}')
    return tmp_path


def read(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    record, problems = records.read_run(path)
    assert record is not None
    return record.evaluations, problems


def test_lines_come_back_as_they_were_appended_in_their_order(run: Path) -> None:
    first, second, third = line(0), line(1, success=None), line(2, 20, metrics={})
    records.append_evaluations(run, [first, second])
    records.append_evaluations(run, [third])
    assert read(run) == ([first, second, third], [])
    assert (run / "evaluations.jsonl").read_text().count("\n") == 3


def test_what_json_has_no_word_for_becomes_null(run: Path) -> None:
    records.append_evaluations(
        run, [line(returns=[math.nan, 1.0], metrics={"q": math.inf, "deep": {"v": [-math.inf, 2.0]}})]
    )
    text = (run / "evaluations.jsonl").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    (found,), _ = read(run)
    assert found["returns"] == [None, 1.0]
    assert found["metrics"] == {"q": None, "deep": {"v": [None, 2.0]}}


def test_a_line_that_was_cut_anywhere_is_named_and_the_others_are_kept(run: Path) -> None:
    lines = [line(0), line(1), line(2)]
    records.append_evaluations(run, lines)
    file = run / "evaluations.jsonl"
    content = file.read_bytes()
    start = content[:-1].rfind(b"\n") + 1
    for end in range(start, len(content)):
        file.write_bytes(content[:end])
        found, problems = read(run)
        if end == start:  # nothing of the line was written
            assert (found, problems) == (lines[:2], [])
        elif end == len(content) - 1:  # all but the line feed
            assert (found, problems) == (lines, [])
        else:
            assert found == lines[:2]
            (problem,) = problems
            assert f"{file}, line 3 is damaged and left out" in problem


def test_a_cut_line_is_dropped_so_that_appending_is_safe(run: Path) -> None:
    lines = [line(0), line(1), line(2)]
    records.append_evaluations(run, lines)
    file = run / "evaluations.jsonl"
    content = file.read_bytes()
    start = content[:-1].rfind(b"\n") + 1
    for end in range(start, len(content)):
        file.write_bytes(content[:end])
        records.drop_cut_line(run)
        assert file.read_bytes() == content[:start]
    records.append_evaluations(run, [line(3)])
    assert read(run) == ([line(0), line(1), line(3)], [])


def test_whole_lines_and_missing_files_are_left_alone_by_dropping(run: Path) -> None:
    records.drop_cut_line(run)
    assert not (run / "evaluations.jsonl").exists()
    records.append_evaluations(run, [line(0)])
    before = (run / "evaluations.jsonl").read_bytes()
    records.drop_cut_line(run)
    assert (run / "evaluations.jsonl").read_bytes() == before
    (run / "evaluations.jsonl").write_bytes(b"cut in the first line")
    records.drop_cut_line(run)
    assert (run / "evaluations.jsonl").read_bytes() == b""


@pytest.mark.parametrize("text", [b"[1, 2]", b"3", b'{"seed": 0}', b"", b"\xff\xfe", b'{"seed": NaN,'])
def test_a_damaged_line_in_the_middle_is_named_and_the_others_are_kept(run: Path, text: bytes) -> None:
    records.append_evaluations(run, [line(0)])
    with open(run / "evaluations.jsonl", "ab") as file:
        file.write(text + b"\n")
    records.append_evaluations(run, [line(1)])
    found, problems = read(run)
    assert found == [line(0), line(1)]
    assert len(problems) == 1
    assert f"{run / 'evaluations.jsonl'}, line 2 is damaged" in problems[0]


def test_a_whole_json_file_is_replaced_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    records.write_json(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        records.write_json(path, {"a": math.nan})
    assert json.loads(path.read_text()) == {"a": 1}  # half a file is never seen

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        records.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    monkeypatch.undo()
    records.write_json(path, {"a": 3})
    assert json.loads(path.read_text()) == {"a": 3}
    assert os.listdir(tmp_path) == ["run.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"id": "abc"'])
def test_a_run_without_a_readable_head_is_left_out_and_named(tmp_path: Path, text: str) -> None:
    good = write_run(tmp_path, "gamble", "bc", {0: 0.5}, run_id="good")
    bad = write_run(tmp_path, "gamble", "bc", {0: 0.5}, run_id="bad")
    (bad / "run.json").write_text(text)
    runs, problems = records.read_runs(tmp_path)
    assert [run.path for run in runs] == [good]
    assert len(problems) == 1
    assert str(bad / "run.json") in problems[0]


def test_a_summary_is_what_makes_a_run_finished(tmp_path: Path) -> None:
    done = write_run(tmp_path, "gamble", "bc", {0: 0.5}, run_id="a")
    write_run(tmp_path, "gamble", "bc", {0: 0.5}, run_id="b", finished=False)
    first, second = records.read_runs(tmp_path)[0]
    assert first.finished
    assert not second.finished
    assert len(second.evaluations) == 4
    (done / "summary.json").write_text('{"train_sec')
    (first, _), problems = records.read_runs(tmp_path)
    assert not first.finished
    assert any(str(done / "summary.json") in problem for problem in problems)


def test_runs_are_read_in_the_order_of_their_paths_and_by_suite(tmp_path: Path) -> None:
    for suite, task, algorithm, run_id in [("b", "t", "x", "2"), ("a", "t", "y", "1"), ("b", "s", "x", "1")]:
        write_run(tmp_path, task, algorithm, {0: 0.5}, suite=suite, run_id=run_id)

    def found(suite: str | None = None) -> list[str]:
        return [str(run.path.relative_to(tmp_path / "runs")) for run in records.read_runs(tmp_path, suite)[0]]

    assert found() == ["a/t/y/1", "b/s/x/1", "b/t/x/2"]
    assert found("b") == ["b/s/x/1", "b/t/x/2"]
    assert records.run_path(tmp_path, "b", "t", "x", "2") == tmp_path / "runs" / "b" / "t" / "x" / "2"


def test_settings_are_labelled_in_one_short_text() -> None:
    assert records.inference_label({"steps": 8, "candidates": 1}) == "steps=8,candidates=1"
    assert records.inference_label({}) == ""
    assert records.variant_label({"overrides": {"lr": 0.1, "expectile": 0.8}}) == "expectile=0.8,lr=0.1"


# The table of all episodes.

COLUMNS = [
    "suite", "task", "algorithm", "variant", "settings", "run", "seed", "step", "inference",
    "episode", "status", "return", "success", "length", "score",
]  # fmt: skip


def test_the_table_has_one_row_per_episode_with_its_score(tmp_path: Path) -> None:
    inference = {"steps": 8, "candidates": 1}
    write_run(
        tmp_path, "gamble", "sorl", {3: 0.5, 4: 1.0}, episodes=2, evaluations=2, steps=100,
        inferences=[inference], overrides={"lr": 0.1}, run_id="abc",
    )  # fmt: skip
    table = load_scores(tmp_path)
    assert list(table.columns) == COLUMNS
    assert len(table) == 2 * 2 * 2
    last = table[(table.seed == 3) & (table.step == 100) & (table.episode == 1)].iloc[0]
    assert last["return"] == RANDOM + 0.5 * (BEST - RANDOM)
    assert last["score"] == pytest.approx(0.5)
    assert last["length"] == 100
    assert last["success"] is None
    assert last[["suite", "task", "algorithm", "variant", "run", "inference", "status"]].tolist() == [
        "diagnostic", "gamble", "sorl", "lr=0.1", "abc", "steps=8,candidates=1", "ok",
    ]  # fmt: skip
    assert table.score.between(0.2, 1.01).all()


def test_success_is_told_for_every_episode(tmp_path: Path) -> None:
    path = write_run(tmp_path, "gamble", "bc", {0: 0.5}, evaluations=1, episodes=2)
    (path / "evaluations.jsonl").unlink()
    records.append_evaluations(path, [line(0, 4000)])
    table = load_scores(tmp_path)
    assert table.success.tolist() == [True, False]
    assert table.length.tolist() == [3, 4]
    assert table["return"].tolist() == [1.5, -2.0]


def test_a_diverged_seed_has_one_row_without_numbers(tmp_path: Path) -> None:
    write_run(tmp_path, "gamble", "bc", {0: 0.5, 1: 0.5}, evaluations=2, steps=100, diverged={1: 100})
    table = load_scores(tmp_path)
    rows = table[table.status == "diverged"]
    assert rows[["seed", "step", "episode"]].to_numpy().tolist() == [[1, 100, 0]]
    assert rows[["return", "success", "length", "score"]].isna().all(axis=None)
    assert len(table[(table.seed == 1) & (table.status == "ok")]) == 3
    assert table[table.seed == 0].score.notna().all()


def test_a_return_that_was_not_finite_is_a_row_without_a_score(tmp_path: Path) -> None:
    path = write_run(tmp_path, "gamble", "bc", {0: 0.5}, evaluations=1)
    (path / "evaluations.jsonl").unlink()
    records.append_evaluations(path, [line(0, 4000, returns=[math.inf, RANDOM])])
    table = load_scores(tmp_path)
    assert table.score.isna().tolist() == [True, False]
    assert table.score[1] == 0


def test_what_cannot_be_read_is_warned_about_and_the_rest_is_there(tmp_path: Path) -> None:
    path = write_run(tmp_path, "gamble", "bc", {0: 0.5, 1: 0.5}, evaluations=1, episodes=3)
    with open(path / "evaluations.jsonl", "a") as file:
        file.write('{"seed": 2')
    with pytest.warns(UserWarning, match=r"evaluations\.jsonl, line 3 is damaged"):
        table = load_scores(tmp_path)
    assert len(table) == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        records.drop_cut_line(path)
        assert len(load_scores(str(tmp_path), "diagnostic")) == 6


def test_without_runs_the_command_that_makes_some_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"no runs of any suite in {tmp_path}. Run: bench run SUITE"):
        load_scores(tmp_path)
    write_run(tmp_path, "gamble", "bc", {0: 0.5})
    with pytest.raises(UserError, match=r"no runs of classic in .* Run: bench run classic"):
        load_scores(tmp_path, "classic")
    with pytest.raises(UserError, match="no runs"):
        load_scores(tmp_path / "nowhere")
