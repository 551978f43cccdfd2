import math

import pytest
import torch
from stubs import Recorded, always, batch_of, column, draws, row, schedule_of

from algorithms.cac import CAC, Inference, boundary, clean
from bench.stacked import Nets


def algorithm(**options):
    return CAC(CAC.Config(discount=0.5, **options))


def keep(t):
    return 0.25 / ((t - 0.002) ** 2 + 0.25)


def change(t):
    return 0.5 * (t - 0.002) / math.sqrt(t * t + 0.25)


def test_the_consistency_function_is_the_identity_at_the_smallest_noise():
    actor = always(column(7.0, 7.0))
    action = clean(actor, torch.zeros(2, 1), column(0.3, 0.3), torch.tensor([0.002, 2.0]))
    assert action.flatten().tolist() == pytest.approx([0.3, keep(2.0) * 0.3 + change(2.0) * 7], rel=1e-5)


def test_noise_levels_are_those_of_karras():
    levels = boundary(torch.arange(5.0), torch.tensor(5.0))
    assert levels[[0, 4]].tolist() == pytest.approx([0.002, 80.0], rel=1e-4)
    low, high = 0.002 ** (1 / 7), 80 ** (1 / 7)
    assert levels[1].item() == pytest.approx((low + (high - low) / 4) ** 7, rel=1e-4)


@pytest.mark.parametrize(
    ("drawn", "count"), [(0.0, 2), (0.9999999, 150), (0.25, math.ceil(math.sqrt(0.25 * 22496 + 4) - 1) + 1)]
)
def test_the_policy_agrees_with_its_average_one_level_below(drawn, count):
    actor, average = always(column(1.0, 1.0)), always(column(2.0, 2.0))
    noise = draws(levels=torch.tensor(drawn), level=torch.tensor([0.0, 0.9999]), cloning=column(1.0, -1.0))
    loss = algorithm().consistency(
        Nets({"actor": actor, "target_actor": average}), batch_of(column(0.5, 0.0)), noise
    )
    grid = [boundary(torch.tensor(float(i)), torch.tensor(float(count))).item() for i in range(count)]
    expected = 0.0
    for a, z, (below, above) in ((0.5, 1.0, grid[:2]), (0.0, -1.0, grid[-2:])):
        ours = keep(above) * (a + above * z) + change(above) * 1.0
        theirs = keep(below) * (a + below * z) + change(below) * 2.0
        expected += 100 / (above - below) * (ours - theirs) ** 2 / 2
    assert loss.item() == pytest.approx(expected, rel=1e-3)
    assert actor.calls[0][2].tolist() == pytest.approx([grid[1], grid[-1]], rel=1e-3)


def test_sampling_cleans_adds_less_noise_and_cleans_again():
    actor = always(column(0.4))
    noise = torch.tensor([0.01, 0.5]).view(2, 1, 1)
    action = algorithm().sample(actor, torch.zeros(1, 1), noise)
    first = keep(80.0) * 0.8 + change(80.0) * 0.4
    second = keep(2.0) * (first + math.sqrt(4 - 0.002**2) * 0.5) + change(2.0) * 0.4
    assert action.item() == pytest.approx(second, rel=1e-4)
    assert [call[2].item() for call in actor.calls] == [80.0, 2.0]


def critics(obs, action):
    """Q = a and 1 - a."""
    return torch.stack((action[..., 0], 1 - action[..., 0]))


def test_the_best_next_action_is_taken_for_each_critic_and_then_the_smaller():
    # One step from 80: the network's answer times change(80), nearly 0.5.
    answers = torch.tensor([0.2, 0.8])[:, None, None]
    nets = Nets(
        {
            "target_actor": always(answers),
            "target_critic": Recorded(critics),
            "critic": always(torch.zeros(2, 1)),
        }
    )
    noise = draws(target=torch.zeros(1, 2, 1, 1))
    batch = batch_of(column(0.0), reward=row(1.0))
    loss, _ = algorithm(steps=1, max_target=True).critic_loss(nets, batch, noise)
    best = min(0.8 * change(80.0), 1 - 0.2 * change(80.0))
    assert loss.item() == pytest.approx(2 * (1 + 0.5 * best) ** 2, rel=1e-4)


def test_targets_are_divided_by_their_deviation_if_wanted():
    nets = Nets(
        {
            "target_actor": always(column(0.0, 0.0)),
            "target_critic": always(torch.tensor([[2.0, 8.0], [4.0, 6.0]])[:, None]),  # (2, M = 1, B)
            "critic": always(torch.zeros(2, 2)),
        }
    )
    batch = batch_of(column(0.0, 0.0), reward=row(1.0, 1.0))
    noise = draws(target=torch.zeros(1, 1, 2, 1))
    plain, _ = algorithm(steps=1).critic_loss(nets, batch, noise)
    scaled, _ = algorithm(steps=1, normalize_target=True).critic_loss(nets, batch, noise)
    assert plain.item() == pytest.approx(2 * (2**2 + 4**2) / 2)  # targets 1 + 0.5 * 2 and 1 + 0.5 * 6
    assert scaled.item() == pytest.approx(plain.item() / 2, rel=1e-4)  # their deviation is sqrt(2)


@pytest.mark.parametrize("guide", [0, 1])
def test_one_critic_guides_divided_by_the_size_of_the_other(guide):
    nets = Nets({"actor": always(column(0.2, 0.6)), "critic": Recorded(critics)})
    noise = draws({"guide": guide}, q=torch.zeros(1, 2, 1))
    loss = algorithm(steps=1).q_term(nets, batch_of(column(0.0, 0.0)), noise)
    q = 0.4 * change(80.0)
    assert loss.item() == pytest.approx(-q / (1 - q) if guide == 0 else -(1 - q) / q, rel=1e-4)


def test_the_order_of_an_update():
    assert schedule_of(CAC()) == ["minimize critic", "minimize actor", "target actor", "target critic"]


def test_it_draws_among_its_candidates_by_q():
    nets = Nets(
        {
            "actor": Recorded(lambda obs, action, time: torch.zeros_like(action)),
            "target_critic": Recorded(
                lambda obs, action: 1000 * torch.stack((action[..., 0], action[..., 0]))
            ),
        }
    )
    noise = draws(chain=torch.tensor([0.0, 5.0, 2.0]).view(1, 1, 3, 1), draw=torch.full((1, 3), 0.5))
    action = algorithm(steps=1).act(nets, torch.zeros(1, 1), noise, Inference(candidates=3))
    assert action.item() == pytest.approx(keep(80.0) * 400, rel=1e-3)


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        CAC().check_inference(Inference(candidates=0))
    with pytest.raises(ValueError, match="steps = 0"):
        CAC.Config(steps=0)
