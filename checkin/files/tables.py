"""Small state of a service in a few tables: one set of statements, carried out by SQLite or by PostgreSQL.

Statements have parameters as `:name` and stay in what both engines take; tests hold each of them against the parsers of
both. A `TableSet` is what one file of SQLite holds: its tables are made, and brought up to date, by numbered migrations
in PostgreSQL's words, of which an engine counts how many it has seen. A process that keeps something in memory calls
`look` for whether it has changed: a table `changes` has a number by name, which the commit that changes it counts on.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import sqlite_utils

from checkin.errors import NotReady
from checkin.files.database import NOT_DONE, StateFile, connect, opening

Value = str | bytes | int | float | None
Values = Mapping[str, Value]
Found = list[tuple[Any, ...]]
R = TypeVar("R")

NOTHING: Final[Values] = {}
CHANGES: Final = """CREATE TABLE IF NOT EXISTS changes (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    number bigint NOT NULL
)"""
LOOK: Final = "SELECT name, number FROM changes"
COUNT_ON: Final = "UPDATE changes SET number = changes.number + 1 WHERE name = :name"
NEWER: Final = "The database was written by a newer version of this program: start that one."
_KEYS: Final = 500  # in one statement
_TYPES: Final = {"bigint": "INTEGER", "bytea": "BLOB"}
_WORDS: Final = re.compile(r'\b(bigint|bytea)\b| COLLATE "C"')
_MADE: Final = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)")
_ADDED: Final = re.compile(r"ALTER TABLE (\w+) ADD COLUMN IF NOT EXISTS (\w+)")


class TableSet(NamedTuple):
    """Tables that belong together. `name` is the file's without its ending; a migration has several statements, with
    semicolons between them; `changes`: the names that `look` knows; `unordered`: rows must not show in which order they
    came, which takes a `settle` each day. Row ids would show it: SQLite's tables are made without them."""

    name: str
    migrations: tuple[str, ...]
    changes: tuple[str, ...] = ()
    unordered: bool = False

    def statements(self, seen: int) -> Iterator[str]:
        """All migrations but the first `seen`."""
        if self.changes and not seen:
            yield CHANGES
        for migration in self.migrations[seen:]:
            yield from (statement.strip() for statement in migration.split(";") if statement.strip())
        for name in self.changes:
            yield f"INSERT INTO changes (name, number) VALUES ('{name}', 0) ON CONFLICT DO NOTHING"  # noqa: S608

    def tables(self) -> list[str]:
        """The names of those that the migrations make."""
        return [made[1] for statement in self.statements(0) if (made := _MADE.match(statement))]


class CommitUnknown(NotReady):
    """Whether the commit was carried out is unknown: the server went away, or did not answer in time."""


class Commit(Protocol):
    """Statements that are carried out together or not at all."""

    def execute(self, query: str, values: Values = NOTHING) -> Found:
        """The rows of the answer."""

    def change(self, statement: str, values: Values = NOTHING) -> int:
        """How many rows the statement changed."""

    def many(self, statement: str, rows: Iterable[Values]) -> None:
        """The same statement for each of these. Sorted by key, so that no two commits wait for each other in a
        circle."""

    def changed(self, name: str) -> None:
        """Counts the change: processes that keep this in memory read it anew."""

    def alone(self) -> None:
        """Until this commit ends, no other of the part that calls this goes on."""


class Tables(Protocol):
    """A part's tables. Any thread; several processes may have them open. What the disk or the server does not carry out
    in time is `NotReady`."""

    def read(self, query: str, values: Values = NOTHING) -> Found:
        """The rows of one statement's answer."""

    def write(self, step: Callable[[Commit], R]) -> R:
        """What `step` returns, once all of it is as durable as it gets. It may be called again after what it did was
        undone; what it raises undoes all. Raises `CommitUnknown`."""

    def look(self) -> Mapping[str, int]:
        """A number for each of the part's `changes`, another one once it was changed. Never waits."""

    @property
    def seen(self) -> Mapping[str, int]:
        """What the last look saw."""

    def poll(self) -> None:
        """A task, once a second, after which `look` knows of what others have changed, where that is not known without
        asking a server."""

    def tidy(self) -> None:
        """What was deleted or overwritten leaves the write-ahead log, too, where the engine can do that."""

    def settle(self, day: int) -> None:
        """Erases the order in which rows came, at the first call of a day in any process; others wait for it."""

    def close(self) -> None:
        """Gives back connections. Repeatable."""


