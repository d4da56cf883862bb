"""A ring's node that is lost, silent or replaced: waited for until officers state that it is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.clock import RETENTION_DAYS
from checkin.protocol.note import NoteSigner, open_note, sign_note, unverified_text
from checkin.protocol.primitives import SigningKey
from checkin.protocol.ring_messages import (
    GONE_DAYS,
    NODE_LOST,
    RING_MEMBERS,
)
from checkin.protocol.statement import many
from checkin.purge.purger import Purger
from checkin.service.ring_statements import RingStatements
from tests.checkin.ring.registry_on_ring import AHEAD, REPORT, go, leased, open_house, statements
from tests.support.officers import AUTHORITY, OFFICERS
from tests.support.purging_service import House
from tests.support.ring_in_process import Ring, day_key, node_name
from tests.support.service_folder import CALENDAR, DAY, HOUR


def lost_note(ring: Ring, letter: str, *officers: NoteSigner) -> Path:
    """What officers signed about a node."""
    vkey = ring.verifier(letter).vkey
    values = {"authority": "health.example", "service": "registry.example", "node": vkey, "clock": "simulated"}
    path = ring.folder / "lost.txt"
    path.write_text(sign_note(NODE_LOST.write({**values, "day": CALENDAR.date(DAY + 1)}), *officers))
    return path


@pytest.fixture
def replaced(ring: Ring, house: House) -> House:
    """A day was made on a, b and c; then c's machine and volume are gone, and d is in its place."""
    house.purger.make_keys()
    house.open_day()
    statements(house).state()
    go(ring, house, DAY + 4)
    house.purger.close_due_days()
    ring.replace("c", "d")
    ring.trust(["a", "b"])
    house.store.close()
    return open_house(ring, house.party.data.parent)


def test_a_new_node_is_filled_from_the_two_others(ring: Ring, replaced: House) -> None:
    """Under one-use keys; with one of them alone, or where the two differ, it takes nothing."""
    ring.down = {"b"}
    ring.node("d").fill()
    assert ring.keys("d").names() == []
    ring.down = set()
    ring.node("d").fill()
    assert ring.keys("d").use(day_key()) == ring.keys("a").use(day_key())
    work = statements(replaced)
    work.state()
    [_, (_, note)] = replaced.book.all("ring-members-")
    assert ring.verifier("d").vkey in many(RING_MEMBERS.read(unverified_text(note)), "member")


def test_a_node_that_is_only_left_out_of_the_settings_holds_up_the_report(ring: Ring, replaced: House) -> None:
    """It may still have the key. Once two officers state that it is lost, nobody waits for it any more."""
    ring.node("d").fill()
    replaced.purger.has_day_key()
    ring.go(DAY + RETENTION_DAYS + 2)
    replaced.go(DAY + RETENTION_DAYS + 2)
    ring.trust(["a", "b", "d"])
    replaced.guard.confirm()
    assert replaced.purger.run() == []
    work = statements(replaced)
    failures = [finding.text for finding in work.findings() if finding.level == "failure"]
    assert len(failures) == 1 and failures[0].startswith("3 of 4") and node_name("c") in failures[0]
    for officers in (OFFICERS[:1], [OFFICERS[0], NoteSigner("health.example/officer-9", SigningKey(b"9" * 32))]):
        house = again(ring, replaced, lost_note(ring, "c", *officers))
        assert house.purger.run() == []
        [text] = [finding.text for finding in statements(house).findings() if finding.name == "ring_lost"]
        assert "lost.txt" not in text, "anybody may read it"
        house.store.close()
    house = again(ring, replaced, lost_note(ring, "c", *OFFICERS[:2]))
    statements(house).state()
    assert house.purger.run() == [REPORT]
    assert list(statements(house).findings()) == []
    [(_, note)] = house.book.all("ring-lost-")
    assert open_note(note, [house.party.signer.verifier]) and open_note(note, AUTHORITY.verifiers, 2)


def test_a_node_that_left_before_any_key_was_there_is_never_waited_for(ring: Ring, house: House) -> None:
    """Also once the others hold keys."""
    leased(house).states()
    ring.replace("c", "d")
    ring.trust(["a", "b", "d"])
    house = open_house(ring, house.party.data.parent)
    leased(house).states()
    house.purger.make_keys()
    assert leased(house).names() == [day_key()]
    ring.go(DAY + RETENTION_DAYS)
    house.go(DAY + RETENTION_DAYS)
    ring.trust(["a", "b", "d"])
    house.guard.confirm()
    assert house.purger.run() == [REPORT]


