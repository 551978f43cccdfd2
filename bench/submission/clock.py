"""Whether the times of a run could have passed."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.submission.contents import Finding, Severity, Submitted

TOLERANCE = datetime.timedelta(hours=1)  # between the clocks of two machines
FAST = 1e5  # updates per second that no machine reaches yet


def check(
    info: Mapping[str, Any],
    summary: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    now: datetime.datetime,
) -> Iterator[tuple[Severity, str]]:
    """What is wrong with the times of one run; `lines` are those that the run itself wrote."""
    created = datetime.datetime.fromisoformat(info["created"])
    seconds, speed = summary["train_seconds"], summary["updates_per_second"]
    if created > now + TOLERANCE:
        yield "error", f"it was created in the future ({created.isoformat()}); check both clocks"
    elif seconds > (now - created + TOLERANCE).total_seconds():
        yield "error", "it trained for longer than has passed since it was created; pack it as it was made"
    if seconds == 0:
        yield "error", "its training took 0 seconds; pack the run as it was made"
    elif not _fits(info["steps"], seconds, speed):
        yield "error", "steps, train_seconds and updates_per_second do not fit; pack the run as it was made"
    elif speed > FAST:
        yield "warning", f"it made {speed:,.0f} updates per second"
    if all(line["seconds"] == 0 for line in lines if line["status"] == "ok") and any(
        line["status"] == "ok" for line in lines
    ):
        yield "error", "its evaluations took 0 seconds; pack the run as it was made"


def _fits(steps: int, seconds: float, speed: float) -> bool:
    """Whether the speed is steps / seconds; both were rounded to three digits behind the point."""
    low, high = steps / (seconds + 0.001), steps / max(seconds - 0.001, 1e-9)
    return low - 0.001 <= speed <= high + 0.001


def together(runs: Sequence[Submitted]) -> Iterator[Finding]:
    """A warning for every run that was created in the same instant as another."""
    first: dict[str, Submitted] = {}
    for run in runs:
        other = first.setdefault(run.info["created"], run)
        if other is not run:
            text = f"it was created in the same microsecond as {other.folder}; one looks like a copy"
            yield Finding("warning", run.folder, text)
