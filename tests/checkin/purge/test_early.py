"""Keys that are destroyed before they are due, because officers ordered it; and nothing else that anybody says."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from checkin.clock import CLOSING_DAYS, RETENTION_DAYS
from checkin.errors import DayDestroyed, KeyDestroyed, NoteMalformed, NoteUntrusted, NotReady
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.note import NoteSigner, add_signature, open_note, sign_note, unverified_text
from checkin.protocol.primitives import Label, SigningKey
from checkin.purge import early, purger
from checkin.purge.statement_store import ABSENT
from checkin.service import settings
from checkin.service.settings import AuthoritySettings
from checkin.vault.closing import Closing, close_day
from checkin.vault.vault import Vault
from tests.support.officers import AUTHORITY, OFFICERS, early_note
from tests.support.purging_service import REPORT, House, age, day_key
from tests.support.service_folder import CALENDAR, DAY, HOUR, make_service

INTAKE = KeyName(Purpose.INTAKE, DAY)
AHEAD = {Purpose.DAY: 1, Purpose.INTAKE: 2}


def a_house(folder: Path) -> House:
    return House(folder, ahead=AHEAD, authority=AUTHORITY)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A registry with rows of today, keys of days ahead, and a pinned authority."""
    make_service(tmp_path / "registry")
    house = a_house(tmp_path / "registry")
    house.first_day()
    return house


def test_the_days_keys_and_data_go_at_once_and_it_is_stated_after_the_order(house: House) -> None:
    """The day's and its intake key; not tomorrow's, though they are there."""
    order = house.early.take(early_note(DAY, DAY))
    made = house.purger.run()
    assert (REPORT in made, f"key-destroyed-{INTAKE.purpose}-{CALENDAR.date(DAY)}" in made) == (True, True)
    assert not house.live()
    assert house.live(DAY + 1)
    assert all(house.party.ring.overwritten(name) for name in (day_key(), INTAKE))
    report = house.statement(REPORT)
    assert (report["rows"], report["due"], report["done"]) == ("12", CALENDAR.date(DAY + 28), CALENDAR.date(DAY))
    stated = open_note(house.book.get(order.name) or "", [house.party.signer.verifier])
    assert stated.text == unverified_text(early_note(DAY, DAY))
    assert house.purger.overdue() == []


def test_nothing_is_written_down_for_the_rest_of_the_day_and_the_next_is_as_ever(house: House) -> None:
    """No second key is made for today; a key of each day ahead is."""
    house.early.take(early_note(DAY, DAY))
    house.purger.run()
    house.purger.make_keys()
    with pytest.raises(DayDestroyed):
        house.open_day()
    with pytest.raises(KeyDestroyed):
        house.party.ring.subkey(day_key(), Label.SUB_ROW)
    assert not house.purger.has_day_key()
    house.go(DAY + 1, HOUR)
    house.purger.run()
    house.purger.make_keys()
    assert day_key(DAY + 2) in house.party.ring.names()
    house.open_day(DAY + 1)
    age(house, 5)
    assert f"closed-{CALENDAR.date(DAY)}" not in house.book
    assert f"closed-{CALENDAR.date(DAY + 1)}" in house.book


def test_the_same_statement_again_changes_nothing(house: House) -> None:
    """Whenever it comes; and it destroys no later key."""
    house.early.take(early_note(DAY, DAY))
    house.purger.run()
    age(house, 10)
    house.purger.make_keys()
    before = dict(house.book.all())
    assert house.early.take(early_note(DAY, DAY, officers=3)) in house.early.all()
    assert house.purger.run() == []
    assert dict(house.book.all()) == before
    assert day_key(DAY + 10) in house.party.ring.names()
    assert age(house, RETENTION_DAYS) == []


