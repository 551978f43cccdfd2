import math

import pytest
import torch
from stubs import Recorded, always, batch_of, column, draws, row, schedule_of, two_critics

from algorithms import diffusion_ql
from algorithms.diffusion_ql import DiffusionQL, Inference
from bench.stacked import Nets


def algorithm(**options):
    return DiffusionQL(DiffusionQL.Config(discount=0.5, **options))


def kept_until(s):
    """Alpha-bar at time s of the variance-preserving process whose rate rises from 0.1 to 10."""
    return math.exp(-(0.1 * s + 9.9 * s**2 / 2))


KEPT = [kept_until(step / 5) for step in (1, 2, 3, 4, 5)]


def knows(clean, count=5):
    """A network that predicts exactly the noise in an action, of which it knows the clean one."""
    kept = torch.tensor([kept_until((step + 1) / count) for step in range(count)])

    def predict(obs, action, step):
        k = kept[step.long()][..., None]
        return (action - k.sqrt() * clean) / (1 - k).sqrt()

    return Recorded(predict)


def test_the_schedule_is_the_variance_preserving_one():
    schedule = diffusion_ql.schedule(5)
    assert schedule["kept"].tolist() == pytest.approx(KEPT, rel=1e-6)
    # exponents 0.218, 0.832, 1.842, 3.248, 5.05
    expected = [0.804125, 0.435178, 0.158500, 0.038852, 0.006409]
    assert schedule["kept"].tolist() == pytest.approx(expected, abs=1e-6)


def test_the_posterior_is_the_product_of_two_gaussians():
    schedule = diffusion_ql.schedule(5)
    for step in range(1, 5):
        before, alpha = KEPT[step - 1], KEPT[step] / KEPT[step - 1]
        # x_t given x_{t-1}: N(sqrt(alpha) x_{t-1}, 1 - alpha)
        # x_{t-1} given x_0: N(sqrt(before) x_0, 1 - before)
        precision = alpha / (1 - alpha) + 1 / (1 - before)
        assert schedule["std"][step].item() == pytest.approx(precision**-0.5, rel=1e-6)
        to_clean = math.sqrt(before) / (1 - before) / precision
        to_noisy = math.sqrt(alpha) / (1 - alpha) / precision
        assert schedule["to_clean"][step].item() == pytest.approx(to_clean, rel=1e-6)
        assert schedule["to_noisy"][step].item() == pytest.approx(to_noisy, rel=1e-6)
    # the last step goes to the clean action itself
    assert schedule["to_clean"][0].item() == pytest.approx(1)
    assert schedule["to_noisy"][0].item() == 0


def test_cloning_adds_noise_of_the_drawn_step_and_asks_for_it_back():
    actor = always(column(0.5, -1.0))
    noise = draws(cloning_step=torch.tensor([0, 4]), cloning=column(2.0, -1.0))
    loss = algorithm().cloning(Nets({"actor": actor}), batch_of(column(0.5, 1.0)), noise)
    # errors 0.5 - 2 and -1 + 1
    assert loss.item() == pytest.approx((1.5**2 + 0) / 2)
    ((_, noisy, step),) = actor.calls
    # sqrt(0.804125) = 0.896730, sqrt(0.195875) = 0.442577: 0.5 * 0.896730 + 2 * 0.442577 = 1.333520
    # sqrt(0.006409) = 0.080058, sqrt(0.993591) = 0.996790: 0.080058 - 0.996790 = -0.916732
    assert noisy.flatten().tolist() == pytest.approx([1.333520, -0.916732], abs=2e-5)
    assert step.tolist() == [0, 4]
    assert step.dtype == torch.float32


def test_perfect_predictions_lead_to_the_clean_action():
    clean = torch.tensor([[0.3, -0.8], [0.0, 0.9]])
    actor = knows(clean)
    noise = torch.randn(5, 2, 2, generator=torch.Generator().manual_seed(0))
    action = algorithm().denoise(actor, torch.zeros(2, 1), noise)
    assert torch.allclose(action, clean, atol=1e-5)
    assert [set(step.flatten().tolist()) for _, _, step in actor.calls] == [{4}, {3}, {2}, {1}, {0}]


def test_clean_actions_outside_of_the_bounds_are_clipped():
    noise = torch.zeros(5, 2, 1)
    action = algorithm().denoise(knows(column(3.0, -3.0)), torch.zeros(2, 1), noise)
    assert action.flatten().tolist() == [1, -1]


def test_a_chain_of_two_steps_by_hand():
    # alpha-bar: exp(-(0.05 + 1.2375)) = 0.275960 and exp(-5.05) = 0.006409
    # beta of step 1: 1 - 0.006409 / 0.275960 = 0.976776
    # Step 1 from noise 0.1, predicted 0: clean 0.1 / 0.080058 = 1.249 -> 1
    #   to_clean 0.976776 * sqrt(0.275960) / 0.993591 = 0.516432
    #   to_noisy 0.724040 * sqrt(0.023224) / 0.993591 = 0.111053
    #   std sqrt(0.976776 * 0.724040 / 0.993591) = 0.843668
    #   0.516432 + 0.111053 * 0.1 + 0.843668 * -1 = -0.316131
    # Step 0, predicted 0: -0.316131 / sqrt(0.275960) = -0.601787
    actor = Recorded(lambda obs, action, step: torch.zeros_like(action))
    noise = torch.tensor([0.1, -1.0])[:, None, None]
    action = algorithm(denoise_timesteps=2).denoise(actor, torch.zeros(1, 1), noise)
    assert actor.calls[1][1].item() == pytest.approx(-0.316131, abs=1e-4)
    assert action.item() == pytest.approx(-0.601787, abs=2e-4)


