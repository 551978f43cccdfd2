import math

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
    two_critics,
    weights_of,
)

from algorithms.cql import CQL
from bench.learner import Learner
from bench.networks import Scalar
from bench.sampler import Sampler
from bench.stacked import Nets

STANDARD = always(torch.tensor([[0.0, 0.0]]))  # one row: mean 0, log deviation 0
LOG_PROB = -0.5 * math.log(2 * math.pi)  # of the sample 0, at which tanh has slope 1: -0.918939


def algorithm(**options):
    return CQL(CQL.Config(**({"discount": 0.5, "sampled_actions": 1} | options)))


def noise(uniform=0.75, target=None):
    zero = torch.zeros(1, 1)
    return draws(
        actor=zero, target=zero if target is None else target, uniform=torch.full((1, 1, 1), uniform),
        here=zero[None], next=zero[None],
    )  # fmt: skip


def test_the_gap_weighs_every_sample_by_its_density():
    nets = Nets({"actor": STANDARD, "critic": two_critics(lambda a: 2 * a + 1, lambda a: 0 * a)})
    gap = algorithm().gap(nets, batch_of(column(0.0)), noise(), torch.tensor([[0.5], [-1.0]]))
    # uniform 0.75 -> a = 0.5, density 1/2; the policy's samples are 0 with density 1 / sqrt(2 pi)
    # first critic: Q = 2, 1, 1: log(2 e^2 + 2 sqrt(2 pi) e) - 0.5
    first = math.log(2 * math.exp(2) + 2 * math.sqrt(2 * math.pi) * math.e) - 0.5
    # second critic: Q = 0: log(2 + 2 sqrt(2 pi)) + 1
    second = math.log(2 + 2 * math.sqrt(2 * math.pi)) + 1
    assert first == pytest.approx(2.84658, rel=1e-5)
    assert second == pytest.approx(2.94780, rel=1e-5)
    assert gap.tolist() == pytest.approx([first, second], rel=1e-5)


def test_a_uniform_action_of_two_dimensions_has_density_one_quarter():
    # A policy so wide that only the uniform sample counts: log Q-term = 0 - 2 log(1/2) = log 4
    wide = always(torch.tensor([[0.0, 0.0, -50.0, -50.0]]))  # clamped to -20: densities are e^40 times larger
    nets = Nets({"actor": wide, "critic": always(torch.zeros(2, 3, 1))})
    zero = torch.zeros(1, 1, 2)
    found = algorithm().gap(
        nets, batch_of(torch.zeros(1, 2)), draws(uniform=zero, here=zero, next=zero), torch.zeros(2, 1)
    )
    assert found.tolist() == pytest.approx([math.log(4)] * 2, rel=1e-5)


def test_the_gap_does_not_move_the_policy():
    parameters = torch.tensor([[0.3, -0.2]], requires_grad=True)
    nets = Nets({"actor": always(parameters), "critic": two_critics(lambda a: 2 * a, lambda a: a)})
    gap = algorithm().gap(nets, batch_of(column(0.0)), noise(), torch.zeros(2, 1))
    assert not gap.requires_grad


def test_the_samples_for_the_next_state_are_judged_at_this_state():
    # mean obs + 1, log deviation obs; obs is 0 and next_obs is 1; Q = a must see only obs 0
    def actor(obs):
        return torch.cat((obs + 1, obs), -1)

    critic = two_critics(lambda a: a, lambda a: a)
    nets = Nets({"actor": actor, "critic": critic})
    gap = algorithm().gap(nets, batch_of(column(0.0)), noise(), torch.zeros(2, 1))
    ((obs, action),) = critic.calls
    here, after = math.tanh(1), math.tanh(2)
    assert obs.flatten().tolist() == [0]
    assert action.flatten().tolist() == pytest.approx([0.5, after, here])
    # every Q over its own density: 1/2, 1 / sqrt(2 pi) / (1 - here^2), 1 / (e sqrt(2 pi)) / (1 - after^2)
    root = math.sqrt(2 * math.pi)
    uniform = 2 * math.exp(0.5)
    here, after = math.exp(here) * root * (1 - here**2), math.exp(after) * math.e * root * (1 - after**2)
    assert gap.tolist() == pytest.approx([math.log(uniform + here + after)] * 2, rel=1e-5)


