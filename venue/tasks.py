"""What the registry does at night, and what retention asks of it: keys, closing, purge, statements."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from pydantic import BaseModel

from checkin.keys.key_ring import KeyName, Purpose
from checkin.purge.purger import Purger
from checkin.purge.statement_store import StatementStore
from checkin.service.auth import pinned
from checkin.service.body import Body
from checkin.service.frame import Finding
from checkin.service.identity import ServiceIdentity


class NoMembers(Body):
    """`{}`"""


class Purged(BaseModel):
    """The signed statements that this purge made; none when nothing was due."""

    statements: list[str]


class Statement(BaseModel):
    """A statement's name, as `purge-2026-10-25`, and its signed note."""

    name: str
    note: str


class Statements(BaseModel):
    """All statements the service ever made, by name."""

    statements: list[Statement]


class Duties:
    """Tasks of the registry, each repeatable."""

    def __init__(self, party: ServiceIdentity, purger: Purger, book: StatementStore) -> None:
        self._party = party
        self._purger = purger
        self._book = book

    def make_keys(self) -> None:
        """Today's and later keys, and those of days that a downtime left out: scanners have queued for them,
        because their intake keys were listed before."""
        self._purger.make_keys()
        calendar, now = self._party.calendar, self._party.now()
        for name in self._party.ring.names(Purpose.INTAKE):
            if name.day < calendar.day(now) and now < calendar.closes(name.day):
                self._purger.make(KeyName(Purpose.DAY, name.day))

    def purge(self) -> None:
        """Destroys what is due."""
        self._purger.run()

    def purge_now(self) -> list[str]:
        """Destroys what is due; the signed statements about it. Raises `ClockUntrusted`."""
        return [note for name in self._purger.run() if (note := self._book.get(name))]

    def close_days(self) -> None:
        """Closes the days that take no more uploads."""
        self._purger.close_due_days()

    def findings(self) -> Iterator[Finding]:
        """A failure when a day is held that should be gone."""
        if self._purger.overdue():
            yield Finding("purge", "failure", "Days are overdue to be destroyed: run `checkin purge run`.")

    def statements(self) -> list[Statement]:
        """By name."""
        return [Statement(name=name, note=note) for name, note in self._book.all()]


def routes(duties: Duties, retention_sha256: str | None) -> APIRouter:
    """/v1/purge and /v1/statements."""
    router = APIRouter(tags=["retention"], dependencies=[pinned(retention_sha256)])

    @router.post("/v1/purge")
    def purge(_: NoMembers) -> Purged:
        """Destroy what is due now, as the service also does by itself. Bearer: the retention service."""
        return Purged(statements=duties.purge_now())

    @router.get("/v1/statements")
    def statements() -> Statements:
        """Every signed statement about keys, closings and purges. Bearer: the retention service."""
        return Statements(statements=duties.statements())

    return router
