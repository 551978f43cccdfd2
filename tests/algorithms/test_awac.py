import math

import pytest
import torch
from stubs import Recorded, always, batch_of, column, draws, row, schedule_of, two_critics

from algorithms.awac import AWAC
from bench.stacked import Nets


def found(**more):
    """A policy of mean 0 and deviation 2; Q = a and 3a."""
    nets = {
        "actor": Recorded(lambda obs: (torch.zeros(len(obs), 1), torch.tensor([2.0]))),
        "critic": two_critics(lambda a: a, lambda a: 3 * a),
        "target_critic": two_critics(lambda a: a, lambda a: 3 * a),
    }
    return Nets(nets | more)


def test_cloning_is_weighted_by_the_advantage_over_an_action_of_the_policy():
    # The policy's actions: 2 * 0.25 and 2 * -3, cut at -1; min Q: 0.5, -3. Of the data: 1, 0.
    algorithm = AWAC(AWAC.Config(temperature=2.0, max_weight=4.0))
    batch, noise = batch_of(column(1.0, 0.0)), draws(actor=column(0.25, -3.0))
    loss, metrics = algorithm.actor_loss(found(), batch, noise)
    weights = math.exp((1 - 0.5) / 2), 4.0  # exp(3 / 2) = 4.48 is clipped
    assert metrics["weight"].item() == pytest.approx(sum(weights) / 2)
    # log N(a; 0, 2): -1.612086, and 1/8 less at a = 1
    assert loss.item() == pytest.approx((weights[0] * 1.737086 + weights[1] * 1.612086) / 2, rel=1e-5)


def test_critics_bootstrap_from_an_action_of_the_policy():
    critic = always(torch.zeros(2, 2))
    batch = batch_of(column(0.0, 0.0), reward=row(1.0, 1.0), terminal=row(0.0, 1.0))
    loss, _ = AWAC(AWAC.Config(discount=0.5)).critic_loss(
        found(critic=critic), batch, draws(target=column(0.25, 0.25))
    )
    assert loss.item() == pytest.approx(((1 + 0.5 * 0.5) ** 2 * 2 + 2) / 2)


def test_the_weights_are_constants():
    mean = column(0.0).requires_grad_()
    nets = found(actor=Recorded(lambda obs: (mean, torch.tensor([2.0]))))
    loss, metrics = AWAC().actor_loss(nets, batch_of(column(1.0)), draws(actor=column(0.0)))
    expected = -metrics["weight"].item() / 4  # -w (a - mean) / std^2
    assert torch.autograd.grad(loss, mean)[0].item() == pytest.approx(expected)


def test_the_order_of_an_update():
    assert schedule_of(AWAC()) == ["minimize critic", "minimize actor", "target critic"]


def test_it_acts_by_its_mean_inside_the_bounds():
    nets = Nets({"actor": always((column(0.3, -9.0), torch.tensor([1.0])))})
    assert AWAC().act(nets, torch.zeros(2, 1), draws(), None).flatten().tolist() == pytest.approx([0.3, -1.0])
