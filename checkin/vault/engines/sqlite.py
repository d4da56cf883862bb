"""Day store on SQLite: a file a day, write-ahead log, every commit on the disk before it is acknowledged.

Thread-safe: a call borrows a connection for its length; idle ones are kept, a bounded number over all days.
Several processes may use one folder; SQLite's locks and the unique key hold between them. Make the store after
forking, never before (SQLite's rule).

    day-20779.db, day-20779.db-wal, day-20779.db-shm      (days since 1970-01-01)

Tables: `rows` (the five columns of a `Row`) and `attachments` (name, value). A view `groups` shows an administrator how
many rows each group has in each bucket. The schema's version is SQLite's `user_version`, not a table of migrations with
times: the time of a day's first row must not be stored. A day lives 28 days and keeps the schema it was made with.

Sources: https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous, and howtocorrupt.html §2.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlite_utils

from checkin.errors import CheckinError, DayClosed, NotReady
from checkin.files.database import cut_log, limit_log, opening
from checkin.files.durable import make_private, private_folder, sync_folder
from checkin.protocol.primitives import random_bytes
from checkin.vault.engines import LAST_KEY, MAX_BUCKET, EngineFinding, Measure, Row

_COLUMNS = '"key", "group", bucket, nonce, sealed'
_FROM_ROWS = f'SELECT {_COLUMNS} FROM "rows"'  # noqa: S608 — a constant, no input in it
_BETWEEN = 'WHERE "key" BETWEEN ? AND ?'
# No target beside ON CONFLICT: what is unique is the schema's decision, and a test takes it away.
_INSERT = f'INSERT INTO "rows" ({_COLUMNS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'  # noqa: S608 — as above
_STANDING = 'SELECT 1 FROM "rows" WHERE "key" = ? AND nonce = ?'
_ATTACH = "INSERT INTO attachments (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
_FROZEN = "frozen"  # the attachment that stops inserts
_KEYS_A_QUERY = 500
SCHEMA_VERSION = 1
_NAME = re.compile(r"day-(0|[1-9][0-9]{0,8})\.db.*", re.DOTALL)
_TYPES: dict[str, Any] = {"key": bytes, "group": bytes, "bucket": int, "nonce": bytes, "sealed": bytes}
_GROUPS_VIEW = 'SELECT hex("group") AS "group", bucket, count(*) AS "rows" FROM "rows" GROUP BY "group", bucket'
# sqlite-utils makes every other table; it cannot write WITHOUT ROWID.
_BY_KEY = """CREATE TABLE "rows" ("key" BLOB PRIMARY KEY NOT NULL, "group" BLOB NOT NULL, "bucket" INTEGER NOT NULL,
    "nonce" BLOB NOT NULL, "sealed" BLOB NOT NULL) STRICT, WITHOUT ROWID"""


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

    def __init__(
        self, folder: Path, *, ordered: bool, idle: int = 16, timeout: float = 10.0, read_only: bool = False
    ) -> None:
        """`folder` is made if need be; at most `idle` connections wait; `timeout` seconds for another's lock;
        `read_only`: what is written raises `NotReady`.

        Raises `DatabaseUnusable`."""
        with opening(folder):
            private_folder(folder)
            self._turn = Turn(folder)
        self._folder = folder
        self._ordered = ordered
        self.settles = not ordered
        self._limit = idle
        self._timeout = timeout
        self._read_only = read_only
        self._idle: list[_Lent] = []
        self._lock = threading.Lock()

    # --- rows -------------------------------------------------------------------------------------------------

    def insert(self, day: int, rows: Sequence[Row]) -> list[bool]:
        """One commit; see `DayStore.insert`. No rows at all still make the day's file."""
        with self._borrow(day, create=True) as connection, self._turn.taken(), connection:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("SELECT 1 FROM attachments WHERE name = ?", (_FROZEN,)).fetchone():
                raise DayClosed
            # Keys are random: in their order each page of their index is touched once, and not once for each row in it.
            order = sorted(range(len(rows)), key=lambda place: rows[place].key)
            added = {place: _added(connection, rows[place]) for place in order}
            return [added[place] for place in range(len(rows))]

    def get(self, day: int, keys: Sequence[bytes]) -> dict[bytes, Row]:
        found: dict[bytes, Row] = {}
        for start in range(0, len(keys), _KEYS_A_QUERY):
            some = keys[start : start + _KEYS_A_QUERY]
            marks = ",".join("?" * len(some))
            for values in self._read(day, f'{_FROM_ROWS} WHERE "key" IN ({marks})', *some):
                found[values[0]] = Row(*values)
        return found

    def group(self, day: int, group: bytes, first: int = 0, last: int = MAX_BUCKET) -> list[Row]:
        where = f'WHERE "group" = ? AND bucket IN ({_listed(first, last)}) ORDER BY bucket, "key"'
        return [Row(*values) for values in self._read(day, f"{_FROM_ROWS} {where}", group)]

    def rows(self, day: int, first: bytes = b"", last: bytes = LAST_KEY) -> Iterator[Row]:
        try:
            with self._borrow(day) as connection:
                for values in connection.execute(f'{_FROM_ROWS} {_BETWEEN} ORDER BY "key"', (first, last)):
                    yield Row(*values)
        except _NoDay:
            return

    def count(self, day: int, first: bytes, last: bytes) -> int:
        counted = self._read(day, f'SELECT count(*) FROM "rows" {_BETWEEN}', first, last)  # noqa: S608 — as above
        return int(counted[0][0]) if counted else 0

    def counts(self, day: int, group: bytes) -> dict[int, int]:
        where = f'WHERE "group" = ? AND bucket IN ({_listed(0, MAX_BUCKET)}) GROUP BY bucket'
        return dict(self._read(day, f'SELECT bucket, count(*) FROM "rows" {where}', group))  # noqa: S608 - numbers

    def measure(self, day: int) -> Measure:
        counted = self._read(day, 'SELECT count(*) FROM "rows"')
        return Measure(counted[0][0] if counted else 0, sum(map(_size, self._files(day))))

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
        return days_in(self._folder)

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
        for file in sorted(self._files(day)):  # the main one first, so that no process opens a half
            file.unlink(missing_ok=True)
        sync_folder(self._folder)
        self._forget_removed()

    def findings(self) -> Iterator[EngineFinding]:
        """None: how it is set up is this file's own doing."""
        return iter(())

    def reader(self) -> Callable[[], SqliteStore]:
        return partial(SqliteStore, self._folder, ordered=self._ordered, timeout=self._timeout, read_only=True)

    def close(self) -> None:
        with self._lock:
            self._limit = 0
            idle, self._idle = self._idle, []
        for lent in idle:
            lent.connection.close()
        self._turn.close()

    # --- connections ------------------------------------------------------------------------------------------

    def _files(self, day: int) -> Iterator[Path]:
        return self._folder.glob(f"{path_of(self._folder, day).name}*")

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
            # SQLite's state after an error is unknown, so this connection is not used again.
            lent.connection.close()
            raise NotReady("The day's store did not carry this out: look at its disk, then try again.") from error
        except BaseException:
            lent.connection.close()
            raise
        self._give_back(lent)

    def _take(self, day: int, *, create: bool) -> _Lent:
        path = path_of(self._folder, day)
        if not path.exists():
            if not create:
                raise _NoDay
            try:
                create_day(path, ordered=self._ordered)
            except (OSError, sqlite3.Error) as error:
                raise NotReady("The day's file could not be made: look at the disk, then try again.") from error
        with self._lock:
            mine = next((lent for lent in reversed(self._idle) if lent.day == day), None)
            if mine:
                self._idle.remove(mine)
        if mine and mine.inode == inode_of(path):
            return mine
        if mine:  # the file was removed, perhaps by another process: what is written to it would be lost
            mine.connection.close()
        return self._open(day, path)

    def _open(self, day: int, path: Path) -> _Lent:
        inode = inode_of(path)
        try:
            return _Lent(day, inode, connect_day(path, self._timeout, read_only=self._read_only))
        except sqlite3.Error as error:
            if not path.exists():
                raise _NoDay from None
            held = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY  # then it does not lie still
            if not held and (still := connect_still(path)):
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
            gone = [lent for lent in self._idle if lent.inode != inode_of(path_of(self._folder, lent.day))]
            self._idle = [lent for lent in self._idle if lent not in gone]
        for old in gone:
            old.connection.close()


