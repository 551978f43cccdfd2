"""Peak memory of loading a data set and training on it, by the size of the data.

    python tests/memory/peak.py                          # a million transitions, every kind of file
    python tests/memory/peak.py --transitions 200000 ogbench

What is counted: in two fresh processes the same program loads a data set, hashes and describes it as a run does,
and trains 8 seeds of IQL; one on so many transitions, one on 1,000. The difference of their largest resident memory
(VmHWM) is what the transitions cost: imports, networks, optimizers and the physics are in both. It is divided by the
bytes of the `Dataset` (float32, with next_obs and next_action).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

FEW = 1000
EPISODE = 1000
TASKS = {
    "ogbench": "cube-single-play-singletask-task1-v0",
    "ogbench-float64": "cube-single-play-singletask-task1-v0",
    "d4rl": "halfcheetah-medium-v2",
    "d4rl-float64": "halfcheetah-medium-v2",
    "minari": "halfcheetah-medium-v0",
}


def write(kind: str, folder: Path, count: int) -> None:
    """A data set of `count` transitions of this kind below $BENCH_DATA = folder, in numbers without a meaning."""
    rng = np.random.default_rng(0)
    real = np.float64 if kind.endswith("float64") else np.float32
    if kind.startswith("ogbench"):
        from suites import SUITES

        task = SUITES["ogbench"].find(TASKS[kind])
        _write_ogbench(task.source.folder() / task.source.files[0].name, count, real, rng)
    elif kind.startswith("d4rl"):
        from suites import SUITES

        task = SUITES["d4rl-v2"].find(TASKS[kind])
        _write_d4rl(task.source.folder() / task.source.files[0].name, count, real, rng)
    else:
        _write_minari(count, rng)


def _numbers(rng: np.random.Generator, count: int, width: int, real: type) -> np.ndarray:
    return rng.uniform(-1, 1, (count, width)).astype(real)


def _write_ogbench(path: Path, count: int, real: type, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = count + count // EPISODE  # an episode's last state has no transition
    ends = np.arange(rows) % (EPISODE + 1) == EPISODE
    columns = {
        "observations": _numbers(rng, rows, 28, real), "actions": _numbers(rng, rows, 5, real),
        "terminals": ends, "qpos": _numbers(rng, rows, 21, real), "qvel": _numbers(rng, rows, 20, real),
    }  # fmt: skip
    np.savez(path, **columns)
    np.savez(
        path.with_name(path.stem + "-val.npz"), **{name: array[:2002] for name, array in columns.items()}
    )


def _write_d4rl(path: Path, count: int, real: type, rng: np.random.Generator) -> None:
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["observations"] = _numbers(rng, count, 17, real)
        file["next_observations"] = _numbers(rng, count, 17, real)
        file["actions"] = _numbers(rng, count, 6, real)
        file["rewards"] = _numbers(rng, count, 1, real)[:, 0]
        file["terminals"] = np.zeros(count, bool)
        file["timeouts"] = np.arange(count) % EPISODE == EPISODE - 1


def _write_minari(count: int, rng: np.random.Generator) -> None:
    import gymnasium
    import minari
    from minari.data_collector import EpisodeBuffer

    from suites import SUITES
    from suites.minari_data import minari_root, without_advice

    env = gymnasium.make("HalfCheetah-v5")
    buffers = [
        EpisodeBuffer(
            id=number, seed=0, observations=list(_numbers(rng, EPISODE + 1, 17, np.float64)),
            actions=list(_numbers(rng, EPISODE, 6, np.float32)), rewards=rng.uniform(size=EPISODE).tolist(),
            terminations=[False] * EPISODE, truncations=[False] * (EPISODE - 1) + [True],
        )
        for number in range(count // EPISODE)
    ]  # fmt: skip
    root = SUITES["minari-mujoco"].find(TASKS["minari"]).source.folder().parents[2]
    root.mkdir(parents=True, exist_ok=True)
    with minari_root(root), without_advice():
        minari.create_dataset_from_buffers(
            "mujoco/halfcheetah/medium-v0", buffers, env=env, algorithm_name="none"
        )


def train(kind: str, updates: int, normalize: bool) -> None:
    """Load, describe and train as a run does; prints the largest resident memory and the bytes of the data."""
    from dataclasses import fields

    import torch

    from algorithms import ALGORITHMS
    from bench.data import card
    from bench.memory import keep_freed_memory, largest_resident
    from bench.population import NativePopulation
    from suites import SUITES

    torch.set_num_threads(1)
    suite = {"ogbench": "ogbench", "d4rl": "d4rl-v2", "minari": "minari-mujoco"}[kind.partition("-")[0]]
    task = SUITES[suite].task(TASKS[kind])
    dataset = task.load()
    keep_freed_memory()
    size = sum(getattr(dataset, field.name).nbytes for field in fields(dataset))
    iql = ALGORITHMS["iql"]
    algorithm = iql(iql.Config(hidden=(64, 64), batch_size=64, normalize_obs=normalize))
    population = NativePopulation(algorithm, dataset, range(8), updates, "cpu")
    card.describe(dataset, task.reference)
    dataset.sha256()
    del dataset
    population.update(updates)
    print(largest_resident(), size)


def measure(kind: str, count: int, updates: int = 100, normalize: bool = False) -> tuple[float, int]:
    """Peak memory of `count` transitions by the bytes of their `Dataset`, and these bytes."""
    results = []
    for number in (FEW, count):
        with tempfile.TemporaryDirectory() as name:
            own = {"BENCH_DATA": name, "BENCH_CACHE": f"{name}/cache", "OMP_NUM_THREADS": "1"}
            path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
            for step in (["--write", str(number)], ["--train", str(updates)]):
                words = [sys.executable, __file__, *step, *["--normalize"] * normalize, kind]
                said = subprocess.run(
                    words,
                    env=os.environ | own | {"PYTHONPATH": path},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if said.returncode:
                    raise RuntimeError(said.stderr)
            results.append(tuple(map(int, said.stdout.split()[-2:])))
    (base, small), (peak, size) = results
    return (peak - base) / (size - small), size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "kinds", nargs="*", choices=[*TASKS, []], default=[], metavar="KIND", help=", ".join(TASKS)
    )
    parser.add_argument("--transitions", type=int, default=1_000_000)
    parser.add_argument("--normalize", action="store_true", help="observations, in a copy beside the data")
    parser.add_argument("--write", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--train", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for kind in options.kinds or TASKS:
        if options.write:
            write(kind, Path(os.environ["BENCH_DATA"]), options.write)
        elif options.train:
            train(kind, options.train, options.normalize)
        else:
            ratio, size = measure(kind, options.transitions, normalize=options.normalize)
            print(f"{kind}: {ratio:.2f} times the data ({size / 1e6:.0f} MB)", flush=True)


if __name__ == "__main__":
    main()
