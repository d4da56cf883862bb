"""The lists that later steps of an order bring: visits to ask about, seals to open (docs/spec/order.md §2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from checkin.errors import NoteMalformed
from checkin.orders.part import MAX_ROWS, ORDER_LIST
from checkin.orders.spelling import Day, Line, Number, VisitId, in_base64
from checkin.protocol.statement import many, one


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
