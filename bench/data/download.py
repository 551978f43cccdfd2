"""One file over HTTP into a part file, which grows over broken connections and killed processes.

Beside the part lies a note of which version of which URL it is, so that a download goes on where it stopped
(RFC 9110: Range in section 14.2, If-Range in 13.1.5), and a file that has changed meanwhile is started anew.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException, InvalidURL
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from bench.errors import UserError

CHUNK = 1 << 16  # bytes; how often the progress is told
_TIMEOUT = 60  # seconds without a byte
_WAITS = (1, 2, 4, 8, 16)  # seconds before each further attempt
_PASSING = (408, 429, 500, 502, 503, 504)  # what a server answers in a bad moment


class Part:
    """A file that is not complete: `NAME.part`, with its note `NAME.part.json`."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.about = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)

    def note(self, url: str, headers: Any) -> None:
        """Write down what is arriving. A weak ETag does not promise equal bytes, so it is no validator."""
        tag = headers.get("ETag", "W/")
        validator = headers.get("Last-Modified") if tag.startswith("W/") else tag
        self.about.write_text(json.dumps({"url": url, "validator": validator}))

    def validator(self, url: str) -> str | None:
        """The ETag or date of what the part holds of this URL; None where it cannot be continued."""
        try:
            about = json.loads(self.about.read_text())
            known = about["validator"] if about["url"] == url and self.size else None
            return known if isinstance(known, str) else None
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return None


class _BrokenError(Exception):
    """The transfer ended before its time; another attempt goes on where it stopped."""


class _Redirects(HTTPRedirectHandler):
    """Follows a redirect from https to https only, and from a mirror on http to http or https."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after not in ("https", before):
            raise UserError(
                f"{req.full_url} redirects to {newurl}, which is not encrypted and could be anybody's; "
                "name another place with --from DIR or URL"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = build_opener(_Redirects)


class Download:
    """A download of the first of `urls` that has the file. `progress` hears bytes that are there, and the
    total or None, first before anything is written; `otherwise` says what to do where the file cannot be had.
    """

    def __init__(
        self,
        urls: Sequence[str],
        part: Part,
        progress: Callable[[int, int | None], None],
        sleep: Callable[[float], None],
        otherwise: str,
    ) -> None:
        self.urls, self.part, self.progress = urls, part, progress
        self.sleep, self.otherwise = sleep, otherwise
        self.answered = False  # some server has; what fails from now on may pass

    def run(self) -> None:
        """Complete the part. Raises UserError where that fails; what has come is kept, and continued."""
        problem = ""
        for wait in (0, *_WAITS):
            if wait:
                self.sleep(wait)
            try:
                return self._attempt()
            except _BrokenError as error:
                problem = str(error)
        raise UserError(
            f"{self.urls[-1]} did not come in {len(_WAITS) + 1} attempts ({problem}); "
            f"{self.part.size} bytes are in {self.part.path}. The same command goes on from there"
        )

    def _attempt(self) -> None:
        """One request; one more for the next URL where there is no such file."""
        for number, url in enumerate(self.urls, 1):
            try:
                with self._open(url) as response:
                    return self._store(url, response)
            except HTTPError as error:
                error.close()
                if error.code == 416:
                    return self._beyond(error.headers.get("Content-Range", ""))
                if error.code != 404 or number == len(self.urls):
                    asked = " and ".join(self.urls[:number])
                    raise UserError(
                        f"{asked} answered {error.code} {error.reason}; {self.otherwise}"
                    ) from error
        return None

    def _open(self, url: str) -> Any:
        """The response. Raises HTTPError for an answer that another attempt would get again."""
        headers = {"User-Agent": "offline-bench"}
        if validator := self.part.validator(url):
            headers |= {"Range": f"bytes={self.part.size}-", "If-Range": validator}
        try:
            response = _OPENER.open(Request(url, headers=headers), timeout=_TIMEOUT)
        except HTTPError as error:
            self.answered = True
            if error.code in _PASSING:
                error.close()
                raise _BrokenError(f"{error.code} {error.reason}") from error
            raise
        except InvalidURL as error:
            raise UserError(f"{url} is not a URL ({error}); {self.otherwise}") from error
        except URLError as error:
            if self.answered:
                raise _BrokenError(str(error.reason)) from error
            raise UserError(f"cannot reach {url} ({error.reason}); {self.otherwise}") from error
        except (HTTPException, ConnectionError, TimeoutError) as error:
            raise _BrokenError(str(error) or type(error).__name__) from error
        self.answered = True
        return response

    def _store(self, url: str, response: Any) -> None:
        done, total = self._extent(url, response)
        self.progress(done, total)
        with self.part.path.open("ab" if done else "wb") as file:
            if not done:
                self.part.note(url, response.headers)
            for chunk in _chunks(response):
                file.write(chunk)
                done += len(chunk)
                self.progress(done, total)
        if total is not None and done != total:
            raise _BrokenError(f"{done} of {total} bytes came")

    def _extent(self, url: str, response: Any) -> tuple[int, int | None]:
        """How many bytes of the part the response goes on behind, and how many there will be in all."""
        length = response.headers.get("Content-Length", "")
        if response.status == 200 and (length.isdecimal() or response.chunked):
            return 0, int(length) if length.isdecimal() else None
        if response.status == 206:
            unit, _, extent = response.headers.get("Content-Range", "").partition(" ")
            start, total = extent.partition("-")[0], extent.partition("/")[2]
            if (unit, start) == ("bytes", str(self.part.size)) and total.isdecimal():
                return self.part.size, int(total)
            self.part.drop()
            raise _BrokenError("the server sent another part than it was asked for")
        raise UserError(
            f"{url} answered {response.status} {response.reason} without the length of the file, so that a "
            f"broken download would pass for a complete one; {self.otherwise}"
        )

    def _beyond(self, extent: str) -> None:
        """The server has nothing behind the part: it is complete, or it is of something else."""
        if extent != f"bytes */{self.part.size}":
            self.part.drop()
            raise _BrokenError("the part that was there is not of this file")


def _chunks(response: Any) -> Iterator[bytes]:
    """What comes; a body may end early without an error."""
    while True:
        try:
            chunk = response.read(CHUNK)
        except (HTTPException, OSError) as error:
            raise _BrokenError(str(error) or type(error).__name__) from error
        if not chunk:
            return
        yield chunk
