"""The measurement of speed: what is counted is right; how fast this machine is, no test asks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from algorithms import ALGORITHMS, COUNTERPARTS
from bench.algorithm import Choice, Every
from bench.cli import main
from bench.speed.commands import _doubts
from bench.speed.counting import Work, combinations, warm, work_of_update
from bench.speed.workload import Workload

ROOT = Path(__file__).parents[2]
OBS, ACTION, HIDDEN, BATCH = 28, 5, 8, 8
TINY = ["--hidden", "8x1", "--batch", "8", "--seeds", "1,2", "--repeats", "1", "--seconds", "0.01"]
TINY += ["--device", "cpu", "--threads", "1"]


def workload(source: str, hidden: int = HIDDEN, recorded: bool = True) -> Workload:
    return Workload(source, ALGORITHMS, (hidden,), BATCH, OBS, ACTION, "cpu", recorded)


def work(source: str, seeds: int = 1, **options) -> tuple[float, float]:
    chosen = workload(source, **options)
    population = chosen.population(seeds, chosen.data())
    warm(population)
    return work_of_update(population)


def hand_count() -> int:
    """Products of one update of a clone with one hidden layer; the data ask for no gradient."""
    forward = 2 * BATCH * (OBS * HIDDEN + HIDDEN * ACTION)
    of_weights, of_hidden = forward, 2 * BATCH * HIDDEN * ACTION
    return forward + of_weights + of_hidden


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("seeds", [1, 3])
def test_flops_of_a_clone_are_those_counted_by_hand(seeds, recorded):
    assert work("bc", seeds, recorded=recorded)[0] == seeds * hand_count()


@pytest.mark.parametrize("source", sorted(ALGORITHMS))
def test_a_group_does_for_every_seed_what_one_does(source):
    one, three = work(source, 1, hidden=4), work(source, 3, hidden=4)
    assert three[0] == pytest.approx(3 * one[0])
    assert three[1] > 2 * one[1] > 0


def test_flops_agree_with_those_of_torch():
    chosen = workload("iql")
    population = chosen.population(2, chosen.data())
    warm(population)
    with FlopCounterMode(display=False) as counter:
        population.learner.update(*population.sampler(0))
    assert work_of_update(population)[0] == counter.get_total_flops()


def test_bytes_are_those_of_operands_and_results_but_not_of_views():
    x, y = torch.zeros(4, 6), torch.zeros(6, 2)
    with Work() as product:
        x @ y
    assert product.bytes == 4 * (4 * 6 + 6 * 2 + 4 * 2)
    assert product.flops == 2 * 4 * 6 * 2
    with Work() as views:
        x.t()[1:].unsqueeze(0).expand(3, 5, 4)
    assert views.bytes == 0
    with Work() as in_place:
        x.add_(torch.ops.aten.expand.default(y[:1, :1], [4, 6]))
    assert in_place.bytes == 4 * (2 * 4 * 6 + 1)


def test_combinations_carry_their_share_of_the_updates():
    found = list(combinations({"often": Every(4), "size": Choice(1, 2), "always": Every(1)}))
    assert sum(share for _, share in found) == pytest.approx(1)
    assert len(found) == 4
    assert ({"often": True, "size": 2, "always": True}, 0.125) in found


def speed(capsys, *words) -> dict:
    assert main(["speed", *words, *TINY, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_json_holds_what_was_measured(capsys):
    threads = torch.get_num_threads()
    result = speed(capsys, "bc", "td3_bc")
    assert torch.get_num_threads() == threads
    assert {(row["algorithm"], row["seeds"]) for row in result["rows"]} == {
        (name, seeds) for name in ("bc", "td3_bc") for seeds in (1, 2)
    }
    assert result["machine"]["threads"] == 1
    assert result["machine"]["peak_flops_per_s"] > 0
    for row in result["rows"]:
        assert (row["hidden"], row["batch"], row["peers"]) == ([8], 8, {})
        assert row["seed_updates_per_s"] == row["seeds"] * row["updates_per_s"]
        assert row["flops_per_s"] == pytest.approx(row["flops_per_update"] * row["updates_per_s"])
        for name in ("updates_per_s", "share_of_peak", "share_of_bandwidth", "act_1_s", "act_256_s"):
            assert row[name] > 0, name
        assert row["memory_bytes"] >= 0
        assert [len(row["rounds"][name]) for name in ("updates_per_s", "peak_flops_per_s")] == [1, 1]
    assert result["rows"][1]["flops_per_update"] == 2 * hand_count()


def test_the_table_says_how_to_repeat_it(capsys):
    assert main(["speed", "bc", *TINY, "--eager", "--no-memory"]) == 0
    output = capsys.readouterr()
    assert "seed-upd/s" in output.out
    repeat = output.out.splitlines()[-1].removeprefix("Repeat: ")
    assert repeat.startswith("bench speed bc --device cpu --hidden 8x1 --seeds 1,2")
    assert repeat.endswith("--eager --no-memory")
    assert "bc, 2 seeds" in output.err


def test_numbers_from_a_busy_machine_are_doubted():
    row = {"algorithm": "a", "seeds": 8, "rounds": {"updates_per_s": [1.0, 30.0]}}
    steady = {"algorithm": "b", "seeds": 8, "rounds": {"updates_per_s": [1.0, 1.2]}}
    machine = {"device": "cpu", "load": 1.0, "threads": 2, "cores": 2}
    busy, unsteady = _doubts({"machine": machine, "rows": [row, steady]})
    assert "fewer --threads" in busy
    assert "a with 8: measure again" in unsteady
    assert _doubts({"machine": machine | {"threads": 1}, "rows": [steady]}) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("iqll", "unknown algorithm 'iqll'; did you mean 'iql'?"),
        ("bc --hidden 512", "argument --hidden: '512' is not WIDTHxLAYERS; give sizes such as 512x4"),
        ("bc --hidden 0x2", "argument --hidden: '0x2' is not WIDTHxLAYERS"),
        ("bc --seeds 1,0", "argument --seeds: '1,0' are not numbers of seeds; give such as 1,8,32"),
        ("bc --seconds nan", "argument --seconds: 'nan' is not a number of seconds above 0"),
        ("bc --batch 0", "argument --batch: '0' is not a whole number of 1 or more"),
        ("bc --device tpu9", "device 'tpu9' cannot be used"),
        ("bc --against corl", "unknown peer for --against 'corl'. Known: d3rlpy"),
    ],
)
def test_a_mistake_is_said_in_one_line(capsys, words, said):
    assert main(["speed", *words.split()]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_peer_that_is_not_installed_is_named_with_its_remedy(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "d3rlpy", None)
    assert main(["speed", "bc", *TINY, "--against", "d3rlpy"]) == 2
    assert "pip install 'offline-bench[d3rlpy]'" in capsys.readouterr().err


def test_peers_are_measured_where_they_have_the_algorithm(capsys):
    pytest.importorskip("d3rlpy")
    rows = speed(capsys, *COUNTERPARTS["d3rlpy"], "sorl", "--against", "d3rlpy", "--no-memory")["rows"]
    for row in rows:
        peer = row["peers"]["d3rlpy"]
        if row["algorithm"] == "sorl":
            assert peer is None
        else:
            assert peer["ratio"] == pytest.approx(row["seed_updates_per_s"] / peer["updates_per_s"])
            assert peer["ratio_alone"] > 0


def test_it_runs_where_only_torch_numpy_and_pandas_are_installed():
    code = (
        "import sys\n"
        "missing = 'gymnasium mujoco minari rich safetensors rliable arch d3rlpy ogbench jinja2 matplotlib'\n"
        "ours = 'bench.cli bench.task bench.runner suites'\n"
        "sys.modules.update(dict.fromkeys((missing + ' ' + ours).split()))\n"
        "from bench.speed.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, "bc", *TINY, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert [row["seeds"] for row in json.loads(done.stdout)["rows"]] == [1, 2]


def test_the_module_says_mistakes_in_one_line():
    words = [sys.executable, "-m", "bench.speed", "bc", "--hidden", "x"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.startswith("bench: argument --hidden: 'x' is not WIDTHxLAYERS")
    assert done.stderr.count("\n") == 1
