"""Tables do the same in SQLite and in PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from checkin.errors import NotReady
from checkin.files.tables import Commit, SqliteTables, Tables, TableSet, read_in
from tests.checkin.files.engines import ENGINES, Open, opening_tables

FIRST = """
CREATE TABLE IF NOT EXISTS things (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    value bytea
)"""
THINGS = TableSet("things", (FIRST,), ("seen", "other"))
LATER = THINGS._replace(
    migrations=(FIRST, "ALTER TABLE things ADD COLUMN IF NOT EXISTS word text NOT NULL DEFAULT 'none'")
)
ADD = "INSERT INTO things (name, number, value) VALUES (:name, :number, :value) ON CONFLICT DO NOTHING"


@pytest.fixture(params=ENGINES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens a part as one more process would."""
    with opening_tables(request.param, tmp_path, request) as open_part:
        yield open_part


def add(tables: Tables, name: str, number: int = 0, value: bytes | None = None) -> int:
    """How many rows that added."""
    return tables.write(lambda commit: commit.change(ADD, {"name": name, "number": number, "value": value}))


def names(tables: Tables) -> list[str]:
    return [name for (name,) in tables.read("SELECT name FROM things ORDER BY name")]


def test_values_come_back_as_they_were_given(opened: Open) -> None:
    tables = opened(THINGS)
    rows = [("", -(2**63), b""), ("한글 🙂", 2**63 - 1, bytes(range(256))), ("a:b '%s' $1", 0, None)]
    assert [add(tables, *row) for row in rows] == [1, 1, 1]
    assert sorted(tables.read("SELECT name, number, value FROM things")) == sorted(rows)


def test_names_are_in_the_order_of_their_bytes(opened: Open) -> None:
    """Whatever language the server was set up for."""
    tables = opened(THINGS)
    mixed = ["b", "A", "a-b", "a", "ab", "é", "B"]
    for name in mixed:
        add(tables, name)
    assert names(tables) == sorted(mixed)
    page = "SELECT name FROM things WHERE name > :after ORDER BY name LIMIT :most"
    assert tables.read(page, {"after": "a", "most": 2}) == [("a-b",), ("ab",)]


def test_a_step_that_fails_leaves_nothing_and_its_error_comes_through(opened: Open) -> None:
    tables = opened(THINGS)

    def step(commit: Commit) -> None:
        commit.execute(ADD, {"name": "one", "number": 1, "value": None})
        commit.changed("seen")
        raise KeyError("why")

    before = dict(tables.look())
    with pytest.raises(KeyError, match="why"):
        tables.write(step)
    assert names(tables) == []
    tables.poll()
    assert tables.look() == before


def test_a_file_that_is_up_to_date_is_opened_without_a_commit(tmp_path: Path) -> None:
    """So a start waits for nobody who writes."""
    first = SqliteTables(tmp_path, THINGS)
    with closing(sqlite3.connect(tmp_path / "things.db")) as watch:
        before = watch.execute("PRAGMA data_version").fetchone()
        again = SqliteTables(tmp_path, THINGS._replace(changes=()))
        assert watch.execute("PRAGMA data_version").fetchone() == before
        for tables in (first, again, SqliteTables(tmp_path, LATER)):
            tables.close()
        assert watch.execute("PRAGMA data_version").fetchone() != before, "the control: a migration is a commit"


def test_what_stands_already_is_not_added_again(opened: Open) -> None:
    one, other = opened(THINGS), opened(THINGS)
    assert (add(one, "a", 1), add(other, "a", 2), add(other, "b", 3)) == (1, 0, 1)
    assert one.read("SELECT name, number FROM things ORDER BY name") == [("a", 1), ("b", 3)]


def test_the_same_statement_is_carried_out_for_many_rows(opened: Open) -> None:
    tables = opened(THINGS)
    rows = [{"name": f"{number:04}", "number": number, "value": None} for number in range(1201)]
    tables.write(lambda commit: commit.many(ADD, rows))
    found = read_in(tables, "SELECT number FROM things WHERE name IN", (str(row["name"]) for row in rows[1:]))
    assert sorted(number for (number,) in found) == list(range(1, 1201))
    assert read_in(tables, "SELECT number FROM things WHERE name IN", []) == []


def test_of_many_who_count_before_they_add_none_goes_past_the_bound(opened: Open) -> None:
    """Of two processes with four threads each."""
    processes = [opened(THINGS), opened(THINGS)]
    start = threading.Barrier(8)

    def add_within(number: int) -> bool:
        def step(commit: Commit) -> bool:
            commit.alone()
            ((count,),) = commit.execute("SELECT count(*) FROM things")
            return count < 5 and commit.change(ADD, {"name": str(number), "number": 0, "value": None}) == 1

        start.wait()
        return processes[number % 2].write(step)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(add_within, range(8))) == 5
    assert len(names(processes[0])) == 5


def test_who_adds_up_at_once_loses_nothing(opened: Open) -> None:
    processes = [opened(THINGS), opened(THINGS)]
    count = ADD.replace("DO NOTHING", "(name) DO UPDATE SET number = things.number + excluded.number")
    rows = [{"name": name, "number": 1, "value": None} for name in ("a", "b", "c")]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda at: processes[at % 2].write(lambda commit: commit.many(count, rows)), range(40)))
    assert processes[0].read("SELECT DISTINCT number FROM things") == [(40,)]


def test_a_change_is_told_to_all_and_nothing_else_is(opened: Open) -> None:
    one, other = opened(THINGS), opened(THINGS)
    before = (dict(one.look()), dict(other.look()))
    add(one, "not told")
    other.poll()
    assert (one.look(), other.look()) == before
    one.write(lambda commit: commit.changed("seen"))
    assert one.look()["seen"] != before[0]["seen"], "who changes it knows at once"
    other.poll()
    assert other.look() == one.look()
    assert other.seen["other"] == before[1]["other"]


def test_a_look_that_fails_is_not_ready(tmp_path: Path) -> None:
    """As any other reading: the disk failed, say."""
    with closing(SqliteTables(tmp_path, THINGS)) as tables:
        assert tables.look()
        assert tables._watch is not None
        tables._watch.set_progress_handler(lambda: 1, 1)
        with pytest.raises(NotReady):
            tables.look()


def test_migrations_are_carried_out_once_and_by_a_newer_program_only(opened: Open) -> None:
    add(opened(THINGS), "old", 7)
    newer = opened(LATER)
    newer.write(lambda commit: commit.execute("UPDATE things SET word = 'new'"))
    assert opened(LATER).read("SELECT name, number, word FROM things") == [("old", 7, "new")]
    with pytest.raises(NotReady, match="newer version"):
        opened(THINGS)


def test_many_who_open_what_is_not_there_yet_find_one(opened: Open) -> None:
    with ThreadPoolExecutor(6) as threads:
        tables = list(threads.map(opened, [LATER] * 6))
    assert [add(one, "a") for one in tables] == [1, 0, 0, 0, 0, 0]
    assert {one.look()["seen"] for one in tables} == {0}
