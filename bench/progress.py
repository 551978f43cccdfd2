"""What a user sees while runs are working: a bar for each, and a line when it is done."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from bench.executors.interface import Event
from bench.plan import Run


class Display:
    """Listens to events of runs. A context manager; `errors` says what did not end well, by title of run."""

    def __init__(self, runs: int, console: Console) -> None:
        self.console = console
        self.errors: dict[str, str] = {}
        self.failures = 0  # errors of runs that no other process works on
        self.finished, self.planned = 0, runs
        self.train_seconds, self.waiting_seconds = 0.0, 0.0
        self.progress = Progress(
            TextColumn("{task.description}", justify="left"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[score]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self.total = self.progress.add_task("runs", total=runs, speed="", score="")
        self.bars: dict[Run, TaskID] = {}
        self.scores: dict[Run, str] = {}

    def __enter__(self) -> "Display":
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def __call__(self, event: Event) -> None:
        run = event.run
        if event.progress is not None:
            if run not in self.bars:
                self.bars[run] = self.progress.add_task(run.title, total=run.steps, speed="", score="")
            done = event.progress
            if done.note:
                self._say(f"{run.title}: {done.note}")
            speed = f"{done.step / done.seconds:.0f} steps/s" if done.seconds else ""
            score = "" if done.score is None else f"score {100 * done.score:z.0f}"
            self.scores[run] = score
            self.progress.update(self.bars[run], completed=done.step, speed=speed, score=score)
            return
        self._end(event)

    def _end(self, event: Event) -> None:
        run = event.run
        self.finished += 1
        self.progress.update(self.total, completed=self.finished)
        if run in self.bars:
            self.progress.remove_task(self.bars.pop(run))
        place = f"[{self.finished}/{self.planned}]"
        if event.error is not None:
            other = run.title in self.errors  # other seeds or settings of the same algorithm on the same task
            self.errors[f"{run.title}, run {run.id}" if other else run.title] = event.error
            self.failures += not event.held
            self._say(f"{place} {run.title}: {'another process works on it' if event.held else 'failed'}")
        elif event.summary is not None:
            train, waiting = event.summary["train_seconds"], event.summary["waiting_seconds"]
            self.train_seconds, self.waiting_seconds = (
                self.train_seconds + train,
                self.waiting_seconds + waiting,
            )
            lost = event.summary["diverged"]
            words = f", diverged: seeds {', '.join(map(str, lost))}" if lost else ""
            self._say(
                f"{place} {run.title}: {self.scores.get(run, 'no score')}, {_took(train, waiting)}{words}"
            )

    def share(self) -> str:
        """How much of the time of all runs went into waiting for evaluations; empty where nothing ran."""
        total = self.train_seconds + self.waiting_seconds
        return f", evaluation {self.waiting_seconds / total:.0%} of their time" if total else ""

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _took(train: float, waiting: float) -> str:
    """`12 s (evaluation 25%)`: training, and the time in which it stood still for evaluations."""
    total = train + waiting
    return f"{total:.0f} s (evaluation {waiting / total:.0%})" if total else "0 s"
