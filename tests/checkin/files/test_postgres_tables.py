"""What is particular to tables in PostgreSQL: a server that goes away, and a commit that nobody confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checkin.errors import NotReady
from checkin.files import postgres_connection, postgres_tables
from checkin.files.postgres_connection import Connection, Postgres
from checkin.files.postgres_tables import PostgresTables
from checkin.files.tables import NOTHING, Commit, CommitUnknown, TableSet
from tests.support.databases import CUT, ask

SUMS = TableSet(
    "sums",
    ("CREATE TABLE sums (number bigint NOT NULL); INSERT INTO sums (number) VALUES (0)",),
    ("sums",),
)
ADD = "UPDATE sums SET number = sums.number + 1"


@pytest.fixture
def tables(dsn: str) -> Iterator[PostgresTables]:
    database = Postgres(dsn)
    yield PostgresTables(database, SUMS)
    database.close()


def add(commit: Commit) -> None:
    commit.execute(ADD)


def number(tables: PostgresTables) -> int:
    [(found,)] = tables.read("SELECT number FROM sums")
    return int(found)


def test_a_step_whose_connection_broke_is_done_again_and_counts_once(tables: PostgresTables, dsn: str) -> None:
    calls = []

    def step(commit: Commit) -> None:
        calls.append(commit.execute(f"{ADD} RETURNING number"))
        commit.changed("sums")
        if len(calls) == 1:
            assert (True,) in ask(dsn, CUT)

    tables.write(step)
    assert calls == [[(1,)], [(1,)]]
    assert number(tables) == 1
    assert ask(dsn, "SELECT number FROM changes") == [(tables.look()["sums"],)] == [(1,)]


def test_a_commit_that_comes_with_a_warning_is_no_acknowledgement(tables: PostgresTables) -> None:
    """So a standby that was not waited for is told: nobody knows whether it will stay."""

    def step(commit: Commit) -> None:
        commit.execute(ADD)
        commit.execute("DO $$ BEGIN RAISE WARNING 'as when a wait was cancelled'; END $$")

    with pytest.raises(CommitUnknown):
        tables.write(step)


def test_what_one_try_may_have_committed_stays_unknown_when_the_next_ones_fail(
    tables: PostgresTables, dsn: str
) -> None:
    tries = []

    def step(commit: Commit) -> None:
        tries.append(commit.execute(ADD))
        if len(tries) == 1:
            commit.execute("DO $$ BEGIN RAISE WARNING 'as when a wait was cancelled'; END $$")
        else:
            ask(dsn, CUT)

    with pytest.raises(CommitUnknown):
        tables.write(step)
    assert len(tries) > 1
    assert number(tables) == 1, "it was carried out"


def test_what_was_not_sent_is_known_not_to_have_been_done(tables: PostgresTables) -> None:
    tables._database.close()
    with pytest.raises(NotReady) as caught:
        tables.write(lambda commit: commit.execute(ADD))
    assert not isinstance(caught.value, CommitUnknown)


def test_while_the_server_is_away_one_asks_and_the_others_are_told_at_once(
    tables: PostgresTables, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So that those who ask meanwhile do not hold each other's threads until all have waited."""
    database, take, asked = tables._database, Postgres._take, list[Postgres]()
    monkeypatch.setattr(database, "dsn", f"host={tmp_path} user=nobody dbname=none")
    monkeypatch.setattr(database, "_patience", 0.05)

    def counted(database: Postgres) -> Connection:
        asked.append(database)
        return take(database)

    monkeypatch.setattr(postgres_connection, "AWAY_SECONDS", 3600.0)
    monkeypatch.setattr(Postgres, "_take", counted)
    database._forget_idle()
    asking: list[Callable[[], object]] = [lambda: number(tables), tables.poll, lambda: tables.write(add)]
    for ask_it in asking:
        with pytest.raises(NotReady):
            ask_it()
    assert len(asked) == 1
    monkeypatch.undo()
    database._away_until = 0.0
    assert number(tables) == 0


def test_when_a_second_is_over_one_asks_again_and_the_others_are_told_at_once(
    tables: PostgresTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, take, asked = tables._database, Postgres._take, list[Postgres]()

    def meanwhile(database: Postgres) -> Connection:
        asked.append(database)
        with pytest.raises(NotReady):
            number(tables)
        return take(database)

    monkeypatch.setattr(postgres_connection, "AWAY_SECONDS", 3600.0)
    monkeypatch.setattr(Postgres, "_take", meanwhile)
    database._forget_idle()
    database._away_until = 0.001
    assert number(tables) == 0
    assert len(asked) == 1
    monkeypatch.undo()
    database._forget_idle()
    assert number(tables) == 0, "it was reached"


def test_who_finds_a_connection_is_not_told_that_the_server_is_away(tables: PostgresTables) -> None:
    """As when it lets nobody more in."""
    database = tables._database
    assert database._idle
    database._away_until = float("inf")
    assert number(tables) == 0


def test_who_has_not_heard_from_the_server_keeps_nothing_in_memory(
    tables: PostgresTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look differs then, so that everybody reads anew; after the next answer they are alike again."""
    assert tables.look() == tables.look() == {"sums": 0}
    monkeypatch.setattr(postgres_tables, "STALE_SECONDS", -1.0)
    looks = [tables.look()["sums"] for _ in range(3)]
    assert len({0, *looks}) == 4
    assert tables.seen == tables.seen == {"sums": looks[-1]}, "who asks what was seen looks not again"
    monkeypatch.undo()
    tables.poll()
    assert tables.look() == {"sums": 0}


def test_what_a_poll_read_before_a_commit_of_ours_is_not_gone_back_to(
    tables: PostgresTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory from before that commit would be as good as new."""
    read = tables.read

    def slowly(query: str, values: Any = NOTHING) -> Any:
        found = read(query, values)
        tables.write(lambda commit: commit.changed("sums"))
        return found

    monkeypatch.setattr(tables, "read", slowly)
    tables.poll()
    assert tables.look() == {"sums": 1}
    monkeypatch.undo()
    tables.poll()
    assert tables.look() == {"sums": 1}


def test_what_the_server_says_is_shown_to_nobody(tables: PostgresTables) -> None:
    """It could quote a row."""
    wrong = "SELECT secret FROM sums"
    calls: list[Callable[[], object]] = [
        lambda: tables.read(wrong),
        lambda: tables.write(lambda commit: commit.execute(wrong)),
    ]
    for call in calls:
        with pytest.raises(NotReady) as caught:
            call()
        assert "secret" not in str(caught.value.detail)
