import math

import pytest
import torch
from stubs import Recorded, batch_of, column, draws, two_critics

from algorithms.fawac import FAWAC
from bench.stacked import Nets


def found(velocity=0.5):
    """A policy that walks `velocity` from the noise; Q = a and 3a, 2a on average."""
    return Nets(
        {
            "flow": Recorded(lambda obs, action, t: torch.as_tensor(velocity).expand_as(action)),
            "critic": two_critics(lambda a: a, lambda a: 3 * a),
        }
    )


def loss_of(alpha, velocity=0.5, **options):
    noise = draws(flow=column(0.0, 0.0), flow_time=torch.tensor([0.1, 0.9]), q=column(0.0, 0.0))
    return FAWAC(FAWAC.Config(alpha=alpha, **options)).actor_loss(
        found(velocity), batch_of(column(1.0, 0.0)), noise
    )


def test_cloning_is_weighted_by_the_advantage_over_an_action_of_the_policy():
    # V = 2 * 0.5; advantages 2 - 1 and 0 - 1; errors (0.5 - 1)^2 and 0.5^2
    loss, metrics = loss_of(0.5)
    weights = math.exp(0.5), math.exp(-0.5)
    assert metrics["weight"].item() == pytest.approx(sum(weights) / 2)
    assert loss.item() == pytest.approx(0.25 * sum(weights) / 2)


def test_weights_are_clipped():
    assert loss_of(50.0, max_weight=100.0)[1]["weight"].item() == pytest.approx(50)


def test_the_weights_are_constants():
    velocity = torch.tensor(0.5, requires_grad=True)
    loss, _ = loss_of(0.0, velocity)
    assert torch.autograd.grad(loss, velocity)[0].item() == pytest.approx(0.0)  # 2 (0.5 - 1) + 2 * 0.5
