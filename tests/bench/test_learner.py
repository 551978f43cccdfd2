"""S stacked seeds must be S independent learners, and whoever breaks a rule must be told which."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.algorithm import Algorithm, Batch, Network
from bench.learner import Learner, initial_networks
from bench.networks import MLP, Scalar
from bench.stacked import AuthorError, Draws

OBS, ACT, B = 3, 2, 8
NO_NOISE = Draws({}, {})


class Regression(Algorithm):
    """An actor fits the actions, a critic fits the rewards; the critic has a target."""

    clip_norm: float | None = None

    def networks(self, obs_dim: int, action_dim: int) -> dict[str, Network]:
        return {
            "actor": Network(MLP((obs_dim, 8, action_dim)), 1e-2, clip_norm=self.clip_norm),
            "critic": Network(MLP((obs_dim + action_dim, 8, 1)), 1e-2, target_rate=0.1),
        }

    def update(self, learner: Any, batch: Batch, noise: Any) -> dict[str, Tensor]:
        metrics = learner.minimize("actor", self.actor_loss, batch, noise)
        metrics |= learner.minimize("critic", self.critic_loss, batch, noise)
        learner.update_target("critic")
        return metrics

    def actor_loss(self, nets: Any, batch: Batch, noise: Any) -> tuple[Tensor, dict[str, Tensor]]:
        error = nets.actor(batch.obs) - batch.action
        return error.square().mean(), {"error": error.abs().mean()}

    def critic_loss(self, nets: Any, batch: Batch, noise: Any) -> tuple[Tensor, dict[str, Tensor]]:
        q = nets.critic(batch.obs, nets.actor(batch.obs)).squeeze(-1)
        return (q - batch.reward).square().mean(), {}


class Clipped(Regression):
    clip_norm = 0.5


class Numbers(Algorithm):
    """Networks of one number each: every step can be worked out by hand."""

    def __init__(self, **networks: Network) -> None:
        super().__init__()
        self.given = networks

    def networks(self, obs_dim: int, action_dim: int) -> Mapping[str, Network]:
        return self.given

    def update(self, learner: Any, batch: Batch, noise: Any) -> dict[str, Tensor]:
        return learner.minimize("a", lambda nets, batch, noise: (nets.a(), {}), batch, noise)


def batches(seeds: int = 3, count: int = 1, scale: float = 1.0) -> list[Batch]:
    """Random batches with a leading seed axis, always the same ones."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return scale * torch.randn(seeds, B, *shape, generator=generator)

    return [Batch(draw(OBS), draw(ACT), draw(), draw(OBS), draw(ACT), draw()) for _ in range(count)]


def regression(seeds: tuple[int, ...] = (0, 1, 2), kind: type[Algorithm] = Regression) -> Learner:
    return Learner(kind(), OBS, ACT, seeds, steps=100)


def numbers(seeds: int = 2, steps: int = 10, **networks: Network) -> Learner:
    return Learner(Numbers(**networks), OBS, ACT, tuple(range(seeds)), steps)


def copy(learner: Learner) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in learner.weights().items()}


def value(learner: Learner, name: str) -> list[float]:
    return learner.weights()[f"net/{name}/value"].tolist()


def changed(before: dict[str, Tensor], learner: Learner) -> set[str]:
    """Names of the networks of which any parameter of any seed is no longer the same."""
    return {
        name.split("/")[1]
        for name, tensor in learner.weights().items()
        if not torch.equal(tensor, before[name])
    }


def test_initial_networks_of_a_seed_do_not_depend_on_its_group() -> None:
    group, alone = regression((4, 7, 9)).weights(), regression((7,)).weights()
    for name, tensor in group.items():
        assert torch.equal(tensor[1], alone[name][0]), name
    assert not torch.equal(group["net/actor/layers.0.weight"][0], group["net/actor/layers.0.weight"][1])


