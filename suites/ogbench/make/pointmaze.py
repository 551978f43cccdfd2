"""Navigate, stitch and explore data of the point mazes.

`navigate`: to a random corner or crossing, and on to the next one when it is reached. `stitch`: to a cell
four cells away, and stay there. `explore`: a random direction, drawn anew every ten steps.

In the teleport maze a step's observation is taken before the jump and qpos after it, as in official data.
"""

from typing import Any

import numpy as np

from suites.ogbench.environments import make
from suites.ogbench.make.recording import Recipe, Recorder, Rows

Cell = tuple[int, int]

NOISE = {"navigate": 0.5, "stitch": 0.5, "explore": 1.0}  # of the action; explore: antmaze's
STITCH_DISTANCE = 4  # cells
EXPLORE_STEPS = 10  # in one direction


class PointMaze:
    """A maze in which the point walks along shortest paths, or at random."""

    def __init__(self, recipe: Recipe) -> None:
        self.kind = recipe.kind
        self.env = make(recipe.env_id, terminate_at_goal=False, max_episode_steps=recipe.rows)
        self.maze: Any = self.env.unwrapped
        free = np.argwhere(self.maze.maze_map == 0)
        self.cells: list[Cell] = [(int(i), int(j)) for i, j in free]
        self.corners = [cell for cell in self.cells if not self._is_corridor(cell)]
        self.subgoals: dict[tuple[Cell, Cell], np.ndarray] = {}

    def play(self, seed: int) -> Rows:
        """One episode from a random cell."""
        start = _pick(self.cells)
        goals = self._around(start) if self.kind == "stitch" else self.corners
        task = {"init_ij": start, "goal_ij": _pick(goals)}
        obs, _ = self.env.reset(seed=seed, options={"task_info": task})
        recorder, last, direction = Recorder(), False, np.zeros(2)
        step = 0
        while not last:
            if self.kind != "explore":
                direction = self._way()
            elif step % EXPLORE_STEPS == 0:
                direction = _unit(np.random.normal(size=2))
            action = np.clip(direction + np.random.normal(0, NOISE[self.kind], 2), -1, 1)
            next_obs, _, terminated, truncated, info = self.env.step(action)
            last = terminated or truncated
            recorder.add(obs, action, last, info)
            if info["success"] and self.kind == "navigate":
                # set_goal(goal_ij=...) would also move the drawn target, to NaN.
                self.maze.set_goal(goal_xy=self.maze.add_noise(self.maze.ij_to_xy(_pick(self.corners))))
            obs = next_obs
            step += 1
        return recorder.rows()

    def _way(self) -> np.ndarray:
        """Unit vector (2,) to the next cell of the shortest path to the goal."""
        xy, goal = self.maze.get_xy(), self.maze.cur_goal_xy
        cells = (self.maze.xy_to_ij(xy), self.maze.xy_to_ij(goal))
        if cells not in self.subgoals:  # a function of the two cells; the search is slower than a step
            self.subgoals[cells] = self.maze.get_oracle_subgoal(xy, goal)[0]
        return _unit(self.subgoals[cells] - xy)

    def _is_corridor(self, cell: Cell) -> bool:
        """Whether the cell has exactly two free neighbours, opposite each other."""
        i, j = cell
        free = self.maze.maze_map == 0
        upright = (free[i - 1, j], free[i + 1, j])
        level = (free[i, j - 1], free[i, j + 1])
        return (all(upright) and not any(level)) or (all(level) and not any(upright))

    def _around(self, start: Cell) -> list[Cell]:
        """The cells at the stitching distance; where there are none, the start itself."""
        distance = self.maze.get_oracle_subgoal(*[self.maze.ij_to_xy(start)] * 2)[1]
        return [cell for cell in self.cells if distance[cell] == STITCH_DISTANCE] or [start]


def _pick(cells: list[Cell]) -> Cell:
    return cells[np.random.randint(len(cells))]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / (np.linalg.norm(vector) + 1e-6)
