"""A day whose keys three nodes hold, destroyed early: nobody lends them, and a minute later all nodes have signed."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from checkin.errors import CheckinError, KeyDestroyed, KeyMissing, NoteUntrusted, NotReady
from checkin.protocol import ring_messages as messages
from checkin.protocol.note import NoteSigner, add_signature, sign_note, unverified_text
from checkin.protocol.primitives import Label, SigningKey
from checkin.purge import early
from checkin.service import leased_ring
from checkin.service.vault_folder import VaultFolder
from tests.checkin.ring.registry_on_ring import AHEAD, REPORT, leased
from tests.support.officers import AUTHORITY, OFFICERS, TABLE, early_note
from tests.support.purging_service import House, day_key
from tests.support.ring_in_process import NODES, Ring
from tests.support.service_folder import DAY, HOUR, make_service

NOTE = early_note(DAY, DAY)


@pytest.fixture
def ring(ring: Ring) -> Ring:
    """Nodes that pin the authority."""
    ring.pinned = TABLE
    return ring


@pytest.fixture
def house(ring: Ring, tmp_path: Path) -> House:
    """A registry that does, too, at noon of a day with rows."""
    make_service(tmp_path / "registry")
    return another(ring, tmp_path / "registry")


def another(ring: Ring, folder: Path) -> House:
    house = House(folder, ahead=AHEAD, ring=ring.use(), authority=AUTHORITY)
    house.purger.make_keys()
    house.open_day()
    return house


def wait(ring: Ring, house: House, seconds: float) -> None:
    ring.go(DAY, 12 * HOUR + seconds)
    house.go(DAY, 12 * HOUR + seconds)


def test_keys_are_gone_at_once_and_it_is_stated_when_no_lease_can_be_left(ring: Ring, house: House) -> None:
    """Until then the report waits; it names the rows, which were counted while there was a key."""
    leased(house)._leases.clear()  # as in a process that has just begun
    house.early.take(NOTE)
    assert house.purger.run() == []
    assert all(ring.keys(letter).overwritten(day_key()) for letter in NODES)
    with pytest.raises(KeyDestroyed):
        leased(house).subkey(day_key(), Label.SUB_ROW)
    assert len(leased(house).missing(day_key())) == 3
    wait(ring, house, 59)
    assert house.purger.run() == []
    wait(ring, house, 61)
    assert house.purger.run() == [REPORT]
    assert (house.statement(REPORT)["rows"], leased(house).missing(day_key())) == ("12", [])
    assert house.purger.run() == [] and not house.live()


@pytest.mark.usefixtures("house")
def test_a_repeated_note_costs_no_purge_and_no_write(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody who has read the log may send it again and again, with lines of their own added."""
    node = ring.node("a")
    node.destroy(NOTE)

    def refuse(*_: object) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr(node, "purge", refuse)
    monkeypatch.setattr(early, "replace_file", refuse)
    for note in (NOTE, add_signature(NOTE, NoteSigner("anybody.example", SigningKey(bytes(32))))):
        assert node.destroy(note) == []


def test_a_node_that_was_restarted_waits_a_minute_anew(ring: Ring, house: House) -> None:
    """It knows of no lease, so one may be left."""
    house.early.take(NOTE)
    house.purger.run()
    wait(ring, house, 59)
    ring.forget()
    house.purger.run()
    wait(ring, house, 61)
    assert house.purger.run() == []
    wait(ring, house, 120)
    assert house.purger.run() == [REPORT]


def test_a_node_that_was_away_is_told_when_it_is_back(ring: Ring, house: House) -> None:
    house.early.take(NOTE)
    ring.down = {"c"}
    house.purger.run()
    wait(ring, house, 61)
    assert house.purger.run() == []
    assert day_key() in ring.keys("c").names()
    ring.down = set()
    house.purger.run()
    assert ring.keys("c").overwritten(day_key())
    wait(ring, house, 122)
    assert house.purger.run() == [REPORT]


@pytest.mark.parametrize(
    "who", ["one officer", "the registry", "without an authority", "the registry, as if it were due"]
)
def test_a_node_takes_no_other_word(ring: Ring, house: House, who: str) -> None:
    """And goes on lending the key."""
    if who == "without an authority":
        ring.pinned = ""
        ring.forget()
    notes = {
        "one officer": early_note(DAY, DAY, officers=1),
        "the registry": sign_note(unverified_text(NOTE), ring.app, OFFICERS[0]),
        "without an authority": NOTE,
        "the registry, as if it were due": ring.note("a", messages.DESTROY_REQUEST, key=str(day_key())),
    }
    with pytest.raises((NoteUntrusted, NotReady)):
        ring.node("a").destroy(notes[who])
    assert ring.keys("a").tombstone(day_key()) is None
    leased(house)._leases.clear()
    assert leased(house).subkey(day_key(), Label.SUB_ROW)


def test_another_machine_of_the_service_and_no_node_brings_the_key_back(ring: Ring, house: House) -> None:
    """A node does not fetch it from one that was not told yet, and the maker draws none."""
    house.early.take(NOTE)
    ring.down = {"b", "c"}
    house.purger.run()
    ring.down = set()
    ring.node("a").fill()
    assert day_key() not in ring.keys("a").names()
    with pytest.raises(CheckinError) as refused:
        ring.ask("a", messages.MAKE_REQUEST, key=str(day_key()))
    assert refused.value.code == "day_destroyed"
    with pytest.raises((KeyMissing, KeyDestroyed)):
        ring.keys("a").use(day_key())


@pytest.mark.usefixtures("house")
def test_a_node_is_handed_it_by_its_own_settings(ring: Ring) -> None:
    """Where no app node is left to tell it."""
    folder = VaultFolder(ring.config("b"), ring.clock("b"))
    folder.early.take(NOTE)
    assert folder.destroy() == {}
    assert ring.keys("b").overwritten(day_key())
    folder.close()


@pytest.mark.usefixtures("house")
def test_a_node_that_never_had_the_key_neither_draws_nor_fetches_it(ring: Ring) -> None:
    """It was away when the key was made, and hears of the order before it hears of the key."""
    for letter in "ac":
        ring.keys(letter).discard(day_key())
    ring.forget()
    ring.node("a").destroy(NOTE)
    with pytest.raises(CheckinError) as refused:
        ring.ask("a", messages.MAKE_REQUEST, key=str(day_key()))
    assert refused.value.code == "day_destroyed"
    assert day_key() not in ring.keys("a").names()


def test_an_app_node_whose_disk_is_full_tells_the_nodes(
    ring: Ring, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They destroy and lend no more, though it cannot write down what its tombstones will say."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    house.early.take(NOTE)
    monkeypatch.setattr(leased_ring, "create_file", full)
    monkeypatch.setattr(leased(house)._graves, "entomb", full)
    with pytest.raises(NotReady):
        house.purger.run()
    assert all(ring.keys(letter).overwritten(day_key()) for letter in NODES)
