"""Tracing, from the authority's side: put the order into the log, ask each party its part, open what only it can open.

The ring key exists from `open_order` on, in this process alone, and is forgotten with it: shares are joined inside
one trace. Everything here can be repeated until the order expires, and comes to the same result, because each
party answers the same part identically.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from checkin.errors import (
    KeyDestroyed,
    KeyMissing,
    NoteMalformed,
    SealBroken,
    ServiceError,
)
from checkin.http.client import Client
from checkin.orders.folder import SignedOrder, SignedPart
from checkin.orders.lists import ListedSeal, ListedVisit, write_list
from checkin.orders.order import VENUE, OrderKeys
from checkin.orders.part import BATCHES, CONTACTS, ORDER_ANSWER, PEOPLE, STEPS, VISITS, answer_info
from checkin.orders.rows import AnswerRow, BatchRow, PersonRow, PlaceRow, VenueRow, VisitRow, read_row
from checkin.parties.authority import Authority
from checkin.protocol.credential import visit_context
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.note import decode_note, open_note, sign_note
from checkin.protocol.primitives import Label, OpeningKey
from checkin.protocol.statement import many, one
from checkin.tlog.proof import LogProof
from checkin.tlog.submission import submit_and_wait
from checkin.tracing.counterparties import Parties
from checkin.tracing.trace_result import AskedStep, Contact, PatientVisit, TraceResult, merge
from checkin.vault.ledger import open_entry

Tell = Callable[[str, int, int], None]
"""(what is being done, how many are done, of how many)."""
R = TypeVar("R", bound=AnswerRow)


def silent(_: str, __: int, ___: int) -> None:
    """Tells nobody."""


@dataclass
class Trace:
    """One trace of one order."""

    order: SignedOrder
    authority: Authority
    parties: Parties
    ring: OpeningKey
    keys: OrderKeys
    tell: Tell

    @classmethod
    def open(
        cls, order: SignedOrder, authority: Authority, parties: Parties, shares: Iterable[str], tell: Tell = silent
    ) -> Trace:
        """Joins the shares; raises `SharesInvalid`, and `SealBroken` for an order that was changed."""
        ring = authority.ring.unlock(shares)
        return cls(order, authority, parties, ring, OrderKeys.unseal(order.sealed_keys, order.order, ring), tell)

    def run(self) -> TraceResult:
        """The people, and how they were found. Raises what the parties refuse with."""
        proof = publish(self.order.entry, self.parties, self.tell)
        asking = PartSender(self, proof)
        if self.order.order.kind == VENUE:
            rows = asking.ask(VISITS)
        else:
            listed = self._visits_of_person(asking)
            rows = asking.ask(CONTACTS, listed) if listed else []
        visits = _of(rows, VisitRow)
        seals, unopened = self._open_outer(visits)
        people: dict[tuple[int, bytes], PersonRow] = {}
        for issuer in self.parties.issuers:
            if issuer.number in seals:
                found = asking.ask(PEOPLE, seals[issuer.number], audience=issuer.verifier.name)
                people |= {(issuer.number, person.visit_id): person for person in _of(found, PersonRow)}
        return self._result(asking, rows, people, unopened)

    def _visits_of_person(self, asking: PartSender) -> list[ListedVisit]:
        """The visit ids that follow from the person's batches; days that cannot be opened any more are left out."""
        listed = []
        for issuer in self.parties.issuers:
            for row in _of(asking.ask(BATCHES, audience=issuer.verifier.name), BatchRow):
                key = self._day_key(row.day)
                if key is None:
                    continue
                batch = open_entry(row.entry, issuer=issuer.number, day=row.day, authority=key)
                listed += [ListedVisit(issuer.number, row.day, visit_id) for visit_id in batch.visit_ids()]
        return listed

    def _open_outer(self, visits: list[VisitRow]) -> tuple[dict[int, list[ListedSeal]], int]:
        """Inner seals by issuer, and how many outer seals did not open: moved, or made by somebody else."""
        seals: dict[int, list[ListedSeal]] = {}
        unopened = 0
        for done, visit in enumerate(visits):
            if done % 50 == 0:
                self.tell("opening seals", done, len(visits))
            key = self._day_key(visit.day)
            info = Label.SUBJECT + visit_context(visit.issuer, visit.day, visit.visit_id)
            try:
                inner = key.open(visit.sealed_subject, info) if key else None
            except SealBroken:
                inner = None
            if inner is None or len(inner) != 24:
                unopened += 1
            else:
                seals.setdefault(visit.issuer, []).append(ListedSeal(visit.day, visit.visit_id, inner))
        self.tell("opening seals", len(visits), len(visits))
        return seals, unopened

    def _day_key(self, day: int) -> OpeningKey | None:
        """None once the day's key is destroyed, or if there never was one."""
        if day not in self._opened:
            try:
                self._opened[day] = self.authority.ring.open_day_with(day, self.ring)
            except (KeyDestroyed, KeyMissing):
                self._opened[day] = None
        return self._opened[day]

    def __post_init__(self) -> None:
        self._opened: dict[int, OpeningKey | None] = {}

    def _result(
        self, asking: PartSender, rows: list[AnswerRow], people: dict[tuple[int, bytes], PersonRow], unopened: int
    ) -> TraceResult:
        names = {row.venue: row.name for row in _of(rows, VenueRow)}
        values = self.order.order.values
        own = bytes.fromhex(one(values, "venue")) if "venue" in values else b""
        places = {row.number: row for row in _of(rows, PlaceRow)}
        issuers = {issuer.number: issuer.verifier.name for issuer in self.parties.issuers}
        found = []
        for visit in _of(rows, VisitRow):
            person, place = people.get((visit.issuer, visit.visit_id)), places.get(visit.place)
            if person is None:
                continue
            found.append(
                Contact(
                    name=person.name,
                    phone=person.phone,
                    place=names.get(place.venue if place else own, ""),
                    date=self.authority.calendar.date(visit.day),
                    time=self._time(visit.minute),
                    minutes_apart=str(abs(visit.minute - place.minute)) if place else "",
                    issuer=issuers[visit.issuer],
                    notice=person.notice,
                )
            )
        listed = len(_of(rows, VisitRow)) - unopened
        return TraceResult(
            order=self.order.order,
            people=merge(found),
            places=[PatientVisit(names.get(row.venue, ""), self._moment(row.minute)) for row in places.values()],
            asked=asking.asked,
            unopened=unopened,
            unknown=listed - len(found),
            gone=sorted(asking.gone),
        )

    def _moment(self, minute: int) -> str:
        return self.authority.calendar.rfc3339(minute * 60, "minutes")

    def _time(self, minute: int) -> str:
        return self._moment(minute).partition("T")[2][:5] if minute else ""


