"""Algorithms and suites by name; algorithms also as `path.py:Class`."""

import ast
import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.algorithm import Algorithm
from bench.errors import UserError, unknown


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


def code_hash(algorithm: type[Algorithm]) -> str:
    """Hash of the file that defines an algorithm, blind to comments, docstrings and layout.

    Also blind to SCALING: which values `bench scaling` compares does not change what a run computes, and
    runs that are finished stay finished when a value is added.
    """
    tree = ast.parse(Path(inspect.getfile(algorithm)).read_text())
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="bench.algorithm"):
                node.names = [alias for alias in node.names if alias.name != "Scaling"]
        match getattr(node, "body", None):
            case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                node.body = rest or [ast.Pass()]  # type: ignore[attr-defined]
        match getattr(node, "body", None):
            case [*items]:
                node.body = [item for item in items if not _is_scaling(item)] or [ast.Pass()]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def _is_scaling(statement: ast.AST) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id="SCALING")]):
            return True
        case _:
            return False


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
        except (Exception, SystemExit) as error:  # anything may happen in somebody's file
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
