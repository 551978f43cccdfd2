"""What the tests of downloads share: a server that can break, a lock file and a folder that are empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_site import CONTENT, Site, serving

from bench.data.lock import Lock


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as site:
        site.files["/a.npz"] = CONTENT
        yield site


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    return Lock(tmp_path / "lock.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"
