"""Trials: what every setting of an algorithm reached on a task, from records or from a CSV.

A setting is one choice of options; it has one policy per training seed, and a policy may have episodes.
"""

import csv
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from bench.errors import UserError, printable, unknown
from bench.notes import missing
from bench.protocol import PROTOCOLS
from bench.records import RunRecord, no_runs, read_runs, scored, settings_kind
from bench.scores import Cell, Row, build, shorten

PROTOCOL = PROTOCOLS["final"]
LARGEST = 1e5  # points; what is beyond is no score on a scale whose best is 100


@dataclass(frozen=True)
class Policies:
    """All settings of one algorithm on one task, in the order of their names. Scores are 0..1."""

    settings: Sequence[str]
    sizes: Sequence[int]  # seeds of each setting
    scores: np.ndarray  # (P,) of each policy, those of one setting side by side
    episodes: Sequence[np.ndarray] | None  # scores of the recorded episodes of each policy; None: unknown


@dataclass(frozen=True)
class Trials:
    """All trials of a suite or of a file."""

    name: str
    policies: Mapping[tuple[str, str], Policies]  # by algorithm and task
    sentences: Sequence[str]  # what the scores are
    notes: Sequence[str]  # what of the records is damaged, unfinished, mixed or left out

    @property
    def algorithms(self) -> list[str]:
        return sorted({algorithm for algorithm, _ in self.policies})

    @property
    def tasks(self) -> list[str]:
        return sorted({task for _, task in self.policies})


Episodes = dict[tuple[str, str], dict[str, list[np.ndarray]]]  # (algorithm, task) -> setting -> of each seed


def from_records(
    results: Path, suite: str, tasks: Collection[str], algorithms: Sequence[str], globs: str | None
) -> Trials:
    """Every variant that was run on a task of the suite, under its default test-time setting.

    tasks: all of the suite. algorithms: only these; empty: all. Raises UserError where nothing is recorded.
    """
    runs, problems = read_runs(results, suite.partition("/")[0])
    runs = [run for run in runs if _base(str(run.info.get("task"))) in tasks]
    if not runs:
        raise no_runs(results, suite)
    names = {str(run.info.get("algorithm")) for run in runs}
    wanted = _chosen({str(run.info.get("task")) for run in runs}, globs), _named(names, algorithms)
    runs = [
        run for run in runs if run.info.get("task") in wanted[0] and run.info.get("algorithm") in wanted[1]
    ]
    runs = [run for run in runs if settings_kind(run.info) != "tuned"]  # no trial: what one has chosen
    plain = [run for run in runs if not run.info.get("task_options")]
    said = shorten(problems, results)
    if len(plain) < len(runs):
        said.append(
            f"results: {len(runs) - len(plain)} runs with options of the task are left out: no tuning"
        )
    scores = build(plain, said, results, suite, PROTOCOL, trials=True)
    found: Episodes = {}
    for key, settings in _by_configuration(scores.cells).items():
        for name, seeds in settings.items():
            found.setdefault(key, {})[name] = [_episodes(cell) for _, cell in sorted(seeds.items())]
    if not found:
        raise no_runs(results, suite)
    # a setting that was tried on some tasks only is a trial there, not a gap
    gaps = set(missing(scores.cells, PROTOCOL))
    notes = [note for note in scores.notes if note not in gaps]
    return Trials(suite, _policies(found, lambda own: own), [scores.sentence()], notes)


def _by_configuration(
    cells: Mapping[tuple[Row, str], Mapping[int, Cell]],
) -> dict[tuple[str, str], dict[str, dict[int, Cell]]]:
    """The scored seeds of every setting, by (algorithm, task) and name.

    Rows that differ only in whether they name what is usual anyway are one setting, with the longer name.
    """
    names: dict[tuple[str, str, str], str] = {}
    seeds: dict[tuple[str, str, str], dict[int, Cell]] = {}
    for (row, task), own in sorted(cells.items(), key=lambda item: item[0]):
        for seed, cell in own.items():
            if not math.isnan(cell.score):
                info = cell.run.info
                config = info["config"] | info["overrides"]
                key = (
                    row.algorithm,
                    task,
                    repr([sorted(config.items()), info["steps"], info.get("precision")]),
                )
                names[key] = max(names.get(key, ""), _setting(row), key=len)
                seeds.setdefault(key, {}).setdefault(seed, cell)
    found: dict[tuple[str, str], dict[str, dict[int, Cell]]] = {}
    for key, own in seeds.items():
        found.setdefault(key[:2], {})[names[key]] = own
    return found


def _setting(row: Row) -> str:
    words = [row.variant, f"{row.steps:,} steps" if row.steps else ""]
    return ", ".join(filter(None, words)) or "default"


def _episodes(cell: Cell) -> np.ndarray:
    """Scores of the episodes of the last evaluation; a single 0 for a diverged seed."""
    if cell.diverged:
        return np.zeros(1)
    return np.array(_recorded(cell.run, cell))


