"""The day-28 audit: every service audits itself and signs, the log is read as outsiders read it, all of it is signed,
logged and kept (docs/spec/audit.md §4). Once a day, and at an auditor's request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
from pydantic import Field

from checkin.audit.data_map import DataMap
from checkin.audit.point import (
    AUDIT,
    MAX_EVIDENCE,
    SELF_AUDIT,
    Point,
    PointResult,
    not_run,
    overall,
    plain,
    points_of,
    seen,
)
from checkin.audit.self_audit import TOKENS, SelfAudit
from checkin.audit.token_check import check_tokens
from checkin.clock import STOPWATCH
from checkin.errors import CheckinError, NoteMalformed, NoteUntrusted, NotFound
from checkin.files.durable import locked
from checkin.http.client import Client
from checkin.protocol.credential import IssuerKey, IssuerKeys
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.statement import one
from checkin.purge.clock_guard import ClockGuard
from checkin.purge.statement_store import ORDER_EXECUTED
from checkin.service.body import Body
from checkin.service.frame import Finding
from checkin.service.tasks import URGENT_SECONDS
from retention.audits import Audit, Audits
from retention.log_audit import LogAudit
from retention.parts import Parts
from retention.settings import CollectedService
from retention.tasks import code_of, collected

MAP: Final = Path(__file__).parent / "data_map.toml"
ANSWER_SECONDS: Final = 3600.0  # a service reads every file it has
PATIENCE_SECONDS: Final = 600.0  # for services that were not queried today, or are not ready
READY_SECONDS: Final = 5.0  # for a service to say whether it is
RETRY_SECONDS: Final = 60.0
SILENT_DAYS: Final = 1
SKEW_SECONDS: Final = 3600.0  # between a service's clock and ours; clocks that differ by more are doubted elsewhere
ANSWERED: Final = "answered"
TEST_VISIT: Final = "test-visit"
MAX_POINTS: Final = 32  # of one service
_ROOM: Final = 40_000  # bytes of all services' own lines in one entry of the log
_Word = Annotated[str, Field(min_length=2, max_length=100)]
log = structlog.get_logger()


class AuditRequest(Body):
    """What an auditor brings along; all of it may be left out."""

    words: Annotated[list[_Word], Field(max_length=10)] = Field(default=[])
    """Name and phone (E.164) of a test visitor, searched for in every file of every service."""
    tokens: Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=50)] = Field(default=[])
    """Codes of the test visitor, decoded field by field; they are not published."""
    found: bool | None = None
    """Whether a trace by signed order found the test visitor."""


class Auditing:
    """One per process; one audit runs at a time in all of them."""

    def __init__(self, parts: Parts, guard: ClockGuard, audits: Audits) -> None:
        """Raises `SettingsInvalid` for a map that cannot be read."""
        self._parts = parts
        self._party = parts.party
        self._audits = audits
        self._self = SelfAudit(parts.party, guard, DataMap.load(MAP))
        self._waiting: tuple[str, float] | None = None
        self._failed: float | None = None  # boot seconds of the last try that came to nothing

    def daily(self) -> None:
        """A task: today's audit, as soon as every service was queried today and is ready, or after ten minutes without.

        In a lane of its own: a slow audit of one service delays no other's request to destroy.
        """
        today = self._party.date()
        if not self._is_time(today, STOPWATCH.boot()):
            return
        self._failed = STOPWATCH.boot()
        self.run(only_if_none_of=today)
        self._failed = None

    def urgent(self) -> bool:
        """Whether the day is new, and there is no audit of it yet."""
        today, now = self._party.date(), STOPWATCH.boot()
        if self._waiting is None or self._waiting[0] != today or now - self._waiting[1] > URGENT_SECONDS:
            return False
        return self._is_missing(today, now)

    def _is_time(self, today: str, now: float) -> bool:
        if self._waiting is None or self._waiting[0] != today:
            self._waiting = (today, now)
        if not self._is_missing(today, now):
            return False
        services = self._parts.settings.services
        ready = all(self._parts.statements.asking(service.name).asked == today for service in services)
        # One that still makes its keys, or waits for the log, has nothing yet to be audited.
        ready = ready and all(map(_is_ready, services))
        return ready or now - self._waiting[1] > PATIENCE_SECONDS

    def _is_missing(self, today: str, now: float) -> bool:
        """Whether there is no audit of today, nor a try of a moment ago that came to nothing."""
        if self._failed is not None and now - self._failed <= RETRY_SECONDS:
            return False
        newest = self._audits.newest()
        return newest is None or newest.day != today

    def findings(self) -> Iterator[Finding]:
        """Warnings for the operator."""
        newest, party = self._audits.newest(), self._party
        if newest is not None and newest.result != PointResult.PASS:
            text = f"The audit of {newest.day} failed in {newest.failed} lines: see /audits/{newest.place}."
            yield Finding("audit", "warning", text)
        elif newest is not None and newest.day < party.calendar.date(party.today() - SILENT_DAYS):
            yield Finding("audit", "warning", f"No audit since {newest.day}: look at this service's log.")
        else:
            yield Finding("audit", "ok", "Nothing to report.")

    def run(self, asked: AuditRequest | None = None, only_if_none_of: str = "") -> Audit:
        """Audits now; or gives the audit of the day `only_if_none_of` that another process made meanwhile."""
        with locked(self._party.data / "audit.lock"):
            previous = self._audits.newest()
            if previous is not None and previous.day == only_if_none_of:
                return previous
            audit = self._compose(asked or AuditRequest(), previous)
            self._audits.add(audit)
        self._parts.cosigning.run()
        log.info("audited", result=audit.result, failed=audit.failed, not_run=audit.not_run)
        return audit

    def _compose(self, asked: AuditRequest, previous: Audit | None) -> Audit:
        points: list[Point] = []
        places, stated = [], {}
        for service in self._parts.settings.services:
            answer, shown, place = self._ask(service, asked.words)
            points += answer
            if place is not None:
                places.append(f"{service.name} {place}")
                stated[service.name] = shown
        points += self._self.run(asked.words)
        name, party = self._party.settings.name, self._party
        look = self._parts.look()
        points += look.points(previous, self._party.date(), stated)
        points += [self._sample(asked), self._test_visit(asked, look)]
        values: dict[str, Any] = {
            "service": name,
            "day": self._party.date(),
            "result": overall(points).value,
            "size": str(look.head.size),
            "root": look.head.root.hex(),
            "previous": str(previous.place) if previous else "-",
            "self-audit": places,
            "point": [point.line() for point in points],
        }
        note = party.sign(AUDIT, values)
        return Audit.of(self._parts.log.append([note.encode()])[0], note)

    def _ask(self, service: CollectedService, words: list[str]) -> tuple[list[Point], list[str], int | None]:
        """A service's own points, all statements that it shows, and the place of its self-audit in the log, if any."""
        began = self._party.now()
        try:
            with Client(service.url, self._parts.tokens[service.name], ANSWER_SECONDS) as client:
                shown = collected(client)
                self._parts.intake.take_all(service, shown)
                note = str(client.post("/v1/audit", {"words": words})["statement"])
            points = self._verified(service, note, began)
            place = self._parts.intake.take(service, note)
        except Exception as error:  # whatever a service says, there is an audit
            reason = f"It did not audit itself: {code_of(error)}."
            return [Point(ANSWERED, service.name, PointResult.FAIL, reason)], [], None
        answered = Point(
            ANSWERED, service.name, PointResult.PASS, f"It looked at {len(points)} points and signed them."
        )
        return [answered, *points], shown, place

    def _verified(self, service: CollectedService, note: str, began: float) -> list[Point]:
        """Its own points, made since the request (`began`, unix seconds) by a clock that may differ from ours, and no
        more than an audit has room for; raises `NoteMalformed`, `NoteUntrusted`."""
        values = self._party.open(note, SELF_AUDIT, [service.verifier])
        points = points_of(values)
        if one(values, "service") != service.name or any(point.service != service.name for point in points):
            raise NoteUntrusted("The self-audit is about another service than the one that signed it.")
        date, day = self._party.calendar.date, self._party.calendar.day
        if not date(day(began - SKEW_SECONDS)) <= one(values, "day") <= date(day(self._party.now() + SKEW_SECONDS)):
            raise NoteUntrusted("The self-audit is of another day.")
        room = _ROOM // len(self._parts.settings.services)
        if len(points) > MAX_POINTS or sum(len(point.line().encode()) for point in points) > room:
            raise NoteMalformed("The self-audit has more lines, or longer ones, than an audit has room for.")
        if any(point.evidence != plain(point.evidence) for point in points):
            raise NoteMalformed(f"Evidence is printable ASCII of at most {MAX_EVIDENCE} characters.")
        return points

    def _sample(self, asked: AuditRequest) -> Point:
        name = self._party.settings.name
        if not asked.tokens:
            return not_run(TOKENS, name, "No test visitor's codes were given; the issuers decoded a sample of theirs.")
        try:
            keys = self._issuer_keys()
        except Exception as error:
            return Point(TOKENS, name, PointResult.FAIL, f"The keys of an issuer could not be read: {code_of(error)}.")
        good = f"{len(asked.tokens)} codes of a test visitor: every byte is a field of the specification."
        return seen(TOKENS, name, check_tokens(asked.tokens, self._party.calendar, keys), good)

    def _issuer_keys(self) -> IssuerKeys:
        """The keys that the services publish; those that publish none are no issuers."""
        found = []
        for service in self._parts.settings.services:
            try:
                with Client(service.url, self._parts.tokens[service.name], ANSWER_SECONDS) as client:
                    published = client.get("/v1/keys")
            except NotFound:
                continue
            number = int(published["issuer"])
            found += [IssuerKey(number, b64url_decode(key["x"], 32)) for key in published["keys"]]
        return IssuerKeys(*found)

    def _test_visit(self, asked: AuditRequest, look: LogAudit) -> Point:
        name = self._party.settings.name
        if asked.found is None:
            return not_run(TEST_VISIT, name, "No trace of a test visitor was given.")
        executed = [entry for entry in look.book().entries if entry.kind == ORDER_EXECUTED.kind]
        services = sorted({entry["service"] for entry in executed})
        faults = [] if asked.found else ["the trace did not find the test visitor"]
        faults += [] if executed else ["the log has no executed order"]
        good = f"The auditor's trace found his test visitor; {', '.join(services)} stated the orders in the log."
        return seen(TEST_VISIT, name, faults, good)


def _is_ready(service: CollectedService) -> bool:
    with suppress(CheckinError, ValueError), Client(service.url, timeout=READY_SECONDS) as client:
        client.get("/readyz")
        return True
    return False
