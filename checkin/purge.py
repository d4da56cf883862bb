"""Destroying what is due, and the statement about it; the same for every service (docs/spec/retention.md §3).

For each day whose 28 days are over: tombstone, key, partition, statement. The tombstone holds all that the
statement will say, so that every step can be repeated after a crash at any point. One process does it at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from checkin.clock import CLOSING_DAYS, RETENTION_DAYS, Calendar, SystemClock
from checkin.clockguard import ClockGuard
from checkin.closing import Closing, close_day, find_closing
from checkin.durable import locked
from checkin.errors import CheckinError
from checkin.keyring import KeyName, KeyRing, Purpose
from checkin.note import NoteSigner, split_note
from checkin.statement import StatementType, one
from checkin.statements import (
    ABSENT,
    DAY_CLOSED,
    KEY_DESTROYED,
    KEY_MADE,
    PURGE_REPORT,
    SMALL_COUNT,
    StatementBook,
    published_count,
)
from checkin.vault import Vault

UNKNOWN: Final = "unknown"
_STOPWATCH: Final = SystemClock()
log = structlog.get_logger()

Duty = Callable[[int], None]
"""What a service destroys beside its vault; it is given the oldest day that is still held, and is repeatable."""


class PurgeParty(Protocol):
    """What of a service the purger works on (`checkin.service.party.Party`)."""

    calendar: Calendar
    ring: KeyRing
    data: Path
    signer: NoteSigner

    def sign(self, kind: StatementType, values: Mapping[str, str | Sequence[str]]) -> str:
        """A signed note of the service."""
        ...


@dataclass(frozen=True)
class HeldDay:
    """A day that is held, and when it must be gone (ISO dates)."""

    day: str
    rows: int
    bytes: int
    due: str


@dataclass(frozen=True)
class DestroyedDay:
    """A day that was destroyed, as its report says."""

    day: str
    rows: str
    due: str
    done: str


@dataclass(frozen=True)
class PurgeStatus:
    """What is held, what of it is overdue, what was destroyed, and why nothing is destroyed now, if so."""

    held: list[HeldDay]
    due: list[str]
    destroyed: list[DestroyedDay]
    doubt: str | None


class Purger:
    """One per process of a service."""

    def __init__(  # noqa: PLR0913 - a service's whole retention meets here
        self,
        party: PurgeParty,
        guard: ClockGuard,
        vault: Vault,
        book: StatementBook,
        *,
        duties: Iterable[Duty] = (),
        ahead: Mapping[Purpose, int] | None = None,
    ) -> None:
        """`ahead`: for which purposes keys are made, from today to so many days ahead."""
        self._party = party
        self._guard = guard
        self._vault = vault
        self._book = book
        self._duties = tuple(duties)
        self._ahead = dict(ahead or {Purpose.DAY: 1})
        self.last_destruction_ms: float | None = None
        """How long the last destruction of a key took, from readable to gone."""

    def run(self) -> list[str]:
        """Destroys all that is due; the names of the statements made now. Raises `ClockUntrusted`.

        Every key before any partition, and every partition before any statement: what is readable goes first.
        """
        self._guard.tick()
        self._guard.require_trusted()
        with locked(self._party.data / "purge.lock"):
            now = self._guard.settled()
            oldest = self._party.calendar.oldest(now)
            days = self._due_days(oldest)
            for day in days:
                self._entomb_day(day)
                self._destroy(KeyName(Purpose.DAY, day))
            for day in days:
                self._vault.store.drop(day)
            made = [name for day in days for name in self._report(day, now)]
            for name in self._spent_keys(now):
                made += self.retire(name, self._spent_on(name))
            for duty in self._duties:
                duty(oldest)
            return made + self._finish_retired(now)

    def close_due_days(self) -> list[str]:
        """Closes every day whose time for uploads is over, and states its digest; the names of the statements."""
        self._guard.require_trusted()
        now, calendar = self._guard.settled(), self._party.calendar
        made = []
        for day in self._held_days():
            name = f"closed-{calendar.date(day)}"
            if calendar.closes(day) <= now < calendar.due(day) and name not in self._book:
                closing = close_day(self._vault, day)
                values = {"digest": closing.digest.hex(), "count": published_count(closing.count)}
                made += self._state(name, DAY_CLOSED, {"day": calendar.date(day), **values})
        return made

    def make_keys(self) -> list[str]:
        """Makes the keys of today and of the days ahead, and states their commitments; the names of the statements."""
        self._guard.require_trusted()
        calendar, floor = self._party.calendar, self._guard.floor(self._party.calendar)
        today = calendar.day(self._guard.now())
        made = []
        for purpose, days in self._ahead.items():
            for day in range(today, today + days + 1):
                commitment = self._party.ring.ensure(KeyName(purpose, day), oldest=floor)
                name = f"key-made-{purpose.value}-{calendar.date(day)}"
                if name not in self._book:
                    values = {"key": str(KeyName(purpose, day)), "commitment": commitment, "day": calendar.date(day)}
                    made += self._state(name, KEY_MADE, values)
        return made

    def retire(self, name: KeyName, due: int) -> list[str]:
        """Destroys a key that is no day's vault key, for good, and states it; `due` is the day on which it was due.

        For a `Duty`, which runs under the purger's lock, and repeatable like all of it.
        """
        record = {"commitment": self._commitment(name), "due": self._party.calendar.date(due)}
        self._party.ring.entomb(name, record)
        self._destroy(name)
        return self._state_destroyed(name, self._guard.settled())

    def status(self) -> PurgeStatus:
        """What there is at this moment; changes nothing."""
        calendar, floor = self._party.calendar, self._guard.floor(self._party.calendar)
        held = [self._held_day(day) for day in self._held_days()]
        reports = [note for name, note in self._book.all() if name.startswith("purge-")]
        return PurgeStatus(
            held=held,
            due=[calendar.date(day) for day in self._held_days() if day < floor],
            destroyed=[_destroyed_day(note) for note in reports],
            doubt=self._guard.doubt,
        )

    # --- days -------------------------------------------------------------------------------------------------

    def _due_days(self, oldest: int) -> list[int]:
        """Days with anything left of them, or destroyed without a statement yet. What a restored backup brings
        back is due again."""
        date = self._party.calendar.date
        unstated = {name.day for name in self._tombstones(Purpose.DAY) if f"purge-{date(name.day)}" not in self._book}
        left = {name.day for name in self._party.ring.names(Purpose.DAY)} | set(self._vault.store.days())
        return sorted(day for day in unstated | left if day < oldest)

    def _held_days(self) -> list[int]:
        gone = {name.day for name in self._tombstones(Purpose.DAY)}
        keys = {name.day for name in self._party.ring.names(Purpose.DAY)} - gone
        return sorted(keys | set(self._vault.store.days()))

    def _entomb_day(self, day: int) -> None:
        name = KeyName(Purpose.DAY, day)
        if self._party.ring.tombstone(name) is not None:
            return
        calendar = self._party.calendar
        record = {"commitment": self._commitment(name), "due": calendar.date(day + RETENTION_DAYS)}
        self._party.ring.entomb(name, {**record, **self._count(day)})

    def _count(self, day: int) -> dict[str, str | int]:
        """Rows, bytes, root and closing digest. A day that cannot be read any more is destroyed all the same."""
        closing: Closing | None = None
        try:
            closing = find_closing(self._vault, day)
        except CheckinError as error:
            log.warning("closing_unreadable", day=self._party.calendar.date(day), code=error.code)
        try:
            measure = self._vault.store.measure(day)
        except CheckinError as error:
            log.warning("day_unreadable", day=self._party.calendar.date(day), code=error.code)
            return {"rows": UNKNOWN, "bytes": UNKNOWN, "root": ABSENT, "closing": ABSENT}
        rows = closing.count if closing else measure.rows
        if rows < SMALL_COUNT:
            # The size of a day, and the root of an empty one, would tell what the count does not.
            digest = closing.digest.hex() if closing else ABSENT
            return {"rows": published_count(rows), "bytes": ABSENT, "root": ABSENT, "closing": digest}
        root, digest = (closing.root.hex(), closing.digest.hex()) if closing else (ABSENT, ABSENT)
        return {"rows": rows, "bytes": measure.bytes, "root": root, "closing": digest}

    def _report(self, day: int, now: float) -> list[str]:
        calendar, name = self._party.calendar, KeyName(Purpose.DAY, day)
        record = {field: str(value) for field, value in (self._party.ring.tombstone(name) or {}).items()}
        held = [other for other in self._held_days() if other <= calendar.day(now)]
        values = {
            "day": calendar.date(day),
            "key": str(name),
            "done": calendar.date(calendar.day(now)),
            "oldest-day-held": calendar.date(held[0]) if held else ABSENT,
            "days-held": str(len(held)),
            "hold": "none",
        }
        return self._state(f"purge-{calendar.date(day)}", PURGE_REPORT, {**record, **values})

    def _held_day(self, day: int) -> HeldDay:
        measure, calendar = self._vault.store.measure(day), self._party.calendar
        return HeldDay(calendar.date(day), measure.rows, measure.bytes, calendar.date(day + RETENTION_DAYS))

    # --- keys -------------------------------------------------------------------------------------------------

    def _destroy(self, name: KeyName) -> None:
        begun = _STOPWATCH.boot()
        self._party.ring.destroy(name)
        self.last_destruction_ms = 1000 * (_STOPWATCH.boot() - begun)
        log.info("key_destroyed", key=str(name), milliseconds=round(self.last_destruction_ms, 3))

    def _spent_keys(self, now: float) -> list[KeyName]:
        """Keys that have done their work: intake keys of closed days, signing keys of past days."""
        calendar, ring = self._party.calendar, self._party.ring
        unclosed = {day for day in self._held_days() if f"closed-{calendar.date(day)}" not in self._book}
        intake = [
            name
            for name in ring.names(Purpose.INTAKE)
            if calendar.closes(name.day) <= now and name.day not in unclosed
        ]
        return intake + [name for name in ring.names(Purpose.SIGNING) if name.day < calendar.day(now)]

    def _spent_on(self, name: KeyName) -> int:
        return name.day + (CLOSING_DAYS if name.purpose is Purpose.INTAKE else 1)

    def _finish_retired(self, now: float) -> list[str]:
        """Statements about keys whose destruction a crash cut off."""
        made = []
        for name in self._tombstones():
            if name.purpose is not Purpose.DAY and self._destroyed_name(name) not in self._book:
                self._destroy(name)
                made += self._state_destroyed(name, now)
        return made

    def _state_destroyed(self, name: KeyName, now: float) -> list[str]:
        record = {field: str(value) for field, value in (self._party.ring.tombstone(name) or {}).items()}
        calendar = self._party.calendar
        values = {**record, "key": str(name), "done": calendar.date(calendar.day(now))}
        return self._state(self._destroyed_name(name), KEY_DESTROYED, values)

    def _destroyed_name(self, name: KeyName) -> str:
        return f"key-destroyed-{name.purpose.value}-{self._party.calendar.date(name.day)}"

    def _commitment(self, name: KeyName) -> str:
        """From the slot, or from the statement made with the key when the slot is no longer readable."""
        try:
            return self._party.ring.commitment(name)
        except CheckinError:
            made = self._book.get(f"key-made-{name.purpose.value}-{self._party.calendar.date(name.day)}")
            return one(KEY_MADE.read(split_note(made)[0]), "commitment") if made else ABSENT

    def _tombstones(self, purpose: Purpose | None = None) -> list[KeyName]:
        return [name for name in self._party.ring.tombstones() if purpose in (None, name.purpose)]

    def _state(self, name: str, kind: StatementType, values: Mapping[str, str]) -> list[str]:
        note = self._party.sign(kind, {"service": self._party.signer.name, **values})
        return [name] if self._book.put(name, note) else []


def _destroyed_day(note: str) -> DestroyedDay:
    values = PURGE_REPORT.read(split_note(note)[0])
    return DestroyedDay(one(values, "day"), one(values, "rows"), one(values, "due"), one(values, "done"))
