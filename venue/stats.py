"""An operator's numbers: check-ins of one venue by day, hour and gate, of the days that are held, and of no other."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from checkin.errors import DayDestroyed, Forbidden, KeyMissing
from checkin.service.body import Number
from checkin.service.day_store import DayService
from checkin.service.describe import problem_answers
from checkin.vault.engines import MAX_BUCKET
from checkin.vault.visit import venue_group
from venue.gates import Gates
from venue.scanners import ScannerEntry, Scanners
from venue.venues import VenueId, Venues, operator_of


class GateStats(BaseModel):
    """One scanner's part of a day; `hours` as the day's."""

    scanner_id: str
    label: str
    hours: list[Number]


class DayStats(BaseModel):
    """`hours` has 25 numbers, by whole hours since the day's local start. The last is for days that set clocks back,
    and for the seconds after midnight in which a code of the day may still be scanned. `labels`: what clocks showed
    when each of them began, which after clocks were set is not its place: `15`; `2A` and `2B` for what came twice.

    `gates`, by label, says how many of them came through which gate, as long as the day takes uploads (four days and
    five minutes after its end at most). Its sums can be smaller: it is a minute late, a crash can lose a minute of it,
    and second uses that were queued belong to no gate. Gates without anybody are left out."""

    day: str
    total: Number
    hours: list[Number]
    labels: list[str]
    gates: list[GateStats]


class VenueStats(BaseModel):
    """Oldest day first. Conflicting second uses, which are kept until somebody can judge them, count too."""

    days: list[DayStats]


class Stats:
    """Counts from the day vault, of which no row is opened; beside them the counts by gate."""

    def __init__(self, service: DayService, gates: Gates, scanners: Scanners) -> None:
        self._party, self._guard, self._vault = service.party, service.guard, service.vault
        self._gates = gates
        self._scanners = scanners

    def of(self, venue: str) -> VenueStats:
        """Days with visits of this venue, and no other's; days that are due are left out, whether or not the purge
        has run."""
        floor, scanners = self._guard.floor(self._party.calendar), self._scanners.listed(venue)
        days = (self._day(day, bytes.fromhex(venue), scanners) for day in self._vault.store.days() if day >= floor)
        return VenueStats(days=[day for day in days if day])

    def _day(self, day: int, venue: bytes, scanners: list[ScannerEntry]) -> DayStats | None:
        try:
            counts = self._vault.store.counts(day, venue_group(self._vault, day, venue))
            gates = self._by_gate(day, scanners) if counts else []
        except (DayDestroyed, KeyMissing):
            return None
        if not counts:
            return None
        hours = [counts.get(hour, 0) for hour in range(MAX_BUCKET + 1)]
        calendar = self._party.calendar
        labels = calendar.hour_labels(day)
        return DayStats(day=calendar.date(day), total=sum(hours), hours=hours, labels=labels, gates=gates)

    def _by_gate(self, day: int, scanners: list[ScannerEntry]) -> list[GateStats]:
        if not self._gates.is_open(day):
            return []
        gates = [
            GateStats(
                scanner_id=item.scanner_id,
                label=item.label,
                hours=self._gates.hours(day, bytes.fromhex(item.scanner_id)),
            )
            for item in scanners
        ]
        return [gate for gate in gates if any(gate.hours)]


def routes(venues: Venues, stats: Stats) -> APIRouter:
    """/v1/venues/{id}/stats."""
    router, refused = APIRouter(tags=["operator"]), problem_answers(Forbidden)

    @router.get("/v1/venues/{venue_id}/stats", dependencies=[operator_of(venues)], responses=refused)
    def venue_stats(venue_id: VenueId) -> VenueStats:
        """Count check-ins per hour and day, and by gate. Bearer: the venue's operator."""
        return stats.of(venue_id)

    return router
