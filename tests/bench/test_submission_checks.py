"""Every finding about the records of a submission, by changing one thing in a sound one."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from submissions import Files, changed, loaded, make, named, train

from bench.cli import KNOWN, main
from bench.submission import contents
from bench.submission.checks import check
from bench.submission.contents import Finding
from suites import SUITES

Change = Callable[[Any, Any, Any], Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A real run, whose episodes are made to vary, so that equal ones are no coincidence."""

    def vary(info: Any, lines: Any, summary: Any) -> None:
        for row, line in enumerate(lines):
            line["returns"] = np.random.default_rng(row).uniform(0, 4, info["episodes"]).round(3).tolist()

    return changed(train(tmp_path_factory.mktemp("checks")), vary)


def findings(tmp_path: Path, files: Files, **later: Any) -> list[Finding]:
    runs, found = contents.load(make(tmp_path / "a.tar.gz", files))
    return found + check(
        runs, SUITES, KNOWN, datetime.datetime.now(datetime.UTC) + datetime.timedelta(**later)
    )


def test_a_sound_run_has_no_findings(trained: Files, tmp_path: Path) -> None:
    assert findings(tmp_path, trained) == []


def put(where: str, **values: Any) -> Change:
    """A change of entries of run.json (`info`, `task_info`, `reference`), `summary`, or the first line."""

    def change(info: Any, lines: Any, summary: Any) -> None:
        task_info = info["task_info"]
        places = {"info": info, "task_info": task_info, "reference": task_info["reference"]}
        (places | {"summary": summary, "line": lines[0]})[where].update(values)

    return change


def drop(where: str, key: str) -> Change:
    def change(info: Any, lines: Any, summary: Any) -> None:
        del {"info": info, "summary": summary, "line": lines[-1]}[where][key]

    return change


def no_seconds(info: Any, lines: Any, summary: Any) -> None:
    for line in lines:
        line["seconds"] = 0


def diverge(info: Any, lines: Any, summary: Any) -> None:
    """Seed 0 diverges at the first evaluation, and not at the second."""
    lines[0].update(status="diverged", returns=None, success=None, lengths=None)
    summary["diverged"] = [0]


def silent(info: Any, lines: Any, summary: Any) -> None:
    diverge(info, lines, summary)
    lines[2].update(status="diverged", returns=None, success=None, lengths=None)
    summary["diverged"] = []


def copy_line(info: Any, lines: Any, summary: Any) -> None:
    lines[3].update(returns=lines[2]["returns"])


def copy_metrics(info: Any, lines: Any, summary: Any) -> None:
    for one, other in ((0, 1), (2, 3)):
        lines[other]["metrics"] = lines[one]["metrics"]


def higher(info: Any, lines: Any, summary: Any) -> None:
    lines[0]["returns"] = [value + 4 for value in lines[0]["returns"]]


OF_PLAN = "rename"  # the id follows from what is changed, so it is made anew