REFUSED: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "another service": ({"service": "issuer.example"}, NoteUntrusted),
    "another authority": ({"authority": "other.example"}, NoteUntrusted),
    "a real clock": ({"clock": ""}, NoteUntrusted),
    "signed tomorrow": ({"day": CALENDAR.date(DAY + 1)}, NoteUntrusted),
    "days to come": ({"last": CALENDAR.date(DAY + 1)}, NoteMalformed),
    "the other way round": ({"first": CALENDAR.date(DAY + 1), "day": CALENDAR.date(DAY + 1)}, NoteMalformed),
    "29 days": ({"first": CALENDAR.date(DAY - 28)}, NoteMalformed),
    "no day": ({"first": "2026-11-31"}, NoteMalformed),
    "a long reason": ({"reason": "x" * 201}, NoteMalformed),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_verify_is_refused_and_destroys_nothing(house: House, case: str) -> None:
    changed, error = REFUSED[case]
    note = early_note(DAY, DAY, **changed)
    with pytest.raises(error):
        house.early.take(note)
    (house.party.ring.folder / "early").mkdir(exist_ok=True)
    (house.party.ring.folder / "early/planted.txt").write_text(note)
    house.book.put("early-planted", note)
    house.purger.run()
    assert house.live()


def test_a_note_is_verified_once_until_its_file_says_something_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round of the purge looks at all of them, and the signatures stay as good as they were."""
    order = house.early.take(early_note(DAY, DAY))
    opened: list[str] = []
    monkeypatch.setattr(settings, "open_note", lambda note, *rest: opened.append(note) or open_note(note, *rest))  # type: ignore[func-returns-value]
    assert list(house.early.all()) == [order]
    assert opened == []
    file = house.party.ring.folder / "early" / f"{order.name}.txt"
    file.write_text(file.read_text().replace("reason ", "reason not "))
    assert list(house.early.all()) == []
    assert len(opened) == 1


@pytest.mark.parametrize("damage", ["", "torn", "zeros"])
def test_a_damaged_file_is_made_anew_from_the_book(house: House, damage: str) -> None:
    """Else the next process would not know that no key of the day is to be made."""
    order = house.early.take(early_note(DAY, DAY))
    house.purger.run()
    file = house.party.ring.folder / "early" / f"{order.name}.txt"
    whole = file.read_text()
    file.write_bytes({"": b"", "torn": whole[:100].encode(), "zeros": bytes(len(whole))}[damage])
    again = a_house(house.party.data.parent)
    again.purger.run()
    assert unverified_text(file.read_text()) == unverified_text(whole)
    assert list(a_house(house.party.data.parent).early.all()) == [order]


def test_lines_that_anybody_adds_to_a_note_are_not_kept_in_memory(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node of a ring takes these notes from anybody: one that came before another is verified anew."""
    opened: list[str] = []
    monkeypatch.setattr(settings, "open_note", lambda note, *rest: opened.append(note) or open_note(note, *rest))  # type: ignore[func-returns-value]
    stranger = NoteSigner("anybody.example", SigningKey(bytes(32)))
    note = early_note(DAY, DAY)
    notes = [note, add_signature(note, stranger), note]
    assert len({house.early.take(one) for one in notes}) == 1
    assert opened == [one for one in notes for _ in range(2)]  # also held against the officers of now


def test_without_a_pinned_authority_nothing_is_taken(house: House) -> None:
    other = House(house.party.data.parent, ahead=AHEAD)
    with pytest.raises(NotReady):
        other.early.take(early_note(DAY, DAY))
    house.early.take(early_note(DAY, DAY))
    other.purger.run()
    assert other.live()


def test_what_former_officers_ordered_stands_and_they_order_nothing_new(house: House) -> None:
    """Also where its file was lost with them; one officer of each time is nobody."""
    order = house.early.take(early_note(DAY, DAY))
    house.purger.run()
    (house.party.ring.folder / "early" / f"{order.name}.txt").unlink()
    now = [NoteSigner(f"health.example/officer-{n}", SigningKey(bytes([n]) * 32)) for n in (4, 5)]
    former = settings.OfficersSettings(officers=AUTHORITY.officers)
    pinned = AuthoritySettings(name=AUTHORITY.name, officers=tuple(one.verifier.vkey for one in now), former=(former,))
    later = House(house.party.data.parent, ahead=AHEAD, authority=pinned)
    later.purger.run()
    assert list(later.early.all()) == [order]
    text = unverified_text(early_note(DAY - 1, DAY))
    for note in (early_note(DAY - 1, DAY), sign_note(text, OFFICERS[0], now[0])):
        with pytest.raises(NoteUntrusted):
            later.early.take(note)
    assert later.early.take(sign_note(text, *now)).first == DAY - 1
    unpinned = House(house.party.data.parent, ahead=AHEAD, authority=pinned.model_copy(update={"former": ()}))
    assert order not in unpinned.early.all()