def _added(connection: sqlite3.Connection, row: Row) -> bool:
    """Whether the row is there now."""
    values = (row.key, row.group, row.bucket, row.nonce, row.sealed)
    if connection.execute(_INSERT, values).rowcount == 1:
        return True
    return connection.execute(_STANDING, (row.key, row.nonce)).fetchone() is not None


def _listed(first: int, last: int) -> str:
    return ", ".join(map(str, range(first, last + 1)))


def path_of(folder: Path, day: int) -> Path:
    """Where the day lies; `ValueError` for a negative day."""
    if day < 0:
        raise ValueError("days are counted from 1970-01-01")
    return folder / f"day-{day}.db"


def days_in(folder: Path) -> list[int]:
    """The days of which any file is left, also an orphan of a removal that was cut off."""
    found = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted({int(match[1]) for match in found if match})


def create_day(path: Path, *, ordered: bool) -> None:
    """Makes the file unless it is there. Under another name first, then linked, so that no process ever sees a
    day without its schema and two that make it at once share the first."""
    draft = path.with_name(f"{path.name}.{random_bytes(8).hex()}.new")
    make_private(draft)
    try:
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            _make_schema(connection, ordered=ordered)
            # Closing does the same, but says nothing when the disk refuses: a file without a schema would get the name.
            if not cut_log(connection):
                raise NotReady("The day's file could not be made: look at the disk, then try again.")
        finally:
            connection.close()
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        for left in path.parent.glob(f"{draft.name}*"):
            left.unlink(missing_ok=True)
    sync_folder(path.parent)


