"""What a service finds out about itself, and signs: the first half of the day-28 audit (docs/spec/audit.md §5).

Each point looks at what is on the disk, not at what the service remembers. Nothing here changes anything, but that what
became due in this very minute is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from checkin.audit.data_map import DataMap, Shape
from checkin.audit.point import SELF_AUDIT, Point, PointResult, not_run, plain, seen
from checkin.audit.sweep import has_phone, run_sweep
from checkin.errors import CheckinError, NotReady
from checkin.files.durable import locked_if_possible
from checkin.keys.key_ring import KeyName, Purpose, ServiceKeys
from checkin.protocol.note import unverified_text
from checkin.protocol.statement import kind_of, one
from checkin.purge.clock_guard import ClockGuard
from checkin.purge.inventory import Inventory, PurgeParty
from checkin.purge.purger import LOCK, Purger
from checkin.purge.statement_store import (
    DAY_CLOSED,
    KEY_MADE,
    ORDER_EXECUTED,
    ORDER_REFUSED,
    StatementStore,
    closed_name,
    destroyed_name,
    published_count,
)
from checkin.vault.closing import check_rows
from checkin.vault.vault import Vault

DATA_MAP: Final = "data-map"
PLAINTEXT: Final = "no-plaintext"
OLDEST: Final = "oldest-day"
KEYS: Final = "destroyed-keys"
CLOSINGS: Final = "closings"
ORDERS: Final = "orders"
TOKENS: Final = "tokens"
ROWS_A_RUN: Final = 5_000_000  # read again in one audit; the days take turns
GRACE_SECONDS: Final = 3600.0
log = structlog.get_logger()

Look = Callable[[], Iterable[Point]]
"""A service's own points."""


@dataclass(frozen=True)
class Days:
    """The day vault of a service that has one, what it stated about it, and what closes and destroys its days."""

    vault: Vault
    book: StatementStore
    purger: Purger


