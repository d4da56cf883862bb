"""A retention service does in these tests what it is asked to."""

from __future__ import annotations

import pytest

from retention.auditing import Auditing


@pytest.fixture(autouse=True)
def no_audit_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day's audit is made in a thread, and its entry would come between any two of a test's requests."""
    monkeypatch.setattr(Auditing, "daily", lambda _: None)
