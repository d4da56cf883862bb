"""Queued codes whose signature failed: how many on which day, for all workers to show in /readyz."""

from __future__ import annotations

from collections.abc import Iterator

from checkin.service.frame import Finding
from checkin.service.identity import ServiceIdentity
from venue.database import RegistryDatabase

_ADD = "INSERT INTO alarms VALUES (?, ?) ON CONFLICT (day) DO UPDATE SET failed = failed + excluded.failed"


class Alarms:
    """The table `alarms`; it names nobody."""

    def __init__(self, party: ServiceIdentity, database: RegistryDatabase) -> None:
        self._party = party
        self._database = database

    def add(self, number: int) -> None:
        """So many more today."""
        with self._database.writing() as tables:
            tables.execute(_ADD, [self._party.today(), number])

    def findings(self) -> Iterator[Finding]:
        """A warning for the rest of the day."""
        with self._database.reading() as tables:
            row = tables.execute("SELECT failed FROM alarms WHERE day = ?", [self._party.today()]).fetchone()
        if row:
            text = f"Signatures of {row[0]} queued codes failed today: find out which venue's scanner is not its own."
            yield Finding("queued_signatures", "warning", text)

    def forget(self, oldest_day: int) -> None:
        """A duty of the purge."""
        with self._database.writing() as tables:
            tables.table("alarms").delete_where("day < ?", [oldest_day])
