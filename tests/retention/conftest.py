"""A retention service does in these tests what it is asked to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retention.auditing import Auditing
from tests.support.retention_service import Retention, Service, pinned


@pytest.fixture
def service() -> Iterator[Service]:
    """A registry that says what a test wants."""
    service = Service()
    yield service
    service.server.stop()


@pytest.fixture
def retention(tmp_path: Path, service: Service) -> Retention:
    """Asks that registry."""
    return Retention(tmp_path / "retention", pinned(service))


@pytest.fixture(autouse=True)
def no_audit_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day's audit is made in a thread, and its entry would come between any two of a test's requests."""
    monkeypatch.setattr(Auditing, "daily", lambda _: None)
