import math

import pytest
import torch
from stubs import Recorded, always, batch_of, column, draws, schedule_of, two_critics

from algorithms.srpo import SRPO, marginal
from bench.stacked import Nets


def kept_at(t):
    """The integral of a rate that rises from 0.1 to 20, by hand: exp(-1/2 (0.1 t + 19.9 t^2 / 2))."""
    return math.exp(-0.5 * (0.1 * t + 19.9 * t * t / 2))


def test_the_diffusion_preserves_variance():
    kept, std = marginal(torch.tensor([0.1, 0.5, 1.0]))
    assert kept.flatten().tolist() == pytest.approx([kept_at(t) for t in (0.1, 0.5, 1.0)], rel=1e-5)
    assert (kept.square() + std.square()).flatten().tolist() == pytest.approx([1, 1, 1])


def test_the_behaviour_is_cloned_at_all_times():
    behavior = always(torch.tensor([[0.5, 0.0], [-1.0, 1.0]]))
    noise = draws(cloning_time=torch.tensor([0.0, 1.0]), cloning=torch.tensor([[2.0, 0.0], [-1.0, 0.0]]))
    loss, _ = SRPO().behavior_loss(Nets({"behavior": behavior}), batch_of(torch.ones(2, 2)), noise)
    assert loss.item() == pytest.approx((1.5**2 + 1) / 2)
    ((_, noisy, time),) = behavior.calls
    assert time.tolist() == pytest.approx([0.001, 1.0])
    std = math.sqrt(1 - kept_at(0.001) ** 2)
    assert noisy[0].tolist() == pytest.approx([kept_at(0.001) + 2 * std, kept_at(0.001)], rel=1e-4)


def test_the_policy_climbs_q_and_the_score():
    action = torch.tensor([[0.5, -0.5]], requires_grad=True)
    nets = Nets(
        {
            "actor": always(action),
            "behavior": Recorded(lambda obs, noisy, time: 3 * noisy),
            "target_critic": Recorded(lambda obs, a: torch.stack((a.sum(-1), 3 * a.sum(-1)))),
        }
    )
    z = torch.tensor([[1.0, 2.0]])
    noise = draws(score_time=torch.tensor([0.5]), score=z)  # t = 0.02 + 0.96 / 2
    loss, _ = SRPO(SRPO.Config(beta=0.3)).actor_loss(nets, batch_of(torch.zeros(1, 2)), noise)
    (gradient,) = torch.autograd.grad(loss, action)
    kept = kept_at(0.5)
    std = math.sqrt(1 - kept**2)
    # sigma^2 (e(a_t) - z) - beta dQ/da, with Q = 2 (a_1 + a_2); e counts as a constant
    predicted = [3 * (kept * a + std * n) for a, n in ((0.5, 1.0), (-0.5, 2.0))]
    expected = [std**2 * (e - n) - 0.3 * 2 for e, n in zip(predicted, (1.0, 2.0), strict=True)]
    assert gradient[0].tolist() == pytest.approx(expected, rel=1e-4)


def test_its_critics_are_those_of_iql():
    nets = Nets(
        {
            "target_critic": two_critics(lambda a: a, lambda a: a + 1),
            "value": Recorded(lambda obs: obs[:, 0]),
        }
    )
    batch = batch_of(column(3.0, 0.0), obs=column(1.0, 1.0))
    assert SRPO().value_loss(nets, batch, draws())[0].item() == pytest.approx((0.7 * 4 + 0.3) / 2)


def test_the_order_of_an_update():
    assert schedule_of(SRPO()) == [
        "minimize behavior", "minimize value", "minimize critic", "target critic", "minimize actor",
    ]  # fmt: skip


def test_without_hidden_layers_the_width_of_the_blocks_must_be_given():
    with pytest.raises(ValueError, match="set width too"):
        SRPO.Config(hidden=())
    assert set(SRPO(SRPO.Config(hidden=(), width=8)).networks(2, 1)) >= {"value", "critic", "actor"}
