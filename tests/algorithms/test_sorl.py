import pytest
import torch
from stubs import (
    Recorded,
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

from algorithms.sorl import SORL, Inference
from bench.learner import Learner
from bench.sampler import Sampler
from bench.stacked import Nets


def algorithm(**options):
    return SORL(SORL.Config(discount=0.5, **options))


def velocity(function):
    """An actor by its velocity, a function of (a_t, t, level)."""
    return Recorded(lambda obs, action, t, level: function(action, t, level))


def standing(action, *rest):
    return torch.zeros_like(action)


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_a_constant_velocity_covers_the_same_way_in_any_number_of_steps(steps):
    actor = velocity(lambda a, t, level: torch.full_like(a, 0.6))
    action = algorithm().walk(actor, torch.zeros(2, 1), column(-0.5, 0.1), steps)
    assert action.flatten().tolist() == pytest.approx([0.1, 0.7])
    times = [t.flatten().tolist() for _, _, t, _ in actor.calls]
    assert times == [[i / steps] * 2 for i in range(steps)]
    levels = {level.item() for call in actor.calls for level in call[3]}
    assert levels == {{1: 0, 2: 1, 4: 2, 8: 3}[steps]}


def test_a_walk_is_an_euler_scheme():
    # velocity -a: every one of 4 steps multiplies by 3/4
    action = algorithm().walk(velocity(lambda a, t, level: -a), torch.zeros(1, 1), column(0.8), 4)
    assert action.item() == pytest.approx(0.8 * 0.75**4)


def test_actions_are_clipped_at_the_end_of_the_walk_only():
    # out to 0.5 + 2 and back again
    there_and_back = velocity(lambda a, t, level: torch.where(t < 0.5, 4.0, -4.0))
    assert algorithm().walk(there_and_back, torch.zeros(1, 1), column(0.5), 2).item() == pytest.approx(0.5)
    away = velocity(lambda a, t, level: torch.full_like(a, -4.0))
    assert algorithm().walk(away, torch.zeros(1, 1), column(0.5), 2).item() == -1


@pytest.mark.parametrize(
    ("terminal", "agg", "target"), [(0.0, "mean", 1.5), (0.0, "min", 1.4), (1.0, "mean", 1.0)]
)
def test_the_target_takes_mean_or_minimum_and_a_terminal_removes_it(terminal, agg, target):
    # a' = 0.4: Q 0.8 and 1.2; y = 1 + 0.5 * 1 or 1 + 0.5 * 0.8
    nets = Nets(
        {
            "actor": velocity(standing),
            "target_critic": two_critics(lambda a: 2 * a, lambda a: 3 * a),
            "critic": always(torch.tensor([[5.0], [-1.0]])),
        }
    )
    batch = batch_of(column(0.0), reward=row(1.0), terminal=row(terminal))
    loss, _ = algorithm(q_agg=agg).critic_loss(nets, batch, draws({"critic_steps": 2}, critic=column(0.4)))
    assert loss.item() == pytest.approx(((5 - target) ** 2 + (-1 - target) ** 2) / 2)
    assert saw(nets.actor, 1)
    assert saw(nets.target_critic, 1)
    assert saw(nets.critic, 0)


@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_the_critics_are_told_the_number_of_steps_itself(k):
    nets = Nets(
        {
            "actor": velocity(standing),
            "critic": two_critics(lambda a: a, lambda a: a),
            "target_critic": two_critics(lambda a: a, lambda a: a),
        }
    )
    noise = draws({"critic_steps": k, "actor_steps": k}, critic=column(0.1, 0.2), q=column(0.3, 0.4))
    algorithm().critic_loss(nets, batch_of(column(0.0, 0.0)), noise)
    algorithm().q_term(nets, batch_of(column(0.0, 0.0)), noise)
    calls = [*nets.critic.calls, *nets.target_critic.calls]
    assert len(calls) == 3
    for _, _, told in calls:
        assert told.tolist() == [[k], [k]]


def test_flow_matching_asks_for_the_velocity_from_noise_to_action():
    actor = velocity(lambda a, t, level: torch.full_like(a, 0.25))
    noise = draws(flow=column(1.0, -1.0), flow_time=row(0.3, 0.99))
    loss = algorithm().flow(Nets({"actor": actor}), batch_of(column(0.5, 0.5)), noise)
    # velocities 0.5 - 1 and 0.5 + 1 (up to 1e-5): errors 0.75 and -1.25
    assert loss.item() == pytest.approx((0.5625 + 1.5625) / 2, abs=1e-4)
    ((_, a_t, t, level),) = actor.calls
    # t = floor(2.4) / 8 and floor(7.92) / 8; a_t = 0.75 + 0.125 and -0.125 + 0.4375
    assert t.flatten().tolist() == [0.25, 0.875]
    assert a_t.flatten().tolist() == pytest.approx([0.875, 0.3125], abs=2e-5)
    assert level.flatten().tolist() == [3, 3]


def test_one_big_step_shall_equal_two_half_steps_of_the_averaged_actor():
    averaged = velocity(lambda a, t, level: t)
    actor = velocity(standing)
    batch = batch_of(column(*[1.0] * 6))
    noise = draws(consistency=column(*[0.0] * 6), consistency_time=row(*[0.6] * 6))
    loss = algorithm().consistency(Nets({"actor": actor, "target_actor": averaged}), batch, noise)
    # levels 2, 2, 1, 1, 0, 0: steps of 1/4, 1/2, 1; t = floor(2.4) / 4, floor(1.2) / 2, 0
    times = [0.5, 0.5, 0.5, 0.5, 0, 0]
    halves = [0.125, 0.125, 0.25, 0.25, 0.5, 0.5]
    ((_, a_t, t, level),) = actor.calls
    assert level.flatten().tolist() == [2, 2, 1, 1, 0, 0]
    assert t.flatten().tolist() == times
    assert a_t.flatten().tolist() == pytest.approx(times, abs=1e-6)  # between noise 0 and action 1
    first, second = averaged.calls
    assert first[3].flatten().tolist() == second[3].flatten().tolist() == [3, 3, 2, 2, 1, 1]
    assert first[1] is a_t
    assert first[2].flatten().tolist() == times
    assert second[2].flatten().tolist() == [t + h for t, h in zip(times, halves, strict=True)]
    # the half step goes with velocity t; it is not clipped
    moved = [t + h * t for t, h in zip(times, halves, strict=True)]
    assert second[1].flatten().tolist() == pytest.approx(moved, abs=1e-6)
    # the mean of velocities t and t + h is t + h / 2: 0.5625, 0.625, 0.25, against 0
    expected = (0.5625**2 + 0.625**2 + 0.25**2) / 3
    assert loss.item() == pytest.approx(expected)


def test_levels_are_equal_blocks_and_the_rest_gets_level_0():
    levels = algorithm().step_levels(torch.zeros(256)).tolist()
    assert levels == [2.0] * 85 + [1.0] * 85 + [0.0] * 86  # 85, 85, 85 and the one left over
    levels = algorithm(denoise_timesteps=4, max_k_backprop=4).step_levels(torch.zeros(5)).tolist()
    assert levels == [1, 1, 0, 0, 0]


def test_the_q_term_is_the_mean_of_both_critics_over_its_size():
    nets = Nets({"actor": velocity(standing), "critic": two_critics(lambda a: 2 * a, lambda a: 4 * a)})
    noise = draws({"actor_steps": 1}, q=column(0.5, -0.25))
    # mean Q: 1.5 and -0.75; mean 0.375, mean size 1.125
    for agg in ("mean", "min"):  # the aggregation of the targets does not matter here
        term = algorithm(q_agg=agg).q_term(nets, batch_of(column(0.0, 0.0)), noise)
        assert term.item() == pytest.approx(-1 / 3)


def test_the_q_term_is_propagated_through_all_steps():
    speed = torch.tensor(0.1, requires_grad=True)
    actor = velocity(lambda a, t, level: speed * (1 + 0 * a))
    nets = Nets({"actor": actor, "critic": two_critics(lambda a: a, lambda a: a)})
    term = algorithm().q_term(nets, batch_of(column(0.0)), draws({"actor_steps": 4}, q=column(0.1)))
    # a = 0.1 + 4 * 0.1 / 4 = 0.2: the size is the constant 0.2, the slope 4 / 4
    assert torch.autograd.grad(term, speed)[0].item() == pytest.approx(-1 / 0.2)


def test_the_actor_adds_its_three_terms_by_their_weights():
    method = algorithm(flow_coef=2.0, consistency_coef=3.0, q_coef=5.0)
    method.flow, method.consistency, method.q_term = (
        lambda *a, v=v: torch.tensor(v) for v in (1.0, 10.0, 100.0)
    )
    assert method.actor_loss(None, None, None)[0].item() == 2 + 30 + 500


def best_of(q_agg, first, second, starts, steps=1):
    nets = Nets({"actor": velocity(standing), "critic": two_critics(first, second)})
    start = torch.tensor(starts)[..., None]  # (E, N, 1)
    inference = Inference(steps=steps, candidates=start.shape[1])
    return algorithm(q_agg=q_agg).act(nets, torch.zeros(len(start), 1), draws(start=start), inference), nets


def test_best_of_n_takes_every_observations_own_best_candidate():
    action, nets = best_of(
        "mean", lambda a: -((a - 0.3) ** 2), lambda a: 0 * a, [[0.9, 0.2, -1.0], [0.5, 0.8, 0.0]], 4
    )
    assert action.flatten().tolist() == pytest.approx([0.2, 0.5])
    ((_, candidates, steps),) = nets.critic.calls
    assert candidates.shape == (2, 3, 1)
    assert set(steps.flatten().tolist()) == {4}  # the critic judges for this number of steps


def test_best_of_n_aggregates_the_critics_as_the_targets_do():
    # mean of 4a and -2a is a: the largest; minimum: -2a for a > 0, 4a below: the nearest to 0
    starts = [[-0.5, 0.1, 0.9]]
    assert best_of("mean", lambda a: 4 * a, lambda a: -2 * a, starts)[0].item() == pytest.approx(0.9)
    assert best_of("min", lambda a: 4 * a, lambda a: -2 * a, starts)[0].item() == pytest.approx(0.1)


def test_a_single_candidate_needs_no_critic():
    action, nets = best_of("mean", lambda a: a, lambda a: a, [[0.4], [-0.4]])
    assert action.flatten().tolist() == pytest.approx([0.4, -0.4])
    assert nets.critic.calls == []


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_powers_of_two_up_to_the_finest_grid_are_allowed_at_test_time(steps):
    algorithm(max_k_backprop=2).check_inference(Inference(steps=steps))


@pytest.mark.parametrize(
    ("inference", "words"),
    [
        (Inference(steps=3), "steps = 3; it must be a power of two up to 8"),
        (Inference(steps=0), "steps = 0"),
        (Inference(steps=-4), "steps = -4"),
        (Inference(steps=16), "steps = 16"),
        (Inference(candidates=0), "candidates = 0; at least 1"),
    ],
)
def test_other_test_time_settings_are_refused(inference, words):
    with pytest.raises(ValueError, match=words):
        algorithm().check_inference(inference)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"denoise_timesteps": 6}, "denoise_timesteps = 6; it must be a power of two"),
        ({"max_k_backprop": 3}, "max_k_backprop = 3; it must be a power of two"),
        ({"max_k_backprop": 0}, "max_k_backprop = 0"),
        ({"denoise_timesteps": 4}, "max_k_backprop = 8 exceeds denoise_timesteps = 4"),
    ],
)
def test_other_numbers_of_steps_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        SORL.Config(**options)


