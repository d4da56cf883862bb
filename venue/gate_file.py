"""data/gates.db: how many came through which gate in which hour of an open day, and when a scanner was last heard.

    counts  day, gate (16 bytes: a MAC of the scanner under the day's key), hour (0 .. 24), visits
    heard   scanner (16 hexadecimal digits), at (unix seconds, cut to five minutes), waiting (visits in its queue then)

Apart from data/venue.db, of which every commit empties all workers' memory, and from the vault, whose rows know no
scanner. Opens in Datasette and `sqlite-utils` as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import sqlite_utils

from checkin.files.state_file import StateFile, rows_in
from checkin.vault.engines import MAX_BUCKET

_PAGE = 1000
_ADD = (
    "INSERT INTO counts VALUES (?, ?, ?, ?)"
    " ON CONFLICT (day, gate, hour) DO UPDATE SET visits = visits + excluded.visits"
)
_HEAR = (
    "INSERT INTO heard (scanner, at, waiting) VALUES (?, ?, ?) ON CONFLICT (scanner)"
    " DO UPDATE SET at = max(at, excluded.at), waiting = excluded.waiting"
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


class GateFile(StateFile):
    """Every method is one commit at most, on the disk when it returns; several processes may share the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _migrate)

    def add(self, counts: Mapping[GateHour, int], heard: Mapping[str, Sign]) -> None:
        """Adds to what all processes have counted; of a scanner the latest time stays."""
        with self.writing() as tables:
            tables.conn.executemany(_ADD, [(*cell, number) for cell, number in counts.items()])
            tables.conn.executemany(_HEAR, [(scanner, *sign) for scanner, sign in heard.items()])
        self._tidy()

    def hours(self, day: int, gate: bytes) -> list[int]:
        """25 numbers, by hours since the day's local start."""
        query = "SELECT hour, visits FROM counts WHERE day = ? AND gate = ?"
        with self.reading() as tables:
            found = dict(tables.execute(query, [day, gate]).fetchall())
        return [found.get(hour, 0) for hour in range(MAX_BUCKET + 1)]

    def heard(self, scanners: Iterable[str]) -> dict[str, Sign]:
        """Those of these scanners that were ever heard and not left out since."""
        with self.reading() as tables:
            found = rows_in(tables, "SELECT scanner, at, waiting FROM heard WHERE scanner IN", scanners)
            return {scanner: Sign(at, waiting) for scanner, at, waiting in found}

    def pages(self) -> Iterator[set[str]]:
        """Every scanner that was heard, a thousand at a time; the file is free in between."""
        query, last = "SELECT scanner FROM heard WHERE scanner > ? ORDER BY scanner LIMIT ?", ""
        while True:
            with self.reading() as tables:
                page = [row[0] for row in tables.execute(query, [last, _PAGE])]
            if not page:
                return
            yield set(page)
            last = page[-1]

    def later(self, moment: float) -> list[str]:
        """Scanners whose sign of life is of a later moment (unix seconds)."""
        with self.reading() as tables:
            return [row[0] for row in tables.execute("SELECT scanner FROM heard WHERE at > ?", [moment])]

    def leave_out(self, scanners: Iterable[str]) -> None:
        """Whose signs of life are nobody's business any more."""
        if gone := [(scanner,) for scanner in scanners]:
            with self.writing() as tables:
                tables.conn.executemany("DELETE FROM heard WHERE scanner = ?", gone)
            self._tidy()

    def forget(self, oldest_day: int) -> None:
        """Removes the counts of earlier days."""
        with self.reading() as tables:
            if tables.execute("SELECT 1 FROM counts WHERE day < ?", [oldest_day]).fetchone() is None:
                return
        with self.writing() as tables:
            tables.execute("DELETE FROM counts WHERE day < ?", [oldest_day])
        self._tidy()

    def _tidy(self) -> None:
        """The log ahead of the file would tell what was added minute by minute: only the sums stay."""
        self.cut_log()


def _migrate(tables: sqlite_utils.Database) -> None:
    counts = {"day": int, "gate": bytes, "hour": int, "visits": int}
    tables.table("counts").create(
        counts, pk=("day", "gate", "hour"), not_null=set(counts), strict=True, if_not_exists=True
    )
    heard = {"scanner": str, "at": int, "waiting": int}
    tables.table("heard").create(heard, pk="scanner", not_null=set(heard), strict=True, if_not_exists=True)
    if "waiting" not in tables.table("heard").columns_dict:  # of a version that did not ask
        tables.table("heard").add_column("waiting", int, not_null_default=-1)
    tables.table("heard").create_index(["at"], if_not_exists=True)
