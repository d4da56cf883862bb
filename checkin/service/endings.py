"""Accounts, scanners and tokens that ended: written down beside the key ring in the very commit that ends them.

A service's database says up to which number of the journal it has seen. When it was put back from a backup it is
behind, and what ended since is ended again before anything is served (docs/spec/keys.md §7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

import sqlite_utils
import structlog

from checkin.keys.journal import Ending, Journal, Written
from checkin.service.identity import ServiceIdentity

TABLE: Final = "CREATE TABLE IF NOT EXISTS endings (number INTEGER PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID"
"""One row: the newest ending that this database has seen."""
log = structlog.get_logger()


class Writable(Protocol):
    """A database with the table `endings`."""

    def reading(self) -> AbstractContextManager[sqlite_utils.Database]:
        """The tables as they stand."""
        ...

    def writing(self) -> AbstractContextManager[sqlite_utils.Database]:
        """One commit or nothing."""
        ...


class Endings:
    """The journal of one service, and how far its database has seen it."""

    def __init__(self, party: ServiceIdentity) -> None:
        self._party = party
        self._journal = Journal(party.settings.keys / "journal", party.ring)

    @contextmanager
    def writing(self, database: Writable) -> Iterator[tuple[sqlite_utils.Database, list[Ending]]]:
        """One commit or nothing, of the tables and of what ends with it, which the block puts into the list: written
        down as the commit's last step, and struck out when the commit fails, so that no start carries out what was
        refused. Raises `NotReady`: then nothing has ended."""
        written: Written | None = None
        try:
            with database.writing() as tables:
                ended: list[Ending] = []
                yield tables, ended
                if ended:
                    written = self._journal.append(self._party.today(), ended)
                    _see(tables, written.last)
        except BaseException:
            if written:
                self._strike(written)
            raise

    def replay(
        self,
        database: Writable,
        end: Callable[[sqlite_utils.Database, Ending], None],
        unknown: Callable[[sqlite_utils.Database], None],
    ) -> None:
        """At a start, before anything is served: ends again what the database has forgotten. `unknown` is called when
        it is so old that some of that is not known any more."""
        with database.writing() as tables:
            seen, last = _seen(tables), self._journal.last()
            if seen >= last:
                return
            found, whole = self._journal.since(seen)
            if not whole:
                unknown(tables)
            for ending in found:
                end(tables, ending)
            _see(tables, last)
        log.warning("endings_replayed", count=len(found), whole=whole)

    def seen_by(self, database: Writable) -> int:
        """The number of the newest ending that the database has seen, 0 before the first."""
        with database.reading() as tables:
            return _seen(tables)

    def since(self, number: int) -> list[Ending] | None:
        """What ended after `number`, in order; None when that is not all known any more."""
        found, whole = self._journal.since(number)
        return found if whole else None

    def forget(self, oldest: int) -> None:
        """A duty of the purge: what was sealed under destroyed keys."""
        self._journal.forget(oldest)

    def _strike(self, written: Written) -> None:
        try:
            self._journal.strike(written)
        except OSError as error:
            log.error("refused_endings_not_struck", count=written.count, why=error.strerror)


def _seen(tables: sqlite_utils.Database) -> int:
    row = tables.execute("SELECT number FROM endings").fetchone()
    return int(row[0]) if row else 0


def _see(tables: sqlite_utils.Database, number: int) -> None:
    tables.execute("DELETE FROM endings")
    tables.execute("INSERT INTO endings VALUES (?)", [number])