def read_in(tables: Tables, query: str, keys: Iterable[Value]) -> Found:
    """The rows of `query`, which ends in `… column IN`, for these keys alone, however many rows the table has."""
    found: Found = []
    left = iter(keys)
    while some := {f"key{number}": key for number, key in enumerate(islice(left, _KEYS))}:
        found += tables.read(f"{query} ({', '.join(f':{name}' for name in some)})", some)
    return found


class SqliteTables(StateFile):
    """`Tables` in a file of their own. What any process has committed is seen by the next look."""

    def __init__(self, folder: Path, part: TableSet) -> None:
        """Makes the file in the folder if need be, or brings it up to date. Raises `DatabaseUnusable`, and `NotReady`
        for a file of a newer version."""
        path = folder / f"{part.name}.db"
        super().__init__(path, lambda tables: _migrate(tables, part))
        self._reader = StateFile(path, lambda _: None)  # waits for no commit of this process
        self.seen: Mapping[str, int] = {}
        self._watching = threading.Lock()
        self._watch: sqlite3.Connection | None = None
        if part.changes:  # a connection of its own, which waits for no read either
            with opening(path):
                self._watch = connect(path)

    def read(self, query: str, values: Values = NOTHING) -> Found:
        with self._reader.reading() as tables:
            return tables.conn.execute(query, values).fetchall()

    def write(self, step: Callable[[Commit], R]) -> R:
        with self.writing() as tables:
            return step(_SqliteCommit(tables.conn))

    def look(self) -> Mapping[str, int]:
        """Takes 9 µs (measured), so each check-in calls it, and a revoked scanner is out at its next one."""
        if self._watch is None:
            return {}
        try:
            with self._watching:
                self.seen = dict(self._watch.execute(LOOK).fetchall())
                return self.seen
        except sqlite3.OperationalError as error:
            raise NotReady(NOT_DONE) from error

    def poll(self) -> None:
        """Nothing: a look sees all."""

    def close(self) -> None:
        super().close()
        self._reader.close()
        if self._watch is not None:
            with self._watching:
                self._watch.close()


class _SqliteCommit:
    """A `Commit` that keeps all other writers off."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, query: str, values: Values = NOTHING) -> Found:
        return self._connection.execute(query, values).fetchall()

    def change(self, statement: str, values: Values = NOTHING) -> int:
        return self._connection.execute(statement, values).rowcount

    def many(self, statement: str, rows: Iterable[Values]) -> None:
        self._connection.executemany(statement, rows)

    def changed(self, name: str) -> None:
        self._connection.execute(COUNT_ON, {"name": name})

    def alone(self) -> None:
        """It is, since it began."""


def _migrate(tables: sqlite_utils.Database, part: TableSet) -> None:
    # SQLite's `user_version` counts how many migrations a file has seen; a table of them would be one more table.
    ((seen,),) = tables.execute("PRAGMA user_version").fetchall()
    if seen > len(part.migrations):
        raise NotReady(NEWER)
    for statement in part.statements(seen):
        added = _ADDED.match(statement)
        if added is None or added[2] not in tables.table(added[1]).columns_dict:
            tables.execute(in_words_of_sqlite(statement, unordered=part.unordered))
    if seen < len(part.migrations):
        tables.execute(f"PRAGMA user_version = {len(part.migrations)}")


def in_words_of_sqlite(statement: str, *, unordered: bool = False) -> str:
    """A statement of a migration, which is in PostgreSQL's words."""
    words = _WORDS.sub(lambda match: _TYPES.get(match[0], ""), statement).replace("COLUMN IF NOT EXISTS", "COLUMN")
    if not words.startswith("CREATE TABLE"):
        return words
    return f"{words} STRICT, WITHOUT ROWID" if unordered else f"{words} STRICT"
