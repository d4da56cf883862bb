"""What a service holds and what of it is over: read from the key ring, the day store and the statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from checkin.clock import RETENTION_DAYS, Calendar
from checkin.errors import CheckinError
from checkin.keys.key_ring import KeyName, Purpose, ServiceKeys
from checkin.protocol.note import NoteSigner, unverified_text
from checkin.protocol.statement import StatementType, one
from checkin.purge.statement_store import (
    ABSENT,
    PURGE_REPORT,
    StatementStore,
    closed_name,
    destroyed_name,
    made_commitment,
    report_name,
)
from checkin.vault.vault import Vault


class PurgeParty(Protocol):
    """What of a service is needed to destroy its days (`checkin.service.identity.ServiceIdentity`)."""

    calendar: Calendar
    ring: ServiceKeys
    data: Path
    signer: NoteSigner

    def sign(self, kind: StatementType, values: Mapping[str, str | Sequence[str]]) -> str:
        """A signed note of the service."""


@dataclass(frozen=True)
class HeldDay:
    """A day that is held, and when it is due (ISO dates). `rows` and `bytes` are None for a damaged day."""

    day: str
    rows: int | None
    bytes: int | None
    due: str


@dataclass(frozen=True)
class DestroyedDay:
    """A day that was destroyed, as its report says."""

    day: str
    rows: str
    due: str
    done: str


@dataclass(frozen=True)
class RingNodeStatus:
    """Last status of a key-ring node: how many keys it holds, which of them are over. `destroyed`: of how many it has
    signed the destruction; `awaited`: entombed keys that it has not signed so yet."""

    node: str
    answers: bool
    held: int
    due: list[str]
    destroyed: int
    awaited: list[str]


@dataclass(frozen=True)
class EarlyStatus:
    """The days of an early destruction, when officers signed it (ISO dates), and why."""

    first: str
    last: str
    day: str
    reason: str


@dataclass(frozen=True)
class PurgeStatus:
    """What is held, what of it is overdue, what was destroyed, and why nothing is destroyed now, if so."""

    held: list[HeldDay]
    due: list[str]
    destroyed: list[DestroyedDay]
    doubt: str | None
    keys_due: list[str] = field(default_factory=list)
    """Keys that are due and can be read."""
    keys_overwritten: list[str] = field(default_factory=list)
    """Keys that can be read no more, with slots that wait for room on the disk."""
    not_stated: list[str] = field(default_factory=list)
    """What is destroyed and not stated yet: keys by name, days by date."""
    nodes: list[RingNodeStatus] = field(default_factory=list)
    """Of the key ring, where it is one of nodes."""
    early: list[EarlyStatus] = field(default_factory=list)
    """What officers ordered to be destroyed before it was due."""
    data_trouble: str = ""
    """Why only the key ring could be looked at, if so."""


class Inventory:
    """What one service holds and what of it is over; changes nothing."""

    def __init__(self, party: PurgeParty, vault: Vault, book: StatementStore) -> None:
        self._calendar = party.calendar
        self._ring = party.ring
        self._vault = vault
        self._book = book

    def held(self) -> list[int]:
        """Days with a key that is not entombed, or with a partition; oldest first."""
        gone = {name.day for name in self._ring.tombstones(Purpose.DAY)}
        keys = {name.day for name in self._ring.names(Purpose.DAY)} - gone
        return sorted(keys | set(self._vault.store.days()))

    def due(self, oldest: int) -> list[int]:
        """Days before `oldest`, and days with a key destroyed early, with anything left of them, or destroyed
        without a statement yet.

        What a restored backup brings back is due again.
        """
        tombs = {name.day for name in self._ring.tombstones(Purpose.DAY)}
        unstated = {day for day in tombs if report_name(day) not in self._book}
        left = {name.day for name in self._ring.names(Purpose.DAY)} | set(self._vault.store.days())
        return sorted(day for day in unstated | left if day < oldest or day in tombs)

    def retired(self) -> list[KeyName]:
        """Entombed intake and signing keys, which no day's report covers, without a statement of destruction yet."""
        tombs = [name for name in self._ring.tombstones() if name.purpose in (Purpose.INTAKE, Purpose.SIGNING)]
        return [name for name in tombs if destroyed_name(name) not in self._book]

    def unclosed(self) -> set[int]:
        """Days that are held and have no stated closing."""
        return {day for day in self.held() if closed_name(day) not in self._book}

    def commitment(self, name: KeyName) -> str:
        """From the slot, or from the statement made with the key when the slot can no longer be read."""
        try:
            return self._ring.commitment(name)
        except CheckinError:
            return made_commitment(self._book, name) or ABSENT

    def status(self, floor: int, doubt: str | None) -> PurgeStatus:
        """As of this moment; days before `floor` are overdue."""
        held = self.held()
        notes = [note for _, note in self._book.all("purge-")]
        return PurgeStatus(
            held=[self._held_day(day) for day in held],
            due=[self._calendar.date(day) for day in held if day < floor],
            destroyed=[_destroyed_day(note) for note in notes],
            doubt=doubt,
        )

    def _held_day(self, day: int) -> HeldDay:
        date, due = self._calendar.date(day), self._calendar.date(day + RETENTION_DAYS)
        try:
            measure = self._vault.store.measure(day)
        except CheckinError:
            return HeldDay(date, None, None, due)
        return HeldDay(date, measure.rows, measure.bytes, due)


def _destroyed_day(note: str) -> DestroyedDay:
    values = PURGE_REPORT.read(unverified_text(note))
    return DestroyedDay(one(values, "day"), one(values, "rows"), one(values, "due"), one(values, "done"))
