"""Day store on PostgreSQL (16 or newer): an ordinary table a day, every commit confirmed before it is acknowledged.

    visits_20779            key (primary), grp, bucket, nonce, sealed; index over grp and bucket
    visits_20779_attached   name (primary), value

Tables lie in the first schema of the search path. No declarative partitions, advisory locks, LISTEN or settings of a
session: a connection pooler takes it, and other engines of this protocol all but little. Facts behind the statements:

- an answer that a key is there already is an acknowledgement, too, so `CONFIRM` writes a record to the write-ahead
  log, whose commit waits for the standbys: the row that was found is before it;
- freezing adds a check that no row passes: writers that come late are refused, also after a failover;
- a row's `xmin` shows the order of arrival, whatever CLUSTER and VACUUM do, so `settle` copies all rows in the order
  of their keys in one transaction. The write-ahead log keeps that order until it is used anew (docs/scaling.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, Final, TypeVar

import psycopg
from psycopg import errors

from checkin.errors import DayClosed, NotReady
from checkin.files.postgres_connection import BE_BRIEF, CONFIRM, REFUSED, Connection, Postgres, Step, write_anew
from checkin.vault.engines import LAST_KEY, MAX_BUCKET, EngineFinding, Measure, Row
from checkin.vault.engines.postgres_settings import dangers

_COLUMNS: Final = "key, grp, bucket, nonce, sealed"
_BETWEEN: Final = "WHERE key BETWEEN $1 AND $2"
_ROWS_A_STATEMENT: Final = 1000
_PREPARED_ROWS: Final = 64  # a longer statement is rarely met twice
_LONG_SECONDS: Final = 3600.0  # for what reads or writes a whole day
_SHORT_SECONDS: Final = 3.0  # for what any caller may request
_CUT_OFF: Final = """SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE relation = to_regclass($1) AND datname = current_database() AND usename = current_user
    AND pid <> pg_backend_pid()"""
_FROZEN: Final = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname = 'closed'"
_MADE_ALREADY: Final = (errors.DuplicateTable, errors.UniqueViolation, errors.DuplicateObject)  # by two at once
_NAME: Final = re.compile(r"[a-z]{1,16}")
R = TypeVar("R")


class PostgresStore:
    """A `DayStore`; several processes and machines may share one database."""

    settles = True

    def __init__(self, database: Postgres, name: str) -> None:
        """`name` begins the names of all tables: 1 to 16 letters a-z."""
        if not _NAME.fullmatch(name):
            raise ValueError("a store is named by 1 to 16 letters a-z")
        self._database = database
        self._name = name
        self._tables = re.compile(rf"{name}_(0|[1-9][0-9]{{0,8}})(_attached)?")

    # --- rows -------------------------------------------------------------------------------------------------

    def insert(self, day: int, rows: Sequence[Row]) -> list[bool]:
        """See `DayStore.insert`. Sorted by key, so that no two writers wait for each other in a circle."""
        if not rows:
            self._make(day)
            return []
        table, ordered = self._table(day), sorted(rows, key=lambda row: row.key)
        try:
            ours = self._written(day, lambda connection: _add(connection, table, ordered))
        except errors.CheckViolation:
            raise DayClosed from None
        return [(row.key, row.nonce) in ours for row in rows]

    def get(self, day: int, keys: Sequence[bytes]) -> dict[bytes, Row]:
        found = self._read(f"SELECT {_COLUMNS} FROM {self._table(day)} WHERE key = ANY($1)", list(keys))  # noqa: S608
        return {values[0]: Row(*values) for values in found}

    def group(self, day: int, group: bytes, first: int = 0, last: int = MAX_BUCKET) -> list[Row]:
        where = "WHERE grp = $1 AND bucket BETWEEN $2 AND $3 ORDER BY bucket, key"
        query = f"SELECT {_COLUMNS} FROM {self._table(day)} {where}"  # noqa: S608 - a name of ours
        return [Row(*values) for values in self._read(query, group, first, last)]

    def rows(self, day: int, first: bytes = b"", last: bytes = LAST_KEY) -> Iterator[Row]:
        """A cursor of the server's, in a transaction that sees one moment. Raises `NotReady` when the day is dropped
        meanwhile."""
        query = f"SELECT {_COLUMNS} FROM {self._table(day)} {_BETWEEN} ORDER BY key"  # noqa: S608 - a name of ours
        try:
            with self._database.borrowed() as connection, connection.transaction():
                connection.execute(f"DECLARE rows NO SCROLL CURSOR FOR {query}", [first, last])
                while page := connection.execute("FETCH 2000 FROM rows", binary=True).fetchall():
                    for values in page:
                        yield Row(*values)
        except errors.UndefinedTable:
            return
        except psycopg.Error:
            raise NotReady(REFUSED) from None

    def count(self, day: int, first: bytes, last: bytes) -> int:
        query = f"SELECT count(*) FROM {self._table(day)} {_BETWEEN}"  # noqa: S608 - a name of ours
        found = self._read(query, first, last, patience=_LONG_SECONDS)
        return int(found[0][0]) if found else 0

    def counts(self, day: int, group: bytes) -> dict[int, int]:
        query = f"SELECT bucket, count(*) FROM {self._table(day)} WHERE grp = $1 GROUP BY bucket"  # noqa: S608
        return dict(self._read(query, group))

    def measure(self, day: int) -> Measure:
        if day not in self.days():  # measured each morning: the server's log would have an error then
            return Measure(0, 0)
        table = self._table(day)
        size = " + ".join(f"pg_total_relation_size('{name}')" for name in (table, f"{table}_attached"))
        found = self._read(f"SELECT count(*), {size} FROM {table}", patience=_LONG_SECONDS)  # noqa: S608
        return Measure(*found[0]) if found else Measure(0, 0)

    # --- what lies with a day -----------------------------------------------------------------------------------

    def attach(self, day: int, name: str, value: bytes) -> bytes:
        table = f"{self._table(day)}_attached"

        def step(connection: Connection) -> bytes:
            with connection.transaction():
                connection.execute(f"INSERT INTO {table} VALUES ($1, $2) ON CONFLICT DO NOTHING", [name, value])  # noqa: S608
                connection.execute(CONFIRM)
                query = f"SELECT value FROM {table} WHERE name = $1"  # noqa: S608
                [(standing,)] = connection.execute(query, [name], binary=True).fetchall()
                return bytes(standing)

        return self._written(day, step)

    def attachment(self, day: int, name: str) -> bytes | None:
        found = self._read(f"SELECT value FROM {self._table(day)}_attached WHERE name = $1", name)  # noqa: S608
        return found[0][0] if found else None

    def freeze(self, day: int) -> None:
        table = self._table(day)

        def step(connection: Connection) -> None:
            try:
                with connection.transaction():
                    connection.execute(BE_BRIEF)
                    _close(connection, table)
            except errors.DuplicateObject:
                connection.execute(CONFIRM)

        self._written(day, step)

    # --- days ---------------------------------------------------------------------------------------------------

    def days(self) -> list[int]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        names = self._run(lambda connection: connection.execute(query).fetchall(), _SHORT_SECONDS)
        return sorted({int(match[1]) for (name,) in names if (match := self._tables.fullmatch(name))})

    def settle(self, day: int, mark: str = "") -> None:
        """Writes all rows anew, in the order of their keys, by one transaction; then only the write-ahead log shows in
        which order they came. Raises `NotReady` while the day is read elsewhere."""
        table = self._table(day)
        try:
            self._run(lambda connection: _copy(connection, table, mark), _LONG_SECONDS)
        except errors.UndefinedTable:
            return

    def drop(self, day: int) -> None:
        """Cuts off readers that still use a connection of ours for the day: its key is destroyed."""
        table = self._table(day)
        names = f"{table}, {table}_attached"

        def step(connection: Connection) -> None:
            try:
                with connection.transaction():
                    connection.execute(BE_BRIEF)
                    connection.execute(f"DROP TABLE IF EXISTS {names}")
                    connection.execute(CONFIRM)
            except errors.LockNotAvailable:
                connection.execute(_CUT_OFF, [table])
                raise

        self._run(step)

    def findings(self) -> Iterator[EngineFinding]:
        """Settings of the server with which rows are lost, or times are kept."""
        yield from self._run(dangers, _SHORT_SECONDS)

    def reader(self) -> Callable[[], PostgresStore]:
        return partial(_opened, self._database.dsn, self._name)

    def close(self) -> None:
        self._database.close()

    # --- how ----------------------------------------------------------------------------------------------------

    def _table(self, day: int) -> str:
        if day < 0:
            raise ValueError("days are counted from 1970-01-01")
        return f"{self._name}_{day}"

    def _make(self, day: int) -> None:
        table = self._table(day)

        def step(connection: Connection) -> None:
            try:
                with connection.transaction():
                    connection.execute(
                        f"CREATE TABLE {table} (key bytea PRIMARY KEY, grp bytea NOT NULL, bucket smallint NOT NULL,"
                        " nonce bytea NOT NULL, sealed bytea NOT NULL)"
                    )
                    connection.execute(f"CREATE INDEX {table}_group ON {table} (grp, bucket)")
                    connection.execute(f"CREATE TABLE {table}_attached (name text PRIMARY KEY, value bytea NOT NULL)")
            except _MADE_ALREADY:
                connection.execute(CONFIRM)

        self._run(step)

    def _written(self, day: int, step: Step[R]) -> R:
        """Makes the day's tables where they are not there. Of two that make them at once, one finds them made."""
        try:
            return self._run(step)
        except errors.UndefinedTable:
            self._make(day)
        try:
            return self._run(step)
        except errors.UndefinedTable:
            raise NotReady("The day was dropped while it was being written.") from None

    def _read(self, query: str, *values: object, patience: float | None = None) -> list[tuple[Any, ...]]:
        try:
            return self._run(lambda connection: connection.execute(query, values, binary=True).fetchall(), patience)
        except errors.UndefinedTable:
            return []

    def _run(self, step: Step[R], patience: float | None = None) -> R:
        try:
            return self._database.run(step, patience)
        except (errors.UndefinedTable, errors.CheckViolation):
            raise
        except psycopg.Error:
            raise NotReady(REFUSED) from None


