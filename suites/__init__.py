"""One file or folder per source of tasks. To add one: write it, import it here, add it to SUITES."""

from suites.classic import CLASSIC
from suites.diagnostic import DIAGNOSTIC

SUITES = {"diagnostic": DIAGNOSTIC, "classic": CLASSIC}
