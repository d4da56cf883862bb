"""An issuer of one's own in each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from checkin.service.tasks import Tasks
from issuer.service import Issuer
from tests.support.issuer_service import Running, Site


@pytest.fixture(autouse=True)
def no_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its start an issuer in this process does nothing by itself: what a test sees, it has asked for."""
    monkeypatch.setattr(Tasks, "start", lambda _: None)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A new issuer; nothing runs yet."""
    return Site.make(tmp_path / "issuer")


@pytest.fixture
def running(site: Site) -> Iterator[Running]:
    """It runs, and the authority has listed its keys."""
    with site.serve() as running:
        assert site.list_keys(running.http).status_code == 200
        yield running


@pytest.fixture
def client(running: Running) -> httpx.Client:
    """HTTP to it."""
    return running.http


@pytest.fixture
def issuer(running: Running) -> Issuer:
    """The objects behind it."""
    return running.issuer
