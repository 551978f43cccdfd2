"""Makes the point-maze data of `D4RL/pointmaze` anew: a controller walks from cell to cell to the goal.

As in D4RL's maze2d, the way is the shortest one over the cells of the map, and the action a spring and a
damper towards the next cell with noise. One episode is one start and one goal: it ends when the goal is
reached. Minari's own recording goes on from there to the next goal.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.source import Maker, MakeRequest
from bench.data.workers import in_processes
from bench.streams import stream, stream_seed
from suites.minari.catalogue import Facts
from suites.minari.environments import make
from suites.minari_data import minari_root, require_minari, without_advice

EPISODES = 10_000  # about a million steps in the umaze, which is the size of Minari's
SPRING, DAMPER, NOISE = 10.0, -1.0, 0.5  # D4RL's controller and its noise
Cell = tuple[int, int]


def maker(facts: Facts) -> Maker:
    """How a point-maze data set is made."""

    def write(folder: Path, request: MakeRequest) -> None:
        _write(facts, folder, request)

    return Maker(episodes=EPISODES, write=write, total=lambda episodes: episodes)


def _write(facts: Facts, folder: Path, request: MakeRequest) -> None:
    """Play all episodes and leave them as a data set of Minari in `folder`/data."""
    require_minari()
    import minari
    from minari.data_collector import EpisodeBuffer

    recorded: dict[int, dict[str, Any]] = {}
    with closing(in_processes(_Player, (facts, request.seed), request.episodes, request.workers)) as episodes:
        for number, recording in episodes:
            recorded[number] = recording
            request.progress(1)
    env = make(facts)
    with without_advice(), minari_root(folder):
        minari.create_dataset_from_buffers(
            facts.dataset_id,
            [EpisodeBuffer(id=number, **recorded[number]) for number in sorted(recorded)],
            env=env,
            eval_env=env.spec,
            algorithm_name="way-point controller with noise",
            description=f"{request.episodes} episodes of {facts.env_id}, seed {request.seed}",
        )
    env.close()
    (folder / facts.dataset_id / "data").rename(folder / "data")
    for parent in (folder / facts.dataset_id, *(folder / facts.dataset_id).parents):
        if parent == folder:
            break
        for leftover in parent.glob("namespace_metadata.json"):
            leftover.unlink()
        parent.rmdir()


class _Player:
    """Plays episodes by their numbers; each is a function of the data set, the seed and the number."""

    def __init__(self, facts: Facts, seed: int) -> None:
        self.facts, self.seed = facts, seed
        self.env: Any = make(facts)
        self.maze = self.env.unwrapped.maze
        self.way = _Way(self.maze.maze_map)

    def __call__(self, number: int) -> dict[str, Any]:
        name = ("pointmaze data", self.facts.dataset_id, self.seed, number)
        rng, seed = stream("action", *name), stream_seed("reset", *name) % 2**31
        obs, _ = self.env.reset(seed=seed)
        observations, actions, rewards = [obs], [], []
        success = truncated = False
        while not (success or truncated):
            action = self._action(obs) + NOISE * rng.standard_normal(2)
            action = action.clip(-1, 1).astype(np.float32)
            obs, reward, _, truncated, info = self.env.step(action)
            success = info["success"]
            observations.append(obs)
            actions.append(action)
            rewards.append(float(reward))
        ends = [*[False] * (len(actions) - 1), True]
        return {
            "seed": seed,
            "observations": {key: np.stack([o[key] for o in observations]) for key in obs},
            "actions": np.stack(actions),
            "rewards": rewards,
            "terminations": [False] * len(actions),
            "truncations": ends,
        }

    def _action(self, obs: dict[str, np.ndarray]) -> np.ndarray:
        place, velocity, goal = obs["achieved_goal"], obs["observation"][2:], obs["desired_goal"]
        here, there = (tuple(map(int, self.maze.cell_xy_to_rowcol(xy))) for xy in (place, goal))
        following = self.way.next(here, there)
        aim = goal if following == there else self.maze.cell_rowcol_to_xy(np.array(following))
        return SPRING * (aim - place) + DAMPER * velocity


class _Way:
    """Shortest ways over the free cells of a map, found once for each goal."""

    def __init__(self, maze_map: list[list[Any]]) -> None:
        self.free = {
            (i, j) for i, row in enumerate(maze_map) for j, cell in enumerate(row) if str(cell) != "1"
        }
        self.distances: dict[Cell, dict[Cell, int]] = {}

    def next(self, here: Cell, goal: Cell) -> Cell:
        """The neighbour of `here` that is nearest to the goal; the goal itself when it is there."""
        if goal not in self.distances:
            self.distances[goal] = self._from(goal)
        distance = self.distances[goal]
        return min((here, *_neighbours(here)), key=lambda cell: distance.get(cell, len(self.free)))

    def _from(self, goal: Cell) -> dict[Cell, int]:
        found, queue = {goal: 0}, deque([goal])
        while queue:
            cell = queue.popleft()
            for neighbour in _neighbours(cell):
                if neighbour in self.free and neighbour not in found:
                    found[neighbour] = found[cell] + 1
                    queue.append(neighbour)
        return found


def _neighbours(cell: Cell) -> Iterator[Cell]:
    i, j = cell
    yield from ((i - 1, j), (i, j - 1), (i + 1, j), (i, j + 1))
