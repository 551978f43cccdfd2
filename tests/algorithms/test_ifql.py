import pytest
import torch
from stubs import Recorded, batch_of, column, draws, schedule_of, two_critics

from algorithms.ifql import IFQL, Inference
from bench.stacked import Nets


def still():
    return Recorded(lambda obs, action, t: torch.zeros_like(action))


def test_the_policy_is_a_plain_flow_that_sees_no_rewards():
    noise = draws(flow=column(0.5, 0.0), flow_time=torch.tensor([0.1, 0.9]))
    loss, _ = IFQL().actor_loss(Nets({"flow": still()}), batch_of(column(1.0, 1.0)), noise)
    assert loss.item() == pytest.approx((0.25 + 1) / 2)


def test_the_smaller_critic_chooses_among_the_candidates():
    # min(a, -a) is largest at 0
    critic = Recorded(lambda obs, action: torch.cat((action, -action), -1).movedim(-1, 0))
    start = torch.tensor([[0.5, -0.1, -0.9], [0.9, 2.0, 0.2]])[..., None]
    nets = Nets({"flow": still(), "critic": critic})
    action = IFQL().act(nets, torch.zeros(2, 1), draws(start=start), Inference(candidates=3))
    assert action.flatten().tolist() == pytest.approx([-0.1, 0.2])


def test_a_single_candidate_is_taken_unseen():
    nets = Nets({"flow": still()})
    action = IFQL().act(nets, torch.zeros(1, 1), draws(start=column(3.0)[None]), Inference(candidates=1))
    assert action.flatten().tolist() == [1.0]


def test_all_networks_move_at_once():
    assert schedule_of(IFQL()) == [
        "at once", "minimize value", "minimize critic", "minimize flow", "target critic", "end",
    ]  # fmt: skip


def test_at_least_one_candidate_is_needed():
    with pytest.raises(ValueError, match="at least 1"):
        IFQL().check_inference(Inference(candidates=0))


def test_its_critics_are_those_of_iql():
    # Q - V = 2 and -1 at expectile 0.9: (0.9 * 4 + 0.1 * 1) / 2
    nets = Nets(
        {
            "target_critic": two_critics(lambda a: a, lambda a: a + 1),
            "value": Recorded(lambda obs: obs[:, 0]),
        }
    )
    batch = batch_of(column(3.0, 0.0), obs=column(1.0, 1.0))
    assert IFQL().value_loss(nets, batch, draws())[0].item() == pytest.approx(1.85)