@pytest.mark.parametrize(("guide", "expected"), [(0, -1.5 / 3), (1, 1 / 1.5)])
def test_q_of_one_critic_is_divided_by_the_size_of_the_other(guide, expected):
    # critic 0: 1 and 2, mean and mean size 1.5; critic 1: -4 and 2, mean -1, mean size 3
    nets = Nets({"actor": knows(column(0.0, 0.0)), "critic": always(torch.tensor([[1.0, 2.0], [-4.0, 2.0]]))})
    term = algorithm().q_term(
        nets, batch_of(column(0.0, 0.0)), draws({"guide": guide}, q=torch.zeros(5, 2, 1))
    )
    assert term.item() == pytest.approx(expected)


def test_the_q_term_is_weighted_by_eta_and_reaches_the_policy_through_the_chain():
    shift = torch.tensor(0.2, requires_grad=True)
    nets = Nets(
        {
            "actor": lambda *inputs: knows(shift)(*inputs),
            "critic": two_critics(lambda a: 3 * a, lambda a: 5 * a),
        }
    )
    noise = draws({"guide": 0}, q=torch.zeros(5, 1, 1), cloning=column(0.0), cloning_step=torch.tensor([0]))
    loss, metrics = algorithm(eta=2.0).actor_loss(nets, batch_of(column(0.2)), noise)
    # the action is 0.2: Q = 0.6 over a constant size 1; cloning is perfect; d/dshift: -2 * 3 / 1
    assert metrics["cloning"].item() == pytest.approx(0, abs=1e-9)
    assert loss.item() == pytest.approx(-2 * 0.6, rel=1e-4)
    assert torch.autograd.grad(metrics["q_term"], shift)[0].item() == pytest.approx(-3, rel=1e-4)


@pytest.mark.parametrize(("terminal", "target"), [(0.0, 1.4), (1.0, 1.0)])
def test_a_terminal_removes_the_bootstrap(terminal, target):
    # the averaged actor gives 0.4 at s'; min(0.8, 1.2); y = 1 + 0.5 * 0.8
    nets = Nets(
        {
            "target_actor": knows(column(0.4)),
            "target_critic": two_critics(lambda a: 2 * a, lambda a: 3 * a),
            "critic": always(torch.tensor([[5.0], [-1.0]])),
        }
    )
    batch = batch_of(column(0.0), reward=row(1.0), terminal=row(terminal))
    loss, _ = algorithm().critic_loss(nets, batch, draws(target=torch.zeros(5, 1, 1)))
    assert loss.item() == pytest.approx((5 - target) ** 2 + (-1 - target) ** 2, rel=1e-5)
    assert all(obs is batch.next_obs for obs, *_ in (*nets.target_actor.calls, *nets.target_critic.calls))


def acted(q, count, candidates=2, **options):
    """Actions of many decisions among candidates -0.5, 0.5, ..., whose smaller Q is given."""
    clean = torch.linspace(-0.5, 0.5, candidates)[None, :, None]
    smaller = torch.tensor(q).repeat(count, 1)
    nets = Nets(
        {
            "actor": knows(clean),
            "target_critic": always(torch.stack((smaller, smaller + 1 + smaller.square()))),
        }
    )
    generator = torch.Generator().manual_seed(0)
    noise = draws(
        chain=torch.randn(count, 5, candidates, 1, generator=generator),
        draw=torch.rand(count, candidates, generator=generator),
    )
    return algorithm().act(nets, torch.zeros(count, 1), noise, Inference(candidates=candidates))


def test_decisions_are_drawn_with_probabilities_softmax_of_q():
    # softmax(0, log 3) = 1/4, 3/4; the deviation of a frequency of 4000 draws is 0.0068
    action = acted([0.0, math.log(3)], 4000)
    assert action.shape == (4000, 1)
    assert (action > 0).float().mean().item() == pytest.approx(0.75, abs=0.028)


def test_a_much_better_candidate_is_always_taken():
    assert torch.allclose(acted([0.0, 50.0, 0.0], 200, candidates=3), torch.zeros(1), atol=1e-5)


def test_extreme_uniform_numbers_do_no_harm():
    nets = Nets(
        {"actor": knows(torch.tensor([[[-0.5], [0.5]]])), "target_critic": always(torch.zeros(2, 1, 2))}
    )
    for numbers in ((0.0, 0.0), (0.0, 1 - 2**-24)):
        noise = draws(chain=torch.zeros(1, 5, 2, 1), draw=torch.tensor([numbers]))
        action = algorithm().act(nets, torch.zeros(1, 1), noise, Inference(candidates=2))
        assert abs(action.item()) == pytest.approx(0.5, abs=1e-5)


def test_the_actor_sees_the_new_critics():
    assert schedule_of(algorithm()) == ["minimize critic", "minimize actor", "target actor", "target critic"]


def test_at_least_one_candidate_is_needed():
    algorithm().check_inference(Inference(candidates=1))
    with pytest.raises(ValueError, match="candidates = 0"):
        algorithm().check_inference(Inference(candidates=0))
