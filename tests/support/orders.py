"""Orders and their parts as officers would sign them, for tests that need no signatures."""

from __future__ import annotations

from checkin.clock import Calendar
from checkin.orders.order import ORDER, PERSON, VENUE, Order
from checkin.orders.part import Part, write_days
from checkin.protocol.encoding import b64_encode
from checkin.protocol.note import NoteSigner
from checkin.protocol.primitives import OpeningKey, SigningKey

_COMMON = {
    "authority": "health.example", "order": "00" * 8, "case": "2026-17", "purpose": "measles", "basis": "Act",
    "made": "2026-11-20T12:00+09:00", "expires": "2026-11-23T12:00+09:00", "limit": "500",
    "registry": "registry.example", "issuer": ["issuer.example"],
    "answer-key": b64_encode(OpeningKey(bytes(32)).public),
    "order-key": NoteSigner("health.example/order", SigningKey(bytes(32))).verifier.vkey,
    "salt": b64_encode(bytes(32)), "clock": "simulated",
}  # fmt: skip


def person_order(first: int, last: int) -> Order:
    """About somebody's contacts on these service days."""
    subject = {"kind": PERSON, "phone": "+821012345678", "days": write_days((first, last))}
    return Order.read(ORDER.write({**_COMMON, **subject}))


def venue_order(venue: str, begin: float, end: float) -> Order:
    """About who was at a venue (16 hex digits) then, unix seconds."""
    window = {name: Calendar().rfc3339(moment, "minutes") for name, moment in (("from", begin), ("to", end))}
    return Order.read(ORDER.write({**_COMMON, "kind": VENUE, "venue": venue, **window}))


def part_of(order: Order, step: str) -> Part:
    """The first part of this step."""
    return next(part for part in map(Part.read, order.part_texts()) if part.step == step)
