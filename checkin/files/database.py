"""SQLite files of ours: one way to open them, an error that says which one does not open and what to do, and a look
into any of them that writes nothing.

Every commit is on the disk before it returns, and what is deleted is overwritten with zeros. All open in Datasette and
`sqlite-utils` as they are. Sources: https://sqlite.org/wal.html, https://sqlite.org/fileformat2.html §1.6,
https://sqlite.org/rescode.html, https://sqlite.org/pragma.html#pragma_synchronous and #pragma_secure_delete.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import sqlite_utils

from checkin.clock import STOPWATCH
from checkin.errors import DatabaseUnusable, NotReady
from checkin.files.durable import make_private, private_folder

LOG_BYTES: Final = 16 << 20
"""What is left of a write-ahead log that a reader made longer, once it is used anew."""
TIMEOUT: Final = 10.0  # seconds to wait for another process's commit
_CHECKPOINT_BYTES: Final = 4_096_000  # then the log goes into the file; SQLite counts in pages
_PATIENCE_MS: Final = 100  # waiting for readers to cut a log keeps writers waiting
_COPY_PATIENCE: Final = 60.0  # seconds for a lock that is held
NOT_DONE: Final = "The database did not carry this out: look at its disk, then try again."
_FULL: Final = "its disk is full: free space"
_READ_ONLY: Final = "it cannot be written: mount its volume writable, or give it to the user who runs this"
_ABSENT: Final = "it is not there, or not ours: mount its volume, or give it to the user who runs this"
_DAMAGED: Final = "it is damaged, or no database: put back the newest backup (docs/operating.md, Backups)"
_HELD: Final = "another program holds it: end that one"
_FAILING: Final = "its disk is full or fails: look at it"
_BY_SQLITE: Final = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _ABSENT,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
}
_BY_SYSTEM: Final = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.ENOENT: _ABSENT,
    errno.ENOTDIR: _ABSENT,
    errno.ELOOP: _ABSENT,
}
NOTES_PAGE: Final = 16384
"""For files of signed notes. SQLite cuts a row that does not fit into a page, perhaps within a hash; the rest of it
could read as a phone number to an audit. A list of 64 days of keys has 8 KiB and its signatures."""
DATABASES: Final = (".db", ".sqlite")
_LOOK_SECONDS: Final = 10.0
_OBJECTS: Final = "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger') ORDER BY name"


def connect(path: Path, page: int = 4096) -> sqlite3.Connection:
    """A connection, for one thread at a time; makes the file if need be, with pages of so many bytes."""
    make_private(path)
    connection = sqlite3.connect(path, timeout=TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {page}")
        _use_log(connection)
        for pragma in ("synchronous = FULL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_BYTES // page}")
        limit_log(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_log(connection: sqlite3.Connection) -> None:
    # Two processes that turn a new file to its log at once would wait for each other, so SQLite refuses one of them
    # without any patience (https://sqlite.org/c3ref/busy_handler.html).
    until = STOPWATCH.boot() + TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or STOPWATCH.boot() > until:
                raise
            time.sleep(_PATIENCE_MS / 1000)
        else:
            return


def limit_log(connection: sqlite3.Connection) -> None:
    """Whenever it uses the write-ahead log anew, it cuts its file to `LOG_BYTES`."""
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")


def cut_log(connection: sqlite3.Connection) -> bool:
    """Moves the write-ahead log into the file and cuts it to nothing, so that it keeps no older version of a page;
    False while another connection reads or writes: then it is to be tried again.

    What can be moved is moved first, which delays no writer; cutting takes SQLite's write lock and waits for
    readers, so it waits only a moment (https://sqlite.org/c3ref/wal_checkpoint_v2.html).
    """
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
    try:
        (busy, length, moved) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if busy or moved < length:
            return False
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")


def cut_log_of(path: Path) -> bool:
    """As `cut_log`, of a database that this process may have open elsewhere; False, too, for one that was removed."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)) as found:
            return cut_log(found)
    except sqlite3.Error:
        return False


def copy_database(source: Path, target: Path) -> None:
    """One moment of a database that others may write meanwhile, with nothing left in a write-ahead log. `target` is an
    empty file. It reads all in one transaction, so that a busy writer does not make it begin again and again
    (https://sqlite.org/backup.html)."""
    old = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=_COPY_PATIENCE)
    with closing(old), closing(sqlite3.connect(target)) as new:
        old.backup(new, pages=-1)


