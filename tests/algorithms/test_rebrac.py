import pytest
import torch
from stubs import (
    always,
    batch_of,
    changed,
    column,
    draws,
    dull,
    row,
    saw,
    schedule_of,
    trained,
    two_critics,
    weights_of,
)

from algorithms.rebrac import ReBRAC
from bench.learner import Learner
from bench.sampler import Sampler
from bench.stacked import Nets


def algorithm(**options):
    return ReBRAC(ReBRAC.Config(discount=0.5, **options))


def critic_loss(terminal, noise=0.0, next_action=0.4, recorded=0.2, beta=0.1):
    """With target critics 2a and 3a at s', online critics 5 and -1, reward 1."""
    nets = Nets(
        {
            "target_actor": always(column(next_action)),
            "target_critic": two_critics(lambda a: 2 * a, lambda a: 3 * a),
            "critic": always(torch.tensor([[5.0], [-1.0]])),
        }
    )
    batch = batch_of(column(0.7), reward=row(1.0), terminal=row(terminal), next_action=column(recorded))
    loss, _ = algorithm(critic_bc_coef=beta).critic_loss(nets, batch, draws(target=column(noise)))
    assert saw(nets.target_actor, 1)
    assert saw(nets.target_critic, 1)
    assert saw(nets.critic, 0)
    return loss.item()


def mean_square(target):
    return ((5 - target) ** 2 + (-1 - target) ** 2) / 2


def test_the_target_is_penalized_by_the_distance_to_the_recorded_next_action():
    # min(0.8, 1.2) - 0.1 * (0.4 - 0.2)^2 = 0.796; y = 1 + 0.5 * 0.796
    assert critic_loss(terminal=0.0) == pytest.approx(mean_square(1.398))
    # at the recorded next action there is no penalty: y = 1 + 0.5 * 0.8; the action 0.7 plays no part
    assert critic_loss(terminal=0.0, recorded=0.4) == pytest.approx(mean_square(1.4))


def test_a_terminal_removes_bootstrap_and_penalty():
    assert critic_loss(terminal=1.0, beta=100.0) == pytest.approx(mean_square(1.0))


def test_smoothing_noise_is_scaled_then_clipped_and_the_action_stays_in_bounds():
    # noise 5: 0.2 * 5 = 1 -> 0.5; a' = 0.9; Q 1.8 - 0.1 * 0.7^2 = 1.751; y = 1.8755
    assert critic_loss(0.0, noise=5.0) == pytest.approx(mean_square(1.8755))
    # noise 1: a' = 0.9 + 0.2 -> 1; Q 2 - 0.1 * 0.8^2 = 1.936; y = 1.968
    assert critic_loss(0.0, noise=1.0, next_action=0.9) == pytest.approx(mean_square(1.968))


def test_the_penalty_sums_over_the_dimensions_of_an_action():
    nets = Nets(
        {
            "target_actor": always(torch.tensor([[0.5, -0.5]])),
            "target_critic": always(torch.tensor([[2.0], [3.0]])),
            "critic": always(torch.tensor([[0.0], [0.0]])),
        }
    )
    batch = batch_of(torch.zeros(1, 2), next_action=torch.zeros(1, 2))
    loss, _ = algorithm(critic_bc_coef=1.0).critic_loss(nets, batch, draws(target=torch.zeros(1, 2)))
    # y = 0.5 * (2 - (0.25 + 0.25)) = 0.75
    assert loss.item() == pytest.approx(0.75**2)


def test_the_actor_weighs_the_smaller_critic_against_its_own_penalty():
    nets = Nets(
        {"actor": always(column(0.5, -0.5)), "critic": two_critics(lambda a: 4 * a + 1, lambda a: 2 * a)}
    )
    # minima: min(3, 1) = 1, min(-1, -1) = -1; mean 0, lambda 1; penalty (0.25 + 1) / 2
    loss, _ = algorithm(actor_bc_coef=0.4).actor_loss(nets, batch_of(column(0.0, 0.5)), draws())
    assert loss.item() == pytest.approx(0.4 * 0.625)
    # minima 1 and 3: mean 2, mean size 2: the term is -1 whatever their size
    nets = Nets({"actor": always(column(0.5, 0.5)), "critic": always(torch.tensor([[1.0, 9.0], [7.0, 3.0]]))})
    loss, _ = algorithm(actor_bc_coef=0.4).actor_loss(nets, batch_of(column(0.5, 0.5)), draws())
    assert loss.item() == pytest.approx(-1)


def test_the_weight_of_q_is_a_constant():
    action = column(0.5).requires_grad_()
    nets = Nets({"actor": always(action), "critic": two_critics(lambda a: 4 * a, lambda a: 9 * a)})
    loss, _ = algorithm(actor_bc_coef=1.0).actor_loss(nets, batch_of(column(0.0)), draws())
    # lambda = 1 / 2; d/da: 2 * 0.5 - 4 / 2
    assert torch.autograd.grad(loss, action)[0].item() == pytest.approx(-1)


def test_the_actor_and_all_targets_wait_for_every_second_update():
    assert schedule_of(ReBRAC(), update_actor=False) == ["minimize critic"]
    calls = schedule_of(ReBRAC(), update_actor=True)
    assert calls == ["minimize critic", "minimize actor", "target critic", "target actor"]


def test_the_first_update_leaves_the_actor_and_the_targets_as_they_are():
    data = dull()
    config = ReBRAC.Config(batch_size=8, hidden=(8,))
    learner = Learner(ReBRAC(config), 1, 1, [0], 2)
    sampler = Sampler(data, learner.algorithm.noise(8, 1), 8, [0])
    start = weights_of(learner)
    learner.update(*sampler(0))
    first = weights_of(learner)
    assert [name for name in learner.params if changed(start, first, name)] == ["critic"]
    second = weights_of(trained(ReBRAC(config), data, [0], 2))
    assert {name for name in learner.params if changed(first, second, name)} == set(learner.params)


def test_the_untrained_policy_stays_near_zero():
    actor = ReBRAC().networks(5, 2)["actor"].module
    assert actor(torch.randn(100, 5, generator=torch.Generator().manual_seed(0))).abs().max() < 0.1
