"""An order of the authority: what its officers read and sign once (docs/spec/order.md).

The order itself stays with the authority. Everything that services get follows from it: a part for each of them and
each step, and the entry for the log, which shows nothing but the parts' salted hashes. An officer that signs the order
signs all of these, and checks first that they are what the order says.

Answers are sealed to the authority's ring key, and the lists of later steps signed with a key that follows from it:
neither private half exists anywhere but where k officers join their shares, inside a trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from checkin.clock import DATES
from checkin.errors import NoteMalformed, OrderScope
from checkin.keys.officers import RingKeys
from checkin.orders.part import (
    BATCHES,
    CONTACTS,
    MAX_LIFE_SECONDS,
    ORDER_LOGGED,
    ORDER_PART,
    PEOPLE,
    STEPS,
    VISITS,
    Part,
    part_digest,
    read_days,
    write_days,
)
from checkin.parties.authority import Authority
from checkin.protocol.encoding import b64_decode, b64_encode
from checkin.protocol.primitives import hmac_sha256, random_bytes
from checkin.protocol.statement import CLOCK, Field, StatementType, Values, clock_value, many, one

VENUE: Final = "venue"
PERSON: Final = "person"
_SUBJECT: Final = {VENUE: ("venue", "from", "to"), PERSON: ("phone", "days")}
_PARTS: Final = {VENUE: (VISITS, PEOPLE), PERSON: (BATCHES, CONTACTS, PEOPLE)}
_AT_REGISTRY: Final = frozenset({VISITS, CONTACTS})

ORDER_FILE: Final = "order.txt"
ENTRY_FILE: Final = "logged.txt"
ORDER: Final = StatementType(
    "checkin/order/v1",
    "authority",
    "order",
    "kind",
    "case",
    "purpose",
    "basis",
    *(Field(name, optional=True) for lines in _SUBJECT.values() for name in lines),
    "made",
    "expires",
    "limit",
    "registry",
    Field("issuer", repeated=True),
    "answer-key",
    "order-key",
    "salt",
    CLOCK,
)


@dataclass(frozen=True)
class OrderRequest:
    """An officer's request: exactly one of (`venue` 16 hex digits and `window`) and (`phone` and `days`)."""

    case: str
    purpose: str
    basis: str
    life: float = 3 * 86400.0
    limit: int = 1000
    venue: str | None = None
    window: tuple[float, float] | None = None
    phone: str | None = None
    days: tuple[int, int] | None = None


