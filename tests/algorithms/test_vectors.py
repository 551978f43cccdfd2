"""Losses, gradients and actions against numbers that the authors' public code computed.

tests/data/vectors/*.npz: SORL from nico-espinosadice/SORL (cc060ac); IQL, ReBRAC and FQL from
seohongpark/fql (719d044); JAX 0.10.2, float32, CPU. Layout: NETWORK|...|Dense_i|kernel is (in, out).
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from algorithms.fql import FQL
from algorithms.iql import IQL
from algorithms.rebrac import ReBRAC
from algorithms.sorl import SORL
from bench.algorithm import Batch
from bench.stacked import Draws, Nets

FOLDER = Path(__file__).parents[1] / "data" / "vectors"
HIDDEN = (24, 24)
STEPS = (1, 2, 4, 8)
RENAMED = {"actor_bc_flow": "flow", "actor_onestep_flow": "onestep"}  # theirs -> ours


class Vectors:
    """One file: batch, noise, and an algorithm's networks with the stored parameters."""

    def __init__(self, name, algorithm):
        self.arrays = dict(np.load(FOLDER / f"{name}.npz"))
        self.algorithm = algorithm
        self.modules = {}
        for theirs, network in RENAMED.items():
            self.arrays = {k.replace(f"|{theirs}|", f"|{network}|"): v for k, v in self.arrays.items()}
        for network in {key.split("|")[1] for key in self.arrays if key.startswith("params|")}:
            declared = algorithm.networks(7, 3)[network.removeprefix("target_")]
            self.modules[network] = declared.module
            for parameter, value in self.named("params", network).items():
                declared.module.get_parameter(parameter).data = value
        batch = {
            key: self["batch|" + key]
            for key in ("observations", "actions", "rewards", "masks", "next_observations")
        }
        next_action = self.arrays.get("batch|next_actions", self.arrays["batch|actions"])
        self.batch = Batch(
            batch["observations"], batch["actions"], batch["rewards"], batch["next_observations"],
            torch.from_numpy(next_action), 1 - batch["masks"],
        )  # fmt: skip

    def __getitem__(self, key):
        return torch.from_numpy(self.arrays[key])

    def named(self, part, network):
        """`part|network|...` under the names and in the shapes of our modules."""
        prefix = f"{part}|{network}|"
        stored = {key.removeprefix(prefix): self[key] for key in self.arrays if key.startswith(prefix)}
        module = self.modules[network]
        result = {}
        for key, value in stored.items():
            name = ours(key)
            name = f"mean.{name}" if hasattr(module, "mean") else name
            result[name] = value.view_as(module.get_parameter(name))
        return result

    def check(self, part, network, loss, noise, replace=()):
        """The loss and its gradient with respect to one network equal the stored ones."""
        modules = self.modules | {name: self.modules[other] for name, other in dict(replace).items()}
        value = loss(Nets(modules), self.batch, noise)
        value = value[0] if isinstance(value, tuple) else value
        assert_close(value.detach(), self[f"{part}|loss"])
        names, parameters = zip(*self.modules[network].named_parameters(), strict=True)
        grads = dict(zip(names, torch.autograd.grad(value, parameters), strict=True))
        expected = self.named(f"{part}|grad", network)
        assert expected.keys() == grads.keys()
        for name, grad in grads.items():
            assert_close(grad, expected[name])


def ours(key):
    """`value_net|Dense_1|kernel` -> `layers.1.weight`; a policy's `mean_net` is its last layer."""
    layer, kind = key.split("|")[-2:]
    kind = {"kernel": "weight", "scale": "weight", "bias": "bias"}[kind]
    if layer == "mean_net":
        return f"layers.{len(HIDDEN)}.{kind}"
    group = "norms" if layer.startswith("LayerNorm") else "layers"
    return f"{group}.{layer.split('_')[1]}.{kind}"


def assert_close(actual, expected):
    """Relative to the largest entry of the tensor, 1e-5."""
    scale = expected.abs().max().clamp(min=1e-3)
    assert (actual - expected).abs().max() <= 1e-5 * scale, (actual, expected)


def draws(choices=None, **tensors):
    return Draws(tensors, choices or {})


@pytest.fixture
def sorl():
    return Vectors("sorl", SORL(SORL.Config(hidden=HIDDEN)))


@pytest.fixture
def iql():
    config = IQL.Config(
        hidden=HIDDEN,
        activation="gelu",
        layer_norm=True,
        fixed_std=1.0,
        squash_mean=False,
        expectile=0.9,
        beta=10.0,
    )
    return Vectors("iql", IQL(config))


@pytest.fixture
def rebrac():
    return Vectors("rebrac", ReBRAC(ReBRAC.Config(hidden=HIDDEN, activation="gelu", critic_bc_coef=0.05)))


