"""`bench pack` and `bench verify`: records of runs in one archive, and what to think of somebody else's."""

import argparse
import datetime
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import records
from bench.algorithm import Algorithm
from bench.errors import UserError, printable
from bench.executors.local import cores
from bench.protocol import PROTOCOLS
from bench.scores import build
from bench.submission import archive, contents, strict
from bench.submission.checks import check
from bench.submission.contents import Finding, Submitted
from bench.submission.rerun import rerun
from bench.task import Suite

SUFFIX = ".tar.gz"
LEVELS = ("records", "re-run")
SHOWN = 20  # findings of one run that are printed

Suites = Mapping[str, Suite]
Algorithms = Mapping[str, type[Algorithm]]


def add_parsers(commands: Any, suites: Suites, algorithms: Algorithms) -> None:
    """Add both commands to the subparsers of `bench`."""
    parser = commands.add_parser("pack", help="one archive of the records of finished runs, to hand in")
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs, or folders that hold such")
    add(
        "--out",
        type=Path,
        default=Path(f"submission{SUFFIX}"),
        metavar=f"FILE{SUFFIX}",
        help="replaced if there",
    )
    add("--weights", action="store_true", help="with the trained policies, so that they can be played again")
    parser.set_defaults(command=_pack)
    parser = commands.add_parser("verify", help="check an archive of bench pack as a stranger's")
    add = parser.add_argument
    add("archive", type=Path, metavar="ARCHIVE")
    add(
        "--into",
        type=Path,
        metavar="FOLDER",
        help="add the records to this results folder, if they are sound",
    )
    add(
        "--level",
        choices=LEVELS,
        default=LEVELS[0],
        help="re-run: play packed policies again; default: records",
    )
    parser.set_defaults(command=lambda options: _verify(options, suites, algorithms))


def _pack(options: argparse.Namespace) -> int:
    if not options.out.name.endswith(SUFFIX):
        raise UserError(f"--out {options.out} is no name of an archive; give one that ends in {SUFFIX}")
    folders = sorted({file.parent for given in options.runs for file in given.rglob("run.json")})
    if not folders:
        given = ", ".join(map(str, options.runs))
        raise UserError(f"no run lies in {given}; give folders such as results/runs or one run below it")
    files: dict[str, Path] = {}
    for folder in folders:
        if not (folder / "summary.json").exists():
            print(printable(f"{folder} is not finished and left out"), file=sys.stderr)
            continue
        found = _files(folder, options.weights)
        if twice := files.keys() & found.keys():
            raise UserError(f"{folder} and {files[min(twice)].parent} hold the same run; give one of them")
        files |= found
    if not files:
        raise UserError(f"none of {len(folders)} runs is finished; run their commands again, then pack them")
    try:
        archive.write(options.out, files)
    except OSError as error:
        raise UserError(
            f"{options.out} cannot be written ({error.strerror or error}); choose another --out"
        ) from error
    size = options.out.stat().st_size
    print(f"wrote {options.out}: {len({path.parent for path in files.values()})} runs, {size:,} bytes")
    print(f"Next: bench verify {options.out}")
    return 0


def _files(folder: Path, weights: bool) -> dict[str, Path]:
    """The files of a run by their names in an archive. Raises UserError where `verify` could not read one."""
    names = [*archive.RECORDS, archive.WEIGHTS] if weights else archive.RECORDS
    paths = {name: folder / name for name in names}
    if lacking := [name for name, path in paths.items() if not path.is_file()]:
        raise UserError(f"{folder} lacks {', '.join(lacking)}; run its command again, or leave it out")
    for name in archive.RECORDS:
        read = strict.parse_lines if name.endswith(".jsonl") else strict.parse
        read(paths[name].read_bytes(), str(paths[name]))
    info = strict.parse(paths["run.json"].read_bytes(), str(paths["run.json"]))
    try:
        words = [info[key] for key in ("suite", "task", "algorithm", "id")]
    except KeyError as error:
        raise UserError(f"{folder}/run.json lacks {error}; it is no record of a run, leave it out") from error
    top = records.run_path(Path(), *map(str, words)).as_posix()
    return {f"{top}/{name}": path for name, path in paths.items()}


