"""Does an algorithm keep the rules of the interface? Behind `bench check`, and run on every algorithm here.

A check is a function that raises CheckError (or AuthorError, which the learner raises by itself) with a
sentence that says what is wrong and what to do.
"""

import dataclasses
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.algorithm import Algorithm, BaseConfig, Batch
from bench.dataset import Dataset, Episode
from bench.errors import UserError
from bench.learner import Learner
from bench.plain import PlainLearner
from bench.sampler import Sampler, draw
from bench.stacked import Draws
from bench.streams import stream

OBS_DIM, UPDATES, TOLERANCE = 3, 20, 1e-4
SEEDS = (0, 3, 11)
HERE, TORCH = (os.path.dirname(module) + os.sep for module in (__file__, torch.__file__))


class CheckError(UserError):
    """What is wrong, and what to do."""


@dataclasses.dataclass(frozen=True)
class Result:
    """The outcome of one check; the message is empty where it passed."""

    name: str
    passed: bool
    message: str


def check(algorithm: type[Algorithm]) -> Iterator[Result]:
    """All checks in order. Where the algorithm does not even run, the later ones are left out."""
    for name, function in CHECKS.items():
        try:
            function(algorithm)
        except UserError as error:
            yield Result(name, False, str(error))
        except Exception as error:  # an author's code may raise anything
            yield Result(name, False, _last_line(error))
        else:
            yield Result(name, True, "")
            continue
        if function in (configuration, runs):
            return


def configuration(algorithm: type[Algorithm]) -> None:
    """Config is a frozen dataclass that extends BaseConfig, with a default for every option."""
    for name, config, base in (
        ("Config", algorithm.Config, BaseConfig),
        ("Inference", algorithm.Inference, object),
    ):
        if not dataclasses.is_dataclass(config) or not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise CheckError(f"{name} is not a frozen dataclass; put @dataclass(frozen=True) above it")
        if not issubclass(config, base):
            raise CheckError(f"{name} does not extend BaseConfig; write class Config(BaseConfig)")
        for field in dataclasses.fields(config):
            if field.default is dataclasses.MISSING:
                raise CheckError(f"{name}.{field.name} has no default value; every option needs one")


def runs(algorithm: type[Algorithm]) -> None:
    """Updates and decisions work, also with a single action dimension; parameters stay finite."""
    for action_dim in (2, 1):
        learner = _train(Learner, algorithm, SEEDS, UPDATES, action_dim)
        _act(learner, action_dim, 5)
        if not learner.finite().all():
            raise CheckError(f"parameters are not finite after {UPDATES} updates on harmless data")


def changes_only_what_it_trains(algorithm: type[Algorithm]) -> None:
    """A loss changes nothing, and an update only the networks it minimizes and the targets it moves."""
    _train(_Watched, algorithm, SEEDS, 4)


def repeats_bit_for_bit(algorithm: type[Algorithm]) -> None:
    """The same group of seeds trained twice gives the same bits."""
    first, second = (_train(Learner, algorithm, SEEDS, UPDATES).weights() for _ in range(2))
    for name, tensor in first.items():
        if not torch.equal(tensor, second[name]):
            raise CheckError(
                f"{name} differs between two equal runs; is there state outside the networks, or "
                "randomness that noise() does not declare?"
            )


def seed_alone_equals_itself_in_a_group(algorithm: type[Algorithm]) -> None:
    """Training a seed with others does not change it, up to rounding."""
    group = _train(Learner, algorithm, SEEDS, UPDATES).weights()
    for row, seed in enumerate(SEEDS):
        alone = _train(Learner, algorithm, [seed], UPDATES).weights()
        for name, tensor in group.items():
            _compare(name, tensor[row], alone[name][0], f"seed {seed} in a group", "alone")


def equals_a_plain_loop(algorithm: type[Algorithm]) -> None:
    """The stacked learner computes what modules, backward() and one Adam per network compute."""
    stacked = _train(Learner, algorithm, SEEDS[:1], UPDATES).weights()
    plain = PlainLearner(_instance(algorithm), OBS_DIM, 2, SEEDS[0], UPDATES)
    sampler = _sampler(plain.algorithm, SEEDS[:1], 2)
    for step in range(UPDATES):
        batch, noise = sampler(step)
        tensors = {name: tensor[0] for name, tensor in noise.tensors.items()}
        plain.update(Batch(*(column[0] for column in batch)), Draws(tensors, noise.choices))
    for name, module in plain.modules.items():
        for key, p in module.named_parameters():
            _compare(
                f"net/{name}/{key}", stacked[f"net/{name}/{key}"][0], p.detach(), "stacked", "a plain loop"
            )


def acts_within_bounds(algorithm: type[Algorithm]) -> None:
    """Actions are finite, inside [-1, 1] and of shape (E, A)."""
    learner = _train(Learner, algorithm, SEEDS, UPDATES)
    action = _act(learner, 2, 7, scale=10.0)
    if not action.isfinite().all():
        raise CheckError("act returned an action that is not finite")
    worst = action.abs().max().item()
    if worst > 1 + 1e-6:
        raise CheckError(f"act returned an action of {worst:.4g}; actions lie in [-1, 1] (clamp or tanh?)")


def acts_on_each_observation_alone(algorithm: type[Algorithm]) -> None:
    """An action depends on its own observation and noise, not on the others in the batch."""
    learner = _train(Learner, algorithm, SEEDS, UPDATES)
    together, first = _act(learner, 2, 8), _act(learner, 2, 8, take=3)
    difference = (together[:, :3] - first).abs().max().item()
    if difference > TOLERANCE:
        raise CheckError(
            f"the same observation gets another action (by {difference:.2g}) when other observations are in "
            "the batch; are candidates paired with their own observation?"
        )


