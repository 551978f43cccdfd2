import math

import pytest
import torch
from stubs import Recorded, always, batch_of, draws
from torch import nn

from algorithms.edac import EDAC
from algorithms.sac_n import SACN
from bench.stacked import Nets

SLOPES = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])  # dQ/da of three critics


class Slopes(nn.Module):
    """Three linear critics of two action dimensions."""

    def forward(self, obs, action, shared=True):
        if shared:
            return torch.einsum("ia,ba->ib", SLOPES, action)
        return torch.einsum("ia,iba->ib", SLOPES, action)


def test_the_similarity_is_the_cosine_over_all_pairs():
    algorithm = EDAC(EDAC.Config(critics=3))
    similarity = algorithm.similarity(Nets({"critic": Slopes()}), batch_of(torch.rand(4, 2)))
    # pairs: 90 degrees, 180, 90; each counts twice; by N - 1
    assert similarity.item() == pytest.approx(2 * (0 - 1 + 0) / 2)


def test_it_is_added_to_the_loss_of_sac_n():
    nets = Nets(
        {
            "actor": Recorded(lambda obs: torch.zeros(len(obs), 4)),
            "critic": Slopes(),
            "target_critic": Slopes(),
            "log_temperature": always(torch.tensor(math.log(0.5))),
        }
    )
    batch, noise = batch_of(torch.rand(4, 2)), draws(target=torch.randn(4, 2))
    base, _ = SACN(SACN.Config(critics=3)).critic_loss(nets, batch, noise)
    loss, metrics = EDAC(EDAC.Config(critics=3, eta=5.0)).critic_loss(nets, batch, noise)
    assert loss.item() == pytest.approx(base.item() + 5 * -1.0)
    assert metrics["similarity"].item() == pytest.approx(-1)


def test_the_gradient_of_the_similarity_is_that_of_a_loop_over_critics():
    algorithm = EDAC(EDAC.Config(critics=4, hidden=(8, 8), activation="gelu", layer_norm=True))
    critic = algorithm.networks(3, 2)["critic"].module
    batch = batch_of(torch.randn(5, 2), obs=torch.randn(5, 3))
    found = torch.autograd.grad(
        algorithm.similarity(Nets({"critic": critic}), batch), critic.parameters(), allow_unused=True
    )
    action = batch.action.clone().requires_grad_()
    q = critic(batch.obs, action)
    directions = []
    for i in range(4):
        (gradient,) = torch.autograd.grad(q[i].sum(), action, create_graph=True)
        directions.append(gradient / (gradient.norm(dim=-1, keepdim=True) + 1e-10))
    total = sum((directions[i] * directions[j]).sum(-1) for i in range(4) for j in range(4) if i != j)
    expected = torch.autograd.grad(total.mean() / 3, critic.parameters(), allow_unused=True)
    for ours, theirs in zip(found, expected, strict=True):
        if theirs is None:
            assert ours is None or not ours.any()
        else:
            assert torch.allclose(ours, theirs, atol=1e-5)
