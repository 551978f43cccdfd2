"""One file per algorithm. To add one: write `algorithms/NAME.py`, import it here, add it to ALGORITHMS.

EXTERNAL are algorithms of other libraries: they run when they are named.
"""

from algorithms.bc import BC
from algorithms.cql import CQL
from algorithms.d3rlpy_peers import COUNTERPARTS, D3RLPY
from algorithms.diffusion_ql import DiffusionQL
from algorithms.iql import IQL
from algorithms.rebrac import ReBRAC
from algorithms.sorl import SORL
from algorithms.td3_bc import TD3BC

ALGORITHMS = {
    "bc": BC,
    "td3_bc": TD3BC,
    "iql": IQL,
    "cql": CQL,
    "rebrac": ReBRAC,
    "diffusion_ql": DiffusionQL,
    "sorl": SORL,
}
EXTERNAL = D3RLPY

__all__ = ["ALGORITHMS", "COUNTERPARTS", "EXTERNAL"]
