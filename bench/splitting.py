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


def parts(folder: Path, seeds: Sequence[int] = ()) -> list[tuple[Path, Sequence[int]]]:
    """The folders that stand for the run of a folder: itself, or those of its halves. With the seeds of each.

    A run whose split.json is no file of ours stands for itself.
    """
    found, waiting, seen = [], [(folder, seeds)], set()
    while waiting:
        own, group = waiting.pop(0)
        halves_of = [] if own in seen else _halves_of(own)
        seen.add(own)
        waiting[:0] = halves_of
        if not halves_of:
            found.append((own, group))
    return found


def _halves_of(folder: Path) -> list[tuple[Path, Sequence[int]]]:
    """What split.json says; nothing where there is none, or none that could be of `split`."""
    try:
        content = json.loads((folder / MARK).read_text())
        named = list(zip(content["runs"], content["seeds"], strict=True))
        return [(folder.with_name(name), [int(seed) for seed in seeds]) for name, seeds in named]
    except (OSError, ValueError, KeyError, TypeError):
        return []


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
    content = {
        "because": sentence,
        "runs": [half.id for half in halves(run)],
        "seeds": [half.seeds for half in halves(run)],
    }
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
        "resumed": [*first.get("resumed", []), *second.get("resumed", [])],
        "notes": list(dict.fromkeys([*notes, *first.get("notes", []), *second.get("notes", [])])),
    }
