"""What was refused is not carried out at a later start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

from checkin.errors import NotReady
from checkin.files.state_file import StateFile
from checkin.keys.journal import Ending
from checkin.service.endings import TABLE, Endings
from tests.support.house import DAY, House, day_key, prepare
from tests.support.small_files import small_files

FIRST, REFUSED, LATER = (Ending("account", str(number)) for number in range(3))


@pytest.fixture
def endings(tmp_path: Path) -> Endings:
    """Of a service with a key for today."""
    prepare(tmp_path / "house")
    house = House(tmp_path / "house")
    house.party.ring.ensure(day_key(), oldest=DAY)
    return Endings(house.party)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[StateFile]:
    with closing(StateFile(tmp_path / "data" / "some.db", _migrate)) as database:
        yield database


def _migrate(tables: sqlite_utils.Database) -> None:
    tables.execute(TABLE)
    tables.execute("CREATE TABLE IF NOT EXISTS ended (name TEXT NOT NULL, filling BLOB) STRICT")


def end(endings: Endings, database: StateFile, ending: Ending) -> None:
    """As a service does; the row is larger than a page."""
    with endings.writing(database) as (tables, ended):
        tables.execute("INSERT INTO ended VALUES (?, zeroblob(8192))", [ending.name])
        ended.append(ending)


def names(database: StateFile) -> list[str]:
    with database.reading() as tables:
        return [row[0] for row in tables.execute("SELECT name FROM ended").fetchall()]


def carried_out(endings: Endings, database: StateFile) -> list[Ending]:
    """By a start."""
    found: list[Ending] = []
    endings.replay(database, lambda _, ending: found.append(ending), lambda _: pytest.fail("all of it is known"))
    return found


@pytest.mark.parametrize("then", [[], [LATER]])
def test_what_a_full_disk_refused_to_commit_is_not_carried_out_at_the_next_start(
    endings: Endings, database: StateFile, tmp_path: Path, then: list[Ending]
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
    with closing(StateFile(tmp_path / "old.db", _migrate)) as old:
        assert carried_out(endings, old) == [FIRST, *then]


def test_an_error_in_the_block_writes_nothing_down(endings: Endings, database: StateFile) -> None:
    with pytest.raises(NotReady), endings.writing(database) as (_, ended):
        ended.append(REFUSED)
        raise NotReady
    assert carried_out(endings, database) == []
