"""No file of ours can run a stranger's code: nothing unpickles, evaluates or unpacks, and downloads stay on https."""

import ast
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.request import Request

import pytest

from bench.data import download
from bench.data.fetch import fetch
from bench.data.lock import Lock
from bench.data.source import File, Source
from bench.errors import UserError
from suites import SUITES

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path for package in ("algorithms", "bench", "suites") for path in (ROOT / package).rglob("*.py")
)

# Own processes of one command exchange pickles through `multiprocessing` and `concurrent.futures`, and d3rlpy and
# Minari may use them inside; no file of a stranger's passes there.
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "pandas.read_pickle", "builtins.eval",
    "builtins.exec", "builtins.compile", "subprocess.getoutput", "subprocess.getstatusoutput", "runpy.run_path",
}  # fmt: skip
METHODS = {"extractall", "read_pickle", "exec_module"}
NEEDED = {  # what these have to be given, always in plain sight
    "torch.load": ("weights_only", True),
    "numpy.load": ("allow_pickle", False),
}
ALLOWED = {
    (
        "bench/registry.py",
        "exec_module",
    ): "an algorithm of FILE.py:CLASS, which the user names on the command line",
}


def findings(text: str) -> Iterator[str]:
    """What of the source can run code that it reads: names of modules and calls, whatever they are called here."""
    tree = ast.parse(text)
    names: dict[str, str] = {}  # as used here -> in full
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
                if MODULES & set(alias.name.split(".")):
                    yield alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names[alias.asname or alias.name] = full
                if MODULES & set(full.split(".")):
                    yield full
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and (called := _full(node.value, names)) in (CALLS | set(NEEDED)):
            yield f"{called} under another name"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = _full(node.func, names)
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if called in CALLS:
            yield called
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            yield node.func.attr
        if called in NEEDED:
            option, value = NEEDED[called]
            if not (option in given and _is(given[option], value)):
                yield f"{called} without {option}={value}"
        if "shell" in given and not _is(given["shell"], False):
            yield "shell=True"
        if "allow_pickle" in given and not _is(given["allow_pickle"], False):
            yield "allow_pickle=True"
        if called in ("getattr", "importlib.import_module") and MODULES & _texts(node):
            yield f"{called} of one of these modules"


def _full(node: ast.AST, names: dict[str, str]) -> str:
    """`np.load` -> numpy.load."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_full(node.value, names)}.{node.attr}"
    return "?"


def _is(node: ast.AST, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _texts(node: ast.Call) -> set[str]:
    return {
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_is_read_can_run(path: Path) -> None:
    where = str(path.relative_to(ROOT))
    assert [found for found in findings(path.read_text()) if (where, found) not in ALLOWED] == []


def test_every_exception_is_still_needed() -> None:
    for where, found in ALLOWED:
        assert found in findings((ROOT / where).read_text())


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from pickle import loads as l", "import numpy as np\nnp.load(f)", "import joblib as j",
        "from numpy import load\nload(f, allow_pickle=True)", "import torch\ntorch.load(f, weights_only=False)",
        "import torch as t\nt.load(f)", "eval(x)", "import pandas as pd\npd.read_pickle(f)",
        "import subprocess as s\ns.run(x, shell=True)", "import tarfile\ntarfile.open(f).extractall()",
        "import yaml", "load = eval", "import importlib\nimportlib.import_module('pickle')", "from six.moves import cPickle",
        "h5.read(f, allow_pickle=flag)",
    ],
)  # fmt: skip
def test_the_search_sees_what_is_not_allowed_under_any_name(text: str) -> None:
    assert list(findings(text))


def test_the_search_leaves_sound_code_alone() -> None:
    sound = "import re, numpy as np, torch\nre.compile(x)\nnp.load(f, allow_pickle=False)\ntorch.load(f, weights_only=True)"
    assert list(findings(sound)) == []


def source(folder: Path, url: str) -> Source:
    return Source("maze", "easy-v0", (File("a.npz", url),), lambda: folder, lambda _: [])


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a.npz", "data:,x"])
def test_a_server_cannot_send_a_download_elsewhere_than_to_the_web(tmp_path: Path, target: str) -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *values: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(UserError):
            fetch(
                source(tmp_path / "d", f"http://127.0.0.1:{server.server_address[1]}/a.npz"),
                Lock(tmp_path / "l"),
            )
        server.shutdown()
    assert list((tmp_path / "d").iterdir()) == []


@pytest.mark.parametrize(
    ("before", "after", "followed"),
    [
        ("https://a/x", "https://b/x", True), ("https://a/x", "http://a/x", False), ("http://m/x", "http://n/x", True),
        ("http://m/x", "https://m/x", True), ("https://a/x", "ftp://a/x", False),
    ],
)  # fmt: skip
def test_a_download_that_began_on_https_stays_there(before: str, after: str, followed: bool) -> None:
    redirects = download._Redirects()
    if followed:
        new = redirects.redirect_request(Request(before), None, 302, "Found", {}, after)
        assert new is not None
        assert new.full_url == after
    else:
        with pytest.raises(UserError, match="redirects to"):
            redirects.redirect_request(Request(before), None, 302, "Found", {}, after)


@pytest.mark.parametrize(
    "url", ["http://example.org/a.npz", "file:///etc/passwd", "ftp://example.org/a.npz", ""]
)
def test_a_published_address_that_anybody_could_fake_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match=r"not https|no published URL"):
        fetch(source(tmp_path, url), Lock(tmp_path / "lock"))


def test_every_published_address_of_the_suites_is_https() -> None:
    sources = {
        task.source.id: task.source
        for suite in SUITES.values()
        for task in suite.tasks.values()
        if task.source
    }
    urls = [file.url for source in sources.values() for file in source.files]
    assert urls
    assert {url.partition("://")[0] for url in urls if url} == {"https"}
