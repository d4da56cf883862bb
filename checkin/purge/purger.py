"""Destroying what is due, and the statement about it; the same for every service (docs/spec/retention.md §3).

For each day whose 28 days are over: tombstone, key, partition, statement. The tombstone holds all that the
statement will say, so that every step can be repeated after a crash at any point. One process does it at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from checkin.clock import CLOSING_DAYS, RETENTION_DAYS, SystemClock
from checkin.errors import CheckinError, NotReady
from checkin.files.durable import locked
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.statement import StatementType
from checkin.purge.clock_guard import ClockGuard
from checkin.purge.inventory import Inventory, PurgeParty, PurgeStatus
from checkin.purge.statement_store import (
    ABSENT,
    DAY_CLOSED,
    KEY_DESTROYED,
    KEY_MADE,
    PURGE_REPORT,
    SMALL_COUNT,
    StatementStore,
    published_count,
)
from checkin.vault.closing import Closing, close_day, find_closing
from checkin.vault.vault import Vault

UNKNOWN: Final = "unknown"
_STOPWATCH: Final = SystemClock()
log = structlog.get_logger()

Duty = Callable[[int], None]
"""What a service destroys beside its vault; it is given the oldest day that is still held, and is repeatable."""


class Purger:
    """One per process of a service."""

    def __init__(  # noqa: PLR0913 - a service's whole retention meets here
        self,
        party: PurgeParty,
        guard: ClockGuard,
        vault: Vault,
        book: StatementStore,
        *,
        duties: Iterable[Duty] = (),
        ahead: Mapping[Purpose, int] | None = None,
    ) -> None:
        """`ahead`: for which purposes keys are made, from today to so many days ahead."""
        self._party = party
        self._guard = guard
        self._vault = vault
        self._book = book
        self._holdings = Inventory(party, vault, book)
        self._duties = tuple(duties)
        self._ahead = dict(ahead or {Purpose.DAY: 1})
        self.last_destruction_ms: float | None = None
        """How long the last destruction of a key took, from readable to gone."""

    def run(self) -> list[str]:
        """Destroys all that is due; the names of the statements made now.

        Every key before any partition, and every partition before any statement: what is readable goes first. What
        cannot be destroyed does not keep the rest from it; then it raises `NotReady`, and is to be run again.
        Raises `ClockUntrusted` before it does anything.
        """
        self._guard.tick()
        self._guard.require_trusted()
        with locked(self._party.data / "purge.lock"):
            now = self._guard.settled()
            oldest = self._party.calendar.oldest(now)
            due = self._holdings.due(oldest)
            ended = [day for day in due if self._attempt(self._end, day)]
            dropped = [day for day in ended if self._attempt(self._vault.store.drop, day)]
            made = [name for day in dropped for name in self._report(day, now)]
            for name in self._holdings.spent(now):
                made += self.retire(name, name.day + (CLOSING_DAYS if name.purpose is Purpose.INTAKE else 1))
            for name in self._holdings.retired():  # a crash came between the tombstone and the statement
                self._destroy(name)
                made += self._state_destroyed(name)
            for duty in self._duties:
                duty(oldest)
        if dropped != due:
            raise NotReady("Not all that is due could be destroyed: look at the disk; it will be tried again.")
        return made

    def close_due_days(self) -> list[str]:
        """Closes every day whose time for uploads is over, and states its digest; the names of the statements."""
        self._guard.require_trusted()
        now, calendar = self._guard.settled(), self._party.calendar
        made = []
        for day in self._holdings.held():
            name = self._holdings.closed_name(day)
            if calendar.closes(day) <= now < calendar.due(day) and name not in self._book:
                closing = close_day(self._vault, day)
                values = {"digest": closing.digest.hex(), "count": published_count(closing.count)}
                made += self._state(name, DAY_CLOSED, {"day": calendar.date(day), **values})
        return made

    def make_keys(self) -> list[str]:
        """Makes the keys of today and of the days ahead, and states their commitments; the names of the statements."""
        self._guard.require_trusted()
        today = self._party.calendar.day(self._guard.now())
        names = [KeyName(purpose, today + ahead) for purpose, days in self._ahead.items() for ahead in range(days + 1)]
        return [made for name in names for made in self.make(name)]

    def make(self, name: KeyName) -> list[str]:
        """Makes one key unless it is there, and states its commitment. Raises `DayDestroyed`.

        Under the lock, so that no audit looks between the one and the other.
        """
        with locked(self._party.data / "purge.lock"):
            return self._make(name)

    def _make(self, name: KeyName) -> list[str]:
        calendar = self._party.calendar
        commitment = self._party.ring.ensure(name, oldest=self._guard.floor(calendar))
        if name.purpose is Purpose.DAY and name.day not in self._vault.store.days():
            self._vault.insert(name.day, [])  # the day's file is born now, not when the first person comes
        if self._holdings.made_name(name) in self._book:
            return []
        values = {"key": str(name), "commitment": commitment, "day": calendar.date(name.day)}
        return self._state(self._holdings.made_name(name), KEY_MADE, values)

    def retire(self, name: KeyName, due: int) -> list[str]:
        """Destroys a key that is no day's vault key, for good, and states it; `due` is the day on which it was due.

        For a `Duty`, which runs under the purger's lock, and repeatable like all of it.
        """
        record = {"commitment": self._holdings.commitment(name), "due": self._party.calendar.date(due)}
        self._party.ring.entomb(name, record)
        self._destroy(name)
        return self._state_destroyed(name)

    def overdue(self) -> list[int]:
        """Days that should be gone and are not, for readiness; empty whenever `run` has just succeeded."""
        return self._holdings.due(self._party.calendar.oldest(self._guard.settled()))

    def status(self) -> PurgeStatus:
        """What there is at this moment; changes nothing."""
        return self._holdings.status(self._guard.floor(self._party.calendar), self._guard.doubt)

    def _attempt(self, step: Callable[[int], None], day: int) -> bool:
        """Whether the step could be done for the day."""
        try:
            step(day)
        except (CheckinError, OSError) as error:
            date = self._party.calendar.date(day)
            log.error("day_not_destroyed", day=date, step=step.__name__, type=type(error).__name__)
            return False
        return True

    def _end(self, day: int) -> None:
        """Tombstone, then key: after this nobody reads the day."""
        name, calendar = KeyName(Purpose.DAY, day), self._party.calendar
        if self._party.ring.tombstone(name) is None:
            record = {"commitment": self._holdings.commitment(name), "due": calendar.date(day + RETENTION_DAYS)}
            self._party.ring.entomb(name, {**record, **self._count(day)})
        self._destroy(name)

    def _destroy(self, name: KeyName) -> None:
        begun = _STOPWATCH.boot()
        self._party.ring.destroy(name)
        self.last_destruction_ms = 1000 * (_STOPWATCH.boot() - begun)
        log.info("key_destroyed", key=str(name), milliseconds=round(self.last_destruction_ms, 3))

    def _count(self, day: int) -> dict[str, str | int]:
        """Rows, bytes, root and closing digest. A day that cannot be read any more is destroyed all the same."""
        closing: Closing | None = None
        try:
            closing = find_closing(self._vault, day)
            measure = self._vault.store.measure(day)
        except CheckinError as error:
            log.warning("day_unreadable", day=self._party.calendar.date(day), code=error.code)
            return {"rows": UNKNOWN, "bytes": UNKNOWN, "root": ABSENT, "closing": ABSENT}
        rows, digest = (closing.count, closing.digest.hex()) if closing else (measure.rows, ABSENT)
        if rows < SMALL_COUNT:
            # The size of a day, and the root of an empty one, would tell what the count does not.
            return {"rows": published_count(rows), "bytes": ABSENT, "root": ABSENT, "closing": digest}
        root = closing.root.hex() if closing else ABSENT
        return {"rows": rows, "bytes": measure.bytes, "root": root, "closing": digest}

    def _report(self, day: int, now: float) -> list[str]:
        calendar = self._party.calendar
        held = [other for other in self._holdings.held() if other <= calendar.day(now)]
        values = {
            "day": calendar.date(day),
            **self._record(KeyName(Purpose.DAY, day)),
            "oldest-day-held": calendar.date(held[0]) if held else ABSENT,
            "days-held": str(len(held)),
            "hold": "none",
        }
        return self._state(self._holdings.report_name(day), PURGE_REPORT, values)

    def _state_destroyed(self, name: KeyName) -> list[str]:
        return self._state(self._holdings.destroyed_name(name), KEY_DESTROYED, self._record(name))

    def _record(self, name: KeyName) -> dict[str, str]:
        """What the tombstone says, and that it is done today."""
        tomb = {field: str(value) for field, value in (self._party.ring.tombstone(name) or {}).items()}
        calendar = self._party.calendar
        return {**tomb, "key": str(name), "done": calendar.date(calendar.day(self._guard.settled()))}

    def _state(self, name: str, kind: StatementType, values: Mapping[str, str]) -> list[str]:
        note = self._party.sign(kind, {"service": self._party.signer.name, **values})
        return [name] if self._book.put(name, note) else []
