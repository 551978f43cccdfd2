"""Which settings are tried: drawn at random, or where earlier scores suggest (both by Optuna's samplers).

A search is a function of its seed and of the scores that it is told, so given again with the same records it
asks for the same settings.
"""

from typing import Any

from bench.errors import UserError
from bench.streams import stream_seed
from bench.sweep.space import Choices, Range, Setting, Space

SEARCHES = ("grid", "random", "tpe")
STARTUP = 5  # trials of tpe that are drawn at random before it learns from their scores
DRAWS = 200  # until a setting comes that was not tried yet
DIGITS = 3  # of drawn numbers: a setting that can be read, and typed again


class Search:
    """Asks for one setting after the other, none of them twice."""

    def __init__(self, space: Space, kind: str, *seed: str) -> None:
        """kind: random or tpe. seed: words on which the draws depend. Raises UserError without Optuna."""
        optuna = _optuna()
        number = stream_seed("sweep", *seed) % 2**32
        samplers = {
            "random": lambda: optuna.samplers.RandomSampler(seed=number),
            "tpe": lambda: optuna.samplers.TPESampler(seed=number, n_startup_trials=STARTUP),
        }
        self.space = space
        self.axes = {option: _distribution(optuna, axis) for option, axis in space.items()}
        self.study = optuna.create_study(direction="maximize", sampler=samplers[kind]())
        self.asked: list[tuple[Any, Setting]] = []
        self.scores: list[float] = []

    def ask(self) -> Setting:
        """The next setting. Raises UserError where no other can be found."""
        for _ in range(DRAWS):
            trial = self.study.ask(self.axes)
            setting = {option: _value(axis, trial.params[option]) for option, axis in self.space.items()}
            tried = [old for _, old in self.asked]
            if setting not in tried:
                self.asked.append((trial, setting))
                return setting
            # what is known already need not be run again
            place = tried.index(setting)
            self.study.tell(trial, self.scores[place] if place < len(self.scores) else 0.0)
        raise UserError(
            f"only {len(self.asked)} different settings are found in this space; give --trials "
            f"{len(self.asked)} or fewer, or a larger --space"
        )

    def tell(self, score: float) -> None:
        """The score of the setting that was asked for last."""
        self.scores.append(score)
        self.study.tell(self.asked[-1][0], score)


def _distribution(optuna: Any, axis: Choices | Range) -> Any:
    if isinstance(axis, Choices):  # by number: a value may be a list
        return optuna.distributions.CategoricalDistribution(range(len(axis.values)))
    kind = optuna.distributions.IntDistribution if axis.whole else optuna.distributions.FloatDistribution
    return kind(axis.low, axis.high, log=axis.log)


def _value(axis: Choices | Range, drawn: Any) -> Any:
    if isinstance(axis, Choices):
        return axis.values[drawn]
    return drawn if axis.whole else min(max(float(f"{drawn:.{DIGITS}g}"), axis.low), axis.high)


def _optuna() -> Any:
    try:
        import optuna  # here: it is optional, and takes a second
    except ImportError as error:
        raise UserError(
            f"--search random and tpe need Optuna, which cannot be imported ({error}). Run: pip install "
            "'offline-bench[sweep]'; --search grid works without"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
