"""Set-up of all tests."""

import pytest
import torch

# Tests run in several processes; threads of theirs would only wait for each other.
torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="inject every fault as often as `make fault-test`")
