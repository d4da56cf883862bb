"""SQLite files of ours: one way to open them, and an error that says which one does not open, and what to do.

Every commit is on the disk before it returns, and what is deleted is overwritten with zeros. Sources:
https://sqlite.org/wal.html, https://sqlite.org/rescode.html, https://sqlite.org/pragma.html#pragma_synchronous and
#pragma_secure_delete.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from checkin.errors import DatabaseUnusable
from checkin.files.durable import make_private

_CHECKPOINT_BYTES: Final = 4_096_000  # then the log goes into the file; SQLite counts in pages
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


def connect(path: Path, timeout: float, page: int = 4096) -> sqlite3.Connection:
    """A connection, for one thread at a time; makes the file if need be, with pages of so many bytes. `timeout` seconds
    for another's lock."""
    make_private(path)
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (f"page_size = {page}", "journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_BYTES // page}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def committing(connection: sqlite3.Connection) -> Iterator[None]:
    """One commit or nothing, on the disk when the block ends without an error; no other connection writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


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