@pytest.mark.parametrize("k", STEPS)
def test_sorl_critic_loss_equals_the_authors(sorl, k):
    noise = draws({"critic_steps": k}, critic=sorl[f"critic|k={k}|noise"])
    walked = sorl.algorithm.walk(sorl.modules["actor"], sorl.batch.next_obs, noise.critic, k)
    assert_close(walked.detach(), sorl[f"critic|k={k}|next_actions"])
    # There, the gradient of the TD target also reaches the actor; here the actor is a constant.
    sorl.check(f"critic|k={k}", "critic", sorl.algorithm.critic_loss, noise)


@pytest.mark.parametrize("k", STEPS)
def test_sorl_q_term_equals_the_authors(sorl, k):
    noise = draws({"actor_steps": k}, q=sorl[f"q|k={k}|noise"])
    walked = sorl.algorithm.walk(sorl.modules["actor"], sorl.batch.obs, noise.q, k)
    assert_close(walked.detach(), sorl[f"q|k={k}|actions"])
    sorl.check(f"q|k={k}", "actor", sorl.algorithm.q_term, noise)


def test_sorl_flow_loss_equals_the_authors(sorl):
    # t lies on the grid, and a uniform number that equals a grid point is that grid point
    sorl.check("flow", "actor", sorl.algorithm.flow, draws(flow=sorl["flow|noise"], flow_time=sorl["flow|t"]))


def test_sorl_consistency_loss_equals_the_authors(sorl):
    levels = sorl.algorithm.step_levels(sorl.batch.reward)
    assert torch.equal(levels, sorl["consistency|step_level"])
    noise = draws(consistency=sorl["consistency|noise"], consistency_time=sorl["consistency|t"])
    sorl.check("consistency", "actor", sorl.algorithm.consistency, noise)


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("k", STEPS)
def test_sorl_acts_as_the_authors_do(sorl, k, n):
    inference = SORL.Inference(steps=k, candidates=n)
    noise = draws(start=sorl[f"act|k={k}|n={n}|noise"][None])
    with torch.no_grad():
        action = sorl.algorithm.act(Nets(sorl.modules), sorl.batch.obs[:1], noise, inference)
    assert_close(action[0], sorl[f"act|k={k}|n={n}|action"])


def test_sorl_pairs_every_observation_with_its_own_candidates(sorl):
    # The stored noise is for one observation; the same noise for all 16 must not mix them.
    inference = SORL.Inference(steps=4, candidates=4)
    start = sorl["act|k=4|n=4|noise"].expand(16, 4, 3)
    with torch.no_grad():
        together = sorl.algorithm.act(Nets(sorl.modules), sorl.batch.obs, draws(start=start), inference)
        for i in range(16):
            alone = sorl.algorithm.act(
                Nets(sorl.modules), sorl.batch.obs[i : i + 1], draws(start=start[:1]), inference
            )
            assert_close(together[i], alone[0])


def test_iql_losses_equal_the_authors(iql):
    iql.check("value", "value", iql.algorithm.value_loss, draws())
    iql.check("critic", "critic", iql.algorithm.critic_loss, draws())
    # FQL's IQL weighs the actor with the online critic, the IQL paper's code with the target.
    iql.check("actor", "actor", iql.algorithm.actor_loss, draws(), replace={"target_critic": "critic"})


def test_rebrac_losses_equal_the_authors(rebrac):
    rebrac.check("critic", "critic", rebrac.algorithm.critic_loss, draws(target=rebrac["critic|noise"]))
    rebrac.check("actor", "actor", rebrac.algorithm.actor_loss, draws())


@pytest.fixture
def fql():
    return Vectors("fql", FQL(FQL.Config(hidden=HIDDEN)))


def test_fql_critic_loss_equals_the_authors(fql):
    fql.check("critic", "critic", fql.algorithm.critic_loss, draws(critic=fql["critic|noise"]))


def test_fql_actor_losses_equal_the_authors(fql):
    """There, one loss for both networks; here, one each. `actor|info` holds the terms."""
    noise = draws(
        flow=fql["actor|flow_noise"], flow_time=fql["actor|flow_t"][:, 0], distill=fql["actor|distill_noise"]
    )
    nets = Nets(fql.modules)
    flow, _ = fql.algorithm.flow_loss(nets, fql.batch, noise)
    onestep, metrics = fql.algorithm.onestep_loss(nets, fql.batch, noise)
    assert_close(flow.detach(), fql["actor|info|bc_flow_loss"])
    assert_close(metrics["distill"].detach(), fql["actor|info|distill_loss"])
    assert_close(metrics["q_term"].detach(), fql["actor|info|q_loss"])
    assert_close((flow + onestep).detach(), fql["actor|loss"])
    for network, loss in (("flow", flow), ("onestep", onestep)):
        names, parameters = zip(*fql.modules[network].named_parameters(), strict=True)
        expected = fql.named("actor|grad", network)
        assert expected.keys() == set(names)
        for name, grad in zip(names, torch.autograd.grad(loss, parameters), strict=True):
            assert_close(grad, expected[name])
