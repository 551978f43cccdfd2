"""Which value a run uses, who said so, and how text becomes a value."""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import pytest

from bench import settings
from bench.algorithm import Algorithm, BaseConfig, Settings
from bench.errors import UserError


@dataclass(frozen=True)
class Config(BaseConfig):
    lr: float = 0.1
    layers: int = 2
    wide: bool = False
    kind: Literal["mean", "min"] = "mean"
    level: Literal[1, 2, 4] = 1
    hidden: tuple[int, ...] = (256, 256)
    rates: tuple[float, ...] = ()
    clip: float | None = None
    name: str = "relu"

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"lr={self.lr} is not positive; give a number above 0")


@dataclass(frozen=True)
class Inference:
    steps: int = 8
    candidates: int = 1


class Tuned(Algorithm):
    Config = Config
    Inference = Inference

    def check_inference(self, inference: Any) -> None:
        if inference.steps > 8:
            raise ValueError(f"steps={inference.steps} is more than 8; give 8 or fewer")


class Plain(Algorithm):
    """Has no options of its own."""


BOTH = {"tuned": Tuned, "plain": Plain}


@pytest.fixture
def table() -> Iterator[dict[str, Mapping[str, Any]]]:
    """What the SETTINGS of the module in which Tuned is defined say, from the one source "paper"."""
    module: ModuleType = sys.modules[__name__]
    entries: dict[str, Mapping[str, Any]] = {}
    module.SETTINGS = [Settings("paper", entries)]  # type: ignore[attr-defined]
    yield entries
    del module.SETTINGS  # type: ignore[attr-defined]


def resolve(
    suite: Mapping[str, Any] | None = None,
    task: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    task_id: str = "maze/big",
) -> settings.Resolved:
    return settings.resolve("tuned", Tuned, task_id, {"suite": suite or {}, "task": task or {}}, user or {})


def test_without_anything_else_the_defaults_hold_and_have_no_source() -> None:
    resolved = resolve()
    assert resolved.config == Config()
    assert resolved.sources == {}


def test_the_nearer_source_wins_and_is_named(table: dict[str, Any]) -> None:
    suite, task = {"layers": 3}, {"layers": 4}
    assert resolve(suite).config.layers == 3
    assert resolve(suite).sources == {"layers": "suite"}
    assert resolve(suite, task).config.layers == 4
    assert resolve(suite, task).sources == {"layers": "task"}
    table["maze/*"] = {"layers": 5}
    assert resolve(suite, task).config.layers == 5
    assert resolve(suite, task).sources == {"layers": "paper"}
    assert resolve(suite, task, {"layers": 6}).config.layers == 6
    assert resolve(suite, task, {"layers": 6}).sources == {"layers": "user"}


def test_sources_name_every_option_that_somebody_set(table: dict[str, Any]) -> None:
    table["maze/*"] = {"clip": 1.0}
    resolved = resolve({"lr": 0.3}, {"wide": True}, {"name": "gelu"})
    assert resolved.sources == {"lr": "suite", "wide": "task", "clip": "paper", "name": "user"}
    assert resolved.config == Config(lr=0.3, wide=True, clip=1.0, name="gelu")


def test_every_glob_that_matches_counts_and_a_later_one_overrides(table: dict[str, Any]) -> None:
    table.update({"*": {"layers": 7}, "maze/*": {"layers": 6, "wide": True}, "maze/b*": {"layers": 5}})
    assert resolve(task_id="maze/big").config == Config(layers=5, wide=True)
    assert resolve(task_id="maze/small").config == Config(layers=6, wide=True)
    assert resolve(task_id="gym/hopper").config == Config(layers=7)


def test_the_copy_of_the_data_does_not_matter_for_the_settings_of_a_task(table: dict[str, Any]) -> None:
    table["maze/big"] = {"layers": 5}
    assert resolve(task_id="maze/big@made-3ep-1a2b3c4d").config == Config(layers=5)


def test_of_several_sources_the_last_that_sets_an_option_is_named(table: dict[str, Any]) -> None:
    table["maze/*"] = {"layers": 5, "wide": True}
    module: Any = sys.modules[__name__]
    module.SETTINGS.append(Settings("its code", {"maze/big": {"layers": 6}}))
    assert resolve().sources == {"layers": "its code", "wide": "paper"}
    rows = settings.explain("tuned", Tuned, "maze/big", {"suite": {"lr": 0.3}, "task": {}}, {})
    assert [row[0] for row in rows] == [field.name for field in dataclasses.fields(Config)]
    found = {option: (value, source) for option, value, source in rows}
    assert found["layers"] == (6, "its code")
    assert found["wide"] == (True, "paper")
    assert found["lr"] == (0.3, "suite")
    assert found["name"] == ("relu", "default")