def test_initial_networks_ignore_the_global_seed_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(1)
    first = copy(regression())
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    second = copy(regression())
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_training_leaves_the_global_generator_alone() -> None:
    learner, state = regression(), torch.random.get_rng_state()
    learner.update(batches()[0], NO_NOISE)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_target_starts_as_a_copy_of_its_network_with_a_memory_of_its_own() -> None:
    learner = regression()
    for key, tensor in learner.params["critic"].items():
        assert torch.equal(tensor, learner.params["target_critic"][key])
    learner.minimize("critic", learner.algorithm.critic_loss, batches()[0], NO_NOISE)
    assert changed(copy(regression()), learner) == {"critic"}


def test_minimize_changes_only_what_it_names() -> None:
    learner = regression()
    before = copy(learner)
    learner.minimize("critic", learner.algorithm.critic_loss, batches()[0], NO_NOISE)  # also uses the actor
    assert changed(before, learner) == {"critic"}


def test_update_target_changes_only_the_target() -> None:
    learner = regression()
    learner.minimize("critic", learner.algorithm.critic_loss, batches()[0], NO_NOISE)
    before = copy(learner)
    learner.update_target("critic")
    assert changed(before, learner) == {"target_critic"}


def test_every_seed_follows_its_own_gradient_as_a_plain_loop_computes_it() -> None:
    learner, many = regression((5, 6)), batches(2, count=10)
    for batch in many:
        learner.minimize("actor", learner.algorithm.actor_loss, batch, NO_NOISE)
    for row, seed in enumerate((5, 6)):
        module = initial_networks(Regression(), OBS, ACT, seed)["actor"].module
        adam = torch.optim.Adam(module.parameters(), lr=1e-2)
        for batch in many:
            adam.zero_grad()
            (module(batch.obs[row]) - batch.action[row]).square().mean().backward()
            adam.step()
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(learner.params["actor"][name][row], parameter, atol=1e-5, rtol=1e-4)


def test_minimize_returns_the_metrics_and_the_loss_of_every_seed() -> None:
    learner, batch = regression(), batches()[0]
    metrics = learner.minimize("actor", learner.algorithm.actor_loss, batch, NO_NOISE)
    assert set(metrics) == {"error", "actor_loss"}
    for row, seed in enumerate((0, 1, 2)):
        module = initial_networks(Regression(), OBS, ACT, seed)["actor"].module
        error = module(batch.obs[row]) - batch.action[row]
        torch.testing.assert_close(metrics["error"][row], error.abs().mean())
        torch.testing.assert_close(metrics["actor_loss"][row], error.square().mean())


def test_several_networks_trained_together_share_one_optimizer_and_one_loss() -> None:
    # loss = a^2 + 3 b with a = 2, b = 5: gradients 4 and 3. Adam's first step is the learning rate times the
    # sign; after the second, with a = 1.9 and gradient 3.8, the moments of a are no longer those of b.
    learner = numbers(a=Network(Scalar(2.0), 0.1), b=Network(Scalar(5.0), 0.5))

    def loss(nets: Any, batch: Any, noise: Any) -> tuple[Tensor, dict[str, Tensor]]:
        return nets.a() ** 2 + 3 * nets.b(), {}

    batch = batches(2)[0]
    metrics = learner.minimize(("a", "b"), loss, batch, NO_NOISE)
    assert metrics["a+b_loss"].tolist() == [19.0, 19.0]
    assert value(learner, "a") == pytest.approx([1.9, 1.9])
    assert value(learner, "b") == pytest.approx([4.5, 4.5])
    learner.minimize(("a", "b"), loss, batch, NO_NOISE)
    mean = (0.9 * 0.1 * 4 + 0.1 * 3.8) / (1 - 0.9**2)
    square = (0.999 * 0.001 * 4**2 + 0.001 * 3.8**2) / (1 - 0.999**2)
    assert value(learner, "a") == pytest.approx([1.9 - 0.1 * mean / square**0.5] * 2, rel=1e-6)
    assert value(learner, "b") == pytest.approx([4.0, 4.0])
    assert {name.split("/")[1] for name in learner.state_dict() if name.startswith("adam/")} == {"a+b"}


def test_a_gradient_that_is_one_number_in_memory_reaches_every_parameter_of_every_seed() -> None:
    # The gradient of a plain sum is expanded from one number; an optimizer that reads past it sees garbage.
    learner = regression()
    before = copy(learner)
    learner.minimize("actor", lambda n, b, z: (n.actor.layers[0].weight.sum(), {}), batches()[0], NO_NOISE)
    moved = copy(learner)["net/actor/layers.0.weight"] - before["net/actor/layers.0.weight"]
    torch.testing.assert_close(moved, torch.full_like(moved, -1e-2), atol=1e-6, rtol=0)


