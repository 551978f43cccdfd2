import math

import pytest
import torch
from stubs import Recorded, always, batch_of, column, draws, row, schedule_of

from algorithms.iql import IQL
from bench.stacked import Nets


def algorithm(**options):
    return IQL(IQL.Config(**options))


def nets(value, target_q, **more):
    """V and the smaller target Q at the data; the other critic is larger by 1."""
    smaller = row(*target_q)
    return Nets(
        {"value": always(row(*value)), "target_critic": always(torch.stack((smaller + 1, smaller)))} | more
    )


def test_v_is_regressed_onto_the_expectile_of_the_smaller_critic():
    # Q - V = 2 and -1: (0.7 * 4 + 0.3 * 1) / 2 = 1.55
    loss, _ = algorithm(expectile=0.7).value_loss(
        nets((1.0, 1.0), (3.0, 0.0)), batch_of(column(0.0, 0.0)), draws()
    )
    assert loss.item() == pytest.approx(1.55)


def test_v_minimizes_its_loss_at_the_expectile():
    # Of 0 and 1, the expectile t lies at v = t: t (1 - v) = (1 - t) v
    v = row(0.9, 0.9).requires_grad_()
    critics = always(torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    loss, _ = algorithm(expectile=0.9).value_loss(
        Nets({"value": always(v), "target_critic": critics}), batch_of(column(0.0, 0.0)), draws()
    )
    assert torch.autograd.grad(loss, v)[0].sum().item() == pytest.approx(0, abs=1e-6)


def test_the_actor_is_cloned_with_exponential_weights_that_are_clipped():
    policy = always((column(0.0, 0.0), torch.tensor([2.0])))
    found = nets((0.0, 0.0), (math.log(2) / 3, 10.0), actor=policy)
    # weights: exp(3 ln 2 / 3) = 2; exp(30) -> 100
    # log N(a; 0, 2): a = 0: -log 2 - 0.918939 = -1.612086; a = 1: less 1/8: -1.737086
    loss, metrics = algorithm(beta=3.0, max_weight=100.0).actor_loss(
        found, batch_of(column(0.0, 1.0)), draws()
    )
    assert metrics["weight"].item() == pytest.approx(51)
    assert loss.item() == pytest.approx((2 * 1.612086 + 100 * 1.737086) / 2, rel=1e-5)


def test_beta_zero_is_cloning():
    policy = always((column(0.0, 0.0), torch.tensor([1.0])))
    found = nets((0.0, 5.0), (7.0, -3.0), actor=policy)
    loss, _ = algorithm(beta=0.0).actor_loss(found, batch_of(column(0.0, 0.0)), draws())
    assert loss.item() == pytest.approx(0.918939, rel=1e-5)


def test_the_critics_bootstrap_from_v_except_behind_a_terminal():
    value = Recorded(lambda obs: 4 * obs[:, 0])
    found = Nets({"value": value, "critic": always(torch.tensor([[3.0, 3.0], [0.0, 0.0]]))})
    batch = batch_of(column(0.0, 0.0), reward=row(1.0, 1.0), terminal=row(0.0, 1.0))  # next_obs is 1, obs 0
    # y = 1 + 0.5 * 4 = 3 and 1; first row: 0 + 9, second: 4 + 1; the mean over rows of the sums
    loss, _ = algorithm(discount=0.5).critic_loss(found, batch, draws())
    assert loss.item() == pytest.approx(7)
    assert len(value.calls) == 1
    assert value.calls[0][0] is batch.next_obs


def test_the_actor_sees_the_new_v_and_the_old_target():
    assert schedule_of(IQL()) == ["minimize value", "minimize actor", "minimize critic", "target critic"]


def test_it_acts_by_its_mean_inside_the_bounds():
    found = Nets({"actor": always((column(0.3, 1.7, -9.0), torch.tensor([1.0])))})
    action = algorithm().act(found, torch.zeros(3, 1), draws(), None)
    assert action.squeeze(1).tolist() == pytest.approx([0.3, 1.0, -1.0])


def test_only_the_actors_rate_decays():
    schedules = {name: network.schedule for name, network in IQL().networks(3, 2).items()}
    assert schedules == {"value": None, "actor": "cosine", "critic": None}
