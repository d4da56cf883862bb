"""A service's small state in PostgreSQL: the tables of `checkin.files.tables`, shared by all its machines.

    versions (part, number)   how many migrations of a part this database has seen; by `PART-settled`, of a part with
                              rows that must not show in which order they came, the day on which all were written anew

Every commit writes a record that its acknowledgement waits for, also one that found nothing to change: what it was
answered with may be of a commit that no standby has confirmed yet (docs/spec/vault.md §9).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Final, TypeVar

import psycopg
from psycopg import errors

from checkin.clock import STOPWATCH
from checkin.errors import NotReady
from checkin.files.postgres_connection import BE_BRIEF, CONFIRM, REFUSED, Connection, Postgres, Step, write_anew
from checkin.files.tables import COUNT_ON, LOOK, NEWER, NOTHING, Commit, CommitUnknown, Found, TableSet, Value, Values

STALE_SECONDS: Final = 10.0
"""A process that has not heard from the server for so long keeps nothing in memory."""
_VERSIONS: Final = """CREATE TABLE IF NOT EXISTS versions (
    part text COLLATE "C" NOT NULL PRIMARY KEY,
    number bigint NOT NULL
)"""
_FIRST: Final = "INSERT INTO versions (part, number) VALUES (:part, 0) ON CONFLICT DO NOTHING"
_SEEN: Final = "SELECT number FROM versions WHERE part = :part FOR UPDATE"
_NOW_SEEN: Final = "UPDATE versions SET number = :number WHERE part = :part AND number < :number"
_SETTLED: Final = "SELECT number FROM versions WHERE part = :part AND number >= :number"
_LONG_SECONDS: Final = 3600.0  # for what writes all rows anew
_COLUMNS: Final = """SELECT table_name::text, column_name::text FROM information_schema.columns
    WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"""
# By two at once: the table itself, the row type that goes with it, or the row of either in the catalog.
_MADE_ALREADY: Final = (errors.DuplicateTable, errors.DuplicateObject, errors.UniqueViolation)
_PARAMETER: Final = re.compile(r"(?<!:):([a-z]\w*)")
R = TypeVar("R")


class PostgresTables:
    """`Tables` of one part; several parts may share the database. Closing it is left to its opener."""

    def __init__(self, database: Postgres, part: TableSet) -> None:
        """Makes the tables, or brings them up to date. Raises `NotReady`, also for those of a newer version."""
        self._database = database
        self._part = part
        self._numbers: dict[str, int] = {}
        self._counting = threading.Lock()
        self._heard = 0.0
        self._unheard = 0
        self.seen: Mapping[str, int] = {}
        self._run(_make_versions)
        self.write(self._migrate)
        self.poll()

    def read(self, query: str, values: Values = NOTHING) -> Found:
        return self._run(lambda connection: _carry_out(connection, query, values).fetchall())

    def write(self, step: Callable[[Commit], R]) -> R:
        committed, counted = False, dict[str, int]()

        def whole(connection: Connection) -> R:
            nonlocal committed
            counted.clear()
            with connection.transaction():
                commit = _PostgresCommit(connection, self._part.name, counted)
                result = step(commit)
                connection.execute(CONFIRM)
                committed = True  # perhaps, in this try or an earlier one
            return result

        try:
            result = self._run(whole)
        except NotReady as error:
            raise CommitUnknown(error.detail) if committed else error from None
        if counted:  # of two commits at once the later one stays
            with self._counting:
                self._numbers = {name: max(number, counted.get(name, 0)) for name, number in self._numbers.items()}
        return result

    def look(self) -> Mapping[str, int]:
        """As of the last `poll`, and of the commits of this process."""
        seen: Mapping[str, int] = self._numbers
        if STOPWATCH.boot() - self._heard > STALE_SECONDS:
            self._unheard -= 1
            seen = dict.fromkeys(self._part.changes, self._unheard)
        self.seen = seen
        return seen

    def poll(self) -> None:
        if self._part.changes:
            asked, known = STOPWATCH.boot(), self._numbers
            found: dict[str, int] = dict(self.read(LOOK))
            with self._counting:
                if self._numbers is known:  # else it may be from before a commit of ours: the next poll shows
                    self._numbers, self._heard = found, asked

    def tidy(self) -> None:
        """Nothing: old versions of rows stay until PostgreSQL uses their room anew (docs/data-map.md)."""

    def settle(self, day: int) -> None:
        """By one transaction: otherwise `xmin` showed the order, however often a table is moved. The write-ahead log
        keeps it until it is used anew. Raises `NotReady` while a table is read for longer than two seconds."""
        mark: Values = {"part": f"{self._part.name}-settled", "number": day}
        if not self._part.unordered or self.read(_SETTLED, mark):
            return

        def step(connection: Connection) -> None:
            with connection.transaction():
                commit = _PostgresCommit(connection, self._part.name, {})
                commit.execute(BE_BRIEF)
                commit.alone()
                commit.execute(_FIRST, mark)
                if commit.change(_NOW_SEEN, mark):
                    for table in self._part.tables():
                        write_anew(connection, table)

        self._run(step, _LONG_SECONDS)

    def close(self) -> None:
        """Does nothing: it has opened nothing of its own."""

    def _migrate(self, commit: Commit) -> None:
        name: Values = {"part": self._part.name}
        commit.execute(_FIRST, name)
        [(seen,)] = commit.execute(_SEEN, name)
        if seen > len(self._part.migrations):
            raise NotReady(NEWER)
        for statement in self._part.statements(seen):
            commit.execute(statement)
        commit.execute(_NOW_SEEN, {**name, "number": len(self._part.migrations)})

    def _run(self, step: Step[R], patience: float | None = None) -> R:
        try:
            return self._database.run(step, patience)
        except psycopg.Error:
            raise NotReady(REFUSED) from None


class _PostgresCommit:
    """A `Commit`; others go on beside it."""

    def __init__(self, connection: Connection, part: str, counted: dict[str, int]) -> None:
        self._connection = connection
        self._part = part
        self._counted = counted

    def execute(self, query: str, values: Values = NOTHING) -> Found:
        cursor = _carry_out(self._connection, query, values)
        return cursor.fetchall() if cursor.description else []

    def change(self, statement: str, values: Values = NOTHING) -> int:
        return _carry_out(self._connection, statement, values).rowcount

    def many(self, statement: str, rows: Iterable[Values]) -> None:
        text, names = in_places(statement)
        with self._connection.cursor() as cursor:
            cursor.executemany(text, [[row[name] for name in names] for row in rows])

    def changed(self, name: str) -> None:
        [(number,)] = self.execute(f"{COUNT_ON} RETURNING number", {"name": name})
        self._counted[name] = number

    def alone(self) -> None:
        self.execute(_SEEN, {"part": self._part})


def _make_versions(connection: Connection) -> None:
    with suppress(*_MADE_ALREADY):  # by another process at this moment
        connection.execute(_VERSIONS)


def _carry_out(connection: Connection, query: str, values: Values) -> psycopg.Cursor[tuple[object, ...]]:
    text, names = in_places(query)
    given: list[Value] = [values[name] for name in names]
    return connection.execute(text, given, binary=True)


@lru_cache(maxsize=512)
def in_places(query: str) -> tuple[str, tuple[str, ...]]:
    """The statement with `$1`, `$2` … for its parameters, and their names in that order."""
    names = tuple(dict.fromkeys(_PARAMETER.findall(query)))
    return _PARAMETER.sub(lambda match: f"${names.index(match[1]) + 1}", query), names


def columns_in(database: Postgres) -> dict[str, list[str]]:
    """Of every table and view in the schema, the names of its columns. Raises `NotReady`."""
    found: dict[str, list[str]] = {}
    for table, column in database.run(lambda connection: connection.execute(_COLUMNS).fetchall()):
        found.setdefault(table, []).append(column)
    return found
