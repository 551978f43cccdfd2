"""Minari's data sets: `D4RL/*` (mazes, hands, kitchen) and `mujoco/*`, read through Minari.

Younis et al. 2024, "Minari", https://minari.farama.org. Tasks are called as the data sets, without the first
part and with hyphens: `D4RL/pointmaze/umaze-v2` is `d4rl/pointmaze-umaze-v2`. They are other data, mostly in
other environments, than the files of the suite `d4rl-v2`.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.data.source import File, Source, package_dir
from bench.task import Suite, Task, without_copy
from suites.minari import catalogue
from suites.minari.catalogue import Facts
from suites.minari.environments import environments, versions
from suites.minari.files import FILES, read, reference_of, verify
from suites.minari.pointmaze import maker

URL = "https://huggingface.co/datasets/farama-minari"  # where Minari 0.5 downloads from
ROWS = 50  # environments side by side


def _folder(dataset_id: str) -> Path:
    return package_dir("minari", "MINARI_DATASETS_PATH", "~/.minari/datasets") / dataset_id


def _task(suite: str, facts: Facts) -> Task:
    namespace, _, rest = facts.dataset_id.partition("/")
    source = Source(
        suite=suite,
        name=facts.name,
        files=tuple(File(name, f"{URL}/{namespace}/resolve/main/{rest}/{name}") for name in FILES),
        folder=partial(_folder, facts.dataset_id),
        verify=partial(verify, facts),
        maker=maker(facts) if "pointmaze" in facts.name else None,
    )
    other = "" if suite == "minari-mujoco" else "; the suite d4rl-v2 holds D4RL's own"
    return Task(
        suite=suite,
        name=facts.name,
        summary=f"{facts.env_id}, from Minari's {facts.dataset_id}",
        obs_dim=facts.obs_dim,
        action_dim=facts.action_dim,
        max_steps=facts.max_steps,
        reference=facts.reference,
        load=without_copy,
        environments=partial(environments, facts),
        versions=partial(versions, facts),
        source=source,
        read=partial(read, facts),
        reference_of=partial(reference_of, facts),
        notes=(f"Minari's data are not those of D4RL's files{other}.", *([facts.note] if facts.note else [])),
        max_rows=ROWS,
    )


def _suite(name: str, summary: str, facts: Sequence[Facts]) -> Suite:
    tasks = [_task(name, each) for each in facts]
    return Suite(
        name,
        summary,
        {task.name: task for task in tasks},
        steps=1_000_000,
        evaluations=10,
        episodes=20,
        keep_interval=True,
    )


D4RL = _suite("d4rl", "Minari's data sets D4RL/*: point and ant mazes, hands, kitchen", catalogue.D4RL)
MINARI_MUJOCO = _suite("minari-mujoco", "Minari's data sets mujoco/*: Gymnasium's bodies", catalogue.MUJOCO)
