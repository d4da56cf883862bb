"""What a service states about what it destroyed: reports of days, closings, keys."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from checkin.errors import CheckinError, KeyDestroyed, NotReady
from checkin.keys.key_ring import KeyName, Purpose
from tests.support.purging_service import REPORT, House, age, day_key
from tests.support.service_folder import CALENDAR, DAY, HOUR, make_service


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


def test_of_two_processes_that_close_a_day_only_one_hashes_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and then finds it closed."""
    house.go(DAY + 4, 300.0)
    house.guard.tick()
    root, calls, second = house.vault.root, list[int](), threading.Event()

    def slow(day: int) -> tuple[bytes, int]:
        calls.append(day)
        if len(calls) > 1:
            second.set()
        second.wait(0.5)
        return root(day)

    monkeypatch.setattr(house.vault, "root", slow)
    with ThreadPoolExecutor(2) as both:
        made = [name for names in both.map(lambda _: house.purger.close_due_days(), range(2)) for name in names]
    assert (calls, made) == ([DAY], [f"closed-{CALENDAR.date(DAY)}"])


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


def test_status_shows_a_held_day_that_cannot_be_measured(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is away; that the day is held, and until when, its key tells."""

    def away(_: int) -> None:
        raise NotReady

    monkeypatch.setattr(house.vault.store, "measure", away)
    held = {day.day: (day.rows, day.bytes, day.due) for day in house.purger.status().held}
    assert held["2026-11-20"] == (None, None, "2026-12-18")


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
    make_service(tmp_path / "x")
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
    """Its tasks are given the oldest day that is held, and may retire keys of their own."""
    make_service(tmp_path / "x")
    told: list[int] = []
    made: list[str] = []
    identity = KeyName(Purpose.IDENTITY, DAY - 30)

    def task(oldest: int) -> None:
        told.append(oldest)
        if identity in registry.party.ring.names():
            made.extend(registry.purger.retire(identity, DAY - 2))

    registry = House(tmp_path / "x", tasks={"task": task})
    registry.party.ring.ensure(identity, oldest=0)
    registry.purger.run()
    assert told == [DAY - 27]
    assert made == ["key-destroyed-identity-2026-10-21"]
    with pytest.raises(KeyDestroyed):
        registry.party.ring.use(identity)
