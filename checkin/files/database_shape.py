"""Looking at any SQLite file without writing to it: its tables and views, their columns, some of their values.

Opened by SQLite itself, also where the same process has the file open: closing a descriptor of our own would drop
SQLite's locks (https://sqlite.org/howtocorrupt.html §2.2).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from checkin.errors import NotReady

DATABASES: Final = (".db", ".sqlite")
_TIMEOUT: Final = 10.0
_OBJECTS: Final = "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger') ORDER BY name"
Value = str | bytes | int | float | None


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


def values_of(path: Path, table: str, limit: int) -> Iterator[tuple[Value, ...]]:
    """Up to `limit` rows of a table, each as its columns stand in `shape_of`; raises `NotReady`."""
    try:
        with closing(_open(path)) as connection:
            columns = ", ".join(_quoted(name) for name in _columns(connection, table))
            query = f"SELECT {columns} FROM {_quoted(table)} LIMIT ?"  # noqa: S608 - names that the schema gave
            yield from connection.execute(query, [limit])
    except sqlite3.Error:
        raise NotReady(f"The table {table} of {path.name} cannot be read.") from None


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_TIMEOUT)


def _columns(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    return tuple(row[1] for row in connection.execute(f"PRAGMA table_xinfo({_quoted(table)})"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
