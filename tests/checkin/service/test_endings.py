"""What was refused is not carried out at a later start."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from checkin.errors import NotFound, NotReady
from checkin.files.tables import Commit, SqliteTables, TableSet, Value
from checkin.keys.journal import Ending
from checkin.service.endings import Endings
from tests.support.purging_service import House, day_key
from tests.support.service_folder import DAY, make_service
from tests.support.small_files import small_files

SOME = TableSet(
    "some",
    (
        "CREATE TABLE endings (number bigint NOT NULL PRIMARY KEY);"
        "CREATE TABLE ended (name text NOT NULL, filling bytea)",
    ),
)
FIRST, REFUSED, LATER = (Ending("account", str(number)) for number in range(3))


@pytest.fixture
def endings(tmp_path: Path) -> Endings:
    """Of a service with a key for today."""
    make_service(tmp_path / "house")
    house = House(tmp_path / "house")
    house.party.ring.ensure(day_key(), oldest=DAY)
    return Endings(house.party, house.guard)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteTables]:
    with closing(SqliteTables(tmp_path / "data", SOME)) as database:
        yield database


def end(endings: Endings, database: SqliteTables, ending: Ending) -> None:
    """As a service does; the row is larger than a page."""

    def step(commit: Commit, ended: list[Ending]) -> None:
        row: dict[str, Value] = {"name": ending.name, "filling": bytes(8192)}
        commit.execute("INSERT INTO ended (name, filling) VALUES (:name, :filling)", row)
        ended.append(ending)

    endings.write(database, step)


def names(database: SqliteTables) -> list[str]:
    return [name for (name,) in database.read("SELECT name FROM ended")]


def carried_out(endings: Endings, database: SqliteTables) -> list[Ending]:
    """By a start."""
    found: list[Ending] = []
    endings.replay(database, lambda _, ending: found.append(ending), lambda _: pytest.fail("all of it is known"))
    return found


@pytest.mark.parametrize("then", [[], [LATER]])
def test_what_a_full_disk_refused_to_commit_is_not_carried_out_at_the_next_start(
    endings: Endings, database: SqliteTables, tmp_path: Path, then: list[Ending]
) -> None:
    """Also not when others have ended since, in a database that was put back from before."""
    end(endings, database, FIRST)
    log = tmp_path / "data" / "some.db-wal"
    with small_files(log.stat().st_size), pytest.raises(NotReady):
        end(endings, database, REFUSED)
    (journal,) = (tmp_path / "house" / "keys" / "journal").glob("day-*.log")
    assert len(journal.read_bytes().splitlines()) == 2  # it was the commit that failed
    for ending in then:
        end(endings, database, ending)
    assert names(database) == [one.name for one in [FIRST, *then]]
    assert carried_out(endings, database) == []
    with closing(SqliteTables(tmp_path / "old", SOME)) as old:
        assert carried_out(endings, old) == [FIRST, *then]


def test_what_an_earlier_try_has_committed_is_not_struck_out_when_the_next_one_finds_it_gone(
    endings: Endings, database: SqliteTables, tmp_path: Path
) -> None:
    """A server that goes away after a commit leaves it unknown, and what ends is asked for once more."""

    class Twice:
        def write(self, step: Callable[[Commit], None]) -> None:
            for _ in range(2):
                database.write(step)

    def step(commit: Commit, ended: list[Ending]) -> None:
        if commit.execute("SELECT name FROM ended"):
            raise NotFound
        commit.execute("INSERT INTO ended (name) VALUES ('0')")
        ended.append(FIRST)

    with pytest.raises(NotFound):
        endings.write(Twice(), step)  # type: ignore[arg-type]  # of the one kind that is given
    assert names(database) == ["0"]
    with closing(SqliteTables(tmp_path / "old", SOME)) as old:
        assert carried_out(endings, old) == [FIRST]


def test_a_journal_that_was_set_up_anew_goes_on_after_what_the_database_has_seen(
    endings: Endings, database: SqliteTables, tmp_path: Path
) -> None:
    """Otherwise what ends next would be taken for seen in a database that is put back."""
    for ending in (FIRST, LATER):
        end(endings, database, ending)
    assert list(endings.findings()) == []
    shutil.rmtree(tmp_path / "house" / "keys" / "journal")
    anew = Endings(endings._party, endings._guard)
    assert carried_out(anew, database) == []
    assert [finding.name for finding in anew.findings()] == ["journal"]
    end(anew, database, REFUSED)
    with closing(SqliteTables(tmp_path / "old", SOME)) as old:
        old.write(lambda commit: commit.execute("INSERT INTO endings (number) VALUES (2)"))
        assert carried_out(anew, old) == [REFUSED]


def test_a_clock_set_back_writes_nothing_under_an_older_day(
    endings: Endings, database: SqliteTables, tmp_path: Path
) -> None:
    """That day's key is destroyed first: a database put back after it would not know what ended."""
    house = House(tmp_path / "house")
    house.guard.tick()
    house.party.ring.ensure(day_key(DAY - 20), oldest=0)
    house.go(DAY - 20)
    end(Endings(house.party, house.guard), database, FIRST)
    assert [path.name for path in (tmp_path / "house" / "keys" / "journal").glob("day-*")] == [f"day-{DAY}.log"]
    house.go(DAY)
    assert carried_out(endings, database) == []


def test_an_error_in_the_block_writes_nothing_down(endings: Endings, database: SqliteTables) -> None:

    def refused(_: Commit, ended: list[Ending]) -> None:
        ended.append(REFUSED)
        raise NotReady

    with pytest.raises(NotReady):
        endings.write(database, refused)
    assert carried_out(endings, database) == []