def test_a_threshold_of_one_is_two_all_the_same(house: House) -> None:
    one = AUTHORITY.model_copy(update={"threshold": 1})
    with pytest.raises(NoteUntrusted):
        house.early.take(early_note(DAY, DAY, officers=1))
    with pytest.raises(NoteUntrusted):
        House(house.party.data.parent, ahead=AHEAD, authority=one).early.take(early_note(DAY, DAY, officers=1))


def test_keys_go_where_the_data_cannot_be_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """First, from the key volume alone; what is left comes when the data is back."""
    house.early.take(early_note(DAY, DAY))

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        for place, name in ((house.book, "all"), (house.book, "put"), (house.store, "days"), (house.store, "measure")):
            broken.setattr(place, name, fail)
        with pytest.raises(NotReady):
            house.purger.run()
        assert house.party.ring.overwritten(day_key())
    assert REPORT in house.purger.run()


def test_another_machine_of_the_service_learns_it_from_what_is_stated(house: House, tmp_path: Path) -> None:
    """Machines share the book, not the key volume."""
    house.early.take(early_note(DAY, DAY))
    house.purger.run()
    make_service(tmp_path / "there")
    there = a_house(tmp_path / "there")
    there.book = there.purger._book = house.book
    there.open_day()
    there.purger.run()
    assert there.party.ring.overwritten(day_key())


def test_no_key_is_made_where_there_was_none_to_destroy(tmp_path: Path) -> None:
    """As just after midnight: nobody writes down for a minute what is destroyed in the next."""
    make_service(tmp_path / "registry")
    house = a_house(tmp_path / "registry")
    house.early.take(early_note(DAY, DAY))
    house.purger.run()
    house.purger.make_keys()
    assert [name for name in house.party.ring.names() if name.day == DAY] == []
    assert day_key(DAY + 1) in house.party.ring.names()


def test_a_closing_that_nobody_stated_is_not_in_the_report(house: House) -> None:
    """The process died in between: an audit holds the report against the log."""
    close_day(house.vault, DAY)
    house.early.take(early_note(DAY, DAY))
    house.purger.run()
    assert house.statement(REPORT)["closing"] == ABSENT


def test_a_day_that_is_destroyed_while_it_is_closed_is_not_stated_as_closed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.go(DAY + CLOSING_DAYS + 1, HOUR)

    def closed(vault: Vault, day: int) -> Closing:
        found = close_day(vault, day)
        house.early.take(early_note(DAY, DAY))
        house.purger.run()
        return found

    monkeypatch.setattr(purger, "close_day", closed)
    house.purger.close_due_days()
    assert f"closed-{CALENDAR.date(DAY)}" not in house.book
    assert house.statement(REPORT)["closing"] == ABSENT


@pytest.mark.parametrize("what", ["handed in", "learnt", "handed in beside a torn file"])
def test_a_full_key_volume_keeps_no_key_alive(house: House, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """What officers signed is kept by the process until there is room, and that it is not on disk is told."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(early, "replace_file", full)
        if what == "learnt":
            house.book.put("early-x", early_note(DAY, DAY))
        else:
            order = house.early.take(early_note(DAY, DAY))
        if "torn" in what:
            (house.party.ring.folder / "early" / f"{order.name}.txt").write_text("checkin/")
        with pytest.raises(NotReady):
            house.purger.run()
        assert "early destructions" in house.purger.failed
        assert house.party.ring.overwritten(day_key())
    house.purger.run()
    assert len(list((house.party.ring.folder / "early").iterdir())) == 1
