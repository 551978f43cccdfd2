"""A web server of the test, with the faults that servers and networks have, and a data set that it serves."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.data.fetch import fetch
from bench.data.lock import Entry, Lock
from bench.data.source import File, Maker, Source

CONTENT = bytes(range(251)) * 1200  # 301200 bytes, five chunks
OTHER = CONTENT[::-1]
ENTRY = Entry(len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "test")
KEY = "maze/easy-v0/a.npz"


class Site(ThreadingHTTPServer):
    """Serves `files` (path -> bytes) and remembers `asked`: path and Range of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.headers = {"ETag": '"first"'}
        self.ranges = True  # answers Range with 206
        self.chunked = False  # says no length, but where the end is
        self.length = True
        self.cut: int | None = None  # breaks the connection after so many bytes of a body
        self.breaks = 0  # so many times
        self.states: list[int] = []  # answers of the next requests
        self.shift = 0  # how far the part that it sends is from the one that it was asked for
        self.pause = 0.0  # seconds before each 64 KiB
        self.stalls: int | None = None  # sends no more of a body than so many bytes, and keeps the connection
        self.over = threading.Event()  # until then

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Site

    def log_message(self, format: str, *values: object) -> None:
        pass

    def do_GET(self) -> None:
        site = self.server
        site.asked.append((self.path, self.headers["Range"]))
        assert self.headers["User-Agent"] == "offline-bench"
        content = site.files.get(self.path)
        state = site.states.pop(0) if site.states else 200 if content is not None else 404
        if state != 200:
            return self.send_error(state)
        start = self.start() if site.ranges else None
        start = None if start is None else start + site.shift
        if start is not None and start >= len(content):
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        if start is None:
            return self.answer(200, content, {})
        extent = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self.answer(206, content[start:], {"Content-Range": extent})

    def start(self) -> int | None:
        """The first byte that is asked for, if the asker has the version that is here."""
        known = self.server.headers.get("ETag") or self.server.headers.get("Last-Modified")
        asked = self.headers["Range"]
        return int(asked[6:-1]) if asked and self.headers["If-Range"] == known else None

    def answer(self, state: int, body: bytes, headers: dict[str, str]) -> None:
        site = self.server
        self.send_response(state)
        if site.chunked:
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
            headers = {**headers, "Transfer-Encoding": "chunked"}
        elif site.length:
            headers = {**headers, "Content-Length": str(len(body))}
        for name, value in {**site.headers, **headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        if site.breaks > 0 and site.cut is not None:
            site.breaks -= 1
            body = body[: site.cut]
        for at in range(0, len(body), 1 << 16):
            time.sleep(site.pause)
            if site.stalls is not None and at >= site.stalls:
                site.over.wait()
            self.wfile.write(body[at : at + (1 << 16)])


@contextmanager
def serving() -> Iterator[Site]:
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield site
        finally:
            site.over.set()
            site.shutdown()
            thread.join()


class Heard:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int | None]] = []
        self.words: list[str] = []

    def __call__(self, file_name: str, done_bytes: int, total_bytes: int | None) -> None:
        self.calls.append((file_name, done_bytes, total_bytes))

    def finished(self, file_name: str, words: str) -> None:
        self.words.append(f"{file_name}: {words}")


def source(folder: Path, url: str, name: str = "a.npz", maker: Maker | None = None) -> Source:
    return Source("maze", "easy-v0", (File(name, url),), lambda: folder, lambda _: [], maker)


def get(folder: Path, site: Site, lock: Lock, **options: object) -> tuple[bytes, Heard, list[float]]:
    """The file that fetch leaves, what the progress heard, and the waits."""
    heard, waits = Heard(), []
    [path] = fetch(source(folder, f"{site.url}/a.npz"), lock, progress=heard, sleep=waits.append, **options)
    assert path == folder / "a.npz"
    assert names(folder) == ["a.npz"], "something was left behind"
    return path.read_bytes(), heard, waits


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
