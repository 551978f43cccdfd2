"""A run is data: its id stands for all that changes its numbers, and its command gives it back."""

import dataclasses
import re
import shlex
from dataclasses import dataclass
from typing import Any

import pytest

from bench.algorithm import Algorithm, BaseConfig
from bench.errors import UserError
from bench.plan import Request, Run, parse_seeds, plan, select_tasks
from bench.registry import Entry
from bench.task import Reference, Suite, Task


@dataclass(frozen=True)
class Config(BaseConfig):
    lr: float = 0.1
    discount: float = 0.99
    hidden: tuple[int, ...] = (256, 256)
    clip: float | None = 1.0
    wide: bool = False
    label: str = "a"


@dataclass(frozen=True)
class Inference:
    steps: int = 8
    candidates: int = 1


class Tuned(Algorithm):
    Config = Config
    Inference = Inference


class Plain(Algorithm):
    pass


TUNED = Entry("tuned", "tuned", Tuned, "c0de")
PLAIN = Entry("plain", "plain", Plain, "c0de")
PLUGIN = Entry("mine.Tuned", "./some folder/mine.py:Tuned", Tuned, "c0de")


def never(*_: Any) -> Any:
    raise AssertionError("planning must not load data or make environments")


def make_task(name: str, **settings: Any) -> Task:
    return Task("maze", name, "a maze", 2, 1, 50, Reference(0, 1, "made up"), never, never, never, settings)


SUITE = Suite(
    name="maze",
    summary="mazes",
    tasks={name: make_task(name) for name in ("small", "big", "big-dark")}
    | {"long": make_task("long", discount=0.999)},
    steps=4000,
    evaluations=4,
    episodes=20,
    settings={"lr": 0.2},
)


def one(entry: Entry = TUNED, task: str = "small", **request: Any) -> Run:
    (run,) = plan(SUITE, [entry], Request(tasks=task, **request))
    return run


def test_a_request_becomes_one_run_per_task_and_algorithm_task_by_task() -> None:
    runs = plan(SUITE, [TUNED, PLAIN], Request(tasks="small,long"))
    assert [(run.task, run.algorithm) for run in runs] == [
        ("small", "tuned"), ("small", "plain"), ("long", "tuned"), ("long", "plain"),
    ]  # fmt: skip
    assert runs[0].title == "small · tuned"


def test_a_run_takes_from_the_suite_what_the_user_does_not_say() -> None:
    run = one()
    assert (run.steps, run.episodes, run.seeds) == (4000, 20, (0, 1, 2, 3, 4))
    assert run.eval_steps == (1000, 2000, 3000, 4000)
    assert dict(run.config)["lr"] == 0.2
    assert dict(run.sources) == {"lr": "suite"}


def test_a_run_takes_what_the_user_says() -> None:
    run = one(steps=10, evaluations=3, episodes=2, seeds=(7, 3), overrides=["lr=0.5", "hidden=8"])
    assert (run.steps, run.episodes, run.seeds) == (10, 2, (7, 3))
    assert run.eval_steps == (3, 6, 10)  # the last after the last update
    assert dict(run.config) == {
        "batch_size": 256, "normalize_obs": False, "normalize_returns": False, "reward_scale": 1.0,
        "reward_shift": 0.0, "lr": 0.5, "discount": 0.99, "hidden": (8,),
        "clip": 1.0, "wide": False, "label": "a",
    }  # fmt: skip
    assert run.overrides == (("hidden", (8,)), ("lr", 0.5))
    assert dict(run.sources) == {"lr": "user", "hidden": "user"}


def test_a_task_s_setting_reaches_its_runs_only() -> None:
    assert dict(one(task="long").config)["discount"] == 0.999
    assert dict(one(task="small").config)["discount"] == 0.99


def test_evaluations_that_do_not_fit_into_the_steps_are_refused() -> None:
    with pytest.raises(
        UserError, match="5 evaluations do not fit into 4 steps; give --evaluations 4 or fewer"
    ):
        one(steps=4, evaluations=5)
    assert one(steps=4, evaluations=4).eval_steps == (1, 2, 3, 4)


