"""`bench speed`: its options, its table, its JSON. Needs no package besides torch, numpy and pandas."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any

import pandas as pd

from bench.algorithm import Algorithm
from bench.arguments import positive
from bench.devices import resolve_device
from bench.memory import keep_freed_memory
from bench.speed.machine import Machine
from bench.speed.measure import ACTED_ON, Effort, measure
from bench.speed.peers import PEERS, Counterparts, open_peer
from bench.speed.workload import Workload, set_threads

Algorithms = Mapping[str, type[Algorithm]]
UNSTEADY = 1.5  # largest updates/s of a row by its smallest, from which on it is doubted
BUSY = 0.5  # cores that others may want besides ours before the numbers are doubted


def add_parser(commands: Any, algorithms: Algorithms, counterparts: Mapping[str, Counterparts]) -> None:
    """The command `speed`."""
    text = "how fast algorithms train and act here, also compared with other libraries"
    add_arguments(commands.add_parser("speed", help=text), algorithms, counterparts)


def add_arguments(
    parser: argparse.ArgumentParser, algorithms: Algorithms, counterparts: Mapping[str, Counterparts]
) -> None:
    """The options of the command, for a parser of one's own.

    counterparts: for each peer, which of its algorithms are ours.
    """
    add = parser.add_argument
    add("algorithms", nargs="*", metavar="ALGORITHM", help="names or FILE.py:CLASS; default: all")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1; default: auto")
    add("--hidden", type=_layers, metavar="WxN", help="N layers of W units; default: the algorithm's own")
    add("--batch", type=positive, default=256, metavar="N", help="transitions per batch; default: 256")
    add("--seeds", type=_counts, default=(1, 8, 32), metavar="N,N", help="sizes of groups; default: 1,8,32")
    add("--against", action="append", default=[], metavar="NAME", help=f"also measure: {', '.join(PEERS)}")
    add("--obs-dim", type=positive, default=28, metavar="N", help="numbers in an observation; default: 28")
    add("--action-dim", type=positive, default=5, metavar="N", help="numbers in an action; default: 5")
    add("--threads", type=positive, metavar="N", help="cores to use; default: all")
    add("--repeats", type=positive, default=5, metavar="N", help="rounds of measuring; default: 5")
    add("--seconds", type=_seconds, default=1.0, metavar="S", help="per training and round; default: 1")
    add("--eager", action="store_true", help="without recordings: an author's code runs in every update")
    add("--no-memory", action="store_true", help="leave memory out; on a CPU it needs processes of its own")
    add("--json", action="store_true", help="one JSON object with every single measurement")
    parser.set_defaults(command=partial(_speed, algorithms, counterparts))


def _layers(text: str) -> tuple[int, ...]:
    width, _, layers = text.partition("x")
    if not (width.isdecimal() and layers.isdecimal() and int(width) and int(layers)):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxLAYERS; give sizes such as 512x4")
    return (int(width),) * int(layers)


def _counts(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} are not numbers of seeds; give such as 1,8,32")
    return tuple(dict.fromkeys(map(int, parts)))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0; give such as 0.5")
    return seconds


def _speed(
    algorithms: Algorithms, counterparts: Mapping[str, Counterparts], options: argparse.Namespace
) -> int:
    options.device = resolve_device(options.device)
    options.algorithms = list(dict.fromkeys(options.algorithms or algorithms))
    options.threads = options.threads or len(os.sched_getaffinity(0))
    workloads = [_workload(source, algorithms, options) for source in options.algorithms]
    peers = {name: open_peer(name, counterparts) for name in options.against}
    keep_freed_memory()
    before = set_threads(options.threads)
    try:
        result = _measure(workloads, peers, options)
    finally:
        set_threads(before)
    print(json.dumps(result) if options.json else _text(result))
    return 0


def _workload(source: str, algorithms: Algorithms, options: argparse.Namespace) -> Workload:
    workload = Workload(
        source=source,
        registered=algorithms,
        hidden=options.hidden,
        batch=options.batch,
        obs_dim=options.obs_dim,
        action_dim=options.action_dim,
        device=options.device,
        recorded=not options.eager,
    )
    workload.config()  # mistakes are said before anything is measured
    return workload


def _measure(
    workloads: Sequence[Workload], peers: Mapping[str, Any], options: argparse.Namespace
) -> dict[str, Any]:
    effort, machine = Effort(options.repeats, options.seconds, not options.no_memory), Machine(options.device)
    described = machine.describe()  # now: afterwards the load would be our own
    rows = [
        row
        for workload in workloads
        for row in measure(workload, options.seeds, peers, effort, machine, _say)
    ]

    def middle(name: str) -> float:
        return median(number for row in rows for number in row["rounds"][name])

    limits = {name: middle(name) for name in ("peak_flops_per_s", "bandwidth_bytes_per_s")}
    return {
        "command": _command(options),
        "machine": described | limits,
        "data": {"obs_dim": options.obs_dim, "action_dim": options.action_dim},
        "recorded": not options.eager,
        "rows": rows,
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _command(options: argparse.Namespace) -> str:
    """What repeats the measurement."""
    words = ["bench", "speed", *options.algorithms, "--device", options.device]
    if options.hidden is not None:
        words += ["--hidden", f"{options.hidden[0]}x{len(options.hidden)}"]
    words += ["--seeds", ",".join(map(str, options.seeds))]
    for name in ("batch", "obs_dim", "action_dim", "threads", "repeats"):
        words += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    words += ["--seconds", f"{options.seconds:g}"]
    words += [word for name in options.against for word in ("--against", name)]
    words += ["--eager"] if options.eager else []
    return shlex.join([*words, *(["--no-memory"] if options.no_memory else [])])


def _text(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    head = (
        f"{machine['name']} ({machine['device']}), {machine['threads']} of {machine['cores']} cores, "
        f"torch {machine['torch']}; measured at best {machine['peak_flops_per_s'] / 1e9:.4g} GFLOP/s (fp32), "
        f"{machine['bandwidth_bytes_per_s'] / 1e9:.4g} GB/s"
    )
    table = pd.DataFrame([_cells(row) for row in result["rows"]]).to_string(index=False)
    return "\n\n".join([head, table, *_doubts(result), f"Repeat: {result['command']}"])


def _doubts(result: Mapping[str, Any]) -> list[str]:
    """Rows whose rounds disagree: a busy core makes all threads wait, and the product may lose less."""
    moved = [
        f"{row['algorithm']} with {row['seeds']}"
        for row in result["rows"]
        if max(row["rounds"]["updates_per_s"]) > UNSTEADY * min(row["rounds"]["updates_per_s"])
    ]
    busy = result["machine"]["load"] + result["machine"]["threads"] > result["machine"]["cores"] + BUSY
    doubts = []
    if busy and result["machine"]["device"] == "cpu":
        load = result["machine"]["load"]
        doubts.append(
            f"The load of the minute before was {load:.1f}: let others end, or give fewer --threads."
        )
    if moved:
        doubts.append(f"Rounds differ by more than {UNSTEADY} times for {', '.join(moved)}: measure again.")
    return doubts


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    cells = {
        "algorithm": row["algorithm"],
        "hidden": _sizes(row["hidden"]),
        "seeds": str(row["seeds"]),
        "updates/s": _number(row["updates_per_s"]),
        "seed-upd/s": _number(row["seed_updates_per_s"]),
        "GFLOP/s": _number(row["flops_per_s"] / 1e9),
        "% peak": _number(100 * row["share_of_peak"]),
        "% bandw.": _number(100 * row["share_of_bandwidth"]),
        "MB": "" if row["memory_bytes"] is None else _number(row["memory_bytes"] / 1e6),
        "act 1 (us)": _number(1e6 * row["act_1_s"]),
        f"act {ACTED_ON} (us)": _number(1e6 * row[f"act_{ACTED_ON}_s"]),
    }
    for name, peer in row["peers"].items():
        cells |= {
            f"{name} upd/s": _number(peer["updates_per_s"]) if peer else "",
            "ratio": f"{peer['ratio']:.2f}" if peer else "",
            "ratio (update alone)": f"{peer['ratio_alone']:.2f}" if peer else "",
        }
    return cells


def _sizes(hidden: Sequence[int] | None) -> str:
    if not hidden:
        return "own"
    same = len(set(hidden)) == 1
    return f"{hidden[0]}x{len(hidden)}" if same else ",".join(map(str, hidden))


def _number(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
