import pytest
import torch
from stubs import Recorded, batch_of, column, draws, schedule_of, two_critics

from algorithms.fbrac import FBRAC
from bench.stacked import Nets


def test_cloning_and_q_through_all_steps_of_the_flow():
    velocity = torch.tensor(0.5, requires_grad=True)
    nets = Nets(
        {
            "flow": Recorded(lambda obs, action, t: velocity.expand_as(action)),
            "critic": two_critics(lambda a: a, lambda a: 3 * a),
        }
    )
    noise = draws(flow=column(0.0, 0.0), flow_time=torch.tensor([0.1, 0.9]), q=column(0.0, 0.0))
    loss, metrics = FBRAC(FBRAC.Config(alpha=10.0, flow_steps=4)).actor_loss(
        nets, batch_of(column(1.0, 1.0)), noise
    )
    # cloning: (0.5 - 1)^2; the policy walks 0.5 in all; Q = 2 * 0.5
    assert metrics["cloning"].item() == pytest.approx(0.25)
    assert loss.item() == pytest.approx(10 * 0.25 - 1)
    # d/dv: 10 * 2 * (0.5 - 1) - 2, as every one of the four steps adds a quarter of the velocity
    assert torch.autograd.grad(loss, velocity)[0].item() == pytest.approx(-12)


def test_targets_use_the_flow_itself():
    nets = Nets(
        {
            "flow": Recorded(lambda obs, action, t: torch.full_like(action, 0.5)),
            "critic": two_critics(lambda a: 0 * a, lambda a: 0 * a),
            "target_critic": two_critics(lambda a: a, lambda a: 3 * a),
        }
    )
    loss, _ = FBRAC(FBRAC.Config(discount=0.5)).critic_loss(
        nets, batch_of(column(0.0)), draws(critic=column(0.0))
    )
    assert loss.item() == pytest.approx(0.5**2)  # 0.5 * 2 * 0.5


def test_both_networks_move_at_once():
    assert schedule_of(FBRAC()) == [
        "at once", "minimize critic", "minimize flow", "target critic", "end",
    ]  # fmt: skip
