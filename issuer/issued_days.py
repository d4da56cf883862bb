"""For which days batches were issued to whom, by the ledger: the one place where it is written down.

`identities` has no column that moves with each batch: in most engines the order of such updates tells for good in
which order people came.
"""

from __future__ import annotations

from checkin.errors import DayDestroyed, KeyMissing
from checkin.keys.key_ring import Purpose
from checkin.purge.clock_guard import ClockGuard
from checkin.service.identity import ServiceIdentity
from checkin.vault.ledger import subject_group
from checkin.vault.vault import Vault


class IssuedDays:
    """Looks in the ledger of the days that are held."""

    def __init__(self, party: ServiceIdentity, guard: ClockGuard, vault: Vault) -> None:
        self._party = party
        self._guard = guard
        self._vault = vault

    def count(self, day: int, subject: int) -> int:
        """How many batches of a day."""
        return sum(self._vault.store.counts(day, subject_group(self._vault, day, subject)).values())

    def of(self, subject: int) -> dict[int, int]:
        """Day → how many batches, newest day first."""
        return {day: count for day in self._days() if (count := self._held(day, subject))}

    def last(self, subject: int, first: int = 0) -> int | None:
        """The newest day, None if none is held, or none from the day `first` on."""
        return next((day for day in self._days() if day >= first and self._held(day, subject)), None)

    def untold(self) -> int:
        """The newest day whose ledger was destroyed early: nobody can tell who took batches for it. 0 for none."""
        floor = self._guard.floor(self._party.calendar)
        gone = (name.day for name in self._party.ring.tombstones() if name.purpose is Purpose.DAY)
        return max((day for day in gone if day >= floor), default=0)

    def _days(self) -> list[int]:
        floor = self._guard.floor(self._party.calendar)
        return [day for day in reversed(self._vault.store.days()) if day >= floor]

    def _held(self, day: int, subject: int) -> int:
        try:
            return self.count(day, subject)
        except (DayDestroyed, KeyMissing):  # no seal of that day opens any more
            return 0
