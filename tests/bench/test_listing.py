"""`bench list`: what there is, cards of tasks, and which settings a run would use."""

from pathlib import Path

import pytest

from bench.cli import main


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["list", *words]) == 0
    return capsys.readouterr().out


def test_suites_are_listed_with_their_numbers_of_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "suites").splitlines()
    assert any(line.startswith("ogbench/sorl ") and line.endswith("(40 tasks)") for line in lines)


def test_tasks_are_listed_with_their_other_names(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "tasks", "ogbench", "--tasks", "cube-single-play-*").splitlines()
    assert len(lines) == 6
    assert lines[-1].split("  ")[0] == "cube-single-play-singletask-v0"
    assert lines[-1].endswith("another name of cube-single-play-singletask-task2-v0")


def test_the_card_of_a_task_shows_scale_and_data(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    card = said(capsys, "tasks", "diagnostic", "--tasks", "gamble", "--long")
    assert "diagnostic/gamble\n" in card
    for words in ("-0.217 is 0 and 4 is 100", "20,731", "2,000; 3 to 15 transitions", "TQ ", "SACo "):
        assert words in card
    assert said(capsys, "tasks", "diagnostic", "--tasks", "gamble", "--long") == card  # from the cache


def test_the_card_of_a_task_without_data_says_how_to_get_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    card = said(capsys, "tasks", "ogbench", "--tasks", "scene-play-singletask-task1-v0", "--long")
    assert "bench data make ogbench/scene-play-v0" in card
    assert "--set task.success_timing=post" in card
    assert "score: success" in card


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("settings iql ogbench", "'ogbench' is no task; write SUITE/TASK"),
        ("settings iql ogbench/cube", "unknown task of ogbench 'cube'"),
        ("settings iqll ogbench/scene-play-singletask-v0", "did you mean 'iql'"),
        ("tasks nowhere", "unknown suite 'nowhere'"),
    ],
)
def test_what_is_not_there_is_said(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", *words.split()]) == 2
    assert message in capsys.readouterr().err


def test_settings_are_listed_with_who_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "settings", "sorl", "ogbench/cube-single-play-singletask-v0").splitlines()
    rows = {line.split()[0]: line for line in lines}
    assert rows["q_coef"].split(maxsplit=2)[1:] == ["10.0", "SORL"] or "10.0" in rows["q_coef"]
    assert "default" not in rows["q_coef"]
    assert rows["consistency_coef"].split()[1:] == ["10.0", "default"]
    lines = said(capsys, "settings", "bc", "diagnostic/gamble").splitlines()
    rows = {line.split()[0]: line for line in lines}
    assert "suite" in rows["batch_size"]
