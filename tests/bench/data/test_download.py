"""Downloads from a server of the test: what breaks is continued, what has changed is started anew."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faulty_site import CONTENT, KEY, OTHER, Heard, Site, get, names, serving, source

from bench.data.fetch import fetch
from bench.data.lock import Lock
from bench.data.source import Maker
from bench.errors import UserError


def leave_part(folder: Path, site: Site, lock: Lock, size: int) -> None:
    """What a download leaves that was broken off for good behind `size` bytes."""
    site.cut, site.breaks = size, 1
    site.states = [200] + [503] * 5
    with pytest.raises(UserError, match=f"{size} bytes are in .*a.npz.part. The same command goes on"):
        get(folder, site, lock)
    assert names(folder) == ["a.npz.part", "a.npz.part.json"]
    assert (folder / "a.npz.part").read_bytes() == CONTENT[:size]
    site.asked.clear()


def test_a_file_without_a_length_ends_where_the_server_says(site: Site, folder: Path, lock: Lock) -> None:
    site.chunked = True
    content, heard, _ = get(folder, site, lock)
    assert content == CONTENT
    assert heard.calls[-1] == ("a.npz", len(CONTENT), None)


def test_a_file_whose_end_cannot_be_known_is_refused(site: Site, folder: Path, lock: Lock) -> None:
    site.length = False
    with pytest.raises(UserError, match="without the length"):
        get(folder, site, lock)
    assert names(folder) == []


def test_a_broken_connection_is_continued_where_it_broke(site: Site, folder: Path, lock: Lock) -> None:
    site.cut, site.breaks = 100_000, 2
    content, heard, waits = get(folder, site, lock)
    assert content == CONTENT
    assert site.asked == [("/a.npz", None), ("/a.npz", "bytes=100000-"), ("/a.npz", "bytes=200000-")]
    assert waits == [1, 2]
    done = [call[1] for call in heard.calls]
    assert done == sorted(done)
    assert {call[2] for call in heard.calls} == {len(CONTENT)}


def test_a_broken_stream_without_a_length_is_noticed(site: Site, folder: Path, lock: Lock) -> None:
    site.chunked, site.cut, site.breaks = True, 100_000, 1
    content, _, waits = get(folder, site, lock)
    assert (content, waits) == (CONTENT, [1])


def test_a_server_that_breaks_for_ever_is_asked_six_times(site: Site, folder: Path, lock: Lock) -> None:
    site.cut, site.breaks = 1000, 100
    with pytest.raises(UserError, match=r"6 attempts .*; 6000 bytes are in .*a.npz.part. The same command"):
        get(folder, site, lock)
    assert len(site.asked) == 6
    assert names(folder) == ["a.npz.part", "a.npz.part.json"]
    site.breaks = 0
    assert get(folder, site, lock)[0] == CONTENT
    assert site.asked[-1][1] == "bytes=6000-"


def test_a_network_that_goes_away_for_a_while_is_waited_for(
    folder: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as site:
        site.files["/a.npz"], site.cut, site.breaks = CONTENT, 1000, 1
        address, waits = f"{site.url}/a.npz", []

        def close(wait: float) -> None:
            waits.append(wait)
            site.server_close()

        with pytest.raises(UserError, match=r"6 attempts .*refused.*; 1000 bytes are in"):
            fetch(source(folder, address), lock, sleep=close)
    assert waits == [1, 2, 4, 8, 16]


def test_a_server_that_is_busy_is_asked_again(site: Site, folder: Path, lock: Lock) -> None:
    site.states = [503, 429]
    content, _, waits = get(folder, site, lock)
    assert (content, waits) == (CONTENT, [1, 2])


def test_a_part_is_continued_by_a_later_command(site: Site, folder: Path, lock: Lock) -> None:
    leave_part(folder, site, lock, 70_000)
    content, heard, _ = get(folder, site, lock)
    assert content == CONTENT
    assert site.asked == [("/a.npz", "bytes=70000-")]
    assert heard.calls[0] == ("a.npz", 70_000, len(CONTENT))
    assert lock.expected(KEY) is not None


@pytest.mark.parametrize(
    "headers", [{"ETag": '"second"'}, {}, {"Last-Modified": "Wed, 01 Oct 2025 10:00:00 GMT"}]
)
def test_a_file_that_has_changed_on_the_server_is_started_anew(
    site: Site, folder: Path, lock: Lock, headers: dict[str, str]
) -> None:
    leave_part(folder, site, lock, 70_000)
    site.headers, site.files["/a.npz"] = headers, OTHER
    content, heard, _ = get(folder, site, lock)
    assert content == OTHER
    assert heard.calls[0][1] == 0


def test_a_date_serves_where_there_is_no_strong_etag(site: Site, folder: Path, lock: Lock) -> None:
    site.headers = {"Last-Modified": "Wed, 01 Oct 2025 10:00:00 GMT"}
    leave_part(folder, site, lock, 70_000)
    assert get(folder, site, lock)[0] == CONTENT
    assert site.asked == [("/a.npz", "bytes=70000-")]


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_without_a_validator_a_part_is_not_trusted(
    site: Site, folder: Path, lock: Lock, headers: dict[str, str]
) -> None:
    site.headers = headers
    leave_part(folder, site, lock, 70_000)
    assert get(folder, site, lock)[0] == CONTENT
    assert site.asked == [("/a.npz", None)]


def test_a_server_without_ranges_is_started_anew(site: Site, folder: Path, lock: Lock) -> None:
    leave_part(folder, site, lock, 70_000)
    site.ranges = False
    assert get(folder, site, lock)[0] == CONTENT
    assert site.asked == [("/a.npz", "bytes=70000-")]


def test_a_part_that_is_complete_only_gets_its_name(site: Site, folder: Path, lock: Lock) -> None:
    leave_part(folder, site, lock, 70_000)
    (folder / "a.npz.part").write_bytes(CONTENT)
    content, heard, waits = get(folder, site, lock)
    assert (content, heard.calls, waits) == (CONTENT, [], [])
    assert site.asked == [("/a.npz", f"bytes={len(CONTENT)}-")]


def test_a_part_that_is_too_long_is_started_anew(site: Site, folder: Path, lock: Lock) -> None:
    leave_part(folder, site, lock, 70_000)
    (folder / "a.npz.part").write_bytes(CONTENT + b"more")
    assert get(folder, site, lock)[0] == CONTENT


@pytest.mark.parametrize(
    "note", ["", "{", "[]", "{}", '{"url": "http://elsewhere/a.npz", "validator": "\\"first\\""}']
)
def test_a_part_of_unknown_origin_is_started_anew(site: Site, folder: Path, lock: Lock, note: str) -> None:
    folder.mkdir()
    (folder / "a.npz.part").write_bytes(b"of something else")
    (folder / "a.npz.part.json").write_text(note)
    assert get(folder, site, lock)[0] == CONTENT
    assert site.asked == [("/a.npz", None)]


def test_a_killed_fetch_leaves_no_half_written_file_and_is_continued(
    site: Site, folder: Path, lock: Lock
) -> None:
    site.files["/a.npz"] = content = os.urandom(8 << 20)
    site.stalls = 6 << 16
    code = (
        "import sys; from pathlib import Path\n"
        "from bench.data.fetch import fetch; from bench.data.lock import Lock\n"
        "from bench.data.source import File, Source\n"
        "files = (File('a.npz', sys.argv[1]),)\n"
        "source = Source('maze', 'easy-v0', files, lambda: Path(sys.argv[2]), lambda _: [])\n"
        "fetch(source, Lock(Path(sys.argv[3])))"
    )
    arguments = [f"{site.url}/a.npz", str(folder), str(lock.path)]
    child = subprocess.Popen([sys.executable, "-c", code, *arguments])
    part = folder / "a.npz.part"
    while not (part.is_file() and part.stat().st_size > 300_000):
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (folder / "a.npz").exists()
    size = part.stat().st_size
    assert 300_000 < size < len(content)
    site.stalls = None
    assert get(folder, site, lock)[0] == content
    assert site.asked[1:] == [("/a.npz", f"bytes={size}-")]


def test_an_interruption_keeps_the_part(site: Site, folder: Path, lock: Lock) -> None:
    class Interrupted(Heard):
        def __call__(self, file_name: str, done_bytes: int, total_bytes: int | None) -> None:
            if done_bytes > 100_000:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(source(folder, f"{site.url}/a.npz"), lock, progress=Interrupted())
    assert names(folder) == ["a.npz.part", "a.npz.part.json"]
    assert get(folder, site, lock)[0] == CONTENT
    assert site.asked[-1][1] == "bytes=131072-"


def test_a_part_that_was_not_asked_for_is_not_taken(site: Site, folder: Path, lock: Lock) -> None:
    leave_part(folder, site, lock, 70_000)
    site.shift = 1
    content, _, waits = get(folder, site, lock)
    assert (content, waits) == (CONTENT, [1])
    assert site.asked == [("/a.npz", "bytes=70000-"), ("/a.npz", None)]


def test_what_the_server_refuses_is_said_with_its_address(site: Site, folder: Path, lock: Lock) -> None:
    site.states = [403]
    with pytest.raises(UserError, match=rf"{site.url}/a.npz answered 403 Forbidden; .*--from DIR or URL"):
        get(folder, site, lock)
    del site.files["/a.npz"]
    with pytest.raises(UserError, match="answered 404"):
        get(folder, site, lock)
    assert names(folder) == []


def test_without_a_network_the_other_ways_are_named(
    folder: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as site:
        address = f"{site.url}/a.npz"
    maker = Maker(1, lambda *_: None, lambda n: n)
    with pytest.raises(
        UserError, match=r"cannot reach http.*--from DIR or URL, or .*bench data make maze/easy-v0$"
    ):
        fetch(source(folder, address, maker=maker), lock)
    with pytest.raises(UserError, match=r"--from DIR or URL$"):
        fetch(source(folder, address), lock)


@pytest.mark.parametrize(
    "url", ["", "ftp://127.0.0.1/a.npz", "http://[", "a.npz", "http://127.0.0.1:port/a.npz"]
)
def test_what_is_no_url_is_a_mistake_of_the_user(folder: Path, lock: Lock, url: str) -> None:
    with pytest.raises(UserError, match="URL"):
        fetch(source(folder, url), lock)
