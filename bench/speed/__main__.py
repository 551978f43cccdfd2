"""`python -m bench.speed`: the command `bench speed` where only torch, numpy and pandas are installed."""

import sys
from collections.abc import Sequence

from algorithms import ALGORITHMS, COUNTERPARTS
from bench.arguments import Parser
from bench.errors import UserError
from bench.speed.commands import add_arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; the exit code: 0 done, 2 the command cannot be carried out."""
    parser = Parser(prog="python -m bench.speed", description="Measure how fast algorithms train and act.")
    add_arguments(parser, ALGORITHMS, COUNTERPARTS)
    try:
        options = parser.parse_args(arguments)
        return options.command(options)
    except UserError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
