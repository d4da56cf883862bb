"""A registry of one process on a ring of three nodes: its nights, and what it states about them."""

from __future__ import annotations

from pathlib import Path

from checkin.keys.key_ring import Purpose
from checkin.service.leased_ring import LeasedRing
from checkin.service.ring_statements import RingStatements
from tests.support.officers import AUTHORITY
from tests.support.purging_service import House
from tests.support.ring_in_process import NODES, Ring
from tests.support.service_folder import CALENDAR, DAY, HOUR, make_service

REPORT = f"purge-{CALENDAR.date(DAY)}"
AHEAD = {Purpose.DAY: 0}


def open_house(ring: Ring, folder: Path, ahead: dict[Purpose, int] | None = None) -> House:
    if not folder.exists():
        make_service(folder)
    return House(folder, ahead=ahead or AHEAD, ring=ring.use())


def leased(house: House) -> LeasedRing:
    assert isinstance(house.party.ring, LeasedRing)
    return house.party.ring


def go(ring: Ring, house: House, day: int, seconds: float = HOUR) -> None:
    """All clocks, which go on being trusted."""
    ring.go(day, seconds)
    house.go(day, seconds)
    ring.trust([letter for letter in NODES if letter not in ring.down])
    house.guard.confirm()


def nights(ring: Ring) -> None:
    """What each node that is up does by itself."""
    for letter in NODES:
        if letter not in ring.down:
            ring.node(letter).purge()
            ring.node(letter).fill()


def statements(house: House) -> RingStatements:
    return RingStatements(house.party, house.guard, house.book, AUTHORITY)
