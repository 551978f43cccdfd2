import pytest
import torch
from stubs import always, batch_of, column, draws, row, saw, schedule_of, two_critics

from algorithms.td3_bc import TD3BC
from bench.stacked import Nets


def algorithm(**options):
    return TD3BC(TD3BC.Config(discount=0.5, **options))


def critic_loss(terminal, noise=(0.0,), next_action=(0.4,), reward=(1.0,)):
    """With target critics 2a and 3a at s', and online critics 5 and -1 at the data."""
    nets = Nets(
        {
            "target_actor": always(column(*next_action)),
            "target_critic": two_critics(lambda a: 2 * a, lambda a: 3 * a),
            "critic": always(torch.tensor([[5.0], [-1.0]]).expand(2, len(next_action))),
        }
    )
    batch = batch_of(column(*[0.0] * len(next_action)), reward=row(*reward), terminal=row(*terminal))
    loss, _ = algorithm().critic_loss(nets, batch, draws(target=column(*noise)))
    assert saw(nets.target_actor, 1)
    assert saw(nets.target_critic, 1)
    assert saw(nets.critic, 0)
    return loss.item()


def test_the_target_takes_the_smaller_of_both_critics():
    # a' = 0.4: min(0.8, 1.2) = 0.8; y = 1 + 0.5 * 0.8 = 1.4; (5 - 1.4)^2 + (-1 - 1.4)^2 = 12.96 + 5.76
    assert critic_loss(terminal=(0.0,)) == pytest.approx(18.72)


def test_a_terminal_removes_the_bootstrap():
    # y = 1; (5 - 1)^2 + (-1 - 1)^2 = 20
    assert critic_loss(terminal=(1.0,)) == pytest.approx(20)


def test_smoothing_noise_is_scaled_then_clipped_and_the_action_stays_in_bounds():
    # noise 1: a' = 0.9 + 0.2 -> 1; min(2, 3) = 2; y = 1 + 1 = 2: 9 + 9 = 18
    assert critic_loss((0.0,), noise=(1.0,), next_action=(0.9,)) == pytest.approx(18)
    # noise -5: 0.2 * -5 = -1 -> -0.5; a' = 0.1 - 0.5 = -0.4; min(-0.8, -1.2) = -1.2; y = 0.4: 21.16 + 1.96
    assert critic_loss((0.0,), noise=(-5.0,), next_action=(0.1,)) == pytest.approx(23.12)


def test_the_critic_loss_is_a_sum_over_critics_and_a_mean_over_rows():
    loss = critic_loss((0.0, 1.0), (0.0, 0.0), (0.4, 0.4), (1.0, 1.0))
    assert loss == pytest.approx((18.72 + 20) / 2)


def test_the_actor_weighs_the_first_critic_against_cloning():
    nets = Nets(
        {"actor": always(column(0.5, -0.5)), "critic": two_critics(lambda a: 4 * a + 1, lambda a: 1e6 * a)}
    )
    # Q1 = 3, -1: mean 1, mean size 2; lambda = 2.5 / 2; cloning: (0.25 + 1) / 2 = 0.625
    loss, _ = algorithm().actor_loss(nets, batch_of(column(0.0, 0.5)), draws())
    assert loss.item() == pytest.approx(0.625 - 1.25 * 1)


def test_the_weight_of_q_is_a_constant():
    action = column(0.5).requires_grad_()
    nets = Nets({"actor": always(action), "critic": two_critics(lambda a: 4 * a, lambda a: a)})
    loss, _ = algorithm().actor_loss(nets, batch_of(column(0.0)), draws())
    # lambda = 2.5 / 2; d/da: 2 * 0.5 - 1.25 * 4; were lambda not constant, Q / |Q| would have slope 0
    assert torch.autograd.grad(loss, action)[0].item() == pytest.approx(1 - 5)


def test_the_actor_and_all_targets_wait_for_every_second_update():
    assert schedule_of(TD3BC(), update_actor=False) == ["minimize critic"]
    calls = schedule_of(TD3BC(), update_actor=True)
    assert calls == ["minimize critic", "minimize actor", "target critic", "target actor"]
    assert TD3BC().noise(4, 2)["update_actor"].n == 2


def test_observations_are_normalized_by_default():
    assert TD3BC.Config().normalize_obs
