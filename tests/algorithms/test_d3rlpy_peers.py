"""d3rlpy's algorithms: trained on exactly our batches, each seed by itself, continued without a trace."""

import importlib.metadata

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

from algorithms import ALGORITHMS, COUNTERPARTS, EXTERNAL
from bench.dataset import Dataset, Episode
from bench.evaluate import evaluate
from bench.external.d3rlpy_population import DecisionNoise, returns_to_go
from bench.population import restored_policy
from bench.sampler import Sampler, draw
from bench.streams import stream
from bench.task import Step

d3rlpy = pytest.importorskip("d3rlpy")

OBS, ACTION, BATCH = 3, 2, 8
# Warm-ups and large samples would hide what comes after them.
QUICK = {"batch_size": BATCH, "hidden": (8,), "n_action_samples": 3, "warmup_steps": 1, "n_target_samples": 2}
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def made_data(count=6, length=10):
    generator = stream("peers", 0)
    return Dataset.from_episodes(
        Episode(
            obs=generator.standard_normal((length + 1, OBS)),
            action=generator.uniform(-1, 1, (length, ACTION)),
            reward=generator.standard_normal(length),
            terminal=number % 2 == 0,
        )
        for number in range(count)
    )


DATA = made_data()


def instance(name, **options):
    kind = EXTERNAL[name].Config
    known = {option: value for option, value in QUICK.items() if option in kind.__dataclass_fields__}
    return EXTERNAL[name](kind(**(known | options)))


def population(name, seeds=(0, 1), updates=0, device="cpu", **options):
    made = instance(name, **options).population(DATA, seeds, device)
    made.update(updates)
    return made


def actions(policy, rows=4, seeds=(0, 1)):
    generator = stream("acting", 0)
    obs = generator.standard_normal((rows, OBS)).astype(np.float32)
    noise = {name: draw(item, (rows,), generator) for name, item in policy.act_noise(None).items()}
    lead = len(seeds)
    return policy.act(np.stack([obs] * lead), {n: np.stack([x] * lead) for n, x in noise.items()}, None)


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def of_seed(state, row):
    return {name: x[row] for name, x in state.items() if not name.startswith(("obs/", "metric/"))}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", EXTERNAL)
def test_all_train_and_act_within_bounds(name, device):
    trained = population(name, updates=3, device=device)
    assert trained.step == 3
    before, after = population(name, device=device).weights(), trained.weights()
    assert any(not torch.equal(before[key], after[key]) for key in before)
    action = actions(trained)
    assert action.shape == (2, 4, ACTION)
    assert np.abs(action).max() <= 1
    assert not np.array_equal(action[0], action[1])
    assert trained.finite().all()
    assert all(metrics and np.isfinite(list(metrics.values())).all() for metrics in trained.metrics())
    assert trained.execution() == f"d3rlpy {importlib.metadata.version('d3rlpy')}, its seeds in turn"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", EXTERNAL)
def test_saved_loaded_and_continued_equals_continued(name, device):
    whole = population(name, updates=3, device=device)
    state = {key: tensor.clone() for key, tensor in whole.state_dict().items()}
    whole.update(3)
    resumed = population(name, device=device)
    resumed.load_state_dict(state, 3)
    resumed.update(3)
    assert resumed.step == 6
    assert_equal(whole.state_dict(), resumed.state_dict())
    assert np.array_equal(actions(whole), actions(resumed))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", EXTERNAL)
def test_a_seed_alone_equals_itself_in_a_group(name, device):
    group = population(name, seeds=(4, 7, 2), updates=3, device=device)
    torch.manual_seed(1)  # nobody depends on it
    before = torch.get_rng_state()
    alone = population(name, seeds=(7,), updates=3, device=device)
    assert torch.equal(torch.get_rng_state(), before)
    assert_equal(of_seed(group.state_dict(), 1), of_seed(alone.state_dict(), 0))
    obs = np.ones((3, 2, OBS), np.float32)
    seeds = np.array([[5, 6]] * 3)
    assert np.array_equal(
        group.act(obs, {"seed": seeds}, None)[1], alone.act(obs[:1], {"seed": seeds[:1]}, None)[0]
    )


@pytest.mark.parametrize("name", EXTERNAL)
def test_an_action_depends_on_the_noise_of_its_row_alone(name):
    """Nothing global is drawn, and a row acts alone as among others."""
    trained = population(name, seeds=(0,), updates=2)
    obs = stream("rows", 0).standard_normal((1, 5, OBS)).astype(np.float32)
    seeds = np.arange(5)[None]
    before = torch.get_rng_state()
    together = trained.act(obs, {"seed": seeds}, None)
    assert torch.equal(torch.get_rng_state(), before)
    for row in (0, 3):
        own = slice(row, row + 1)
        alone = trained.act(obs[:, own], {"seed": seeds[:, own]}, None)
        np.testing.assert_allclose(alone, together[:, own], atol=1e-6)