@dataclass(frozen=True)
class SelfAudit:
    """One per process of a service."""

    party: PurgeParty
    guard: ClockGuard
    map: DataMap
    days: Days | None = None
    looks: Sequence[Look] = ()
    engine: Callable[[], Shape | None] = lambda: None
    """The columns of its tables, where they lie in an engine."""

    @property
    def _name(self) -> str:
        return self.party.signer.name

    def run(self, words: Sequence[str] = ()) -> list[Point]:
        """All points. `words`: a test visitor's name and phone (E.164), to be searched for; no real person has them."""
        looks: list[Look] = [self._data_map, lambda: self._plaintext(words)]
        if days := self.days:
            looks += [lambda: self._locked(days), lambda: self._closings(days), lambda: self._orders(days.book)]
        return [point for look in (*looks, *self.looks) for point in self._guarded(look)]

    def sign(self, points: Iterable[Point]) -> str:
        """The statement about them, a signed note."""
        today = self.party.calendar.date(self.guard.today(self.party.calendar))
        values = {"service": self._name, "day": today, "point": [point.line() for point in points]}
        return self.party.sign(SELF_AUDIT, values)

    def _guarded(self, look: Look) -> list[Point]:
        """A look that fails is a line that was not run; it says why."""
        try:
            return list(look())
        except (CheckinError, OSError, ValueError) as error:
            reason = error.code if isinstance(error, CheckinError) else type(error).__name__
            log.error("audit_point_not_run", type=type(error).__name__)
            return [not_run("complete", self._name, f"A point could not be looked at: {reason}.")]

    def _data_map(self) -> Iterator[Point]:
        gaps = []
        for gap in self.map.gaps(self.party.data, self.party.ring.folder, self.engine()):
            # The name of an undeclared file could be anything, a person's too.
            path = gap.path if gap.place or self.map.of("data", gap.path) else "a file"
            gaps.append(plain(f"{path} {gap.place}: {gap.reason}"))
        columns = sum(len(table) for place in self.map.places for table in place.tables.values())
        good = f"All is declared: {columns} columns of {len(self.map.databases())} kinds of databases."
        yield seen(DATA_MAP, self._name, gaps, good)

    def _plaintext(self, words: Sequence[str]) -> Iterator[Point]:
        swept = run_sweep(self.party.data, words)
        declared = [place for place in self.map.places if place.personal]
        hits = [hit for hit in swept.hits if not any(place.holds(hit.path) for place in declared)]
        faults = [f"{hit.what} in {hit.path if self.map.of('data', hit.path) else 'a file'}" for hit in hits]
        phones = self.map.columns_with(self.party.data, lambda value: has_phone(value.encode(errors="replace")))
        faults += [f"a phone number in {column}" for column in phones]
        known = ", and no test visitor's name or phone, is" if words else " is"
        but = f", but for {', '.join(place.path for place in declared)}" if len(swept.hits) > len(hits) else ""
        yield seen(
            PLAINTEXT,
            self._name,
            dict.fromkeys(faults),
            f"No phone number{known} in {swept.files} files of {swept.bytes} bytes{but}"
            f"{'.' if words else '; no test visitor was named.'}",
        )

    def _locked(self, days: Days) -> Iterator[Point]:
        """Checks what must not change meanwhile: keys are made, stated and destroyed under this lock."""
        self._destroy_just_due(days)
        with locked_if_possible(self.party.ring.folder / LOCK):
            yield self._oldest(days)
            faults = list(key_faults(self.party.ring, days.book))
        gone, live = len(self.party.ring.tombstones()), len(self.party.ring.names())
        good = f"{gone} destroyed keys are absent, overwritten and stated; {live} live ones are those that were stated."
        yield seen(KEYS, self._name, faults, good)

    def _destroy_just_due(self, days: Days) -> None:
        """Destroys what became due within the last hour: the caller may be in the new day a moment before the timer.
        What was due earlier should be destroyed already: it is left, to be seen."""
        calendar, now = self.party.calendar, self.guard.settled()
        held = [*days.vault.store.days(), *(name.day for name in self.party.ring.names(Purpose.DAY))]
        if held and calendar.oldest(now - GRACE_SECONDS) <= min(held) < calendar.oldest(now):
            with suppress(CheckinError):  # then the day is seen below
                days.purger.run()

    def _oldest(self, days: Days) -> Point:
        calendar = self.party.calendar
        floor = calendar.oldest(self.guard.settled())
        partitions = days.vault.store.days()
        keys = [name.day for name in self.party.ring.names(Purpose.DAY)]
        faults = [f"a partition of {calendar.date(day)} is there" for day in partitions if day < floor]
        faults += [f"the key of {calendar.date(day)} is there" for day in keys if day < floor]
        held = sorted({*partitions, *keys})
        good = f"The oldest day held is {calendar.date(held[0])}" if held else "No day is held"
        return seen(OLDEST, self._name, faults, f"{good}; {calendar.date(floor)} is the oldest that may be.")

    def _closings(self, days: Days) -> Iterator[Point]:
        """Reads the rows of closed days again, as many as one run may; every day has its turn."""
        days.purger.close_due_days()  # one may be over since this very minute
        calendar, now = self.party.calendar, self.guard.settled()
        inventory = Inventory(self.party, days.vault, days.book)
        over = [day for day in inventory.held() if calendar.closes(day) + GRACE_SECONDS < now < calendar.due(day)]
        faults = [f"{calendar.date(day)} was not closed" for day in over if closed_name(day) not in days.book]
        closed = [day for day in inventory.held() if closed_name(day) in days.book]
        turn = calendar.day(now) % len(closed) if closed else 0
        read, rows = 0, 0
        for day in closed[turn:] + closed[:turn]:
            if rows > ROWS_A_RUN:
                break
            note = days.book.get(closed_name(day)) or ""
            digest = one(DAY_CLOSED.read(unverified_text(note)), "digest")
            read += 1
            try:
                rows += check_rows(days.vault, day, bytes.fromhex(digest)).count
            except CheckinError as error:
                if calendar.due(day) > self.guard.now():  # else a purge may be at it
                    unread = isinstance(error, NotReady)
                    what = "could not be read again" if unread else "are not those it was closed with"
                    faults.append(f"{calendar.date(day)}: {error.code}, its rows {what}")
        good = f"{read} of {len(closed)} closed days were read again; their rows are those they were closed with."
        yield seen(CLOSINGS, self._name, faults, good)

    def _orders(self, book: StatementStore) -> Iterator[Point]:
        kinds = [kind_of(note) for _, note in book.all("order-")]
        executed, refused = (published_count(kinds.count(kind.kind)) for kind in (ORDER_EXECUTED, ORDER_REFUSED))
        text = f"Parts of orders executed: {executed}, refused: {refused}; each is stated."
        yield Point(ORDERS, self._name, PointResult.PASS, text)


def key_faults(ring: ServiceKeys, book: StatementStore) -> Iterator[str]:
    """What is wrong with the ring, a sentence each. Under the purger's lock, so that no key is half-way.

    What a slot's absence alone shows is that it was unlinked. `KeyRing.destroy` overwrites first and leaves a mark; a
    tombstone of a key that was once made, without a mark, is one of a key that was only unlinked.
    """
    stated = [KEY_MADE.read(unverified_text(note)) for _, note in book.all("key-made-")]
    made = {KeyName.parse(one(values, "key")): one(values, "commitment") for values in stated}
    tombs, there = ring.tombstones(), set(ring.names())
    for name in tombs:
        if away := ring.missing(name):
            yield f"{name} was due, and is not stated to be destroyed by {', '.join(away)}"
        elif name in there:
            yield f"{name} has a tombstone and is still there"
        elif name in made and not ring.overwritten(name):
            yield f"{name} was unlinked and not overwritten: its bytes may still be on the disk"
        if destroyed_name(name) not in book:
            yield f"{name} has a tombstone and its destruction was never stated"
    for name in sorted(made.keys() - set(tombs)):
        yield from _live(name, ring, made[name], there=name in there)
    yield from (f"{name} is in the ring and was never stated" for name in sorted(there - made.keys()))


def _live(name: KeyName, ring: ServiceKeys, commitment: str, *, there: bool) -> Iterator[str]:
    if not there:
        yield f"{name} is gone without a tombstone"
        return
    try:
        standing = ring.commitment(name)
    except CheckinError as error:
        yield f"{name} does not open ({error.code})"
        return
    if standing != commitment:
        yield f"{name} is another key than the one that was stated"
