"""No reader, however long, makes a write-ahead log long for good, and nobody who writes waits for a reader."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from checkin.files.database import StateFile, cut_log
from checkin.files.tables import SqliteTables
from checkin.service import tasks, wal_watch
from checkin.service.frame import Frame
from checkin.service.wal_watch import WalWatch
from checkin.vault.engines import Row
from checkin.vault.engines.sqlite import SqliteStore
from issuer.database import ISSUER
from tests.support.purging_service import House
from tests.support.service_folder import DAY
from tests.support.serving import visiting

KEEP, WARN = 256 << 10, 1 << 20
BATCH = 100


@contextmanager
def read_for_long(path: Path) -> Iterator[None]:
    """One state of the file, as a backup reads it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield
        reader.execute("ROLLBACK")


def rows(number: int) -> list[Row]:
    """One batch; keys that lie all over the index."""
    keys = ((number * BATCH + n).to_bytes(4, "big")[::-1] * 4 for n in range(BATCH))
    return [Row(key, b"g" * 16, 12, b"n" * 12, b"s" * 137) for key in keys]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A day with one row, in the folder `visits`."""
    made = SqliteStore(tmp_path / "data" / "visits", ordered=True)
    made.insert(DAY, rows(0)[:1])
    yield made
    made.close()


def wal_of(tmp_path: Path) -> Path:
    """Of that day."""
    return tmp_path / "data" / "visits" / f"day-{DAY}.db-wal"


def shown(watch: WalWatch) -> str:
    """As /metrics shows it."""
    registry = CollectorRegistry()
    registry.register(watch)
    return generate_latest(registry).decode()


def test_a_log_that_a_reader_kept_long_is_told_and_cut_when_the_reader_ends(
    tmp_path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal_watch, "LOG_BYTES", KEEP)
    monkeypatch.setattr(wal_watch, "WARN_BYTES", WARN)
    watch, log = WalWatch(tmp_path / "data"), wal_of(tmp_path)
    with read_for_long(log.with_name(f"day-{DAY}.db")):
        number = 0
        while log.stat().st_size <= 2 * WARN:
            number += 1
            assert all(store.insert(DAY, rows(number)))
        watch.run()
        assert log.stat().st_size > WARN, "a reader needs it"
        assert watch.long() == ["visits"]
        [shown_bytes] = [line for line in shown(watch).splitlines() if line.startswith("checkin_wal_bytes{")]
        assert shown_bytes.startswith('checkin_wal_bytes{database="visits"}') and float(shown_bytes.split()[1]) >= WARN
        assert str(DAY) not in shown(watch)
    watch.run()
    assert log.stat().st_size <= KEEP
    assert watch.long() == []
    assert 'checkin_wal_bytes{database="visits"} 0.0' in shown(watch)
    assert store.measure(DAY).rows == number * BATCH + 1


def test_what_is_written_after_the_reader_cuts_the_log_too(tmp_path: Path, store: SqliteStore) -> None:
    """By SQLite's own limit, without any task: each connection of the store has it."""
    with closing(sqlite3.connect(wal_of(tmp_path).with_name("unlimited.db"))) as control:
        assert control.execute("PRAGMA journal_size_limit").fetchone() == (-1,)
    with store._borrow(DAY) as connection:
        assert connection.execute("PRAGMA journal_size_limit").fetchone() == (16 << 20,)
    with closing(SqliteTables(tmp_path, ISSUER)) as issuer, issuer.reading() as tables:
        assert tables.execute("PRAGMA journal_size_limit").fetchone() == (16 << 20,)
    with closing(StateFile(tmp_path / "state.db", lambda _: None)) as state, state.reading() as tables:
        assert tables.execute("PRAGMA journal_size_limit").fetchone() == (16 << 20,)


def test_cutting_a_log_that_is_read_waits_for_nobody(tmp_path: Path) -> None:
    """A reader's state is left alone and the rest is tried again; the connection's own patience stays."""
    path = tmp_path / "issuer.db"
    with closing(SqliteTables(tmp_path, ISSUER)) as database:
        with read_for_long(path):
            with database.writing() as tables:
                tables.execute("INSERT INTO subjects VALUES (1)")
            begun = time.monotonic()
            database.tidy()
            assert time.monotonic() - begun < 5, "the connection waits ten seconds for others' commits"
            assert path.with_name("issuer.db-wal").stat().st_size > 0
        database.tidy()
        assert path.with_name("issuer.db-wal").stat().st_size == 0
        with database.writing() as tables:
            assert tables.execute("PRAGMA busy_timeout").fetchone() == (10_000,)


def test_a_writer_is_not_waited_for_either(tmp_path: Path) -> None:
    with closing(StateFile(tmp_path / "state.db", lambda _: None)) as state:
        with state.writing() as tables:
            tables.execute("CREATE TABLE a (b)")
        with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("INSERT INTO a VALUES (1)")
            begun = time.monotonic()
            with state.reading() as tables:
                assert not cut_log(tables.conn)
            assert time.monotonic() - begun < 5
            other.execute("COMMIT")
        with state.reading() as tables:
            assert cut_log(tables.conn)
            assert tables.execute("SELECT b FROM a").fetchall() == [(1,)]


def test_readiness_warns_and_the_metrics_show_it(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    monkeypatch.setattr(tasks, "SIMULATED_PERIOD_SECONDS", 3600.0)
    monkeypatch.setattr(wal_watch, "LOG_BYTES", 1 << 30)
    monkeypatch.setattr(wal_watch, "WARN_BYTES", 1)
    frame = Frame(house.party, house.guard, "title", "")
    house.store.insert(DAY, rows(0))
    with visiting(frame.build()) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 200
        [found] = [item for item in answer.json()["findings"] if item["name"] == "wal"]
        assert found["level"] == "warning" and "visits" in found["text"]
        assert 'checkin_wal_bytes{database="visits"}' in client.get("/metrics").text
