"""An app node on a ring of three nodes: leases behind the interface of a key ring, and the nights of a registry."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from checkin.clock import RETENTION_DAYS
from checkin.errors import (
    ClockUntrusted,
    DayDestroyed,
    KeyDestroyed,
    KeyExists,
    KeyMissing,
    NoteUntrusted,
    NotReady,
    SettingsInvalid,
)
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.protocol.note import open_note, unverified_text
from checkin.protocol.primitives import Label
from checkin.protocol.ring_messages import (
    KEY_AWAITED,
    LEASE_REQUEST,
    MAKE_REQUEST,
    NODE_DESTROYED,
    RING_MEMBERS,
)
from checkin.protocol.statement import many, one
from checkin.service import ring_calls
from checkin.service.settings import ServiceSettings
from tests.checkin.ring.registry_on_ring import REPORT, go, leased, nights, open_house, statements
from tests.support.purging_service import House
from tests.support.ring_in_process import NODES, Ring, day_key, node_name
from tests.support.service_folder import CALENDAR, DAY, HOUR, at, make_service
from venue.lists import intake_list


def test_what_is_sealed_under_a_leased_key_opens_under_the_nodes_key(ring: Ring, house: House) -> None:
    """And no slot, no master key and no key of the day is on the app node's disk."""
    house.purger.make_keys()
    house.open_day()
    key = ring.keys("b").use(day_key())
    files = [path.read_bytes() for path in house.party.data.parent.rglob("*") if path.is_file()]
    assert not any(key in content for content in files)
    assert not list(house.party.settings.keys.glob("*.slot"))
    rows = list(house.store.rows(DAY))
    assert len(rows) == 12
    assert leased(house).subkey(day_key(), Label.SUB_ROW) == ring.keys("c").subkey(day_key(), Label.SUB_ROW)


def test_a_key_is_stated_only_when_two_nodes_hold_it(ring: Ring, house: House) -> None:
    ring.down = {"b", "c"}
    with pytest.raises(NotReady):
        house.purger.make_keys()
    assert house.book.names() == []
    ring.down = {"c"}
    assert f"key-made-day-{CALENDAR.date(DAY)}" in house.purger.make_keys()
    assert house.purger.make_keys() == []


def test_no_second_key_takes_a_name_that_was_stated(ring: Ring, house: House) -> None:
    """The maker lost its disk, and one of the two that held the key is away: none is drawn until it is back. Keys of
    other days are made meanwhile."""
    ring.down = {"c"}
    house.purger.make_keys()
    first = ring.keys("b").use(day_key())
    (ring.folder / "a/keys/day-20777.slot").unlink()
    ring.forget()
    ring.down = {"b"}
    with pytest.raises(NotReady):
        house.purger.make_keys()
    assert not [letter for letter in "ac" if day_key() in ring.keys(letter).names()]
    assert house.purger.make(day_key(DAY + 1)), "control: another name"
    ring.down = set()
    assert house.purger.make_keys() == []
    assert {ring.keys(letter).use(day_key()) for letter in NODES} == {first}


