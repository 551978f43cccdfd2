"""Seeds that do not fit into memory together: split in two, said, and recorded as if planned so."""

import gc
import resource
from functools import partial
from pathlib import Path

import pytest
import torch
from child import Child
from toy import TASK, lines_of, runs_of

from algorithms.iql import IQL
from bench import execution, load_scores, records
from bench.errors import UserError
from bench.recorded import folder_of as folder_of_run
from bench.recorded import is_finished
from bench.runner import execute

pytestmark = pytest.mark.fault
ERRORS = {
    "CUDA out of memory": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    "host out of memory": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    "MemoryError": MemoryError(),
}


def room_for(monkeypatch, seeds: int, error: Exception, at: int) -> None:
    """More seeds than that raise this error when they train their update number `at`."""
    make = execution.make_population

    def limited(algorithm, dataset, group, *others):
        population = make(algorithm, dataset, group, *others)
        update = population.update

        def updated(steps: int) -> None:
            if len(group) > seeds and population.step + steps > at:
                raise type(error)(*error.args)  # a new one: an old one keeps its trace
            update(steps)

        population.update = updated
        return population

    monkeypatch.setattr(execution, "make_population", limited)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("what", ERRORS)
def test_a_group_that_does_not_fit_is_split(tmp_path, monkeypatch, often, row, what) -> None:
    [run] = runs_of()
    planned = runs_of(group=2)
    for part in planned:
        execute(part, TASK, IQL, tmp_path / "planned", "cpu")
    times = 0
    for at in (25, 0, 59)[: often(1, 3)]:  # before the first evaluation, and after some
        results, notes = tmp_path / str(at), []
        with monkeypatch.context() as patch:
            room_for(patch, 2, ERRORS[what], at)
            summary = execute(
                run, TASK, IQL, results, "cpu", lambda progress, n=notes: n.append(progress.note)
            )
        said = (
            "3 seeds do not fit into the memory of cpu together; seeds 0, 1 are trained first, then seeds 2"
        )
        assert said in summary["notes"][0]
        assert any(said in note for note in notes)
        assert is_finished(run, results)
        for part in planned:
            one, other = (folder_of_run(part, place) for place in (results, tmp_path / "planned"))
            assert lines_of(one) == lines_of(other)
            assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
        scores = load_scores(results)
        assert not scores.duplicated(["seed", "step", "episode"]).any()
        assert set(scores.seed) == {0, 1, 2}
        times += 1
    row(f"{what} (injected)", times, "said; the seeds were trained as two runs")


@pytest.mark.usefixtures("quick")
def test_halves_are_split_again_and_resumed(tmp_path, monkeypatch) -> None:
    [run] = runs_of()
    room_for(monkeypatch, 1, MemoryError(), 10)
    with pytest.raises(KeyboardInterrupt):
        execute(run, TASK, IQL, tmp_path, "cpu", interrupt_at(30))
    assert not is_finished(run, tmp_path)
    execute(run, TASK, IQL, tmp_path, "cpu")
    assert is_finished(run, tmp_path)
    found, problems = records.read_runs(tmp_path)
    assert sorted(record.info["seeds"] for record in found) == [[0], [1], [2]]
    assert problems == []


def interrupt_at(step: int):
    def report(progress):
        if progress.step > step:
            raise KeyboardInterrupt

    return report


@pytest.mark.usefixtures("quick")
def test_one_seed_that_does_not_fit_is_an_error_of_one_sentence(tmp_path, monkeypatch) -> None:
    [run] = runs_of()
    room_for(monkeypatch, 0, MemoryError(), 0)
    with pytest.raises(UserError, match=r"^seed 0 does not fit into the memory of cpu even alone; choose"):
        execute(run, TASK, IQL, tmp_path, "cpu")
    assert not is_finished(run, tmp_path)


@pytest.mark.usefixtures("quick")
def test_the_group_that_did_not_fit_is_not_kept_in_memory(tmp_path, monkeypatch) -> None:
    [run] = runs_of()
    room_for(monkeypatch, 2, MemoryError(), 10)
    limited, alive = execution.make_population, []
    gc.collect()
    before = sum(type(thing) is execution.Execution for thing in gc.get_objects())  # of other tests

    def counted(algorithm, dataset, seeds, *others):
        gc.collect()
        alive.append(sum(type(thing) is execution.Execution for thing in gc.get_objects()) - before)
        return limited(algorithm, dataset, seeds, *others)

    monkeypatch.setattr(execution, "make_population", counted)
    execute(run, TASK, IQL, tmp_path, "cpu")
    assert alive == [1, 1, 1]  # only the one that asks


def limit_memory(more: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def test_a_process_that_gets_no_more_memory(tmp_path, row) -> None:
    [run] = runs_of(overrides=["algo.hidden=1024,1024"], steps=2, evaluations=1)
    outcome = Child(tmp_path, run, partial(limit_memory, 200 * 2**20)).wait()
    assert "summary" in outcome, outcome
    assert "do not fit into the memory of cpu together" in outcome["notes"][0]
    assert is_finished(run, tmp_path)
    found, _ = records.read_runs(tmp_path)
    assert sorted(seed for record in found for seed in record.info["seeds"]) == [0, 1, 2]
    assert len(found) > 1
    row("host out of memory (RLIMIT_AS)", 1, "said; the seeds were trained as two runs")
