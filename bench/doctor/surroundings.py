"""Checks of `bench doctor`: what the machine gives to this process: GPU, cores, memory, rendering, disk."""

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.doctor.findings import FAIL, OK, WARN, Finding
from bench.doctor.installed import outcome

GIB = 2**30
LITTLE_DISK, LITTLE_MEMORY = 5e9, 2 * GIB  # bytes
HEADLESS = {"egl": "libegl1", "osmesa": "libosmesa6"}  # and the Debian package of each
RENDERERS = ("", "glfw", "glx", "wgl", "cgl", "on", "enable", "enabled", "true", "1", *HEADLESS)
NO_RENDERER = ("off", "disable", "disabled", "false", "0")
CGROUP, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")

Environment = Mapping[str, str]
Device = tuple[str, int]  # its name and its memory in bytes


def cuda(
    version: str, built: str | None, driver: bool, devices: Sequence[Device], visible: str | None = None
) -> Iterator[Finding]:
    """Do torch and the driver of the GPU fit together?

    version: of torch; built: the version of CUDA that torch was built with; visible: CUDA_VISIBLE_DEVICES.
    """
    if devices:
        shown = ", ".join(f"{name} ({memory / GIB:.0f} GiB)" for name, memory in devices)
        yield Finding("cuda", OK, f"CUDA {built}, devices: {len(devices)}: {shown}")
    elif built and driver:
        hidden = "" if visible is None else f" (CUDA_VISIBLE_DEVICES is {visible!r})"
        found = f"torch is built with CUDA {built} and there is a driver, but no device can be used{hidden}"
        remedy = "compare nvidia-smi with that version, and unset CUDA_VISIBLE_DEVICES; runs use the CPU"
        yield Finding("cuda", WARN, found, remedy)
    elif built:
        found = f"torch is built with CUDA {built}, but there is no driver; runs use the CPU"
        yield Finding("cuda", WARN, found, "install NVIDIA's driver if there is a GPU, else nothing")
    elif driver:
        number = version.partition("+")[0]
        remedy = (
            f"python -m pip uninstall torch; python -m pip install torch=={number} "
            "--index-url https://pypi.org/simple"
        )
        yield Finding("cuda", WARN, f"there is a driver, but torch {version} is built without CUDA", remedy)
    else:
        yield Finding("cuda", OK, "no GPU; runs use the CPU")