def test_a_plain_dict_of_settings_will_do(table: dict[str, Any]) -> None:
    module: Any = sys.modules[__name__]
    module.SETTINGS = {"maze/*": {"layers": 5}}
    assert resolve().sources == {"layers": "SETTINGS of the algorithm's file"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": 0.5},
        [{"maze/*": {"lr": 0.5}}],
        Settings("paper", {"maze/*": {"lr": 0.5}}),
        [Settings("paper", {"gym/*": 0.5})],  # type: ignore[dict-item]
    ],
    ids=["no globs", "dicts in a list", "no list", "no options"],
)
def test_settings_of_another_form_are_refused_and_say_the_right_one(
    table: dict[str, Any], wrong: Any
) -> None:
    module: Any = sys.modules[__name__]
    module.SETTINGS = wrong
    with pytest.raises(UserError, match=r"of Tuned has .* or \{glob: \{option: value\}\}; mend SETTINGS"):
        resolve()


def test_a_suite_s_option_that_the_algorithm_lacks_is_passed_over() -> None:
    resolved = resolve({"discount": 0.9})
    assert resolved.config == Config()
    assert resolved.sources == {}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("batch_size", 0, "tuned.batch_size = 0 cannot be used; give a whole number of at least 1"),
        (
            "hidden",
            (64, -3),
            "tuned.hidden = '64,-3' cannot be used; give sizes of at least 1, such as 64,64",
        ),
        ("hidden", (0,), "tuned.hidden = '0' cannot be used"),
    ],
)
def test_a_value_that_training_could_not_use_is_refused_before_it(
    option: str, value: Any, words: str
) -> None:
    with pytest.raises(UserError) as error:
        settings.resolve("tuned", Tuned, "a/b", {}, {option: value})
    assert words in str(error.value)


@pytest.mark.parametrize(("option", "worst"), [("discount", 1.5), ("target_rate", -0.1), ("lr", -1.0)])
def test_rates_and_discounts_have_limits_which_are_allowed_themselves(option: str, worst: float) -> None:
    config = dataclasses.make_dataclass("Own", [(option, float, 0.5)], bases=(BaseConfig,), frozen=True)
    own = type("Own", (Algorithm,), {"Config": config})
    for value in (0.0, 1.0):
        assert getattr(settings.resolve("own", own, "a/b", {}, {option: value}).config, option) == value
    with pytest.raises(UserError, match=f"own.{option} = {worst} cannot be used; give a number"):
        settings.resolve("own", own, "a/b", {}, {option: worst})


def test_an_author_s_option_of_another_kind_has_no_limits() -> None:
    options = [("hidden", str, "64x64"), ("lr", tuple, (1e-3, 0.0)), ("discount", str, "none")]
    config = dataclasses.make_dataclass("Own", options, bases=(BaseConfig,), frozen=True)
    own = type("Own", (Algorithm,), {"Config": config})
    assert settings.resolve("own", own, "a/b", {}, {}).config.hidden == "64x64"


def test_a_value_that_the_configuration_refuses_is_said_with_the_algorithm() -> None:
    with pytest.raises(UserError, match=r"tuned: lr=-1.0 is not positive; give a number above 0"):
        resolve(user={"lr": -1.0})


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("layers", "3", 3),
        ("layers", "-1", -1),
        ("lr", "3e-4", 3e-4),
        ("lr", "1", 1.0),
        ("wide", "true", True),
        ("wide", "False", False),
        ("wide", "1", True),
        ("wide", "no", False),
        ("kind", "min", "min"),
        ("level", "4", 4),
        ("hidden", "64,32", (64, 32)),
        ("hidden", "64", (64,)),
        ("hidden", "", ()),
        ("rates", "0.5,1", (0.5, 1.0)),
        ("clip", "none", None),
        ("clip", "None", None),
        ("clip", "0.5", 0.5),
        ("name", "a text", "a text"),
        ("batch_size", "64", 64),
    ],
)
def test_text_becomes_a_value_of_the_declared_type(option: str, text: str, value: Any) -> None:
    found = settings.parse_option("tuned", Config, option, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("option", "text", "wanted"),
    [
        ("layers", "2.5", "a whole number"),
        ("layers", "", "a whole number"),
        ("lr", "fast", "a number"),
        ("lr", "nan", "a number"),
        ("lr", "-inf", "a number"),
        ("wide", "perhaps", "true or false"),
        ("kind", "max", "one of mean, min"),
        ("level", "3", "one of 1, 2, 4"),
        ("hidden", "64,x", "a list of whole numbers such as 64,64"),
        ("clip", "some", "a number or none"),
    ],
)
def test_text_that_is_no_such_value_is_refused_and_says_what_is(option: str, text: str, wanted: str) -> None:
    with pytest.raises(UserError) as caught:
        settings.parse_option("tuned", Config, option, text)
    assert f"tuned.{option} = {text!r} is not {wanted}; give {wanted}" in str(caught.value)


