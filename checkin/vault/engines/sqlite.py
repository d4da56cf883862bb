"""Day store on SQLite: a file a day, write-ahead log, every commit on the disk before it is acknowledged.

Thread-safe: a call borrows a connection for its length; idle ones are kept, a bounded number over all days.
Several processes may use one folder; SQLite's locks and the unique key hold between them. Make the store after
forking, never before (SQLite's rule).

Sources: https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous, and howtocorrupt.html §2.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkin.errors import CheckinError, DayClosed, NotReady
from checkin.files.database import cut_log, opening
from checkin.files.durable import private_folder
from checkin.vault.engines import MAX_BUCKET, EngineFinding, Measure, Row
from checkin.vault.engines import day_file as dayfile
from checkin.vault.engines.turn import Turn

_COLUMNS = '"key", "group", bucket, nonce, sealed'
_FROM_ROWS = f'SELECT {_COLUMNS} FROM "rows"'  # noqa: S608 — a constant, no input in it
# No target beside ON CONFLICT: what is unique is the schema's decision, and a test takes it away.
_INSERT = f'INSERT INTO "rows" ({_COLUMNS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'  # noqa: S608 — as above
_STANDING = 'SELECT 1 FROM "rows" WHERE "key" = ? AND nonce = ?'
_ATTACH = "INSERT INTO attachments (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
_FROZEN = "frozen"  # the attachment that stops inserts
_KEYS_A_QUERY = 500


@dataclass(frozen=True, slots=True)
class _Lent:
    day: int
    inode: int
    connection: sqlite3.Connection
    still: bool = False
    """Whether it sees the file as it was when it was opened, and is for one call only."""


class _NoDay(NotReady):
    """There is no file of the day; a caller sees it only if the day is dropped while it is being written."""


class SqliteStore:
    """A `DayStore`. `ordered=True`: rows lie in order of arrival (visits, fast at any size). `ordered=False`: rows
    lie by key, and `settle` erases what order is left in the pages (the ledger)."""

    def __init__(self, folder: Path, *, ordered: bool, idle: int = 16, timeout: float = 10.0) -> None:
        """`folder` is made if need be; at most `idle` connections wait; `timeout` seconds for another's lock.

        Raises `DatabaseUnusable`."""
        with opening(folder):
            private_folder(folder)
            self._turn = Turn(folder)
        self._folder = folder
        self._ordered = ordered
        self.settles = not ordered
        self._limit = idle
        self._timeout = timeout
        self._idle: list[_Lent] = []
        self._lock = threading.Lock()

    # --- rows -------------------------------------------------------------------------------------------------

    def insert(self, day: int, rows: Sequence[Row]) -> list[bool]:
        """One commit; see `DayStore.insert`. No rows at all still make the day's file."""
        with self._borrow(day, create=True) as connection, self._turn.taken(), connection:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("SELECT 1 FROM attachments WHERE name = ?", (_FROZEN,)).fetchone():
                raise DayClosed
            insert = connection.execute
            return [
                insert(_INSERT, (row.key, row.group, row.bucket, row.nonce, row.sealed)).rowcount == 1
                or insert(_STANDING, (row.key, row.nonce)).fetchone() is not None
                for row in rows
            ]

    def get(self, day: int, keys: Sequence[bytes]) -> dict[bytes, Row]:
        found: dict[bytes, Row] = {}
        for start in range(0, len(keys), _KEYS_A_QUERY):
            some = keys[start : start + _KEYS_A_QUERY]
            marks = ",".join("?" * len(some))
            for values in self._read(day, f'{_FROM_ROWS} WHERE "key" IN ({marks})', *some):
                found[values[0]] = Row(*values)
        return found

    def group(self, day: int, group: bytes, first: int = 0, last: int = MAX_BUCKET) -> list[Row]:
        where = 'WHERE "group" = ? AND bucket BETWEEN ? AND ? ORDER BY bucket, "key"'
        return [Row(*values) for values in self._read(day, f"{_FROM_ROWS} {where}", group, first, last)]

    def rows(self, day: int) -> Iterator[Row]:
        try:
            with self._borrow(day) as connection:
                for values in connection.execute(f'{_FROM_ROWS} ORDER BY "key"'):
                    yield Row(*values)
        except _NoDay:
            return

    def counts(self, day: int, group: bytes) -> dict[int, int]:
        query = 'SELECT bucket, count(*) FROM "rows" WHERE "group" = ? GROUP BY bucket'
        return dict(self._read(day, query, group))

    def measure(self, day: int) -> Measure:
        counted = self._read(day, 'SELECT count(*) FROM "rows"')
        return Measure(rows=counted[0][0] if counted else 0, bytes=dayfile.size(self._path(day)))

    # --- what lies with a day -----------------------------------------------------------------------------------

    def attach(self, day: int, name: str, value: bytes) -> bytes:
        with self._borrow(day, create=True) as connection, self._turn.taken(), connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_ATTACH, (name, value))
            (standing,) = connection.execute("SELECT value FROM attachments WHERE name = ?", (name,)).fetchone()
        return bytes(standing)

    def attachment(self, day: int, name: str) -> bytes | None:
        found = self._read(day, "SELECT value FROM attachments WHERE name = ?", name)
        return found[0][0] if found else None

    def freeze(self, day: int) -> None:
        self.attach(day, _FROZEN, b"")

    # --- days ---------------------------------------------------------------------------------------------------

    def days(self) -> list[int]:
        self._forget_removed()
        return dayfile.days_in(self._folder)

    def settle(self, day: int, mark: str = "") -> None:
        """VACUUM, then the log moved into the file and cut to nothing. Raises `NotReady` while the day is read or
        written elsewhere. SQLite's temporary copy lies in its own temporary folder,
        sealed as the rows are, and already in the new order."""
        with suppress(_NoDay), self._borrow(day) as connection:
            connection.execute("VACUUM")
            if not cut_log(connection):
                raise NotReady("The day is being read: settle it again later.")
            if mark:
                with self._turn.taken(), connection:
                    connection.execute(_ATTACH, (mark, b""))

    def drop(self, day: int) -> None:
        dayfile.remove(self._path(day))
        self._forget_removed()

    def findings(self) -> Iterator[EngineFinding]:
        """None: how it is set up is this file's own doing."""
        return iter(())

    def close(self) -> None:
        with self._lock:
            self._limit = 0
            idle, self._idle = self._idle, []
        for lent in idle:
            lent.connection.close()
        self._turn.close()

    # --- connections ------------------------------------------------------------------------------------------

    def _path(self, day: int) -> Path:
        return dayfile.path_of(self._folder, day)

    def _read(self, day: int, query: str, *values: Any) -> list[Any]:
        try:
            with self._borrow(day) as connection:
                return connection.execute(query, values).fetchall()
        except _NoDay:
            return []

    @contextmanager
    def _borrow(self, day: int, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection for one call; raises `_NoDay` if there is no file and none is to be made."""
        lent = self._take(day, create=create)
        try:
            yield lent.connection
        except CheckinError:
            self._give_back(lent)
            raise
        except sqlite3.Error as error:
            # What state SQLite is in after an error is anybody's guess, so this connection serves no one again.
            lent.connection.close()
            raise NotReady("The day's store did not carry this out: look at its disk, then try again.") from error
        except BaseException:
            lent.connection.close()
            raise
        self._give_back(lent)

    def _take(self, day: int, *, create: bool) -> _Lent:
        path = self._path(day)
        if not path.exists():
            if not create:
                raise _NoDay
            self._create(path)
        with self._lock:
            mine = next((lent for lent in reversed(self._idle) if lent.day == day), None)
            if mine:
                self._idle.remove(mine)
        if mine and mine.inode == dayfile.inode(path):
            return mine
        if mine:  # the file was removed, perhaps by another process: what is written to it would be lost
            mine.connection.close()
        return self._open(day, path)

    def _create(self, path: Path) -> None:
        try:
            dayfile.create(path, ordered=self._ordered)
        except (OSError, sqlite3.Error) as error:
            raise NotReady("The day's file could not be made: look at the disk, then try again.") from error

    def _open(self, day: int, path: Path) -> _Lent:
        inode = dayfile.inode(path)
        try:
            return _Lent(day, inode, dayfile.connect(path, self._timeout))
        except sqlite3.Error as error:
            if not path.exists():
                raise _NoDay from None
            if still := dayfile.connect_still(path):
                return _Lent(day, inode, still, still=True)
            raise NotReady("The day's store does not open: look at its disk, then try again.") from error

    def _give_back(self, lent: _Lent) -> None:
        if lent.still:
            lent.connection.close()
            return
        with self._lock:
            self._idle.append(lent)
            surplus = self._idle[: max(0, len(self._idle) - self._limit)]
            del self._idle[: len(surplus)]
        for old in surplus:
            old.connection.close()

    def _forget_removed(self) -> None:
        """Closes what is idle on files that were removed, here or by another process: until then the file system
        keeps their bytes."""
        with self._lock:
            gone = [lent for lent in self._idle if lent.inode != dayfile.inode(self._path(lent.day))]
            self._idle = [lent for lent in self._idle if lent not in gone]
        for old in gone:
            old.connection.close()