def _opened(dsn: str, name: str) -> PostgresStore:
    return PostgresStore(Postgres(dsn, size=1), name)


def _add(connection: Connection, table: str, rows: Sequence[Row]) -> set[tuple[bytes, bytes]]:
    """Key and nonce of those rows that stand there now as they were given, by this call or an earlier one."""
    if len(rows) <= _ROWS_A_STATEMENT:
        ours = _insert(connection, table, rows)
    else:
        ours = set()
        with connection.transaction():
            for start in range(0, len(rows), _ROWS_A_STATEMENT):
                ours |= _insert(connection, table, rows[start : start + _ROWS_A_STATEMENT])
    others = [row.key for row in rows if (row.key, row.nonce) not in ours]
    return ours | _standing(connection, table, others) if others else ours


def _insert(connection: Connection, table: str, rows: Sequence[Row]) -> set[tuple[bytes, bytes]]:
    values = [value for row in rows for value in (row.key, row.group, row.bucket, row.nonce, row.sealed)]
    prepare = None if len(rows) <= _PREPARED_ROWS else False
    return set(connection.execute(_insertion(table, len(rows)), values, binary=True, prepare=prepare).fetchall())


def _standing(connection: Connection, table: str, keys: Sequence[bytes]) -> set[tuple[bytes, bytes]]:
    """Key and nonce of what was there already, and as safe as a commit of our own: see the top of this file."""
    with connection.transaction():
        query = f"SELECT key, nonce FROM {table} WHERE key = ANY($1)"  # noqa: S608 - a name of ours
        found = connection.execute(query, [list(keys)], binary=True).fetchall()
        connection.execute(CONFIRM)
    return set(found)


@lru_cache(maxsize=256)
def _insertion(table: str, rows: int) -> str:
    places = ", ".join(f"({', '.join(f'${5 * row + column}' for column in range(1, 6))})" for row in range(rows))
    # No target beside ON CONFLICT: what is unique is the schema's decision, and a test takes it away.
    return f"INSERT INTO {table} ({_COLUMNS}) VALUES {places} ON CONFLICT DO NOTHING RETURNING key, nonce"  # noqa: S608


def _copy(connection: Connection, table: str, mark: str) -> None:
    with connection.transaction():
        connection.execute(BE_BRIEF)
        connection.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        frozen = connection.execute(_FROZEN, [table]).fetchone()
        write_anew(connection, table)
        if frozen:
            _close(connection, table)
        if mark:
            connection.execute(f"INSERT INTO {table}_attached VALUES ($1, '') ON CONFLICT DO NOTHING", [mark])  # noqa: S608


def _close(connection: Connection, table: str) -> None:
    connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT closed CHECK (false) NOT VALID")
