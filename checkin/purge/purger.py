"""Destroying what is due, and the statement about it; the same for every service (docs/spec/retention.md §3).

For each day after its 28 days: tombstone, key, partition, statement. The tombstone holds all that the
statement will say, so that every step can be repeated after a crash at any point. One process does it at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, ParamSpec, TypeVar

import structlog

from checkin.clock import RETENTION_DAYS
from checkin.errors import CheckinError, DayDestroyed, KeyDestroyed, KeyExists, KeyMissing, NotReady
from checkin.files.durable import locked_if_possible
from checkin.files.leases import Hold, alone
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.note import add_signature
from checkin.protocol.statement import StatementType
from checkin.purge.clock_guard import ClockGuard
from checkin.purge.due_keys import UNREADABLE, DueKeys, why
from checkin.purge.early import EarlyDestructions
from checkin.purge.inventory import Inventory, PurgeParty, PurgeStatus
from checkin.purge.statement_store import (
    ABSENT,
    DAY_CLOSED,
    EARLY,
    KEY_DESTROYED,
    KEY_MADE,
    PURGE_REPORT,
    SMALL_COUNT,
    StatementStore,
    closed_name,
    destroyed_name,
    made_commitment,
    made_name,
    published_count,
    report_name,
)
from checkin.vault.closing import CLOSE_SECONDS, Closing, close_day, find_closing
from checkin.vault.vault import Vault

SILENCE_SECONDS: Final = 86400.0
LOCK: Final = "purge.lock"
"""Beside the keys: what is destroyed must not first write elsewhere."""
CLOSING_LOCK: Final = "closing.lock"
"""Also there, for a closing alone: a large one takes all cores, and a service's processes would do it all at once."""
FLOOR: Final = "oldest day"
PURGE_SECONDS: Final = 600
log = structlog.get_logger()
P = ParamSpec("P")
R = TypeVar("R")

PurgeTask = Callable[[int], object]
"""What a service destroys beside its vault; it is given the oldest day that is still held, and is repeatable."""


