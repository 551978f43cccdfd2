"""Set-up of all tests."""

import torch

# Tests run in several processes; threads of theirs would only wait for each other.
torch.set_num_threads(1)
