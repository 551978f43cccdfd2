"""How exactly matrix products are computed. Parameters, losses and optimizers are always float32."""

from contextlib import AbstractContextManager, nullcontext

import torch

from bench.errors import UserError, unknown

DEFAULT_PRECISION = "fp32"
PRECISIONS = {
    "fp32": "float32 throughout; the default, because nothing else keeps the scores of a paper's code",
    "tf32": "products with 10 bits of mantissa, on NVIDIA GPUs since 2020",
    "bf16": "products of bfloat16 numbers, with 7 bits of mantissa",
}


def set_precision(precision: str, device: torch.device | str) -> None:
    """Prepare this process for a precision. Raises UserError where it is unknown or the device has it not."""
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    cuda = torch.device(device).type == "cuda"
    if precision == "tf32" and not cuda:
        raise UserError("--precision tf32 exists on NVIDIA GPUs alone; give fp32 or bf16, or --device cuda")
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def products(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """A context in which an author's forward pass has products of this precision."""
    if precision != "bf16":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
