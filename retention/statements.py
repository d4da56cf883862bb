"""data/retention.db: what the services stated, as they signed it, and the outcome of the last query of each.

Tables (docs/spec/retention.md §5; open it with Datasette or `sqlite-utils` as it is):

    statements  place (in the log), service, kind, day, key, digest (of the note; of the authority's its text), note,
                received
    refused     service, digest of the note, code: notes that did not verify, never shown as statements
    services    service, asked, failure: the day on which it last answered, and what went wrong since
    listed      key, kind, owner, day: what lists of keys said first about each day

A view `purge_reports` shows the reports alone. Days are ISO dates; nothing here is finer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlite_utils

from checkin.files.database import NOTES_PAGE, StateFile
from checkin.protocol.key_list import AUTHORITY_KEYS, INTAKE_KEYS, ISSUER_KEYS
from checkin.protocol.statement import StatementType

REPORTS_VIEW = "SELECT place, service, day, note FROM statements WHERE kind = 'checkin/purge-report/v1'"
LISTS: Final = (ISSUER_KEYS.kind, AUTHORITY_KEYS.kind, INTAKE_KEYS.kind)
MOST_REFUSED = 1000
_COLUMNS = "place, service, kind, day, key, note, received"


@dataclass(frozen=True)
class Stated:
    """A verified statement: its place in the log, its service, its kind, its day and key ('' for none)."""

    place: int
    service: str
    kind: str
    day: str
    key: str
    note: str
    received: str


@dataclass(frozen=True)
class CollectionState:
    """The outcome of querying a service: the day of its last answer ('' never), the code of what failed since."""

    asked: str = ""
    failure: str = ""


class ServiceStatements(StateFile):
    """Every method is one commit, on the disk when it returns. Thread-safe; several processes may share the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _migrate, page=NOTES_PAGE)

    def place_of(self, service: str, digest: bytes) -> int | None:
        """Where the log has the service's text with this SHA-256, if it was received before."""
        found = self.rows("SELECT place FROM statements WHERE service = ? AND digest = ?", service, digest.hex())
        return found[0][0] if found else None

    def add(self, statements: Iterable[tuple[Stated, bytes]]) -> None:
        """Keeps statements with their digests; the same again changes nothing."""
        insert = f"INSERT INTO statements ({_COLUMNS}, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608 - a constant
        with self.writing() as tables:
            for stated, digest in statements:
                tables.execute(insert, [*vars(stated).values(), digest.hex()])
                _add_keys(tables, stated.kind, stated.note)

    def listed(self, kind: str, owner: str, since: str) -> list[tuple[str, str]]:
        """(day, key) of the owner's lists from that day on, as they were written first, by day."""
        query = "SELECT day, key FROM listed WHERE kind = ? AND owner = ? AND day >= ? ORDER BY day"
        return self.rows(query, kind, owner, since)

    def count(self, kind: str, service: str, received: str) -> int:
        """How many statements of a kind were received on a day."""
        query = "SELECT count(*) FROM statements WHERE kind = ? AND service = ? AND received = ?"
        [(count,)] = self.rows(query, kind, service, received)
        return int(count)

    def find(
        self, kind: StatementType | None = None, service: str | None = None, day: str | None = None
    ) -> list[Stated]:
        """Statements by what is given, oldest first."""
        wanted = {"kind": kind.kind if kind else None, "service": service, "day": day}
        given = {column: value for column, value in wanted.items() if value is not None}
        where = " AND ".join(f"{column} = ?" for column in given) or "1"
        query = f"SELECT {_COLUMNS} FROM statements WHERE {where} ORDER BY place"  # noqa: S608 - names of columns
        return [Stated(*row) for row in self.rows(query, *given.values())]

    def contradictions(self, kind: str) -> list[tuple[str, str]]:
        """(service, day) with two different statements of the kind, where there can be only one."""
        query = "SELECT service, day FROM statements WHERE kind = ? GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY 2, 1"
        return self.rows(query, kind)

    def refuse(self, service: str, digest: bytes, code: str, day: str) -> None:
        """Notes that a note did not verify; the first time counts, and of a service `MOST_REFUSED`: it shows what
        it likes, which must not fill our disk."""
        if self.refused().get(service, 0) >= MOST_REFUSED:
            return
        with self.writing() as tables:
            tables.execute(
                "INSERT INTO refused (service, digest, code, day) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [service, digest.hex(), code, day],
            )

    def refused(self) -> Mapping[str, int]:
        """How many notes of each service did not verify."""
        return dict(self.rows("SELECT service, count(*) FROM refused GROUP BY service"))

    def asking(self, service: str) -> CollectionState:
        """The outcome of querying the service so far."""
        found = self.rows("SELECT asked, failure FROM services WHERE service = ?", service)
        return CollectionState(*found[0]) if found else CollectionState()

    def set_asking(self, service: str, asking: CollectionState) -> None:
        """Keeps that outcome."""
        with self.writing() as tables:
            tables.execute(
                "INSERT OR REPLACE INTO services (service, asked, failure) VALUES (?, ?, ?)",
                [service, asking.asked, asking.failure],
            )


def _migrate(tables: sqlite_utils.Database) -> None:
    """Makes what is missing; a later version adds its columns and indexes here."""
    columns = {"place": int, "service": str, "kind": str, "day": str, "key": str, "digest": str, "note": str}
    columns["received"] = str
    statements = tables.table("statements")
    statements.create(columns, pk="place", not_null=set(columns), strict=True, if_not_exists=True)
    statements.create_index(["service", "digest"], unique=True, if_not_exists=True)
    statements.create_index(["kind", "service", "day"], if_not_exists=True)
    refused = {"service": str, "digest": str, "code": str, "day": str}
    tables.table("refused").create(
        refused, pk=("service", "digest"), not_null=set(refused), strict=True, if_not_exists=True
    )
    services = {"service": str, "asked": str, "failure": str}
    tables.table("services").create(services, pk="service", not_null=set(services), strict=True, if_not_exists=True)
    # The key's id first: right after a day, as SQLite writes a row, eight digits of it would look like a phone number.
    keys = {"key": str, "kind": str, "owner": str, "day": str}
    if [column.name for column in tables.table("listed").columns] != [*keys]:
        tables.table("listed").drop(ignore=True)
        tables.table("listed").create(keys, pk=("kind", "owner", "day"), not_null=set(keys), strict=True)
        for kind, note in tables.execute("SELECT kind, note FROM statements ORDER BY place").fetchall():
            _add_keys(tables, kind, note)
    tables.create_view("purge_reports", REPORTS_VIEW, ignore=True)


def _add_keys(tables: sqlite_utils.Database, kind: str, note: str) -> None:
    """Keeps what a list says about days of which there was no key yet."""
    if kind in LISTS:
        insert = "INSERT INTO listed (kind, owner, day, key) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        whose, *lines = note.partition("\n\n")[0].split("\n")[1:]
        for line in lines:
            if line.startswith("key "):
                _, day, key = line.split(" ", 2)
                tables.execute(insert, [kind, whose.partition(" ")[2], day, key])
