"""The SQLite engine: the suite on both layouts, and what a thief of its files would see."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import sqlite_utils

from checkin.errors import NotReady
from checkin.vault.closing import settle_days, unsettled
from checkin.vault.engines import Row, sqlite
from checkin.vault.engines.sqlite import SqliteStore
from tests.checkin.vault.engines.suite import StoreSuite
from tests.checkin.vault.engines.workers import DAY, Engine, a_row


def loosen(folder: Path, day: int) -> None:
    """Takes the unique key of a day away."""
    with closing(sqlite3.connect(folder / f"day-{day}.db")) as connection:
        connection.execute('DROP TABLE "rows"')
        connection.execute('CREATE TABLE "rows" ("key" BLOB, "group" BLOB, bucket INTEGER, nonce BLOB, sealed BLOB)')


class TestOrdered(StoreSuite):
    """Visits: rows in the order of arrival."""

    @pytest.fixture
    def engine(self, tmp_path: Path) -> Engine:
        return Engine(partial(SqliteStore, tmp_path, ordered=True), partial(loosen, tmp_path))


class TestUnordered(StoreSuite):
    """The ledger: rows by key."""

    @pytest.fixture
    def engine(self, tmp_path: Path) -> Engine:
        return Engine(partial(SqliteStore, tmp_path, ordered=False), partial(loosen, tmp_path))


def written(folder: Path, rows: list[Row], *, settle: bool, together: int = 5) -> bytes:
    """The file of a ledger day after these rows were committed so many at a time, in this order; without the counters
    of changes in its header (https://sqlite.org/fileformat2.html §1.3), which tell how many there were."""
    store = SqliteStore(folder, ordered=False)
    for at in range(0, len(rows), together):
        store.insert(DAY, rows[at : at + together])
    if settle:
        store.settle(DAY)
        assert (folder / f"day-{DAY}.db-wal").stat().st_size == 0
    store.close()
    data = (folder / f"day-{DAY}.db").read_bytes()
    return data[:24] + data[28:40] + data[44:92] + data[100:]


@pytest.mark.parametrize("count", [15, 1000])
def test_a_settled_ledger_is_the_same_file_in_whatever_order_it_was_written(tmp_path: Path, count: int) -> None:
    """Byte for byte: so there is nothing in it to learn the order from. No row has an older copy in it either."""
    rows = [a_row() for _ in range(count)]
    one = written(tmp_path / "one", rows, settle=True)
    other = written(tmp_path / "other", rows[::-1], settle=True)
    third = written(tmp_path / "third", random.sample(rows, count), settle=True)
    assert one == other == third
    assert {one.count(row.key) for row in rows} == {2}  # the row, and the index over groups


def test_before_it_is_settled_a_ledger_shows_the_order(tmp_path: Path) -> None:
    """The control: without it the test above could pass for the wrong reason; the threat model says so too."""
    rows = [a_row() for _ in range(15)]
    data = written(tmp_path / "one", rows, settle=False, together=1)
    assert data != written(tmp_path / "other", rows[::-1], settle=False, together=1)
    places = [data.find(row.sealed) for row in rows]
    assert places == sorted(places, reverse=True)  # SQLite fills a page from its end


def test_who_is_to_read_a_day_cannot_write_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, ordered=True)
    store.insert(DAY, [row := a_row()])
    reading = store.reader()()
    with pytest.raises(NotReady):
        reading.insert(DAY, [a_row()])
    store.close()
    assert list(reading.rows(DAY)) == [row]
    reading.close()


def test_rows_of_one_commit_lie_in_no_order_of_arrival(tmp_path: Path) -> None:
    """But in that of their keys, in which an index has fewer pages to touch; each is answered in its place."""
    store = SqliteStore(tmp_path, ordered=True)
    rows = [a_row() for _ in range(30)]
    store.insert(DAY, rows[:10])
    assert store.insert(DAY, [*rows[10:], replace(rows[0], nonce=bytes(12)), rows[1]]) == [True] * 20 + [False, True]
    store.close()
    with closing(sqlite3.connect(tmp_path / f"day-{DAY}.db")) as database:
        found = [key for (key,) in database.execute('SELECT "key" FROM "rows" ORDER BY rowid')]
    assert found == sorted(row.key for row in rows[:10]) + sorted(row.key for row in rows[10:])


