"""The daily round: has every service destroy what is due, also at start, and collects what it stated, page by page
(docs/spec/retention.md §4)."""

from __future__ import annotations

from typing import Any, Final

import structlog

from checkin.clock import STOPWATCH
from checkin.errors import CheckinError, ServiceError
from checkin.files.durable import locked
from checkin.http.client import Client
from retention.parts import Parts
from retention.settings import CollectedService
from retention.statements import CollectionState

RETRY_SECONDS = 60.0
FIRST_RETRY_SECONDS = 1.0
log = structlog.get_logger()
PAGE: Final = 1000
MAX_CHARACTERS: Final = 2**28  # of all notes of a service: a statement has at most 2 KiB
LONGEST_SECONDS: Final = 600.0  # a slow service must not keep the next one waiting


class Schedule:
    """The round of one process; with several, each service is still queried by one of them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._services = parts.settings.services
        self._statements = parts.statements
        self._begun = STOPWATCH.boot()
        self._tried: dict[str, tuple[float, str]] = {}  # service → boot seconds and day of this process's last try

    def run(self) -> None:
        """Queries the services that were not queried today, and all once after the start; failed ones after a minute.

        In the first minute after pauses that double from a second: services that start together find one another.
        """
        with locked(self._parts.party.data / "schedule.lock"):
            for service in self._services:
                if self._is_time(service):
                    self.ask(service)

    def urgent(self) -> bool:
        """Whether this service is new, and one of the others has not answered yet."""
        today = self._parts.party.date()
        if STOPWATCH.boot() - self._begun > RETRY_SECONDS:
            return False
        return any(self._statements.asking(service.name).asked != today for service in self._services)

    def ask(self, service: CollectedService) -> None:
        """Queries one service now; what fails is kept for /readyz and tried again."""
        today = self._parts.party.date()  # before the query: an answer after midnight says nothing about the new day
        self._tried[service.name] = (STOPWATCH.boot(), today)
        try:
            with Client(service.url, self._parts.tokens[service.name]) as client:
                notes = notes_of(client.post("/v1/purge")) + collected(client)
            refused = self._parts.intake.take_all(service, notes)
        except Exception as error:  # no failure of one service may keep the next one waiting
            code = code_of(error)
            log.warning("service_not_asked", service=service.name, code=code)
            asked = self._statements.asking(service.name).asked
            self._statements.set_asking(service.name, CollectionState(asked, code))
            return
        self._statements.set_asking(service.name, CollectionState(today, refused[0] if refused else ""))

    def _is_time(self, service: CollectedService) -> bool:
        tried, day = self._tried.get(service.name, (0.0, ""))
        if not day:
            return True
        asking, today = self._statements.asking(service.name), self._parts.party.date()
        waited = STOPWATCH.boot() - tried >= min(max(FIRST_RETRY_SECONDS, tried - self._begun), RETRY_SECONDS)
        return asking.asked != today and (waited or day != today or not asking.failure)


def code_of(error: Exception) -> str:
    """The stable code of whatever failed at a service."""
    return error.code if isinstance(error, CheckinError) else ServiceError.code


def collected(client: Client) -> list[str]:
    """All notes that a service shows. `ValueError` for an answer of another form; `ServiceError` for pages without end.

    A service that knows no pages answers with everything, and names no next one.
    """
    found: list[str] = []
    query, room = {"limit": str(PAGE)}, MAX_CHARACTERS
    until = STOPWATCH.boot() + LONGEST_SECONDS
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
        if room < 0 or STOPWATCH.boot() > until:
            raise ServiceError("The service shows more statements than there can be.")
        query["after"] = following


def notes_of(answer: Any) -> list[str]:
    """Notes as services answer them: plain, or with their names. `ValueError` for an answer of another form."""
    items = answer.get("statements") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise ValueError("the answer holds no statements")  # noqa: TRY004 - it came from another service
    found = [item.get("note") if isinstance(item, dict) else item for item in items]
    return [note for note in found if isinstance(note, str)]
