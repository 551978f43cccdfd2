"""Seeds that do not fit into memory together are trained in two groups, each a run of its own.

The id of a run contains its seeds, so the halves are other runs: those that `--group` would have planned.
The folder of the whole then says so in `split.json`, holds no `run.json` any more, and is no record.
"""

import gc
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench import checkpoint, records
from bench.errors import UserError
from bench.plan import Run

MARK = "split.json"
# What torch's allocator of host memory says; it has no exception of its own.
_WORDS = ("can't allocate memory", "not enough memory", "Cannot allocate memory", "out of memory")


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether this exception says that memory, of the host or of the device, did not suffice."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, (RuntimeError, OSError)) and any(word in str(error) for word in _WORDS)


def halves(run: Run) -> tuple[Run, Run]:
    """The two runs that stand for a run of several seeds; of an odd number the first has more."""
    middle = (len(run.seeds) + 1) // 2
    return replace(run, seeds=run.seeds[:middle]), replace(run, seeds=run.seeds[middle:])


def is_split(folder: Path) -> bool:
    """Whether the run of this folder was replaced by its halves."""
    return (folder / MARK).exists()


def split(run: Run, folder: Path, device: str) -> str:
    """Replace a run by its halves for good; the sentence that says so. Its evaluations are kept unread.

    Raises UserError for a single seed.
    """
    if len(run.seeds) == 1:
        raise UserError(
            f"seed {run.seeds[0]} does not fit into the memory of {device} even alone; "
            "choose smaller networks or batches with --set, fewer --workers or --jobs, or another --device"
        )
    first, second = (f"seeds {', '.join(map(str, half.seeds))}" for half in halves(run))
    sentence = (
        f"{len(run.seeds)} seeds do not fit into the memory of {device} together; "
        f"{first} are trained first, then {second}, as two runs"
    )
    content = {"because": sentence, "runs": [half.id for half in halves(run)]}
    records.write_json(folder / MARK, content)
    (folder / "run.json").unlink(missing_ok=True)
    checkpoint.discard(folder)
    return sentence


def why_split(folder: Path) -> str:
    """The sentence of `split`."""
    return json.loads((folder / MARK).read_text())["because"]


def free_memory() -> None:
    """Give back what the group that did not fit has held."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def merged(summaries: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> dict[str, Any]:
    """What the summaries of the halves say together; the notes come before theirs."""
    first, second = summaries
    train = first["train_seconds"] + second["train_seconds"]
    updates = sum(own["updates_per_second"] * own["train_seconds"] for own in summaries)
    return {
        "train_seconds": round(train, 3),
        "eval_seconds": round(first["eval_seconds"] + second["eval_seconds"], 3),
        "waiting_seconds": round(first["waiting_seconds"] + second["waiting_seconds"], 3),
        "execution": first["execution"],
        "updates_per_second": round(updates / max(train, 1e-9), 3),
        "diverged": sorted({*first["diverged"], *second["diverged"]}),
        "notes": list(dict.fromkeys([*notes, *first.get("notes", []), *second.get("notes", [])])),
    }
