"""What is fetched is complete, checked and recorded, or is not there; mirrors; what the user sees."""

import io
import json
import threading
from pathlib import Path

import pytest
from faulty_site import CONTENT, ENTRY, KEY, OTHER, Heard, Site, get, names, source
from rich.console import Console

from bench.data import fetch as module
from bench.data.fetch import DownloadBars, fetch
from bench.data.lock import Entry, Lock
from bench.errors import UserError


def test_a_file_is_downloaded_and_recorded(site: Site, folder: Path, lock: Lock) -> None:
    content, heard, _ = get(folder, site, lock)
    assert content == CONTENT
    assert lock.expected(KEY) == Entry(ENTRY.size, ENTRY.sha256, f"{site.url}/a.npz")
    assert site.asked == [("/a.npz", None)]
    assert heard.calls[0] == ("a.npz", 0, len(CONTENT))
    assert heard.calls[-1] == ("a.npz", len(CONTENT), len(CONTENT))
    assert len(heard.calls) > 3
    assert heard.words == [f"a.npz: 301.2 kB, recorded: sha256 {ENTRY.sha256}"]


def test_what_is_there_is_not_downloaded_again_and_not_recorded(site: Site, folder: Path, lock: Lock) -> None:
    folder.mkdir()
    (folder / "a.npz").write_bytes(b"anything")
    content, heard, _ = get(folder, site, lock)
    assert (content, site.asked, lock.expected(KEY)) == (b"anything", [], None)
    assert heard.words == ["a.npz: is there already, not checked: its sha256 is not known"]


@pytest.mark.parametrize(("there", "found"), [(b"short", "size 5"), (OTHER, "sha256")])
def test_what_is_there_must_be_what_the_lock_knows(
    site: Site, folder: Path, lock: Lock, there: bytes, found: str
) -> None:
    lock.record(KEY, ENTRY)
    folder.mkdir()
    (folder / "a.npz").write_bytes(there)
    with pytest.raises(
        UserError, match=rf"a.npz has {found}.*, expected .*lock.json; move .* delete the entry {KEY}"
    ):
        get(folder, site, lock)
    assert (folder / "a.npz").read_bytes() == there
    (folder / "a.npz").write_bytes(CONTENT)
    assert get(folder, site, lock)[1].words == ["a.npz: is there already, size and sha256 are as recorded"]


def test_a_download_of_another_size_is_refused_before_it_is_written(
    site: Site, folder: Path, lock: Lock
) -> None:
    lock.record(KEY, ENTRY)
    site.files["/a.npz"] = b"<html>please log in</html>"
    with pytest.raises(UserError, match=r"what is offered as .* has size 26, expected size 301200"):
        get(folder, site, lock)
    assert names(folder) == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_download_of_another_content_is_deleted_and_can_be_had_later(
    site: Site, folder: Path, lock: Lock, chunked: bool
) -> None:
    lock.record(KEY, ENTRY)
    site.chunked, site.files["/a.npz"] = chunked, OTHER[:9] if chunked else OTHER
    with pytest.raises(
        UserError, match=f"has {'size 9' if chunked else 'sha256'}.* deleted; name another place"
    ):
        get(folder, site, lock)
    assert names(folder) == []
    site.files["/a.npz"] = CONTENT
    assert get(folder, site, lock)[0] == CONTENT