def test_an_unknown_option_lists_those_that_exist() -> None:
    with pytest.raises(UserError, match=r"tuned has no option 'layer'; it has: batch_size, clip, hidden"):
        settings.parse_option("tuned", Config, "layer", "2")


def test_an_override_with_a_name_goes_to_that_algorithm_alone() -> None:
    found = settings.parse_overrides(["tuned.batch_size=8", "tuned.lr=1"], BOTH)
    assert found == {"tuned": {"batch_size": 8, "lr": 1.0}, "plain": {}}


def test_an_override_without_a_name_goes_to_all_that_have_the_option() -> None:
    found = settings.parse_overrides(["batch_size=8", "lr=1"], BOTH)
    assert found == {"tuned": {"batch_size": 8, "lr": 1.0}, "plain": {"batch_size": 8}}


def test_the_last_of_two_overrides_wins_and_values_may_hold_an_equals_sign() -> None:
    found = settings.parse_overrides(["lr=1", "tuned.lr=2", "name=a=b"], BOTH)
    assert found["tuned"] == {"lr": 2.0, "name": "a=b"}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("lr", "--set 'lr' has no value; write --set ALGORITHM.OPTION=VALUE"),
        ("tunde.lr=1", "unknown algorithm 'tunde'; did you mean 'tuned'?"),
        ("layer=1", "unknown option 'layer'; did you mean 'layers'?"),
        ("plain.lr=1", "plain has no option 'lr'; it has: batch_size, normalize_obs"),
        ("lr=x", "tuned.lr = 'x' is not a number"),
    ],
)
def test_an_override_that_fits_nobody_is_refused(item: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        settings.parse_overrides([item], BOTH)
    assert words in str(caught.value)


def test_the_name_of_an_algorithm_may_hold_a_dot() -> None:
    found = settings.parse_overrides(["mine.Tuned.lr=1"], {"mine.Tuned": Tuned})
    assert found == {"mine.Tuned": {"lr": 1.0}}


def inferences(*items: str) -> list[Any]:
    return settings.parse_inferences(items, "tuned", Tuned())


def test_the_default_test_time_setting_is_always_evaluated_and_comes_first() -> None:
    assert inferences() == [Inference()]
    assert inferences("tuned.steps=1,2") == [Inference(), Inference(1), Inference(2)]
    assert inferences("tuned.steps=1,8") == [Inference(), Inference(1)]
    assert inferences("other.steps=1") == [Inference()]


def test_several_test_time_options_make_every_combination() -> None:
    found = inferences("tuned.steps=1,2", "tuned.candidates=1,4")
    assert found[0] == Inference()
    assert set(found) == {Inference(), *(Inference(s, c) for s in (1, 2) for c in (1, 4))}
    assert len(found) == 5


def test_a_test_time_setting_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(UserError, match="tuned: inference steps=16 is more than 8; give 8 or fewer"):
        inferences("tuned.steps=4,16")
    with pytest.raises(UserError, match="tuned has no option 'stepz'; it has: candidates, steps"):
        inferences("tuned.stepz=4")
    with pytest.raises(UserError, match=r"tuned\.steps = '' is not a whole number"):
        inferences("tuned.steps=1,,2")


@pytest.mark.parametrize("item", ["steps=1", "tuned.steps", "steps"])
def test_a_test_time_item_needs_an_algorithm_and_values(item: str) -> None:
    with pytest.raises(UserError, match=r"is not of the form ALGORITHM.OPTION=VALUE,VALUE"):
        settings.check_inference_items([item], list(BOTH))


def test_a_test_time_item_for_an_algorithm_that_does_not_run_is_refused() -> None:
    settings.check_inference_items(["tuned.steps=1"], list(BOTH))
    with pytest.raises(UserError, match="unknown algorithm 'tunde'; did you mean 'tuned'"):
        settings.check_inference_items(["tunde.steps=1"], list(BOTH))


def test_defaults_are_listed_and_a_missing_one_is_said() -> None:
    @dataclass(frozen=True)
    class Needy(BaseConfig):
        lr: float = 0.1
        size: tuple[int, ...] = ()

    @dataclass(frozen=True, kw_only=True)
    class Needier(Needy):
        beta: float

    assert settings.defaults(Needy) == dataclasses.asdict(BaseConfig()) | {"lr": 0.1, "size": ()}
    with pytest.raises(UserError, match=r"Needier.beta has no default value; every option needs one"):
        settings.defaults(Needier)