@contextmanager
def committing(connection: sqlite3.Connection) -> Iterator[None]:
    """One commit or nothing, on the disk when the block ends without an error; no other connection writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        yield


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """What the disk or SQLite raises inside is `DatabaseUnusable`, which names the file."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # without what it says more exactly
        why = _BY_SQLITE.get(code, _FAILING)
    except OSError as error:
        why = _BY_SYSTEM.get(error.errno or 0, _FAILING)
    else:
        return
    raise DatabaseUnusable(f"The database {path} does not open: {why}, then start again.")


class StateFile:
    """State that must not be forgotten: one connection, used by one thread at a time; other processes may have the file
    open too. One commit or nothing, on the disk before it returns."""

    def __init__(self, path: Path, migrate: Callable[[sqlite_utils.Database], None], page: int = 4096) -> None:
        """Makes the file if need be, with pages of so many bytes; `migrate` makes what is missing in it. Raises
        `DatabaseUnusable`."""
        self._lock = threading.RLock()
        with opening(path):
            private_folder(path.parent)
            self._connection = connect(path, page)
            self._tables = sqlite_utils.Database(self._connection)
            try:
                with committing(self._connection):
                    migrate(self._tables)
            except BaseException:
                self._connection.close()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite_utils.Database]:
        """The tables, for this thread alone. Errors of the disk, or waiting too long, are `NotReady`."""
        with self._lock:
            try:
                yield self._tables
            except sqlite3.OperationalError as error:
                raise NotReady(NOT_DONE) from error

    def rows(self, query: str, *values: str | bytes | int) -> list[Any]:
        """The answer to one query; raises as `reading`."""
        with self.reading() as tables:
            return tables.execute(query, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite_utils.Database]:
        """As `reading`, as one commit or nothing; durable when the block ends without an error."""
        with self.reading() as tables, committing(self._connection):
            yield tables

    def settle(self, day: int) -> None:
        """Writes the file anew, in the order of its keys, at the first call of a day (in any process): rows lie in a
        page in the order in which they came, and older versions of it in the write-ahead log."""
        with self.reading() as tables:
            # SQLite's `application_id` is the day on which it was done last.
            if tables.execute("PRAGMA application_id").fetchone() == (day,):
                return
            tables.execute("VACUUM")
            tables.execute(f"PRAGMA application_id = {day}")
            if not cut_log(self._connection):  # once more in the next round
                tables.execute("PRAGMA application_id = 0")

    def tidy(self) -> None:
        """Removes what was overwritten or deleted from the write-ahead log, too, unless a reader is active."""
        with self.reading():
            cut_log(self._connection)

    def close(self) -> None:
        """Gives back the file."""
        with self._lock:
            self._connection.close()


def shape_of(path: Path) -> dict[str, tuple[str, ...]]:
    """Columns of each table and view by its name, hidden and generated ones too; none of a trigger, which the name
    `trigger NAME` shows. Raises `NotReady` for a file that cannot be read as a database."""
    try:
        with closing(_open(path)) as connection:
            return {
                name if kind != "trigger" else f"trigger {name}": _columns(connection, name)
                for kind, name in connection.execute(_OBJECTS)
            }
    except sqlite3.Error:
        raise NotReady(f"The file {path.name} cannot be read as a database.") from None


def values_of(path: Path, table: str, limit: int) -> Iterator[tuple[str | bytes | int | float | None, ...]]:
    """Up to `limit` rows of a table, each as its columns stand in `shape_of`; raises `NotReady`."""
    try:
        with closing(_open(path)) as connection:
            columns = ", ".join(_quoted(name) for name in _columns(connection, table))
            query = f"SELECT {columns} FROM {_quoted(table)} LIMIT ?"  # noqa: S608 - names that the schema gave
            yield from connection.execute(query, [limit])
    except sqlite3.Error:
        raise NotReady(f"The table {table} of {path.name} cannot be read.") from None


def _open(path: Path) -> sqlite3.Connection:
    # By SQLite itself, also where this process has the file open: closing a descriptor of our own would drop its locks
    # (https://sqlite.org/howtocorrupt.html §2.2).
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_LOOK_SECONDS)


def _columns(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    return tuple(row[1] for row in connection.execute(f"PRAGMA table_xinfo({_quoted(table)})"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
