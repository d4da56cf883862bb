"""The lists that later steps of an order bring: visits to ask about, seals to open (docs/spec/order.md §2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from checkin.clock import DATES
from checkin.errors import NoteMalformed
from checkin.orders.part import MAX_ROWS, ORDER_LIST
from checkin.orders.spelling import U32, from_hex, reread
from checkin.protocol.encoding import b64_decode, b64_encode, decimal_decode
from checkin.protocol.statement import many, one


@dataclass(frozen=True, order=True)
class ListedVisit:
    """A visit of which a registry is asked the contacts: issuer u32, service day, visit id 16 bytes."""

    issuer: int
    day: int
    visit_id: bytes

    def line(self) -> str:
        """`1 2026-11-20 00…ff`."""
        return f"{self.issuer} {DATES.date(self.day)} {self.visit_id.hex()}"

    @staticmethod
    def read(line: str) -> ListedVisit:
        """Inverse of `line`; raises `NoteMalformed`."""
        return reread(line, 3, "A listed visit", _visit)


@dataclass(frozen=True, order=True)
class ListedSeal:
    """A seal that an issuer is asked to open: service day, visit id 16 bytes, inner seal 24 bytes."""

    day: int
    visit_id: bytes
    inner: bytes

    def line(self) -> str:
        """`2026-11-20 00…ff base64`."""
        return f"{DATES.date(self.day)} {self.visit_id.hex()} {b64_encode(self.inner)}"

    @staticmethod
    def read(line: str) -> ListedSeal:
        """Inverse of `line`; raises `NoteMalformed`."""
        return reread(line, 3, "A listed seal", _seal)


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


def _visit(issuer: str, date: str, visit_id: str) -> ListedVisit:
    return ListedVisit(decimal_decode(issuer, U32), DATES.parse_date(date), from_hex(visit_id, 16))


def _seal(date: str, visit_id: str, inner: str) -> ListedSeal:
    return ListedSeal(DATES.parse_date(date), from_hex(visit_id, 16), b64_decode(inner, 24))