@pytest.mark.parametrize(("terminal", "expected"), [(0.0, 1.4), (1.0, 1.0)])
def test_the_target_has_no_entropy_and_a_terminal_removes_the_bootstrap(terminal, expected):
    # a' = tanh(atanh(0.4)) = 0.4: min(0.8, 1.2) = 0.8; y = 1 + 0.5 * 0.8
    actor = always(torch.tensor([[math.atanh(0.4), 0.0]]))
    nets = Nets({"actor": actor, "target_critic": two_critics(lambda a: 2 * a, lambda a: 3 * a)})
    batch = batch_of(column(0.0), reward=row(1.0), terminal=row(terminal))
    assert algorithm().target(nets, batch, noise()).tolist() == pytest.approx([expected])
    assert saw(nets.target_critic, 1)


def test_max_target_takes_the_best_action_by_the_smaller_critic():
    # samples tanh(0) = 0 and tanh(1) = 0.761594; critics 2a and 1 - a
    # minima: min(0, 1) = 0 and min(1.523, 0.238406) = 0.238406; the best is the second
    nets = Nets({"actor": STANDARD, "target_critic": two_critics(lambda a: 2 * a, lambda a: 1 - a)})
    batch = batch_of(column(0.0), reward=row(1.0))
    two = torch.tensor([0.0, 1.0])[:, None, None]  # (N, B, A)
    found = algorithm(max_target=True, sampled_actions=2).target(nets, batch, noise(target=two))
    assert found.tolist() == pytest.approx([1 + 0.5 * 0.238406], rel=1e-5)
    assert algorithm(max_target=True, sampled_actions=2).noise(4, 3)["target"].shape == (2, 4, 3)
    assert algorithm(sampled_actions=2).noise(4, 3)["target"].shape == (4, 3)


def critic_nets(multiplier=0.0):
    """Critics 0 and 1 everywhere, target critics 2: y = 0.5 * 2 = 1; both gaps are log(2 + 2 sqrt(2 pi))."""
    return Nets(
        {
            "actor": STANDARD,
            "critic": two_critics(lambda a: 0 * a, lambda a: 0 * a + 1),
            "target_critic": two_critics(lambda a: 0 * a + 2, lambda a: 0 * a + 2),
            "log_multiplier": Scalar(multiplier),
        }
    )


GAP = math.log(2 + 2 * math.sqrt(2 * math.pi))  # 1.94780


def test_the_fixed_weight_multiplies_the_gaps_of_both_critics():
    # TD: (0 - 1)^2 + (1 - 1)^2 = 1
    loss, metrics = algorithm(alpha=10.0).critic_loss(critic_nets(), batch_of(column(0.0)), noise())
    assert loss.item() == pytest.approx(1 + 10 * 2 * GAP, rel=1e-5)
    assert metrics["gap"].item() == pytest.approx(1.94780, rel=1e-5)


def test_the_multiplier_weighs_the_gaps_beyond_the_threshold():
    variant = algorithm(alpha=5.0, lagrange_gap=0.8)
    nets = critic_nets(multiplier=math.log(3))
    loss, _ = variant.critic_loss(nets, batch_of(column(0.0)), noise())
    assert loss.item() == pytest.approx(1 + 3 * 5 * 2 * (GAP - 0.8), rel=1e-5)
    # the multiplier's own loss is a mean over the critics
    loss, _ = variant.multiplier_loss(nets, batch_of(column(0.0)), noise())
    assert loss.item() == pytest.approx(-3 * 5 * (GAP - 0.8), rel=1e-5)


