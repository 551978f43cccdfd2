import math

import pytest
import torch

from bench.generative import best_of, euler, flow_matching, softmax_draw, vp_betas


def straight(goal):
    """The field that leads to `goal` along a straight line: the rest of the way by the rest of the time."""
    return lambda obs, action, t: (goal - action) / (1 - t)


def test_flow_matching_asks_for_the_straight_way_at_a_point_of_it():
    seen = []

    def field(obs, action, t):
        seen.append((action, t))
        return torch.tensor([[1.0, 0.0], [0.0, 0.0]])

    action, noise = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.tensor([[-1.0, 0.0], [2.0, 1.0]])
    error = flow_matching(field, torch.zeros(2, 1), action, noise, torch.tensor([0.25, 0.5]))
    ((point, t),) = seen
    assert point.tolist() == [[-0.5, 0.5], [1.0, 1.0]]
    assert t.tolist() == [[0.25], [0.5]]
    # velocities (2, 2) and (-2, 0): ((1 - 2)^2 + 2^2) / 2 and (2^2 + 0) / 2
    assert error.tolist() == [2.5, 2.0]


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_euler_follows_a_straight_way_exactly(steps):
    goal, start = torch.tensor([[0.3, -0.8]]), torch.tensor([[2.0, 1.0]])
    assert torch.allclose(euler(straight(goal), torch.zeros(1, 1), start, steps), goal, atol=1e-6)


def test_euler_sees_the_time_and_ends_inside_the_bounds():
    times = []

    def field(obs, action, t):
        times.append(t.flatten().tolist())
        return torch.full_like(action, 4.0)

    assert euler(field, torch.zeros(2, 1), torch.zeros(2, 1), 4).tolist() == [[1.0], [1.0]]
    assert times == [[0.0, 0.0], [0.25, 0.25], [0.5, 0.5], [0.75, 0.75]]


def test_every_observation_gets_its_own_best_candidate():
    action = torch.arange(6.0).view(2, 3, 1)
    q = torch.tensor([[0.0, 2.0, 1.0], [5.0, 1.0, 1.0]])
    assert best_of(action, q).tolist() == [[1.0], [3.0]]


def test_candidates_are_drawn_with_probabilities_softmax_q():
    count = 20_000
    q = torch.tensor([0.0, 1.0, 3.0]).expand(count, 3)
    action = torch.tensor([0.0, 1.0, 2.0]).expand(count, 3)[..., None]
    uniform = torch.rand(count, 3, generator=torch.Generator().manual_seed(0))
    drawn = softmax_draw(action, q, uniform).flatten()
    shares = torch.stack([(drawn == i).float().mean() for i in range(3)])
    assert (shares - q[0].softmax(0)).abs().max() < 0.015  # four standard errors


def test_the_betas_are_those_of_rates_from_0_1_to_10():
    betas = vp_betas(5)
    # what is left after all steps: exp(-(0.1 + 10) / 2)
    assert math.prod(1 - betas) == pytest.approx(math.exp(-5.05))
    assert betas[0] == pytest.approx(1 - math.exp(-0.1 / 5 - 0.5 * 9.9 / 25))
