"""Orders at the registry: which sealed visits a venue had, or where some visits were and which others were near.

No person is named here, in either direction (docs/spec/order.md §4). What the registry answers are seals of the
authority's day keys; it learns that an order looked at a venue, or that some visits were one person's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from checkin.errors import DayDestroyed, KeyMissing, OrderScope, OrderTooLarge, SealBroken
from checkin.files.tables import Tables, read_in
from checkin.orders.part import CONTACTS, MAX_ROWS, NEAR_MINUTES, VISITS, Part
from checkin.orders.rows import DamagedRow, ListedVisit, PlaceRow, VenueRow, VisitRow
from checkin.purge.clock_guard import ClockGuard
from checkin.service.identity import ServiceIdentity
from checkin.service.order_executor import Execute, PartResult, check_days, held_days
from checkin.vault.engines import Row
from checkin.vault.vault import Vault
from checkin.vault.visit import Visit, conflict_keys, open_visit, venue_group, visit_key


class Traces:
    """The registry's steps of an order."""

    def __init__(self, party: ServiceIdentity, guard: ClockGuard, vault: Vault, tables: Tables) -> None:
        self._party = party
        self._guard = guard
        self._vault = vault
        self._tables = tables

    def steps(self) -> Mapping[str, Execute]:
        """By step of the order."""
        return {VISITS: self.visits, CONTACTS: self.contacts}

    def visits(self, part: Part, _: list[str]) -> PartResult:
        """Every visit of one venue in a window of at most four hours, without its minute."""
        if part.venue is None or part.window is None:
            raise OrderScope
        first, last = (int(moment // 60) for moment in part.window)
        held, gone = held_days(self._days(first, last), self._guard, self._party)
        broken: set[bytes] = set()
        found = self._at(part.venue, first, last, held, broken)
        # A second use of a code at the same venue is the same line.
        rows = {VisitRow(visit.issuer, day, visit.visit_id, visit.sealed_subject).line() for day, visit in found}
        names = [row.line() for row in self._names({part.venue})] if rows else []
        return PartResult(sorted(rows) + names + _left_out(broken), held, gone)

    def contacts(self, part: Part, items: list[str]) -> PartResult:
        """Where the listed visits were, and the check-ins there from two hours before to two hours after."""
        listed = [ListedVisit.read(item) for item in items]
        check_days(part, (item.day for item in listed))
        floor = self._guard.floor(self._party.calendar)
        held, gone = held_days(range(part.days[0], part.days[1] + 1) if part.days else (), self._guard, self._party)
        near_days, _ = held_days(range(floor, self._party.today() + 1), self._guard, self._party)
        broken: set[bytes] = set()
        places = self._places([item for item in listed if item.day in held], broken)
        own = {item.visit_id for item in listed}
        near: dict[tuple[int, bytes, bytes], tuple[int, VisitRow]] = {}
        for place in places:
            first, last = place.minute - NEAR_MINUTES, place.minute + NEAR_MINUTES
            for day, visit in self._at(place.venue, first, last, near_days, broken):
                if visit.visit_id not in own:
                    _keep_nearest(near, place, day, visit)
            if len(near) > MAX_ROWS:
                raise OrderTooLarge
        rows = [place.line() for place in places]
        rows += [name.line() for name in self._names({place.venue for place in places})] + _left_out(broken)
        days = held + [row.day for _, row in near.values()]
        return PartResult(rows + sorted(row.line() for _, row in near.values()), days, gone)

    def _places(self, listed: list[ListedVisit], broken: set[bytes]) -> list[PlaceRow]:
        """Where the listed visits happened, numbered from 1 in the order of their time; one with a code used more
        than once has several places, because the first to upload need not be the true one."""
        by_day: dict[int, dict[bytes, ListedVisit]] = {}
        for item in listed:
            by_day.setdefault(item.day, {}).update(dict.fromkeys(self._keys(item), item))
        happened = []
        for day, keys in by_day.items():
            for key, visit in self._opened(day, self._vault.store.get(day, list(keys)).values(), broken):
                if visit.issuer == keys[key].issuer:
                    happened.append((visit.minute, visit.visit_id, day, visit))
        happened.sort(key=lambda item: item[:2])
        return [
            PlaceRow(number, visit.issuer, day, visit.visit_id, visit.minute, visit.venue)
            for number, (_, _, day, visit) in enumerate(happened, start=1)
        ]

    def _keys(self, listed: ListedVisit) -> list[bytes]:
        """Of its row and of those of second uses; none where the day was never used here."""
        try:
            first = visit_key(self._vault, listed.day, listed.visit_id)
            return [first, *conflict_keys(self._vault, listed.day, listed.visit_id)]
        except (KeyMissing, DayDestroyed):
            return []

    def _at(
        self, venue: bytes, first: int, last: int, held: list[int], broken: set[bytes]
    ) -> Iterator[tuple[int, Visit]]:
        """Visits of a venue with first ≤ minute ≤ last, with the day they lie in."""
        calendar = self._party.calendar
        for day in self._days(first, last):
            if day not in held:
                continue
            hours = calendar.hour(day, first * 60), calendar.hour(day, last * 60)
            try:
                group = venue_group(self._vault, day, venue)
            except KeyMissing:  # a day without check-ins
                continue
            for _, visit in self._opened(day, self._vault.store.group(day, group, *hours), broken):
                if first <= visit.minute <= last:
                    yield day, visit

    def _opened(self, day: int, rows: Iterable[Row], broken: set[bytes]) -> Iterator[tuple[bytes, Visit]]:
        """Key and visit of each row that opens; the keys of the others go to `broken`, and end no order."""
        for row in rows:
            try:
                yield row.key, open_visit(self._vault, day, row)
            except SealBroken:
                broken.add(row.key)

    def _days(self, first: int, last: int) -> list[int]:
        """The service days of visits that may have these minutes: a code lives a little beyond its midnight."""
        calendar = self._party.calendar
        return list(range(calendar.day(first * 60 - 300), calendar.day(last * 60) + 1))

    def _names(self, venues: set[bytes]) -> Iterator[VenueRow]:
        ids = (venue.hex() for venue in venues)
        known: dict[str, str] = dict(read_in(self._tables, "SELECT id, name FROM venues WHERE id IN", ids))
        for venue in sorted(venues):
            yield VenueRow(venue, known.get(venue.hex(), "?"))


def _left_out(broken: set[bytes]) -> list[str]:
    return [DamagedRow(len(broken)).line()] if broken else []


def _keep_nearest(
    near: dict[tuple[int, bytes, bytes], tuple[int, VisitRow]], place: PlaceRow, day: int, visit: Visit
) -> None:
    """Keeps a visit that is near several places once, with the place that was nearest in time."""
    apart, key = abs(visit.minute - place.minute), (visit.issuer, visit.visit_id, visit.venue)
    if key not in near or apart < near[key][0]:
        row = VisitRow(visit.issuer, day, visit.visit_id, visit.sealed_subject, visit.minute, place.number)
        near[key] = (apart, row)