@pytest.mark.parametrize("columns", ['bucket, "group"', '"group", bucket'])
def test_a_group_is_found_by_an_index_whose_hours_come_first_or_last(tmp_path: Path, columns: str) -> None:
    """First as days are made now, so that an hour touches few pages; last as earlier versions made them."""
    store = SqliteStore(tmp_path, ordered=True)
    rows = [replace(a_row(), group=bytes(16), bucket=bucket) for bucket in (0, 7, 8, 24)]
    store.insert(DAY, [a_row(), *rows])
    with closing(sqlite3.connect(tmp_path / f"day-{DAY}.db", isolation_level=None)) as database:
        assert [name for *_, name in database.execute("PRAGMA index_info(rows_group)")] == ["bucket", "group"]
        database.execute("DROP INDEX rows_group")
        database.execute(f'CREATE INDEX rows_group ON "rows" ({columns})')
    asked: list[str] = []
    with store._borrow(DAY) as connection:
        connection.set_trace_callback(asked.append)
    assert [row.bucket for row in store.group(DAY, bytes(16), 7, 8)] == [7, 8]
    assert store.counts(DAY, bytes(16)) == {0: 1, 7: 1, 8: 1, 24: 1}
    with store._borrow(DAY) as connection:
        connection.set_trace_callback(None)
        for query in asked:
            steps = str(connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall())
            assert "SEARCH rows USING" in steps and "bucket=?" in steps and "group=?" in steps
    store.close()


def test_settling_waits_for_a_reader_and_then_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, ordered=False, timeout=0.05)
    store.insert(DAY, [a_row() for _ in range(10)])
    reading = store.rows(DAY)
    next(reading)
    with pytest.raises(NotReady):
        store.settle(DAY)
    reading.close()  # type: ignore[attr-defined]  # a generator, seen as an iterator
    store.settle(DAY)
    store.close()


def test_nobody_but_the_service_can_read_its_files(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "visits", ordered=True)
    store.insert(DAY, [a_row()])
    assert (tmp_path / "visits").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "visits").iterdir()} == {0o600}
    store.close()


def test_dropping_a_day_leaves_no_file_and_no_open_one(tmp_path: Path) -> None:
    """Also in another store that had the day open, as soon as it looks which days there are."""
    one, other = SqliteStore(tmp_path, ordered=True), SqliteStore(tmp_path, ordered=True)
    for store in (one, other):
        store.insert(DAY, [a_row()])
    one.drop(DAY)
    assert list(tmp_path.iterdir()) == []
    assert other.days() == []
    held = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not [name for name in held if name.startswith(str(tmp_path)) and "day-" in name]
    one.close()
    other.close()


@pytest.mark.parametrize("left", [".db-wal", ".db-shm", ".db.0011223344556677.new", ".db.0011223344556677.new-wal"])
def test_what_a_crash_left_of_a_day_is_still_listed_and_dropped(tmp_path: Path, left: str) -> None:
    (tmp_path / f"day-{DAY}{left}").write_bytes(b"rest")
    store = SqliteStore(tmp_path, ordered=True)
    assert store.days() == [DAY]
    store.drop(DAY)
    assert (store.days(), list(tmp_path.iterdir())) == ([], [])
    store.close()


def test_dropping_a_day_leaves_the_day_whose_number_begins_alike(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, ordered=True)
    for day in (2077, 20779):
        store.insert(day, [])
    store.drop(2077)
    assert store.days() == [20779]
    store.close()


def test_every_commit_waits_for_the_disk_and_goes_to_the_log_first(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, ordered=True)
    store.insert(DAY, [])
    with store._borrow(DAY) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_no_more_connections_wait_than_allowed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, ordered=True, idle=3)
    for day in range(10):
        store.insert(day, [a_row()])
    assert [lent.day for lent in store._idle] == [7, 8, 9]
    assert [store.measure(day).rows for day in range(10)] == [1] * 10
    store.close()
    assert store._idle == []


def test_a_store_that_was_closed_takes_nothing_and_can_be_closed_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, ordered=True)
    store.close()
    store.close()
    with pytest.raises(NotReady):
        store.insert(DAY, [a_row()])


def test_a_damaged_day_is_not_ready_and_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / f"day-{DAY}.db").write_bytes(b"not a database" * 1000)
    store = SqliteStore(tmp_path, ordered=True)
    with pytest.raises(NotReady):
        store.insert(DAY, [a_row()])
    with pytest.raises(NotReady):
        store.get(DAY, [b"k" * 16])
    assert store.insert(DAY + 1, [a_row()]) == [True]
    store.close()


def test_a_day_of_another_version_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, ordered=True)
    store.insert(DAY, [])
    store.close()
    with closing(sqlite3.connect(tmp_path / f"day-{DAY}.db")) as connection:
        connection.execute("PRAGMA user_version = 2")
    again = SqliteStore(tmp_path, ordered=True)
    with pytest.raises(NotReady, match="version"):
        again.insert(DAY, [])
    again.close()