def test_clipping_scales_the_joint_gradient_of_all_networks_trained_together() -> None:
    # Gradients 30 and 40 have the norm 50; clipped to 1 they are 0.6 and 0.8. Adam keeps a tenth of them.
    learner = numbers(a=Network(Scalar(0.0), 0.1, clip_norm=1.0), b=Network(Scalar(0.0), 0.1, clip_norm=1.0))
    learner.minimize(("a", "b"), lambda n, b, z: (30 * n.a() + 40 * n.b(), {}), batches(2)[0], NO_NOISE)
    state = learner.state_dict()
    assert (10 * state["adam/a+b/0/exp_avg"]).tolist() == pytest.approx([0.6, 0.6])
    assert (10 * state["adam/a+b/1/exp_avg"]).tolist() == pytest.approx([0.8, 0.8])


def test_clipping_leaves_a_gradient_below_the_limit_as_it_is() -> None:
    learner = numbers(a=Network(Scalar(0.0), 0.1, clip_norm=1.0))
    learner.minimize("a", lambda n, b, z: (0.25 * n.a(), {}), batches(2)[0], NO_NOISE)
    assert (10 * learner.state_dict()["adam/a/0/exp_avg"]).tolist() == pytest.approx([0.25, 0.25])


def test_a_neighbour_with_a_thousand_times_larger_gradient_does_not_change_a_clipped_seed() -> None:
    batch = batches()[0]
    loud = Batch(*(torch.cat([column[:2], 1000 * column[2:]]) for column in batch))
    calm_learner, loud_learner = regression(kind=Clipped), regression(kind=Clipped)
    for _ in range(5):
        calm_learner.minimize("actor", calm_learner.algorithm.actor_loss, batch, NO_NOISE)
        loud_learner.minimize("actor", loud_learner.algorithm.actor_loss, loud, NO_NOISE)
    for calm, disturbed in zip(copy(calm_learner).values(), copy(loud_learner).values(), strict=True):
        assert torch.equal(calm[:2], disturbed[:2])
    gradient = [t for n, t in calm_learner.state_dict().items() if n.endswith("exp_avg")]
    norms = torch.stack([g.reshape(3, -1).square().sum(1) for g in gradient]).sum(0).sqrt()
    assert (norms <= 0.5).all()
    assert (norms > 0).all()


def test_networks_trained_together_need_the_same_clip_norm() -> None:
    learner = numbers(a=Network(Scalar(0.0), 0.1, clip_norm=1.0), b=Network(Scalar(0.0), 0.1))
    with pytest.raises(AuthorError, match=r"a\+b are trained together and need the same clip_norm"):
        learner.minimize(("a", "b"), lambda n, b, z: (n.a() + n.b(), {}), batches(2)[0], NO_NOISE)


def test_a_target_moves_by_its_polyak_step() -> None:
    learner = numbers(a=Network(Scalar(1.0), 0.5, target_rate=0.25))
    learner.minimize("a", lambda n, b, z: (n.a(), {}), batches(2)[0], NO_NOISE)  # a = 0.5
    learner.update_target("a")
    assert value(learner, "target_a") == pytest.approx([0.875, 0.875])  # 0.75 * 1 + 0.25 * 0.5
    learner.update_target("a")
    assert value(learner, "target_a") == pytest.approx([0.78125, 0.78125])
    assert value(learner, "a") == pytest.approx([0.5, 0.5])


def test_a_target_is_a_constant_in_a_loss() -> None:
    learner = numbers(a=Network(Scalar(1.0), 0.5, target_rate=0.25))
    learner.minimize("a", lambda n, b, z: (n.a() * n.target_a(), {}), batches(2)[0], NO_NOISE)
    assert (10 * learner.state_dict()["adam/a/0/exp_avg"]).tolist() == pytest.approx([1.0, 1.0])
    assert value(learner, "target_a") == [1.0, 1.0]