def test_training_steps_are_the_powers_of_two_up_to_the_limit():
    for limit, steps in ((1, (1,)), (4, (1, 2, 4)), (8, (1, 2, 4, 8))):
        noise = algorithm(max_k_backprop=limit).noise(2, 1)
        assert noise["critic_steps"].values == noise["actor_steps"].values == steps


def test_everything_happens_at_once():
    calls = ["at once", "minimize critic", "minimize actor", "target critic", "target actor", "end"]
    assert schedule_of(algorithm()) == calls


def small(kind, updates):
    config = SORL.Config(batch_size=12, hidden=(8,), lr=0.1, target_rate=0.5)
    learner = Learner(kind(config), 1, 1, [0], 2)
    sampler = Sampler(dull(), learner.algorithm.noise(12, 1), 12, [0])
    weights = [weights_of(learner)]
    for step in range(updates):
        learner.update(*sampler(step))
        weights.append(weights_of(learner))
    return weights


@pytest.mark.parametrize("network", ["actor", "critic"])
def test_both_steps_use_the_parameters_from_before_the_update(network):
    class Alone(SORL):
        def update(self, learner, batch, noise):
            loss = self.actor_loss if network == "actor" else self.critic_loss
            return learner.minimize(network, loss, batch, noise)

    (start, both), (_, alone) = small(SORL, 1), small(Alone, 1)
    assert changed(start, both, network)
    assert not changed(both, alone, network)


def test_targets_follow_the_parameters_from_before_the_update():
    start, first, second = small(SORL, 2)
    for name in ("actor", "critic"):
        assert not changed(start, first, f"target_{name}")  # they were equal before the first update
        for key in (key for key in start if key.startswith(f"net/{name}/")):
            followed = second[key.replace("net/", "net/target_")]
            assert torch.allclose(followed, (start[key] + first[key]) / 2, atol=1e-6)


def test_the_smallest_grid_can_be_trained():
    method = SORL(SORL.Config(batch_size=4, hidden=(8,), denoise_timesteps=2, max_k_backprop=1))
    assert trained(method, dull(), [0], 3).finite().all()
