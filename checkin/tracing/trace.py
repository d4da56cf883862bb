"""Tracing, from the authority's side: send each party its part, and open what only the authority can open. Nothing is
sent here, and no slot is read (`execute.py`).

The ring key exists in this process alone, and is forgotten with the trace. Everything here can be repeated until the
order expires, and comes to the same result, because each party answers the same part and list identically.

Parties are independent: one that does not answer, or refuses, or sends unreadable rows, is named in the result and
keeps no other answer back. Lists are made from one issuer's answer each, so that what is sent again when a party is
back has the same lists for all others. Each issuer's codes get their share of the lists that a part takes, and the
shortest list is sent first, so that one issuer that names very many does not use up what a part may answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from checkin.errors import (
    CheckinError,
    KeyDestroyed,
    KeyMissing,
    NoteMalformed,
    NotFound,
    OrderTooLarge,
    SealBroken,
    ServiceError,
)
from checkin.http.asking import Ask, Steps
from checkin.keys.officers import list_signer
from checkin.orders.order import VENUE, SignedOrder, SignedPart
from checkin.orders.part import (
    BATCHES,
    CONTACTS,
    MAX_LISTS,
    MAX_ROWS,
    ORDER_ANSWER,
    PEOPLE,
    STEPS,
    VISITS,
    Part,
    answer_info,
)
from checkin.orders.rows import (
    AnswerRow,
    BatchRow,
    DamagedRow,
    ListedSeal,
    ListedVisit,
    PersonRow,
    PlaceRow,
    VenueRow,
    VisitRow,
    read_row,
    write_list,
)
from checkin.parties.authority import Authority
from checkin.protocol.credential import visit_context
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.note import NoteSigner, NoteVerifier, decode_note, open_note, sign_note
from checkin.protocol.primitives import Label, OpeningKey
from checkin.protocol.statement import many, one
from checkin.tlog.proof import LogProof
from checkin.tracing.trace_result import AskedStep, FailedStep, PatientVisit, TracedContact, TraceResult, merge
from checkin.vault.ledger import open_entry

Tell = Callable[[str, int, int], None]
"""(what is being done, how many are done, of how many)."""
R = TypeVar("R", bound=AnswerRow)


def silent(_: str, __: int, ___: int) -> None:
    """Reports no progress."""


@dataclass(frozen=True)
class Trace:
    """One trace of one order."""

    order: SignedOrder
    authority: Authority
    services: Mapping[str, NoteVerifier]
    """What their answers verify under, by name."""
    issuers: Mapping[int, str]
    """Their names, by the numbers that visits remember."""
    ring: OpeningKey
    open_slot: Callable[[int], OpeningKey]
    """A day's private key; raises `KeyDestroyed`, `KeyMissing`, `SealBroken`. No slot is read before a seal needs it: a
    key that is destroyed until then opens nothing."""
    tell: Tell = silent
    _opened: dict[int, OpeningKey | None] = field(default_factory=dict, init=False)

    @property
    def signer(self) -> NoteSigner:
        """The signer of the lists of later steps."""
        return list_signer(self.authority.ring_keys.authority, self.ring)

    def run(self, proof: LogProof) -> Steps[TraceResult]:
        """The people, how they were found, and parties without an answer. `proof`: the order's entry is in the log.

        Raises what the first party refuses with if none answered where people were.
        """
        asking = PartSender(self, proof)
        own: set[bytes] = set()
        if self.order.order.kind == VENUE:
            sights = [(yield from asking.ask(VISITS))]
        else:
            listed = yield from self._visits_of_person(asking)
            own = {visit.visit_id for visits in listed.values() for visit in visits}
            lists = [(name, part) for name, visits in listed.items() for part in self._share(asking, name, visits)]
            lists.sort(key=lambda named: len(named[1]))
            sights = []
            for name, visits in lists:
                sights.append((yield from asking.ask(CONTACTS, visits, source=name)))
        if asking.first and all(rows is None for rows in sights):
            raise asking.first
        answers = [Sight.of(rows, own) for rows in sights if rows is not None]
        opened = [self._open_outer(sight.visits) for sight in answers]
        sealed = [(number, part) for seals, _ in opened for number, all_ in seals.items() for part in _chunks(all_)]
        people: dict[tuple[int, bytes], PersonRow] = {}
        for number, part in sorted(sealed, key=lambda numbered: (len(numbered[1]), numbered[0])):
            if number not in self.issuers:
                asking.fail(f"issuer {number}", PEOPLE, NotFound("No issuer of this number is in parties.toml."))
                continue
            found = yield from asking.ask(PEOPLE, part, audience=self.issuers[number])
            people |= {(number, person.visit_id): person for person in _of(found or [], PersonRow)}
        return self._result(asking, answers, people, sum(broken for _, broken in opened))

    def _share(self, asking: PartSender, issuer: str, visits: list[ListedVisit]) -> list[list[ListedVisit]]:
        """The lists of one issuer's codes, no more than its share of those that a part takes; what is cut is named."""
        lists = _chunks(visits)
        share = MAX_LISTS // len(self.issuers)
        if len(lists) > share:
            cut = sum(map(len, lists[share:]))
            told = f"It named {len(set(visits))} codes, more than one person has: {cut} of them were not asked about."
            asking.fail(issuer, BATCHES, OrderTooLarge(told))
        return lists[:share]

    def _visits_of_person(self, asking: PartSender) -> Steps[dict[str, list[ListedVisit]]]:
        """By issuer, the visit ids that follow from the person's batches; of days with a key, and batches that open."""
        listed = {}
        for number, name in self.issuers.items():
            visits, broken = [], 0
            answered = yield from asking.ask(BATCHES, audience=name)
            for row in _of(answered or [], BatchRow):
                key = self._day_key(row.day)
                if key is None:
                    continue
                try:
                    batch = open_entry(row.entry, issuer=number, day=row.day, authority=key)
                except (SealBroken, NoteMalformed, ValueError):
                    broken += 1
                    continue
                visits += [ListedVisit(number, row.day, visit_id) for visit_id in batch.visit_ids()]
            if broken:
                asking.fail(name, BATCHES, SealBroken(f"{broken} of its rows do not open."))
            if visits:
                listed[name] = visits
        return listed

    def _open_outer(self, visits: list[VisitRow]) -> tuple[dict[int, list[ListedSeal]], int]:
        """Inner seals by issuer, and how many outer seals did not open: moved, or of another maker."""
        seals: dict[int, list[ListedSeal]] = {}
        for done, visit in enumerate(visits):
            if done % 50 == 0:
                self.tell("opening seals", done, len(visits))
            info = Label.SUBJECT + visit_context(visit.issuer, visit.day, visit.visit_id)
            if key := self._day_key(visit.day):
                with suppress(SealBroken):
                    seal = ListedSeal(visit.day, visit.visit_id, key.open(visit.sealed_subject, info))
                    seals.setdefault(visit.issuer, []).append(seal)
        self.tell("opening seals", len(visits), len(visits))
        return seals, len(visits) - sum(map(len, seals.values()))

    def _day_key(self, day: int) -> OpeningKey | None:
        """None once the day's key is destroyed, if there never was one, or where its slot was changed."""
        if day not in self._opened:
            try:
                self._opened[day] = self.open_slot(day)
            except (KeyDestroyed, KeyMissing, SealBroken):
                self._opened[day] = None
        return self._opened[day]

    def _result(
        self, asking: PartSender, answers: list[Sight], people: dict[tuple[int, bytes], PersonRow], unopened: int
    ) -> TraceResult:
        found = [one for sight in answers for one in self._found(sight, people)]
        seen = {(visit.issuer, visit.visit_id) for sight in answers for visit in sight.visits}
        return TraceResult(
            order=self.order.order,
            people=merge(found),
            places=[
                PatientVisit(sight.names.get(row.venue, ""), self._moment(row.minute))
                for sight in answers
                for row in sight.places.values()
            ],
            asked=asking.asked,
            unopened=unopened,
            unknown=max(len(seen) - unopened - len(people), 0),
            gone=sorted(asking.gone),
            failed=asking.failed,
        )

    def _found(self, sight: Sight, people: dict[tuple[int, bytes], PersonRow]) -> Iterator[TracedContact]:
        values = self.order.order.values
        own = bytes.fromhex(one(values, "venue")) if "venue" in values else b""
        for visit in sight.visits:
            person, place = people.get((visit.issuer, visit.visit_id)), sight.places.get(visit.place)
            # The patient's own code, of a day beside the order's, is none.
            if person is not None and person.phone != values.get("phone"):
                yield TracedContact(
                    name=person.name,
                    phone=person.phone,
                    place=sight.names.get(place.venue if place else own, ""),
                    date=self.authority.calendar.date(visit.day),
                    time=self._moment(visit.minute).partition("T")[2][:5] if visit.minute else "",
                    minutes_apart=str(abs(visit.minute - place.minute)) if place else "",
                    issuer=self.issuers[visit.issuer],
                    notice=person.notice,
                )

    def _moment(self, minute: int) -> str:
        return self.authority.calendar.rfc3339(minute * 60, "minutes")


