"""The PostgreSQL engine: the suite on a real server, and what is particular to it."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pglast
import psycopg
import pytest

from checkin.deployment.postgres_server import PostgresServer
from checkin.errors import DayClosed, NotReady, SettingsInvalid
from checkin.files.postgres_connection import Connection, Postgres, read_dsn
from checkin.vault.engines import Measure, Row
from checkin.vault.engines.postgres import PostgresStore
from tests.checkin.vault.engines.suite import StoreSuite
from tests.checkin.vault.engines.workers import DAY, Engine, a_row
from tests.support.databases import CUT, ask, schema
from tests.support.waiting import until

OTHER = os.environ.get("CHECKIN_TEST_DSN")
TABLE = f"visits_{DAY}"


def open_store(dsn: str, patience: float = 10.0) -> PostgresStore:
    """A store with connections of its own; other processes can call it too."""
    return PostgresStore(Postgres(dsn, patience=patience), "visits")


def loosen(dsn: str, day: int) -> None:
    """Takes the unique key of a day away."""
    ask(dsn, f"ALTER TABLE visits_{day} DROP CONSTRAINT visits_{day}_pkey")


class TestPostgres(StoreSuite):
    """On the server of this session."""

    @pytest.fixture
    def engine(self, dsn: str) -> Engine:
        return Engine(partial(open_store, dsn), partial(loosen, dsn))


if OTHER:

    class TestOther(StoreSuite):
        """On the server that CHECKIN_TEST_DSN names: Citus, a provider's, another engine of this protocol."""

        @pytest.fixture
        def engine(self) -> Iterator[Engine]:
            with schema(str(OTHER)) as dsn:
                yield Engine(partial(open_store, dsn), partial(loosen, dsn))


@pytest.fixture
def store(dsn: str) -> Iterator[PostgresStore]:
    opened = open_store(dsn)
    yield opened
    opened.close()


def arrivals(dsn: str, keys: list[bytes]) -> dict[str, list[int]]:
    """The places of rows, in the order of arrival, by whatever of PostgreSQL could tell it."""
    found = ask(dsn, f"SELECT key, ctid::text, xmin::text::bigint FROM {TABLE}")  # noqa: S608
    page = f"public.heap_page_items(public.get_raw_page('{TABLE}', 0))"
    raw = ask(dsn, f"SELECT lp, t_xmin::text::bigint FROM {page}")  # noqa: S608
    at = {bytes(key): int(ctid[3:-1]) for key, ctid, _ in found}  # "(0,1)": place 1 of page 0
    by_place = dict(raw)
    return {
        "ctid": [at[key] for key in keys],
        "xmin": [{bytes(key): xmin for key, _, xmin in found}[key] for key in keys],
        "raw xmin": [by_place[at[key]] for key in keys],
    }


def test_a_settled_day_tells_nobody_in_which_order_its_rows_came(dsn: str, store: PostgresStore) -> None:
    """By place, by transaction, and by the bytes of the page; before it is settled all three do, which is the control.

    CLUSTER and VACUUM FREEZE would leave the second and the third.
    """
    ask(dsn, "CREATE EXTENSION IF NOT EXISTS pageinspect SCHEMA public")
    rows = [a_row() for _ in range(20)]
    for row in rows:
        store.insert(DAY, [row])
    keys = [row.key for row in rows]
    assert {what: order == sorted(set(order)) for what, order in arrivals(dsn, keys).items()} == {
        "ctid": True, "xmin": True, "raw xmin": True,
    }  # fmt: skip
    store.settle(DAY)
    after = arrivals(dsn, keys)
    assert len(set(after["xmin"])) == len(set(after["raw xmin"])) == 1
    assert [key for _, key in sorted(zip(after["ctid"], keys, strict=True))] == sorted(keys)


def test_writers_who_are_late_add_nothing_to_a_frozen_day(dsn: str, store: PostgresStore) -> None:
    store.insert(DAY, [])
    acknowledged: list[Row] = []

    def write() -> None:
        mine = open_store(dsn)
        while True:
            row = a_row()
            try:
                mine.insert(DAY, [row])
            except DayClosed:
                break
            acknowledged.append(row)
        mine.close()

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    until(lambda: len(acknowledged) >= 50)
    store.freeze(DAY)
    stored = {row.key for row in store.rows(DAY)}
    for writer in writers:
        writer.join()
    assert stored == {row.key for row in store.rows(DAY)} == {row.key for row in acknowledged}


