"""The seeds of an algorithm of d3rlpy: one learner of d3rlpy for each, trained in turn on our batches.

What is random:
- Batches come from our sampler: a seed sees those that it sees with every other algorithm.
- What d3rlpy draws itself, initial parameters and the noise of updates, comes from torch's global
  generators (it uses no others there). Each seed has a state of them, which is put in place while it is
  initialized or updated. So a seed equals itself in any group, bit for bit.
- What a decision draws comes from a generator of that decision, whose seed is the declared noise. So an
  action depends on the policy, the observation and the number of the decision in its episode; neither on how
  many environments run side by side (up to the rounding of matrix products, as everywhere) nor on training
  that goes on meanwhile, which a global generator would.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bench.algorithm import Batch, Noise
from bench.dataset import Dataset
from bench.external.d3rlpy_library import load, version
from bench.population import normalized_obs, prepared
from bench.sampler import Sampler
from bench.streams import stream_seed

if TYPE_CHECKING:
    from bench.external.d3rlpy import D3rlpy

Stacked = Mapping[str, Tensor]  # leading axis S
METRIC = "metric/"  # how the metrics begin in the state: metric/<row of the seed>/<name>


class D3rlpyPolicy:
    """The policies of S learners of d3rlpy."""

    def __init__(self, learners: Sequence[Any], mean: Tensor, std: Tensor, device: torch.device) -> None:
        self.learners, self.mean, self.std, self.device = learners, mean, std, device

    def act_noise(self, inference: Any) -> Mapping[str, Noise]:
        return {"seed": Noise.integers(2**62)}

    def act(self, obs: np.ndarray, noise: Mapping[str, np.ndarray], inference: Any) -> np.ndarray:
        seen = normalized_obs(obs, self.mean, self.std).to(self.device)
        rows = zip(self.learners, seen, noise["seed"], strict=True)
        return np.stack([_act(learner.impl, x, seeds).cpu().numpy() for learner, x, seeds in rows])

    def finite(self) -> np.ndarray:
        return np.array([_finite(learner.impl) for learner in self.learners])

    def weights(self) -> dict[str, Tensor]:
        nets = _stacked([_parameters(learner.impl) for learner in self.learners])
        return nets | {"obs/mean": self.mean, "obs/std": self.std}


class D3rlpyPopulation(D3rlpyPolicy):
    """S learners of d3rlpy and what they are trained on."""

    def __init__(
        self, algorithm: "D3rlpy", dataset: Dataset, seeds: Sequence[int], device: torch.device
    ) -> None:
        self.algorithm = algorithm
        self.shape = (dataset.obs_dim, dataset.action_dim)
        dataset, mean, std = prepared(dataset, algorithm.config)
        neighbours = algorithm.neighbours(dataset)
        self.random = [Randomness(seed, device) for seed in seeds]
        learners = []
        for random in self.random:
            with random.in_place():
                learners.append(algorithm.learner(*self.shape, device, neighbours))
        super().__init__(learners, mean, std, device)
        self.returns = torch.zeros(len(dataset))
        if learners[0].need_returns_to_go:
            self.returns = returns_to_go(dataset, algorithm.config.gamma)
        self.returns = self.returns.to(device)
        self.sampler = Sampler(dataset.to(device), {}, algorithm.config.batch_size, seeds)
        self.step = 0
        self.newest: list[dict[str, float]] = [{} for _ in seeds]

    def update(self, steps: int) -> None:
        for _ in range(steps):
            index, _ = self.sampler.numbers(self.step)
            batch, returns = self.sampler.gather(index), self.returns[index]
            for row, random in enumerate(self.random):
                own = mini_batch(Batch(*(column[row] for column in batch)), returns[row])
                with random.in_place():
                    self.newest[row] |= _update(self.learners[row].impl, own, self.step)
            self.step += 1

    def snapshot(self) -> D3rlpyPolicy:
        return restored(self.algorithm, self.weights(), *self.shape, self.device)

    def execution(self) -> str:
        return f"d3rlpy {version()}, its seeds in turn"

    def metrics(self) -> list[dict[str, float]]:
        return [dict(newest) for newest in self.newest]

    def state_dict(self) -> dict[str, Tensor]:
        own = [_parameters(learner.impl) | _moments(learner.impl) for learner in self.learners]
        # A seed that diverged early has fewer metrics than the others, so they are not stacked.
        metrics = {
            f"{METRIC}{row}/{name}": torch.tensor(value, dtype=torch.float64)
            for row, newest in enumerate(self.newest)
            for name, value in newest.items()
        }
        return _stacked(own) | _stacked([random.state for random in self.random]) | metrics

    def load_state_dict(self, state: Mapping[str, Tensor], step: int) -> None:
        self.step = step
        self.newest = [{} for _ in self.random]
        stacked = dict(state)
        for path in [path for path in state if path.startswith(METRIC)]:
            number, name = path.removeprefix(METRIC).split("/", 1)
            self.newest[int(number)][name] = float(stacked.pop(path))
        for row, random in enumerate(self.random):
            own = {name: tensor[row].clone() for name, tensor in stacked.items()}
            _set_parameters(self.learners[row].impl, own)
            _set_moments(self.learners[row].impl, own)
            random.state = {name: own[name] for name in random.state}


class Randomness:
    """The states of torch's global generators that belong to one seed."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        with self._aside():
            torch.manual_seed(stream_seed("d3rlpy", seed))
            self.state = self._current()

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Draw as this seed; afterwards the generators are as they were, and the seed goes on next time."""
        with self._aside():
            torch.set_rng_state(self.state["random/cpu"])
            if self.device.type == "cuda":
                torch.cuda.set_rng_state(self.state["random/cuda"], self.device)
            yield
            self.state = self._current()

    def _aside(self) -> Any:
        return torch.random.fork_rng([self.device] if self.device.type == "cuda" else [])

    def _current(self) -> dict[str, Tensor]:
        state = {"random/cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["random/cuda"] = torch.cuda.get_rng_state(self.device)
        return state


class DecisionNoise(TorchFunctionMode):
    """Within it, row e of what torch draws comes from a generator with the seed `seeds[e]`.

    d3rlpy's policies draw with `randn`, whose leading axis is that of the rows or a multiple of it, row after
    row, and with `multinomial`. In the other threads of this process nothing changes.
    """

    def __init__(self, seeds: np.ndarray) -> None:
        super().__init__()
        self.seeds = seeds
        self.generators: list[torch.Generator] = []  # most policies never draw

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if function is torch.randn:
            return self._normal(*args, **(kwargs or {}))
        if function is torch.multinomial:
            return self._choices(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))

    def _rows(self) -> list[torch.Generator]:
        if not self.generators:
            self.generators = [torch.Generator().manual_seed(int(seed)) for seed in self.seeds]
        return self.generators

    def _normal(self, *size: Any, device: Any = None) -> Tensor:
        lead, *rest = size if isinstance(size[0], int) else size[0]
        shape = (lead // len(self.seeds), *rest)
        return torch.cat([torch.randn(shape, generator=own) for own in self._rows()]).to(device)

    def _choices(self, weights: Tensor, count: int, replacement: bool = False) -> Tensor:
        rows = zip(weights.cpu(), self._rows(), strict=True)
        chosen = [torch.multinomial(row, count, replacement, generator=own) for row, own in rows]
        return torch.stack(chosen).to(weights.device)


def restored(
    algorithm: "D3rlpy", weights: Stacked, obs_dim: int, action_dim: int, device: torch.device
) -> D3rlpyPolicy:
    """The policies of all seeds from their weights."""
    nets = {name: tensor for name, tensor in weights.items() if name.startswith("net/")}
    learners = []
    for row in range(len(next(iter(nets.values())))):
        with Randomness(row, device).in_place():  # what is drawn is replaced at once
            learner = algorithm.learner(obs_dim, action_dim, device)
        _set_parameters(learner.impl, {name: tensor[row] for name, tensor in nets.items()})
        learners.append(learner)
    return D3rlpyPolicy(learners, weights["obs/mean"], weights["obs/std"], device)


def mini_batch(batch: Batch, returns: Tensor) -> Any:
    """One seed's batch, columns (B, ...), as d3rlpy's; returns: the discounted returns to go (B,)."""
    return load().TorchMiniBatch(
        observations=batch.obs,
        actions=batch.action,
        rewards=batch.reward[:, None],
        next_observations=batch.next_obs,
        next_actions=batch.next_action,
        returns_to_go=returns[:, None],
        terminals=batch.terminal[:, None],
        intervals=torch.ones_like(batch.reward)[:, None],
        device=str(batch.obs.device),
    )


def returns_to_go(dataset: Dataset, discount: float) -> Tensor:
    """The discounted sum of the rewards from each row to the end of its episode: float32 (N,).

    As in d3rlpy, the end of the recording counts like the end of the world.
    """
    ends = dataset.episode_ends() | (dataset.terminal.cpu().numpy() > 0)
    rewards, total = dataset.reward.tolist(), 0.0
    for row, end in reversed(list(enumerate(ends.tolist()))):
        total = rewards[row] + (0.0 if end else discount * total)
        rewards[row] = total
    return torch.tensor(rewards)


def _update(impl: Any, batch: Any, step: int) -> dict[str, float]:
    """One update; metrics. A seed that has diverged stays as it is: d3rlpy refuses numbers like NaN."""
    try:
        return impl.update(batch, step)
    except (ValueError, RuntimeError):
        if _finite(impl):
            raise
        return {}


def _act(impl: Any, obs: Tensor, seeds: np.ndarray) -> Tensor:
    """Actions (E, A) in [-1, 1] for obs (E, D) and seeds (E,); NaN for a policy that has diverged."""
    try:
        with torch.no_grad(), DecisionNoise(seeds):
            return impl.predict_best_action(obs).clamp(-1, 1)
    except (ValueError, RuntimeError):
        if _finite(impl):
            raise
        return torch.full((len(obs), impl.action_size), torch.nan)


def _finite(impl: Any) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in _parameters(impl).values())


def _modules(impl: Any) -> dict[str, nn.Module]:
    return impl.modules.get_torch_modules()


def _parameters(impl: Any) -> dict[str, Tensor]:
    """Of all networks and targets: `net/<network>/<parameter>`."""
    return {
        f"net/{name}/{key}": tensor.detach()
        for name, module in _modules(impl).items()
        for key, tensor in module.state_dict().items()
    }


def _set_parameters(impl: Any, state: Stacked) -> None:
    for name, module in _modules(impl).items():
        module.load_state_dict({key: state[f"net/{name}/{key}"] for key in module.state_dict()})


def _optimizers(impl: Any) -> dict[str, torch.optim.Optimizer]:
    return {name: value.optim for name, value in vars(impl.modules).items() if hasattr(value, "optim")}


def _moments(impl: Any) -> dict[str, Tensor]:
    """The states of all optimizers: `optim/<optimizer>/<number of the parameter>/<key>`."""
    return {
        f"optim/{name}/{number}/{key}": tensor
        for name, optimizer in _optimizers(impl).items()
        for number, entry in optimizer.state_dict()["state"].items()
        for key, tensor in entry.items()
    }


def _set_moments(impl: Any, state: Stacked) -> None:
    for name, optimizer in _optimizers(impl).items():
        entries: dict[int, dict[str, Tensor]] = {}
        for path, tensor in state.items():
            if path.startswith(f"optim/{name}/"):
                number, key = path.split("/")[2:]
                entries.setdefault(int(number), {})[key] = tensor
        optimizer.load_state_dict(optimizer.state_dict() | {"state": entries})


def _stacked(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of all seeds, (S, ...) each; zeros where a seed has none, as one that diverged before it
    trained a network for the first time.
    """
    some = {name: tensor for part in parts for name, tensor in part.items()}
    return {
        name: torch.stack([part[name] if name in part else torch.zeros_like(tensor) for part in parts])
        for name, tensor in some.items()
    }
