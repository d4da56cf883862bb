"""An operator's numbers: check-ins of his venue by day and hour, of the days that are held, and of no other venue."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from checkin.clockguard import ClockGuard
from checkin.errors import DayDestroyed, KeyMissing
from checkin.service.party import Party
from checkin.stores import MAX_BUCKET
from checkin.vault import Vault
from checkin.visit import venue_group
from venue.venues import VenueId, Venues, operator_of


class DayStats(BaseModel):
    """`hours` has 25 numbers, by whole hours since the day's local start. The last is for days that set clocks back,
    and for the seconds after midnight in which a code of the day may still be scanned."""

    day: str
    total: int
    hours: list[int]


class VenueStats(BaseModel):
    """Oldest day first. Conflicting second uses, which are kept until somebody can judge them, count too."""

    days: list[DayStats]


class Stats:
    """Counts from the day vault; no row is opened."""

    def __init__(self, party: Party, guard: ClockGuard, vault: Vault) -> None:
        self._party = party
        self._guard = guard
        self._vault = vault

    def of(self, venue: str) -> VenueStats:
        """Days with visits of this venue, and no other's; days that are due are left out, whether or not the purge
        has run."""
        floor = self._guard.floor(self._party.calendar)
        days = (self._day(day, bytes.fromhex(venue)) for day in self._vault.store.days() if day >= floor)
        return VenueStats(days=[day for day in days if day])

    def _day(self, day: int, venue: bytes) -> DayStats | None:
        try:
            counts = self._vault.store.counts(day, venue_group(self._vault, day, venue))
        except (DayDestroyed, KeyMissing):
            return None
        if not counts:
            return None
        hours = [counts.get(hour, 0) for hour in range(MAX_BUCKET + 1)]
        return DayStats(day=self._party.calendar.date(day), total=sum(hours), hours=hours)


def routes(venues: Venues, stats: Stats) -> APIRouter:
    """/v1/venues/{id}/stats."""
    router = APIRouter(tags=["operator"])

    @router.get("/v1/venues/{venue_id}/stats", dependencies=[operator_of(venues)])
    def venue_stats(venue_id: VenueId) -> VenueStats:
        """Check-ins per hour and day. Bearer: the venue's operator."""
        return stats.of(venue_id)

    return router
