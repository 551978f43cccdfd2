"""The command `bench paper` and the folder that it writes."""

import argparse
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bench.about import Paper, paper
from bench.algorithm import Algorithm
from bench.compare import find_row
from bench.errors import UserError
from bench.listing import suite_of
from bench.paper.bibliography import RLIABLE, bibtex
from bench.paper.details import RLIABLE_NAME, as_latex, as_markdown, details
from bench.paper.sheets import Spread, aggregate_table, improvement_table, main_table
from bench.protocol import Protocol, find_protocol
from bench.records import no_runs, read_runs
from bench.reporting import add_results, add_scoring
from bench.scores import Scores, build, shorten
from bench.stats import Summary, summarize
from bench.tables import Sheet, latex, tex
from bench.task import Suite


def add_parser(commands: Any, suites: Mapping[str, Suite], algorithms: Mapping[str, type[Algorithm]]) -> None:
    """Add the command to the subparsers of `bench`."""
    parser = commands.add_parser(
        "paper", help="LaTeX tables, PDF figures and experimental details of a suite"
    )
    add = parser.add_argument
    add("suite", metavar="SUITE")
    add("--out", type=Path, metavar="FOLDER", help="default: results/paper/SUITE")
    add("--algorithms", metavar="GLOBS", help="such as 'iql,td3*'; default: all that have records")
    add(
        "--against", metavar="ALGORITHM", help="of the probabilities of improvement; default: the best by IQM"
    )
    add(
        "--spread",
        choices=["interval", "std"],
        default="interval",
        help="in the main table; default: interval",
    )
    add_scoring(parser)
    add_results(parser)
    parser.set_defaults(command=lambda options: _paper(options, suites, algorithms))


def _paper(
    options: argparse.Namespace, suites: Mapping[str, Suite], algorithms: Mapping[str, type[Algorithm]]
) -> int:
    suite = suite_of(suites, options.suite)
    protocol = find_protocol(options.protocol)
    scores = load(options.results, suite, protocol, options.inference, options.algorithms)
    names = {run.info["algorithm"] for run in scores.runs}
    known = {name: found for name in names if name in algorithms and (found := paper(algorithms[name]))}
    folder = options.out or options.results / "paper" / suite.name
    files = write(folder, summarize(scores, options.replicates), known, options.against, options.spread)
    print(f"wrote {len(files)} files into {folder}")
    print(f"Next: cd {folder} && pdflatex main && bibtex main && pdflatex main && pdflatex main")
    return 0


def load(
    results: Path, suite: Suite, protocol: Protocol, inference: str = "default", globs: str | None = None
) -> Scores:
    """The scores of those algorithms that match one of the globs. Raises UserError where none does."""
    runs, problems = read_runs(results, suite.home)
    if suite.name != suite.home:
        runs = [run for run in runs if str(run.info.get("task")).partition("@")[0] in suite.tasks]
    if not runs:
        raise no_runs(results, suite.name)
    if globs is not None:
        names = {str(run.info.get("algorithm")) for run in runs}
        for glob in globs.split(","):
            if not any(fnmatchcase(name, glob) for name in names):
                raise UserError(
                    f"--algorithms: no records of {suite.name} match {glob!r}; "
                    f"there are: {', '.join(sorted(names))}"
                )
        runs = [
            run for run in runs
            if any(fnmatchcase(str(run.info.get("algorithm")), glob) for glob in globs.split(","))
        ]  # fmt: skip
    return build(runs, shorten(problems, results), results, suite.name, protocol, inference)


def write(
    folder: Path,
    summary: Summary,
    papers: Mapping[str, Paper],
    against: str | None = None,
    spread: Spread = "interval",
) -> list[Path]:
    """Write the kit; the paths of its files. Equal records give equal bytes.

    papers: by the name of the algorithm. Raises UserError for an `against` that is no row, or a folder
    that cannot be written.
    """
    row = find_row(summary.scores, against) if against else None
    if row and row not in summary.aggregates:
        raise UserError(f"--against {against}: it lacks a whole task; name an algorithm that has every task")
    papers = {**papers, RLIABLE_NAME: RLIABLE}
    sections = details(summary, papers)
    tables = {
        "table-scores.tex": main_table(summary, spread),
        "table-aggregates.tex": aggregate_table(summary),
        "table-improvement.tex": improvement_table(summary, row),
    }
    texts = {name: _tables(sheets) for name, sheets in tables.items()}
    texts |= {
        "details.tex": as_latex(sections),
        "details.md": as_markdown(sections),
        "references.bib": bibtex(papers),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("curves-*.pdf"):  # of a suite that had more tasks
            old.unlink()
        figures = _figures(summary, folder)
        texts["main.tex"] = _main(summary.scores.suite, figures)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write into {folder} ({error.strerror}); choose another one with --out"
        ) from error
    return [folder / name for name in [*texts, *figures]]


def _tables(sheets: list[Sheet]) -> str:
    return "% needs \\usepackage{booktabs,graphicx,textcomp}\n" + "\n".join(map(latex, sheets))


def _figures(summary: Summary, folder: Path) -> list[str]:
    from bench.leaderboard.curves import learning_curves  # here: matplotlib would slow down every command
    from bench.leaderboard.plots import looks
    from bench.paper.figures import write_figures

    found = learning_curves(summary.scores, summary.replicates)
    return write_figures(summary, found, looks(summary.scores.rows), folder)


_CAPTIONS = {
    "intervals.pdf": "Aggregates over all tasks with 95\\% stratified bootstrap intervals.",
    "profiles.pdf": "Performance profiles with 95\\% pointwise bootstrap bands.",
    "curves": "Mean score over seeds against gradient updates, with 95\\% bootstrap bands.",
}


def _main(suite: str, figures: list[str]) -> str:
    """A standalone article that shows everything."""
    captions = {name: _CAPTIONS.get(name, _CAPTIONS["curves"]) for name in figures}
    floats = [
        "\\begin{figure}[ht]\n\\centering\n"
        f"\\includegraphics{{{name}}}\n\\caption{{{caption}}}\n\\end{{figure}}"
        for name, caption in captions.items()
    ]
    return "\n".join([
        "% To look at everything: pdflatex main && bibtex main && pdflatex main && pdflatex main",
        r"\documentclass[10pt]{article}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage[textwidth=6.75in,textheight=9.25in]{geometry}",
        r"\usepackage{booktabs,graphicx,textcomp,url}",
        r"\usepackage[round]{natbib}",
        r"\setcounter{totalnumber}{8}\setcounter{topnumber}{6}\setcounter{bottomnumber}{6}",
        r"\begin{document}",
        rf"\section*{{Results on {tex(suite)}}}",
        *(rf"\input{{table-{name}}}" for name in ("scores", "aggregates", "improvement")),
        *floats,
        r"\clearpage",
        r"\section*{Experimental details}",
        r"\emergencystretch=3em",
        r"\input{details}",
        r"\bibliographystyle{plainnat}",
        r"\bibliography{references}",
        r"\end{document}",
        "",
    ])  # fmt: skip
