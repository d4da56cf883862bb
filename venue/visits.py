"""From a scan to a visit: what both ways into the registry, one by one and in batches, have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from checkin.clock import Calendar
from checkin.protocol.presentation import Presentation
from checkin.protocol.primitives import equal
from checkin.vault.engines import Row
from checkin.vault.vault import Vault
from checkin.vault.visit import CONFLICT, Visit, conflict_keys, open_visit, seal_visit, visit_key


def visit_of(verified: Presentation, venue: bytes, scan_id: bytes, scanned_at: float) -> Visit:
    """The record of a verified code that was scanned at `scanned_at`, kept to the minute."""
    credential = verified.credential
    return Visit(
        venue=venue,
        minute=int(scanned_at // 60),
        issuer=credential.issuer,
        visit_id=credential.visit_id,
        scan_id=scan_id,
        sealed_subject=credential.sealed_subject,
    )


class Visits:
    """The day vault as the registry uses it."""

    def __init__(self, vault: Vault, calendar: Calendar) -> None:
        self.vault = vault
        self._calendar = calendar

    def row(self, day: int, visit: Visit, key: bytes | None = None) -> Row:
        """Sealed. A code of the day that is scanned in the first seconds after midnight lies in hour 24."""
        return seal_visit(self.vault, day, visit, self._calendar.hour(day, visit.minute * 60), key)

    def standing(self, day: int, visits: Sequence[Visit]) -> Mapping[bytes, Visit]:
        """The first visit of each visit id that has one, by visit id."""
        keys = {visit_key(self.vault, day, visit.visit_id): visit.visit_id for visit in visits}
        found = self.vault.store.get(day, list(keys))
        return {keys[key]: open_visit(self.vault, day, row) for key, row in found.items()}

    def keep_conflicts(self, day: int, visits: Sequence[Visit]) -> None:
        """Flags second uses and keeps them beside the first: of a visit id at most `CONFLICTS`, of a venue one.

        So no scanner can fill a day with one code, nor use up the places that other venues' scans need.
        """
        waiting = {(visit.visit_id, visit.venue): visit for visit in reversed(visits)}
        while waiting:
            free = [(visit, key) for visit in waiting.values() if (key := self._free_place(day, visit))]
            rows = [self.row(day, replace(visit, flags=CONFLICT), key) for visit, key in free]
            added = self.vault.insert(day, rows) if rows else []
            # Another process took the place meanwhile: look again. That can happen as often as there are places.
            late = [visit for (visit, _), new in zip(free, added, strict=True) if not new]
            waiting = {(visit.visit_id, visit.venue): visit for visit in late}

    def _free_place(self, day: int, visit: Visit) -> bytes | None:
        """The first key that no row has; none where all are taken, or one by this venue."""
        keys = conflict_keys(self.vault, day, visit.visit_id)
        standing = self.vault.store.get(day, keys)
        if any(open_visit(self.vault, day, row).venue == visit.venue for row in standing.values()):
            return None
        return next((key for key in keys if key not in standing), None)


def same_scan(one: Visit, other: Visit) -> bool:
    """Whether both are uploads of one scan: its random id, at one venue."""
    return equal(one.scan_id, other.scan_id) and equal(one.venue, other.venue)