def test_a_day_that_cannot_be_made_is_not_ready(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "visits", ordered=True)
    (tmp_path / "visits").rmdir()
    with pytest.raises(NotReady):
        store.insert(DAY, [a_row()])
    store.close()


def test_a_writer_that_never_ends_makes_the_next_one_not_ready(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, ordered=True, timeout=0.05)
    store.insert(DAY, [])
    with closing(sqlite3.connect(tmp_path / f"day-{DAY}.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotReady):
            store.insert(DAY, [a_row()])
    assert store.insert(DAY, [a_row()]) == [True]
    store.close()


def test_a_day_that_another_program_holds_is_not_read_as_if_it_lay_still(tmp_path: Path) -> None:
    """Though nothing is in the log ahead of the file: what that program does next would be read half."""
    store = SqliteStore(tmp_path, ordered=True, timeout=0.05)
    store.insert(DAY, [a_row()])
    store.close()
    with closing(sqlite3.connect(tmp_path / f"day-{DAY}.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotReady):
            store.measure(DAY)
    assert store.measure(DAY).rows == 1
    store.close()


def test_a_full_disk_makes_the_commit_not_ready_and_leaves_none_of_its_rows(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, ordered=True)
    store.insert(DAY, [a_row()])
    with store._borrow(DAY) as connection:
        connection.execute("PRAGMA max_page_count = 20")  # SQLite then answers as it does when the disk is full
    with pytest.raises(NotReady):
        store.insert(DAY, [a_row() for _ in range(1000)])
    assert store.measure(DAY).rows == 1
    assert store.insert(DAY, [a_row() for _ in range(1000)]) == [True] * 1000
    store.close()


def test_a_negative_day_has_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1970"):
        SqliteStore(tmp_path, ordered=True).insert(-1, [])


@pytest.mark.parametrize("ordered", [True, False])
def test_an_administrator_sees_counts_and_no_time_in_a_day(tmp_path: Path, ordered: bool) -> None:
    """By the tool the schema was made with: the declared tables and columns are all there is."""
    store = SqliteStore(tmp_path, ordered=ordered)
    store.insert(DAY, [a_row(group=b"\xab" * 16, bucket=7), a_row(group=b"\xab" * 16, bucket=7)])
    store.close()
    database = sqlite_utils.Database(tmp_path / f"day-{DAY}.db")
    assert list(database.query('SELECT * FROM "groups"')) == [{"group": "AB" * 16, "bucket": 7, "rows": 2}]
    columns = {table.name: [column.name for column in table.columns] for table in database.tables}
    assert columns == {"rows": ["key", "group", "bucket", "nonce", "sealed"], "attachments": ["name", "value"]}
    assert database.view_names() == ["groups"]
    database.close()


def open_files(folder: Path) -> list[str]:
    """Those of the folder that this process holds open."""
    found = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [path for path in found if path.startswith(f"{folder}/")]


def test_a_day_that_does_not_open_says_what_to_do_and_holds_no_file(tmp_path: Path) -> None:
    """Another version's, and one that is no database."""
    with closing(SqliteStore(tmp_path, ordered=True)) as store:
        store.insert(DAY, [a_row()])
    file, store = tmp_path / f"day-{DAY}.db", SqliteStore(tmp_path, ordered=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(NotReady, match="another version"):
        store.insert(DAY, [a_row()])
    file.write_bytes(b"no database" * 1000)
    file.with_name(f"{file.name}-wal").write_bytes(b"nor a log")
    with pytest.raises(NotReady, match="look at its disk"):
        store.insert(DAY, [a_row()])
    assert open_files(tmp_path) == []


def test_that_a_day_is_gone_reaches_the_disk_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut after it brings no file back."""
    store, synced = SqliteStore(tmp_path, ordered=True), list[list[Path]]()
    store.insert(DAY, [a_row()])
    monkeypatch.setattr(sqlite, "sync_folder", lambda folder: synced.append(list(folder.glob(f"day-{DAY}*"))))
    store.drop(DAY)
    assert synced and synced[-1] == []
    store.close()


def test_settling_holds_its_lease_on_from_day_to_day(tmp_path: Path) -> None:
    store, renewed = SqliteStore(tmp_path, ordered=False), list[list[int]]()
    for day in (DAY, DAY + 1):
        store.insert(day, [a_row()])

    @contextmanager
    def hold(_: str, __: int) -> Iterator[Callable[[], None]]:
        yield lambda: renewed.append(list(unsettled(store)))

    settle_days(store, hold, lambda _: True)
    assert renewed == [[DAY, DAY + 1], [DAY + 1]]
    store.close()