FINDINGS: dict[str, tuple[Change, str, str]] = {
    # schema
    "no suite": (drop("info", "suite"), "error", "run.json lacks 'suite'"),
    "no seeds": (put("info", seeds=[]), "error", "'seeds' is not allowed"),
    "seed twice": (put("info", seeds=[0, 0]), "error", "seeds, each named once"),
    "seed is a truth": (put("info", seeds=[0, True]), "error", "'seeds' is not allowed"),
    "format": (put("info", format=2), "error", "'format' is not allowed; it is 1"),
    "steps are text": (put("info", steps="20"), "error", "'steps' is not allowed"),
    "many episodes": (put("info", episodes=10**6), "error", "'episodes' is not allowed"),
    "config nests": (put("info", config={"a": {"b": 1}}), "error", "'config' is not allowed"),
    "created without zone": (put("info", created="2026-01-01T00:00:00"), "error", "'created' is not allowed"),
    "reference upside down": (put("reference", best=-1.0), "error", "has to be above 'random'"),
    "no reference": (put("task_info", reference=3), "error", "'reference' is not allowed"),
    "measure": (put("reference", of="luck"), "error", "'of' is not allowed"),
    "line lacks seconds": (drop("line", "seconds"), "error", "line 4 lacks 'seconds'"),
    "return is null": (put("line", returns=[None] * 16), "error", "it is a list of finite numbers"),
    "success is a number": (put("line", success=[1] * 16), "error", "a list of true and false"),
    "length zero": (put("line", lengths=[0] * 16), "error", "whole numbers of 1 or more"),
    "status": (put("line", status="lost"), "error", "it is ok or diverged"),
    "diverged with numbers": (put("line", status="diverged"), "error", "because the seed diverged"),
    "negative seconds": (put("line", seconds=-1.0), "error", "'seconds' is not allowed"),
    "summary": (drop("summary", "train_seconds"), "error", "summary.json lacks 'train_seconds'"),
    "negative training": (put("summary", train_seconds=-1), "error", "'train_seconds' is not allowed"),
    # plan
    "id": (put("info", steps=40), "error", "the id does not follow from run.json"),
    "folder": (put("info", task="two-doors"), "error", "run.json belongs into runs/diagnostic/two-doors"),
    "command": (put("info", command="bench run x; curl y"), "error", "is not one of bench run"),
    "another command": (put("info", command="curl y"), "error", "is not one of bench run"),
    "uneven": (put("info", eval_steps=[5, 20]), OF_PLAN, "are not evenly spaced over 20 steps"),
    "setting twice": (put("info", inferences=[{}, {}]), OF_PLAN, "a test-time setting is there twice"),
    "more seeds": (put("info", seeds=[0, 1, 2]), OF_PLAN, "of seed 2 at step 10 and 1 others are not recorded"),
    "many planned": (put("info", seeds=list(range(999))), OF_PLAN, "4 evaluations are recorded and 1,998"),
    "fewer seeds": (put("info", seeds=[0]), OF_PLAN, "of seed 1 at step 10 and 1 others are not part of the run"),
    "line twice": (lambda i, lines, s: lines.append(lines[0]), "error", "is recorded more than once"),
    "line missing": (lambda i, lines, s: lines.pop(), "error", "of seed 1 at step 20 is not recorded"),
    "episodes": (put("line", returns=[0.5]), "error", "line 1: returns do not have 16 episodes"),
    # task and algorithm
    "suite": (put("info", suite="other"), OF_PLAN, "the suite 'other' is not registered"),
    "task": (put("info", task="other"), OF_PLAN, "unknown task of diagnostic 'other'"),
    "options": (put("info", task_options={"a": "b"}), OF_PLAN, "unknown option of the task gamble 'a=b'"),
    "scale": (put("reference", best=1.0), "error", "the scale (-0.217, 1.0, 'return') is not the task's"),
    "measured": (put("reference", of="success"), "error", "is not the task's"),
    "max_steps": (put("task_info", max_steps=99), "error", "max_steps is not the task's 30"),
    "too long": (put("line", lengths=[31] * 16), "error", "has 31 steps; the task allows 30"),
    "absurd": (put("line", returns=[1e6] * 16), "error", "not plausible on the task's scale"),
    "high": (higher, "warning", "100 is the best known"),
    "own algorithm": (put("info", algorithm="my.My", source="/a/my.py:My"), "note", "is not one of this project"),
    "own code": (put("info", code="0" * 16), "note", "the code of the algorithm is unknown here"),
    "override dropped": (put("info", overrides={}), "error", "config, sources and overrides do not fit"),
    "hidden tuning": (lambda i, li, s: i["config"].update(lr=0.1), "warning", "not the usual lr"),
    # divergence
    "revived": (diverge, "error", "seed 0 diverged and is sound later"),
    "silent": (silent, "error", "name different diverged seeds"),
    "foreign": (put("summary", diverged=[7]), "error", "name different diverged seeds"),
    "named": (put("summary", diverged=[0]), "note", "1 of 2 seeds diverged"),
    # clock
    "future": (put("info", created="2999-01-01T00:00:00+00:00"), "error", "created in the future"),
    "too slow": (put("summary", train_seconds=1e6, updates_per_second=0.0), "error", "for longer than has passed"),
    "no time": (put("summary", train_seconds=0.0), "error", "its training took 0 seconds"),
    "speed": (put("summary", updates_per_second=1e4), "error", "updates_per_second do not fit"),
    "too fast": (put("summary", train_seconds=0.0001, updates_per_second=2e5), "warning", "updates per second"),
    "no seconds": (no_seconds, "error", "its evaluations took 0 seconds"),
    # copies
    "copied line": (copy_line, "error", "the evaluation of step 20 of seed 1 has the same results"),
    "copied metrics": (copy_metrics, "error", "training of seed 1 has the same metrics as that of seed 0"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FINDINGS)
def test_what_is_not_plausible_is_found(trained: Files, tmp_path: Path, kind: str) -> None:
    change, severity, text = FINDINGS[kind]
    again = severity in (OF_PLAN, "note")
    found = findings(tmp_path, changed(trained, change, rename=again))
    wanted = "error" if severity == OF_PLAN else severity
    assert [f for f in found if f.severity == wanted and text in f.text], found


def test_seeds_that_all_end_alike_are_no_copies(trained: Files, tmp_path: Path) -> None:
    def alike(info: Any, lines: Any, summary: Any) -> None:
        for line in lines:
            line["returns"] = [float(line["step"] / 10)] * 16

    assert findings(tmp_path, changed(trained, alike)) == []


def renamed(files: Files, **info: Any) -> Files:
    return changed(files, put("info", **info), rename=True)


def test_a_copy_under_another_seed_is_found_in_another_run(trained: Files, tmp_path: Path) -> None:
    def shift(info: Any, lines: Any, summary: Any) -> None:
        info["seeds"] = [5, 6]
        for line in lines:
            line["seed"] += 5

    found = findings(tmp_path, trained | changed(trained, shift, rename=True))
    assert {f.severity for f in found if "has the same results" in f.text} == {"error"}
    assert [f for f in found if "created in the same microsecond" in f.text]


def test_a_seed_in_two_runs_is_a_warning(trained: Files, tmp_path: Path) -> None:
    half = changed(
        trained,
        lambda info, lines, s: (info.update(seeds=[0]), lines.__setitem__(slice(None), lines[::2])),
        rename=True,
    )
    (found,) = [f for f in findings(tmp_path, trained | half) if "under the same configuration" in f.text]
    assert found.severity == "warning"
    assert "seed 0 is in" in found.text


def test_metrics_of_one_algorithm_under_the_name_of_another_are_a_warning(
    trained: Files, tmp_path: Path
) -> None:
    other = renamed(trained, algorithm="my.My", source="my.py:My")
    found = [f for f in findings(tmp_path, trained | other) if "has the same metrics" in f.text]
    assert [f.severity for f in found] == ["warning", "warning"]


def test_settings_that_were_added_afterwards_need_the_last_step_only(trained: Files, tmp_path: Path) -> None:
    def add(info: Any, lines: Any, summary: Any) -> None:
        info["inferences"].append({"candidates": 2})
        lines += [line | {"inference": {"candidates": 2}, "seconds": 0.0} for line in lines[2:]]

    assert findings(tmp_path, changed(trained, add)) == []

    def early(info: Any, lines: Any, summary: Any) -> None:
        add(info, lines, summary)
        lines[-1]["step"] = 10

    said = [f.text for f in findings(tmp_path, changed(trained, early))]
    assert any("is not recorded" in text for text in said)
    assert any("is not part of the run" in text for text in said)


def test_a_refused_submission_has_no_scores_and_is_not_copied(
    trained: Files, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def spoil(info: Any, lines: Any, summary: Any) -> None:
        lines += [lines[0] | {"seed": -1}] * 50

    make(tmp_path / "a.tar.gz", changed(trained, spoil))
    assert main(["verify", str(tmp_path / "a.tar.gz"), "--into", str(tmp_path / "mine")]) == 1
    out = capsys.readouterr().out
    assert out.count("error    runs/diagnostic/gamble/bc/") == 20
    assert "and 30 more" in out
    assert "seeds)" not in out
    assert "1 runs, 50 errors, 0 warnings, 0 notes; level reached: reported" in out
    assert not (tmp_path / "mine").exists()


def test_a_warning_is_shown_and_does_not_refuse(
    trained: Files, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    files = changed(trained, higher)
    make(tmp_path / "a.tar.gz", files)
    assert main(["verify", str(tmp_path / "a.tar.gz"), "--into", str(tmp_path / "mine")]) == 0
    assert "warning  runs/diagnostic/gamble" in capsys.readouterr().out
    assert (tmp_path / "mine" / named(files, "run.json")).exists()


def test_the_record_that_is_changed_here_has_four_lines(trained: Files) -> None:
    assert [(line["seed"], line["step"]) for line in loaded(trained)[1]] == [
        (0, 10),
        (1, 10),
        (0, 20),
        (1, 20),
    ]