@pytest.mark.parametrize(("threshold", "rises"), [(0.8, True), (3.0, False)])
def test_a_gap_above_the_threshold_raises_the_multiplier(threshold, rises):
    nets = critic_nets()
    loss, _ = algorithm(lagrange_gap=threshold).multiplier_loss(nets, batch_of(column(0.0)), noise())
    (gradient,) = torch.autograd.grad(loss, nets.log_multiplier.value)
    assert (gradient.item() < 0) == rises  # descent goes against the gradient


def test_the_multiplier_is_capped_at_a_million():
    nets = Nets({"log_multiplier": Scalar(50.0)})
    assert algorithm().multiplier(nets).item() == 1e6


def test_the_temperature_falls_where_the_policy_is_more_random_than_wanted():
    nets = Nets({"actor": STANDARD, "log_temperature": Scalar(2.0)})
    loss, _ = algorithm().temperature_loss(nets, batch_of(column(0.0)), noise())
    # entropy 0.918939 against the wanted -1: -2 * (-0.918939 - 1)
    assert loss.item() == pytest.approx(-2 * (LOG_PROB - 1))
    (gradient,) = torch.autograd.grad(loss, nets.log_temperature.value)
    assert gradient.item() == pytest.approx(1.918939, rel=1e-5)  # descent lowers the temperature


def test_the_actor_trades_the_smaller_critic_against_entropy():
    actor = always(torch.tensor([[math.atanh(0.5), 0.0]]))
    critics = two_critics(lambda a: 4 * a, lambda a: 2 * a)
    nets = Nets({"actor": actor, "critic": critics, "log_temperature": Scalar(math.log(3))})
    loss, metrics = algorithm().actor_loss(nets, batch_of(column(0.0)), noise())
    # a = 0.5: log density -0.918939 - log(1 - 0.25) = -0.631257; min(2, 1) = 1
    assert metrics["entropy"].item() == pytest.approx(0.631257, rel=1e-5)
    assert loss.item() == pytest.approx(3 * -0.631257 - 1, rel=1e-5)


def test_log_deviations_are_clamped():
    for raw, kept in ((5.0, 2.0), (-30.0, -20.0)):
        nets = Nets({"actor": always(torch.tensor([[0.0, raw]]))})
        action, _ = algorithm().sample(nets, torch.zeros(1, 1), torch.full((1, 1), 0.1))
        assert action.item() == pytest.approx(math.tanh(0.1 * math.exp(kept)))


def test_it_acts_by_the_squashed_mean():
    nets = Nets({"actor": always(torch.tensor([[0.5, 7.0]]))})
    assert algorithm().act(nets, torch.zeros(1, 1), draws(), None).item() == pytest.approx(math.tanh(0.5))


def test_all_networks_move_at_once_and_then_the_target():
    steps = ["at once", "minimize log_temperature", "minimize actor", "minimize critic"]
    assert schedule_of(algorithm()) == [*steps, "end", "target critic"]
    calls = schedule_of(algorithm(lagrange_gap=1.0))
    assert calls == [*steps, "minimize log_multiplier", "end", "target critic"]


@pytest.mark.parametrize("network", ["actor", "critic", "log_temperature", "log_multiplier"])
def test_every_step_uses_the_parameters_from_before_the_update(network):
    class Alone(CQL):
        def update(self, learner, batch, noise):
            loss = {
                "actor": self.actor_loss, "critic": self.critic_loss,
                "log_temperature": self.temperature_loss, "log_multiplier": self.multiplier_loss,
            }[network]  # fmt: skip
            return learner.minimize(network, loss, batch, noise)

    weights = []
    for kind in (CQL, Alone):
        config = CQL.Config(
            batch_size=8, hidden=(8,), lr=0.1, actor_lr=0.1, lagrange_gap=1.0, sampled_actions=2
        )
        learner = Learner(kind(config), 1, 1, [0], 2)
        before = weights_of(learner)
        learner.update(*Sampler(dull(), learner.algorithm.noise(8, 1), 8, [0])(0))
        weights.append(weights_of(learner))
        assert changed(before, weights[-1], network)
    assert not changed(*weights, network)
