import math

import pytest
import torch
from stubs import Recorded, always, batch_of, column, draws, row, schedule_of

from algorithms.sac_n import SACN
from bench.losses import tanh_gaussian
from bench.stacked import Nets


def found(temperature=0.5, **more):
    """A policy of mean 0 and deviation 1; three critics: a, 2a and 3a."""
    nets = {
        "actor": Recorded(lambda obs: torch.zeros(len(obs), 2)),
        "critic": Recorded(lambda obs, a: torch.stack([k * a[:, 0] for k in (1, 2, 3)])),
        "target_critic": Recorded(lambda obs, a: torch.stack([k * a[:, 0] for k in (1, 2, 3)])),
        "log_temperature": always(torch.tensor(math.log(temperature))),
    }
    return Nets(nets | more)


def sampled(*noise):
    zeros = torch.zeros(len(noise), 1)
    action, log_prob = tanh_gaussian(zeros, zeros, column(*noise))
    return action.flatten().tolist(), log_prob.tolist()


def test_the_policy_climbs_the_smallest_critic_and_its_entropy():
    (up, down), log_prob = sampled(1.0, -1.0)
    loss, metrics = SACN().actor_loss(found(), batch_of(column(0.0, 0.0)), draws(actor=column(1.0, -1.0)))
    # the smallest of a, 2a, 3a: a above 0, 3a below
    assert loss.item() == pytest.approx(sum(0.5 * p for p in log_prob) / 2 - (up + 3 * down) / 2, rel=1e-5)
    assert metrics["q_std"].item() == pytest.approx((up - down) / 2, rel=1e-5)  # of 1, 2, 3 it is 1


def test_critics_bootstrap_from_the_smallest_and_the_entropy():
    (action,), (log_prob,) = sampled(-1.0)
    nets = found(critic=always(torch.tensor([[0.0], [1.0], [2.0]])))
    batch = batch_of(column(0.0), reward=row(1.0))
    loss, _ = SACN(SACN.Config(discount=0.5)).critic_loss(nets, batch, draws(target=column(-1.0)))
    target = 1 + 0.5 * (3 * action - 0.5 * log_prob)
    assert loss.item() == pytest.approx(sum((k - target) ** 2 for k in (0, 1, 2)), rel=1e-5)


def test_the_temperature_falls_where_the_entropy_is_above_minus_a():
    _, (log_prob,) = sampled(1.0)
    nets = found(log_temperature=always(torch.tensor(0.3)))
    loss, _ = SACN().temperature_loss(nets, batch_of(column(0.0)), draws(actor=column(1.0)))
    assert loss.item() == pytest.approx(-0.3 * (log_prob - 1), rel=1e-5)


def test_the_order_of_an_update():
    assert schedule_of(SACN()) == [
        "minimize log_temperature", "minimize actor", "minimize critic", "target critic",
    ]  # fmt: skip


def test_many_critics_are_one_stacked_network():
    critic = SACN(SACN.Config(critics=500, hidden=(8,))).networks(3, 2)["critic"].module
    assert [tuple(p.shape) for p in critic.parameters()] == [
        (500, 5, 8),
        (500, 1, 8),
        (500, 8, 1),
        (500, 1, 1),
    ]
    assert critic(torch.zeros(4, 3), torch.zeros(4, 2)).shape == (500, 4)


def test_one_critic_is_not_enough():
    with pytest.raises(ValueError, match="at least 2"):
        SACN.Config(critics=1)
