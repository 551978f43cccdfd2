import pytest
import torch
from stubs import always, batch_of, changed, draws, schedule_of, weights_of

from algorithms.bc import BC
from bench.learner import Learner
from bench.stacked import Nets


def test_the_loss_is_the_mean_squared_error_over_rows_and_dimensions():
    batch = batch_of(action=torch.tensor([[0.0, 0.0], [0.5, 0.0]]))
    nets = Nets({"actor": always(torch.tensor([[0.5, -0.5], [0.0, 1.0]]))})
    # squares: 0.25, 0.25, 0.25, 1; their mean is 1.75 / 4
    loss, _ = BC().actor_loss(nets, batch, draws())
    assert loss.item() == pytest.approx(0.4375)


def test_an_update_is_one_step_of_the_actor():
    assert schedule_of(BC()) == ["minimize actor"]


def test_rewards_terminals_and_next_observations_are_ignored():
    weights = []
    for number in (0.0, 1.0):
        learner = Learner(BC(BC.Config(hidden=(8,))), 1, 1, [0], 10)
        before = weights_of(learner)
        fill = torch.full((1, 4), number)
        batch = batch_of(
            action=torch.full((1, 4, 1), 0.5), reward=fill, terminal=fill, next_obs=fill[..., None],
            next_action=fill[..., None], obs=torch.ones(1, 4, 1),
        )  # fmt: skip
        learner.update(batch, draws())
        weights.append(weights_of(learner))
        assert changed(before, weights[-1], "actor")
    assert not changed(*weights, "actor")


def test_it_acts_by_its_mean():
    action = torch.tensor([[0.3], [-0.7]])
    assert BC().act(Nets({"actor": always(action)}), torch.zeros(2, 1), draws(), None) is action
