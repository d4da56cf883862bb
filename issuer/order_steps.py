"""Orders at the issuer: the batches of one person, still sealed, or names and phones behind seals.

No place is named here, in either direction (docs/spec/order.md §4). Each person an order is about gets an access
notice.
"""

from __future__ import annotations

from collections.abc import Mapping

from checkin.errors import DayDestroyed, KeyDestroyed, KeyMissing, OrderScope, SealBroken
from checkin.keys.key_ring import KeyName, Purpose
from checkin.orders.part import BATCHES, PEOPLE, Part
from checkin.orders.rows import BatchRow, DamagedRow, ListedSeal, PersonRow, UnopenedRow
from checkin.protocol.credential import open_inner, visit_context
from checkin.protocol.primitives import Label
from checkin.service.day_store import DayService
from checkin.service.order_executor import Execute, PartResult, check_days, held_days
from checkin.vault.ledger import open_row, subject_group
from issuer.access_notices import CODES, IDENTIFIED, AccessNotice, AccessNotices
from issuer.identities import Identities, Record


class Disclosures:
    """The issuer's steps of an order."""

    def __init__(self, service: DayService, identities: Identities, notices: AccessNotices, issuer: int) -> None:
        self._party, self._guard, self._vault = service.party, service.guard, service.vault
        self._identities = identities
        self._notices = notices
        self._issuer = issuer

    def steps(self) -> Mapping[str, Execute]:
        """By step of the order."""
        return {BATCHES: self.batches, PEOPLE: self.people}

    def batches(self, part: Part, _: list[str]) -> PartResult:
        """The ledger rows of a phone's accounts, also of one that was deleted since."""
        if part.phone is None or part.days is None:
            raise OrderScope
        held, gone = held_days(range(part.days[0], part.days[1] + 1), self._guard, self._party)
        subjects = self._identities.subjects_of(part.phone)
        rows, told, broken = [], [], 0
        for day in held:
            for subject in subjects:
                try:
                    found = self._vault.store.group(day, subject_group(self._vault, day, subject))
                except KeyMissing:  # a day for which nothing was issued
                    continue
                for row in found:
                    try:
                        rows.append(BatchRow.of(day, open_row(self._vault, day, row)).line())
                    except SealBroken:
                        broken += 1
                told += [(subject, self._notice(part, day, CODES))] if found else []
        drafts = self._notices.draft(part.digest, told)
        rows += [DamagedRow(broken).line()] if broken else []
        return PartResult(sorted(rows), held, gone, keep=lambda: self._notices.add(drafts))

    def people(self, part: Part, items: list[str]) -> PartResult:
        """Name and phone behind each seal that is this issuer's and of the visit that it is shown with."""
        if part.days is None:
            raise OrderScope
        seals = [ListedSeal.read(item) for item in items]
        check_days(part, (seal.day for seal in seals))
        days = sorted({seal.day for seal in seals} or {part.days[1]})
        held, gone = held_days(days, self._guard, self._party)
        found = [(seal, self._person(seal)) for seal in seals if seal.day in held]
        known = [(seal, *person) for seal, person in found if person]
        notices = [(subject, self._notice(part, seal.day, IDENTIFIED)) for seal, subject, _ in known]
        drafts = self._notices.draft(part.digest, notices)
        rows = [
            PersonRow(seal.visit_id, notice, record.phone, record.name).line()
            for (seal, _, record), notice in zip(known, drafts.cases, strict=True)
        ]
        rows += [UnopenedRow(seal.visit_id).line() for seal, person in found if not person]
        named = len({subject for _, subject, _ in known})
        return PartResult(rows, held, gone, people=named, keep=lambda: self._notices.add(drafts))

    def _person(self, seal: ListedSeal) -> tuple[int, Record] | None:
        try:
            key = self._party.ring.subkey(KeyName(Purpose.DAY, seal.day), Label.SUB_SEAL)
            subject = open_inner(key, seal.inner, visit_context(self._issuer, seal.day, seal.visit_id))
            record = self._identities.disclosed(subject)
        except (SealBroken, KeyMissing):  # also of a damaged account
            return None
        except KeyDestroyed:
            raise DayDestroyed from None
        return None if record is None else (subject, record)

    def _notice(self, part: Part, day: int, what: str) -> AccessNotice:
        date = self._party.calendar.date(day)
        return AccessNotice(authority=part.authority, day=date, purpose=part.purpose or "", what=what)
