"""Accounts, scanners and tokens that ended: written down beside the key ring in the very commit that did it.

A service's database says up to which number of the journal it has seen. When it was put back from a backup it is
behind, and what ended since is ended again before anything is served (docs/spec/keys.md §7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

import structlog

from checkin.errors import NotReady
from checkin.files.tables import Commit, CommitUnknown, Tables, Values
from checkin.keys.journal import Ending, Journal, Written
from checkin.protocol.primitives import sha256
from checkin.purge.clock_guard import ClockGuard
from checkin.service.frame import Finding
from checkin.service.identity import ServiceIdentity

_SEEN: Final = "SELECT max(number) FROM endings WHERE number >= :first AND number < :beyond"
_FORGET: Final = "DELETE FROM endings WHERE number >= :first AND number < :number"
_SEE: Final = "INSERT INTO endings (number) VALUES (:number) ON CONFLICT DO NOTHING"
_LINES: Final = 1 << 40
"""More than a journal ever has. An app node on a ring of nodes has a journal of its own: in the database its numbers
begin at a multiple of this, which follows from the node's name; those of a machine with its own keys begin at 0."""
_ANEW: Final = (
    "The journal of what ended, in `keys`, was lost or begun anew, or two machines share a name in [ring]: what ended "
    "before is not known for a database that is put back. Make a new backup or dump now, and put back no older one."
)
R = TypeVar("R")
log = structlog.get_logger()


class Endings:
    """The journal of one service, and how far its database has seen it: a table `endings`, of one row for each journal,
    the newest ending of it that was seen."""

    def __init__(self, party: ServiceIdentity, guard: ClockGuard) -> None:
        self._party = party
        self._guard = guard
        self._anew = False
        self._journal = Journal(party.settings.keys / "journal", party.ring)
        self._first = _LINES * _place(party.settings.ring.name) if party.settings.ring else 0
        self._own: Values = {"first": self._first, "beyond": self._first + _LINES}

    def write(self, tables: Tables, step: Callable[[Commit, list[Ending]], R]) -> R:
        """Commits, whole or not at all, what `step` does and the endings that it puts into the list: journaled as the
        commit's last step, and struck out when the commit fails, so that no start carries out what was refused. Raises
        `NotReady`: then nothing has ended; but after `CommitUnknown` it may have, and the next start says so."""
        written: list[Written] = []
        before = 0

        def whole(commit: Commit) -> R:
            nonlocal before
            before, ended = len(written), list[Ending]()
            result = step(commit, ended)
            if ended:
                written.append(self._journal.append(self._guard.today(self._party.calendar), ended))
                self._see(commit, written[-1].last)
            return result

        try:
            return tables.write(whole)
        except CommitUnknown:
            raise
        except BaseException as error:
            # What an earlier try has committed, the next one refuses: only when none was committed all are struck out.
            for lines in written if isinstance(error, NotReady) else written[before:]:
                self._strike(lines)
            raise

    def replay(self, tables: Tables, end: Callable[[Commit, Ending], None], unknown: Callable[[Commit], None]) -> None:
        """Repeats, at a start and before anything is served, the endings that the database has forgotten. `unknown` is
        called when it is so old that some of them are not known any more."""

        def step(commit: Commit) -> tuple[int, bool] | None:
            commit.alone()  # other machines serve
            seen, last = self._newest(commit.execute(_SEEN, self._own)), self._journal.last()
            if seen > last:
                self._journal.go_on_after(seen)
                self._anew = True
            if seen >= last:
                return None
            found, whole = self._journal.since(seen)
            if not whole:
                unknown(commit)
            for ending in found:
                end(commit, ending)
            self._see(commit, last)
            return len(found), whole

        if done := tables.write(step):
            log.warning("endings_replayed", count=done[0], whole=done[1])

    def findings(self) -> Iterator[Finding]:
        """A warning since a start that found a journal with less than the database has seen."""
        if self._anew:
            yield Finding("journal", "warning", _ANEW)

    def seen_by(self, tables: Tables) -> int:
        """The number of the newest ending of this journal that the database has seen, 0 before the first."""
        return self._newest(tables.read(_SEEN, self._own))

    def since(self, number: int) -> list[Ending] | None:
        """What ended after `number`, in order; None when that is not all known any more."""
        found, whole = self._journal.since(number)
        return found if whole else None

    def forget(self, oldest: int) -> None:
        """Removes what was sealed under destroyed keys; a step of the purge."""
        self._journal.forget(oldest)

    def _newest(self, rows: Iterable[Any]) -> int:
        ((number,),) = rows
        return 0 if number is None else int(number) - self._first

    def _see(self, commit: Commit, number: int) -> None:
        """Of several at once the newest stays."""
        values: Values = {"first": self._first, "number": self._first + number}
        commit.execute(_SEE, values)
        commit.execute(_FORGET, values)

    def _strike(self, written: Written) -> None:
        try:
            self._journal.strike(written)
        except OSError as error:
            log.error("refused_endings_not_struck", count=written.count, why=error.strerror)


def _place(name: str) -> int:
    """22 bits."""
    return int.from_bytes(sha256(name.encode())[:3]) >> 2
