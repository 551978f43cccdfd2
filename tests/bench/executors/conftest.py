"""What tests of executors share: a small command, carried out twice, whose records must be equal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from bench.cli import main

ROOT = Path(__file__).parents[3]


def records(results):
    """Evaluations without seconds, and weights as bytes, of every run."""
    found = {}
    for path in sorted(results.glob("runs/*/*/*/*")):
        lines = [json.loads(line) for line in (path / "evaluations.jsonl").read_text().splitlines()]
        weights = {name: value.tobytes() for name, value in load_file(path / "weights.safetensors").items()}
        found[path.parts[-3:]] = [[line | {"seconds": 0} for line in lines], weights]
    return found


@pytest.fixture
def same_records(tmp_path, monkeypatch):
    """A function: carries out algorithms here and with `options`; both records must be the same.
    It returns what the second command printed. sweep: values of an option to try, instead of a run."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    def compare(algorithms, options, steps=20, meanwhile=lambda results, command: None, sweep=None):
        command = [
            "sweep" if sweep else "run",
            "diagnostic",
            *algorithms,
            "--tasks",
            "gamble",
            "--seeds",
            "0-1",
        ]
        command += ["--space", sweep] if sweep else []
        command += ["--steps", str(steps), "--evaluations", "4", "--episodes", "2"]
        assert main([*command, "--jobs", "1", "--results", str(tmp_path / "here")]) == 0
        words = [sys.executable, "-m", "bench.cli", *command, *options, "--results", str(tmp_path / "there")]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                meanwhile(tmp_path / "there", process)
                printed = process.communicate()[0]
            finally:
                process.kill()
        assert process.returncode == 0, printed
        expected = records(tmp_path / "here")
        assert len(expected) == (sweep.count(",") + 2 if sweep else len(algorithms))
        assert records(tmp_path / "there") == expected
        assert not list((tmp_path / "there" / "plans").iterdir())
        return printed

    return compare
