"""What evaluates a policy: the environment that is nearest to D4RL's, without mujoco-py.

Locomotion is Gymnasium's version 4: by its change logs it differs from version 2, which D4RL used, in the
binding alone, while version 5 takes the bonus for being upright away at a fall (hopper, walker2d) and changes
the friction of a foot (walker2d).
"""

import io
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec

import gymnasium

from bench.errors import UserError
from bench.task import Environments, GymEnvironments
from suites.d4rl_v2.catalogue import EnvironmentFacts

GYMNASIUM_IDS = {
    "halfcheetah": "HalfCheetah-v4",
    "hopper": "Hopper-v4",
    "walker2d": "Walker2d-v4",
    "pen": "AdroitHandPen-v1",
    "door": "AdroitHandDoor-v1",
    "hammer": "AdroitHandHammer-v1",
    "relocate": "AdroitHandRelocate-v1",
}


def require(*modules: str) -> None:
    """Raise UserError, with what to install, where one of these top-level modules is missing."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise UserError(
            f"the suite 'd4rl-v2' needs {', '.join(missing)}; install with: pip install 'offline-bench[d4rl]'"
        )


def make(facts: EnvironmentFacts) -> gymnasium.Env:
    """One environment. Raises UserError where a package is missing."""
    require_physics(facts)
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # both packages advise newer versions, which are other tasks
        if facts.kind == "antmaze":
            from suites.d4rl_v2.antmaze import AntMaze

            return gymnasium.wrappers.TimeLimit(AntMaze(facts.name), facts.max_steps)
        if facts.kind == "hand":
            import gymnasium_robotics  # noqa: F401  (registers the environments)
        env = gymnasium.make(
            GYMNASIUM_IDS[facts.name], max_episode_steps=facts.max_steps, disable_env_checker=True
        )
    if facts.kind == "locomotion":
        return env
    from suites.d4rl_v2.hand import D4RLRule

    return D4RLRule(env, facts.name)


def require_physics(facts: EnvironmentFacts) -> None:
    """Raise UserError where a package that the environment needs is missing."""
    require("mujoco", *(("gymnasium_robotics",) if facts.kind == "hand" else ()))


def environments(facts: EnvironmentFacts, count: int) -> Environments:
    """So many copies of an environment."""
    return GymEnvironments(partial(make, facts), count)


def versions(facts: EnvironmentFacts) -> Mapping[str, str]:
    """What decides the reward and the physics of an evaluation."""
    require_physics(facts)
    found = {name: version(name) for name in ("gymnasium", "mujoco")}
    if facts.kind == "hand":
        found["gymnasium-robotics"] = version("gymnasium-robotics")
    return found | {"environment": environment_name(facts)}


def environment_name(facts: EnvironmentFacts) -> str:
    """What evaluates, in a few words."""
    if facts.kind == "locomotion":
        return GYMNASIUM_IDS[facts.name]
    if facts.kind == "hand":
        return f"{GYMNASIUM_IDS[facts.name]} with D4RL's rule, {facts.max_steps} steps"
    from suites.d4rl_v2.antmaze import VERSION

    return f"{facts.name} of D4RL rebuilt on gymnasium, version {VERSION}"
