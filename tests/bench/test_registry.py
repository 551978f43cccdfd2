"""Algorithms are found by name or in a file, and what goes wrong is said with the place."""

from pathlib import Path

import pytest

from algorithms import ALGORITHMS
from bench.algorithm import Algorithm
from bench.errors import UserError
from bench.registry import code_hash, find_algorithm
from bench.settings import task_settings

GOOD = """
from dataclasses import dataclass

from bench.algorithm import Algorithm, BaseConfig


@dataclass(frozen=True)
class Config(BaseConfig):
    lr: float = 0.1


class Mine(Algorithm):
    Config = Config

    def act(self, nets, obs, noise, inference):
        return nets.actor(obs)


class Yours(Mine):
    pass


SETTINGS = {"maze/*": {"lr": 0.5}}
number = 3
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a file into the working folder and gives its name."""
    monkeypatch.chdir(tmp_path)

    def write_file(text: str, name: str = "plugin.py") -> str:
        (tmp_path / name).write_text(text)
        return name

    return write_file


def said(source: str) -> str:
    with pytest.raises(UserError) as caught:
        find_algorithm(source, ALGORITHMS)
    return str(caught.value)


def test_a_registered_algorithm_is_found_by_name() -> None:
    entry = find_algorithm("iql", ALGORITHMS)
    assert entry.algorithm is ALGORITHMS["iql"]
    assert (entry.name, entry.source) == ("iql", "iql")
    assert entry.code == code_hash(ALGORITHMS["iql"])


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known() -> None:
    message = said("iqll")
    assert "unknown algorithm 'iqll'; did you mean 'iql'?" in message
    assert all(name in message for name in ALGORITHMS)


def test_a_class_in_a_file_is_found_and_named_after_both(write) -> None:
    entry = find_algorithm(write(GOOD) + ":Mine", ALGORITHMS)
    assert issubclass(entry.algorithm, Algorithm)
    assert entry.algorithm.__name__ == "Mine"
    assert (entry.name, entry.source) == ("plugin.Mine", "plugin.py:Mine")
    assert entry.algorithm().config.lr == 0.1


def test_the_same_file_gives_the_same_class_however_its_path_is_written(write, tmp_path: Path) -> None:
    relative = find_algorithm(write(GOOD) + ":Mine", ALGORITHMS)
    absolute = find_algorithm(f"{tmp_path}/plugin.py:Mine", ALGORITHMS)
    assert relative.algorithm is absolute.algorithm
    assert relative.code == absolute.code


def test_files_of_the_same_name_in_different_folders_do_not_collide(write, tmp_path: Path) -> None:
    write(GOOD)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "plugin.py").write_text(GOOD.replace("0.1", "0.2"))
    first = find_algorithm("plugin.py:Mine", {}).algorithm
    second = find_algorithm("other/plugin.py:Mine", {}).algorithm
    assert (first().config.lr, second().config.lr) == (0.1, 0.2)


def test_a_plugin_s_own_settings_are_found(write) -> None:
    algorithm = find_algorithm(write(GOOD) + ":Mine", {}).algorithm
    assert task_settings(algorithm, "maze/big") == [("SETTINGS of the algorithm's file", {"lr": 0.5})]
    assert task_settings(algorithm, "gym/hopper") == []


def test_a_missing_file_is_said(write) -> None:
    assert "nowhere.py does not exist" in said("nowhere.py:Mine")
    assert "my_algo.py:MyAlgo" in said("nowhere.py:Mine")


def test_a_file_without_the_ending_py_is_refused(write) -> None:
    assert "plugin.txt is not a Python file" in said(write(GOOD, "plugin.txt") + ":Mine")


def test_a_wrong_class_is_answered_with_the_nearest(write) -> None:
    message = said(write(GOOD) + ":Mien")
    assert "unknown class in plugin.py: 'Mien'; did you mean 'Mine'?" in message
    assert message.endswith("Known: Mine, Yours")


@pytest.mark.parametrize("name", ["number", "Config"])
def test_what_is_no_algorithm_is_told_how_to_become_one(write, name: str) -> None:
    message = said(write(GOOD) + f":{name}")
    assert f"plugin.py:{name} is not an algorithm; derive it from bench.algorithm.Algorithm" in message


def test_a_syntax_error_is_said_with_its_line(write, tmp_path: Path) -> None:
    write("x = 1\ny = (2, 3)\nz = = 3\n")
    assert said("plugin.py:Mine").startswith("plugin.py:3 does not import: SyntaxError")
    assert f"{tmp_path}/plugin.py:3 " in said(f"{tmp_path}/plugin.py:Mine")


def test_a_file_that_raises_at_import_is_said_with_its_line(write, tmp_path: Path) -> None:
    write("import json\n\n\ndef start():\n    return json.loads('{')\n\n\nstart()\n")
    for path in ("plugin.py", f"{tmp_path}/plugin.py", "./plugin.py"):
        message = said(f"{path}:Mine")
        assert "plugin.py:5 does not import: JSONDecodeError" in message, path


def test_an_import_of_a_package_that_is_missing_is_said_with_its_line(write) -> None:
    write("x = 1\nimport no_such_package\n")
    message = said("plugin.py:Mine")
    assert "plugin.py:2 does not import: ModuleNotFoundError" in message
    assert "no_such_package" in message


def test_a_syntax_error_in_another_file_is_not_blamed_on_a_line_of_this_one(write, monkeypatch) -> None:
    write("x = = 1\n", "half_done.py")
    write("\n\nimport half_done\n")
    monkeypatch.syspath_prepend(".")
    assert said("plugin.py:Mine").startswith("plugin.py:3 does not import: SyntaxError")


def test_a_file_that_failed_is_read_again_when_it_is_mended(write) -> None:
    write("raise ValueError\n")
    said("plugin.py:Mine")
    assert find_algorithm(write(GOOD) + ":Mine", {}).name == "plugin.Mine"


def code(write, text: str, name: str) -> str:
    return find_algorithm(write(text, f"{name}.py") + ":Mine", {}).code


def test_the_hash_of_the_code_is_blind_to_comments_docstrings_and_layout(write) -> None:
    first = code(write, GOOD, "first")
    commented = GOOD.replace("lr: float = 0.1", "lr: float = 0.1  # Adam\n    # more")
    assert code(write, commented, "commented") == first
    assert code(write, GOOD.replace("\n\n\n", "\n\n\n\n\n"), "spaced") == first
    documented = '"""A file."""\n' + GOOD.replace(
        "class Mine(Algorithm):", 'class Mine(Algorithm):\n    """Mine."""'
    )
    assert code(write, documented, "documented") == first
    reworded = documented.replace('"""Mine."""', '"""Mine,\n    and only mine."""')
    assert code(write, reworded, "reworded") == first
    only = GOOD.replace("    pass", '    """Only a docstring."""')
    assert code(write, only, "only") == first


def test_the_hash_of_the_code_is_sensitive_to_code(write) -> None:
    texts = {
        "first": GOOD,
        "number": GOOD.replace("0.1", "0.2"),
        "name": GOOD.replace("nets.actor", "nets.critic"),
        "settings": GOOD.replace("0.5", "0.6"),
        "text": GOOD.replace("maze/*", "maze/big"),
    }
    assert len({code(write, text, name) for name, text in texts.items()}) == len(texts)
