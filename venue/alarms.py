"""Queued codes whose signature failed: how many on which day, for all workers to show in /readyz."""

from __future__ import annotations

from collections.abc import Iterator

from checkin.files.tables import Tables
from checkin.service.frame import Finding
from checkin.service.identity import ServiceIdentity

_ADD = (
    "INSERT INTO alarms (day, failed) VALUES (:day, :failed)"
    " ON CONFLICT (day) DO UPDATE SET failed = alarms.failed + excluded.failed"
)


class Alarms:
    """The table `alarms`; it names nobody."""

    def __init__(self, party: ServiceIdentity, tables: Tables) -> None:
        self._party = party
        self._tables = tables

    def add(self, number: int) -> None:
        """So many more today."""
        values = {"day": self._party.today(), "failed": number}
        self._tables.write(lambda commit: commit.execute(_ADD, values))

    def findings(self) -> Iterator[Finding]:
        """A warning for the rest of the day."""
        for (failed,) in self._tables.read("SELECT failed FROM alarms WHERE day = :day", {"day": self._party.today()}):
            text = f"Signatures of {failed} queued codes failed today: find out which venue's scanner is not its own."
            yield Finding("queued_signatures", "warning", text)

    def forget(self, oldest_day: int) -> None:
        """A duty of the purge."""
        forget = "DELETE FROM alarms WHERE day < :oldest"
        self._tables.write(lambda commit: commit.execute(forget, {"oldest": oldest_day}))
