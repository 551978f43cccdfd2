"""The leaderboard: a static site from the records, with its tables and plots as files beside it.

Everything is a pure function of the files in `results`: delete the folder, write it again, and the same bytes
are back. Names that come from files are shown as text, never as markup.
"""

from bench.leaderboard.board import Known
from bench.leaderboard.site import write_leaderboard

__all__ = ["Known", "write_leaderboard"]