def test_a_run_is_hashable_and_its_id_is_twelve_hex_digits() -> None:
    run = one()
    assert {run: 1}[one()] == 1
    assert re.fullmatch(r"[0-9a-f]{12}", run.id)


def test_the_id_is_the_same_in_every_version_of_this_code() -> None:
    # Whoever changes this number gives every run that was ever recorded a new id, and trains it again.
    run = Run(
        suite="maze",
        task="small",
        algorithm="tuned",
        source="tuned",
        code="c0de",
        config=(("lr", 0.1), ("hidden", (8, 8)), ("clip", None), ("wide", False)),
        overrides=(),
        sources=(),
        inferences=((("steps", 8),), (("steps", 1),)),
        seeds=(0, 1),
        steps=10,
        eval_steps=(5, 10),
        episodes=3,
    )
    assert run.id == "a4ac3a04a602"


CHANGES: dict[str, dict[str, Any]] = {
    "task": {"task": "big"},
    "seeds": {"seeds": (0, 1, 2, 3)},
    "order of seeds": {"seeds": (1, 0, 2, 3, 4)},
    "steps": {"steps": 5000},
    "evaluations": {"evaluations": 2},
    "episodes": {"episodes": 10},
    "an option": {"overrides": ["lr=0.3"]},
    "a tuple": {"overrides": ["hidden=256"]},
    "an option to none": {"overrides": ["clip=none"]},
    "a test-time setting": {"inferences": ["tuned.steps=1"]},
    "another test-time setting": {"inferences": ["tuned.steps=2"]},
    "code": {"entry": dataclasses.replace(TUNED, code="0ther")},
    "algorithm": {"entry": dataclasses.replace(TUNED, name="tuned2")},
}


def test_everything_that_changes_the_numbers_changes_the_id() -> None:
    ids = {name: one(**change).id for name, change in CHANGES.items()} | {"unchanged": one().id}
    assert len(set(ids.values())) == len(ids)
    elsewhere = {name: dataclasses.replace(task, suite="caves") for name, task in SUITE.tasks.items()}
    other = dataclasses.replace(SUITE, name="caves", tasks=elsewhere)
    assert plan(other, [TUNED], Request(tasks="small"))[0].id not in ids.values()


def test_what_does_not_change_the_numbers_does_not_change_the_id() -> None:
    run = one(overrides=["lr=0.3", "hidden=8"], inferences=["tuned.steps=1,2", "tuned.candidates=4"])
    again = one(overrides=["tuned.hidden=8", "lr=0.30"], inferences=["tuned.candidates=4", "tuned.steps=2,1"])
    assert run.id == again.id
    assert one(overrides=["lr=0.2"]).id == one().id  # the value that it has anyway
    assert one(dataclasses.replace(TUNED, source="elsewhere")).id == one().id
    alone, _ = plan(SUITE, [TUNED, PLAIN], Request(tasks="small"))
    assert alone.id == one().id  # whatever else was asked for


