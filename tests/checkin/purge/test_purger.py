"""What a service destroys, when, and what is left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import structlog.testing

from checkin.errors import ClockUntrusted, DayDestroyed, NotReady, SealBroken
from checkin.keys.key_ring import KeyName, KeyRing
from checkin.keys.secret_file import read_secret
from checkin.protocol.primitives import Label, aead_open, derive
from checkin.purge.inventory import Inventory
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.vault import Vault
from tests.support.purging_service import REPORT, House, age, day_key
from tests.support.service_folder import CALENDAR, DAY, HOUR


def test_the_birth_of_a_days_file_does_not_tell_when_the_first_person_came(house: House) -> None:
    """It is made with the key, a day ahead; a key that was made before a crash gets its file afterwards."""
    assert house.store.days() == [DAY, DAY + 1]
    born = (house.party.data / "visits" / f"day-{DAY + 1}.db").stat().st_ino
    house.go(DAY + 1, HOUR)
    house.open_day(DAY + 1)
    assert (house.party.data / "visits" / f"day-{DAY + 1}.db").stat().st_ino == born
    house.party.ring.ensure(day_key(DAY + 2), oldest=0)
    house.purger.make_keys()
    assert DAY + 2 in house.store.days()


# --- when ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "destroyed"), [(-0.001, False), (0.0, True)])
def test_a_day_is_destroyed_when_its_28_days_are_over_and_not_a_moment_before(
    house: House, seconds: float, *, destroyed: bool
) -> None:
    """The exact edge: the start of D+28."""
    age(house, 27)
    house.go(DAY + 28, seconds)
    assert (REPORT in house.purger.run()) == destroyed
    assert house.live() != destroyed


def test_nothing_is_destroyed_and_nothing_stated_while_the_clock_is_in_doubt(house: House) -> None:
    """A clock set 30 days ahead destroys nothing; set back again, nothing is lost."""
    before = house.clock.boot()
    house.clock.set("2026-12-21T12:00:00+09:00", before + 20)
    with pytest.raises(ClockUntrusted):
        house.purger.run()
    with pytest.raises(ClockUntrusted):
        house.purger.close_due_days()
    with pytest.raises(ClockUntrusted):
        house.purger.make_keys()
    assert house.live()
    assert house.purger.status().doubt is not None
    house.clock.set("2026-11-20T12:01:00+09:00", before + 60)
    house.guard.confirm()
    assert house.purger.run() == []
    assert len(house.vault.store.get(DAY, [b"\x01" * 16])) == 1


def test_after_seven_days_of_downtime_everything_due_goes_at_once(house: House) -> None:
    """One trusted time suffices; the report says that it was late."""
    for day in range(DAY + 1, DAY + 22):
        house.go(day, HOUR)
        house.purger.run()
        house.open_day(day, rows=10)
    house.go(DAY + 21 + 7 + 7, 9 * HOUR)
    again = House(house.party.data.parent, peers=lambda: [again.clock.now()])
    made = again.purger.run()
    assert made == [f"purge-{CALENDAR.date(day)}" for day in range(DAY, DAY + 8)]
    assert again.purger.overdue() == []
    late = again.statement(REPORT)
    assert (late["due"], late["done"]) == ("2026-12-18", "2026-12-25")
    assert late["oldest-day-held"] == CALENDAR.date(DAY + 8)


def test_after_a_downtime_nobody_confirms_a_person_does(house: House) -> None:
    """Until then what is overdue is not destroyed and its days are below the floor, so nobody reads them."""
    house.go(DAY + 35)
    again = House(house.party.data.parent)
    with pytest.raises(ClockUntrusted):
        again.purger.run()
    assert again.live()
    assert again.guard.floor(CALENDAR) > DAY
    again.guard.confirm()
    assert REPORT in again.purger.run()


def test_a_clock_gone_back_revives_no_day(house: House) -> None:
    """Thirty days back after the purge: the day cannot be made again, nor its statement."""
    age(house, 28)
    house.go(DAY)
    again = House(house.party.data.parent)
    with pytest.raises(ClockUntrusted):
        again.purger.run()
    with pytest.raises(DayDestroyed):
        again.party.ring.ensure(day_key(), oldest=again.guard.floor(CALENDAR))
    again.guard.confirm()
    assert again.guard.floor(CALENDAR) == DAY + 1
    with pytest.raises(DayDestroyed):
        again.party.ring.ensure(day_key(), oldest=0)


# --- what is left ----------------------------------------------------------------------------------------------


def test_copies_of_everything_open_nothing_after_the_purge(house: House, tmp_path: Path) -> None:
    """Every database and the master key, copied the day before; with the key saved too, the same copy opens."""
    age(house, 27)
    saved = house.party.ring.use(day_key())
    shutil.copytree(house.party.data, tmp_path / "copy")
    age(house, 28)
    rows = list(SqliteStore(tmp_path / "copy" / "visits", ordered=True).rows(DAY))
    assert len(rows) == 12

    master = read_secret(tmp_path / "registry" / "master.key")
    ring = KeyRing(tmp_path / "registry" / "keys", master, allow_unfit=True)
    copy = Vault("venue", SqliteStore(tmp_path / "copy" / "visits", ordered=True), ring)
    for row in rows:
        with pytest.raises(DayDestroyed):
            copy.open(DAY, row)
    slots = [path for path in (tmp_path / "registry" / "keys").iterdir() if saved in path.read_bytes()]
    assert slots == []

    class Saved:
        """The thief who copied the key in time."""

        def subkey(self, _: KeyName, label: Label) -> bytes:
            return derive(saved, label)

    control = Vault("venue", copy.store, Saved())
    assert {control.open(DAY, row) for row in rows} == {b"a visit"}
    with pytest.raises(SealBroken):
        aead_open(derive(master, Label.SUB_ROW), rows[0].nonce, rows[0].sealed, b"")


def test_a_backup_put_back_is_destroyed_again(house: House, tmp_path: Path) -> None:
    """The file of a purged day that turns up again goes with the next round, and nothing new is stated."""
    age(house, 27)
    shutil.copytree(house.party.data / "visits", tmp_path / "backup")
    age(house, 28)
    stated = house.book.all()
    shutil.copy(tmp_path / "backup" / f"day-{DAY}.db", house.party.data / "visits")
    assert house.purger.overdue() == [DAY]
    assert house.purger.run() == []
    assert house.purger.overdue() == []
    assert house.book.all() == stated


def test_readers_in_other_processes_stop_at_once(house: House) -> None:
    """A worker that has the key open cannot use it once more."""
    age(house, 27)
    worker = House(house.party.data.parent)
    row = worker.vault.store.get(DAY, [b"\x01" * 16])[b"\x01" * 16]
    assert worker.vault.open(DAY, row) == b"a visit"
    age(house, 28)
    with pytest.raises(DayDestroyed):
        worker.vault.open(DAY, row)


def test_destroying_the_key_is_measured(house: House) -> None:
    """The moment at which a day becomes unreadable."""
    with structlog.testing.capture_logs() as logged:
        age(house, 28)
    [took] = [line["milliseconds"] for line in logged if line.get("key") == str(day_key())]
    assert 0 < took < 1000


@pytest.mark.parametrize("error", [OSError("no data"), NotReady("no database")])
def test_what_is_overdue_is_known_from_the_keys_where_the_data_cannot_be_read(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    house.go(DAY + 28, HOUR)
    house.guard.confirm()

    def unreadable(*_: object) -> list[int]:
        raise error

    monkeypatch.setattr(Inventory, "due", unreadable)
    assert house.purger.overdue() == [DAY]