def test_two_that_fetch_the_same_file_download_it_once(site: Site, folder: Path, lock: Lock) -> None:
    site.pause = 0.02
    heard = [Heard() for _ in range(3)]
    here = source(folder, f"{site.url}/a.npz")
    threads = [threading.Thread(target=fetch, args=(here, lock, None, each)) for each in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (folder / "a.npz").read_bytes() == CONTENT
    assert len(site.asked) == 1
    assert names(folder) == ["a.npz"]
    assert sorted(each.words[0] for each in heard) == [
        f"a.npz: 301.2 kB, recorded: sha256 {ENTRY.sha256}",
        *["a.npz: is there already, size and sha256 are as recorded"] * 2,
    ]


@pytest.mark.parametrize("place", ["maze/easy-v0/a.npz", "a.npz"])
@pytest.mark.parametrize("kind", ["folder", "file", "site"])
def test_a_mirror_is_searched_and_its_files_are_not_recorded(
    site: Site, folder: Path, lock: Lock, tmp_path: Path, place: str, kind: str
) -> None:
    path = tmp_path / "mirror copy" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    site.files = {f"/pub/{place}": CONTENT}
    root = tmp_path / "mirror copy"
    mirror = {"folder": str(root), "file": root.as_uri(), "site": f"{site.url}/pub/"}[kind]
    content, heard, _ = get(folder, site, lock, mirror=mirror)
    assert (content, lock.expected(KEY)) == (CONTENT, None)
    assert heard.calls[-1] == ("a.npz", len(CONTENT), len(CONTENT))
    assert heard.words == ["a.npz: 301.2 kB, not checked: its sha256 is not known"]
    assert path.read_bytes() == CONTENT


def test_a_name_is_quoted_in_the_url_of_a_mirror(site: Site, folder: Path, lock: Lock) -> None:
    site.files = {"/pub/maze/easy-v0/a%20b%231.npz": CONTENT}
    [path] = fetch(source(folder, "http://x/", "a b#1.npz"), lock, f"{site.url}/pub")
    assert (path.name, path.read_bytes()) == ("a b#1.npz", CONTENT)


@pytest.mark.parametrize(("wrong", "found"), [(OTHER, "sha256"), (b"short", "size 5")])
def test_a_mirror_is_checked_against_the_lock(
    site: Site, folder: Path, lock: Lock, tmp_path: Path, wrong: bytes, found: str
) -> None:
    lock.record(KEY, ENTRY)
    (tmp_path / "a.npz").write_bytes(wrong)
    with pytest.raises(UserError, match=f"has {found}"):
        get(folder, site, lock, mirror=str(tmp_path))
    assert names(folder) == []
    assert get(folder, site, lock)[1].words == ["a.npz: 301.2 kB, size and sha256 are as recorded"]


def test_a_copy_that_is_broken_off_is_not_taken_for_a_download(
    site: Site, folder: Path, lock: Lock, tmp_path: Path
) -> None:
    folder.mkdir()
    (folder / "a.npz.part").write_bytes(CONTENT[:70_000])
    (folder / "a.npz.part.json").write_text(json.dumps({"url": f"{site.url}/a.npz", "validator": '"first"'}))
    (tmp_path / "a.npz").write_bytes(OTHER)

    class Interrupted(Heard):
        def __call__(self, file_name: str, done_bytes: int, total_bytes: int | None) -> None:
            if done_bytes > 100_000:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(source(folder, "http://x/a.npz"), lock, str(tmp_path), Interrupted())
    assert not (folder / "a.npz").exists()
    assert get(folder, site, lock)[0] == CONTENT


def test_a_mirror_that_cannot_help_says_what_it_lacks(
    site: Site, folder: Path, lock: Lock, tmp_path: Path
) -> None:
    for mirror, words in (
        (str(tmp_path / "no"), "--from .*no is not there; it takes a folder"),
        ("ftp://127.0.0.1/pub", "it takes a folder"),
        (str(tmp_path), "there is neither .*/maze/easy-v0/a.npz nor .*/a.npz; put the file"),
        (f"{site.url}/pub", "/pub/maze/easy-v0/a.npz and http.*/pub/a.npz answered 404"),
    ):
        with pytest.raises(UserError, match=words):
            get(folder, site, lock, mirror=mirror)


def test_a_copy_that_was_made_elsewhere_does_not_pass_for_the_published_one(
    folder: Path, lock: Lock, tmp_path: Path
) -> None:
    made = tmp_path / "maze" / "easy-v0"
    made.mkdir(parents=True)
    (made / "a.npz").write_bytes(CONTENT)
    (made / "made.json").write_text("{}")
    with pytest.raises(UserError, match="was made by `bench data make`: it is no copy of the published"):
        fetch(source(folder, "http://x/a.npz"), lock, str(tmp_path))
    assert not (folder / "a.npz").exists()


def test_a_full_disk_is_said_and_the_part_is_kept(
    site: Site, folder: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", full)
        with pytest.raises(UserError, match=r"a.npz: No space left on device; free space or set BENCH_DATA"):
            get(folder, site, lock)
    assert names(folder) == ["a.npz.part", "a.npz.part.json"]


def test_a_folder_that_cannot_be_written_is_said(site: Site, folder: Path, lock: Lock) -> None:
    folder.write_text("in the way")
    with pytest.raises(UserError, match=r"cannot read or write .*data: File exists"):
        get(folder, site, lock)


def test_a_lock_that_cannot_be_written_does_not_cost_the_download(
    site: Site, folder: Path, tmp_path: Path
) -> None:
    content, heard, _ = get(folder, site, Lock(tmp_path / "no" / "lock.json"))
    assert content == CONTENT
    assert f"{ENTRY.sha256} was not recorded: cannot write" in heard.words[0]


def test_a_file_in_a_folder_is_shown_with_its_data_set(site: Site, folder: Path, lock: Lock) -> None:
    heard = Heard()
    paths = fetch(source(folder, f"{site.url}/a.npz", "data/main.hdf5"), lock, progress=heard)
    assert paths == [folder / "data" / "main.hdf5"]
    assert heard.words[0].startswith("maze/easy-v0/data/main.hdf5: ")
    assert lock.expected("maze/easy-v0/data/main.hdf5") is not None


@pytest.mark.parametrize("terminal", [False, True])
def test_bars_move_on_terminals_and_elsewhere_each_file_gets_one_line(terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with DownloadBars(console) as bars:
        bars("a[1].npz", 500, 2000)
        bars("a[1].npz", 1000, 2000)
        bars.display.refresh()
        bars("a[1].npz", 2000, 2000)
        bars.finished("a[1].npz", "2 kB, checked")
        assert bars.bars == {}
    text = console.file.getvalue()
    assert "a[1].npz: 2 kB, checked\n" in text.replace("\r", "")
    assert ("1.0/2.0 kB" in text) == terminal
    assert terminal or text == "a[1].npz: 2 kB, checked\n"
