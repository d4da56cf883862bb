"""The SQLite file of one day: making it whole or not at all, opening it, removing it.

    day-20779.db, day-20779.db-wal, day-20779.db-shm      (days since 1970-01-01)

Tables: `rows` (the five columns of a `Row`) and `attachments` (name, value). A view `groups` shows an
administrator how many rows each group has in each bucket. `ordered=False` lays the rows out by key, without
row ids, so that after VACUUM nothing tells in which order they came.

The schema's version is SQLite's `user_version`, not a table of migrations with times: the time of a day's first
row is nobody's business. A day lives 28 days and keeps the schema it was made with.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import sqlite_utils

from checkin.errors import NotReady
from checkin.files.database import cut_log, limit_log
from checkin.files.durable import make_private, sync_folder
from checkin.protocol.primitives import random_bytes

SCHEMA_VERSION = 1
_NAME = re.compile(r"day-(0|[1-9][0-9]{0,8})\.db.*", re.DOTALL)
_COLUMNS: dict[str, Any] = {"key": bytes, "group": bytes, "bucket": int, "nonce": bytes, "sealed": bytes}
_GROUPS_VIEW = 'SELECT hex("group") AS "group", bucket, count(*) AS "rows" FROM "rows" GROUP BY "group", bucket'
# sqlite-utils makes every other table; it cannot write WITHOUT ROWID.
_BY_KEY = """CREATE TABLE "rows" ("key" BLOB PRIMARY KEY NOT NULL, "group" BLOB NOT NULL, "bucket" INTEGER NOT NULL,
    "nonce" BLOB NOT NULL, "sealed" BLOB NOT NULL) STRICT, WITHOUT ROWID"""


def path_of(folder: Path, day: int) -> Path:
    """Where the day lies; `ValueError` for a negative day."""
    if day < 0:
        raise ValueError("days are counted from 1970-01-01")
    return folder / f"day-{day}.db"


def days_in(folder: Path) -> list[int]:
    """The days of which any file is left, also an orphan of a removal that was cut off."""
    found = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted({int(match[1]) for match in found if match})


def create(path: Path, *, ordered: bool) -> None:
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
        database.table("rows").create(_COLUMNS, not_null=set(_COLUMNS), strict=True)
        database.table("rows").create_index(["key"], index_name="rows_key", unique=True)
    else:
        database.execute(_BY_KEY)
    database.table("rows").create_index(["group", "bucket"], index_name="rows_group")
    database.table("attachments").create(
        {"name": str, "value": bytes}, pk="name", not_null={"name", "value"}, strict=True
    )
    database.create_view("groups", _GROUPS_VIEW)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """A connection to a day that is there; it never makes one. Commits reach the disk before they return.

    `check_same_thread` is off because the store hands a connection to one thread at a time, not always the same.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )
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


def remove(path: Path) -> None:
    """Unlinks every file of the day, the main one first so that nobody opens a half; repeatable."""
    for file in sorted(path.parent.glob(f"{path.name}*")):
        file.unlink(missing_ok=True)
    sync_folder(path.parent)


def size(path: Path) -> int:
    """Bytes of all files of the day."""
    return sum(_size(file) for file in path.parent.glob(f"{path.name}*"))


def _size(file: Path) -> int:
    # Looked at, never opened: closing a descriptor of our own would drop SQLite's locks on the file (POSIX).
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def inode(path: Path) -> int:
    """Which file bears the name now, 0 for none. A removed file keeps its number as long as somebody has it open."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
