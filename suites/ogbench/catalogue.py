"""Which environments and data sets OGBench has: the facts that are needed before the package is loaded.

Registered environments and their steps: ogbench 1.2.2. Published data sets: OGBench's documentation
(Park et al. 2025, arXiv 2410.20092, and the package's README).
"""

from dataclasses import dataclass

NUM_TASKS = 5  # of every environment


@dataclass(frozen=True)
class EnvironmentFacts:
    """One environment with its five tasks; the sizes are those of its state observations and actions."""

    name: str  # cube-single
    obs_dim: int
    action_dim: int
    max_steps: int
    default_task: int  # what the name without a task number stands for
    parts: int  # things that have to be right; the reward is minus the number of wrong ones
    data: tuple[str, ...]  # the kinds of data sets; the first is the one that papers use
    unpublished: tuple[str, ...] = ()  # kinds that the package can make and nobody distributes
    slow_to_build: bool = False

    @property
    def datasets(self) -> list[str]:
        return [self.dataset(kind) for kind in (*self.data, *self.unpublished)]

    def dataset(self, kind: str) -> str:
        """`cube-single-play-v0`."""
        return f"{self.name}-{kind}-v0"


def _maze(name: str, obs_dim: int, action_dim: int, max_steps: int, *data: str) -> EnvironmentFacts:
    return EnvironmentFacts(name, obs_dim, action_dim, max_steps, 1, 1, data)


def _point(maze: str) -> EnvironmentFacts:
    name = f"pointmaze-{maze}"
    return EnvironmentFacts(name, 2, 2, 1000, 1, 1, ("navigate", "stitch"), unpublished=("explore",))


def _soccer(field: str) -> EnvironmentFacts:
    return EnvironmentFacts(f"antsoccer-{field}", 42, 8, 1000, 4, 1, ("navigate", "stitch"))


def _manipulation(name: str, obs_dim: int, max_steps: int, default_task: int, parts: int) -> EnvironmentFacts:
    kinds = ("play", "noisy")
    return EnvironmentFacts(name, obs_dim, 5, max_steps, default_task, parts, kinds, slow_to_build=True)


ENVIRONMENTS = (
    _point("medium"),
    _point("large"),
    _point("giant"),
    _point("teleport"),
    _maze("antmaze-medium", 29, 8, 1000, "navigate", "stitch", "explore"),
    _maze("antmaze-large", 29, 8, 1000, "navigate", "stitch", "explore"),
    _maze("antmaze-giant", 29, 8, 1000, "navigate", "stitch"),
    _maze("antmaze-teleport", 29, 8, 1000, "navigate", "stitch", "explore"),
    _maze("humanoidmaze-medium", 69, 21, 2000, "navigate", "stitch"),
    _maze("humanoidmaze-large", 69, 21, 2000, "navigate", "stitch"),
    _maze("humanoidmaze-giant", 69, 21, 4000, "navigate", "stitch"),
    _soccer("arena"),
    _soccer("medium"),
    _manipulation("cube-single", 28, 200, 2, 1),
    _manipulation("cube-double", 37, 500, 2, 2),
    _manipulation("cube-triple", 46, 1000, 2, 3),
    _manipulation("cube-quadruple", 55, 1000, 2, 4),
    _manipulation("scene", 40, 750, 2, 5),
    _manipulation("puzzle-3x3", 55, 500, 4, 9),
    _manipulation("puzzle-4x4", 83, 500, 4, 16),
    _manipulation("puzzle-4x5", 99, 1000, 2, 20),
    _manipulation("puzzle-4x6", 115, 1000, 2, 24),
)

# Registered with single tasks, but no data set of the usual size is published for them.
WITHOUT_DATA = {
    "humanoidmaze-teleport": "no data set is published",
    "cube-octuple": "published only as a data set of a thousand million steps, in many files",
}

# Environments of the tables that others are compared with; each with its five tasks.
SORL_ENVIRONMENTS = (  # Espinosa-Dice et al. 2025, arXiv 2505.22866
    "antmaze-large-navigate",
    "antmaze-giant-navigate",
    "humanoidmaze-medium-navigate",
    "humanoidmaze-large-navigate",
    "antsoccer-arena-navigate",
    "cube-single-play",
    "cube-double-play",
    "scene-play",
)
FQL_ENVIRONMENTS = (
    *SORL_ENVIRONMENTS,
    "puzzle-3x3-play",
    "puzzle-4x4-play",
)  # Park et al. 2025, arXiv 2502.02538
