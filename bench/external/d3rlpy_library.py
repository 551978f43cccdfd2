"""The package d3rlpy, imported when it is first needed and silent from then on."""

import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from importlib import import_module, metadata
from io import StringIO
from typing import Any

import torch

from bench.errors import UserError


def load() -> Any:
    """The package. Raises UserError where it does not import."""
    try:
        own_precision()
        return import_module("d3rlpy")
    except ImportError as error:
        raise _missing(error) from error


def version() -> str:
    """The version of the package, which is not imported for it. Raises UserError where there is none."""
    try:
        return metadata.version("d3rlpy")
    except metadata.PackageNotFoundError as error:
        raise _missing(error) from error


@cache
def own_precision() -> str:
    """The precision of products that d3rlpy chooses for its process (coarser ones where there is a GPU).

    It imports d3rlpy and takes the choice back: who trains with ours must not notice. Raises ImportError.
    """
    before = torch.get_float32_matmul_precision()
    # It logs to stdout, and gym, which it imports, writes a notice to stderr.
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_module("d3rlpy")
        structlog = import_module("structlog")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    chosen = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(before)
    return chosen


def _missing(error: Exception) -> UserError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return UserError(
        f"the package d3rlpy does not import here ({reason}); "
        "install it with: pip install 'offline-bench[d3rlpy]'"
    )
