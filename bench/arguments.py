"""How command lines are read: mistakes are said in one line, numbers are checked where they are given."""

import argparse
import math
from typing import NoReturn

from bench.errors import UserError

LEAST_POINTS = 0.001  # a smaller difference is none, and to find it takes more seeds than there are


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage in front."""

    def error(self, message: str) -> NoReturn:
        hint = "; names come before options" if message.startswith("unrecognized arguments") else ""
        raise UserError(f"{message}{hint}. See: {self.prog} --help")


def positive(text: str) -> int:
    """The type of an option that takes a whole number of 1 or more."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def points(text: str) -> float:
    """The type of an option that takes points of score: a number of LEAST_POINTS or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not LEAST_POINTS <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of {LEAST_POINTS:g} or more")
    return value
