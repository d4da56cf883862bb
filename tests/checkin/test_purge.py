"""What a service destroys, when, and what it states about it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from checkin.errors import CheckinError, ClockUntrusted, DayDestroyed, KeyDestroyed, NotReady, SealBroken
from checkin.keyring import KeyName, KeyRing, Purpose
from checkin.primitives import Label, aead_open, derive
from checkin.secretfile import read_secret
from checkin.stores.sqlite import SqliteStore
from checkin.vault import Vault
from tests.checkin.house import CALENDAR, DAY, HOUR, House, day_key, prepare

REPORT = f"purge-{CALENDAR.date(DAY)}"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A registry with twelve visits today."""
    prepare(tmp_path / "registry")
    house = House(tmp_path / "registry")
    house.purger.run()
    house.purger.make_keys()
    house.open_day()
    return house


def age(house: House, days: int, seconds: float = HOUR) -> list[str]:
    """The service runs through the days, as it does; what it states at the last one."""
    made: list[str] = []
    for day in range(house.party.today() + 1, DAY + days + 1):
        house.go(day, seconds)
        made = house.purger.run()
        house.purger.close_due_days()
    return made


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
    assert house.purger.last_destruction_ms is None
    age(house, 28)
    assert house.purger.last_destruction_ms is not None
    assert 0 < house.purger.last_destruction_ms < 1000


# --- what is stated --------------------------------------------------------------------------------------------


def test_a_report_says_what_was_destroyed_and_matches_the_closing(house: House) -> None:
    """Complete, signed, and tied to the key's and the day's earlier statements."""
    assert age(house, 28) == [REPORT]
    report = house.statement(REPORT)
    closed = house.statement(f"closed-{CALENDAR.date(DAY)}")
    made = house.statement(f"key-made-day-{CALENDAR.date(DAY)}")
    assert report["closing"] == closed["digest"]
    assert report["rows"] == closed["count"] == "12"
    assert report["commitment"] == made["commitment"]
    assert (report["due"], report["done"]) == ("2026-12-18", "2026-12-18")
    assert report["clock"] == "simulated"
    assert int(str(report["bytes"])) > 4096
    assert len(str(report["root"])) == 64


def test_few_rows_are_not_told_by_any_field(house: House) -> None:
    """Neither the count, nor the size, nor the root of nothing."""
    house.open_day(DAY + 1, rows=9)
    age(house, 29)
    report = house.statement(f"purge-{CALENDAR.date(DAY + 1)}")
    assert (report["rows"], report["bytes"], report["root"]) == ("fewer than 10", "-", "-")
    assert house.statement(f"closed-{CALENDAR.date(DAY + 1)}")["count"] == "fewer than 10"
    assert report["closing"] == house.statement(f"closed-{CALENDAR.date(DAY + 1)}")["digest"]


@pytest.mark.parametrize(("seconds", "closed"), [(299.0, False), (300.0, True)])
def test_a_day_is_closed_when_uploads_end(house: House, seconds: float, *, closed: bool) -> None:
    """D+4 00:05, the exact edge; then it takes no more rows."""
    house.go(DAY + 4, seconds)
    house.guard.tick()
    made = house.purger.close_due_days()
    assert (f"closed-{CALENDAR.date(DAY)}" in made) == closed
    assert house.purger.close_due_days() == []
    row = house.vault.seal(DAY, b"k" * 16, b"g" * 16, 1, b"late")
    if closed:
        with pytest.raises(CheckinError, match="no more uploads"):
            house.vault.insert(DAY, [row])
    else:
        assert house.vault.insert(DAY, [row]) == [True]


def test_a_damaged_day_is_destroyed_all_the_same(house: House) -> None:
    """Its report says that nobody knows how much it held; no other day waits for it."""
    house.open_day(DAY + 1)
    age(house, 27)
    for path in (house.party.data / "visits").glob(f"day-{DAY}.db*"):
        path.write_bytes(b"spoilt" * 1000)
    again = House(house.party.data.parent)
    again.go(DAY + 29, HOUR)
    again.guard.confirm()
    assert again.purger.run() == [REPORT, f"purge-{CALENDAR.date(DAY + 1)}"]
    assert not again.live()
    report = again.statement(REPORT)
    assert report["rows"] == "unknown"
    assert report["commitment"] == again.statement(f"key-made-day-{CALENDAR.date(DAY)}")["commitment"]