def test_a_node_that_left_may_have_what_a_silent_one_knows_of(ring: Ring, house: House) -> None:
    """The key was made on a and c. Who is asked first, while a is away, has none of it."""
    ring.down = {"b"}
    house.purger.make_keys()
    ring.down = {"a"}
    ring.replace("c", "d")
    house = open_house(ring, house.party.data.parent)
    assert leased(house).names() == []
    ring.down = set()
    ring.go(DAY + RETENTION_DAYS)
    house.go(DAY + RETENTION_DAYS)
    ring.trust(["a", "b", "d"])
    house.guard.confirm()
    assert house.purger.run() == []
    assert leased(house).missing(day_key()) == [node_name("c")]


@pytest.mark.parametrize("filled", [True, False])
def test_a_new_key_under_the_same_name_is_another_node(ring: Ring, house: House, filled: bool) -> None:
    """Its volume was emptied. Whether or not it fetched the key anew, the old volume is waited for until officers state
    that it is lost, and no longer."""
    house.purger.make_keys()
    statements(house).state()
    word = lost_note(ring, "c", *OFFICERS[:2])
    ring.forget()
    for path in ("statement.key", "keys", "data/statements"):
        (ring.folder / "c" / path).rename(ring.folder / f"aside-{Path(path).name}")
    house = open_house(ring, house.party.data.parent)
    if filled:
        ring.node("c").fill()
    assert (day_key() in ring.keys("c").names()) is filled
    statements(house).state()
    go(ring, house, DAY + RETENTION_DAYS)
    assert house.purger.run() == []
    assert leased(house).missing(day_key()) == [node_name("c")]
    house = again(ring, house, word)
    statements(house).state()
    assert house.purger.run() == [REPORT]
    assert list(statements(house).findings()) == []


def test_another_machine_waits_for_a_node_that_its_settings_never_named(
    ring: Ring, replaced: House, tmp_path: Path
) -> None:
    """Its own folders are fresh: it knows of that node by the statements alone, and of the officers' word."""
    ring.node("d").fill()
    second = open_house(ring, tmp_path / "second")
    purger = Purger(second.party, second.guard, second.vault, replaced.book, second.early, ahead=AHEAD)
    work = RingStatements(second.party, second.guard, replaced.book, AUTHORITY)
    ring.go(DAY + RETENTION_DAYS)
    second.go(DAY + RETENTION_DAYS)
    ring.trust(["a", "b", "d"])
    second.guard.confirm()
    for _ in range(2):
        assert purger.run() == []
        assert leased(second).missing(day_key()) == [node_name("c")]
        work.state()
    leased(second).lost(ring.verifier("c").vkey, lost_note(ring, "c", *OFFICERS[:2]).read_text())
    assert purger.run() == [REPORT]


def test_a_node_that_is_silent_for_long_is_waited_for(ring: Ring, house: House) -> None:
    """Also after the days for which nodes tell of a key; and then it is asked."""
    house.purger.make_keys()
    house.open_day()
    work = statements(house)
    work.state()
    ring.down = {"c"}
    for day in (RETENTION_DAYS, GONE_DAYS + 1):
        go(ring, house, DAY + day)
        assert house.purger.run() == []
    assert leased(house).missing(day_key()) == [node_name("c")]
    assert "failure" in {finding.level for finding in work.findings() if finding.name == "ring_purge"}
    ring.down = set()
    go(ring, house, DAY + GONE_DAYS + 1, 2 * HOUR)
    assert house.purger.run() == [REPORT]
    assert list(work.findings()) == []


@pytest.mark.parametrize("empty", [True, False])
def test_an_empty_volume_does_not_stand_for_the_one_that_held_the_key(ring: Ring, house: House, empty: bool) -> None:
    """It signs that it never had the key, and signed before that it holds it."""
    house.purger.make_keys()
    work = statements(house)
    work.state()
    if empty:
        ring.forget()
        for folder in ("keys", "data/statements"):
            (ring.folder / "c" / folder).rename(ring.folder / f"aside-{Path(folder).name}")
    go(ring, house, DAY + RETENTION_DAYS)
    assert (REPORT in house.purger.run()) is not empty
    assert leased(house).missing(day_key()) == ([node_name("c")] if empty else [])


def again(ring: Ring, house: House, lost: Path) -> House:
    """The registry started again with that file in its settings."""
    house.store.close()
    return House(house.party.data.parent, ahead=AHEAD, ring=ring.use(lost))