def test_other_noise_gives_other_actions_where_a_policy_draws():
    obs = np.ones((1, 6, OBS), np.float32)
    for name, draws in (("d3rlpy/bcq", True), ("d3rlpy/crr", True), ("d3rlpy/iql", False)):
        action = population(name, seeds=(0,), updates=2).act(obs, {"seed": np.arange(6)[None]}, None)[0]
        assert (np.ptp(action, axis=0).max() > 0) == draws, name


def test_noise_of_decisions_comes_row_after_row():
    with DecisionNoise(np.array([1, 2])):
        both = torch.randn(4, 3)
        chosen = torch.multinomial(torch.ones(2, 9), 1, replacement=True)
    with DecisionNoise(np.array([2])):
        second = torch.randn((2, 3))
        alone = torch.multinomial(torch.ones(1, 9), 1, replacement=True)
    assert torch.equal(both[2:], second)
    assert torch.equal(chosen[1:], alone)


@pytest.mark.parametrize("name", EXTERNAL)
def test_a_snapshot_and_stored_weights_act_like_the_population(name):
    trained = population(name, updates=2)
    snapshot = trained.snapshot()
    weights = {key: tensor.clone() for key, tensor in trained.weights().items()}
    expected = actions(trained)
    trained.update(2)
    before = torch.get_rng_state()
    restored = restored_policy(instance(name), weights, OBS, ACTION, "cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(actions(snapshot), expected)
    assert np.array_equal(actions(restored), expected)
    assert not np.array_equal(actions(trained), expected)


def test_a_clone_is_trained_by_the_mean_squared_error_on_our_batches():
    """Against a plain loop in torch with d3rlpy's initial parameters and our sampler."""
    options = {"learning_rate": 0.01, "normalize_obs": True}
    start = population("d3rlpy/bc", seeds=(3,), **options)
    weights = {k: x[0].clone().requires_grad_() for k, x in start.weights().items() if k.startswith("net/")}
    first, second = sorted({key.rpartition(".")[0] for key in weights}, key=lambda n: "_encoder" not in n)
    adam = torch.optim.Adam(weights.values(), lr=0.01)
    data = DATA.normalized(*DATA.obs_statistics())
    sampler = Sampler(data, {}, BATCH, (3,))
    for step in range(5):
        batch, _ = sampler(step)
        hidden = (batch.obs[0] @ weights[f"{first}.weight"].T + weights[f"{first}.bias"]).relu()
        action = (hidden @ weights[f"{second}.weight"].T + weights[f"{second}.bias"]).tanh()
        loss = mse_loss(action, batch.action[0])
        adam.zero_grad()
        loss.backward()
        adam.step()
    start.update(5)
    trained = start.weights()
    for key, tensor in weights.items():
        torch.testing.assert_close(trained[key][0], tensor.detach(), rtol=1e-5, atol=1e-6)
    assert start.metrics()[0]["loss"] == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["d3rlpy/iql", "d3rlpy/rebrac", "d3rlpy/cal_ql"])
