"""Result files: with the rules of `submission/schema.py`, the only module that knows how they look.

    results/runs/<suite>/<task>/<algorithm>/<run id>/
        run.json            what was run, on what, with what; written when the run starts
        evaluations.jsonl   one line per (seed, step, inference setting), with every episode
        checkpoint*         where to continue, while the run is unfinished (bench/checkpoint.py)
        notes.txt           sentences for the summary, while the run is unfinished
        lock                who works on it, while somebody does (bench/lock.py)
        split.json          instead of run.json: its seeds did not fit into memory together, and are the
                            seeds of other runs (bench/splitting.py)
        error.txt           the trace of the exception that stopped it, until it is finished
        weights.safetensors the final parameters of all seeds
        summary.json        seconds, speed, diverged seeds, notes, updates after which it was resumed; its
                            presence means "finished"

A line of `evaluations.jsonl` has `seed, step, inference, status ("ok" or "diverged"), returns,
success, lengths (one number per episode; null for a diverged seed, success null where the task has
none), metrics, seconds`. Lines are appended and flushed, never rewritten. Other files there are those of
executors, see bench/executors/state.py.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UserError, printable
from bench.precision import DEFAULT_PRECISION
from bench.submission import schema

if TYPE_CHECKING:
    from bench.evaluate import Evaluation

FORMAT = schema.FORMAT
EVALUATION_SEEDS = "training seed and number of the episode"  # what start states and noise depend on
KINDS = schema.KINDS


@dataclass(frozen=True)
class RunRecord:
    """What the files of one run say."""

    path: Path
    info: Mapping[str, Any]  # run.json
    evaluations: list[dict[str, Any]]
    summary: Mapping[str, Any] | None  # None: not finished

    @property
    def finished(self) -> bool:
        return self.summary is not None


def run_path(results: Path, suite: str, task: str, algorithm: str, run_id: str) -> Path:
    """The folder of a run; a `/` in the name of an algorithm opens no folder of its own."""
    return results / "runs" / suite / task / algorithm.replace("/", "-") / run_id


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say in one sentence that something could not be written into the folder of a run. Raises UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write into {folder} ({error.strerror or error}); what is recorded there stays valid. "
            "Free space or make it writable and give the same command again, or choose another --results"
        ) from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a whole JSON file at once: after a crash there is the old one or the new one, never half."""
    write_whole(path, [(json.dumps(content, indent=1, allow_nan=False) + "\n").encode()])