def continues_after_loading(algorithm: type[Algorithm]) -> None:
    """Saving, loading and going on equals going on."""
    straight = _train(Learner, algorithm, SEEDS, UPDATES).weights()
    half = _train(Learner, algorithm, SEEDS, UPDATES // 2, planned=UPDATES)
    state = {name: tensor.clone() for name, tensor in half.state_dict().items()}
    fresh = Learner(_instance(algorithm), OBS_DIM, 2, SEEDS, UPDATES)
    fresh.load_state_dict(state, UPDATES // 2)
    sampler = _sampler(fresh.algorithm, SEEDS, 2)
    for step in range(UPDATES // 2, UPDATES):
        fresh.update(*sampler(step))
    for name, tensor in fresh.weights().items():
        if not torch.equal(tensor, straight[name]):
            raise CheckError(f"{name} differs after saving and loading; is there state outside the networks?")


CHECKS: dict[str, Callable[[type[Algorithm]], None]] = {
    "its options are frozen dataclasses with defaults": configuration,
    "updates and actions work": runs,
    "an update changes only the networks that it trains": changes_only_what_it_trains,
    "the same group twice is bit-equal": repeats_bit_for_bit,
    "a seed alone equals itself in a group": seed_alone_equals_itself_in_a_group,
    "training equals a plain loop with backward()": equals_a_plain_loop,
    "actions are finite and inside the bounds": acts_within_bounds,
    "an action depends on its own observation only": acts_on_each_observation_alone,
    "save, load and go on equals going on": continues_after_loading,
}


class _Watched(Learner):
    """Notices whoever changes a network outside of the optimizer and the target's step."""

    def update(self, batch: Batch, noise: Draws) -> None:
        self.allowed: set[str] = set()
        before = self._snapshot()
        super().update(batch, noise)
        for name in self._changed(before) - self.allowed:
            raise CheckError(
                f"update changes {name}, which it neither minimizes nor moves as a target; "
                "change networks only through learner.minimize and learner.update_target"
            )

    def _gradients(self, names: tuple[str, ...], loss: Any, batch: Batch, noise: Draws) -> Any:
        self.allowed |= set(names)
        before = self._snapshot()
        result = super()._gradients(names, loss, batch, noise)
        for name in self._changed(before):
            raise CheckError(
                f"{loss.__qualname__} changes {name} in place; a loss changes nothing, it returns a number"
            )
        return result

    def update_target(self, name: str) -> None:
        self.allowed.add(f"target_{name}")
        super().update_target(name)

    def _snapshot(self) -> dict[str, list[Tensor]]:
        return {name: [p.detach().clone() for p in stack.values()] for name, stack in self.params.items()}

    def _changed(self, before: dict[str, list[Tensor]]) -> set[str]:
        return {
            name
            for name, stack in self.params.items()
            if any(not torch.equal(p, old) for p, old in zip(stack.values(), before[name], strict=True))
        }


def _instance(algorithm: type[Algorithm]) -> Algorithm:
    """With small networks and batches, where the options allow it."""
    config: Any = algorithm.Config(batch_size=32)
    if hasattr(config, "hidden"):
        config = dataclasses.replace(config, hidden=(16, 16))
    return algorithm(config)


def _dataset(action_dim: int) -> Dataset:
    generator = np.random.default_rng(0)
    return Dataset.from_episodes(
        Episode(
            obs=generator.normal(size=(21, OBS_DIM)),
            action=generator.uniform(-1, 1, (20, action_dim)),
            reward=generator.normal(size=20),
            terminal=number % 2 == 0,
        )
        for number in range(10)
    )


def _sampler(algorithm: Algorithm, seeds: Sequence[int], action_dim: int) -> Sampler:
    size = algorithm.config.batch_size
    return Sampler(_dataset(action_dim), algorithm.noise(size, action_dim), size, seeds)


def _train(
    kind: type[Learner],
    algorithm: type[Algorithm],
    seeds: Sequence[int],
    updates: int,
    action_dim: int = 2,
    planned: int | None = None,
) -> Learner:
    learner = kind(_instance(algorithm), OBS_DIM, action_dim, seeds, planned or updates)
    sampler = _sampler(learner.algorithm, seeds, action_dim)
    for step in range(updates):
        learner.update(*sampler(step))
    return learner


def _act(
    learner: Learner, action_dim: int, count: int, take: int | None = None, scale: float = 1.0
) -> Tensor:
    """Actions (S, E, A) for `count` random observations, or for the first `take` of them."""
    inference = learner.algorithm.Inference()
    take = take or count
    seeds = len(learner.seeds)
    obs = scale * stream("check obs").standard_normal((seeds, count, OBS_DIM), np.float32)[:, :take]
    noise = {
        name: torch.from_numpy(draw(item, (seeds, count), stream("check", name))[:, :take])
        for name, item in learner.algorithm.act_noise(action_dim, inference).items()
    }
    action = learner.act(torch.from_numpy(obs), Draws(noise, {}), inference)
    if action.shape != (seeds, take, action_dim):
        raise CheckError(
            f"act returned shape {tuple(action.shape[1:])} for {take} observations, not {(take, action_dim)}"
        )
    return action


def _compare(name: str, first: Tensor, second: Tensor, one: str, other: str) -> None:
    difference = (first - second).abs().max().item()
    if not difference <= TOLERANCE:
        raise CheckError(
            f"{name} differs by {difference:.2g} after {UPDATES} updates between {one} and {other}; "
            f"{TOLERANCE:g} is allowed"
        )


def _last_line(error: Exception) -> str:
    """`file:line: Type: message` of where an author's code failed."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((HERE, TORCH))
    ]
    where = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    return f"{where}{type(error).__name__}: {error}".splitlines()[0]
