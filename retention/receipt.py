"""Taking a statement in: verified under the key pinned for its service, logged, kept; in this order."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from checkin.errors import CheckinError, NoteMalformed, NoteUntrusted
from checkin.keyring import KeyName
from checkin.note import open_note, split_note
from checkin.orderpart import ORDER_LOGGED
from checkin.primitives import sha256
from checkin.service.party import SIMULATED, Party
from checkin.service.pins import AuthoritySettings
from checkin.statement import kind_of
from checkin.statements import ABSENT, FEWER, KINDS, read_count
from retention.log import Log
from retention.orders import read_entry
from retention.settings import Service
from retention.statements import Stated, Statements

_DATES = ("day", "due", "done")
log = structlog.get_logger()


class Receipt:
    """Receives for one retention service."""

    def __init__(self, party: Party, statements: Statements, ledger: Log) -> None:
        self._party = party
        self._statements = statements
        self._log = ledger

    def take(self, service: Service, note: str) -> int:
        """The statement's place in the log. The same again gives the same place.

        Raises `NoteMalformed`, `NoteUntrusted`; a note that is refused is remembered by its hash alone.
        """
        try:
            text = self._verified(service, note)
            stated = self._read(service, text)
        except CheckinError as error:
            day = self._party.calendar.date(self._party.today())
            self._statements.refuse(service.name, sha256(note.encode(errors="replace")), error.code, day)
            raise
        return self._keep(service.name, note, stated)

    def take_order(self, authority: AuthoritySettings, note: str) -> int:
        """The place of an order's entry, which shows nothing but hashes; raises as `take`."""
        try:
            day = read_entry(note, authority, self._party)
        except CheckinError as error:
            self._statements.refuse(authority.name, sha256(note.encode(errors="replace")), error.code, self._today())
            raise
        return self._keep(authority.name, note, (ORDER_LOGGED.kind, day, ""))

    def take_all(self, service: Service, notes: Iterable[str]) -> list[str]:
        """Takes what is new and passes over what is refused; the codes of those."""
        codes = []
        for note in notes:
            try:
                if not self._statements.knows(service.name, sha256(split_note(note)[0].encode())):
                    self.take(service, note)
            except (NoteMalformed, NoteUntrusted) as error:
                log.warning("statement_refused", service=service.name, code=error.code)
                codes.append(error.code)
        return codes

    def _keep(self, name: str, note: str, stated: tuple[str, str, str]) -> int:
        # Logged before it is kept: what is shown here is in the log, whenever the machine stops.
        place = self._log.find(note.encode())
        place = self._log.append([note.encode()])[0] if place is None else place
        digest = sha256(split_note(note)[0].encode())
        self._statements.add(Stated(place, name, *stated, note, self._today()), digest)
        return place

    def _verified(self, service: Service, note: str) -> str:
        text = open_note(note, [service.verifier]).text
        # Real and simulated time do not mix, also in kinds that are not known here.
        if (f"clock {SIMULATED}" in text.split("\n")) != self._party.clock.simulated:
            raise NoteUntrusted("The statement was made under a simulated clock and we run under a real one, or back.")
        return text

    def _read(self, service: Service, text: str) -> tuple[str, str, str]:
        """(kind, day, key); the statements about days are read strictly, others are logged as they are."""
        kind = kind_of(text)
        if kind not in KINDS:
            return kind, "", ""
        values = {name: str(value) for name, value in KINDS[kind].read(text).items()}
        if values["service"] != service.name:
            raise NoteUntrusted("The statement names another service than the one that signed it.")
        self._check(values)
        return kind, values.get("day", values.get("due", "")), values.get("key", "")

    def _check(self, values: dict[str, str]) -> None:
        """Dates, counts and names of keys as they are written; what is shown later needs no second look."""
        try:
            for name in _DATES:
                self._party.calendar.parse_date(values.get(name, "1970-01-01"))
            read_count(values.get("count", FEWER))
            read_count(FEWER if values.get("people", ABSENT) == ABSENT else values["people"])
            KeyName.parse(values.get("key", "day-0"))
        except ValueError:
            raise NoteMalformed("A date, a count or the name of a key is not written as it should be.") from None

    def _today(self) -> str:
        return self._party.calendar.date(self._party.today())