class PartSender:
    """Sends parts and opens their answers."""

    def __init__(self, trace: Trace, proof: LogProof) -> None:
        self._trace = trace
        self._proof = proof.write()
        self.asked: list[AskedStep] = []
        self.gone: set[str] = set()

    def ask(
        self, step: str, items: Iterable[ListedVisit | ListedSeal] = (), *, audience: str | None = None
    ) -> list[AnswerRow]:
        """All rows that the parties of a step (or one of them) answer."""
        parts = [
            signed
            for signed in self._trace.order.parts
            if signed.part.step == step and audience in (None, signed.part.audience)
        ]
        items, rows = list(items), []
        for done, signed in enumerate(parts):
            self._trace.tell(f"asking {signed.part.audience}", done, len(parts))
            answered = self._answer(signed, items)
            self.asked.append(
                AskedStep(signed.part.audience, STEPS[step].told, STEPS[step].untold, len(items), len(answered))
            )
            rows += answered
        return rows

    def _answer(self, signed: SignedPart, items: list[ListedVisit | ListedSeal]) -> list[AnswerRow]:
        part = signed.part
        party = self._trace.parties.named(part.audience)
        body = {"part": signed.note, "entry": self._trace.order.entry, "proof": self._proof}
        if STEPS[part.step].listed:
            body["list"] = sign_note(write_list(part.digest, items), self._trace.keys.signer)
        with Client(party.url, party.token) as client:
            answer = client.post("/v1/orders", body)
        try:
            sealed = b64url_decode(answer["sealed"])
            note = decode_note(self._trace.keys.opening.open(sealed, answer_info(part.digest)))
            values = ORDER_ANSWER.read(open_note(note, [party.verifier]).text)
        except (SealBroken, ValueError, KeyError, TypeError):
            raise ServiceError(f"The answer of {part.audience} does not open with the order's key.") from None
        if one(values, "part") != part.digest or one(values, "service") != part.audience:
            raise NoteMalformed(f"The answer of {part.audience} is to another part.")
        self.gone |= set(many(values, "gone"))
        return [read_row(line) for line in many(values, "row")]


def publish(entry: str, parties: Parties, tell: Tell = silent) -> LogProof:
    """Puts an order's entry into the log, and waits until a checkpoint that all parties accept covers it.

    Raises `NotReady` when that takes more than a minute: then trace again later.
    """
    with Client(parties.log.url, parties.log.token) as client:
        return submit_and_wait(client, entry, parties.log.pinned, tell)


def _of(rows: Iterable[AnswerRow], kind: type[R]) -> list[R]:
    return [row for row in rows if isinstance(row, kind)]
