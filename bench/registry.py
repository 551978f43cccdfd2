"""Algorithms by name or by glob, and as `path.py:Class`."""

import ast
import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from bench.algorithm import Algorithm
from bench.errors import UserError, unknown
from bench.external import External


@dataclass(frozen=True)
class Entry:
    """An algorithm that was looked up: name in records, how to find it again, class, hash of its code."""

    name: str
    source: str
    algorithm: type[Algorithm]
    code: str


def find_algorithm(source: str, registered: Mapping[str, type[Algorithm]]) -> Entry:
    """The algorithm called `source`, or the class of `path.py:Class`.

    Raises UserError where there is none, or where the file does not import.
    """
    if ":" in source:
        path, _, class_name = source.rpartition(":")
        algorithm = _load(Path(path), class_name)
        return Entry(f"{Path(path).stem}.{class_name}", source, algorithm, code_hash(algorithm))
    if source.endswith(".py"):
        raise UserError(f"{source} names no class; give a Python file and a class: {source}:MyAlgo")
    if source not in registered:
        raise unknown("algorithm", source, registered)
    return Entry(source, source, registered[source], code_hash(registered[source]))


def find_algorithms(sources: Sequence[str], registered: Mapping[str, type[Algorithm]]) -> list[Entry]:
    """All algorithms of these sources, which may also be globs of names; each once.

    As in a shell, `*` does not pass a `/`. Raises UserError where one is not found or a glob has no match.
    """
    names = [name for source in sources for name in _matches(source, registered)]
    return list(
        {entry.name: entry for name in names for entry in [find_algorithm(name, registered)]}.values()
    )


def _matches(source: str, registered: Mapping[str, type[Algorithm]]) -> Iterator[str]:
    if ":" in source or not set("*?[") & set(source):
        yield source
        return
    found = [n for n in registered if fnmatchcase(n, source) and n.count("/") == source.count("/")]
    if not found:
        raise unknown("algorithm", source, registered)
    yield from found


def packages(algorithm: type[Algorithm]) -> Mapping[str, str]:
    """The versions of the packages whose code an algorithm is; none for one of this project."""
    return algorithm.packages() if issubclass(algorithm, External) else {}


def code_hash(algorithm: type[Algorithm]) -> str:
    """Hash of the file that defines an algorithm, and of those of the algorithms that it extends; blind to
    comments, docstrings and layout. For one of another library: of the files that adapt it, and the version.
    """
    if issubclass(algorithm, External):
        files = list(algorithm.sources())
    else:
        classes = [
            base for base in algorithm.__mro__ if issubclass(base, Algorithm) and base is not Algorithm
        ]
        files = list(dict.fromkeys(Path(inspect.getfile(base)) for base in classes))
    versions = "".join(f"{name}={version}" for name, version in packages(algorithm).items())
    return hashlib.sha256(("".join(map(_code, files)) + versions).encode()).hexdigest()[:16]


def _code(file: Path) -> str:
    """The syntax of a file, without docstrings."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        match getattr(node, "body", None):
            case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                node.body = rest or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _load(path: Path, class_name: str) -> type[Algorithm]:
    if not path.is_file():
        raise UserError(f"{path} does not exist; give a Python file and a class: my_algo.py:MyAlgo")
    name = f"plugin_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    module = sys.modules.get(name)
    if module is None:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise UserError(f"{path} is not a Python file; give a file that ends in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and SETTINGS are looked up here
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit, GeneratorExit) as error:  # anything may happen in somebody's file
            del sys.modules[name]
            line = _line_in(path, error)
            raise UserError(f"{path}{line} does not import: {type(error).__name__}: {error}") from error
    found = getattr(module, class_name, None)
    if found is None:
        classes = [n for n, v in vars(module).items() if inspect.isclass(v) and issubclass(v, Algorithm)]
        raise unknown(f"class in {path}:", class_name, set(classes) - {"Algorithm"})
    if not (inspect.isclass(found) and issubclass(found, Algorithm)):
        raise UserError(f"{path}:{class_name} is not an algorithm; derive it from bench.algorithm.Algorithm")
    return found


def _line_in(path: Path, error: BaseException) -> str:
    """`:12` for the last line of the file that the error passed through; empty where there is none."""
    name = os.path.abspath(path)  # what Python calls the file, however the user wrote it
    if isinstance(error, SyntaxError) and error.filename == name:
        return f":{error.lineno}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f":{lines[-1]}" if lines else ""
