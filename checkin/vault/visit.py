"""A visit as the registry keeps it: its record of 121 bytes, and the row of the day vault that seals it.

    venue 8 | minute u32be | issuer u32be | visit_id 16 | scan_id 16 | sealed_subject 72 | flags 1

`minute` is the time of scan in whole minutes since 1970-01-01 UTC, never finer. Nothing here identifies the visitor:
`sealed_subject` takes two keys of two other parties to open (docs/spec/vault.md §3).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from checkin.errors import SealBroken
from checkin.protocol.primitives import Label
from checkin.vault.engines import Row
from checkin.vault.vault import Vault

CONFLICT: Final = 0x01  # flag: a second use of a visit id that a scanner had queued; the first need not be the true one
CONFLICTS: Final = 8  # second uses that are kept of a visit id, in numbered places, so that a trace finds them
_RECORD = struct.Struct(">8sII16s16s72sB")
RECORD_SIZE: Final = _RECORD.size


@dataclass(frozen=True, slots=True)
class Visit:
    """The parts of a record, in its order; `ValueError` for sizes that it does not have."""

    venue: bytes
    minute: int
    issuer: int
    visit_id: bytes
    scan_id: bytes
    sealed_subject: bytes
    flags: int = 0

    def __post_init__(self) -> None:
        sizes = [len(part) for part in (self.venue, self.visit_id, self.scan_id, self.sealed_subject)]
        if sizes != [8, 16, 16, 72]:
            raise ValueError("a part of a visit has another size")
        if not (0 <= self.minute < 2**32 and 0 <= self.issuer < 2**32 and 0 <= self.flags < 2**8):
            raise ValueError("a number of a visit does not fit")

    def encode(self) -> bytes:
        """121 bytes."""
        return _RECORD.pack(
            self.venue, self.minute, self.issuer, self.visit_id, self.scan_id, self.sealed_subject, self.flags
        )

    @classmethod
    def decode(cls, record: bytes) -> Visit:
        """Inverse of `encode`; raises `SealBroken` for another size: it was under a seal, and is none of ours."""
        if len(record) != RECORD_SIZE:
            raise SealBroken("What the row holds is no visit.")
        return cls(*_RECORD.unpack(record))


def visit_key(vault: Vault, day: int, visit_id: bytes) -> bytes:
    """The key of the one row that a visit id (16 bytes) can have: the replay check of the whole registry."""
    return vault.mac(day, visit_id)


def conflict_keys(vault: Vault, day: int, visit_id: bytes) -> list[bytes]:
    """The keys that queued second uses of a visit id can have, in the order in which they are taken."""
    return [vault.mac(day, Label.DUPLICATE, visit_id, bytes([place])) for place in range(CONFLICTS)]


def venue_group(vault: Vault, day: int, venue: bytes) -> bytes:
    """The group of a venue's rows on that day; on another day it is another."""
    return vault.mac(day, venue)


def seal_visit(vault: Vault, day: int, visit: Visit, hour: int, key: bytes | None = None) -> Row:
    """The row of a visit; `hour` is `Calendar.hour`, 0 .. 24. A second use has one of the `conflict_keys` for `key`."""
    key = key or visit_key(vault, day, visit.visit_id)
    return vault.seal(day, key, venue_group(vault, day, visit.venue), hour, visit.encode())


def open_visit(vault: Vault, day: int, row: Row) -> Visit:
    """Inverse of `seal_visit`; raises `SealBroken`."""
    return Visit.decode(vault.open(day, row))