def test_without_simultaneously_a_later_loss_sees_the_earlier_step() -> None:
    learner = numbers(a=Network(Scalar(3.0), 1.0, target_rate=0.5), b=Network(Scalar(0.0), 1.0))
    seen = step_a_then_b(learner)
    assert seen == [2.0, 2.0]
    assert value(learner, "target_a") == pytest.approx([2.5, 2.5])  # halfway from 3 to the new 2


def test_simultaneously_shows_losses_and_targets_the_numbers_from_its_start() -> None:
    learner = numbers(a=Network(Scalar(3.0), 1.0, target_rate=0.5), b=Network(Scalar(0.0), 1.0))
    learner.params["target_a"]["value"].fill_(1.0)
    with learner.simultaneously():
        seen = step_a_then_b(learner)
        assert value(learner, "a") == [3.0, 3.0]
        assert value(learner, "target_a") == [1.0, 1.0]
    assert seen == [3.0, 3.0]
    assert value(learner, "a") == pytest.approx([2.0, 2.0])
    assert value(learner, "b") == pytest.approx([-1.0, -1.0])
    assert value(learner, "target_a") == [2.0, 2.0]  # halfway from 1 to the old 3


def step_a_then_b(learner: Learner) -> list[float]:
    """Descend a, then b, then move a's target; what b's loss saw as the value of a."""
    batch = batches(2)[0]
    learner.minimize("a", lambda n, b, z: (n.a(), {}), batch, NO_NOISE)
    seen = learner.minimize("b", lambda n, b, z: (n.b() * n.a(), {"a": 1 * n.a()}), batch, NO_NOISE)
    learner.update_target("a")
    return pytest.approx(seen["a"].tolist())


def test_an_exception_inside_simultaneously_changes_nothing() -> None:
    learner = numbers(a=Network(Scalar(3.0), 1.0, target_rate=0.5), b=Network(Scalar(0.0), 1.0))
    before = copy(learner)

    def step_and_fail() -> None:
        with learner.simultaneously():
            step_a_then_b(learner)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step_and_fail()
    assert changed(before, learner) == set()
    learner.update_target("a")  # and the learner works at once again
    learner.minimize("a", lambda n, b, z: (n.a(), {}), batches(2)[0], NO_NOISE)
    assert value(learner, "a") == pytest.approx([2.0, 2.0])


@pytest.mark.parametrize(("step", "fraction"), [(0, 1.0), (2, 0.8535534), (4, 0.5), (8, 0.0)])
def test_a_cosine_schedule_falls_from_the_full_rate_to_zero_over_the_run(step: int, fraction: float) -> None:
    learner = numbers(steps=8, a=Network(Scalar(1.0), 0.1, schedule="cosine"))
    learner.step = step
    learner.minimize("a", lambda n, b, z: (n.a(), {}), batches(2)[0], NO_NOISE)
    # With a constant gradient of 1, Adam's step is the learning rate.
    assert value(learner, "a") == pytest.approx([1 - 0.1 * fraction] * 2, abs=1e-6)


def test_a_schedule_follows_the_number_of_updates_and_belongs_to_its_network_only() -> None:
    learner = numbers(steps=4, a=Network(Scalar(0.0), 0.1, schedule="cosine"), b=Network(Scalar(0.0), 0.1))
    learner.algorithm.update = lambda learner, batch, noise: learner.minimize(
        ("a", "b"), lambda n, b, z: (n.a() + n.b(), {}), batch, noise
    )
    for _ in range(4):
        learner.update(batches(2)[0], NO_NOISE)
    assert value(learner, "a") == pytest.approx([-0.1 * (1 + 0.8535534 + 0.5 + 0.1464466)] * 2, abs=1e-6)
    assert value(learner, "b") == pytest.approx([-0.4, -0.4], abs=1e-6)


