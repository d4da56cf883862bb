"""The rows of answers to an order's parts: one line each, its first word says what it is (docs/spec/order.md §5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from checkin.clock import DATES
from checkin.errors import NoteMalformed
from checkin.orders.spelling import U32, from_hex, reread
from checkin.protocol.encoding import b64_decode, b64_encode, decimal_decode
from checkin.vault.ledger import LedgerEntry


@dataclass(frozen=True)
class VisitRow:
    """A sealed visit, from a registry. `minute` (UTC, since 1970) and `place` are 0 where the part asks for neither."""

    issuer: int
    day: int
    visit_id: bytes
    sealed_subject: bytes
    minute: int = 0
    place: int = 0

    def line(self) -> str:
        """`visit 1 2026-11-20 00…ff base64 29389412 1`."""
        date, sealed = DATES.date(self.day), b64_encode(self.sealed_subject)
        return f"visit {self.issuer} {date} {self.visit_id.hex()} {sealed} {self.minute} {self.place}"

    @staticmethod
    def read(line: str) -> VisitRow:
        """Inverse of `line`; raises `NoteMalformed`."""
        return _read(line, "visit", 7, _visit)


@dataclass(frozen=True)
class PlaceRow:
    """Where a listed visit was, from a registry: number 1 …, the visit, its minute, venue 8 bytes."""

    number: int
    issuer: int
    day: int
    visit_id: bytes
    minute: int
    venue: bytes

    def line(self) -> str:
        """`place 1 1 2026-11-20 00…ff 29389412 0123456789abcdef`."""
        date = DATES.date(self.day)
        return f"place {self.number} {self.issuer} {date} {self.visit_id.hex()} {self.minute} {self.venue.hex()}"

    @staticmethod
    def read(line: str) -> PlaceRow:
        """Inverse of `line`; raises `NoteMalformed`."""
        return _read(line, "place", 7, _place)


@dataclass(frozen=True)
class VenueRow:
    """A venue's name, from a registry: venue 8 bytes."""

    venue: bytes
    name: str

    def line(self) -> str:
        """`venue 0123456789abcdef Café Mugunghwa`."""
        return f"venue {self.venue.hex()} {self.name}"

    @staticmethod
    def read(line: str) -> VenueRow:
        """Inverse of `line`; raises `NoteMalformed`."""
        return _read(line, "venue", 3, lambda venue, name: VenueRow(from_hex(venue, 8), name))


@dataclass(frozen=True)
class BatchRow:
    """A row of an issuer's ledger, still sealed to the authority."""

    day: int
    entry: LedgerEntry

    def line(self) -> str:
        """`batch 2026-11-20 key group base64`."""
        entry = self.entry
        return f"batch {DATES.date(self.day)} {entry.key.hex()} {entry.group.hex()} {b64_encode(entry.sealed)}"

    @staticmethod
    def read(line: str) -> BatchRow:
        """Inverse of `line`; raises `NoteMalformed`."""
        return _read(line, "batch", 5, _batch)


@dataclass(frozen=True)
class PersonRow:
    """Who a visit id belongs to, from an issuer; `notice` is the number that the person's own notice bears."""

    visit_id: bytes
    notice: str
    phone: str
    name: str

    def line(self) -> str:
        """`person 00…ff 0a1b2c3d4e5f +821012345678 Kim Ji-woo`."""
        return f"person {self.visit_id.hex()} {self.notice} {self.phone} {self.name}"

    @staticmethod
    def read(line: str) -> PersonRow:
        """Inverse of `line`; raises `NoteMalformed`."""
        return _read(line, "person", 5, lambda visit, *rest: PersonRow(from_hex(visit, 16), *rest))


@dataclass(frozen=True)
class UnopenedRow:
    """A seal that is not this issuer's, or not this visit's, or whose person is gone."""

    visit_id: bytes

    def line(self) -> str:
        """`unopened 00…ff`."""
        return f"unopened {self.visit_id.hex()}"

    @staticmethod
    def read(line: str) -> UnopenedRow:
        """Inverse of `line`; raises `NoteMalformed`."""
        return _read(line, "unopened", 2, lambda visit: UnopenedRow(from_hex(visit, 16)))


AnswerRow = VisitRow | PlaceRow | VenueRow | BatchRow | PersonRow | UnopenedRow
_KINDS: Final[dict[str, Callable[[str], AnswerRow]]] = {
    "visit": VisitRow.read,
    "place": PlaceRow.read,
    "venue": VenueRow.read,
    "batch": BatchRow.read,
    "person": PersonRow.read,
    "unopened": UnopenedRow.read,
}


def read_row(line: str) -> AnswerRow:
    """The row that a line is; raises `NoteMalformed`."""
    kind = _KINDS.get(line.partition(" ")[0])
    if kind is None:
        raise NoteMalformed("The answer has a row of an unknown kind.")
    return kind(line)


def _visit(issuer: str, date: str, visit_id: str, sealed: str, *numbers: str) -> VisitRow:
    minute, place = (decimal_decode(number, U32) for number in numbers)
    day = DATES.parse_date(date)
    return VisitRow(decimal_decode(issuer, U32), day, from_hex(visit_id, 16), b64_decode(sealed, 72), minute, place)


def _place(number: str, issuer: str, date: str, visit_id: str, *rest: str) -> PlaceRow:
    minute, venue = rest
    return PlaceRow(
        number=decimal_decode(number, U32),
        issuer=decimal_decode(issuer, U32),
        day=DATES.parse_date(date),
        visit_id=from_hex(visit_id, 16),
        minute=decimal_decode(minute, U32),
        venue=from_hex(venue, 8),
    )


def _batch(date: str, key: str, group: str, sealed: str) -> BatchRow:
    entry = LedgerEntry(from_hex(key, 16), from_hex(group, 16), b64_decode(sealed, 84))
    return BatchRow(DATES.parse_date(date), entry)


R = TypeVar("R", bound=AnswerRow)


def _read(line: str, kind: str, words: int, build: Callable[..., R]) -> R:
    return reread(line, words, f"A row of kind {kind}", lambda _, *rest: build(*rest))
