"""Files that a crash or a bad disk has damaged: noticed, said, and made whole again."""

import random
import shutil

import pytest
from toy import TASK, folder_of, lines_of, runs_of

from algorithms.iql import IQL
from bench import checkpoint
from bench.recorded import is_finished
from bench.runner import execute

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("quick")]
NAMES = (checkpoint.NEWEST, checkpoint.PREVIOUS)


@pytest.fixture
def interrupted(tmp_path):
    """Results of a run that stopped after its second evaluation, and those of one that did not."""
    [run] = runs_of(steps=12)

    def stop(progress):
        if progress.step > 9:
            raise KeyboardInterrupt

    execute(run, TASK, IQL, tmp_path / "whole", "cpu")
    with pytest.raises(KeyboardInterrupt):
        execute(run, TASK, IQL, tmp_path / "cut", "cpu", stop)
    return run, tmp_path / "cut", tmp_path / "whole"


def resumed(run, results, whole):
    """Notes of the run that goes on; its records and weights are those of the whole one."""
    notes = []
    summary = execute(
        run,
        TASK,
        IQL,
        results,
        "cpu",
        lambda progress: notes.append(progress.note) if progress.note else None,
    )
    assert summary["notes"] == notes
    one, other = folder_of(results), folder_of(whole)
    assert lines_of(one) == lines_of(other)
    assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
    assert is_finished(run, results)
    return notes


def test_the_last_line_cut_at_every_byte(tmp_path, interrupted, often, row) -> None:
    run, cut, whole = interrupted
    content = (folder_of(cut) / "evaluations.jsonl").read_bytes()
    start = content.rstrip(b"\n").rfind(b"\n") + 1
    lengths = range(start, len(content), often(90, 1))
    for length in lengths:
        results = tmp_path / "copy"
        shutil.copytree(cut, results)
        (folder_of(results) / "evaluations.jsonl").write_bytes(content[:length])
        [note] = resumed(run, results, whole)
        assert note.startswith("what was recorded after update 8 is damaged; training began anew")
        shutil.rmtree(results)
    row(
        "evaluations.jsonl cut at every byte of its last line",
        len(lengths),
        "said; the evaluation was repeated",
    )


def test_a_finished_run_whose_last_line_was_cut_is_completed(tmp_path, interrupted) -> None:
    run, _, whole = interrupted
    shutil.copytree(whole, tmp_path / "copy")
    file = folder_of(tmp_path / "copy") / "evaluations.jsonl"
    for lost in (1, 40):
        file.write_bytes(file.read_bytes()[:-lost])
        assert not is_finished(run, tmp_path / "copy")
        resumed(run, tmp_path / "copy", whole)


def test_every_flipped_bit_of_a_checkpoint_is_noticed(tmp_path, interrupted, often, row) -> None:
    folder = folder_of(interrupted[1])
    newest, previous = ((folder / name).read_bytes() for name in NAMES)
    good = checkpoint.load(folder)[0]
    assert good is not None
    choose, times = random.Random(0), often(60, 4000)
    header = 8 * (8 + int.from_bytes(newest[:8], "little"))
    step_before = None
    for number in range(times):
        bit = choose.randrange(header if number % 2 else 8 * len(newest))
        damaged = bytearray(newest)
        damaged[bit // 8] ^= 1 << bit % 8
        (folder / checkpoint.NEWEST).write_bytes(damaged)
        (folder / checkpoint.PREVIOUS).write_bytes(previous)
        found, [note] = checkpoint.load(folder)
        step_before = step_before or found.step
        assert found.step == step_before < good.step
        assert note.startswith(f"{checkpoint.NEWEST} had been damaged; training went on after update")
        assert not (folder / checkpoint.NEWEST).exists()
    row("one flipped bit in the newest checkpoint", times, "noticed every time; the one before it was used")


def break_(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    path.write_bytes(content)


@pytest.mark.parametrize("names", [NAMES[:1], NAMES])
def test_training_goes_on_from_what_is_whole(interrupted, names, row) -> None:
    run, cut, whole = interrupted
    for name in names:
        break_(folder_of(cut) / name)
    [note] = resumed(run, cut, whole)
    assert all(name in note for name in names)
    assert ("began anew" in note) == (names == NAMES)
    which = "both checkpoints" if names == NAMES else "the newest checkpoint"
    row(f"{which} damaged", 1, "said, and in summary.json; same records")


def test_a_truncated_or_foreign_file_is_no_checkpoint(interrupted) -> None:
    folder = folder_of(interrupted[1])
    content = (folder / checkpoint.NEWEST).read_bytes()
    for bad in (b"", b"nonsense" * 10, content[:-1], content + b"\0", bytes(len(content))):
        for name in NAMES:
            (folder / name).write_bytes(bad)
        found, [note] = checkpoint.load(folder)
        assert found is None
        assert "training began anew" in note


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_ones(interrupted, monkeypatch) -> None:
    folder = folder_of(interrupted[1])
    before = [(folder / name).read_bytes() for name in NAMES]
    found, _ = checkpoint.load(folder)
    assert found is not None

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(folder, found)
    assert [(folder / name).read_bytes() for name in NAMES] == before
    assert not (folder / checkpoint.PART).exists()
