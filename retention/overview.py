"""Summary of all statements: which days are held, which were destroyed, and where a report is missing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from checkin.audit.destroyed import STRIP_DAYS, ordered_by
from checkin.audit.log_entry import DayState, officers_of
from checkin.clock import RETENTION_DAYS, Calendar
from checkin.errors import NoteMalformed, NoteUntrusted
from checkin.keys.key_ring import KeyName, Purpose
from checkin.orders.part import ORDER_LOGGED, PEOPLE
from checkin.protocol.encoding import decimal_decode
from checkin.protocol.note import unverified_text
from checkin.protocol.statement import one
from checkin.purge.statement_store import (
    ABSENT,
    DAY_CLOSED,
    EARLY_DESTRUCTION,
    FEWER,
    KEY_MADE,
    LAST_DAY,
    ORDER_EXECUTED,
    ORDER_REFUSED,
    PURGE_REPORT,
    published_count,
    read_count,
)
from checkin.service.body import Number
from retention.log_audit import read_logged
from retention.settings import CollectedService
from retention.statements import ServiceStatements, Stated

GRACE_SECONDS: Final = 3600.0
SILENT_DAYS: Final = 2
State = Literal["held", "open", "destroyed", "missing", "none"]


@dataclass(frozen=True)
class Missing:
    """A report that should be there: by which service, about which day, when due (ISO dates). The day had a key."""

    service: str
    day: str
    due: str


@dataclass(frozen=True)
class DayReport:
    """A purge report as its service signed it; `index` is its place in the log."""

    index: Number
    service: str
    day: str
    rows: str
    due: str
    done: str
    oldest_day_held: str
    days_held: str
    hold: str
    note: str

    @classmethod
    def of(cls, stated: Stated) -> DayReport:
        """From a statement of that kind, verified when it was received."""
        values = PURGE_REPORT.read(unverified_text(stated.note))
        return cls(
            index=stated.place,
            service=stated.service,
            day=stated.day,
            rows=one(values, "rows"),
            due=one(values, "due"),
            done=one(values, "done"),
            oldest_day_held=one(values, "oldest-day-held"),
            days_held=one(values, "days-held"),
            hold=one(values, "hold"),
            note=stated.note,
        )


@dataclass(frozen=True)
class StripCell:
    """A day of the strip. `level` 0 to 100: how much it holds against the fullest day, in all services together."""

    day: str
    state: State
    level: int
    reports: tuple[DayReport, ...]
    due: str


class Overview:
    """Reads the statements of one retention service."""

    def __init__(self, statements: ServiceStatements, services: Sequence[CollectedService], calendar: Calendar) -> None:
        self._statements = statements
        self._services = services
        self._calendar = calendar

    def reports(self, service: str | None = None, day: str | None = None) -> list[DayReport]:
        """Reports by what is given, oldest first."""
        return [DayReport.of(stated) for stated in self._statements.find(PURGE_REPORT, service, day)]

    def missing(self, now: float) -> list[Missing]:
        """Days that a service made a key for, that were due more than an hour ago, and that it reported nothing of."""
        reported = {(stated.service, stated.day) for stated in self._statements.find(PURGE_REPORT)}
        missing = []
        for service, day in sorted(self._made(), key=lambda pair: (pair[1], pair[0])):
            date, due = self._calendar.date(day), self._calendar.due(day)
            if due + GRACE_SECONDS < now and (service, date) not in reported:
                missing.append(Missing(service, date, self._calendar.date(day + RETENTION_DAYS)))
        return missing

    def early(self, report: DayReport) -> DayState | None:
        """The day, if officers signed before the report that it was to be destroyed before it was due."""
        signed = self._statements.find(EARLY_DESTRUCTION, report.service) if report.done < report.due else []
        orders = []
        for stated in signed:
            with suppress(NoteMalformed, NoteUntrusted):  # as an audit, which counts no officers of another name
                orders.append(read_logged(stated.place, stated.note))
        if (order := ordered_by(orders, read_logged(report.index, report.note), report.day)) is None:
            return None
        by = ", ".join(officers_of(order.values, order.by))
        return DayState(report.day, report.service, "early", done=report.done, by=by, reason=order["reason"])

    def contradictions(self) -> list[tuple[str, str]]:
        """(service, day) of which there are two different reports."""
        return self._statements.contradictions(PURGE_REPORT.kind)

    def silent(self, now: float) -> list[tuple[str, str]]:
        """(service, date of its last answer or '') of those that have not answered for more than two days."""
        late = self._calendar.date(self._calendar.day(now) - SILENT_DAYS)
        asked = [(service.name, self._statements.asking(service.name).asked) for service in self._services]
        return [(name, date) for name, date in asked if date < late]

    def strip(self, now: float) -> list[StripCell]:
        """The last 60 days, today last."""
        today = self._calendar.day(now)
        made, missing = self._made(), {gone.day for gone in self.missing(now)}
        known = {day for _, day in made}
        counts = self._counts()
        fullest = max(counts.values(), default=0)
        reports: dict[str, list[DayReport]] = {}
        for report in self.reports():
            reports.setdefault(report.day, []).append(report)
        cells = []
        for day in range(today - STRIP_DAYS + 1, today + 1):
            date = self._calendar.date(day)
            level = _level(counts.get(date), fullest)
            mine = tuple(reports.get(date, ()))
            expected = {service for service, other in made if other == day} - {report.service for report in mine}
            destroyed = bool(mine) and not expected
            state = _state(known=day in known, missing=date in missing, destroyed=destroyed, closed=date in counts)
            cells.append(StripCell(date, state, level, mine, self._calendar.date(day + RETENTION_DAYS)))
        return cells

    def _made(self) -> set[tuple[str, int]]:
        """(service, day) of every day key that was stated to be made."""
        keys = [(stated.service, _key_day(stated.key)) for stated in self._statements.find(KEY_MADE)]
        return {(service, day) for service, day in keys if day is not None}

    def _counts(self) -> dict[str, int]:
        """Rows of each closed day, in all services; a count that is too small to publish counts as one."""
        counts: dict[str, int] = {}
        for stated in self._statements.find(DAY_CLOSED):
            count = read_count(one(DAY_CLOSED.read(unverified_text(stated.note)), "count"))
            counts[stated.day] = counts.get(stated.day, 0) + (count or 1)
        return counts


def _state(*, known: bool, missing: bool, destroyed: bool, closed: bool) -> State:
    if missing:
        return "missing"
    if destroyed:
        return "destroyed"
    if not known:
        return "none"
    return "held" if closed else "open"


def _level(count: int | None, fullest: int) -> int:
    """Of 100; anything at all shows."""
    return 0 if not count or not fullest else max(8, round(100 * count / fullest))


def _key_day(key: str) -> int | None:
    """The day of a day key; None for a key of another purpose, and for a day that no calendar can place."""
    try:
        name = KeyName.parse(key)
    except ValueError:
        return None
    return name.day if name.purpose is Purpose.DAY and name.day <= LAST_DAY else None


class OrderNumbers(BaseModel):
    """How many, or `fewer than 10`; `0` only when there is nothing about any order."""

    made: Annotated[str, Field(description="orders in the log")] = "0"
    executed: Annotated[str, Field(description="parts of orders that services executed")] = "0"
    refused: Annotated[str, Field(description="parts that services refused, once for each reason")] = "0"
    people: Annotated[str, Field(description="people identified, in orders about ten or more")] = "0"
    small: Annotated[str, Field(description="parts by which fewer than ten people were identified")] = "0"


def order_numbers(statements: ServiceStatements) -> OrderNumbers | None:
    """Orders of the health authority in the log, from all statements received so far; None when there are none.

    An order's entry names nothing but salted hashes. What came of its parts is in the services' statements; counts
    below ten are never shown, here or there.
    """
    made = statements.find(ORDER_LOGGED)
    executed = [ORDER_EXECUTED.read(unverified_text(stated.note)) for stated in statements.find(ORDER_EXECUTED)]
    refused = statements.find(ORDER_REFUSED)
    if not (made or executed or refused):
        return None
    people = [one(values, "people") for values in executed if one(values, "step") == PEOPLE]
    known = sum(decimal_decode(count) for count in people if count not in (ABSENT, FEWER))
    return OrderNumbers(
        made=published_count(len(made)),
        executed=published_count(len(executed)),
        refused=published_count(len(refused)),
        people=published_count(known),
        small=published_count(sum(count == FEWER for count in people)),
    )
