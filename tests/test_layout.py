"""Who may import whom, and what may not occur anywhere: read from the source, not from running it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from algorithms import ALGORITHMS, EXTERNAL
from bench.protocol import PROTOCOLS

ROOT = Path(__file__).parents[1]
PACKAGES = ("algorithms", "bench", "suites")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ALL = SOURCES + sorted((ROOT / "tests").rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def below(package: str) -> list[Path]:
    return [path for path in SOURCES if path.is_relative_to(ROOT / package)]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> set[str]:
    """All modules that a file imports, also inside functions; `from bench import x` counts as bench.x."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)} has a relative import; this test does not follow those"
            module = node.module or ""
            found |= {f"{module}.{a.name}" for a in node.names} if module in PACKAGES else {module}
    return found


def ours(path: Path) -> set[str]:
    return {module for module in imports(path) if module.split(".")[0] in PACKAGES}


def within(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def test_this_test_sees_the_files() -> None:
    names = {name(path) for path in SOURCES}
    assert {
        "bench/learner.py",
        "bench/executors/local.py",
        "algorithms/iql.py",
        "suites/__init__.py",
    } <= names
    assert "bench.algorithm" in ours(ROOT / "algorithms" / "iql.py")
    assert "bench.listing" in ours(ROOT / "bench" / "cli.py")


@pytest.mark.parametrize("path", below("algorithms"), ids=name)
def test_algorithms_import_only_what_an_author_must_read(path: Path) -> None:
    allowed = {"bench.algorithm", "bench.networks", "bench.losses", "bench.generative", "algorithms"}
    if path.name == "__init__.py":
        allowed = {"algorithms"}
    elif path.name == "d3rlpy_peers.py":  # it holds no algorithms, but the names of another library's
        allowed = {"bench.external"}
    assert [module for module in ours(path) if not within(module, allowed)] == []
    # A method that extends another names its class; the registry is for the harness.
    assert "algorithms.ALGORITHMS" not in ours(path)


@pytest.mark.parametrize("path", below("suites"), ids=name)
def test_suites_import_only_tasks_data_streams_and_errors(path: Path) -> None:
    allowed = {"bench.task", "bench.dataset", "bench.data", "bench.streams", "bench.errors", "suites"}
    assert [module for module in ours(path) if not within(module, allowed)] == []


@pytest.mark.parametrize("path", below("bench"), ids=name)
def test_only_the_command_lines_import_algorithms_and_suites(path: Path) -> None:
    # The second one is `python -m bench.speed`: it runs where the packages that bench/cli.py needs are missing.
    if name(path) == "bench/speed/__main__.py":
        assert [module for module in ours(path) if not within(module, {"bench", "algorithms"})] == []
    elif name(path) != "bench/cli.py":
        assert [module for module in ours(path) if not within(module, {"bench"})] == []


def test_nobody_imports_the_command_line() -> None:
    assert [name(path) for path in SOURCES if any(within(m, {"bench.cli"}) for m in imports(path))] == []


@pytest.mark.parametrize("path", ALL, ids=name)
def test_nothing_that_is_read_back_is_a_pickle(path: Path) -> None:
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert {module.split(".")[0] for module in imports(path)} & forbidden == set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("torch.load", "torch.save", "np.save", "pd.read_pickle"), (
                f"{name(path)}:{node.lineno}"
            )
            for keyword in node.keywords:
                allows = keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"
                assert not allows, f"{name(path)}:{node.lineno} allows pickles"


def texts(path: Path) -> Iterator[ast.Constant]:
    """String literals outside docstrings and outside the help texts of a command line."""
    module = tree(path)
    passed_over = set()
    for node in ast.walk(module):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            passed_over.add(body[0].value)
        if isinstance(node, ast.keyword) and node.arg in ("help", "metavar", "description"):
            passed_over |= set(ast.walk(node.value))
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in passed_over:
            yield node


@pytest.mark.parametrize("path", below("bench"), ids=name)
def test_the_harness_knows_no_algorithm_by_name(path: Path) -> None:
    """`if name == "rebrac"` in a training loop is how benchmarks become unfair."""
    registered = ALGORITHMS | EXTERNAL
    known = set(registered) | {algorithm.__name__ for algorithm in registered.values()}
    known |= {name.rpartition("/")[2] for name in EXTERNAL}
    for node in texts(path):
        words = set(node.value.replace(".", " ").replace("=", " ").split())
        if name(path) == "bench/protocol.py":  # where "fql" is the protocol that its paper reports by
            words -= set(PROTOCOLS)
        assert not words & known, f"{name(path)}:{node.lineno} says {words & known}"


def test_the_search_for_names_finds_them(tmp_path: Path) -> None:
    path = tmp_path / "loop.py"
    path.write_text(
        '"""About iql."""\nif name == "iql":\n    add(help="such as iql.lr=1")\n    say("iql.lr")\n'
    )
    assert [node.value for node in texts(path)] == ["iql", "iql.lr"]


def test_every_file_has_a_name_that_says_what_it_holds() -> None:
    nameless = {"utils.py", "util.py", "common.py", "helpers.py", "misc.py", "base.py", "core"}
    assert [name(path) for path in SOURCES if path.name in nameless] == []
    assert [name(path) for path in (ROOT / "bench").rglob("core") if path.is_dir()] == []


def test_training_and_statistics_do_not_load_the_packages_of_suites() -> None:
    code = (
        "import sys, bench.learner, bench.stats, bench.report, bench.runner, bench.dataset\n"
        "heavy = {'minari', 'mujoco', 'd3rlpy', 'ogbench', 'gymnasium_robotics', 'dm_control', 'jax'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_packages_of_suites_are_imported_where_they_are_used() -> None:
    optional = {"minari", "mujoco", "d3rlpy", "ogbench", "gymnasium_robotics", "dm_control"}
    for path in SOURCES:
        for node in tree(path).body:
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {module.split(".")[0] for module in modules} & optional, name(path)


def test_every_folder_with_code_is_part_of_the_installed_package() -> None:
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {str(path.parent.relative_to(ROOT)).replace("/", ".") for path in SOURCES}
    assert folders == set(declared)
