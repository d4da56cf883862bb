"""data/issuer.db: what the issuer keeps outside the ledger. Names and phones are sealed before they come here.

No column is finer than a day, and no table has row ids. In a page of the file rows still lie in the order in which they
came, so the file is written anew once a day (`settle`); after that nothing tells the order:

    subjects        number: every subject number that was ever given out, so that none is given twice
    identities      subject, token (SHA-256 of the wallet's token), key_day (which identity key sealed the row), phone
                    (a MAC), leaving (0, or 1 after the account was deleted), last_issued (a day), sealed, recovery
                    (a hash of the recovery code)
    attempts        id (SHA-256 of a registration_id), day, tries
    messages        phone (a MAC of the day), day, sent
    hosted          id, day, owner (a MAC of the day), sealed: one unused credential of a hosted wallet a row
    listed_keys     day, kid, public: the issuer's own list; the first key for a day is final
    authority_keys  day, public, commitment: the authority's list; the first key for a day is final
    endings         number: up to which line of the journal beside the key ring this file has seen

What is deleted is overwritten with zeros (`secure_delete`), and `scrub` cuts the write-ahead log, where older
versions of a page would stay.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlite_utils

from checkin.errors import NotReady
from checkin.files.database import committing, connect, cut_log, opening
from checkin.files.state_file import write_anew

R = TypeVar("R")
_TIMEOUT = 10.0  # seconds to wait for another worker's commit
# sqlite-utils makes tables with row ids, and these would tell the order of arrival.
_TABLES: Final = (
    "CREATE TABLE subjects (number INTEGER PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE identities (subject INTEGER PRIMARY KEY NOT NULL, token BLOB, key_day INTEGER NOT NULL,"
    " phone BLOB NOT NULL, leaving INTEGER NOT NULL, last_issued INTEGER, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE attempts (id BLOB PRIMARY KEY NOT NULL, day INTEGER NOT NULL, tries INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID",
    "CREATE TABLE messages (phone BLOB NOT NULL, day INTEGER NOT NULL, sent INTEGER NOT NULL,"
    " PRIMARY KEY (phone, day)) STRICT, WITHOUT ROWID",
    "CREATE TABLE hosted (id BLOB PRIMARY KEY NOT NULL, day INTEGER NOT NULL, owner BLOB NOT NULL,"
    " sealed BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE listed_keys (day INTEGER PRIMARY KEY NOT NULL, kid BLOB NOT NULL, public BLOB NOT NULL)"
    " STRICT, WITHOUT ROWID",
    "CREATE TABLE authority_keys (day INTEGER PRIMARY KEY NOT NULL, public BLOB NOT NULL, commitment TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID",
)


def _first(tables: sqlite_utils.Database) -> None:
    for statement in _TABLES:
        tables.execute(statement)
    tables.table("identities").create_index(["token"], unique=True)
    tables.table("identities").create_index(["phone"])
    tables.table("identities").create_index(["key_day"])
    tables.table("hosted").create_index(["day", "owner"])
    tables.table("listed_keys").create_index(["kid"], unique=True)


def _recovery(tables: sqlite_utils.Database) -> None:
    tables.execute("ALTER TABLE identities ADD COLUMN recovery BLOB")


def _endings(tables: sqlite_utils.Database) -> None:
    tables.execute("CREATE TABLE IF NOT EXISTS endings (number INTEGER PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID")


# SQLite's `user_version` counts how many of these a file has seen; a table of migrations would keep their times.
_MIGRATIONS: Final[tuple[Callable[[sqlite_utils.Database], None], ...]] = (_first, _recovery, _endings)


class IssuerDatabase:
    """Two connections a process, one that writes and one that reads, each used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Makes the file, or brings it up to date; several processes may do so at once. Raises `DatabaseUnusable`, or
        `NotReady` for a file of a newer version."""
        self._scrubbed = -1
        with opening(path), ExitStack() as stack:
            self._writer = stack.enter_context(closing(_Connection(path)))
            self._reader = stack.enter_context(closing(_Connection(path)))
            with committing(self._writer.raw):
                _migrate(sqlite_utils.Database(self._writer.raw))
            stack.pop_all()

    @contextmanager
    def reading(self) -> Iterator[sqlite_utils.Database]:
        """The tables as they are on the disk. Errors of the disk, or waiting too long, are `NotReady`."""
        with self._reader.held() as tables:
            yield tables

    @contextmanager
    def writing(self) -> Iterator[sqlite_utils.Database]:
        """One commit or nothing, on the disk when the block ends; no other process writes while it runs."""
        with self._writer.held() as tables, committing(self._writer.raw):
            yield tables

    def write(self, step: Callable[[sqlite_utils.Database], R]) -> R:
        """What `step` returns, once what it did is on the disk; as `writing`."""
        with self.writing() as tables:
            return step(tables)

    def scrub(self) -> None:
        """Moves the write-ahead log into the file and cuts it, so that it keeps no older version of a page.

        Nothing to do if this process has changed nothing since; put off while another one reads.
        """
        with self._writer.held() as tables:
            changes = tables.conn.total_changes
            if changes != self._scrubbed:
                self._scrubbed = changes if cut_log(self._writer.raw) else self._scrubbed

    def settle(self, today: int) -> None:
        """Writes the file anew, in the order of its keys, at the first call of a day (in any process).

        Others wait for it as for any commit.
        """
        with self._writer.held() as tables:
            if write_anew(tables, today):
                self._scrubbed = -1
                self.scrub()

    def close(self) -> None:
        """Gives back the file."""
        self._writer.close()
        self._reader.close()


class _Connection:
    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self.raw = connect(path, _TIMEOUT)
        self._tables = sqlite_utils.Database(self.raw)

    @contextmanager
    def held(self) -> Iterator[sqlite_utils.Database]:
        with self._lock:
            try:
                yield self._tables
            except sqlite3.OperationalError as error:
                raise NotReady("The issuer's database did not carry this out: look at its disk.") from error

    def close(self) -> None:
        with self._lock:
            self.raw.close()


def _migrate(tables: sqlite_utils.Database) -> None:
    (version,) = one_row(tables, "PRAGMA user_version") or (0,)
    if version > len(_MIGRATIONS):
        raise NotReady("The database was written by a newer version of this program: start that one.")
    for migrate in _MIGRATIONS[version:]:
        migrate(tables)
    tables.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def one_row(tables: sqlite_utils.Database, query: str, *values: Any) -> tuple[Any, ...] | None:
    """The first row of an answer, read to its end so that nothing stays locked; None if there is none."""
    rows: list[tuple[Any, ...]] = tables.execute(query, values).fetchall()
    return rows[0] if rows else None


def changed(tables: sqlite_utils.Database, statement: str, *values: Any) -> int:
    """How many rows a statement changed."""
    return int(tables.execute(statement, values).rowcount)
