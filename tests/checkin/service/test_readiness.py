"""Readiness is always told: a check that fails is itself a finding."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

import pytest

from checkin.errors import KeyMissing
from checkin.service import tasks
from checkin.service.frame import Finding, Frame
from tests.support.purging_service import House
from tests.support.serving import visiting


def failing(error: Exception) -> Callable[[], Iterator[Finding]]:
    """Finds one thing, then raises."""

    def findings() -> Iterator[Finding]:
        yield Finding("before", "ok", "Nothing to report.")
        raise error

    return findings


def good() -> Iterator[Finding]:
    """A later check."""
    yield Finding("after", "ok", "Nothing to report.")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyMissing(), "key_missing"),
        (OSError(5, "Input/output error", "/somewhere"), "internal_error"),
        (sqlite3.DatabaseError("database disk image is malformed"), "internal_error"),
    ],
)
def test_a_check_that_raises_is_a_failure_with_its_code(
    monkeypatch: pytest.MonkeyPatch, house: House, error: Exception, code: str
) -> None:
    monkeypatch.setattr(tasks, "SIMULATED_PERIOD_SECONDS", 3600.0)
    frame = Frame(house.party, house.guard, "title", "", checks=[failing(error), good])
    with visiting(frame.build()) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    found = {item["name"]: (item["level"], item["text"]) for item in answer.json()["findings"]}
    level, text = found["check_failed"]
    assert (level, text.partition(":")[0]) == ("failure", code)
    assert {"before", "after"} <= set(found)
    assert "/somewhere" not in answer.text and "malformed" not in answer.text


def test_a_clock_state_that_cannot_be_looked_at_is_a_failure(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    monkeypatch.setattr(tasks, "SIMULATED_PERIOD_SECONDS", 3600.0)
    app = Frame(house.party, house.guard, "title", "").build()
    with visiting(app) as client:
        monkeypatch.setattr(type(house.guard), "doubt", property(failing_doubt))
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "check_failed" in {item["name"] for item in answer.json()["findings"]}


def failing_doubt(_: object) -> str | None:
    """As on a disk that is gone."""
    raise OSError("the disk")
