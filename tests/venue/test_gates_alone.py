"""The registry's gates by themselves, without a service around them: what they keep, and when they forget it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkin.errors import NotReady
from checkin.files.tables import SqliteTables
from tests.support.purging_service import House
from tests.support.registry_service import BUCKETS
from tests.support.service_folder import DAY, HOUR, make_service
from venue.database import REGISTRY
from venue.gates import GATES, Gates

SCANNER = b"scanner1"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[tuple[House, SqliteTables, Gates]]:
    """A registry's retention, and its gates."""
    make_service(tmp_path)
    house = House(tmp_path)
    house.guard.tick()
    database = SqliteTables(tmp_path / "data", REGISTRY)
    counts = SqliteTables(tmp_path / "data", GATES)
    gates = Gates(house.service, database, counts)
    house.open_day()
    yield house, database, gates
    gates.close()
    counts.close()
    database.close()
    house.store.close()


def test_keeping_count_empties_nobodys_memory(house: tuple[House, SqliteTables, Gates]) -> None:
    """The counts are in a file of their own: no worker has to look for its scanners anew each minute."""
    _, database, gates = house
    before = database.look()
    gates.count(DAY, SCANNER, 12)
    gates.hear(SCANNER)
    gates.keep()
    assert gates.hours(DAY, SCANNER)[12] == 1
    assert database.look() == before


def test_a_disk_that_refuses_loses_no_count(
    house: tuple[House, SqliteTables, Gates], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next round tries again; what came meanwhile counts, too."""
    _, _, gates = house

    def refuse(*_: object) -> None:
        raise NotReady

    gates.count(DAY, SCANNER, 12)
    with monkeypatch.context() as broken, pytest.raises(NotReady):
        broken.setattr(SqliteTables, "write", refuse)
        gates.keep()
    gates.count(DAY, SCANNER, 12)
    gates.keep()
    assert gates.hours(DAY, SCANNER)[12] == 2


def test_a_service_that_stood_still_forgets_the_split_with_the_day(
    house: tuple[House, SqliteTables, Gates],
) -> None:
    """The purge does it by itself, whether or not the day was ever closed."""
    standing, _, gates = house
    gates.count(DAY, SCANNER, 12)
    gates.keep()
    gates.forget(DAY)
    assert gates.hours(DAY, SCANNER)[12] == 1
    gates.forget(DAY + 1)
    assert gates.hours(DAY, SCANNER) == [0] * BUCKETS
    assert standing.live()


def test_the_split_of_an_open_day_is_not_forgotten_a_second_too_early(
    house: tuple[House, SqliteTables, Gates],
) -> None:
    """Uploads are taken until then, so it still changes."""
    standing, _, gates = house
    gates.count(DAY, SCANNER, 12)
    gates.keep()
    for late, kept in ((-1.0, 1), (0.0, 0)):
        standing.go(DAY + 4, 5 * HOUR / 60 + late)
        standing.guard.tick()
        gates.forget_closed()
        assert gates.hours(DAY, SCANNER)[12] == kept


def test_a_time_that_a_wrong_clock_put_into_the_future_goes(house: tuple[House, SqliteTables, Gates]) -> None:
    """A scanner that is dead must not look alive for a year."""
    standing, database, gates = house
    with database.writing() as tables:
        venue = {"id": "11" * 8, "name": "x", "category": "x", "operator_sha256": b"", "status_rule": "[]", "closed": 0}
        tables.table("venues").insert(venue)
        scanner = {"id": SCANNER.hex(), "venue": "11" * 8, "label": "x", "token_sha256": b"", "revoked": 0}
        tables.table("scanners").insert(scanner | {"uploads_until": 0})
    standing.go(DAY + 300)
    gates.hear(SCANNER)
    standing.go(DAY, 12 * HOUR)
    gates.keep()
    assert gates.last_heard([SCANNER.hex()]) == {}
