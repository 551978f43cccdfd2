import pytest
import torch
from stubs import Recorded, always, batch_of, column, draws, row, schedule_of, two_critics

from algorithms.fql import FQL
from bench.stacked import Nets


def algorithm(**options):
    return FQL(FQL.Config(discount=0.5, **options))


def found(**more):
    """A flow that stands still, so that the distilled action is the clipped noise; Q = a and 3a."""
    nets = {
        "flow": Recorded(lambda obs, action, t: torch.zeros_like(action)),
        "onestep": Recorded(lambda obs, noise: noise + 1),
        "critic": two_critics(lambda a: a, lambda a: 3 * a),
        "target_critic": two_critics(lambda a: a, lambda a: 3 * a),
    }
    return Nets(nets | more)


def test_the_one_step_policy_is_distilled_before_it_is_clipped_and_judged_after():
    # z = -0.5, 0.5: mu = 0.5, 1.5, the flow gives -0.5, 0.5; Q of 0.5 and 1: 2 * 0.5, 2 * 1
    noise = draws(distill=column(-0.5, 0.5))
    loss, metrics = algorithm(alpha=10.0).onestep_loss(found(), batch_of(column(0.0, 0.0)), noise)
    assert metrics["distill"].item() == pytest.approx(1.0)
    assert loss.item() == pytest.approx(10 * 1.0 - 1.5)


def test_the_q_term_can_be_divided_by_the_size_of_q():
    noise = draws(distill=column(-0.5, 0.5))
    loss, _ = algorithm(alpha=0.0, normalize_q=True).onestep_loss(found(), batch_of(column(0.0, 0.0)), noise)
    assert loss.item() == pytest.approx(-1.0)


@pytest.mark.parametrize(("agg", "next_q"), [("mean", 1.0), ("min", 0.5)])
def test_critics_bootstrap_from_the_one_step_policy(agg, next_q):
    batch = batch_of(column(0.0, 0.0), reward=row(1.0, 1.0), terminal=row(0.0, 1.0))
    critic = always(torch.zeros(2, 2))
    loss, _ = algorithm(q_agg=agg).critic_loss(found(critic=critic), batch, draws(critic=column(-0.5, -0.5)))
    assert loss.item() == pytest.approx(((1 + 0.5 * next_q) ** 2 + 1) / 2)


def test_all_networks_move_at_once():
    assert schedule_of(FQL()) == [
        "at once", "minimize critic", "minimize flow", "minimize onestep", "target critic", "end",
    ]  # fmt: skip


def test_it_acts_by_one_step_inside_the_bounds():
    action = algorithm().act(found(), torch.zeros(2, 1), draws(start=column(-0.7, 3.0)), None)
    assert action.flatten().tolist() == pytest.approx([0.3, 1.0])
