"""Both engines of tables, for tests that hold for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from checkin.files.tables import SqliteTables, Tables, TableSet

ENGINES = ("sqlite", "postgresql")
Open = Callable[[TableSet], Tables]


@contextmanager
def opening_tables(engine: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a part as one more process would."""
    with ExitStack() as stack:
        database: Any = None
        if engine == "postgresql":
            from checkin.files.postgres_connection import Postgres  # noqa: PLC0415 - not every run has the driver

            database = Postgres(request.getfixturevalue("dsn"))
            stack.callback(database.close)

        def in_file(part: TableSet) -> Tables:
            tables = SqliteTables(folder, part)
            stack.callback(tables.close)
            return tables

        def on_server(part: TableSet) -> Tables:
            from checkin.files.postgres_tables import PostgresTables  # noqa: PLC0415 - as above

            return PostgresTables(database, part)

        yield in_file if database is None else on_server
