"""`bench evaluate`: saved policies play again, equal to the record, or add to it."""

import json
import shutil

import pytest

from bench.cli import main


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    command = ["run", "diagnostic", "sorl", "--tasks", "gamble", "--seeds", "0-2", "--steps", "40"]
    options = ["--set", "sorl.hidden=8,8", "--set", "sorl.normalize_obs=true", "--evaluations", "2"]
    assert main([*command, *options, "--episodes", "4", "--results", str(folder)]) == 0
    return folder


@pytest.fixture
def run(results, tmp_path):
    shutil.copytree(results, tmp_path / "results")
    return next((tmp_path / "results").rglob("run.json")).parent


def lines(run):
    return [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]


def test_the_same_policies_play_the_same_episodes(run, capsys):
    before = lines(run)
    assert main(["evaluate", str(run), "--workers", "2"]) == 0
    assert "equal to the record" in capsys.readouterr().out
    assert lines(run) == before


def test_another_record_is_noticed(run, capsys):
    altered = lines(run)
    altered[-1]["returns"][0] += 1e-9
    (run / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in altered))
    main(["evaluate", str(run)])
    assert "1 of 3 seeds differ" in capsys.readouterr().out


def test_a_new_setting_is_added_to_the_records_and_to_the_report(run, capsys):
    before = lines(run)
    assert main(["evaluate", str(run), "--inference", "sorl.candidates=2"]) == 0
    assert "steps=8,candidates=2: score" in (said := capsys.readouterr().out)
    assert "new: recorded" in said
    added = lines(run)[len(before) :]
    assert [line["seed"] for line in added] == [0, 1, 2]
    assert {line["step"] for line in added} == {40}
    main(["report", "diagnostic", "--inference", "all", "--results", str(run.parents[4])])
    assert "candidates=2]" in capsys.readouterr().out
    main(["evaluate", str(run), "--inference", "sorl.candidates=2"])
    assert capsys.readouterr().out.count("equal to the record") == 2


def test_another_number_of_episodes_is_shown_and_not_recorded(run, capsys):
    before = lines(run)
    main(["evaluate", str(run), "--episodes", "6"])
    assert "not recorded: the run has 4 episodes" in capsys.readouterr().out
    assert lines(run) == before


def test_what_has_changed_since_is_said(run, capsys):
    info = json.loads((run / "run.json").read_text())
    info["code"] = "another"
    info["task_info"]["identity"]["diagnostic"] = "0"
    (run / "run.json").write_text(json.dumps(info))
    main(["evaluate", str(run)])
    said = capsys.readouterr().out
    assert "note: diagnostic was 0 and is" in said
    assert "note: the code of the algorithm has changed" in said


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda run: (run / "weights.safetensors").unlink(), "weights.safetensors cannot be read"),
        (lambda run: (run / "weights.safetensors").write_bytes(b"x"), "weights.safetensors cannot be read"),
        (lambda run: (run / "summary.json").unlink(), "is not finished; run its command again: bench run"),
        (lambda run: (run / "run.json").write_text("{"), "run.json cannot be read"),
        (lambda run: (run / "run.json").unlink(), "no run lies in"),
    ],
)
def test_a_damaged_run_is_one_sentence(run, capsys, damage, sentence):
    damage(run)
    assert main(["evaluate", str(run)]) == 2
    assert sentence in capsys.readouterr().err


def test_settings_that_the_policy_cannot_act_under_are_refused(run, capsys):
    assert main(["evaluate", str(run), "--inference", "sorl.steps=3"]) == 2
    assert "power of two" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--inference", "iql.steps=3"]) == 2
    assert "unknown algorithm" in capsys.readouterr().err