@pytest.mark.parametrize("kind", [Regression, Clipped])
def test_a_diverged_seed_leaves_the_bits_of_its_neighbours_unchanged(kind: type[Algorithm]) -> None:
    healthy, broken = regression(kind=kind), regression(kind=kind)
    for step, batch in enumerate(batches(count=6)):
        healthy.update(batch, NO_NOISE)
        poisoned = Batch(*(column.clone() for column in batch))
        if step == 2:
            poisoned.action[1] = torch.nan
        broken.update(poisoned, NO_NOISE)
    assert healthy.finite().tolist() == [True, True, True]
    assert broken.finite().tolist() == [True, False, True]
    for name, tensor in healthy.state_dict().items():
        if tensor.dim() and not name.endswith("step"):
            assert torch.equal(tensor[[0, 2]], broken.state_dict()[name][[0, 2]]), name


def test_finite_also_sees_targets_and_infinity() -> None:
    learner = numbers(3, a=Network(Scalar(1.0), 0.1, target_rate=0.5))
    learner.params["target_a"]["value"][2] = torch.inf
    assert learner.finite().tolist() == [True, True, False]


def test_continuing_from_a_state_dict_gives_the_bits_of_going_on() -> None:
    many = batches(count=9)
    straight, interrupted = regression(), regression()
    for batch in many[:4]:
        straight.update(batch, NO_NOISE)
        interrupted.update(batch, NO_NOISE)
    state = {name: tensor.clone() for name, tensor in interrupted.state_dict().items()}
    continued = regression()
    continued.load_state_dict(state, 4)
    assert continued.step == 4
    for batch in many[4:]:
        straight.update(batch, NO_NOISE)
        continued.update(batch, NO_NOISE)
    assert straight.state_dict().keys() == continued.state_dict().keys()
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, continued.state_dict()[name]), name


def test_a_schedule_continues_where_it_was() -> None:
    learner = numbers(steps=8, a=Network(Scalar(1.0), 0.1, schedule="cosine"))
    learner.load_state_dict(dict(learner.state_dict()), 4)
    learner.minimize("a", lambda n, b, z: (n.a(), {}), batches(2)[0], NO_NOISE)
    assert value(learner, "a") == pytest.approx([0.95, 0.95])


def test_a_loaded_state_is_a_copy() -> None:
    source, copied = regression(), regression()
    source.update(batches()[0], NO_NOISE)
    copied.load_state_dict(source.state_dict(), 1)
    before = {name: tensor.clone() for name, tensor in copied.state_dict().items()}
    source.update(batches()[0], NO_NOISE)
    for name, tensor in copied.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_each_seed_acts_with_its_own_policy() -> None:
    class Acting(Regression):
        def act(self, nets: Any, obs: Tensor, noise: Any, inference: Any) -> Tensor:
            return nets.actor(obs) + noise.z

    learner = regression((5, 6), Acting)
    obs, z = torch.randn(2, 4, OBS), torch.randn(2, 4, ACT)
    action = learner.act(obs, Draws({"z": z}, {}), None)
    assert not action.requires_grad
    for row, seed in enumerate((5, 6)):
        module = initial_networks(Regression(), OBS, ACT, seed)["actor"].module
        torch.testing.assert_close(action[row], module(obs[row]) + z[row])


def test_update_counts_and_keeps_the_newest_metrics() -> None:
    learner = regression()
    learner.update(batches()[0], NO_NOISE)
    assert learner.step == 1
    assert set(learner.metrics) == {"error", "actor_loss", "critic_loss"}
    assert all(m.shape == (3,) and not m.requires_grad for m in learner.metrics.values())


# What an author may do wrong, and what the message must then say.


def noisy(nets: Any, batch: Any, noise: Any) -> Any:
    return nets.a() * torch.randn(B).mean(), {}


def vector(nets: Any, batch: Any, noise: Any) -> Any:
    return nets.a() * batch.reward, {}


def no_metrics(nets: Any, batch: Any, noise: Any) -> Any:
    return nets.a() * batch.reward.mean()


def nothing(nets: Any, batch: Any, noise: Any) -> Any:
    nets.a()


def vector_metric(nets: Any, batch: Any, noise: Any) -> Any:
    return nets.a() * 2, {"q": nets.a() * batch.reward}


def number_metric(nets: Any, batch: Any, noise: Any) -> Any:
    return nets.a() * 2, {"q": 1.0}


def reads_item(nets: Any, batch: Any, noise: Any) -> Any:
    return nets.a() * batch.reward.mean().item(), {}


