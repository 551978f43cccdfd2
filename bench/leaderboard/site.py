"""Writes the site: all pages, their downloads, plots and scripts, and a list of what it has written."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from bench.errors import UserError
from bench.leaderboard import plots
from bench.leaderboard.board import Board, Known, Options, load_boards, run_key
from bench.leaderboard.cost import cost_of
from bench.leaderboard.curves import learning_curves
from bench.leaderboard.pages import algorithm, front, run, suite, suite_plots, task
from bench.leaderboard.pages.overall import aggregates
from bench.leaderboard.tables import FORMATS, Table, write_downloads
from bench.leaderboard.twins import sentences
from bench.protocol import Protocol
from bench.stats import REPLICATES, Summary

HERE = Path(__file__).parent
MANIFEST = "manifest.json"
PLOTLY = "assets/plotly.min.js"


def write_leaderboard(
    results: Path,
    protocols: Sequence[Protocol],
    replicates: int = REPLICATES,
    inference: str = "default",
    known: Known | None = None,
    bootstrap: str = "seeds",
    trials: bool = False,
) -> Path:
    """Write the site into `results`/leaderboard; the path of its front page.

    The first of the protocols is that of the pages of tasks, algorithms and runs. Files of an earlier site
    that this one does not have are removed, all others stay. Raises UserError where `results` holds nothing
    to show, or the folder cannot be written.
    """
    results, known = Path(results), known or Known()
    options = Options(replicates, inference, bootstrap, trials)
    boards, unusable = load_boards(results, protocols, options)
    site = Site(results / "leaderboard", _command(protocols, options), protocols[0].name)
    try:
        site.folder.mkdir(parents=True, exist_ok=True)
        for board in boards:
            _write_suite(site, board, known)
        names = [protocol.name for protocol in protocols]
        said = sentences({protocol.name: protocol for protocol in protocols})
        site.page("index.html", "front.html", front.context(boards, known, names, unusable, said))
        site.assets()
        site.finish()
    except OSError as error:
        raise UserError(
            f"cannot write {error.filename}: {error.strerror}; give another folder with --results"
        ) from error
    return site.folder / "index.html"


def _command(protocols: Sequence[Protocol], options: Options) -> str:
    words = ["bench leaderboard", *(f"--protocol {protocol.name}" for protocol in protocols)]
    words += [f"--inference {options.inference}"] * (options.inference != "default")
    words += [f"--replicates {options.replicates}"] * (options.replicates != REPLICATES)
    words += [f"--bootstrap {options.bootstrap}"] * (options.bootstrap != "seeds")
    words += ["--trials"] * options.trials
    return " ".join(words)


class Site:
    """A folder that is being written, and what was written into it."""

    def __init__(self, folder: Path, command: str, protocol: str) -> None:
        self.folder = folder
        self.footer = {"made_by": command, "scored_by": protocol, "plotly": _plotly_version()}
        self.written: set[str] = set()
        self.templates = _environment(self.table)

    def page(self, path: str, template: str, context: dict[str, Any]) -> None:
        """Write a page from its template; the context has the page's title."""
        depth = len(PurePosixPath(path).parts) - 1
        root = "../" * depth
        text = self.templates.get_template(template).render(
            {"crumbs": (), "notes": ()} | self.footer | context, root=root
        )
        self.text(path, text)

    def text(self, path: str, text: str) -> None:
        """Write a text file."""
        # half a surrogate pair, which JSON can hold and a page cannot, becomes a question mark
        self._place(path).write_text(text, encoding="utf-8", errors="replace", newline="\n")

    def draw(self, stem: str, draw: Callable[[plots.Theme], Figure]) -> None:
        """Write a plot as SVG and PNG."""
        self._place(f"{stem}.png")
        plots.save(draw, self._place(f"{stem}.svg").with_suffix(""))

    def overview(self, stem: str, draw: Callable[[plots.Theme], Figure]) -> None:
        """Write the picture of a README."""
        plots.save_png(draw, self._place(f"{stem}.png"))

    def table(self, table: Table) -> list[tuple[str, str]]:
        """Write the downloads of a table; format and path of each."""
        if not table.stem:
            return []
        paths = write_downloads(table, self.folder)
        self.written.update(paths)
        return [(FORMATS[ending], path) for ending, path in zip(FORMATS, paths, strict=True)]

    def assets(self) -> None:
        """Style sheet and scripts. Plotly's is that of the installed package."""
        for name in ("site.css", "site.js"):
            self.text(f"assets/{name}", (HERE / "assets" / name).read_text(encoding="utf-8"))
        from plotly.offline import get_plotlyjs  # here: it takes a while

        self.text(PLOTLY, get_plotlyjs())

    def finish(self) -> None:
        """Remove what an earlier site has written and this one has not, and say what this one has."""
        for path in sorted(_listed(self.folder) - self.written):
            _remove(self.folder, path)
        content = {"files": sorted(self.written)}
        (self.folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", newline="\n")

    def _place(self, path: str) -> Path:
        self.written.add(path)
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        return file


def _listed(folder: Path) -> set[str]:
    """The files of an earlier site; none where its list is missing or damaged."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return {path for path in content["files"] if isinstance(path, str)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _remove(folder: Path, path: str) -> None:
    """Remove a file below the folder, and folders that are empty then; never anything outside of it."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        return
    file = folder.joinpath(*parts)
    if any(parent.is_symlink() for parent in [file, *file.parents[: len(parts) - 1]]) or not file.is_file():
        return
    file.unlink()
    for parent in file.parents[: len(parts) - 1]:
        if any(parent.iterdir()):
            break
        parent.rmdir()


def _write_suite(site: Site, board: Board, known: Known) -> None:
    """All pages of a suite."""
    if not board.first:
        content = suite.empty_context(board, known) | _published_pictures(site, board)
        site.page(f"{board.stem}/index.html", "suite.html", _NOTHING | content)
        return
    found = learning_curves(board.first.scores, board.first.replicates)
    costs = {row: cost_of(board.first.scores, row, known.count) for row in board.first.order}
    acting = board.settings or board.first
    acting_costs = {row: cost_of(acting.scores, row, known.count) for row in acting.order}
    for protocol, summary in board.summaries.items():
        pictures = suite_plots.pictures(board, summary, found, site.draw)
        cost = suite.cost_table(board, summary, costs) if summary is board.first else None
        if summary is board.first:
            pictures |= suite_plots.pareto_pictures(board, costs, acting, acting_costs, site.draw)
        content = suite.context(board, summary, known) | {"pictures": pictures, "cost": cost}
        content |= {"settings": _settings(board, summary)}
        content |= _published_pictures(site, board) if summary is board.first else {"published_pictures": {}}
        site.page(suite.page_path(board, protocol), "suite.html", content)
    _write_overview(site, board, board.first)
    for name in board.first.scores.tasks:
        path = f"{board.stem}/tasks/{board.task_stems[name]}.html"
        site.page(path, "task.html", task.context(board, name, found, site.draw))
    for name, stem in board.algorithm_stems.items():
        site.page(
            f"{board.stem}/algorithms/{stem}.html",
            "algorithm.html",
            algorithm.context(board, name, known, costs),
        )
    for record in board.runs:
        path = f"{board.stem}/runs/{board.run_stems[run_key(record)]}.html"
        site.page(path, "run.html", run.context(board, record))


def _published_pictures(site: Site, board: Board) -> dict[str, Any]:
    found = suite_plots.pictures(board, board.published, {}, site.draw) if board.published else {}
    return {"published_pictures": found}


_NOTHING: dict[str, Any] = {
    "protocols": (),
    "twins": (),
    "pictures": {},
    "cost": None,
    "settings": None,
    "aggregates": None,
}


def _settings(board: Board, summary: Summary) -> Table | None:
    """Every test-time setting as a row, on the suite's first page."""
    if summary is not board.first or not board.settings or summary.scores.inference == "all":
        return None
    return aggregates(board, board.settings, "settings")


def _write_overview(site: Site, board: Board, summary: Summary) -> None:
    site.overview(f"plots/{board.stem}-overview", lambda theme: plots.overview(summary, board.look, theme))


def _plotly_version() -> str:
    from importlib.metadata import version

    return version("plotly")


def _environment(table: Callable[[Table], list[tuple[str, str]]]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["block"] = _block
    environment.globals["downloads"] = table
    return environment


def _block(content: Any) -> Markup:
    """Data for a block of JSON inside a page, which nothing in it can end."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
