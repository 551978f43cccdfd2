import math

import pytest
import torch
from torch.nn import functional as F

from bench.networks import (
    ACTIVATIONS,
    MLP,
    GaussianPolicy,
    LayerNorm,
    Linear,
    NoisePredictor,
    Scalar,
    TanhPolicy,
    ValueMLP,
)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def shaken(module, seed=0):
    """The module with random parameters, biases and norms too."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return module


@pytest.mark.parametrize("layer_norm", [False, True])
def test_an_ensemble_equals_its_members_one_by_one(layer_norm):
    ensemble = shaken(MLP((3, 5, 4, 2), "gelu", layer_norm, ensemble=3))
    x = numbers(7, 3)
    together = ensemble(x)
    assert together.shape == (3, 7, 2)
    for member in range(3):
        single = MLP((3, 5, 4, 2), "gelu", layer_norm)
        for name, parameter in single.named_parameters():
            parameter.data = ensemble.get_parameter(name).data[member].reshape(parameter.shape)
        assert torch.allclose(together[member], single(x), atol=1e-5)


def test_members_of_an_ensemble_start_differently():
    first, second = MLP((3, 8, 2), ensemble=2)(numbers(4, 3))
    assert not torch.allclose(first, second)


def test_layer_norm_comes_after_the_activation():
    net = shaken(MLP((2, 4, 1), "relu", layer_norm=True))
    x = numbers(5, 2)
    (first, last), (norm,) = net.layers, net.norms
    hidden = (x @ first.weight + first.bias).relu()
    centred = hidden - hidden.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    expected = (scaled * norm.weight + norm.bias) @ last.weight + last.bias
    assert torch.allclose(net(x), expected, atol=1e-5)


def test_the_epsilon_of_layer_norm_is_one_millionth():
    # variance 1e-6: divided by sqrt(1e-6 + 1e-6), and not by the sqrt(1.1e-5) of torch's default
    x = torch.tensor([[1e-3, -1e-3]])
    assert LayerNorm(2)(x).tolist()[0] == pytest.approx([1 / math.sqrt(2), -1 / math.sqrt(2)], rel=1e-4)


def test_the_last_layer_has_neither_activation_nor_norm():
    net = MLP((2, 4, 4, 1), layer_norm=True)
    assert len(net.layers) == 3
    assert len(net.norms) == 2
    net.layers[-1].bias.data.fill_(-5.0)
    net.layers[-1].weight.data.zero_()
    assert net(numbers(3, 2)).flatten().tolist() == [-5.0] * 3
    assert len(MLP((2, 4, 1)).norms) == 0


def test_inputs_are_concatenated_in_their_order():
    net = shaken(MLP((5, 4, 2)))
    obs, action = numbers(6, 3), numbers(6, 2, seed=1)
    assert torch.equal(net(obs, action), net(torch.cat((obs, action), -1)))
    assert not torch.allclose(net(obs, action), net(action, obs))


def test_activations_are_what_their_names_say():
    x = torch.tensor([-1.0, 0.5])
    assert ACTIVATIONS["relu"](x).tolist() == [0, 0.5]
    # x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    gelu = [v / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) for v in (-1.0, 0.5)]
    assert ACTIVATIONS["gelu"](x).tolist() == pytest.approx(gelu, rel=1e-6)
    # x tanh(log(1 + e^x))
    mish = [v * math.tanh(math.log1p(math.exp(v))) for v in (-1.0, 0.5)]
    assert ACTIVATIONS["mish"](x).tolist() == pytest.approx(mish, rel=1e-6)


@pytest.mark.parametrize("rows", [1, 4])
def test_a_value_drops_its_last_axis_only(rows):
    assert ValueMLP((3, 8))(numbers(rows, 3)).shape == (rows,)
    assert ValueMLP((3, 8), ensemble=2)(numbers(rows, 3)).shape == (2, rows)
    assert ValueMLP((3, 8), ensemble=1)(numbers(rows, 3)).shape == (1, rows)


def test_a_value_equals_the_mlp_with_one_output():
    value = shaken(ValueMLP((3, 8), activation="mish", ensemble=2))
    same = shaken(MLP((3, 8, 1), "mish", ensemble=2))
    assert torch.equal(value(numbers(4, 3)), same(numbers(4, 3))[..., 0])


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("actions", [1, 2])
def test_policies_keep_the_axis_of_the_action(rows, actions):
    obs = numbers(rows, 3)
    assert TanhPolicy((3, 8, actions))(obs).shape == (rows, actions)
    for fixed_std in (None, 0.5):
        mean, std = GaussianPolicy((3, 8, actions), fixed_std=fixed_std)(obs)
        assert mean.shape == (rows, actions)
        assert std.shape == (actions,)
    predictor = NoisePredictor(3, actions, (8,), "mish")
    assert predictor(obs, numbers(rows, actions), torch.zeros(rows)).shape == (rows, actions)
    wide = predictor(obs[:, None].expand(-1, 5, -1), numbers(rows, 5, actions), torch.zeros(rows, 5))
    assert wide.shape == (rows, 5, actions)


def test_a_tanh_policy_is_the_tanh_of_an_mlp():
    policy, net = shaken(TanhPolicy((3, 8, 2))), shaken(MLP((3, 8, 2)))
    assert torch.equal(policy(numbers(4, 3)), net(numbers(4, 3)).tanh())


def test_a_gaussian_policy_squashes_its_mean_only_if_asked():
    squashed = shaken(GaussianPolicy((3, 8, 2), squash_mean=True, fixed_std=0.3))
    free = shaken(GaussianPolicy((3, 8, 2), squash_mean=False, fixed_std=0.3))
    obs = numbers(4, 3)
    assert torch.equal(squashed(obs)[0], free(obs)[0].tanh())
    assert free(obs)[0].abs().max() > 1
    assert squashed(obs)[1].tolist() == pytest.approx([0.3, 0.3])
    assert "log_std" not in dict(squashed.named_parameters())


def test_a_learned_deviation_starts_at_1_and_stays_within_limits():
    policy = GaussianPolicy((3, 8, 3))
    assert policy(numbers(1, 3))[1].tolist() == [1, 1, 1]
    policy.log_std.data = torch.tensor([-9.0, 0.5, 9.0])
    assert policy(numbers(1, 3))[1].tolist() == pytest.approx([math.exp(-5), math.exp(0.5), math.exp(2)])


def test_the_step_of_diffusion_enters_by_sines_and_cosines():
    net = shaken(NoisePredictor(2, 1, (8,), "mish", time_dim=4))
    seen = {}
    net.time.register_forward_pre_hook(lambda module, inputs: seen.update(embedding=inputs[0]))
    net.body.register_forward_pre_hook(lambda module, inputs: seen.update(body=inputs))
    obs, action = numbers(2, 2), numbers(2, 1)
    net(obs, action, torch.tensor([0.0, 3.0]))
    # two rates, 1 and 1 / 10000: sines, then cosines
    expected = [[0, 0, 1, 1], [math.sin(3), math.sin(3e-4), math.cos(3), math.cos(3e-4)]]
    assert torch.allclose(seen["embedding"], torch.tensor(expected), atol=1e-6)
    assert seen["body"][0] is action
    assert seen["body"][2] is obs
    assert torch.equal(seen["body"][1], net.time(seen["embedding"]))


def test_a_step_may_be_the_same_for_all_rows():
    net = shaken(NoisePredictor(2, 1, (8,), "mish"))
    obs, action = numbers(3, 2), numbers(3, 1)
    assert torch.allclose(
        net(obs, action, torch.tensor(4.0)), net(obs, action, torch.full((3,), 4.0)), atol=1e-5
    )


def test_rates_of_the_default_embedding_fall_geometrically_to_one_ten_thousandth():
    net = NoisePredictor(1, 1, (4,), "mish")
    seen = {}
    net.time.register_forward_pre_hook(lambda module, inputs: seen.update(embedding=inputs[0]))
    net(torch.zeros(1, 1), torch.zeros(1, 1), torch.tensor([1.0]))
    sines = seen["embedding"][0, :8]
    assert torch.allclose(
        sines.asin()[1:], torch.tensor([10 ** (-4 * i / 7) for i in range(1, 8)]), rtol=1e-4
    )


@pytest.mark.parametrize("ensemble", [None, 2])
def test_kernels_start_within_the_xavier_bound_and_biases_at_zero(ensemble):
    layer = Linear(100, 50, ensemble)
    bound = math.sqrt(6 / 150)
    assert layer.weight.abs().max() <= bound
    assert layer.weight.abs().max() > 0.98 * bound
    # a uniform distribution's deviation: 2 bound / sqrt(12), here 0.1155
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert not layer.bias.any()


def test_last_scale_shrinks_the_last_kernel_only():
    torch.manual_seed(0)
    net = MLP((20, 30, 40, 10), last_scale=0.01)
    bounds = [math.sqrt(6 / (i + o)) for i, o in ((20, 30), (30, 40), (40, 10))]
    largest = [layer.weight.abs().max().item() for layer in net.layers]
    assert largest == pytest.approx([bounds[0], bounds[1], 0.01 * bounds[2]], rel=0.05)


def test_a_scalar_is_one_trainable_number():
    scalar = Scalar(1.5)
    assert scalar().item() == 1.5
    assert [p.shape for p in scalar.parameters()] == [()]
    (gradient,) = torch.autograd.grad(scalar().exp(), scalar.value)
    assert gradient.item() == pytest.approx(math.exp(1.5))


def test_an_affine_layer_is_a_product_and_a_sum():
    layer = shaken(Linear(3, 2))
    x = numbers(4, 3)
    assert torch.allclose(layer(x), F.linear(x, layer.weight.T, layer.bias), atol=1e-6)


@pytest.mark.parametrize("ensemble", [None, 2])
def test_leading_axes_are_broadcast(ensemble):
    torch.manual_seed(0)
    mlp = MLP((5, 8, 8, 3), layer_norm=True, ensemble=ensemble)
    torch.nn.init.normal_(mlp.layers[0].bias)
    obs, action = torch.randn(4, 3), torch.randn(6, 4, 2)
    found = mlp(obs, action)
    expected = mlp(obs.expand(6, 4, 3), action)
    assert found.shape == expected.shape == ((2,) if ensemble else ()) + (6, 4, 3)
    assert torch.allclose(found, expected, atol=1e-6)
    flat = mlp(obs.expand(6, 4, 3).reshape(24, 3), action.reshape(24, 2))
    assert torch.equal(expected.reshape(flat.shape), flat)


def test_members_of_an_ensemble_can_have_inputs_of_their_own():
    critic = ValueMLP((5, 4, 4), layer_norm=True, ensemble=3)
    obs, action = torch.randn(3, 6, 3), torch.randn(3, 6, 2)
    own = critic(obs, action, shared=False)
    assert own.shape == (3, 6)
    for member in range(3):
        assert torch.allclose(own[member], critic(obs[member], action[member])[member], atol=1e-6)