def _recorded(run: RunRecord, cell: Cell) -> list[float]:
    reference, (step,) = run.info["task_info"]["reference"], PROTOCOL.needed(run)
    line = next(
        line
        for line in run.evaluations
        if (line["seed"], line["step"], line["inference"]) == (cell.seed, step, cell.inference)
    )
    scale = reference["best"] - reference["random"]
    return [(value - reference["random"]) / scale for value in scored(line, reference)]


def from_csv(path: Path, algorithms: Sequence[str], globs: str | None) -> Trials:
    """Trials from a file with the columns algorithm, task, score (in points) and setting or setting_index.

    With a column seed, a setting has one policy per seed; without, its score is taken as the mean of its
    seeds. With a column episode, a row is one episode. Other columns are passed over. Raises UserError.
    """
    rows, episodic = _read(path)
    names = {algorithm for (algorithm, _), _, _, _ in rows}
    tasks = _chosen({task for (_, task), _, _, _ in rows}, globs), _named(names, algorithms)
    seeds: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {}
    for (algorithm, task), setting, seed, score in rows:
        if task in tasks[0] and algorithm in tasks[1]:
            here = seeds.setdefault((algorithm, task), {}).setdefault(setting, {})
            here.setdefault(seed, []).append(score)
    if not seeds:
        raise UserError(f"{path} has no trial of these algorithms on these tasks; name others, or none")
    found = {
        key: {setting: [np.array(own) for own in of.values()] for setting, of in settings.items()}
        for key, settings in seeds.items()
    }
    sentences = [f"Scores are those of {path.name} (100 = best known), as they stand there."]
    return Trials(
        path.stem, _policies(found, (lambda own: own) if episodic else (lambda _: None)), sentences, ()
    )


Line = tuple[tuple[str, str], str, str, float]  # (algorithm, task), setting, seed, score 0..1


def _read(path: Path) -> tuple[list[Line], bool]:
    """All rows of the file, and whether a row is one episode."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = _columns(path, reader.fieldnames or [])
            episodic = "episode" in columns
            lines = [_line(f"{path}, line {reader.line_num}", row, columns) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read as a CSV of trials ({why}); give another file") from None
    if not lines:
        raise UserError(f"{path} holds no trials; each row below the header is one")
    seen = set()
    for place, (key, setting, seed, _) in enumerate(lines, 1):
        if not episodic and (key, setting, seed) in seen:
            raise UserError(
                f"{path}, trial {place}: {key[0]} on {key[1]} with setting {setting!r} is there twice; tell "
                "its rows apart by a column seed or episode, or remove one"
            )
        seen.add((key, setting, seed))
    return lines, episodic


def _columns(path: Path, header: Sequence[str]) -> dict[str, str]:
    """Where each field stands: field -> column."""
    columns = {name: name for name in ("algorithm", "task", "score", "seed", "episode") if name in header}
    if setting := [name for name in ("setting", "setting_index") if name in header]:
        columns["setting"] = setting[0]
    if lacking := [name for name in ("algorithm", "task", "setting", "score") if name not in columns]:
        shown = ", ".join(header)[:200] or "none"
        raise UserError(
            f"{path} lacks the column {', '.join(lacking)}; it has: {shown}. A CSV of trials has algorithm, "
            "task, setting (or setting_index), score, and perhaps seed and episode"
        )
    return columns


def _line(where: str, row: Mapping[str, str | None], columns: Mapping[str, str]) -> Line:
    field = {name: printable((row[column] or "").strip()) for name, column in columns.items()}
    if empty := [name for name in ("algorithm", "task", "setting", "score") if not field[name]]:
        raise UserError(f"{where}: no {empty[0]}; every trial needs one, so fill it in or remove the row")
    try:
        score = float(field["score"])
    except ValueError:
        score = math.nan
    if not abs(score) <= LARGEST:
        raise UserError(
            f"{where}: the score {field['score'][:40]!r} is no number from {-LARGEST:,.0f} to "
            f"{LARGEST:,.0f}; scores are in points (100 = best known), and a failed run counts as 0"
        )
    return (field["algorithm"], field["task"]), field["setting"], field.get("seed", ""), score / 100


def _policies(
    found: Episodes, episodes_of: Callable[[list[np.ndarray]], list[np.ndarray] | None]
) -> dict[tuple[str, str], Policies]:
    result = {}
    for key, settings in sorted(found.items()):
        names = sorted(settings)
        own = [values for name in names for values in settings[name]]
        sizes = [len(settings[name]) for name in names]
        means = np.array([values.mean() for values in own])
        result[key] = Policies(names, sizes, means, episodes_of(own))
    return result


def _base(task: str) -> str:
    return task.partition("@")[0]


def _chosen(tasks: Collection[str], globs: str | None) -> set[str]:
    """The tasks that one of the globs matches, with or without the copy of their data behind an `@`."""
    chosen = set(tasks) if globs is None else set()
    for glob in [] if globs is None else globs.split(","):
        matched = {task for task in tasks if fnmatchcase(task, glob) or fnmatchcase(_base(task), glob)}
        if not matched:
            raise unknown("task", glob, tasks)
        chosen |= matched
    return chosen


def _named(known: Collection[str], given: Sequence[str]) -> set[str]:
    for name in given:
        if name not in known:
            raise unknown("algorithm with trials", name, known)
    return set(given) or set(known)
