"""A part of an order: what one service is to answer, and all that it learns (docs/spec/order.md §3).

A part names only what its audience must know: a registry's parts no person, issuers' parts no place. Which lines a
part has follows from its step, and a part with other lines is refused, so that no officer can add them by mistake.
Later steps are about what earlier ones found, so their lists come later, signed with the order's own key, once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from checkin.clock import DATES, parse_rfc3339
from checkin.errors import NoteMalformed
from checkin.protocol.encoding import b64_decode, decimal_decode
from checkin.protocol.key_list import read_sealing_key
from checkin.protocol.note import NoteVerifier
from checkin.protocol.primitives import Label, sha256
from checkin.protocol.statement import CLOCK, Field, StatementType, Values, one

MAX_ROWS: Final = 5000  # of an answer, and items of a list
MAX_LISTS: Final = 128  # of one part: two for each of 64 issuers
MAX_DAYS: Final = 28
MAX_WINDOW_SECONDS: Final = 4 * 3600
MAX_LIFE_SECONDS: Final = 7 * 86400
NEAR_MINUTES: Final = 120  # before and after: there is no check-out, so this is what a contact is

VISITS: Final = "visits"
BATCHES: Final = "batches"
CONTACTS: Final = "contacts"
PEOPLE: Final = "people"


@dataclass(frozen=True)
class Step:
    """The lines that a part of this step has beside the common ones, and whether a list belongs to it."""

    lines: frozenset[str]
    listed: bool
    told: str
    """What its audience is to answer, for people."""
    untold: str
    """What its audience does not learn, for people."""


STEPS: Final = {
    VISITS: Step(
        frozenset({"venue", "from", "to"}),
        listed=False,
        told="which sealed visits one venue had in a few hours",
        untold="who anybody is, and who is looked for",
    ),
    BATCHES: Step(
        frozenset({"phone", "days", "purpose"}),
        listed=False,
        told="the sealed batches of the person with one phone number",
        untold="where the person was",
    ),
    CONTACTS: Step(
        frozenset({"days", "order-key"}),
        listed=True,
        told=f"where some visits were, and which sealed visits were there within {NEAR_MINUTES // 60} hours",
        untold="whose visits they are; it learns that they were one person's",
    ),
    PEOPLE: Step(
        frozenset({"days", "order-key", "purpose"}),
        listed=True,
        told="names and phones of the people behind some seals",
        untold="where they were",
    ),
}

_OPTIONAL: Final = ("purpose", "venue", "from", "to", "phone", "days", "order-key")
ORDER_PART: Final = StatementType(
    "checkin/order-part/v1",
    "authority",
    "order",
    "case",
    "audience",
    "step",
    "basis",
    *(Field(name, optional=True) for name in _OPTIONAL[:-1]),
    "expires",
    "limit",
    "answer-key",
    Field("order-key", optional=True),
    "salt",
    CLOCK,
)
ORDER_LIST: Final = StatementType("checkin/order-list/v1", "part", Field("item", repeated=True, optional=True))
ORDER_ANSWER: Final = StatementType(
    "checkin/order-answer/v1",
    "service",
    "part",
    Field("row", repeated=True, optional=True),
    Field("gone", repeated=True, optional=True),
    CLOCK,
)
ORDER_LOGGED: Final = StatementType("checkin/order-logged/v1", "authority", "day", Field("part", repeated=True), CLOCK)
PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
ORDER_ID: Final = re.compile(r"[0-9a-f]{16}")
VENUE_ID: Final = re.compile(r"[0-9a-f]{16}")
T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """An opened part. Times are unix seconds, days service days; what its step does not have is None."""

    text: str
    authority: str
    order: str
    audience: str
    step: str
    purpose: str | None
    venue: bytes | None
    window: tuple[float, float] | None
    phone: str | None
    days: tuple[int, int] | None
    expires: float
    limit: int
    answer_key: bytes
    order_key: NoteVerifier | None
    simulated: bool

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises `NoteMalformed`, also for a line that its step does not have, and for numbers no order may name."""
        values = ORDER_PART.read(text)
        step = STEPS.get(one(values, "step"))
        if step is None or step.lines != values.keys() & set(_OPTIONAL):
            raise NoteMalformed("The part does not have exactly the lines of its step.")
        try:
            return cls._of(text, values)
        except (ValueError, OverflowError):
            raise NoteMalformed("A time, number or key of the part is not written as it should be.") from None

    @classmethod
    def _of(cls, text: str, values: Values) -> Self:
        _matching(ORDER_ID, one(values, "order"))
        b64_decode(one(values, "salt"), 32)
        # A contact's day may be the one before or after the patient's, when they met around midnight.
        most = MAX_DAYS + 2 if one(values, "step") == PEOPLE else MAX_DAYS
        return cls(
            text=text,
            authority=one(values, "authority"),
            order=one(values, "order"),
            audience=one(values, "audience"),
            step=one(values, "step"),
            purpose=_given(values, "purpose", str),
            venue=_given(values, "venue", lambda text: bytes.fromhex(_matching(VENUE_ID, text))),
            window=_window(values),
            phone=_given(values, "phone", lambda text: _matching(PHONE, text)),
            days=_given(values, "days", lambda text: read_days(text, most)),
            expires=parse_rfc3339(one(values, "expires")),
            limit=decimal_decode(one(values, "limit"), MAX_ROWS),
            answer_key=read_sealing_key(one(values, "answer-key")),
            order_key=_given(values, "order-key", NoteVerifier.parse),
            simulated="clock" in values,
        )

    @property
    def digest(self) -> str:
        """What of the part is in the log, 64 hex digits: it cannot be guessed, because of the salt in the text."""
        return part_digest(self.text)


def part_digest(text: str) -> str:
    """SHA-256("ck1/order" ‖ the part's text), hex. The text holds a salt of 32 random bytes."""
    return sha256(Label.ORDER, text.encode()).hex()


def answer_info(order: str, digest: str) -> bytes:
    """The context in which the answer to a part of an order is sealed: it opens as the answer to nothing else."""
    return Label.ANSWER + bytes.fromhex(order) + bytes.fromhex(digest)


def read_days(text: str, most: int = MAX_DAYS) -> tuple[int, int]:
    """First and last day from `2026-11-07 2026-11-20`; `ValueError` for more days than `most`, or none."""
    first, last = map(DATES.parse_date, text.split(" "))
    if not 0 <= last - first < most:
        raise ValueError("an order is about 1 to 28 days")
    return first, last


def write_days(days: tuple[int, int]) -> str:
    """Inverse of `read_days`."""
    return f"{DATES.date(days[0])} {DATES.date(days[1])}"


def _window(values: Values) -> tuple[float, float] | None:
    if "from" not in values:
        return None
    begin, end = parse_rfc3339(one(values, "from")), parse_rfc3339(one(values, "to"))
    if not 0 < end - begin <= MAX_WINDOW_SECONDS:
        raise ValueError("a venue is asked for at most four hours")
    return begin, end


def _given(values: Values, name: str, read: Callable[[str], T]) -> T | None:
    return read(one(values, name)) if name in values else None


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError("not of the form")
    return text
