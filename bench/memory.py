"""The memory of this process: keeping what it frees, and the most that it has held."""

import ctypes
import platform
import resource
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of <malloc.h>


def keep_freed_memory() -> None:
    """Reuse freed memory instead of giving it back to the system (glibc; elsewhere nothing happens).

    By default every tensor beyond some megabytes gets fresh pages, which the system clears one by one:
    measured with CQL, more than a third of the time of an update.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def largest_resident() -> int:
    """The most bytes that this process has held.

    Not from getrusage on Linux, where a child starts with the largest value of its parent.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        if "VmHWM" in fields:
            return 1024 * int(fields["VmHWM"].split()[0])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