def write_whole(path: Path, content: Iterable[bytes | memoryview]) -> None:
    """Write a file that is on the disk, all of its pieces, when it has its name."""
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names of new files on the disk; nothing happens where a folder cannot be opened for that."""
    with suppress(PermissionError):  # Windows
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append_note(folder: Path, sentence: str) -> None:
    """Keep a sentence for the summary of a run."""
    with open(folder / "notes.txt", "a") as file:
        file.write(sentence + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_notes(folder: Path) -> list[str]:
    """What `append_note` has kept, each once."""
    file = folder / "notes.txt"
    return list(dict.fromkeys(file.read_text().splitlines())) if file.exists() else []


def evaluation_lines(
    seeds: Sequence[int],
    step: int,
    setting: Mapping[str, Any],
    result: "Evaluation",
    metrics: Sequence[Mapping[str, float]] | None,
    seconds: float,
) -> list[dict[str, Any]]:
    """The lines of one evaluation of all seeds after `step` updates, which took so many seconds."""
    lines = []
    for row, seed in enumerate(seeds):
        lost = bool(result.diverged[row])
        line = {"seed": seed, "step": step, "inference": setting, "status": "diverged" if lost else "ok"}
        columns = {"returns": result.returns, "success": result.success, "lengths": result.lengths}
        line |= {name: None if lost else values[row].tolist() for name, values in columns.items()}
        line["metrics"] = dict(sorted(metrics[row].items())) if metrics else {}
        lines.append(line | {"seconds": round(seconds / len(seeds), 4)})
    return lines


def append_evaluations(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Append lines to the evaluations of the run in `path` and push them to the disk."""
    file_path = path / "evaluations.jsonl"
    new = not file_path.exists()
    with open(file_path, "a") as file:
        for line in lines:
            file.write(json.dumps(_finite(line), allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync_folder(path)


def drop_cut_line(path: Path) -> None:
    """Remove an unfinished last line, which a killed run may have left, so that appending is safe."""
    if ends_cut(path):
        file = path / "evaluations.jsonl"
        with open(file, "r+b") as open_file:
            open_file.truncate(file.read_bytes().rfind(b"\n") + 1)


def ends_cut(path: Path) -> bool:
    """Whether the last line of the evaluations in `path` is unfinished."""
    try:
        with open(path / "evaluations.jsonl", "rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read() != b"\n"
    except FileNotFoundError:
        return False


def read_run(path: Path) -> tuple[RunRecord | None, list[str]]:
    """One run, and what could not be read of it: each problem is a sentence that names the file.

    Files may be a stranger's: entries are of the kinds that `submission/schema.py` names, where they are
    there at all, and texts hold nothing that a terminal obeys.
    """
    problems: list[str] = []
    info = _read_json(path / "run.json", schema.kept_run_faults, problems)
    if info is None:
        return None, problems
    there = (path / "summary.json").exists()
    summary = _read_json(path / "summary.json", schema.summary_faults, problems) if there else None
    evaluations = _read_lines(path / "evaluations.jsonl", problems)
    return RunRecord(path, info, evaluations, summary), problems


def read_runs(results: str | Path, suite: str | None = None) -> tuple[list[RunRecord], list[str]]:
    """Every readable run below `results` (of one suite), in the order of their paths, and all problems."""
    root = Path(results) / "runs"
    runs: list[RunRecord] = []
    problems: list[str] = []
    for file in sorted(root.glob(f"{suite or '*'}/*/*/*/run.json")):
        run, said = read_run(file.parent)
        problems += said
        if run is not None:
            runs.append(run)
    return runs, problems


def inference_label(inference: Mapping[str, Any]) -> str:
    """`{"steps": 8, "candidates": 1}` as `steps=8,candidates=1`; empty for an algorithm without settings."""
    return ",".join(f"{key}={value}" for key, value in inference.items())


def no_runs(results: str | Path, suite: str | None) -> UserError:
    """The error for a results folder without the runs that were asked for."""
    return UserError(f"no runs of {suite or 'any suite'} in {results}. Run: bench run {suite or 'SUITE'}")


def scored(line: Mapping[str, Any], reference: Mapping[str, Any]) -> list[float]:
    """What of the episodes of a line is scored, unscaled: their returns, or 0 and 1 for their successes."""
    if reference.get("of") != "success":
        return line["returns"]
    if line["success"] is None:
        raise ValueError("its score is success, and no success is recorded")
    return [float(won) for won in line["success"]]


def settings_kind(info: Mapping[str, Any]) -> str:
    """Whose settings a run has.

    "paper": the defaults and SETTINGS of the algorithm's file. "suite": some are the suite's or the task's.
    "by hand": some were given on the command line and differ from those. "trial": one of a sweep. "tuned":
    the best of a sweep, run again with fresh seeds. Records from before this was recorded say which options
    were given by hand, but not whether they differ.
    """
    if "settings" in info:
        return str(info["settings"])
    if info["overrides"]:
        return "by hand"
    return "suite" if {"suite", "task"} & set(info.get("sources", {}).values()) else "paper"


def variant_label(info: Mapping[str, Any]) -> str:
    """The settings of a run that were given by hand, as one short text; empty for none.

    Those that a sweep chose differ from task to task and are named by what they cost, `tuned, 6 trials`.
    """
    if settings_kind(info) == "tuned" and isinstance(sweep := info.get("sweep"), dict):
        rest = {key: value for key, value in info["overrides"].items() if key not in sweep.get("chosen", {})}
        others = variant_label({**info, "settings": "by hand", "overrides": rest})
        return f"tuned, {sweep.get('trials')} trials" + (f", {others}" if others else "")
    task = {f"task.{key}": value for key, value in info.get("task_options", {}).items()}
    precision = info.get("precision", DEFAULT_PRECISION)
    given = task | info["overrides"] | ({} if precision == DEFAULT_PRECISION else {"precision": precision})
    return ",".join(f"{key}={value}" for key, value in sorted(given.items()))


def _read_json(
    path: Path, faults: Callable[[Mapping[str, Any]], Iterable[str]], problems: list[str]
) -> dict[str, Any] | None:
    try:
        content = _parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        problems.append(printable(f"{path} cannot be read ({error}); it is left out"))
        return None
    if not isinstance(content, dict):
        problems.append(printable(f"{path} holds no JSON object; it is left out"))
        return None
    if said := next(iter(faults(content)), ""):
        problems.append(printable(f"{path} is damaged and left out: {said}"))
        return None
    return content


def _read_lines(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines = []
    try:
        texts = path.read_bytes().splitlines()
    except OSError as error:
        problems.append(printable(f"{path} cannot be read ({error}); it is left out"))
        return []
    for number, text in enumerate(texts, 1):
        try:
            content = _parse(text.decode("utf-8"))
            line = {key: content[key] for key in _LINE} | {"metrics": content.get("metrics", {})}
            if said := next(schema.kept_line_faults(line), ""):
                raise ValueError(said)
            lines.append(line)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            said = f" ({error})" if type(error) is ValueError else ""
            problems.append(
                printable(
                    f"{path}, line {number} is damaged and left out{said}; run the same command again to "
                    "complete it"
                )
            )
    return lines


def _parse(text: str) -> Any:
    """The content of JSON, with printable texts. Raises ValueError for what is none, RecursionError for what
    is nested too deeply.
    """
    value = json.loads(text)
    plain = "\\" not in text and text.replace("\n", "").isprintable()  # no string of JSON holds a line break
    return value if plain else _printable(value)


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return printable(value) if isinstance(value, str) else value


_LINE = ("seed", "step", "inference", "status", "returns", "success", "lengths", "seconds")


def _finite(value: Any) -> Any:
    """The same structure with null for numbers that JSON has no word for."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
