import math

import pytest
import torch
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from bench.losses import expectile_loss, gaussian_log_prob, tanh_gaussian


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_expectile_loss_by_hand():
    error = torch.tensor([2.0, -3.0, 0.0])
    # 0.9 * 4 and 0.1 * 9
    assert expectile_loss(error, 0.9).tolist() == pytest.approx([3.6, 0.9, 0.0])
    # one half of the square on both sides
    assert expectile_loss(error, 0.5).tolist() == pytest.approx([2.0, 4.5, 0.0])


@pytest.mark.parametrize(("expectile", "minimizer"), [(0.5, 5.0), (0.8, 8.0), (0.9, 9.0)])
def test_expectile_loss_of_0_and_10_is_least_at_the_expectile(expectile, minimizer):
    # tau (10 - v) = (1 - tau) v, so v = 10 tau
    grid = torch.linspace(0, 10, 1001)
    loss = (expectile_loss(0 - grid, expectile) + expectile_loss(10 - grid, expectile)) / 2
    assert grid[loss.argmin()].item() == pytest.approx(minimizer, abs=0.011)


def test_gaussian_log_prob_by_hand():
    # z = 1 and 0: -0.5 - log 2 - log(2 pi)
    found = gaussian_log_prob(
        torch.tensor([[3.0, 5.0]]), torch.tensor([[1.0, 5.0]]), torch.tensor([2.0, 1.0])
    )
    assert found.tolist() == pytest.approx([-0.5 - math.log(2) - math.log(2 * math.pi)])


def test_gaussian_log_prob_equals_torch():
    x, mean, std = numbers(4, 5, 3), numbers(4, 5, 3, seed=1), numbers(3, seed=2).exp()
    expected = Independent(Normal(mean, std.expand_as(mean)), 1).log_prob(x)
    assert torch.allclose(gaussian_log_prob(x, mean, std), expected)


def test_tanh_gaussian_equals_torch():
    mean, log_std, noise = numbers(4, 5, 2), numbers(4, 5, 2, seed=1) / 2, numbers(4, 5, 2, seed=2)
    action, log_prob = tanh_gaussian(mean, log_std, noise)
    assert torch.allclose(action, (mean + log_std.exp() * noise).tanh())
    squashed = TransformedDistribution(Normal(mean, log_std.exp()), TanhTransform(cache_size=1))
    assert torch.allclose(log_prob, squashed.log_prob(action).sum(-1), atol=1e-6)


def test_the_density_of_tanh_gaussian_integrates_to_one():
    # over actions a = tanh(u) on a fine grid of u, da = (1 - a^2) du
    u = torch.linspace(-12, 12, 20_001, dtype=torch.float64)[:, None]
    mean, log_std = torch.full_like(u, 0.7), torch.full_like(u, -0.3)
    action, log_prob = tanh_gaussian(mean, log_std, (u - 0.7) / math.exp(-0.3))
    widths = 1 - action[:, 0].square()
    assert torch.trapezoid(log_prob.exp() * widths, u[:, 0]).item() == pytest.approx(1, abs=1e-4)


def test_tanh_gaussian_keeps_its_digits_far_out():
    # In float32 tanh(20) is 1 and log(1 - tanh^2) would be -inf; it is 2 (log 2 - 20) up to e^-40.
    mean = torch.tensor([[20.0]], requires_grad=True)
    action, log_prob = tanh_gaussian(mean, torch.zeros(1, 1), torch.zeros(1, 1))
    assert action.item() == 1
    expected = -0.5 * math.log(2 * math.pi) - 2 * (math.log(2) - 20)
    assert log_prob.item() == pytest.approx(expected, rel=1e-6)
    (gradient,) = torch.autograd.grad(log_prob.sum(), mean)
    assert gradient.item() == pytest.approx(2)


def test_the_sample_carries_the_gradient_of_mean_and_deviation():
    mean, log_std = torch.zeros(1, 1, requires_grad=True), torch.zeros(1, 1, requires_grad=True)
    action, _ = tanh_gaussian(mean, log_std, torch.full((1, 1), 0.5))
    slope = 1 - math.tanh(0.5) ** 2
    grads = torch.autograd.grad(action.sum(), (mean, log_std))
    assert [g.item() for g in grads] == pytest.approx([slope, 0.5 * slope])