def cuda_here(environment: Environment) -> Iterator[Finding]:
    """`cuda` on this machine. Raises whatever the import of torch raises."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    properties = [torch.cuda.get_device_properties(number) for number in range(count)]
    devices = [(each.name, each.total_memory) for each in properties]
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    yield from cuda(torch.__version__, torch.version.cuda, _has_driver(), devices, visible)


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def threads(environment: Environment, torch: int, affinity: int, quota: float | None) -> Iterator[Finding]:
    """Are there more threads than cores? torch: its threads; quota: the cores that a container allows."""
    allowed = max(1, min(affinity, int(quota))) if quota is not None else affinity
    set_to = environment.get("OMP_NUM_THREADS")
    first = (set_to or "").partition(",")[0].strip()
    remedy = f"export OMP_NUM_THREADS={allowed}"
    if set_to and not (first.isdecimal() and int(first)):
        found = f"OMP_NUM_THREADS is {set_to!r}, which is not a whole number of 1 or more"
        yield Finding("threads", WARN, found, remedy)
    elif set_to and int(first) > allowed:
        yield Finding("threads", WARN, f"OMP_NUM_THREADS is {set_to}, with {allowed} cores to use", remedy)
    elif torch > allowed:
        yield Finding("threads", WARN, f"torch takes {torch} threads, with {allowed} cores to use", remedy)
    else:
        yield Finding("threads", OK, f"torch takes {torch} threads, with {allowed} cores to use")
    if allowed < affinity:
        found = f"a quota of {quota:g} cores, but bench run sees {affinity} and starts as many runs at once"
        yield Finding("cores", WARN, found, f"give --jobs {allowed} to bench run")


def threads_here(environment: Environment) -> Iterator[Finding]:
    """`threads` of this process. Raises whatever the import of torch raises."""
    import torch

    affinity = len(os.sched_getaffinity(0))
    yield from threads(environment, torch.get_num_threads(), affinity, core_quota(CGROUP, MEMBERSHIP))


def core_quota(root: Path, membership: Path) -> float | None:
    """The cores that control groups allow this process, None without a limit."""
    found = []
    for folder in _groups(root, membership, "cpu"):
        fields = _words(folder / "cpu.max") or (
            _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        )
        if len(fields) == 2 and fields[0] not in ("max", "-1"):
            found.append(int(fields[0]) / int(fields[1]))
    return min(found, default=None)


def memory_room(root: Path, membership: Path) -> int | None:
    """The bytes that control groups let this process still take, None without a limit."""
    found = []
    for folder in _groups(root, membership, "memory"):
        limit = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
        used = _words(folder / "memory.current") or _words(folder / "memory.usage_in_bytes")
        if limit and used and limit[0] != "max":
            found.append(max(0, int(limit[0]) - int(used[0])))
    return min(found, default=None)


def _groups(root: Path, membership: Path, controller: str) -> Iterator[Path]:
    """The folders of the control groups that this process is in, with all above them, of both versions.

    In a container the path in `membership` may be one of the host: what is not there has no files.
    """
    lines = membership.read_text().splitlines() if membership.is_file() else []
    for line in lines:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        top = root / controller if names else root
        yield from (top / part for part in _upwards(Path(path.lstrip("/"))))


def _upwards(path: Path) -> list[Path]:
    return list(dict.fromkeys([path, *path.parents, Path()]))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def memory(free: int | None, room: int | None) -> Iterator[Finding]:
    """Is there memory for a run? free: bytes of the machine; room: bytes that a container still allows."""
    known = [count for count in (free, room) if count is not None]
    if not known:
        yield Finding("memory", OK, "not known on this system")
        return
    limited = " within the limit of the container" if room == min(known) else ""
    found = f"{min(known) / GIB:.1f} GiB free{limited}"
    if min(known) < LITTLE_MEMORY:
        remedy = "end other programs, or give --jobs 1 --workers 1 --group 1 to bench run"
        yield Finding("memory", WARN, f"{found}; less than {LITTLE_MEMORY / GIB:.0f} GiB is little", remedy)
    else:
        yield Finding("memory", OK, found)


def memory_here() -> Iterator[Finding]:
    """`memory` of this machine."""
    fields = dict(line.split(":", 1) for line in _lines(Path("/proc/meminfo")))
    free = 1024 * int(fields["MemAvailable"].split()[0]) if "MemAvailable" in fields else None
    yield from memory(free, memory_room(CGROUP, MEMBERSHIP))


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if ":" in line] if path.is_file() else []


def rendering(environment: Environment, broken: Mapping[str, str | None]) -> Iterator[Finding]:
    """Could environments be drawn without a screen? Benchmarks draw nothing, so this only warns;
    where MUJOCO_GL keeps mujoco from being imported, the check of that import fails.

    broken: why each headless renderer does not load, None where it does; empty without mujoco.
    """
    chosen = environment.get("MUJOCO_GL", "").strip().lower()
    works = [name for name, reason in broken.items() if reason is None]
    said = f"MUJOCO_GL is {chosen!r}" if chosen else "MUJOCO_GL is not set"
    if chosen not in (*RENDERERS, *NO_RENDERER):
        remedy = f"unset MUJOCO_GL, or export MUJOCO_GL={works[0] if works else 'egl'}"
        found = f"MUJOCO_GL is {chosen!r}, with which mujoco does not import; it knows glfw, egl, osmesa, off"
        yield Finding("rendering", WARN, found, remedy)
    elif not broken:
        yield Finding("rendering", OK, "not looked at, since mujoco is not installed")
    elif chosen in NO_RENDERER or chosen in works:
        yield Finding("rendering", OK, f"{said}; loads without a screen: {_listed(works)}")
    elif works:
        found = f"{said}; loads without a screen: {_listed(works)}"
        level, remedy = (WARN, f"export MUJOCO_GL={works[0]}") if chosen in HEADLESS else (OK, "")
        yield Finding("rendering", level, found, remedy)
    else:
        reasons = ", ".join(f"{name}: {reason}" for name, reason in broken.items())
        remedy = f"only needed to draw environments: apt-get install {' '.join(HEADLESS.values())}"
        yield Finding("rendering", WARN, f"nothing loads without a screen ({reasons})", remedy)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def rendering_here(environment: Environment, has_mujoco: bool) -> Iterator[Finding]:
    """`rendering` on this machine: each headless renderer is tried in a process of its own."""
    broken: dict[str, str | None] = {}
    if has_mujoco:
        with ThreadPoolExecutor() as pool:
            broken = dict(zip(HEADLESS, pool.map(_render_error, HEADLESS), strict=True))
    yield from rendering(environment, broken)


def _render_error(backend: str) -> str | None:
    code = (
        "import json\n"
        "try:\n"
        "    import mujoco\n"
        "    context = mujoco.GLContext(8, 8)\n"
        "    context.make_current()\n"
        "    said = None\n"
        "except Exception as error: said = type(error).__name__\n"
        "print('\\n' + json.dumps(said), flush=True)\n"
        "import os; os._exit(0)"  # a context that is half made cannot be freed
    )
    return outcome([sys.executable, "-c", code], {"MUJOCO_GL": backend})


def folder(
    name: str, path: Path, variable: str, needed: bool, free: Callable[[Path], float] | None = None
) -> Iterator[Finding]:
    """Can this folder, or the nearest one above that exists, be written, and is there room?

    variable: what to set to choose another one; needed: whether bench run cannot do without writing here;
    free: the bytes free at a path, by default as the system says.
    """
    path = path.expanduser().absolute()
    home = next(place for place in (path, *path.parents) if place.exists())
    above = "" if home == path else " (made on first use)"
    room = (free or _free)(home)
    problem = _write_error(home)
    if problem:
        found = f"{path}{above} cannot be written: {problem}"
        use = "" if needed else "; data sets in it can be read, but none can be fetched or made"
        yield Finding(name, FAIL if needed else WARN, found + use, f"choose another folder with {variable}")
    elif room < LITTLE_DISK:
        found = f"{path}{above}: {room / 1e9:.1f} GB free; less than {LITTLE_DISK / 1e9:.0f} GB is little"
        yield Finding(name, WARN, found, f"free space, or choose another folder with {variable}")
    else:
        yield Finding(name, OK, f"{path}{above}: {room / 1e9:.0f} GB free")


def _free(path: Path) -> float:
    return shutil.disk_usage(path).free


def _write_error(path: Path) -> str | None:
    """Why no file can be made in a folder, or None; the file has no name, so that nothing is left behind."""
    try:
        with tempfile.TemporaryFile(dir=path):
            return None
    except OSError as error:
        return error.strerror or str(error)
