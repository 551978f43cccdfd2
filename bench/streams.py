"""Random streams that are named, not carried along.

A stream is a function of its name alone: `stream("batch", seed, chunk)`. Nothing has to be stored
to continue a run, a seed draws the same numbers alone and in a group, and the numbers do not
depend on the device, because they are always drawn on the CPU.
"""

from hashlib import blake2b

import numpy as np


def stream_seed(*name: str | int) -> int:
    """A 64-bit number that depends on every word of the name and on nothing else."""
    text = "\x1f".join(map(str, name)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def stream(*name: str | int) -> np.random.Generator:
    """The random generator of this name; equal names give equal numbers."""
    text = "\x1f".join(map(str, name)).encode("utf-8", "surrogatepass")
    key = np.frombuffer(blake2b(text, digest_size=16).digest(), np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
