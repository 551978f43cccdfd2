"""Tables of the algorithms of a suite against one another: ranks, tasks won, probability of improvement."""

from bench import report
from bench.leaderboard.board import Board
from bench.leaderboard.pages.parts import foot, heading, part_stem, row_cell, short_names
from bench.leaderboard.tables import EMPTY, Cell, Line, Table, number
from bench.leaderboard.words import counted, marks_of
from bench.pairs import win_records
from bench.stats import Summary


def ranks(board: Board, summary: Summary) -> Table:
    """Mean rank over tasks with its interval, and how often each rank is held."""
    lines = [
        Line([
            row_cell(board, row, marks_of(summary.scores, row)),
            number(e, scale=1),
            *(_share(float(share)) for share in summary.shares[row]),
        ])
        for row, e in summary.ranks.items()
    ]  # fmt: skip
    head = ["Mean rank", *(f"P({rank})" for rank in range(1, len(lines) + 1))]
    absent = ", ".join(row.label for row in summary.order if row not in summary.ranks)
    rule = [f"{report.RANKS} {report.BOLD}"]
    rule += [f"Without a rank, because a whole task is missing: {absent}."] if absent else []
    title = f"{heading(board, summary)}: ranks over {counted(len(summary.scores.tasks), 'task')}"
    return Table(
        title, ["Algorithm", *head], lines, [*foot(board, summary), *rule], summary.scores.notes,
        frozenset(head), f"tables/{part_stem(board, summary, 'ranks')}", "heat matrix",
    )  # fmt: skip


def _share(share: float) -> Cell:
    return Cell(f"{share:.2f}", sort=share, shade=0.6 * share)


def wins(board: Board, summary: Summary) -> Table:
    """Tasks won, tied and lost by every row against every column."""
    rows = [row for row in summary.order if row in summary.aggregates]
    records = win_records(summary.scores, rows)
    tasks = max(1, len(summary.scores.tasks))
    lines = []
    for x in rows:
        cells = []
        for y in rows:
            record = records.get((x, y))
            lead = record.wins - record.losses if record else 0
            cells.append(Cell(str(record), sort=float(lead), shade=0.55 * lead / tasks) if record else EMPTY)
        lines.append(Line([row_cell(board, x, marks_of(summary.scores, x)), *cells]))
    names = short_names(rows)
    return Table(
        f"{heading(board, summary)}: tasks won / tied / lost by the row against the column",
        ["Row against column", *names], lines, [*foot(board, summary), report.WINS], summary.scores.notes,
        frozenset(names), f"tables/{part_stem(board, summary, 'wins')}", "heat matrix",
    )  # fmt: skip


def improvement(board: Board, summary: Summary) -> Table:
    """P(row > column) for every pair of algorithms that have every task."""
    rows = [row for row in summary.order if row in summary.aggregates]
    lines = []
    for x in rows:
        cells = []
        for y in rows:
            e = summary.improvement.get((x, y))
            cells.append(number(e, scale=1, shade=1.1 * (e.value - 0.5)) if e else EMPTY)
        lines.append(Line([row_cell(board, x, marks_of(summary.scores, x)), *cells]))
    names = short_names(rows)
    return Table(
        f"{heading(board, summary)}: probability of improvement", ["Row above column", *names], lines,
        [*foot(board, summary), report.IMPROVEMENT], summary.scores.notes, frozenset(names),
        f"tables/{part_stem(board, summary, 'improvement')}", "heat matrix",
    )  # fmt: skip