@dataclass(frozen=True)
class Order:
    """An order's text, and the texts that follow from it."""

    text: str
    values: Values

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises `NoteMalformed` for an order that its services would not take."""
        values = ORDER.read(text)
        kind = one(values, "kind")
        subject = values.keys() & {line for lines in _SUBJECT.values() for line in lines}
        if kind not in _SUBJECT or subject != set(_SUBJECT[kind]):
            raise NoteMalformed("An order is about one venue, or about one person.")
        self = cls(text, values)
        try:
            for part in self.part_texts():
                Part.read(part)
        except (ValueError, OverflowError):
            raise NoteMalformed("A time, number or key of the order is not written as it should be.") from None
        return self

    @property
    def kind(self) -> str:
        """`venue` or `person`."""
        return one(self.values, "kind")

    @property
    def id(self) -> str:
        """16 hex digits."""
        return one(self.values, "order")

    @property
    def answer_key(self) -> bytes:
        """X25519, 32 bytes."""
        return b64_decode(one(self.values, "answer-key"), 32)

    @property
    def list_key(self) -> str:
        """The verifier key of the lists of later steps."""
        return one(self.values, "order-key")

    def check_keys(self, keys: RingKeys) -> None:
        """Raises `OrderScope` unless answers are sealed to this ring key and lists signed with its list key."""
        if self.answer_key != keys.public or self.list_key != keys.list_key:
            raise OrderScope(
                "The order's answers would be sealed to another key than the ring's, as an earlier version or another "
                "authority made it: write it again with `checkin authority order`."
            )

    def part_texts(self) -> list[str]:
        """The texts of all parts, in the order of their steps."""
        texts: list[str] = []
        for step in _PARTS[self.kind]:
            for audience in [one(self.values, "registry")] if step in _AT_REGISTRY else many(self.values, "issuer"):
                texts.append(self._part_text(step, audience, len(texts)))
        return texts

    def entry_text(self) -> str:
        """The text for the log: it reveals neither the request nor the person or place that it is about."""
        digests = sorted(map(part_digest, self.part_texts()))
        made = one(self.values, "made").partition("T")[0]
        authority = one(self.values, "authority")
        return ORDER_LOGGED.write({"authority": authority, "day": made, "part": digests, **self._clock()})

    def _part_text(self, step: str, audience: str, number: int) -> str:
        lines = STEPS[step].lines | {"authority", "order", "case", "basis", "expires", "limit", "answer-key"}
        values: dict[str, str | list[str]] = {name: text for name, text in self.values.items() if name in lines}
        if "days" in lines:
            values["days"] = self._days(step)
        # A salt each: a reader of one part learns nothing about the others in the log.
        salt = b64_encode(hmac_sha256(b64_decode(one(self.values, "salt"), 32), bytes([number])))
        values |= {"audience": audience, "step": step, "salt": salt}
        return ORDER_PART.write({**values, **self._clock()})

    def _days(self, step: str) -> str:
        """The service days that a part covers. Contacts may have met the person around midnight, and a code of the
        day before may be scanned shortly after a venue's window began."""
        if "days" in self.values:
            first, last = read_days(one(self.values, "days"))
            return write_days((first - 1, last + 1) if step == PEOPLE else (first, last))
        begin, end = one(self.values, "from"), one(self.values, "to")
        first, last = (DATES.parse_date(moment.partition("T")[0]) for moment in (begin, end))
        return write_days((first - (begin.partition("T")[2] < "00:05"), last))

    def _clock(self) -> dict[str, str]:
        return clock_value(simulated="clock" in self.values)


def draft(request: OrderRequest, authority: Authority, *, registry: str, issuers: Sequence[str], now: float) -> Order:
    """A new order. Its answers are sealed to the authority's ring key, its lists verify under the key that follows from
    it: both have their private halves where k officers join their shares, so the author of an order opens nothing.

    Raises `OrderScope` for a life of more than seven days, `NoteMalformed` for anything else that no order can request,
    and as `Authority.order_keys`.
    """
    keys, calendar = authority.order_keys(), authority.calendar
    if not 0 < request.life <= MAX_LIFE_SECONDS:
        raise OrderScope("An order lives for at most seven days.")
    values: dict[str, str | list[str]] = {
        "authority": keys.authority,
        "order": random_bytes(8).hex(),
        "kind": VENUE if request.venue else PERSON,
        "case": request.case,
        "purpose": request.purpose,
        "basis": request.basis,
        "made": calendar.rfc3339(now, "minutes"),
        "expires": calendar.rfc3339(now + request.life, "minutes"),
        "limit": str(request.limit),
        "registry": registry,
        "issuer": list(issuers),
        "answer-key": b64_encode(keys.public),
        "order-key": keys.list_key,
        "salt": b64_encode(random_bytes(32)),
    }
    values |= clock_value(simulated=authority.simulated)
    if request.venue and request.window:
        begin, end = (calendar.rfc3339(moment, "minutes") for moment in request.window)
        values |= {"venue": request.venue, "from": begin, "to": end}
    if request.phone and request.days:
        values |= {"phone": request.phone, "days": write_days(request.days)}
    return Order.read(ORDER.write(values))


@dataclass(frozen=True)
class SignedPart:
    """A part and the note that its audience is sent."""

    part: Part
    note: str


@dataclass(frozen=True)
class SignedOrder:
    """An order that enough officers signed, in all its pieces."""

    order: Order
    parts: tuple[SignedPart, ...]
    entry: str


def texts_of(order: Order) -> dict[str, str]:
    """What the pieces of an order say, by the names of their files."""
    parts = {}
    for number, text in enumerate(order.part_texts(), start=1):
        parts[f"part-{number}-{Part.read(text).step}.txt"] = text
    return {ORDER_FILE: order.text, **parts, ENTRY_FILE: order.entry_text()}
