"""Where a service takes parts of orders: checked in the order of docs/spec/order.md §6, executed once, all recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

import structlog
from pydantic import BaseModel, Field

from checkin.errors import (
    CheckinError,
    DayDestroyed,
    NoteMalformed,
    NoteUntrusted,
    NotReady,
    OrderError,
    OrderExpired,
    OrderNotLogged,
    OrderReused,
    OrderScope,
    OrderTooLarge,
    OrderUntrusted,
    OrderWrongAudience,
    ProofInvalid,
)
from checkin.files.durable import locked
from checkin.keys.key_ring import Purpose
from checkin.orders.part import (
    MAX_LIFE_SECONDS,
    MAX_LISTS,
    ORDER_ANSWER,
    ORDER_LOGGED,
    STEPS,
    Part,
    answer_info,
    part_digest,
)
from checkin.orders.rows import read_list
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.note import MAX_NOTE, open_note, unverified_text
from checkin.protocol.primitives import SealingKey, sha256
from checkin.protocol.statement import StatementType, many
from checkin.purge.clock_guard import ClockGuard
from checkin.purge.statement_store import ABSENT, ORDER_EXECUTED, ORDER_REFUSED, StatementStore, published_count
from checkin.service.body import Body
from checkin.service.checkpoint_seen import keep_checkpoint
from checkin.service.identity import ServiceIdentity
from checkin.service.order_store import KeptAnswer, OrderStore
from checkin.service.settings import AuthoritySettings, LogSettings
from checkin.tlog.proof import MAX_PROOF_BYTES, PinnedLog

MAX_BODY: Final = 2 * MAX_NOTE  # a list of 5,000 items fits
STATED_REFUSALS_A_DAY: Final = 100  # further ones are counted, not stated: a stolen token must not fill the log

log = structlog.get_logger()


class OrderBody(Body):
    """A part of an order, signed by enough officers, and the proof that it was logged."""

    part: Annotated[str, Field(max_length=65536, description="signed note of kind checkin/order-part/v1")]
    entry: Annotated[str, Field(max_length=65536, description="the log's entry with the part's salted hash")]
    proof: Annotated[str, Field(max_length=MAX_PROOF_BYTES, description="c2sp.org/tlog-proof of the entry")]
    list: Annotated[
        str | None, Field(max_length=MAX_NOTE, description="for later steps: signed note of kind checkin/order-list/v1")
    ] = None


class SealedAnswer(BaseModel):
    """The service's signed answer, sealed to the order's answer key (HPKE); the same part gets the same again."""

    sealed: Annotated[str, Field(description="base64url")]


@dataclass(frozen=True)
class PartResult:
    """What executing a part computed, before it is answered."""

    rows: list[str]
    days: list[int]
    """The service days that the rows are about."""
    gone: list[int] = field(default_factory=list)
    """Days that are destroyed."""
    people: int | None = None
    """How many were identified; None where a step identifies no person."""
    keep: Callable[[], None] = lambda: None
    """Stores what goes with the answer (notices to people): called once nothing can refuse the answer any more, and
    again after a stop in between."""


Execute = Callable[[Part, list[str]], PartResult]


@dataclass
class OrderExecutor:
    """One per process; without an authority and a pinned log it executes none. On one machine a part is executed by one
    process at a time, other parts meanwhile; of machines that execute it at once, the first to keep its answer gives
    it."""

    party: ServiceIdentity
    guard: ClockGuard
    book: StatementStore
    authority: AuthoritySettings | None
    pinned: LogSettings | None
    execute: Mapping[str, Execute]
    """What this service does, by step; it raises `OrderScope` for items that the part does not cover."""
    store: OrderStore

    def take(self, body: OrderBody) -> SealedAnswer:
        """The sealed answer. Raises the `OrderError`s and `DayDestroyed`, such a refusal being on the disk, counted and
        stated; `NotReady` without authority or log, `ClockUntrusted`."""
        self.guard.tick()  # what has expired now stays so, whatever the clock does next
        self.guard.require_trusted()
        if self.authority is None or self.pinned is None:
            raise NotReady("This service has pinned no authority or no log: it executes no orders.")
        try:
            part = self._opened(body.part, self.authority)
            self._check(part, body, self.pinned.pinned)
            # One of sixteen files, by the part's digest: all that executing it reads and writes is its own.
            with locked(self.party.data / f"orders-{part.digest[0]}.lock"):
                return SealedAnswer(sealed=self._answer(part, body.list))
        except (OrderError, DayDestroyed) as error:
            self._refuse(body.part, error)
            raise

    def forget(self) -> None:
        """A task: expired answers, and those about destroyed days, are removed. Raises `ClockUntrusted`."""
        self.guard.require_trusted()
        now = self.guard.settled()
        self.store.forget(now, self.party.calendar.oldest(now))

    # --- checks, in the order of the spec ------------------------------------------------------------------------

    def _opened(self, note: str, authority: AuthoritySettings) -> Part:
        """SPEC order.md §6.1: "signed by k different officers of the pinned authority"."""
        try:
            part = Part.read(authority.open(note).text)
        except (NoteMalformed, NoteUntrusted) as error:
            raise OrderUntrusted(error.detail) from None
        if part.authority != authority.name or part.simulated != self.party.clock.simulated:
            raise OrderUntrusted("The part is another authority's, or was made under another clock.")
        return part

    def _check(self, part: Part, body: OrderBody, pinned: PinnedLog) -> None:
        if part.audience != self.party.settings.name:
            raise OrderWrongAudience
        now = self.guard.now()
        if now >= part.expires:
            raise OrderExpired
        self._check_logged(part, body, pinned)
        if part.expires - now > MAX_LIFE_SECONDS:
            raise OrderScope("An order lives for at most seven days.")
        if part.step not in self.execute or STEPS[part.step].listed != (body.list is not None):
            raise OrderScope("This service does not execute this step, or its list is missing.")

    def _check_logged(self, part: Part, body: OrderBody, pinned: PinnedLog) -> None:
        """SPEC order.md §6.4: "An entry that names the part's salted hash is in the pinned log"."""
        try:
            pinned.require(body.entry, body.proof)
            keep_checkpoint(self.party.data, body.proof)
            logged = many(ORDER_LOGGED.read(unverified_text(body.entry)), "part")
        except (NoteMalformed, NoteUntrusted, ProofInvalid) as error:
            raise OrderNotLogged(error.detail) from None
        if part.digest not in logged:
            raise OrderNotLogged("The log's entry is about other parts than this one.")

    def _items(self, part: Part, note: str | None) -> list[str]:
        """SPEC order.md §6.6: "the list is signed with the part's `order-key` and belongs to this part"."""
        if note is None or part.order_key is None:
            return []
        try:
            return read_list(open_note(note, [part.order_key]).text, part.digest)
        except (NoteMalformed, NoteUntrusted) as error:
            raise OrderScope(error.detail) from None

    # --- executing -----------------------------------------------------------------------------------------------

    def _answer(self, part: Part, note: str | None) -> str:
        """Under the lock: the answer that was given before, or a new one, kept before it leaves."""
        items = self._items(part, note)
        for _ in range(MAX_LISTS + 1):  # each time another machine was first with one more list
            if sealed := self._kept_or_made(part, items):
                return sealed
        raise NotReady

    def _kept_or_made(self, part: Part, items: list[str]) -> str | None:
        """None when another machine has kept an answer to the part meanwhile."""
        list_digest = sha256("\n".join(items).encode()).hex() if part.order_key else ""
        answers = self.store.answers(part.digest)
        kept = answers.get(list_digest)
        if kept is not None:
            # An answer expires with its day, whether or not the task that removes it has run.
            if kept.sealed is None or kept.oldest < self.guard.floor(self.party.calendar):
                raise DayDestroyed
            return kept.sealed
        if len(answers) >= MAX_LISTS:
            raise OrderReused
        found = self.execute[part.step](part, items)
        if len(found.rows) + sum(answer.rows for answer in answers.values()) > part.limit:
            raise OrderTooLarge
        sealed = self._sealed(part, found)
        # SPEC order.md §6: "Nobody is told of an answer that was refused": limit and size come before any effect.
        found.keep()
        # Stated before it is kept: what was answered is in the book, whenever the machine stops.
        people = ABSENT if found.people is None else published_count(found.people)
        values = {"step": part.step, "part": part.digest, "people": people, "done": self.party.date()}
        name = f"order-executed-{part.digest[:32]}" + (f"-{list_digest[:16]}" if part.order_key else "")
        self.book.put(name, self._sign(ORDER_EXECUTED, values))
        answer = KeptAnswer(list_digest, sealed, min(found.days), len(found.rows))
        if not self.store.keep(part.digest, answer, expires=part.expires, known=answers.keys()):
            return None
        log.info("order_executed", step=part.step)
        return sealed

    def _sealed(self, part: Part, found: PartResult) -> str:
        gone = [self.party.calendar.date(day) for day in found.gone]
        try:
            note = self._sign(ORDER_ANSWER, {"part": part.digest, "row": found.rows, "gone": gone})
        except NoteMalformed:
            raise OrderTooLarge("The answer would not fit into a note of 1 MiB: ask for less.") from None
        return b64url_encode(SealingKey(part.answer_key).seal(note.encode(), answer_info(part.order, part.digest)))

    def _refuse(self, note: str, error: CheckinError) -> None:
        """Durably counted; each part and code is stated once, up to a number a day."""
        digest = _digest_of(note)
        number = self.store.refuse(digest, error.code, self.party.date(), STATED_REFUSALS_A_DAY)
        log.warning("order_refused", code=error.code)
        if 0 < number <= STATED_REFUSALS_A_DAY:
            values = {"code": error.code, "part": digest, "done": self.party.date()}
            name = f"order-refused-{digest[:32]}-{error.code.replace('_', '-')}"
            self.book.put(name, self._sign(ORDER_REFUSED, values))

    def _sign(self, kind: StatementType, values: Mapping[str, str | Sequence[str]]) -> str:
        return self.party.sign(kind, {"service": self.party.settings.name, **values})


def held_days(days: Iterable[int], guard: ClockGuard, party: ServiceIdentity) -> tuple[list[int], list[int]]:
    """(held, gone): due, or destroyed early; raises `DayDestroyed` when none of them is held any more."""
    all_days, floor = list(days), guard.floor(party.calendar)
    early = {name.day for name in party.ring.tombstones(Purpose.DAY)}
    held = [day for day in all_days if day >= floor and day not in early]
    if not held:
        raise DayDestroyed
    return held, [day for day in all_days if day not in held]


def _digest_of(note: str) -> str:
    """By which a refusal names what was sent: the part's, or if it is no note, that of all of it."""
    try:
        return part_digest(unverified_text(note))
    except CheckinError:
        return part_digest(note.encode(errors="replace").decode(errors="replace"))


def check_days(part: Part, days: Iterable[int]) -> None:
    """Raises `OrderScope` unless the part covers all of these days."""
    first, last = part.days or (0, -1)
    if not all(first <= day <= last for day in days):
        raise OrderScope("The list has a day that the part does not cover.")