@dataclass(frozen=True)
class Sight:
    """What a registry answered to one list: visits, places by their number in this answer, names of venues."""

    visits: list[VisitRow]
    places: dict[int, PlaceRow]
    names: dict[bytes, str]

    @classmethod
    def of(cls, rows: list[AnswerRow], own: set[bytes]) -> Sight:
        """`own`: the patient's visit ids; the patient is no contact, also of another issuer's list."""
        return cls(
            visits=[row for row in _of(rows, VisitRow) if row.visit_id not in own],
            places={row.number: row for row in _of(rows, PlaceRow)},
            names={row.venue: row.name for row in _of(rows, VenueRow)},
        )


class PartSender:
    """Sends parts and opens their answers; remembers the parties that were asked, and those that failed and why."""

    def __init__(self, trace: Trace, proof: LogProof) -> None:
        self._trace = trace
        self._proof = proof.write()
        self.first: CheckinError | None = None
        self.asked: list[AskedStep] = []
        self.failed: list[FailedStep] = []
        self.gone: set[str] = set()

    def ask(
        self,
        step: str,
        items: Iterable[ListedVisit | ListedSeal] = (),
        *,
        audience: str | None = None,
        source: str | None = None,
    ) -> Steps[list[AnswerRow] | None]:
        """All rows that the parties of a step (or one of them) answer; None if none do. `source`: the items' issuer."""
        parts = [
            signed
            for signed in self._trace.order.parts
            if signed.part.step == step and audience in (None, signed.part.audience)
        ]
        items, rows, answered = list(items), [], False
        for done, signed in enumerate(parts):
            self._trace.tell(f"asking {signed.part.audience}", done, len(parts))
            try:
                found = yield from self._answer(signed, items)
            except CheckinError as error:
                self.fail(signed.part.audience, step, error, f"{len(items)} codes of {source}" if source else "")
                continue
            answered = True
            self.asked.append(
                AskedStep(signed.part.audience, STEPS[step].told, STEPS[step].untold, len(items), len(found))
            )
            rows += found
        return rows if answered else None

    def fail(self, audience: str, step: str, error: CheckinError, about: str = "") -> None:
        """Remembers the party that failed, and why; `about`: what the list had that got no answer."""
        self.first = self.first or error
        reason = f"{error.detail} This was asked about {about}." if about else error.detail
        self.failed.append(FailedStep(audience, STEPS[step].told, error.code, reason))

    def _answer(self, signed: SignedPart, items: list[ListedVisit | ListedSeal]) -> Steps[list[AnswerRow]]:
        part = signed.part
        body = {"part": signed.note, "entry": self._trace.order.entry, "proof": self._proof}
        if STEPS[part.step].listed:
            body["list"] = sign_note(write_list(part.digest, items), self._trace.signer)
        answer = yield Ask("/v1/orders", body=body, to=part.audience)
        try:
            sealed = b64url_decode(answer["sealed"])
            note = decode_note(self._trace.ring.open(sealed, answer_info(part.order, part.digest)))
            values = ORDER_ANSWER.read(open_note(note, [self._trace.services[part.audience]]).text)
        except (SealBroken, ValueError, KeyError, TypeError, AttributeError):
            raise ServiceError(f"The answer of {part.audience} does not open with the ring key.") from None
        if one(values, "part") != part.digest or one(values, "service") != part.audience:
            raise NoteMalformed(f"The answer of {part.audience} is to another part.")
        self.gone |= set(many(values, "gone"))
        return self._rows(part, many(values, "row"))

    def _rows(self, part: Part, lines: list[str]) -> list[AnswerRow]:
        """Those that can be read; the others are named, and take nothing else away."""
        rows = []
        for line in lines:
            with suppress(NoteMalformed):
                rows.append(read_row(line))
        if bad := len(lines) - len(rows):
            self.fail(part.audience, part.step, NoteMalformed(f"{bad} rows of its answer cannot be read."))
        if damaged := sum(row.count for row in _of(rows, DamagedRow)):
            self.fail(
                part.audience, part.step, SealBroken(f"{damaged} rows of its store do not open and are left out.")
            )
        return rows


Item = TypeVar("Item", ListedVisit, ListedSeal)


def _chunks(items: Iterable[Item]) -> list[list[Item]]:
    """Lists of no more items than a service takes, the same for the same items."""
    everything = sorted(set(items))
    return [everything[at : at + MAX_ROWS] for at in range(0, len(everything), MAX_ROWS)]


def _of(rows: Iterable[AnswerRow], kind: type[R]) -> list[R]:
    return [row for row in rows if isinstance(row, kind)]
