"""Sweeps: spaces, searches that can be repeated, the best setting of each task on fresh seeds, and its place."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_run

from algorithms import ALGORITHMS
from bench import load_scores, report
from bench.cli import main
from bench.errors import UserError
from bench.plan import Request, Run
from bench.protocol import PROTOCOLS
from bench.records import run_path
from bench.registry import find_algorithm
from bench.scores import load
from bench.sweep.search import STARTUP, Search
from bench.sweep.space import Choices, Range, grid, parse_space, size
from bench.sweep.trials import Sweep, best_of, run_again, score_of, try_settings
from suites import SUITES

IQL = find_algorithm("iql", ALGORITHMS)
SPACE = ["beta=1,3", "expectile=0.7,0.9"]


def sweep_of(
    space: Sequence[str], search: str = "grid", trials: int = 4, tasks: str = "few-good,gamble"
) -> Sweep:
    request = Request(tasks=tasks, seeds=(0, 1), steps=40, evaluations=1, episodes=3)
    axes = parse_space(space, IQL)
    return Sweep("s", SUITES["diagnostic"], IQL, axes, search, trials, request, (100, 101), "bench sweep x")


class Made:
    """Writes made-up records in place of training; the score is a function of run and setting."""

    def __init__(self, results: Path, score) -> None:
        self.results, self.score, self.trained = results, score, []

    def __call__(self, runs: Sequence[Run]) -> None:
        for run in runs:
            if not run_path(self.results, run.suite, run.task, run.algorithm, run.id).exists():
                self.trained.append(run)
                reached = self.score(run, dict(run.config))
                scores = {seed: reached + 0.1 * (place - 0.5) for place, seed in enumerate(run.seeds)}
                write_run(self.results, run.task, "iql", scores, run_id=run.id, steps=40, evaluations=1)


def test_a_space_has_choices_and_ranges_of_the_type_of_the_option():
    space = parse_space(["iql.beta=1,10", "lr=1e-5..1e-3:log", "batch_size=32..64", "hidden=64,64;256"], IQL)
    assert space == {
        "beta": Choices((1.0, 10.0)),
        "lr": Range(1e-5, 1e-3, True),
        "batch_size": Range(32, 64, False),
        "hidden": Choices(((64, 64), (256,))),
    }
    assert (size(space), space["batch_size"].whole, space["lr"].whole) == (float("inf"), True, False)


def test_a_grid_has_every_combination_once_the_last_axis_varying_fastest():
    assert grid(parse_space(SPACE, IQL)) == [
        {"beta": 1.0, "expectile": 0.7},
        {"beta": 1.0, "expectile": 0.9},
        {"beta": 3.0, "expectile": 0.7},
        {"beta": 3.0, "expectile": 0.9},
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["betta=1,3"], "unknown option of iql 'betta'; did you mean 'beta'?"),
        (["beta=1,x"], "iql.beta = 'x' is not a number"),
        (["beta=1,1.0"], "--space beta=1,1.0 names a value twice"),
        (["beta=1", "beta=3"], "--space names beta twice"),
        (["beta"], "--space 'beta' has no values"),
        (["lr=0..1:log"], "the first end has to be below the second, and above 0 with :log"),
        (["lr=1..1"], "the first end has to be below the second"),
        (["lr=1..2:lin"], "is no range; write LOW..HIGH"),
        ([], "nothing to choose from is given"),
    ],
)
def test_a_mistake_in_a_space_is_said(words, said):
    with pytest.raises(UserError, match=said.replace("[", r"\[")):
        parse_space(words, IQL)


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_a_search_asks_again_for_the_same_different_settings_within_the_space(kind):
    pytest.importorskip("optuna")
    space = parse_space(["lr=1e-5..1e-3:log", "batch_size=30..33", "beta=1,3"], IQL)

    def asked(seed: str) -> list:
        search, found = Search(space, kind, seed), []
        for _ in range(20):
            found.append(search.ask())
            search.tell(-abs(np.log10(found[-1]["lr"]) + 4))
        return found

    first = asked("a")
    assert first == asked("a") != asked("b")
    assert len({repr(setting) for setting in first}) == 20
    for setting in first:
        assert 1e-5 <= setting["lr"] <= 1e-3
        assert setting["lr"] == float(f"{setting['lr']:.3g}")
        assert setting["batch_size"] in (30, 31, 32, 33)
        assert setting["beta"] in (1.0, 3.0)


def test_tpe_goes_where_scores_are_high_and_random_does_not():
    pytest.importorskip("optuna")
    space = parse_space(["beta=0..100"], IQL)
    far = {}
    for kind in ("random", "tpe"):
        search, values = Search(space, kind, "x"), []
        for _ in range(40):
            values.append(search.ask()["beta"])
            search.tell(-abs(values[-1] - 80))
        far[kind] = np.abs(np.array(values[20:]) - 80).mean()
    assert far["tpe"] < far["random"] / 2


def test_small_spaces_are_exhausted_without_asking_twice():
    pytest.importorskip("optuna")
    search = Search(parse_space(["beta=1,3,10"], IQL), "tpe", "x")
    found = []
    for _ in range(3):
        found.append(search.ask()["beta"])
        search.tell(0.5)
    assert sorted(found) == [1, 3, 10]
    with pytest.raises(UserError, match="only 3 different settings are found"):
        search.ask()


def test_the_best_setting_of_each_task_runs_again_with_fresh_seeds(tmp_path):
    best = {"few-good": 3.0, "gamble": 1.0}
    made = Made(tmp_path, lambda run, config: 0.5 + 0.3 * (config["beta"] == best[run.task]))
    sweep = sweep_of(SPACE)
    found = try_settings(sweep, tmp_path, made)
    assert [len(trials) for trials in found.values()] == [4, 4]
    tuned = run_again(sweep, found, tmp_path, made)
    for task, beta in best.items():
        chosen = tuned[task]
        # of the two equal ones the first
        assert chosen.best.setting == {"beta": beta, "expectile": 0.7}
        assert chosen.best.score == pytest.approx(0.8)
        assert (chosen.run.seeds, chosen.run.settings) == ((100, 101), "tuned")
        assert dict(chosen.run.sweep) | {"trials": 4, "policies": 8} == dict(chosen.run.sweep)
    assert len(made.trained) == 8 + 2
    before = len(made.trained)
    assert try_settings(sweep, tmp_path, made) == found
    assert len(made.trained) == before


def test_tpe_is_continued_from_records_and_learns_on_each_task(tmp_path):
    pytest.importorskip("optuna")
    target = {"few-good": 10, "gamble": 90}
    made = Made(tmp_path, lambda run, config: 1 - abs(config["beta"] - target[run.task]) / 100)
    count = STARTUP + 7
    short = try_settings(sweep_of(["beta=0..100"], "tpe", STARTUP + 2), tmp_path, made)
    found = try_settings(sweep_of(["beta=0..100"], "tpe", count), tmp_path, made)
    assert len(made.trained) == 2 * count
    for task, trials in found.items():
        assert trials[: STARTUP + 2] == short[task]
        assert abs(best_of(trials).setting["beta"] - target[task]) < 15


def test_random_settings_are_the_same_on_all_tasks(tmp_path):
    pytest.importorskip("optuna")
    found = try_settings(sweep_of(["beta=0..100"], "random", 5), tmp_path, Made(tmp_path, lambda *_: 0.5))
    one, other = ([trial.setting for trial in trials] for trials in found.values())
    assert one == other


def test_a_trial_that_fails_has_no_score_and_ends_the_adaptive_search_of_its_task(tmp_path):
    pytest.importorskip("optuna")
    made = Made(tmp_path, lambda *_: 0.5)

    def train(runs):
        made([run for run in runs if (run.task, dict(run.sweep)["trial"]) != ("gamble", 2)])

    found = try_settings(sweep_of(["beta=0..100"], "tpe", 4), tmp_path, train)
    assert [len(trials) for trials in found.values()] == [4, 2]
    assert np.isnan(score_of(found["gamble"][1].run, tmp_path))


def test_trials_and_tuned_runs_have_ids_of_their_own(tmp_path):
    made = Made(tmp_path, lambda *_: 0.5)
    found = try_settings(sweep_of(["beta=1,3"], trials=2), tmp_path, made)
    more = try_settings(sweep_of(["beta=3,1"], trials=2), tmp_path, made)
    ids = {trial.setting["beta"]: trial.run.id for trial in found["gamble"]}
    assert ids == {trial.setting["beta"]: trial.run.id for trial in more["gamble"]}  # whatever their number
    tuned = run_again(sweep_of(["beta=1,3"]), found, tmp_path, made)["gamble"].run
    fewer = run_again(sweep_of(["beta=1,3"]), {"gamble": found["gamble"][:1]}, tmp_path, made)["gamble"].run
    assert dict(tuned.config) == dict(fewer.config)
    assert tuned.id != fewer.id  # it cost another number of trials


def bench(*words: object) -> int:
    return main([str(word) for word in words])


SMALL = ("--steps", 20, "--episodes", 2, "--evaluations", 1, "--set", "hidden=8", "--jobs", 1)


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """A sweep of four trials on two tasks, and an ordinary run beside it."""
    results = tmp_path_factory.mktemp("swept")
    words = ["--tasks", "few-good,gamble", "--seeds", "0-1", "--results", results, *SMALL]
    assert bench("sweep", "diagnostic", "iql", "--space", "beta=1,3", "--space", "lr=1e-4,1e-2", *words) == 0
    words[3] = "0-4"
    assert bench("run", "diagnostic", "iql", *words) == 0
    return results


def infos(results: Path) -> list[dict]:
    return [json.loads(file.read_text()) for file in sorted(results.glob("runs/*/*/*/*/run.json"))]


def test_records_of_a_sweep_say_what_they_are_and_give_its_command(swept):
    kinds = [info["settings"] for info in infos(swept)]
    assert [kinds.count(kind) for kind in ("trial", "tuned", "by hand")] == [8, 2, 2]
    trials = [info for info in infos(swept) if info["settings"] == "trial"]
    assert sorted(info["sweep"]["trial"] for info in trials) == [1, 1, 2, 2, 3, 3, 4, 4]
    for info in infos(swept):
        if info["settings"] == "tuned":
            assert (info["sweep"]["trials"], info["sweep"]["policies"], info["seeds"][0]) == (4, 8, 100)
            assert info["sweep"]["chosen"] == {key: info["config"][key] for key in ("beta", "lr")}
            words = shlex.split(info["command"])
            assert words[:4] == ["bench", "sweep", "diagnostic", "iql"]
            assert "--set" in words


def test_the_same_command_again_trains_nothing(swept, capsys):
    stamps = {file: file.stat().st_mtime_ns for file in swept.glob("runs/**/*.jsonl")}
    words = shlex.split(next(i["command"] for i in infos(swept) if i["settings"] == "tuned"))[1:]
    assert bench(*words, "--results", swept, "--jobs", 1) == 0
    assert {file: file.stat().st_mtime_ns for file in swept.glob("runs/**/*.jsonl")} == stamps
    said = capsys.readouterr().out
    assert "| Chosen (optimistic) | Fresh |" in said
    assert f"Next: bench tuning diagnostic iql --results {swept}    bench report diagnostic" in said


def test_a_tuned_row_is_one_row_over_tasks_and_trials_are_none(swept):
    scores = load(swept, "diagnostic", PROTOCOLS["final"])
    labels = {row.label: scores.settings(row) for row in scores.rows}
    assert labels == {"iql (tuned, 4 trials, hidden=[8])": "tuned (4 trials)", "iql (hidden=[8])": "by hand"}
    assert not scores.flagged
    assert any("8 runs are trials of sweeps" in note for note in scores.notes)
    everything = load(swept, "diagnostic", PROTOCOLS["final"], trials=True)
    assert sorted(everything.settings(row) for row in everything.rows) == ["by hand"] + ["trial"] * 4 + [
        "tuned (4 trials)"
    ]
    text = report.render(swept, "diagnostic", "md", PROTOCOLS["final"], replicates=20)
    assert "| tuned (4 trials) |" in text
    assert "Settings: by hand – some were given on the command line; tuned – for each task" in text
    assert set(load_scores(swept).settings) == {"by hand", "trial", "tuned"}


def test_tuning_counts_the_trials_and_not_what_they_chose(swept):
    assert bench("tuning", "diagnostic", "--results", swept, "--replicates", 20, "--repeats", 20) == 0
    lines = (swept / "tuning" / "diagnostic.csv").read_text().splitlines()
    # four trials, and the ordinary run: its lr is that of none of them
    found = [line.split(",") for line in lines if ",gamble,iql," in line]
    assert {line[3] for line in found} == {"5"}
    assert {line[4] for line in found} == {"", str(4 * 2 + 5)}


def test_a_submission_may_hold_a_sweep_and_not_lie_about_its_trials(swept, tmp_path, capsys):
    assert bench("pack", swept, "--out", tmp_path / "a.tar.gz") == 0
    assert bench("verify", tmp_path / "a.tar.gz") == 0
    assert "0 errors" in capsys.readouterr().out
    file = next(f for f in swept.glob("runs/*/*/*/*/run.json") if '"tuned"' in f.read_text())
    honest = file.read_text()
    try:
        file.write_text(honest.replace('"trials": 4', '"trials": 1'))
        assert bench("pack", swept, "--out", tmp_path / "b.tar.gz") == 0
        assert bench("verify", tmp_path / "b.tar.gz") == 1
        assert "the id does not follow from run.json" in capsys.readouterr().out
        info = json.loads(honest)
        del info["sweep"]
        file.write_text(json.dumps(info | {"settings": "paper"}))
        assert bench("pack", swept, "--out", tmp_path / "c.tar.gz") == 0
        assert bench("verify", tmp_path / "c.tar.gz") == 1
        said = capsys.readouterr().out
        assert "the id does not follow from run.json" in said
        assert "the settings are not those of the paper: some were given by hand" in said
    finally:
        file.write_text(honest)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fresh-seeds", "2-5"], "seeds 2 are among --seeds and --fresh-seeds"),
        (["--trials", "3"], "--search grid tries all combinations; leave out --trials"),
        (["--search", "random"], "give --trials N"),
        (
            ["--search", "random", "--trials", "4"],
            "--trials 4 are more than the 3 settings that are possible",
        ),
        (["--space", "lr=1e-5..1e-3"], "lr is a range, which no grid holds"),
        (["--set", "iql.beta=2"], "beta is among --set and --space"),
        (["--name", "a/b"], "--name 'a/b' has signs that a name has not"),
    ],
)
def test_options_that_do_not_fit_are_said_in_one_line(tmp_path, capsys, words, said):
    base = ["sweep", "diagnostic", "iql", "--space", "beta=1,3,10", "--results", tmp_path]
    assert bench(*base, *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists() or not infos(tmp_path)
