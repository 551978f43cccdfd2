"""D4RL's ant mazes on Gymnasium's MuJoCo: its mazes, its ant, its starts, goals and rewards.

Taken from D4RL's `d4rl/locomotion` (maze_env.py, ant.py, goal_reaching_env.py, assets/ant.xml), because
`AntMaze_*-v5` of gymnasium-robotics is another task: its ant is driven five times as hard at half the time
step, its mazes are centred at the origin and mirrored in y, its starts and goals are spread differently. A
policy trained on D4RL's observations would be lost there.
"""

import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from gymnasium.envs.mujoco import mujoco_env
from gymnasium.spaces import Box

VERSION = "1"  # changes whenever returns do
MAZES = {  # '#' wall, 'R' start, 'G' goal; rows go along y, columns along x
    "antmaze-umaze": (
        "#####",
        "#R..#",
        "###.#",
        "#G..#",
        "#####",
    ),
    "antmaze-medium": (
        "########",
        "#R.##..#",
        "#..#...#",
        "##...###",
        "#..#...#",
        "#.#..#.#",
        "#...#.G#",
        "########",
    ),
    "antmaze-large": (
        "############",
        "#R...#.....#",
        "#.##.#.#.#.#",
        "#......#...#",
        "#.####.###.#",
        "#..#.#.....#",
        "##.#.#.#.###",
        "#..#...#.G.#",
        "############",
    ),
}
CELL = 4.0  # metres
WALL_HEIGHT = 2.0
RADIUS = 0.5  # of the goal


def cells(maze: str, kind: str) -> np.ndarray:
    """Centres (n, 2) of all cells of a kind; the start is at (0, 0)."""
    layout = np.array([list(row) for row in MAZES[maze]])
    return CELL * (np.argwhere(layout == kind) - np.argwhere(layout == "R"))[:, ::-1]


def model_xml(maze: str) -> str:
    """Gymnasium's ant with what D4RL's has otherwise, among the walls of a maze."""
    root = ElementTree.parse(Path(mujoco_env.__file__).parent / "assets" / "ant.xml").getroot()
    _find(root, "option").set("timestep", "0.02")
    _find(root, "default/geom").set("solimp", ".8 .8 .01")
    for motor in root.findall("actuator/motor"):
        motor.set("gear", "30")  # D4RL: gear 1, controls in [-30, 30]
    world = _find(root, "worldbody")
    for x, y in cells(maze, "#"):
        wall = {"pos": f"{x} {y} {WALL_HEIGHT / 2}", "size": f"{CELL / 2} {CELL / 2} {WALL_HEIGHT / 2}"}
        ElementTree.SubElement(world, "geom", type="box", contype="1", conaffinity="1", **wall)
    return ElementTree.tostring(root, encoding="unicode")


def _find(root: ElementTree.Element, path: str) -> ElementTree.Element:
    found = root.find(path)
    assert found is not None, f"Gymnasium's ant.xml has no {path}"
    return found


class AntMaze(mujoco_env.MujocoEnv):
    """From the start to the goal: reward 1 and the end of the episode within 0.5 of it, else 0.

    Observations (29,): positions (15, of which the first two are x and y) and velocities (14). The goal is
    drawn anew for every episode, within 1.5 of the centre of its cell on the far side of both axes; it is
    not observed. An ant that has fallen stays on its back.
    """

    metadata = {"render_modes": ["human", "rgb_array", "depth_array"], "render_fps": 10}

    def __init__(self, maze: str) -> None:
        self.goal_cell = cells(maze, "G")[0]
        self.goal = self.goal_cell
        space = Box(-np.inf, np.inf, (29,), np.float64)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ant_maze.xml"
            path.write_text(model_xml(maze))
            super().__init__(str(path), frame_skip=5, observation_space=space)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.do_simulation(action, self.frame_skip)
        obs = self.state_vector()
        reached = bool(np.linalg.norm(obs[:2] - self.goal) <= RADIUS)
        return obs, float(reached), reached, False, {"success": reached}

    def reset_model(self) -> np.ndarray:
        random = self.np_random
        self.goal = self.goal_cell + random.uniform(0, 1, 2) + random.uniform(0, 0.5, 2)
        position = self.init_qpos + random.uniform(-0.1, 0.1, self.model.nq)
        velocity = self.init_qvel + 0.1 * random.standard_normal(self.model.nv)
        self.set_state(position, velocity)
        return self.state_vector()
