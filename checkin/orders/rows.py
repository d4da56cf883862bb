"""Lines between the parties of an order; each column has one spelling. The lists that later steps bring: visits to
trace and seals to open (docs/spec/order.md §2). The rows of answers, one line each: its first word says what it is
(§5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Generic, Self, TypeVar, get_args, get_type_hints

from checkin.clock import DATES
from checkin.errors import NoteMalformed
from checkin.orders.part import MAX_ROWS, ORDER_LIST
from checkin.protocol.encoding import b64_decode, b64_encode, decimal_decode
from checkin.protocol.statement import many, one
from checkin.vault.ledger import LedgerEntry

T = TypeVar("T")
_U32: Final = 2**32 - 1


@dataclass(frozen=True)
class Column(Generic[T]):
    """How a value is written as a word, and read again; `read` raises `ValueError` or `OverflowError`."""

    write: Callable[[T], str]
    read: Callable[[str], T]


def in_hex(size: int) -> Column[bytes]:
    """So many bytes in hexadecimal."""
    return Column(bytes.hex, lambda text: _sized(bytes.fromhex(text), size))


def in_base64(size: int) -> Column[bytes]:
    """So many bytes in base64."""
    return Column(b64_encode, lambda text: b64_decode(text, size))


Number = Annotated[int, Column(str, lambda text: decimal_decode(text, _U32))]
Day = Annotated[int, Column(DATES.date, DATES.parse_date)]
Text = Annotated[str, Column(str, str)]
VisitId = Annotated[bytes, in_hex(16)]
VenueId = Annotated[bytes, in_hex(8)]


class Line:
    """A dataclass that is one line of a note: its kind, if any, then its fields, of which the last may have spaces."""

    kind: ClassVar[str] = ""
    _columns: ClassVar[Mapping[str, Column[Any]]]

    def __init_subclass__(cls) -> None:
        hints = get_type_hints(cls, include_extras=True)
        cls._columns = {name: hints[name].__metadata__[0] for name in cls.__annotations__}

    def line(self) -> str:
        """As it is written."""
        words = (column.write(getattr(self, name)) for name, column in self._columns.items())
        return _start(self.kind) + " ".join(words)

    @classmethod
    def read(cls, line: str) -> Self:
        """Inverse of `line`; raises `NoteMalformed`, also for another spelling than its own."""
        what = f"A row of kind {cls.kind}" if cls.kind else "An item of the list"
        words = line.removeprefix(_start(cls.kind)).split(" ", len(cls._columns) - 1)
        try:
            read = cls(*(column.read(word) for column, word in zip(cls._columns.values(), words, strict=True)))
        except (ValueError, OverflowError):
            raise NoteMalformed(f"{what} is not written as it should be.") from None
        if read.line() != line:
            raise NoteMalformed(f"{what} has another spelling.")
        return read


def _start(kind: str) -> str:
    return f"{kind} " if kind else ""


def _sized(raw: bytes, size: int) -> bytes:
    if len(raw) != size:
        raise ValueError("another size")
    return raw


@dataclass(frozen=True)
class VisitRow(Line):
    """A sealed visit, from a registry: `visit 1 2026-11-20 00…ff base64 29389412 1`.

    `minute` (UTC, since 1970) and `place` are 0 where the part requests neither.
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
        return cls(day, entry.key, entry.group, entry.sealed)

    @property
    def entry(self) -> LedgerEntry:
        return LedgerEntry(self.key, self.group, self.sealed)


@dataclass(frozen=True)
class PersonRow(Line):
    """The holder of a visit id, from an issuer: `person 00…ff 0a1b2c3d4e5f +821012345678 Kim Ji-woo`.

    `notice` is the number that the person's own access notice bears.
    """

    kind = "person"
    visit_id: VisitId
    notice: Text
    phone: Text
    name: Text


@dataclass(frozen=True)
class UnopenedRow(Line):
    """A seal that is not this issuer's, or not this visit's, or of a person no longer kept: `unopened 00…ff`."""

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
    """A visit of which a registry finds the contacts: `1 2026-11-20 00…ff`."""

    issuer: Number
    day: Day
    visit_id: VisitId


@dataclass(frozen=True, order=True)
class ListedSeal(Line):
    """A seal that an issuer is to open: `2026-11-20 00…ff base64`."""

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
