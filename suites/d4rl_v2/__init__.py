"""D4RL's classic data sets: locomotion (v2), ant mazes (v2) and the Adroit hand (v1), from their HDF5 files.

Fu, Kumar, Nachum, Tucker & Levine, "D4RL: Datasets for Deep Data-Driven Reinforcement Learning", 2020,
https://arxiv.org/abs/2004.07219. Data, transitions and reference scores are D4RL's. Its environments need
mujoco-py, which is no longer maintained; what evaluates instead is said in the notes of each task.
"""

from functools import partial

from bench.data.source import File, Source, package_dir
from bench.task import SUCCESS, Reference, Suite, Task, without_copy
from suites.d4rl_v2.catalogue import DATASETS, DatasetFacts, EnvironmentFacts
from suites.d4rl_v2.environments import GYMNASIUM_IDS, environments, versions
from suites.d4rl_v2.files import read, verify

ROWS = 50  # environments side by side: building one takes up to a tenth of a second
SUMMARIES = {
    "locomotion": "run",
    "antmaze": "walk to the far corner of a maze",
    "hand": "dexterous manipulation",
}
DATA = {
    "medium": "data of a policy with about a third of the expert's return",
    "medium-replay": "all that was seen in training up to the medium policy",
    "medium-expert": "half the data of the medium policy, half of the expert",
    "": "data with one start and one goal",
    "play": "data with starts and goals chosen by hand",
    "diverse": "data with many starts and goals",
    "human": "a few demonstrations by people",
    "cloned": "half demonstrations, half a policy cloned from them",
    "expert": "data of an expert policy",
}


def _notes(env: EnvironmentFacts) -> tuple[str, ...]:
    """What differs from the evaluation of published D4RL scores."""
    if env.kind == "locomotion":
        new = GYMNASIUM_IDS[env.name]
        return (
            f"Evaluated in Gymnasium's {new} on the mujoco package; published scores come from "
            f"{new.replace('v4', 'v2')} on mujoco-py (MuJoCo 2.0 or 2.1). Model, observation, reward and "
            "ending are the same, the physics engine is newer: expect small differences of the return.",
        )
    if env.kind == "antmaze":
        return (
            f"Evaluated in D4RL's {env.name}, rebuilt here on Gymnasium's MuJoCo environment; published "
            "scores come from mujoco-py. Maze, ant, time step, starts, goals (one drawn for each episode), "
            "reward and ending are D4RL's, the physics engine is newer. AntMaze_*-v5 of gymnasium-robotics "
            "is not used: it has a stronger ant, another time step and mirrored mazes.",
            "Rewards are as recorded: 1 within 0.5 of the goal, else 0. Papers often train on reward - 1: "
            "that is an option of the algorithms, no part of the data.",
            "As distributed, every row with reward 1 is a terminal, also where the recording went on: an ant "
            "that stays at the goal makes many in a row.",
        )
    ending = "; an episode ends after 100 steps, or when the pen falls" if env.name == "pen" else ""
    return (
        f"Evaluated in {GYMNASIUM_IDS[env.name]} of gymnasium-robotics on the mujoco package, with D4RL's "
        f"dense reward and episode length{ending}; published scores come from mujoco-py (MuJoCo 2.0 or 2.1). "
        "The physics engine is newer: expect differences of the return.",
    )


def _source(facts: DatasetFacts) -> Source:
    return Source(
        suite="d4rl-v2",
        name=facts.name,
        files=(File(facts.file, facts.url),),
        folder=partial(package_dir, "d4rl", "D4RL_DATASET_DIR", "~/.d4rl/datasets"),
        verify=partial(verify, facts),
    )


def _task(facts: DatasetFacts) -> Task:
    env = facts.env
    reference = Reference(env.random, env.expert, "random and expert returns of D4RL's infos.py")
    return Task(
        suite="d4rl-v2",
        name=facts.name,
        summary=f"{env.name}, {SUMMARIES[env.kind]}: {DATA[facts.data]}",
        obs_dim=env.obs_dim,
        action_dim=env.action_dim,
        max_steps=env.max_steps,
        reference=SUCCESS if env.kind == "antmaze" else reference,
        load=without_copy,
        environments=partial(environments, env),
        versions=partial(versions, env),
        source=_source(facts),
        read=partial(read, facts),
        notes=_notes(env),
        max_rows=ROWS,
    )


# CORL evaluates every 5,000 updates with 10 episodes, 100 in mazes. The last score needs only the last one of
# these; ten show how a run develops at a twentieth of the cost. In mazes ask for more --episodes.
D4RL_V2 = Suite(
    name="d4rl-v2",
    summary="D4RL's classic files: locomotion, ant mazes and the Adroit hand",
    tasks={facts.name: _task(facts) for facts in DATASETS},
    steps=1_000_000,
    evaluations=10,
    keep_interval=True,
    episodes=10,
)
