"""Set-up of all tests."""

import random

import numpy as np
import pytest
import torch

# Tests run in several processes; threads of theirs would only wait for each other.
torch.set_num_threads(1)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a test draws without a seed of its own does not depend on the tests before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="inject every fault as often as `make fault-test`")