def repeated(run: Run, entry: Entry) -> Run:
    """What the command of a run asks for, read word by word."""
    words = shlex.split(run.command())
    assert words[:3] == ["bench", "run", "maze"]
    if words[3] == "--algorithm":
        assert words.pop(4) == entry.source
        words.pop(3)
    else:
        assert words.pop(3) == entry.name
    given: dict[str, list[str]] = {}
    for flag, text in zip(words[3::2], words[4::2], strict=True):
        given.setdefault(flag, []).append(text)
    request = Request(
        tasks=given.pop("--tasks")[0],
        seeds=parse_seeds(given.pop("--seeds")[0]),
        steps=int(given.pop("--steps")[0]),
        evaluations=int(given.pop("--evaluations")[0]),
        episodes=int(given.pop("--episodes")[0]),
        overrides=given.pop("--set", []),
        inferences=given.pop("--inference", []),
    )
    assert given == {}
    (again,) = plan(SUITE, [entry], request)
    return again


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"seeds": (8, 2, 5), "steps": 11, "evaluations": 3, "episodes": 7},
        {"overrides": ["lr=1e-5", "hidden=8", "clip=none", "wide=yes", "label=two words; and $more"]},
        {"overrides": ["hidden="]},
        {"overrides": ["hidden=8,9", "clip=0.1"]},
        {"inferences": ["{}.steps=1,2"]},
        {"inferences": ["{}.steps=8"]},
        {"inferences": ["{}.steps=1", "{}.candidates=4"]},
        {"inferences": ["{}.steps=1,2", "{}.candidates=1,4"]},
        {"inferences": ["{}.candidates=4,1", "{}.steps=1,8"]},
    ],
)
@pytest.mark.parametrize("entry", [TUNED, PLUGIN])
def test_the_command_of_a_run_asks_for_that_very_run(entry: Entry, request_: dict[str, Any]) -> None:
    request = dict(request_)
    if "inferences" in request:
        request["inferences"] = [item.format(entry.name) for item in request["inferences"]]
    run = one(entry, **request)
    again = repeated(run, entry)
    assert again.id == run.id
    assert again.config == run.config
    assert again.overrides == run.overrides
    assert set(again.inferences) == set(run.inferences)


def test_tasks_are_selected_by_globs_in_the_order_of_the_suite() -> None:
    def names(globs: str | None) -> list[str]:
        return [task.name for task, _ in select_tasks(SUITE, globs)]

    assert names(None) == ["small", "big", "big-dark", "long"]
    assert names("big*") == ["big", "big-dark"]
    assert names("long,small") == ["small", "long"]
    assert names("big,big*") == ["big", "big-dark"]


def test_evaluations_are_as_many_as_the_suite_says_or_as_far_apart() -> None:
    far = dataclasses.replace(SUITE, keep_interval=True)

    def evaluations(suite: Suite, steps: int) -> int:
        return len(plan(suite, [TUNED], Request(tasks="small", steps=steps))[0].eval_steps)

    assert evaluations(SUITE, SUITE.steps // 2) == SUITE.evaluations
    assert [evaluations(far, steps) for steps in (far.steps * 2, far.steps, far.steps // 2, 1)] == [
        far.evaluations * 2, far.evaluations, far.evaluations // 2, 1,
    ]  # fmt: skip


@pytest.mark.parametrize("globs", ["bigger", "big,huge*", "", "Big"])
def test_a_glob_without_a_match_is_refused(globs: str) -> None:
    with pytest.raises(UserError, match=r"no task of maze matches .* it has: small, big, big-dark, long"):
        select_tasks(SUITE, globs)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0-4", (0, 1, 2, 3, 4)),
        ("3", (3,)),
        ("0,2,7", (0, 2, 7)),
        ("7,2", (7, 2)),
        ("0-2,8,10-11", (0, 1, 2, 8, 10, 11)),
        ("5-5", (5,)),
    ],
)
def test_seeds_are_read(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a list of seeds; write 0-4 or 0,2,7"),
        ("a", "is not a list of seeds"),
        ("0-", "is not a list of seeds"),
        ("-1", "is not a list of seeds"),
        ("1,,2", "is not a list of seeds"),
        ("1-2-3", "is not a list of seeds"),
        ("0.5", "is not a list of seeds"),
        ("0 - 4", "is not a list of seeds"),
        ("4-0", "4-0 runs backwards; write 0-4"),
        ("0-4,2", "names a seed twice"),
        ("0-99999999999", "more than 10,000 seeds"),
    ],
)
def test_what_is_no_list_of_seeds_is_refused(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_seeds(text)
    assert words in str(caught.value)
    assert repr(text) in str(caught.value)


def test_a_run_says_whose_settings_it_has() -> None:
    assert one(PLAIN).settings == "paper"
    usual = dict(one().config)
    assert one(overrides=["lr=0.7"]).settings == "by hand"
    # a value that it has anyway changes nothing
    assert one(overrides=[f"lr={usual['lr']}"]).settings == one().settings
    assert one(task="long").settings == "suite"
