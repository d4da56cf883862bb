"""PostgreSQL for tests: a real server from a wheel, and an empty schema a test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkin.files.tables import Commit, Tables
from checkin.service.identity import MARK

if TYPE_CHECKING:
    from checkin.deployment.postgres_server import PostgresServer


CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""
"""Ends everybody's connections but the one that says so."""


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[PostgresServer]:
    """A server in a folder of its own."""
    from checkin.deployment.postgres_server import PostgresServer  # noqa: PLC0415 - not every run has the driver

    server = PostgresServer(folder)
    server.start(settings)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def schema(dsn: str) -> Iterator[str]:
    """A DSN whose tables lie in a schema of their own, removed afterwards."""
    name = f"test_{os.urandom(8).hex()}"
    ask(dsn, f"CREATE SCHEMA {name}")
    yield f"{dsn} options='-c search_path={name}'"
    ask(dsn, f"DROP SCHEMA {name} CASCADE")


def begin_beside(here: Path, there: Path) -> None:
    """What a second machine's data folder begins with: that it belongs to these keys."""
    there.mkdir(mode=0o700, parents=True)
    shutil.copy(here / MARK, there / MARK)


def ask(dsn: str, query: str) -> list[tuple[Any, ...]]:
    """What a connection of its own answers."""
    import psycopg  # noqa: PLC0415 - as above

    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute(query.encode())
        return found.fetchall() if found.description else []


class Twice:
    """Tables whose server went away after each commit: all of it is done once more."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def write(self, step: Callable[[Commit], Any]) -> Any:
        self._tables.write(step)
        return self._tables.write(step)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)