def test_no_statement_asks_for_what_a_pooler_or_another_engine_lacks(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every statement, as the server is given it: no advisory locks, LISTEN, partitions, or settings of a session."""
    seen: set[str] = set()
    execute = Connection.execute

    def note(self: Connection, query: str, *args: Any, **options: Any) -> Any:
        seen.add(query)
        return execute(self, query, *args, **options)

    monkeypatch.setattr(Connection, "execute", note)
    row = a_row()
    store.insert(DAY, [row])
    store.insert(DAY, [a_row(row.key)])
    store.attach(DAY, "a", b"")
    assert (store.get(DAY, [row.key]), store.attachment(DAY, "a")) == ({row.key: row}, b"")
    assert (store.group(DAY, row.group), list(store.rows(DAY)), store.counts(DAY, row.group)) == ([row], [row], {0: 1})
    assert store.measure(DAY).rows == 1
    store.freeze(DAY)
    store.freeze(DAY)
    store.settle(DAY)
    assert list(store.findings()) == []
    store.drop(DAY)
    assert len(seen) > 20
    for query in seen:
        statement: Any = pglast.parse_sql(query)[0].stmt
        kind = type(statement).__name__
        assert kind not in ("ListenStmt", "NotifyStmt", "DiscardStmt"), query
        assert kind != "VariableSetStmt" or statement.is_local, query
        assert "advisory" not in query, query
        assert "PARTITION" not in query, query
        assert "unnest" not in query, query


def test_a_connection_that_broke_is_replaced_within_the_call(dsn: str, store: PostgresStore) -> None:
    """As after a restart of the server: nobody who asks meanwhile hears of it."""
    store.insert(DAY, [a_row()])
    assert (True,) in ask(dsn, CUT)
    assert store.insert(DAY, [a_row()]) == [True]


def test_a_database_that_is_away_is_told_without_its_address(tmp_path: Path) -> None:
    store = open_store(f"host={tmp_path} user=secret-user dbname=secret-name", patience=0.5)
    for call in (lambda: store.insert(DAY, [a_row()]), store.days, lambda: list(store.rows(DAY))):
        with pytest.raises(NotReady) as caught:
            call()
        assert "secret" not in str(caught.value.detail)
    store.close()


def test_a_store_that_was_closed_takes_nothing(store: PostgresStore) -> None:
    store.close()
    with pytest.raises(NotReady, match="stopping"):
        store.insert(DAY, [a_row()])


def test_a_negative_day_and_a_strange_name_have_no_table(dsn: str, store: PostgresStore) -> None:
    with pytest.raises(ValueError, match="1970"):
        store.insert(-1, [])
    with pytest.raises(ValueError, match="letters"):
        PostgresStore(Postgres(dsn), "a; DROP")


def test_a_day_that_is_not_there_is_measured_without_an_error_in_the_servers_log(
    store: PostgresStore, postgres_server: PostgresServer
) -> None:
    """Whoever looks there at the first start should find nothing."""
    before = (postgres_server.folder / "log").read_bytes()
    assert store.measure(DAY) == Measure(0, 0)
    assert (postgres_server.folder / "log").read_bytes() == before


def test_a_slot_that_nobody_reads_is_found_and_named(dsn: str, store: PostgresStore) -> None:
    """It keeps the write-ahead log, and with it the order of rows, until the disk is full."""
    name = f"left_{os.getpid()}"
    ask(dsn, f"SELECT pg_create_physical_replication_slot('{name}', true)")
    try:
        assert [(found.name, found.level) for found in store.findings()] == [("engine_slots", "warning")]
    finally:
        ask(dsn, f"SELECT pg_drop_replication_slot('{name}')")
    assert list(store.findings()) == []


def test_dangerous_settings_are_found_and_named(dsn: str, store: PostgresStore) -> None:
    assert list(store.findings()) == []
    bad = open_store(f"{dsn[:-1]} -c synchronous_commit=off -c default_transaction_isolation=serializable'")
    assert [(found.name, found.level) for found in bad.findings()] == [
        ("engine_synchronous_commit", "failure"),
        ("engine_default_transaction_isolation", "warning"),
    ]
    bad.close()


@pytest.mark.parametrize("content", ["", "one\ntwo", "host=x nonsense", "\xff"])
def test_a_dsn_file_of_another_form_is_refused_and_never_quoted(tmp_path: Path, content: str) -> None:
    file = tmp_path / "dsn"
    file.write_bytes(content.encode("latin-1"))
    file.chmod(0o600)
    with pytest.raises(SettingsInvalid) as caught:
        read_dsn(file)
    assert "nonsense" not in str(caught.value.detail)


def test_a_dsn_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://user:password@localhost/name")
    file.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="chmod 600"):
        read_dsn(file)
    file.chmod(0o600)
    assert "target_session_attrs=read-write" in read_dsn(file)


@pytest.mark.parametrize("host", ["db1", "db1,db2", "localhost,db2", "10.0.0.7"])
def test_a_server_on_another_machine_is_reached_by_proved_tls_alone(tmp_path: Path, host: str) -> None:
    """Whoever is on the way could read rows and say that they are kept."""
    file = tmp_path / "dsn"
    for address in (host, *(f"{host}/name?sslmode={mode}" for mode in ("prefer", "require", "verify-ca"))):
        file.write_text(f"postgresql://user:password@{address}")
        file.chmod(0o600)
        with pytest.raises(SettingsInvalid, match="verify-full"):
            read_dsn(file)
    file.write_text(f"postgresql://user:password@{host}/name?sslmode=verify-full")
    assert "sslmode=verify-full" in read_dsn(file)
    for here in ("%2Frun%2Fpostgresql", "127.0.0.1", "[::1]", "localhost"):
        file.write_text(f"postgresql://user:password@{here}/name")
        assert "user=user" in read_dsn(file)


@pytest.mark.parametrize("dsn", ["postgresql://me@/name", "user=me", "host='' user=me", "host=localhost service=x"])
def test_a_dsn_that_leaves_the_host_to_something_else_is_refused(tmp_path: Path, dsn: str) -> None:
    """Which may be another machine, that nobody has seen to need TLS."""
    file = tmp_path / "dsn"
    file.write_text(dsn)
    file.chmod(0o600)
    with pytest.raises(SettingsInvalid, match="add host="):
        read_dsn(file)


def test_the_environment_leads_to_no_other_machine(tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a DSN as it stands in the file is led astray."""
    file = tmp_path / "dsn"
    file.write_text(dsn)
    file.chmod(0o600)
    told = read_dsn(file)
    for name in ("PGHOST", "PGHOSTADDR"):
        monkeypatch.setenv(name, "127.0.0.9")
    with pytest.raises(psycopg.OperationalError):
        ask(dsn, "SELECT 1")
    assert ask(told, "SELECT 1") == [(1,)]


def test_waiting_for_an_answer_ends_at_the_deadline(dsn: str) -> None:
    """Although the server goes on; and the connection is not used again."""
    database = Postgres(dsn, patience=0.5)
    began = time.monotonic()
    with pytest.raises(NotReady):
        database.run(lambda connection: connection.execute("SELECT pg_sleep(60)").fetchall())
    assert time.monotonic() - began < 30
    assert database.run(lambda connection: connection.execute("SELECT 1").fetchall()) == [(1,)]
    database.close()


def test_rows_of_a_random_day_come_back_as_they_were_given(store: PostgresStore) -> None:
    chosen = random.Random(7)
    some = chosen.randbytes
    rows = [Row(some(16), some(16), chosen.randrange(25), some(12), some(137)) for _ in range(500)]
    store.insert(DAY, rows)
    assert list(store.rows(DAY)) == sorted(rows, key=lambda row: row.key)


def test_an_error_of_the_driver_is_none_of_the_callers(store: PostgresStore, dsn: str) -> None:
    """Only `NotReady` leaves the store; what the server said could quote a row."""
    store.insert(DAY, [a_row()])
    ask(dsn, f"ALTER TABLE {TABLE} DROP COLUMN sealed")
    for call in (lambda: store.insert(DAY, [a_row()]), lambda: store.get(DAY, [b"k"]), lambda: list(store.rows(DAY))):
        with pytest.raises(NotReady) as caught:
            call()
        assert not isinstance(caught.value.__cause__, psycopg.Error)
