import pytest
import torch
from stubs import always, batch_of, column, draws, schedule_of, two_critics

from algorithms.td3 import TD3
from bench.stacked import Nets


def test_nothing_holds_the_actor_near_the_data():
    action = column(0.5, -0.5).requires_grad_()
    nets = Nets({"actor": always(action), "critic": two_critics(lambda a: 4 * a, lambda a: -9 * a)})
    loss, _ = TD3().actor_loss(nets, batch_of(column(-1.0, 1.0)), draws())
    assert loss.item() == pytest.approx(0)
    assert torch.autograd.grad(loss, action)[0].flatten().tolist() == [-2.0, -2.0]


def test_the_actor_moves_in_every_second_update():
    assert schedule_of(TD3(), update_actor=False) == ["minimize critic"]
    assert schedule_of(TD3(), update_actor=True) == [
        "minimize critic", "minimize actor", "target critic", "target actor",
    ]  # fmt: skip
