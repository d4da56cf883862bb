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


def name_database(config: Path, dsn: str) -> None:
    """A service's settings name this database from now on."""
    file = config.with_name("postgresql.dsn")
    file.touch(mode=0o600)
    file.write_text(dsn + "\n")
    text = config.read_text(encoding="utf-8")
    config.write_text(f'store = "postgresql"\ndsn_file = "{file}"\n{text}', encoding="utf-8")


def settle_beside(config: Path, there: Path) -> Path:
    """The settings of a second machine, in the folder `there`: with a data folder of its own, which belongs to the same
    keys. The key folder they share, as a stand-in for key rings that hand keys to one another."""
    here, own = config.parent, there / config.name
    if not (there / "data" / MARK).exists():
        text = config.read_text(encoding="utf-8")
        for name in ("keys", "master.key", "statement.key"):
            text = text.replace(f'"{name}"', f'"{here / name}"')
        (there / "data").mkdir(mode=0o700, parents=True)
        shutil.copy(here / "data" / MARK, there / "data" / MARK)
        own.write_text(text, encoding="utf-8")
    return own


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