def _verify(options: argparse.Namespace, suites: Suites, algorithms: Algorithms) -> int:
    now = datetime.datetime.now(datetime.UTC)
    again = options.level == "re-run"
    with tempfile.TemporaryDirectory(prefix="bench-verify-") as name:
        scratch = Path(name)
        runs, findings = contents.load(options.archive, scratch if again else None)
        findings += check(runs, suites, algorithms, now)
        level = "reported" if _refused(findings) else "records"
        if again and level == "records":
            for number, run in enumerate(runs):
                findings += rerun(run, suites, algorithms, scratch / f"run-{number}", cores())
            level = "records" if _refused(findings) else "re-run"
    _print_findings(findings)
    if level != "reported":
        _print_scores(runs)
    print(f"{len(runs)} runs, {_counted(findings)}; level reached: {level} ({MEANING[level]})")
    if _refused(findings):
        return 1
    if options.into is not None:
        _add(runs, options.into)
    return 0


MEANING = {
    "reported": "the records are not sound",
    "records": "the records are sound; nothing was played again",
    "re-run": "the records are sound, and the policies played again gave the same episodes",
}


def _refused(findings: Sequence[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)


def _print_findings(findings: Sequence[Finding]) -> None:
    """One line each; of a run with very many the first ones."""
    order = {"error": 0, "warning": 1, "note": 2}
    said: Counter[str] = Counter()
    for finding in sorted(findings, key=lambda finding: (finding.where, order[finding.severity])):
        said[finding.where] += 1
        if said[finding.where] <= SHOWN:
            print(f"{finding.severity:7}  {archive.shown(finding.where)}: {finding.text}")
    for where, count in said.items():
        if count > SHOWN:
            print(f"         {archive.shown(where)}: and {count - SHOWN} more")


def _counted(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.severity for finding in findings)
    return ", ".join(f"{counts[severity]} {severity}s" for severity in ("error", "warning", "note"))


def _print_scores(runs: Sequence[Submitted]) -> None:
    """Mean score (0 to 100) of every task and algorithm, computed anew from the episodes."""
    by_suite: dict[str, list[records.RunRecord]] = {}
    for run in runs:
        by_suite.setdefault(run.info["suite"], []).append(run.record)
    for suite, found in sorted(by_suite.items()):
        for line in _scores(suite, found):
            print(line)


def _scores(suite: str, runs: Sequence[records.RunRecord]) -> Iterator[str]:
    alone = all(records.settings_kind(run.info) == "trial" for run in runs)
    scores = build(runs, [], Path(), suite, PROTOCOLS["final"], trials=alone)
    for task in scores.tasks:
        for row in scores.rows:
            cells = scores.cells.get((row, task), {})
            if cells:
                mean = 100 * np.mean([cell.score for cell in cells.values()])
                mark = f", {lost} diverged" if (lost := scores.diverged(row, task)) else ""
                yield f"{suite}/{task}  {archive.shown(row.label)}  {mean:.1f}  ({len(cells)} seeds{mark})"


def _add(runs: Sequence[Submitted], results: Path) -> None:
    """Copy the records, byte for byte; a run that is there already stays as it is."""
    for run in runs:
        folder = results / run.folder
        try:
            folder.mkdir(parents=True)
            for name in ("run.json", "evaluations.jsonl", "summary.json"):  # the last one: it is finished
                (folder / name).write_bytes(run.files[name])
        except FileExistsError:
            print(f"{folder} is there already and stays as it is")
        except OSError as error:
            said = error.strerror or error
            raise UserError(f"{folder} cannot be written ({said}); choose another --into") from error
        else:
            print(f"added {folder}")
