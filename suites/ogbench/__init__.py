"""OGBench's single-task problems on states, in all data sets that are published for them.

Park, Frans, Eysenbach & Levine, "OGBench: Benchmarking Offline Goal-Conditioned RL", ICLR 2025,
https://arxiv.org/abs/2410.20092. Names, rewards, success and steps are the package's own. Since ogbench 1.2.0
reward and success belong to the state before the action; `success_timing=post` restores the older rule.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from bench.data.source import File, Source, package_dir
from bench.task import SUCCESS, Suite, Task, without_copy
from suites.ogbench.catalogue import (
    ENVIRONMENTS,
    FQL_ENVIRONMENTS,
    NUM_TASKS,
    SORL_ENVIRONMENTS,
    EnvironmentFacts,
)
from suites.ogbench.environments import environments, versions
from suites.ogbench.files import read, verify
from suites.ogbench.make import maker

URL = "https://rail.eecs.berkeley.edu/datasets/ogbench"
ROWS = 100  # environments side by side
SLOW_ROWS = 12  # where building one takes about a second


def _source(facts: EnvironmentFacts, kind: str) -> Source:
    name = facts.dataset(kind)
    published = kind in facts.data
    return Source(
        suite="ogbench",
        name=name,
        files=tuple(
            File(file, f"{URL}/{file}" if published else "") for file in (f"{name}.npz", f"{name}-val.npz")
        ),
        folder=partial(package_dir, "ogbench", None, "~/.ogbench/data"),
        verify=partial(verify, facts, name),
        maker=maker(name),
    )


def _task(facts: EnvironmentFacts, kind: str, number: int, source: Source) -> Task:
    env_id = f"{facts.name}-singletask-task{number}-v0"
    default = " (the default task)" if number == facts.default_task else ""
    return Task(
        suite="ogbench",
        name=f"{facts.name}-{kind}-singletask-task{number}-v0",
        summary=f"{facts.name}, task {number} of {NUM_TASKS}{default}, from {kind} data",
        obs_dim=facts.obs_dim,
        action_dim=facts.action_dim,
        max_steps=facts.max_steps,
        reference=SUCCESS,
        load=without_copy,
        environments=partial(environments, env_id, "pre"),
        versions=partial(versions, "pre"),
        source=source,
        read=partial(read, facts, source.name, number),
        notes=(f"Evaluated in {env_id} of the package ogbench, which also pays every recorded state.",),
        variants={"success_timing=pre": lambda task: task, "success_timing=post": partial(_post, env_id)},
        max_rows=SLOW_ROWS if facts.slow_to_build else ROWS,
    )


def _post(env_id: str, task: Task) -> Task:
    """The rule before ogbench 1.2.0: the environment pays for the state after the action.

    The data stay as they are: the package has always relabelled them by the state before it.
    """
    return replace(
        task, environments=partial(environments, env_id, "post"), versions=partial(versions, "post")
    )


def _tasks() -> dict[str, Task]:
    found = {}
    for facts in ENVIRONMENTS:
        for kind in (*facts.data, *facts.unpublished):
            source = _source(facts, kind)
            for number in range(1, NUM_TASKS + 1):
                task = _task(facts, kind, number, source)
                found[task.name] = task
    return found


def _aliases() -> dict[str, str]:
    """The package's names without a task number -> the tasks that they stand for."""
    return {
        f"{facts.name}-{kind}-singletask-v0": f"{facts.name}-{kind}-singletask-task{facts.default_task}-v0"
        for facts in ENVIRONMENTS
        for kind in (*facts.data, *facts.unpublished)
    }


def _suite(name: str, summary: str, tasks: Mapping[str, Task]) -> Suite:
    """FQL's protocol: a million updates, an evaluation of 50 episodes every 100,000."""
    aliases = {alias: task for alias, task in _aliases().items() if task in tasks}
    return Suite(
        name,
        summary,
        tasks,
        steps=1_000_000,
        evaluations=10,
        episodes=50,
        aliases=aliases,
        keep_interval=True,
    )


_TASKS = _tasks()
_DEFAULTS = {f"{f.name}-{f.data[0]}-singletask-task{f.default_task}-v0" for f in ENVIRONMENTS}


def _part(name: str, summary: str, datasets: tuple[str, ...]) -> Suite:
    prefixes = tuple(f"{dataset}-singletask-" for dataset in datasets)
    return _suite(name, summary, {n: task for n, task in _TASKS.items() if n.startswith(prefixes)})


OGBENCH = _suite("ogbench", "OGBench: manipulation and mazes, five tasks for each environment", _TASKS)
OGBENCH_SORL = _part("ogbench/sorl", "the 8 x 5 tasks of the SORL paper", SORL_ENVIRONMENTS)
OGBENCH_FQL = _part("ogbench/fql", "the 10 x 5 tasks of the FQL paper", FQL_ENVIRONMENTS)
OGBENCH_DEFAULT = _suite(
    "ogbench/default",
    "the default task of every environment, from its usual data",
    {name: task for name, task in _TASKS.items() if name in _DEFAULTS},
)
