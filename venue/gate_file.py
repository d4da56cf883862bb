"""How many came through which gate in which hour of an open day, and when a scanner was last heard: data/gates.db.

    counts  day, gate (16 bytes: a MAC of the scanner under the day's key), hour (0 .. 24), visits
    heard   scanner (16 hexadecimal digits), at (unix seconds, cut to five minutes), waiting (visits in its queue then)

Apart from data/venue.db, which it would make grow minute by minute, and from the vault, whose rows know no scanner. On
PostgreSQL they are tables beside the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from checkin.files.tables import Commit, Tables, TableSet, read_in
from checkin.vault.engines import MAX_BUCKET

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


class GateHour(NamedTuple):
    """One gate (its MAC, 16 bytes) in one hour of a day."""

    day: int
    gate: bytes
    hour: int


class Sign(NamedTuple):
    """A scanner's sign of life: unix seconds, cut to five minutes, and how many visits waited in it; -1: not told."""

    at: int
    waiting: int = -1


class GateFile:
    """Every method is one commit at most, on the disk when it returns; several processes may share the tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, counts: Mapping[GateHour, int], heard: Mapping[str, Sign]) -> None:
        """Adds to what all processes have counted; of a scanner the latest time stays."""
        cells = [{**cell._asdict(), "visits": number} for cell, number in sorted(counts.items())]
        signs = [{"scanner": scanner, **sign._asdict()} for scanner, sign in sorted(heard.items())]

        def step(commit: Commit) -> None:
            commit.many(_ADD, cells)
            commit.many(_HEAR, signs)

        self._tables.write(step)
        self._tables.tidy()  # the log ahead of the file would tell what was added minute by minute: only sums stay

    def hours(self, day: int, gate: bytes) -> list[int]:
        """25 numbers, by hours since the day's local start."""
        query = "SELECT hour, visits FROM counts WHERE day = :day AND gate = :gate"
        found: dict[int, int] = dict(self._tables.read(query, {"day": day, "gate": gate}))
        return [found.get(hour, 0) for hour in range(MAX_BUCKET + 1)]

    def heard(self, scanners: Iterable[str]) -> dict[str, Sign]:
        """Those of these scanners that were ever heard and not left out since."""
        found = read_in(self._tables, "SELECT scanner, at, waiting FROM heard WHERE scanner IN", scanners)
        return {scanner: Sign(at, waiting) for scanner, at, waiting in found}

    def pages(self) -> Iterator[set[str]]:
        """Every scanner that was heard, a thousand at a time; the file is free in between."""
        query, last = "SELECT scanner FROM heard WHERE scanner > :last ORDER BY scanner LIMIT :page", ""
        while page := [scanner for (scanner,) in self._tables.read(query, {"last": last, "page": _PAGE})]:
            yield set(page)
            last = page[-1]

    def later(self, moment: float) -> list[str]:
        """Scanners whose sign of life is of a later moment (unix seconds)."""
        found = self._tables.read("SELECT scanner FROM heard WHERE at > :moment", {"moment": int(moment)})
        return [scanner for (scanner,) in found]

    def leave_out(self, scanners: Iterable[str]) -> None:
        """Whose signs of life are nobody's business any more."""
        if gone := [{"scanner": scanner} for scanner in sorted(scanners)]:
            self._tables.write(lambda commit: commit.many("DELETE FROM heard WHERE scanner = :scanner", gone))
            self._tables.tidy()

    def forget(self, oldest_day: int) -> None:
        """Removes the counts of earlier days."""
        values = {"oldest": oldest_day}
        if self._tables.read("SELECT 1 FROM counts WHERE day < :oldest LIMIT 1", values):
            self._tables.write(lambda commit: commit.execute("DELETE FROM counts WHERE day < :oldest", values))
            self._tables.tidy()
