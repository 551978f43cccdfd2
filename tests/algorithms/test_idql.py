import math

import numpy as np
import pytest
import torch
from stubs import Recorded, always, batch_of, column, draws, schedule_of

from algorithms.idql import IDQL, Inference
from bench.generative import vp_betas
from bench.networks import ResidualNoisePredictor
from bench.stacked import Nets


def test_cloning_adds_noise_of_the_drawn_step_and_asks_for_it_back():
    actor = always(torch.tensor([[0.5, 0.0], [-1.0, 1.0]]))
    noise = draws(step=torch.tensor([0, 4]), cloning=torch.tensor([[2.0, 0.0], [-1.0, 0.0]]))
    loss, _ = IDQL().actor_loss(
        Nets({"actor": actor}), batch_of(torch.tensor([[0.5, 0.0], [1.0, 0.0]])), noise
    )
    assert loss.item() == pytest.approx((1.5**2 + 1.0**2) / 2)  # sums over dimensions, a mean over rows
    ((_, noisy, step),) = actor.calls
    kept = math.exp(-0.218), math.exp(-5.05)  # after one step and after all five
    expected = [
        0.5 * math.sqrt(kept[0]) + 2 * math.sqrt(1 - kept[0]),
        math.sqrt(kept[1]) - math.sqrt(1 - kept[1]),
    ]
    assert noisy[:, 0].tolist() == pytest.approx(expected, rel=1e-5)
    assert step.tolist() == [0, 4]


def test_one_step_of_the_chain_by_hand():
    # T = 1: beta = 1 - exp(-5.05); x = (x_T - sqrt(beta) e) / sqrt(1 - beta), as 1 - kept = beta; then clipped
    beta = 1 - math.exp(-5.05)
    start = column(0.9, 0.5)[None]
    actor = always(column(0.9, 0.5))
    action = IDQL(IDQL.Config(denoise_timesteps=1)).denoise(actor, torch.zeros(2, 1), start)
    expected = [x * (1 - math.sqrt(beta)) / math.sqrt(1 - beta) for x in (0.9, 0.5)]
    assert action.flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_the_chain_walks_all_steps_with_the_noise_of_each():
    betas, kept = vp_betas(3), np.cumprod(1 - vp_betas(3))
    noise = torch.tensor([0.1, 0.2, -0.3]).view(3, 1, 1)
    actor = Recorded(lambda obs, action, step: 0.5 * action)
    action = IDQL(IDQL.Config(denoise_timesteps=3)).denoise(actor, torch.zeros(1, 1), noise)
    x = 0.1
    for step, fresh in ((2, 0.2), (1, -0.3), (0, 0.0)):
        x = (x - betas[step] / math.sqrt(1 - kept[step]) * 0.5 * x) / math.sqrt(1 - betas[step])
        x = min(1, max(-1, x + math.sqrt(betas[step]) * fresh))
    assert action.item() == pytest.approx(x, rel=1e-4)
    assert [step.item() for _, _, step in actor.calls] == [2, 1, 0]


def test_the_averaged_policy_proposes_and_the_smaller_target_critic_chooses():
    nets = Nets(
        {
            "target_actor": Recorded(lambda obs, action, step: torch.zeros_like(action)),
            "target_critic": Recorded(lambda obs, action: torch.cat((action, -action), -1).movedim(-1, 0)),
        }
    )
    start = torch.tensor([0.01, -0.001, 0.02]).view(1, 1, 3, 1)
    action = IDQL(IDQL.Config(denoise_timesteps=1)).act(
        nets, torch.zeros(1, 1), draws(chain=start), Inference(candidates=3)
    )
    assert action.item() == pytest.approx(-0.001 * math.exp(5.05 / 2), rel=1e-4)


def test_the_order_of_an_update():
    assert schedule_of(IDQL()) == [
        "minimize value", "minimize critic", "target critic", "minimize actor", "target actor",
    ]  # fmt: skip


def test_a_residual_block_adds_to_what_comes_in():
    network = ResidualNoisePredictor(2, 1, width=4, blocks=2)
    obs, action, time = torch.randn(3, 2), torch.randn(3, 1), torch.tensor(2.0)
    for layer in network.narrow:
        layer.weight.data.zero_()
    angles = 2 * math.pi * 2.0 * network.frequencies
    embedding = network.time(torch.cat((angles.cos(), angles.sin())))
    inputs = torch.cat((action, obs, embedding.expand(3, -1)), -1)
    expected = network.last(torch.nn.functional.mish(network.first(inputs)))
    assert torch.allclose(network(obs, action, time), expected, atol=1e-6)
    assert torch.allclose(network(obs, action, time), network(obs, action, torch.full((3,), 2.0)), atol=1e-6)


def test_without_hidden_layers_the_width_of_the_blocks_must_be_given():
    with pytest.raises(ValueError, match="set width too"):
        IDQL.Config(hidden=())
    assert set(IDQL(IDQL.Config(hidden=(), width=8)).networks(2, 1)) >= {"value", "critic", "actor"}