def test_another_key_than_the_stated_one_is_refused(ring: Ring, house: House) -> None:
    """All nodes agree on it, and it is not what was stated."""
    house.purger.make_keys()
    for letter in NODES:
        (ring.folder / letter / "keys/day-20777.slot").unlink()
    ring.forget()
    ring.ask("a", MAKE_REQUEST, key=str(day_key()))
    with pytest.raises(KeyExists, match="stated"):
        house.purger.make_keys()


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_maker_that_shows_too_few_signatures_is_not_believed(
    ring: Ring, house: House, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """None, its own alone, or its own twice, of a key that it gave to nobody."""
    maker, own = ring.node("a"), ring.keys("a")

    def make(note: str) -> list[str]:
        name = KeyName.parse(note.partition("\nkey ")[2].partition("\n")[0])
        own.ensure(name, oldest=0)
        return [maker._held(name)] * times

    monkeypatch.setattr(maker, "make", make)
    with pytest.raises(NotReady):
        house.purger.make_keys()
    assert house.book.names() == []


def test_what_nodes_signed_is_asked_for_again_where_an_answer_was_lost(ring: Ring, house: House) -> None:
    """The key was made, and who asked for it died; also while the maker is away, it counts."""
    ring.ask("a", MAKE_REQUEST, key=str(day_key()))
    ring.down = {"a"}
    assert f"key-made-day-{CALENDAR.date(DAY)}" in house.purger.make_keys()
    assert leased(house).notes.names() == []
    ring.down = set()
    house.purger.make_keys()
    assert len(leased(house).notes.names()) == 3


def test_a_lease_ends_with_its_minute_and_is_renewed_before(ring: Ring, house: House) -> None:
    """With all nodes down a used key works on until its minute is over, and no longer."""
    house.purger.make_keys()
    keys = leased(house)
    first = keys.subkey(day_key(), Label.SUB_ROW)
    move(ring, house, 20)
    keys.renew()
    ring.down = set(NODES)
    move(ring, house, 79)
    assert keys.subkey(day_key(), Label.SUB_ROW) == first
    move(ring, house, 80)
    with pytest.raises(NotReady):
        keys.subkey(day_key(), Label.SUB_ROW)
    assert keys._leases == {}


def test_what_nobody_used_is_not_renewed(ring: Ring, house: House) -> None:
    house.purger.make_keys()
    keys = leased(house)
    keys.subkey(day_key(), Label.SUB_ROW)
    for seconds in (20, 40, 81):
        move(ring, house, seconds)
        keys.renew()
    assert keys._leases == {}


def move(ring: Ring, house: House, seconds: int) -> None:
    ring.go(DAY, 12 * HOUR + seconds)
    house.go(DAY, 12 * HOUR + seconds)


def test_at_the_due_moment_no_lease_is_left(ring: Ring, house: House) -> None:
    """Used a second before, refused at the moment itself, though no node has destroyed anything yet."""
    house.purger.make_keys()
    go(ring, house, DAY + RETENTION_DAYS, -1)
    keys = leased(house)
    assert keys.subkey(day_key(), Label.SUB_ROW)
    ring.go(DAY + RETENTION_DAYS)
    house.go(DAY + RETENTION_DAYS)
    assert day_key() in ring.keys("a").names()
    with pytest.raises(KeyDestroyed):
        keys.subkey(day_key(), Label.SUB_ROW)
    assert keys._leases == {}


@pytest.mark.parametrize("back", [120, 40 * 86400])
def test_an_app_node_whose_clock_is_set_back_gets_no_lease(house: House, back: int) -> None:
    """Of a key that is over or of one that is not; with the control that it got one before."""
    house.purger.make_keys()
    keys = leased(house)
    assert keys.subkey(day_key(), Label.SUB_ROW)
    house.clock.set(CALENDAR.rfc3339(house.clock.now() - back), boot=house.clock.boot() + 90)
    with pytest.raises(ClockUntrusted):
        keys.subkey(day_key(), Label.SUB_ROW)


def test_a_clock_that_is_set_back_makes_no_lease_longer(ring: Ring, house: House) -> None:
    """It is counted on the boot clock."""
    house.purger.make_keys()
    keys = leased(house)
    keys.subkey(day_key(), Label.SUB_ROW)
    ring.down = set(NODES)
    house.clock.set(at(DAY, 11 * HOUR), boot=house.clock.boot() + 60)
    with pytest.raises(NotReady):
        keys.subkey(day_key(), Label.SUB_ROW)


def test_the_key_of_one_node_against_two_is_not_used(ring: Ring, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that was taken over leases a key of its own."""
    house.purger.make_keys()
    own = KeyRing(ring.folder / "own", b"\x05" * 32, allow_unfit=True)
    own.make(day_key(), oldest=0)
    monkeypatch.setattr(ring.node("a"), "_ring", own)
    keys = leased(house)
    ring.down = {"c"}
    with pytest.raises((NoteUntrusted, NotReady)):
        open_house(ring, house.party.data.parent).party.ring.subkey(day_key(), Label.SUB_ROW)
    assert keys.subkey(day_key(), Label.SUB_ROW) == ring.keys("b").subkey(day_key(), Label.SUB_ROW)


def test_a_day_is_destroyed_on_three_nodes_and_then_reported(ring: Ring, tmp_path: Path) -> None:
    """Each node by itself or asked; the report comes with the last of them, and each node's own word before it."""
    house = open_house(ring, tmp_path / "registry", {Purpose.DAY: 0, Purpose.INTAKE: 0})
    house.purger.make_keys()
    house.open_day()
    go(ring, house, DAY + 4)
    house.purger.close_due_days()
    assert house.purger.run() == [f"key-destroyed-intake-{CALENDAR.date(DAY)}"]
    assert KeyName(Purpose.INTAKE, DAY) not in ring.keys("a").names()
    go(ring, house, DAY + RETENTION_DAYS, 0)
    made = house.purger.run()
    assert made == [REPORT]
    assert house.statement(REPORT)["rows"] == "12"
    assert house.statement(REPORT)["closing"] == house.statement(f"closed-{CALENDAR.date(DAY)}")["digest"]
    assert all(ring.keys(letter).overwritten(day_key()) for letter in NODES)
    assert not house.live() and house.purger.overdue() == []
    work = statements(house)
    work.state()
    stated = [note for name, note in house.book.all("ring-destroyed-day-")]
    nodes = {one(NODE_DESTROYED.read(unverified_text(note)), "node") for note in stated}
    assert nodes == {node_name(letter) for letter in NODES}
    for note in stated:  # under the service's key, and under the node's
        open_note(note, [house.party.signer.verifier])
        open_note(note, [ring.verifier(letter) for letter in NODES])
    assert list(work.findings()) == []


def test_a_node_that_is_down_holds_up_the_report_until_it_is_back(ring: Ring, house: House) -> None:
    """A warning at first; after a day a failure and a statement, two of three; then it is back, and all is said."""
    house.purger.make_keys()
    house.open_day()
    go(ring, house, DAY + 4)
    house.purger.close_due_days()
    ring.down = {"c"}
    go(ring, house, DAY + RETENTION_DAYS, 0)
    assert house.purger.run() == []
    work = statements(house)
    assert day_key() not in ring.keys("a").names() and day_key() in ring.keys("c").names()
    assert house.store.days() == [], "the partition goes with what can be destroyed"
    assert house.purger.overdue() == []
    assert [finding.level for finding in work.findings() if finding.name == "ring_purge"] == ["warning"]
    go(ring, house, DAY + RETENTION_DAYS + 1)
    house.purger.run()
    work.state()
    assert next(f.text for f in work.findings() if f.level == "failure").startswith("2 of 3")
    assert house.purger.overdue() == [DAY] and REPORT not in house.book
    awaited = house.statement(f"ring-awaited-day-{CALENDAR.date(DAY)}")
    assert (awaited["signed"], awaited["missing"]) == ("2 of 3", [node_name("c")])
    ring.down = set()
    go(ring, house, DAY + RETENTION_DAYS + 1)
    assert house.purger.run() == [REPORT]
    work.state()
    assert house.statement(REPORT)["rows"] == "12" and house.purger.overdue() == []
    assert ring.keys("c").overwritten(day_key()) and list(work.findings()) == []
    assert KEY_AWAITED.kind in str(house.book.get(f"ring-awaited-day-{CALENDAR.date(DAY)}"))


def test_nodes_that_destroyed_before_they_were_asked_are_believed_by_their_signature(ring: Ring, house: House) -> None:
    """Nothing but their timers; the registry comes later."""
    house.purger.make_keys()
    house.open_day()
    go(ring, house, DAY + 4)
    house.purger.close_due_days()
    go(ring, house, DAY + RETENTION_DAYS)
    nights(ring)
    with pytest.raises(KeyDestroyed):
        leased(house).subkey(day_key(), Label.SUB_ROW)
    assert house.purger.run() == [REPORT]
    assert house.statement(REPORT)["rows"] == "12"


def test_which_nodes_there_are_is_stated_once_and_at_every_change(ring: Ring, house: House) -> None:
    work = statements(house)
    work.state()
    work.state()
    [(_, note)] = house.book.all("ring-members-")
    assert many(RING_MEMBERS.read(unverified_text(note)), "member") == sorted(peer.vkey for peer in ring.peers)


def test_one_node_that_says_a_key_is_gone_does_not_end_it(
    ring: Ring, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hold it; where one node alone answers, its word is all there is."""
    house.purger.make_keys()
    monkeypatch.setattr(ring.node("c")._ring, "tombstones", lambda: [day_key()])
    monkeypatch.setattr(ring.node("c")._ring, "is_gone", lambda _: True)
    monkeypatch.setattr(ring.node("c")._ring, "names", lambda: [])
    again = open_house(ring, house.party.data.parent).party.ring
    assert again.commitment(day_key()) == ring.keys("a").commitment(day_key())
    assert again.subkey(day_key(), Label.SUB_ROW) == ring.keys("a").subkey(day_key(), Label.SUB_ROW)
    ring.down = {"a", "b"}
    with pytest.raises(KeyDestroyed):
        again.commitment(day_key())


def test_a_destroyed_day_is_never_made_again(ring: Ring, house: House) -> None:
    house.purger.make_keys()
    go(ring, house, DAY + RETENTION_DAYS)
    house.purger.run()
    for oldest in (0, DAY + 1):
        with pytest.raises(DayDestroyed):
            house.party.ring.ensure(day_key(), oldest=oldest)


def test_without_any_node_the_service_says_so_and_makes_up_nothing(ring: Ring, house: House) -> None:
    ring.down = set(NODES)
    for what in (house.party.ring.names, lambda: house.party.ring.commitment(day_key()), house.purger.has_day_key):
        with pytest.raises(NotReady):
            what()
    ring.down = set()
    with pytest.raises(KeyMissing):
        house.party.ring.subkey(day_key(), Label.SUB_ROW)


def test_a_key_that_cannot_be_used_yet_is_none(ring: Ring, house: House, tmp_path: Path) -> None:
    """A registry that started while two nodes were away knows the key from one, which is not enough to use it; one that
    has used it goes on with a single node."""
    house.purger.make_keys()
    ring.down = {"b", "c"}
    other = open_house(ring, tmp_path / "registry")
    with pytest.raises(NotReady):
        other.purger.has_day_key()
    assert house.purger.has_day_key() and house.party.ring.subkey(day_key(), Label.SUB_ROW)
    ring.down = set()
    assert other.purger.has_day_key()
    assert vars(other.party.ring)["_leases"] == {}, "it is looked for, and not lent"


def test_a_node_that_is_away_at_midnight_takes_no_day_from_the_registrys_list(ring: Ring, tmp_path: Path) -> None:
    """The key of the fifteenth day cannot be made without the maker; scanners go on with the fourteen."""
    house = open_house(ring, tmp_path / "registry", {Purpose.DAY: 0, Purpose.INTAKE: 14})
    house.purger.make_keys()
    assert sorted(intake_list(house.party).keys) == list(range(DAY, DAY + 15))
    ring.down = {"a"}
    go(ring, house, DAY + 2)
    with suppress(NotReady):
        house.purger.make_keys()
    assert sorted(intake_list(house.party).keys) == list(range(DAY + 1, DAY + 15))


def test_what_ends_an_account_or_a_scan_is_no_single_nodes_word(
    ring: Ring, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither that of one that never had the key, while the two that hold it are away, nor a refusal, which nobody
    signed; with the control that what all signed counts."""
    ring.down = {"c"}
    house.purger.make_keys()
    ring.down = {"a", "b"}
    again = open_house(ring, house.party.data.parent).party.ring
    with pytest.raises(NotReady):
        again.subkey(day_key(), Label.SUB_ROW)
    ring.down = set()
    with pytest.raises(KeyMissing):
        again.subkey(day_key(DAY + 1), Label.SUB_ROW)
    answer = ring_calls.post

    def forged(url: str, path: str, body: dict[str, str]) -> object:
        if path == ring_calls.PATHS[LEASE_REQUEST]:
            raise KeyDestroyed
        return answer(url, path, body)

    monkeypatch.setattr(ring_calls, "post", forged)
    with pytest.raises(NotReady):
        again.subkey(day_key(), Label.SUB_ROW)


def test_a_folder_with_keys_of_its_own_does_not_move_to_a_ring(ring: Ring, tmp_path: Path) -> None:
    make_service(tmp_path / "registry")
    House(tmp_path / "registry").party.ring.ensure(day_key(), oldest=0)
    with pytest.raises(SettingsInvalid):
        House(tmp_path / "registry", ring=ring.use())


def test_a_service_has_a_master_key_or_a_ring_and_not_every_service_may_have_a_ring(ring: Ring, tmp_path: Path) -> None:
    common = {"name": "x.example", "data": tmp_path, "keys": tmp_path, "statement_key": tmp_path}
    for wrong in ({}, {"master_key": tmp_path, "ring": ring.use()}, {"ring": ring.use()}):
        with pytest.raises(ValueError, match="ring"):
            ServiceSettings.model_validate({**common, **wrong})


def test_the_status_tells_of_each_node_what_is_due_done_and_awaited(ring: Ring, house: House) -> None:
    """Two destroyed it, one is away; back again it holds what is due, until it is asked."""
    house.purger.make_keys()
    ring.down = {"c"}
    go(ring, house, DAY + RETENTION_DAYS, 0)
    house.purger.run()
    found = {node.node: node for node in leased(house).status()}
    assert [(n.answers, n.due, n.destroyed, n.awaited) for n in (found[node_name("a")], found[node_name("c")])] == [
        (True, [], 1, []),
        (False, [], 0, ["day-20777"]),
    ]
    ring.down = set()
    assert leased(house).status()[2].due == ["day-20777"]