def _make_schema(connection: sqlite3.Connection, *, ordered: bool) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_mode = WAL")
    database = sqlite_utils.Database(connection)
    if ordered:
        database.table("rows").create(_TYPES, not_null=set(_TYPES), strict=True)
        database.table("rows").create_index(["key"], index_name="rows_key", unique=True)
    else:
        database.execute(_BY_KEY)
    # Buckets first, so that what comes in one hour touches few pages: groups are random. Days of earlier versions have
    # it the other way round, and queries name each bucket, which is quick on both.
    database.table("rows").create_index(["bucket", "group"], index_name="rows_group")
    database.table("attachments").create(
        {"name": str, "value": bytes}, pk="name", not_null={"name", "value"}, strict=True
    )
    database.create_view("groups", _GROUPS_VIEW)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def connect_day(path: Path, timeout: float, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection to a day that is there; it never makes one. Commits reach the disk before they return.

    `check_same_thread` is off because the store hands a connection to one thread at a time, not always the same.
    """
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        limit_log(connection)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except BaseException:
        connection.close()
        raise
    if version != SCHEMA_VERSION:
        connection.close()
        raise NotReady("The day was written by another version of this program: start that one.")
    return connection


def connect_still(path: Path) -> sqlite3.Connection | None:
    """A connection that reads a day which no process has open, on a disk that takes not even SQLite's shared memory:
    full or read-only. None where the log ahead of the file holds anything."""
    if _size(path.with_name(f"{path.name}-wal")):
        return None
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def _size(file: Path) -> int:
    # Looked at, never opened: closing a descriptor of our own would drop SQLite's locks on the file (POSIX).
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def inode_of(path: Path) -> int:
    """The inode number of the file, 0 for none. A removed file keeps its number as long as a process has it open."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


class Turn:
    """Writers of a folder take turns, in the order in which they came: flock(2) on the folder itself between processes,
    and a lock between the threads of this one.

    SQLite's own lock keeps them apart already, but a writer that finds it taken sleeps and looks again, longer each
    time: of two busy processes one waited up to 1.5 s (measured). Here the kernel wakes the next one. It is about
    waiting only: nothing breaks where a writer goes past it, and the kernel releases the turn of one that died.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._threads = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Waits for its turn and has it while the block runs. Raises `NotReady` after `close`."""
        with self._threads:
            if self._descriptor < 0:
                raise NotReady("The service is stopping: try again in a moment.")
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Closes after the turn that is taken; repeatable."""
        with self._threads:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._descriptor = -1  # the number may soon be another file's