def reads_float(nets: Any, batch: Any, noise: Any) -> Any:
    return nets.a() * float(batch.reward.mean()), {}


def branches(nets: Any, batch: Any, noise: Any) -> Any:
    return (nets.a() if batch.reward.mean() > 0 else -nets.a()), {}


def unknown_network(nets: Any, batch: Any, noise: Any) -> Any:
    return nets.c(), {}


def undeclared_noise(nets: Any, batch: Any, noise: Any) -> Any:
    return nets.a() * noise.eps, {}


def other_network(nets: Any, batch: Any, noise: Any) -> Any:
    return nets.b() * 2, {}


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (vector, ["vector returned shape (8,)", "a loss returns a scalar", "did you forget .mean()?"]),
        (no_metrics, ["no_metrics must return (scalar, dict of metrics)"]),
        (nothing, ["nothing returns something that is not a tensor", "(scalar, dict of metrics)"]),
        (vector_metric, ["vector_metric", "metric 'q' has shape (8,)"]),
        (number_metric, ["number_metric returns something that is not a tensor", "metrics"]),
        (noisy, ["noisy draws its own random numbers", "declare them in noise()", "noise.NAME"]),
        (reads_item, ["reads_item reads a tensor's value", ".item()", "torch.where", "Choice"]),
        (reads_float, ["reads_float reads a tensor's value", "float()", "torch.where"]),
        (branches, ["branches branches on a tensor", "torch.where", "Choice"]),
        (unknown_network, ["nets.c does not exist", "networks: a, target_a, b"]),
        (undeclared_noise, ["noise.eps is used but not declared", "declared: z, steps"]),
        (other_network, ["other_network does not depend on the network a that it trains"]),
    ],
)
def test_a_loss_that_breaks_a_rule_is_told_what_to_do(loss: Callable[..., Any], words: list[str]) -> None:
    learner = numbers(a=Network(Scalar(1.0), 0.1, target_rate=0.5), b=Network(Scalar(2.0), 0.1))
    before = copy(learner)
    noise = Draws({"z": torch.zeros(2, B)}, {"steps": 4})
    with pytest.raises(AuthorError) as caught:
        learner.minimize("a", loss, batches(2)[0], noise)
    for word in words:
        assert word in str(caught.value)
    assert changed(before, learner) == set()


def test_a_choice_is_a_plain_value_on_which_a_loss_may_branch() -> None:
    learner = numbers(a=Network(Scalar(1.0), 0.1))
    draws = Draws({}, {"double": True})
    metrics = learner.minimize(
        "a", lambda n, b, z: (2 * n.a() if z.double else n.a(), {}), batches(2)[0], draws
    )
    assert metrics["a_loss"].tolist() == [2.0, 2.0]


def test_training_an_unknown_network_names_those_that_exist() -> None:
    learner = numbers(a=Network(Scalar(1.0), 0.1, target_rate=0.5), b=Network(Scalar(2.0), 0.1))
    for name in ("c", "target_a"):
        with pytest.raises(AuthorError, match=rf"minimize\('{name}'\).* networks\(\) returns a, b"):
            learner.minimize(name, vector, batches(2)[0], NO_NOISE)


def test_a_target_that_does_not_exist_cannot_be_moved() -> None:
    learner = numbers(a=Network(Scalar(1.0), 0.1))
    for name in ("a", "c"):
        with pytest.raises(AuthorError, match=rf"update_target\('{name}'\).* target_rate"):
            learner.update_target(name)


def test_an_update_without_metrics_is_told_to_return_a_dict() -> None:
    learner = regression()
    learner.algorithm.update = lambda learner, batch, noise: None
    with pytest.raises(AuthorError, match="must return a dict of metrics"):
        learner.update(batches()[0], NO_NOISE)


def test_acting_with_own_random_numbers_is_told_to_declare_them() -> None:
    class Dice(Regression):
        def act(self, nets: Any, obs: Tensor, noise: Any, inference: Any) -> Tensor:
            return nets.actor(obs) + torch.randn(ACT)

    with pytest.raises(AuthorError, match=r"Dice.act draws its own random numbers.* act_noise\(\)"):
        regression(kind=Dice).act(torch.zeros(3, 4, OBS), NO_NOISE, None)
