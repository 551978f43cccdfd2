"""Devices by name."""

import torch

from bench.errors import UserError


def resolve_device(name: str) -> str:
    """`auto` is CUDA where there is one, else the CPU. Raises UserError for a device that is not there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"device {name!r} cannot be used ({reason}); give auto, cpu or cuda") from error
    return name
