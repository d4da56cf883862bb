"""Collecting what a service stated, page by page: docs/spec/retention.md §4."""

from __future__ import annotations

from typing import Any, Final

from checkin.clock import SystemClock
from checkin.errors import ServiceError
from checkin.http.client import Client

PAGE: Final = 1000
MAX_CHARACTERS: Final = 2**28  # of all notes of a service: a statement has at most 2 KiB
LONGEST_SECONDS: Final = 600.0  # a slow service must not keep the next one waiting
_STOPWATCH: Final = SystemClock()  # a simulated clock may stand still


def collected(client: Client) -> list[str]:
    """All notes that a service shows. `ValueError` for an answer of another form; `ServiceError` for pages without end.

    A service that knows no pages answers with everything, and names no next one.
    """
    found: list[str] = []
    query, room = {"limit": str(PAGE)}, MAX_CHARACTERS
    until = _STOPWATCH.boot() + LONGEST_SECONDS
    while True:
        answer = client.get("/v1/statements", **query)
        notes = notes_of(answer)
        found += notes
        room -= sum(map(len, notes))
        following = answer.get("next")
        if following is None:
            return found
        if not isinstance(following, str) or following <= query.get("after", "") or not notes:
            raise ValueError("the pages lead nowhere")
        if room < 0 or _STOPWATCH.boot() > until:
            raise ServiceError("The service shows more statements than there can be.")
        query["after"] = following


def notes_of(answer: Any) -> list[str]:
    """Notes as services answer them: plain, or with their names. `ValueError` for an answer of another form."""
    items = answer.get("statements") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise ValueError("the answer holds no statements")  # noqa: TRY004 - it came from another service
    found = [item.get("note") if isinstance(item, dict) else item for item in items]
    return [note for note in found if isinstance(note, str)]
