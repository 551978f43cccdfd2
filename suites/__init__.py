"""One file or folder per source of tasks. To add one: write it, import it here, add it to SUITES.

`ogbench/sorl` and its like are lists of tasks of `ogbench`: they share its records.
"""

from suites.classic import CLASSIC
from suites.d4rl_v2 import D4RL_V2
from suites.diagnostic import DIAGNOSTIC
from suites.minari import D4RL, MINARI_MUJOCO
from suites.ogbench import OGBENCH, OGBENCH_DEFAULT, OGBENCH_FQL, OGBENCH_SORL

SUITES = {
    suite.name: suite
    for suite in (
        DIAGNOSTIC,
        CLASSIC,
        OGBENCH,
        OGBENCH_SORL,
        OGBENCH_FQL,
        OGBENCH_DEFAULT,
        D4RL,
        MINARI_MUJOCO,
        D4RL_V2,
    )
}
