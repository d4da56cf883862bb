"""A queued scan on its way to the registry: sealed to the intake key of its day (docs/spec/intake.md).

entry = day u32be ‖ HPKE(scan time u32be ‖ scan_id 16 ‖ token 309), info = "ck1/intake" ‖ venue 8 ‖ scanner 8 ‖ day
u32be; 381 bytes. A stolen scanner reveals nothing, and an entry moved to another scanner does not open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from checkin.errors import EntryUnreadable, SealBroken
from checkin.protocol.encoding import u32be
from checkin.protocol.presentation import TOKEN_SIZE
from checkin.protocol.primitives import HPKE_OVERHEAD, Label, OpeningKey, SealingKey

SCAN_ID_SIZE: Final = 16
_PLAIN_SIZE: Final = 4 + SCAN_ID_SIZE + TOKEN_SIZE
ENTRY_SIZE: Final = 4 + HPKE_OVERHEAD + _PLAIN_SIZE


@dataclass(frozen=True, slots=True)
class Place:
    """The venue and the scanner of a scan: 8 bytes each, given at enrolment."""

    venue: bytes
    scanner: bytes


@dataclass(frozen=True, slots=True)
class Scan:
    """A token (309 bytes, status stripped), when it was scanned (unix seconds), and the scan's random id."""

    scanned_at: int
    scan_id: bytes
    token: bytes


def seal_entry(scan: Scan, day: int, place: Place, intake_key: bytes) -> bytes:
    """381 bytes that only the registry can open, and only until it closes the day; `ValueError` for other sizes."""
    plain = u32be(scan.scanned_at) + scan.scan_id + scan.token
    if len(plain) != _PLAIN_SIZE:
        raise ValueError("a queued scan has a token of 309 bytes and a scan id of 16")
    return u32be(day) + SealingKey(intake_key).seal(plain, _info(place, day))


def entry_day(entry: bytes) -> int:
    """The service day of the key that opens the entry; raises `EntryUnreadable` for another size."""
    if len(entry) != ENTRY_SIZE:
        raise EntryUnreadable
    return int.from_bytes(entry[:4], "big")


def open_entry(entry: bytes, place: Place, intake_key: OpeningKey) -> Scan:
    """Inverse of `seal_entry`; raises `EntryUnreadable`."""
    day = entry_day(entry)
    try:
        plain = intake_key.open(entry[4:], _info(place, day))
    except SealBroken:
        raise EntryUnreadable from None
    if len(plain) != _PLAIN_SIZE:
        raise EntryUnreadable
    return Scan(int.from_bytes(plain[:4], "big"), plain[4 : 4 + SCAN_ID_SIZE], plain[4 + SCAN_ID_SIZE :])


def _info(place: Place, day: int) -> bytes:
    return Label.INTAKE + place.venue + place.scanner + u32be(day)
