"""Check-ins by gate and hour, and when each scanner was last alive (docs/spec/registry.md §8).

A row of the vault holds no scanner, so gates are counted beside it: in memory, added to data/gates.db about once a
minute and when the service stops. A crash loses at most a minute of the split; the venue's own numbers come from the
vault and lose nothing. The file knows gates by a MAC under the day's key, as the vault knows venues:

    counts  day, gate (16 bytes: a MAC of the scanner under the day's key), hour (0 .. 24), visits
    heard   scanner (16 hexadecimal digits), at (unix seconds, cut to five minutes), waiting (visits in its queue then)

Apart from data/venue.db, which it would make grow minute by minute. On PostgreSQL they are tables beside the others.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from checkin.clock import CLOSING_DAYS
from checkin.errors import CheckinError, DayDestroyed, KeyMissing
from checkin.files.tables import Commit, Tables, TableSet, Values, read_in
from checkin.keys.journal import Ending
from checkin.protocol.primitives import Label
from checkin.service.day_store import DayService
from checkin.vault.engines import MAX_BUCKET
from venue.database import CLOSED, SCANNER

GRAIN_SECONDS: Final = 300
_MAX_REMEMBERED: Final = 100_000
_LIVE = """SELECT scanners.id FROM scanners JOIN venues ON venues.id = scanners.venue
    WHERE revoked = 0 AND closed = 0 AND scanners.id IN"""
_PAGE: Final = 1000
_FIRST: Final = """
CREATE TABLE IF NOT EXISTS counts (
    day bigint NOT NULL,
    gate bytea NOT NULL,
    hour bigint NOT NULL,
    visits bigint NOT NULL,
    PRIMARY KEY (day, gate, hour)
);
CREATE TABLE IF NOT EXISTS heard (
    scanner text COLLATE "C" NOT NULL PRIMARY KEY,
    at bigint NOT NULL,
    waiting bigint NOT NULL
);
ALTER TABLE heard ADD COLUMN IF NOT EXISTS waiting bigint NOT NULL DEFAULT -1;
CREATE INDEX IF NOT EXISTS idx_heard_at ON heard (at)
"""
"""As files of earlier versions have them, in which there may be no `waiting`."""
GATES: Final = TableSet("gates", (_FIRST,))
_ADD: Final = (
    "INSERT INTO counts (day, gate, hour, visits) VALUES (:day, :gate, :hour, :visits)"
    " ON CONFLICT (day, gate, hour) DO UPDATE SET visits = counts.visits + excluded.visits"
)
_HEAR: Final = (
    "INSERT INTO heard (scanner, at, waiting) VALUES (:scanner, :at, :waiting) ON CONFLICT (scanner) DO UPDATE"
    " SET at = CASE WHEN heard.at > excluded.at THEN heard.at ELSE excluded.at END, waiting = excluded.waiting"
)


class Gates:
    """Counts of this process, and the file of all. Any number of threads."""

    def __init__(self, service: DayService, tables: Tables, kept: Tables) -> None:
        """`tables` know which scanners have ended; several processes may share `kept`, the file."""
        self._party, self._guard, self._vault = service.party, service.guard, service.vault
        self._endings = service.endings
        self._tables = tables
        self._kept = kept
        self._lock = threading.Lock()
        self._counted: Counter[tuple[int, bytes, int]] = Counter()  # day, scanner, hour
        self._heard: dict[str, Sign] = {}
        self._written: dict[str, Sign] = {}
        self._swept: int | None = None
        """The newest ending that the file follows; None before this process has looked at all of it."""

    def count(self, day: int, scanner: bytes, hour: int) -> None:
        """One more accepted visit; hour as in the vault's row, 0 .. 24."""
        with self._lock:
            self._counted[day, scanner, hour] += 1

    def hear(self, scanner: bytes, waiting: int = -1) -> None:
        """Records a sign of life: this scanner (8 bytes) fetched its lists, as it does each minute, with or without
        visitors; so many visits waited in it."""
        at = int(self._party.now()) // GRAIN_SECONDS * GRAIN_SECONDS
        with self._lock:
            self._heard[scanner.hex()] = Sign(at, waiting)

    def hours(self, day: int, scanner: bytes) -> list[int]:
        """25 numbers, by hours since the day's local start. Raises `DayDestroyed`, `KeyMissing`."""
        query = "SELECT hour, visits FROM counts WHERE day = :day AND gate = :gate"
        found: dict[int, int] = dict(self._kept.read(query, {"day": day, "gate": self._gate(day, scanner)}))
        return [found.get(hour, 0) for hour in range(MAX_BUCKET + 1)]

    def last_heard(self, scanners: Iterable[str]) -> dict[str, tuple[str, int | None]]:
        """Of these, scanner → RFC 3339, cut to five minutes, and how many visits waited in it, if it said so."""
        found = read_in(self._kept, "SELECT scanner, at, waiting FROM heard WHERE scanner IN", scanners)
        rfc3339 = self._party.calendar.rfc3339
        return {scanner: (rfc3339(at), waiting if waiting >= 0 else None) for scanner, at, waiting in found}

    def is_open(self, day: int) -> bool:
        """Whether the day still takes uploads. Afterwards its split is of no use at the doors, and goes."""
        return self._guard.now() < self._party.calendar.closes(day)

    def keep(self) -> None:
        """A task, once a minute: writes what was counted to the file, and removes scanners that ended from it."""
        self._write()
        self._sweep()

    def forget_closed(self) -> None:
        """A task: removes the splits of days that are closed. Raises `ClockUntrusted`."""
        self._guard.require_trusted()
        calendar, now = self._party.calendar, self._guard.settled()
        oldest = calendar.day(now) - CLOSING_DAYS
        self.forget(oldest + 1 if now >= calendar.closes(oldest) else oldest)

    def forget(self, oldest_day: int) -> None:
        """Removes the counts of earlier days. A task of the purge, for a service that stood still when the day was
        closed."""
        values = {"oldest": oldest_day}
        if self._kept.read("SELECT 1 FROM counts WHERE day < :oldest LIMIT 1", values):
            self._kept.write(lambda commit: commit.execute("DELETE FROM counts WHERE day < :oldest", values))
            self._kept.tidy()

    def close(self) -> None:
        """Writes what was counted to the file."""
        with suppress(CheckinError):  # a full disk must not keep the service from stopping
            self._write()

    def _write(self) -> None:
        with self._lock:
            counted, self._counted = self._counted, Counter()
            heard, self._heard = self._heard, {}
        fresh = {scanner: sign for scanner, sign in heard.items() if self._written.get(scanner) != sign}
        try:
            if counted or fresh:
                self._add(counted, fresh)
        except BaseException:
            with self._lock:  # the next round tries again
                self._counted += counted
                self._heard = heard | self._heard
            raise
        self._written = {} if len(self._written) > _MAX_REMEMBERED else self._written | fresh

    def _add(self, counted: Counter[tuple[int, bytes, int]], heard: Mapping[str, Sign]) -> None:
        """Adds to what all processes have counted; of a scanner the latest time stays."""
        cells: dict[tuple[int, bytes, int], int] = {}
        for (day, scanner, hour), number in counted.items():
            with suppress(DayDestroyed, KeyMissing):
                cells[day, self._gate(day, scanner), hour] = number
        rows: list[Values] = [
            {"day": day, "gate": gate, "hour": hour, "visits": number}
            for (day, gate, hour), number in sorted(cells.items())
        ]
        signs = [{"scanner": scanner, **sign._asdict()} for scanner, sign in sorted(heard.items())]

        def step(commit: Commit) -> None:
            commit.many(_ADD, rows)
            commit.many(_HEAR, signs)

        self._kept.write(step)
        self._kept.tidy()  # the write-ahead log would show what was added minute by minute: only sums stay

    def _sweep(self) -> None:
        """Removes scanners that were revoked, of venues that were closed, or that a wrong clock has put into the
        future: in all of the file at a process's first round, then only what ended since the last one."""
        later = self._kept.read("SELECT scanner FROM heard WHERE at > :moment", {"moment": int(self._party.now())})
        self._leave_out({scanner for (scanner,) in later})
        newest, swept = self._endings.seen_by(self._tables), self._swept
        if newest == swept:
            return
        ended = None if swept is None else self._endings.since(swept)
        for scanners in self._pages() if ended is None else [self._scanners_of(ended)]:
            self._leave_out(scanners - {live for (live,) in read_in(self._tables, _LIVE, scanners)})
        self._swept = newest

    def _scanners_of(self, ended: list[Ending]) -> set[str]:
        """The scanners that ended, by themselves or with their venue."""
        venues = [ending.name for ending in ended if ending.kind == CLOSED]
        found = read_in(self._tables, "SELECT id FROM scanners WHERE venue IN", venues)
        theirs = {scanner for (scanner,) in found}
        return theirs | {ending.name for ending in ended if ending.kind == SCANNER}

    def _pages(self) -> Iterator[set[str]]:
        """Every scanner that was heard, a thousand at a time; the file is free in between."""
        query, last = "SELECT scanner FROM heard WHERE scanner > :last ORDER BY scanner LIMIT :page", ""
        while page := [scanner for (scanner,) in self._kept.read(query, {"last": last, "page": _PAGE})]:
            yield set(page)
            last = page[-1]

    def _leave_out(self, scanners: set[str]) -> None:
        """Removes these scanners' signs of life."""
        if gone := [{"scanner": scanner} for scanner in sorted(scanners)]:
            self._kept.write(lambda commit: commit.many("DELETE FROM heard WHERE scanner = :scanner", gone))
            self._kept.tidy()

    def _gate(self, day: int, scanner: bytes) -> bytes:
        return self._vault.mac(day, Label.GATE, scanner)


class Sign(NamedTuple):
    """A scanner's sign of life: unix seconds, cut to five minutes, and how many visits waited in it; -1: unknown."""

    at: int
    waiting: int = -1