def test_a_day_that_cannot_be_destroyed_keeps_no_other_from_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is raised when all else is done, and the next round tries again."""
    house.open_day(DAY + 1)
    age(house, 27)
    house.go(DAY + 29, HOUR)
    real = house.party.ring.destroy

    def refuse(name: KeyName) -> None:
        if name == day_key():
            raise OSError("the disk does not answer")
        real(name)

    monkeypatch.setattr(house.party.ring, "destroy", refuse)
    with pytest.raises(NotReady):
        house.purger.run()
    assert not house.live(DAY + 1)
    assert house.book.get(REPORT) is None
    assert house.purger.overdue() == [DAY]
    monkeypatch.undo()
    assert house.purger.run() == [REPORT]


def test_status_shows_held_overdue_and_destroyed_days(house: House) -> None:
    """What an operator sees."""
    age(house, 28)
    house.open_day(DAY + 28, rows=3)
    found = house.purger.status()
    assert [(gone.day, gone.rows, gone.done) for gone in found.destroyed] == [("2026-11-20", "12", "2026-12-18")]
    assert ("2026-12-18", 3) in [(day.day, day.rows) for day in found.held]
    assert found.due == []
    assert found.doubt is None


# --- keys ------------------------------------------------------------------------------------------------------


def test_keys_are_made_ahead_once_and_each_is_stated(house: House) -> None:
    """Today and tomorrow; the same statement however often it is asked for."""
    assert house.purger.make_keys() == []
    for day in (DAY, DAY + 1):
        made = house.statement(f"key-made-day-{CALENDAR.date(day)}")
        assert made["commitment"] == house.party.ring.commitment(day_key(day))
        assert made["key"] == f"day-{day}"


def test_intake_keys_go_with_the_closing_and_signing_keys_with_their_day(tmp_path: Path) -> None:
    """Each is destroyed for good, and stated with the commitment it was made with."""
    prepare(tmp_path / "x")
    house = House(tmp_path / "x", ahead={Purpose.DAY: 1, Purpose.INTAKE: 2, Purpose.SIGNING: 2})
    house.purger.make_keys()
    house.open_day()
    house.go(DAY + 1)
    assert house.purger.run() == ["key-destroyed-signing-2026-11-20"]
    house.go(DAY + 4, 299)
    house.purger.close_due_days()
    assert "key-destroyed-intake-2026-11-20" not in house.purger.run()
    house.go(DAY + 4, 300)
    assert "key-destroyed-intake-2026-11-20" not in house.purger.run(), "the day is not closed yet"
    house.purger.close_due_days()
    assert "key-destroyed-intake-2026-11-20" in house.purger.run()
    with pytest.raises(KeyDestroyed):
        house.party.ring.opening_key(KeyName(Purpose.INTAKE, DAY))
    gone = house.statement("key-destroyed-intake-2026-11-20")
    assert gone["commitment"] == house.statement("key-made-intake-2026-11-20")["commitment"]
    assert (gone["due"], gone["done"]) == ("2026-11-24", "2026-11-24")
    assert house.statement("key-destroyed-signing-2026-11-20")["due"] == "2026-11-21"


def test_a_service_destroys_its_other_data_in_the_same_round(tmp_path: Path) -> None:
    """Its duties are told the oldest day that is held, and may retire keys of their own."""
    prepare(tmp_path / "x")
    told: list[int] = []
    made: list[str] = []
    identity = KeyName(Purpose.IDENTITY, DAY - 30)

    def duty(oldest: int) -> None:
        told.append(oldest)
        if identity in registry.party.ring.names():
            made.extend(registry.purger.retire(identity, DAY - 2))

    registry = House(tmp_path / "x", duties=[duty])
    registry.party.ring.make(identity, oldest=0)
    registry.purger.run()
    assert told == [DAY - 27]
    assert made == ["key-destroyed-identity-2026-10-21"]
    with pytest.raises(KeyDestroyed):
        registry.party.ring.use(identity)
