"""One file per algorithm. To add one: write `algorithms/NAME.py`, import it here, add it to ALGORITHMS.

EXTERNAL are algorithms of other libraries: they run when they are named.
"""

from algorithms.awac import AWAC
from algorithms.bc import BC
from algorithms.cac import CAC
from algorithms.cql import CQL
from algorithms.d3rlpy_peers import COUNTERPARTS, D3RLPY
from algorithms.diffusion_ql import DiffusionQL
from algorithms.edac import EDAC
from algorithms.fawac import FAWAC
from algorithms.fbrac import FBRAC
from algorithms.fql import FQL
from algorithms.idql import IDQL
from algorithms.ifql import IFQL
from algorithms.iql import IQL
from algorithms.rebrac import ReBRAC
from algorithms.sac_n import SACN
from algorithms.sorl import SORL
from algorithms.srpo import SRPO
from algorithms.td3 import TD3
from algorithms.td3_bc import TD3BC

ALGORITHMS = {
    "bc": BC,
    "td3": TD3,
    "td3_bc": TD3BC,
    "awac": AWAC,
    "iql": IQL,
    "cql": CQL,
    "rebrac": ReBRAC,
    "sac_n": SACN,
    "edac": EDAC,
    "diffusion_ql": DiffusionQL,
    "idql": IDQL,
    "srpo": SRPO,
    "cac": CAC,
    "fql": FQL,
    "ifql": IFQL,
    "fawac": FAWAC,
    "fbrac": FBRAC,
    "sorl": SORL,
}
EXTERNAL = D3RLPY

__all__ = ["ALGORITHMS", "COUNTERPARTS", "EXTERNAL"]