def test_batches_are_those_that_d3rlpy_would_make_of_the_same_transitions(name):
    """One learner is fed by us, the other by d3rlpy's own `update` with d3rlpy's own transitions."""
    ours = population(name, seeds=(0,), reward_scale=2.0)
    theirs = population(name, seeds=(0,), reward_scale=2.0)
    returns = DATA.reward.reshape(6, 10) * 2
    for step in range(4):
        index = ours.sampler.numbers(step)[0][0].tolist()
        transitions = [
            d3rlpy.dataset.Transition(
                observation=DATA.obs[row].numpy(),
                action=DATA.action[row].numpy(),
                reward=2 * DATA.reward[row : row + 1].numpy(),
                next_observation=DATA.next_obs[row].numpy(),
                next_action=DATA.next_action[row].numpy(),
                terminal=float(DATA.terminal[row]),
                interval=1,
                rewards_to_go=returns[row // 10, row % 10 :, None].numpy(),
            )
            for row in index
        ]
        with theirs.random[0].in_place():
            theirs.learners[0].update(d3rlpy.dataset.TransitionMiniBatch.from_transitions(transitions))
    ours.update(4)
    for key, tensor in ours.weights().items():
        torch.testing.assert_close(tensor, theirs.weights()[key], rtol=1e-4, atol=1e-5)


def test_batches_are_those_of_our_own_algorithms():
    config = ALGORITHMS["bc"].Config(batch_size=BATCH)
    native = Sampler(DATA, ALGORITHMS["bc"](config).noise(BATCH, ACTION), BATCH, (0, 1))
    peer = population("d3rlpy/cql").sampler
    for step in (0, 1, 50):
        assert torch.equal(native.numbers(step)[0], peer.numbers(step)[0])


def test_returns_to_go_end_with_the_episode():
    data = Dataset.from_episodes(
        Episode(np.zeros((3, 1)), np.zeros((2, 1)), np.array([1.0, 2.0]), terminal)
        for terminal in (False, True)
    )
    assert returns_to_go(data, 0.5).tolist() == [2.0, 2.0, 2.0, 2.0]


def test_neighbours_are_those_of_the_data():
    """PRDC pulls an action towards that of the nearest transition, observations weighted by beta."""
    one, other = population("d3rlpy/prdc"), population("d3rlpy/prdc", beta=9.0)
    points = one.learners[0].impl._nbsr._fit_X
    np.testing.assert_allclose(points, np.concatenate([2 * DATA.obs, DATA.action], 1), rtol=1e-6)
    assert other.learners[0].impl._nbsr._fit_X[0, 0] == pytest.approx(4.5 * points[0, 0])


def test_options_reach_d3rlpy():
    made = population(
        "d3rlpy/iql", expectile=0.8, hidden=(5, 6), layer_norm=True, gamma=0.5, activation="tanh"
    )
    config, impl = made.learners[0].config, made.learners[0].impl
    assert (config.expectile, config.gamma, config.batch_size) == (0.8, 0.5, BATCH)
    assert (impl._expectile, impl._gamma) == (0.8, 0.5)
    for part, normed in (("actor", False), ("critic", True), ("value", True)):
        factory = getattr(config, f"{part}_encoder_factory")
        assert (factory.hidden_units, factory.activation, factory.use_layer_norm) == ([5, 6], "tanh", normed)


@pytest.mark.parametrize("name", EXTERNAL)
def test_defaults_are_those_of_d3rlpy(name):
    algorithm = EXTERNAL[name]
    theirs = getattr(d3rlpy.algos, algorithm.config_class)()
    ours = algorithm.Config()
    for option in ("gamma", "batch_size", "actor_learning_rate", "critic_learning_rate", "tau", "n_critics"):
        if hasattr(theirs, option):
            assert getattr(ours, option) == getattr(theirs, option), option
    assert ours.hidden == (256, 256)
    assert ours.activation == "relu"


@pytest.mark.parametrize("name", ["d3rlpy/iql", "d3rlpy/crr", "d3rlpy/prdc"])
def test_a_diverged_seed_stays_as_it_is_and_its_neighbour_goes_on(name):
    whole, broken = population(name), population(name)
    with torch.no_grad():
        for parameter in broken.learners[0].impl.modules.policy.parameters():
            parameter.fill_(torch.nan)
    whole.update(2)
    broken.update(2)
    assert broken.finite().tolist() == [False, True]
    assert_equal(of_seed(whole.weights(), 1), of_seed(broken.weights(), 1))
    action = actions(broken)
    assert np.isnan(action[0]).all()
    assert np.array_equal(action[1], actions(whole)[1])
    resumed = population(name)
    resumed.load_state_dict(broken.state_dict(), 2)
    whole.update(2)
    resumed.update(2)
    assert_equal(of_seed(whole.state_dict(), 1), of_seed(resumed.state_dict(), 1))


def test_importing_d3rlpy_leaves_the_precision_of_products_alone():
    assert torch.get_float32_matmul_precision() == "highest"


class Still:
    """Three steps in which nothing moves; the reward is the first number of the action."""

    def __init__(self, count):
        self.t = np.zeros(count, int)

    def reset(self, rows, seeds):
        self.t[rows] = 0
        return np.ones((len(rows), OBS))

    def step(self, rows, action):
        self.t[rows] += 1
        never = np.zeros(len(rows), bool)
        return Step(np.ones((len(rows), OBS)), action[:, 0], never, self.t[rows] >= 3, never)


@pytest.mark.parametrize("name", ["d3rlpy/bcq", "d3rlpy/bear", "d3rlpy/crr"])
def test_the_return_of_an_episode_does_not_depend_on_how_many_run_side_by_side(name):
    policy = population(name, updates=2)
    wide = evaluate(policy, Still(8), (0, 1), 4, [None])[0]
    narrow = evaluate(policy, Still(2), (0, 1), 4, [None], limit=2)[0]
    np.testing.assert_allclose(wide.returns, narrow.returns, atol=1e-5)
    assert np.ptp(wide.returns[0]) > 0


def test_counterparts_name_options_of_d3rlpy():
    for ours, counterpart in COUNTERPARTS["d3rlpy"].items():
        config_class, options = counterpart(ALGORITHMS[ours].Config())
        getattr(d3rlpy.algos, config_class)(**options)
        assert EXTERNAL[f"d3rlpy/{ours}"].config_class == config_class
