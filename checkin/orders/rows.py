"""What goes between the parties of an order: the lists that later steps bring, visits to ask about and seals to open
(docs/spec/order.md §2), and the rows of answers, one line each, its first word says what it is (§5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final, Self, get_args

from checkin.errors import NoteMalformed
from checkin.orders.part import MAX_ROWS, ORDER_LIST
from checkin.orders.spelling import Day, Line, Number, Text, VenueId, VisitId, in_base64, in_hex
from checkin.protocol.statement import many, one
from checkin.vault.ledger import LedgerEntry


@dataclass(frozen=True)
class VisitRow(Line):
    """A sealed visit, from a registry: `visit 1 2026-11-20 00…ff base64 29389412 1`.

    `minute` (UTC, since 1970) and `place` are 0 where the part asks for neither.
    """

    kind = "visit"
    issuer: Number
    day: Day
    visit_id: VisitId
    sealed_subject: Annotated[bytes, in_base64(72)]
    minute: Number = 0
    place: Number = 0


@dataclass(frozen=True)
class PlaceRow(Line):
    """Where a listed visit was, from a registry, and when: `place 1 1 2026-11-20 00…ff 29389412 0123456789abcdef`.

    `number`: 1 …, by which the answer's visits name it.
    """

    kind = "place"
    number: Number
    issuer: Number
    day: Day
    visit_id: VisitId
    minute: Number
    venue: VenueId


@dataclass(frozen=True)
class VenueRow(Line):
    """A venue's name, from a registry: `venue 0123456789abcdef Café Mugunghwa`."""

    kind = "venue"
    venue: VenueId
    name: Text


@dataclass(frozen=True)
class BatchRow(Line):
    """A row of an issuer's ledger, still sealed to the authority: `batch 2026-11-20 key group base64`."""

    kind = "batch"
    day: Day
    key: Annotated[bytes, in_hex(16)]
    group: Annotated[bytes, in_hex(16)]
    sealed: Annotated[bytes, in_base64(84)]

    @classmethod
    def of(cls, day: int, entry: LedgerEntry) -> Self:
        """The row that hands over a ledger's entry."""
        return cls(day, entry.key, entry.group, entry.sealed)

    @property
    def entry(self) -> LedgerEntry:
        """The ledger's entry."""
        return LedgerEntry(self.key, self.group, self.sealed)


@dataclass(frozen=True)
class PersonRow(Line):
    """Who a visit id belongs to, from an issuer: `person 00…ff 0a1b2c3d4e5f +821012345678 Kim Ji-woo`.

    `notice` is the number that the person's own notice bears.
    """

    kind = "person"
    visit_id: VisitId
    notice: Text
    phone: Text
    name: Text


@dataclass(frozen=True)
class UnopenedRow(Line):
    """A seal that is not this issuer's, or not this visit's, or whose person is gone: `unopened 00…ff`."""

    kind = "unopened"
    visit_id: VisitId


@dataclass(frozen=True)
class DamagedRow(Line):
    """How many rows of the service's own store do not open, and are left out: `damaged 2`."""

    kind = "damaged"
    count: Number


AnswerRow = VisitRow | PlaceRow | VenueRow | BatchRow | PersonRow | UnopenedRow | DamagedRow
_KINDS: Final[dict[str, type[AnswerRow]]] = {row.kind: row for row in get_args(AnswerRow)}


def read_row(line: str) -> AnswerRow:
    """The row that a line is; raises `NoteMalformed`."""
    kind = _KINDS.get(line.partition(" ")[0])
    if kind is None:
        raise NoteMalformed("The answer has a row of an unknown kind.")
    return kind.read(line)


@dataclass(frozen=True, order=True)
class ListedVisit(Line):
    """A visit of which a registry is asked the contacts: `1 2026-11-20 00…ff`."""

    issuer: Number
    day: Day
    visit_id: VisitId


@dataclass(frozen=True, order=True)
class ListedSeal(Line):
    """A seal that an issuer is asked to open: `2026-11-20 00…ff base64`."""

    day: Day
    visit_id: VisitId
    inner: Annotated[bytes, in_base64(24)]


def write_list(digest: str, items: Iterable[ListedVisit | ListedSeal]) -> str:
    """The text of the list that belongs to a part, its items sorted and without repetition."""
    lines = sorted({item.line() for item in items})
    return ORDER_LIST.write({"part": digest, "item": lines})


def read_list(text: str, digest: str) -> list[str]:
    """The items of the list of that part; raises `NoteMalformed`, also for another part's list."""
    values = ORDER_LIST.read(text)
    items = many(values, "item")
    if one(values, "part") != digest or len(items) > MAX_ROWS or len(set(items)) != len(items):
        raise NoteMalformed("The list belongs to another part, is too long, or repeats an item.")
    return items
