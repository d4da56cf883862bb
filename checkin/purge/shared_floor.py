"""The oldest day that is still held, for all machines over one engine: a table `oldest_day` of one row.

A clock that was set back, on a machine whose own memory of the time is lost, would make keys and tables anew for days
that the others have destroyed. So whoever purges writes down the oldest day it leaves, and reads what others wrote.
Not with a clock that is set ahead, which would destroy everybody's days: the server's must agree within an hour.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from checkin.errors import ClockUntrusted
from checkin.files.tables import Commit, Tables, TableSet
from checkin.purge.clock_guard import ClockGuard

FLOOR: Final = TableSet(
    "floor",
    (
        """
CREATE TABLE IF NOT EXISTS oldest_day (
    one bigint NOT NULL PRIMARY KEY,
    day bigint NOT NULL
);
INSERT INTO oldest_day (one, day) VALUES (1, 0) ON CONFLICT DO NOTHING""",
    ),
)
_RAISE: Final = "UPDATE oldest_day SET day = :day WHERE day < :day"
_READ: Final = "SELECT day, CAST(extract(epoch FROM clock_timestamp()) AS bigint) FROM oldest_day"


class SharedFloor:
    """Raises a process's floor to the one of all."""

    def __init__(self, tables: Tables, guard: ClockGuard) -> None:
        """Reads it, so that it holds before anything is served. Raises `NotReady`."""
        self._tables = tables
        self._guard = guard
        with suppress(ClockUntrusted):  # which /readyz tells
            self._hear(*tables.read(_READ)[0])

    def keep(self, oldest: int) -> None:
        """Goes before whatever the purge destroys beside keys. Raises `ClockUntrusted`: then nothing may be."""
        self._hear(*self._tables.read(_READ)[0])

        def step(commit: Commit) -> int:
            commit.execute(_RAISE, {"day": oldest})
            return int(commit.execute(_READ)[0][0])

        self._guard.raise_floor(self._tables.write(step))

    def _hear(self, day: int, now: int) -> None:
        self._guard.raise_floor(day)
        self._guard.hold_against(now)