class Purger:
    """One per process of a service."""

    def __init__(  # noqa: PLR0913 - a service's whole retention meets here
        self,
        party: PurgeParty,
        guard: ClockGuard,
        vault: Vault,
        book: StatementStore,
        early: EarlyDestructions,
        *,
        floor: PurgeTask = lambda _: None,
        tasks: Mapping[str, PurgeTask] | None = None,
        ahead: Mapping[Purpose, int] | None = None,
        hold: Hold = alone,
    ) -> None:
        """`early`: what officers had destroyed before it is due; `tasks`: by the names that `failed` has for them;
        `ahead`: for which purposes keys are made, from today to so many days ahead; `hold`: what several machines over
        one engine do one at a time; `floor` fails where they do not agree about the time, and then nothing but keys is
        destroyed. A key is destroyed by each, with nothing but its key volume."""
        self._party = party
        self._guard = guard
        self._vault = vault
        self._book = book
        self._inventory = Inventory(party, vault, book)
        self._floor = floor
        self._tasks = dict(tasks or {})
        self._ahead = dict(ahead or {Purpose.DAY: 1})
        self._hold = hold
        self._early = early
        self._due = DueKeys(party.ring, party.calendar, early)
        self.failed: dict[str, str] = {}
        """What the last `run` could not do, and why."""

    def run(self) -> list[str]:
        """Destroys all that is due; the names of the statements made now.

        Every key before any partition, and every partition before any statement: what is readable goes first, with
        nothing but the key volume, and removing partitions frees the space that statements need. What fails keeps
        nothing else from being done; then it raises `NotReady`, `failed` says more, and it is to be run again.
        Raises `ClockUntrusted` before it does anything.
        """
        self._guard.tick()
        self._guard.require_trusted()
        with locked_if_possible(self._party.ring.folder / LOCK):
            now, self.failed = self._guard.settled(), {}
            self._attempt("early destructions", self._share_early)
            self._destroy_keys(now)
            oldest = self._party.calendar.oldest(now)
            self._attempt(FLOOR, self._floor, oldest)
            made: list[str] = []
            if FLOOR not in self.failed:
                made = self._attempt("data", self._destroy_data, now, oldest) or []
                for name, task in self._tasks.items():
                    self._attempt(name, task, oldest)
        if self.failed:
            left = ", ".join(self.failed)
            raise NotReady(f"Not all that is due could be destroyed ({left}): look at the disk; it is tried again.")
        return made

    def _share_early(self) -> None:
        """Shares what officers ordered with every machine of the service, and states it before any report of it."""
        for name, note in self._book.all(EARLY):
            self._early.learn(name, note)
        for order, note in self._early.all().items():
            if order.name not in self._book:
                self._book.put(order.name, add_signature(note, self._party.signer))
        self._early.keep()

    def _destroy_data(self, now: float, oldest: int) -> list[str]:
        """Partitions and statements; the names of these. Nothing while another machine does it."""
        due = self._attempt("days", self._inventory.due, oldest) or []
        if not due and not self._attempt("statements", self._inventory.retired):
            return []
        with self._hold("purge", PURGE_SECONDS) as renew:
            if renew is None:
                return []
            if due:
                self._drop(due, renew)
                self._destroy_keys(now)  # those for whose tombstones there was no room before
            made = [name for day in due for name in self._attempt_report(day, now)]
            for name in self._attempt("statements", self._inventory.retired) or []:
                if name not in self._party.ring.names() and not self._party.ring.missing(name):
                    made += self._attempt(f"statement about {name}", self._state_destroyed, name) or []
        return made

    def close_due_days(self) -> list[str]:
        """Closes every day after its time for uploads, and states its digest; the names of the statements."""
        self._guard.require_trusted()
        now, calendar = self._guard.settled(), self._party.calendar
        over = [day for day in self._inventory.held() if calendar.closes(day) <= now < calendar.due(day)]
        days = [day for day in over if self._party.ring.tombstone(KeyName(Purpose.DAY, day)) is None]
        left = [day for day in days if not self._remember_closed(day)]
        made: list[str] = []
        if not left:
            return made
        with self._hold("close", CLOSE_SECONDS) as renew:
            if renew is None:
                return made
            with locked_if_possible(self._party.ring.folder / CLOSING_LOCK):
                for day in left:
                    if closed_name(day) not in self._book:  # by another one meanwhile
                        renew()
                        closing = close_day(self._vault, day)
                        made += self._state_closed(day, closing)
                    self._remember_closed(day)
        return made

    def _state_closed(self, day: int, closing: Closing) -> list[str]:
        """States the closing, unless the day was destroyed early meanwhile: its report says that none was stated."""
        with locked_if_possible(self._party.ring.folder / LOCK):
            if self._party.ring.tombstone(KeyName(Purpose.DAY, day)) is not None or report_name(day) in self._book:
                return []
            values = {"digest": closing.digest.hex(), "count": published_count(closing.count)}
            return self._state(closed_name(day), DAY_CLOSED, {"day": self._party.calendar.date(day), **values})

    def _remember_closed(self, day: int) -> bool:
        """Whether its closing is stated; then the ring keeps what its tombstone will say."""
        if closed_name(day) not in self._book:
            return False
        key = KeyName(Purpose.DAY, day)
        self._party.ring.remember(key, partial(self._grave, key, day + RETENTION_DAYS))
        return True

    def make_keys(self) -> list[str]:
        """Makes the keys of today and of the days ahead, and states their commitments; the names of the statements."""
        self._guard.require_trusted()
        today = self._guard.today(self._party.calendar)
        names = [KeyName(purpose, today + ahead) for purpose, days in self._ahead.items() for ahead in range(days + 1)]
        made: list[str] = []
        lost: CheckinError | None = None
        for name in names:
            try:
                made += self.make(name)
            except (KeyMissing, KeyExists, DayDestroyed) as error:  # the other days need theirs
                if not self._early.covers(name):
                    lost = error
        if lost:
            raise lost
        return made

    def make(self, name: KeyName) -> list[str]:
        """Makes one key unless it is there, and states its commitment. Raises `DayDestroyed`; `KeyMissing` or
        `KeyExists` where the key that was stated is lost or another has its name: under a second one every code of the
        day that was used would be good again.

        Under the lock, so that no audit looks between the one and the other.
        """
        calendar = self._party.calendar
        with locked_if_possible(self._party.ring.folder / LOCK):
            if self._early.covers(name):  # also where there was none to destroy
                raise DayDestroyed
            stated = made_commitment(self._book, name)
            commitment = self._party.ring.ensure(name, oldest=self._guard.floor(calendar), stated=stated)
            if stated not in ("", commitment):
                raise KeyExists(f"{name} is another key than the stated one: bring that one back, or stay closed.")
            if name.purpose is Purpose.DAY and name.day not in self._vault.store.days():
                self._vault.insert(name.day, [])  # the day's file is born now, not when the first person comes
            if stated:
                return []
            values = {"key": str(name), "commitment": commitment, "day": calendar.date(name.day)}
            return self._state(made_name(name), KEY_MADE, values)

    def retire(self, name: KeyName, due: int) -> list[str]:
        """Destroys a key that is no day's vault key, for good, and states it once every node of a ring has signed;
        `due` is the day on which it was due.

        For a `PurgeTask`, which runs under the purger's lock, and repeatable like all of it.
        """
        record = {"commitment": self._inventory.commitment(name), "due": self._party.calendar.date(due)}
        self._party.ring.entomb(name, record)
        self._due.end(name)
        # SPEC ring.md §5: "or states that a key was destroyed"
        return [] if self._party.ring.missing(name) else self._state_destroyed(name)

    def overdue(self) -> list[int]:
        """Days that should be destroyed and are not, for readiness; empty whenever `run` has just succeeded. For a day
        more a node of the ring may be silent about a key that is destroyed everywhere else."""
        now, calendar = self._guard.settled(), self._party.calendar
        late = calendar.oldest(now - SILENCE_SECONDS)
        try:
            due = self._inventory.due(calendar.oldest(now))
            return [day for day in due if day < late or not self._party.ring.missing(KeyName(Purpose.DAY, day))]
        except (CheckinError, OSError):  # the keys can be looked at all the same
            return sorted({name.day for name in self._due.due(now) if name.purpose is Purpose.DAY})

    def has_day_key(self) -> bool:
        """Whether today's vault key can be used: after a jump of the clock it comes with the next round. Raises
        `NotReady` where too few nodes of a ring answer to know."""
        today = KeyName(Purpose.DAY, self._guard.today(self._party.calendar))
        try:
            self._party.ring.commitment(today)
        except (KeyMissing, KeyDestroyed):
            return False
        return not self._party.ring.is_gone(today)

    def not_stated(self) -> list[str]:
        """What is destroyed and has no statement yet: keys by name, days by date."""
        date, oldest = self._party.calendar.date, self._party.calendar.oldest(self._guard.settled())
        live = {name.day for name in self._party.ring.names(Purpose.DAY)} | set(self._vault.store.days())
        days = [date(day) for day in self._inventory.due(oldest) if day not in live]
        return days + [str(name) for name in self._inventory.retired()]

    def status(self) -> PurgeStatus:
        """What there is at this moment; changes nothing."""
        return self._inventory.status(self._guard.floor(self._party.calendar), self._guard.doubt)

    def _destroy_keys(self, now: float) -> None:
        ring = self._party.ring
        due = self._attempt("keys", self._due.due, now, self._unclosed()) or {}
        failed = self._due.destroy(due, self._grave)
        for name in due:
            for what in ("key", "room for"):
                self.failed.pop(f"{what} {name}", None)
        gone = {name for name in failed if self._attempt(f"key {name}", ring.is_gone, name)}
        self.failed |= {f"{'room for' if name in gone else 'key'} {name}": reason for name, reason in failed.items()}

    def _drop(self, due: list[int], renew: Callable[[], None]) -> None:
        """Drops the partitions of due days without a usable key."""
        live = {name for name in self._party.ring.names(Purpose.DAY) if not self._party.ring.is_gone(name)}
        for day in due:
            if KeyName(Purpose.DAY, day) not in live:
                renew()
                self._attempt(f"partition {self._party.calendar.date(day)}", self._vault.store.drop, day)

    def _attempt_report(self, day: int, now: float) -> list[str]:
        """States a day's purge report, never before nothing is left of the day."""
        # SPEC ring.md §5: "only when every node"
        if (key := KeyName(Purpose.DAY, day)) in self._party.ring.names() or self._party.ring.missing(key):
            return []
        left = self._attempt("days", self._vault.store.days)
        if left is None or day in left:
            return []
        return self._attempt(f"report {self._party.calendar.date(day)}", self._report, day, now) or []

    def _unclosed(self) -> set[int] | None:
        try:
            return self._inventory.unclosed()
        except Exception as error:  # whatever the data is like, keys go
            log.warning("data_unreadable", why=why(error))
            return None

    def _grave(self, name: KeyName, due: int) -> dict[str, str | int]:
        """The tombstone's record, of as much as can be read."""
        try:
            record: dict[str, str | int] = {"commitment": self._inventory.commitment(name)}
            record |= {"due": self._party.calendar.date(due)}
            return {**record, **self._count(name.day)} if name.purpose is Purpose.DAY else record
        except Exception as error:  # whatever the data is like, the key goes
            log.warning("data_unreadable", key=str(name), why=why(error))
            return self._due.bare_record(name, due)

    def _attempt(self, what: str, step: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
        """What the step returns; None if it failed, which keeps no other from being done."""
        try:
            return step(*args, **kwargs)
        except Exception as error:  # the next step must come
            self.failed[what] = why(error)
            log.error("not_destroyed", what=what, why=self.failed[what])
            return None

    def _count(self, day: int) -> dict[str, str | int]:
        """Rows, bytes, root and closing digest. A day that cannot be read any more is destroyed all the same."""
        closing: Closing | None = None
        try:
            if day not in self._vault.store.days():
                raise NotReady("There is no partition.")
            closing = find_closing(self._vault, day)
            measure = self._vault.store.measure(day)
        except (CheckinError, OSError) as error:
            log.warning("day_unreadable", day=self._party.calendar.date(day), why=why(error))
            return dict(UNREADABLE)
        rows, digest = (closing.count, closing.digest.hex()) if closing else (measure.rows, ABSENT)
        if rows < SMALL_COUNT:
            # The size of a day, and the root of an empty one, would reveal what the count does not.
            return {"rows": published_count(rows), "bytes": ABSENT, "root": ABSENT, "closing": digest}
        root = closing.root.hex() if closing else ABSENT
        return {"rows": rows, "bytes": measure.bytes, "root": root, "closing": digest}

    def _report(self, day: int, now: float) -> list[str]:
        calendar = self._party.calendar
        held = [other for other in self._inventory.held() if other <= calendar.day(now)]
        values = {
            "day": calendar.date(day),
            **self._record(KeyName(Purpose.DAY, day)),
            # A process may have died, or officers' word come, between closing the day and stating it.
            **({} if closed_name(day) in self._book else {"closing": ABSENT}),
            "oldest-day-held": calendar.date(held[0]) if held else ABSENT,
            "days-held": str(len(held)),
            "hold": "none",
        }
        return self._state(report_name(day), PURGE_REPORT, values)

    def _state_destroyed(self, name: KeyName) -> list[str]:
        return self._state(destroyed_name(name), KEY_DESTROYED, self._record(name))

    def _record(self, name: KeyName) -> dict[str, str]:
        """What the tombstone says, and that it is done today."""
        tomb = {field: str(value) for field, value in (self._party.ring.tombstone(name) or {}).items()}
        calendar = self._party.calendar
        return {**tomb, "key": str(name), "done": calendar.date(calendar.day(self._guard.settled()))}

    def _state(self, name: str, kind: StatementType, values: Mapping[str, str]) -> list[str]:
        note = self._party.sign(kind, {"service": self._party.signer.name, **values})
        return [name] if self._book.put(name, note) else []
