"""Algorithms of d3rlpy (Seno & Imai, JMLR 2022, https://github.com/takuseno/d3rlpy) on our data and seeds.

Options have the names and the defaults of d3rlpy, all that are numbers, flags or words; the hidden layers
have the names that they have in this project. Left out are factories (optimizers other than Adam, kinds of
Q functions), scalers (the harness normalizes, by `normalize_obs` and its like) and `compile_graph`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, make_dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from bench.algorithm import BaseConfig
from bench.dataset import Dataset
from bench.errors import UserError
from bench.external import External, d3rlpy_population
from bench.external.d3rlpy_library import load, version

SIMPLE = (bool, int, float, str)
OWN_GRAPHS = "compile_graph"  # a graph would draw from its own numbers, not from those of the seed
SEARCH = "_nbsr"  # where a learner has its search for nearest transitions, if it has one
NORMALIZED = ("critic", "value")  # networks to which `layer_norm` applies
ALLOWED: Mapping[str, Any] = {  # words that d3rlpy checks late or not at all
    "policy_type": Literal["deterministic", "stochastic"],
    "advantage_type": Literal["mean", "max"],
    "weight_type": Literal["exp", "binary"],
    "target_update_type": Literal["hard", "soft"],
    "mmd_kernel": Literal["gaussian", "laplacian"],
}
ACTIVATION = Literal["relu", "gelu", "tanh", "swish"]
# How suites and tasks call what d3rlpy calls otherwise; `lr` is every learning rate.
WORDS = {"discount": "gamma", "target_rate": "tau"}


class _OnDemand:
    """An attribute of a class that is made when it is first read, because d3rlpy is imported for it."""

    def __get__(self, instance: Any, owner: "type[D3rlpy]") -> type:
        return config_type(owner.config_class)


class D3rlpy(External):
    """An algorithm of d3rlpy; `config_class` is the name of its configuration in `d3rlpy.algos`."""

    Config: ClassVar[Any] = _OnDemand()
    config_class: ClassVar[str]
    library = "d3rlpy"

    @classmethod
    def packages(cls) -> Mapping[str, str]:
        return {"d3rlpy": version()}

    @classmethod
    def sources(cls) -> Sequence[Path]:
        return [Path(__file__), Path(d3rlpy_population.__file__)]

    @classmethod
    def translated(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        rates = [field.name for field in fields(cls.Config) if field.name.endswith("learning_rate")]
        words = {word: [name] for word, name in WORDS.items()} | {"lr": rates}
        return {name: value for word, value in options.items() for name in words.get(word, [word])}

    def population(
        self, dataset: Dataset, seeds: Sequence[int], device: torch.device | str
    ) -> "d3rlpy_population.D3rlpyPopulation":
        return d3rlpy_population.D3rlpyPopulation(self, dataset, seeds, torch.device(device))

    def policy(
        self, weights: Mapping[str, Tensor], obs_dim: int, action_dim: int, device: torch.device | str
    ) -> "d3rlpy_population.D3rlpyPolicy":
        return d3rlpy_population.restored(self, weights, obs_dim, action_dim, torch.device(device))

    def learner(self, obs_dim: int, action_dim: int, device: torch.device, neighbours: Any = None) -> Any:
        """One seed of it, an object of d3rlpy, initialized with numbers of torch's global generators.

        neighbours: see there. Raises UserError where d3rlpy refuses the options.
        """
        try:
            learner = self._created(device)
            if hasattr(learner, SEARCH):
                setattr(learner, SEARCH, neighbours)
            learner.create_impl((obs_dim,), action_dim)
        except (AssertionError, ValueError) as error:
            raise UserError(f"d3rlpy refuses these options: {error}; change --set") from error
        return learner

    def neighbours(self, dataset: Dataset) -> Any:
        """The transitions, to be searched in updates; None for an algorithm that does not search.

        d3rlpy fills the search in `fit`, which we do not call, has one for the whole process, and lets it use
        all cores, which may belong to other runs.
        """
        if not hasattr(self._created(torch.device("cpu")), SEARCH):
            return None
        from sklearn.neighbors import NearestNeighbors

        points = np.concatenate([self.config.beta * dataset.obs.numpy(), dataset.action.numpy()], axis=1)
        return NearestNeighbors(n_neighbors=1).fit(points)

    def _created(self, device: torch.device) -> Any:
        return library_config(self.config_class, asdict(self.config)).create(device=str(device))


def d3rlpy_algorithm(config_class: str, headline: str, family: str) -> type[D3rlpy]:
    """The algorithm whose configuration has this name in `d3rlpy.algos`."""
    name = config_class.removesuffix("Config")
    return type(name, (D3rlpy,), {"config_class": config_class, "headline": headline, "family": family})


@cache
def config_type(config_class: str) -> type:
    """Our configuration of an algorithm: the options of every algorithm, the simple ones of d3rlpy with its
    defaults, and the hidden layers. Raises UserError where d3rlpy is not installed.
    """
    theirs = fields(getattr(load().algos, config_class))
    simple = [f for f in theirs if f.type in SIMPLE and f.name != OWN_GRAPHS]
    options: list[Any] = [(f.name, ALLOWED.get(f.name, f.type), f.default) for f in simple]
    options += [
        ("hidden", tuple[int, ...], (256, 256)),
        ("activation", ACTIVATION, "relu"),
        ("layer_norm", bool, False),  # in critics and values only
    ]
    namespace = {"__post_init__": _check_layers}
    return make_dataclass(config_class, options, bases=(BaseConfig,), namespace=namespace, frozen=True)


def _check_layers(config: Any) -> None:
    if not config.hidden:
        raise ValueError("hidden is empty, and networks of d3rlpy need a hidden layer; give one such as 64")


def library_config(config_class: str, options: Mapping[str, Any]) -> Any:
    """d3rlpy's configuration with these options; those that only the harness acts on are passed over."""
    library = load()
    theirs = getattr(library.algos, config_class)
    names = [field.name for field in fields(theirs)]
    encoders = {
        name: library.models.VectorEncoderFactory(
            hidden_units=list(options["hidden"]),
            activation=options["activation"],
            use_layer_norm=options["layer_norm"] and name.startswith(NORMALIZED),
        )
        for name in names
        if name.endswith("encoder_factory")
    }
    return theirs(**{name: options[name] for name in names if name in options}, **encoders)
