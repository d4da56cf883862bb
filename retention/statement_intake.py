"""Intake of statements: each is verified under the key pinned for its service, logged, kept; in this order.

Lists of keys are checked before they are logged, and with that before they are used (docs/spec/keys.md §5.2). The first
list for a day is final here, too: a log that took a second key for a day would hand out the proof for it. Beside its
lists of day keys the health authority may put entries of orders and statements of the end of keys into the log. All of
it is signed by as many officers as the settings require, is about this authority and this kind of clock, and has a
known form of a bounded size: what is logged is public for good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final

import structlog

from checkin.audit.log_entry import BY_NODES, officers_of
from checkin.audit.point import SELF_AUDIT, points_of
from checkin.clock import RETENTION_DAYS, Calendar
from checkin.errors import CheckinError, ListRefused, NoteMalformed, NoteUntrusted, RequestTooLarge
from checkin.files.durable import locked
from checkin.keys.key_ring import KeyName
from checkin.orders.part import ORDER_LOGGED
from checkin.protocol.encoding import decimal_decode
from checkin.protocol.key_list import (
    BY_OFFICERS,
    FEWEST_OFFICERS,
    HORIZON_DAYS,
    INTAKE_KEYS,
    ISSUER_KEYS,
    AuthorityList,
    IntakeList,
    IssuerList,
    merge,
)
from checkin.protocol.note import NoteVerifier, Opened, open_note, split_note, unverified_text
from checkin.protocol.primitives import sha256
from checkin.protocol.ring_messages import RING_KINDS, RING_MEMBERS
from checkin.protocol.statement import SIMULATED, StatementType, Values, kind_of, many, one
from checkin.purge.due_keys import UNKNOWN
from checkin.purge.early import EarlyDestruction
from checkin.purge.statement_store import (
    ABSENT,
    BY_AUTHORITY,
    EARLY_DESTRUCTION,
    KEY_MADE,
    KINDS,
    LAST_DAY,
    read_count,
)
from checkin.service.identity import ServiceIdentity
from checkin.service.settings import AuthoritySettings
from retention.log import Log
from retention.settings import CollectedService
from retention.statements import LISTS, ServiceStatements, Stated

_DATES: Final = ("day", "due", "done", "since", "oldest-day-held")
_COUNTS: Final = ("count", "rows", "people")
_SIZES: Final = ("bytes", "days-held")
_UNTOLD: Final = {
    "oldest-day-held": (ABSENT,),
    "people": (ABSENT,),
    "rows": (UNKNOWN,),
    "bytes": (ABSENT, UNKNOWN),
}
_REFUSALS: Final = (NoteMalformed, NoteUntrusted, ListRefused, RequestTooLarge)
MAX_STATEMENT: Final = 2048  # bytes; a purge report has some 600, and `hold` is for words
_STATED: Final = {**KINDS, SELF_AUDIT.kind: SELF_AUDIT}
_FIRST: Final = (RING_MEMBERS.kind, KEY_MADE.kind, EARLY_DESTRUCTION.kind)
_ALONE: Final = KINDS.keys() - {kind.kind for kind in RING_KINDS}
MAX_DAYS: Final = 64  # a list has those that are held and those ahead, a statement what `Authority` puts into one
MAX_LISTS: Final = 24  # of one kind and owner a day
READERS: Final[dict[str, Callable[[str], IssuerList | IntakeList]]] = {
    ISSUER_KEYS.kind: IssuerList.read,
    INTAKE_KEYS.kind: IntakeList.read,
}
_PAST_DAYS: Final = RETENTION_DAYS + 7  # a list of keys that are held, and officers come together once a week
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_KINDS: Final[dict[str, StatementType]] = {
    kind.kind: kind for kind in (ORDER_LOGGED, *(stated.statement for stated in BY_OFFICERS.values()))
}
log = structlog.get_logger()


class StatementIntake:
    """Takes statements in for one retention service."""

    def __init__(
        self, party: ServiceIdentity, statements: ServiceStatements, ledger: Log, authority: AuthoritySettings | None
    ) -> None:
        self._party = party
        self._authority = authority
        self._statements = statements
        self._log = ledger

    def take(self, service: CollectedService, note: str) -> int:
        """The statement's place in the log. The same again gives the same place.

        Raises `NoteMalformed`, `NoteUntrusted`, `ListRefused`, `RequestTooLarge`; a note that is refused is remembered
        by its hash alone.
        """
        try:
            text, beside = self._verified(service, note)
            digest = _note_digest(note)
            known = self._statements.place_of(service.name, digest)
            if known is not None:
                return known
            with locked(self._party.data / "receipt.lock"):  # of two lists with different keys only one comes in
                return self._keep(service.name, note, digest, [service.verifier, *beside], self._read(service, text))
        except _REFUSALS as error:
            self._refuse(service.name, note, error)
            raise

    def take_authority(self, authority: AuthoritySettings, note: str) -> int:
        """The place of what the authority's officers signed: an order's entry, which shows nothing but hashes, a list
        of its day keys, or a statement that some were destroyed; raises as `take`."""
        try:
            with locked(self._party.data / "receipt.lock"):
                stated = self._read_officers(authority, note)
                return self._keep(authority.name, note, _text_digest(note, authority), authority.verifiers, stated)
        except _REFUSALS as error:
            self._refuse(authority.name, note, error)
            raise

    def take_all(self, service: CollectedService, notes: Iterable[str]) -> list[str]:
        """Takes what is new and passes over what is refused; the codes of those.

        Which nodes hold its keys, and that keys were made, comes first: a service that was not reached for 28 days
        says at once that a day's key was made and that it was destroyed, and an audit reads the log in its order.
        """
        new = [n for n in sorted(notes, key=_late) if self._statements.place_of(service.name, _note_digest(n)) is None]
        codes: list[str] = []
        for alone, group in groupby(new, lambda note: kind_of(note) in _ALONE):
            take = self._take_together if alone else self._take_each
            codes += take(service, list(group))
        for code in codes:
            log.warning("statement_refused", service=service.name, code=code)
        return codes

    def _take_each(self, service: CollectedService, notes: Sequence[str]) -> list[str]:
        codes = []
        for note in notes:
            try:
                self.take(service, note)
            except _REFUSALS as error:
                codes.append(error.code)
        return codes

    def _take_together(self, service: CollectedService, notes: Sequence[str]) -> list[str]:
        """Takes notes that need no other one to be read, under one checkpoint; the codes of those that are refused."""
        codes, taken = [], []
        for note in notes:
            try:
                text, beside = self._verified(service, note)
                _reject_foreign_lines(note, [service.verifier, *beside])
                taken.append((note, _note_digest(note), self._read(service, text)))
            except _REFUSALS as error:
                self._refuse(service.name, note, error)
                codes.append(error.code)
        if taken:
            with locked(self._party.data / "receipt.lock"):
                self._log_and_keep(service.name, taken)
        return codes

    def _keep(
        self, name: str, note: str, digest: bytes, verifiers: Sequence[NoteVerifier], stated: tuple[str, str, str]
    ) -> int:
        known = self._statements.place_of(name, digest)
        if known is not None:
            return known
        _reject_foreign_lines(note, verifiers)
        self._reject_bulk(name, stated[0])
        return self._log_and_keep(name, [(note, digest, stated)])[0]

    def _log_and_keep(self, name: str, taken: Sequence[tuple[str, bytes, tuple[str, str, str]]]) -> list[int]:
        """The places of (note, digest, stated); logged before they are kept: what is shown here is in the log, whenever
        the machine stops."""
        places, today = self._log.append([note.encode() for note, _, _ in taken]), self._party.date()
        self._statements.add(
            (Stated(place, name, *stated, note, today), digest)
            for place, (note, digest, stated) in zip(places, taken, strict=True)
        )
        return places

    def _refuse(self, name: str, note: str, error: CheckinError) -> None:
        self._statements.refuse(name, _note_digest(note), error.code, self._party.date())

    def _reject_bulk(self, name: str, kind: str) -> None:
        """Raises `ListRefused` for too many: a service makes a list a day, and another one after each start with other
        days; the rest is an attack."""
        if kind in LISTS and self._statements.count(kind, name, self._party.date()) >= MAX_LISTS:
            raise ListRefused(f"The log takes at most {MAX_LISTS} lists of one kind a day.")

    def _verified(self, service: CollectedService, note: str) -> tuple[str, list[NoteVerifier]]:
        """The text, and the verifiers of lines that may stand beside the service's."""
        text = open_note(note, [service.verifier]).text
        beside = self._beside(service.name, text)
        if (kind := kind_of(text)) in (*BY_NODES, *BY_AUTHORITY):
            # SPEC ring.md §5: "MUST refuse it with the service's line alone"
            ours = self._authority if kind in BY_AUTHORITY else None
            opened = ours.open(note, FEWEST_OFFICERS) if ours else open_note(note, beside)
            if ours:
                _check_authority(ours, KINDS[kind].read(text), opened)
        # Real and simulated time do not mix, also in kinds that are not known here.
        if (f"clock {SIMULATED}" in text.split("\n")) != self._party.clock.simulated:
            raise NoteUntrusted("The statement was made under a simulated clock and we run under a real one, or back.")
        return text, beside

    def _read(self, service: CollectedService, text: str) -> tuple[str, str, str]:
        """(kind, day, key) of what a service may state; all of it is read strictly, as what is logged is public for
        good and every audit reads it."""
        kind = kind_of(text)
        if kind in READERS:
            _check_owner(service, READERS[kind](text))
            self._check_list(kind, READERS[kind], text)
            return kind, "", ""
        if kind not in _STATED:
            raise NoteMalformed(f"Of a service the log takes only these kinds: {', '.join([*_STATED, *READERS])}.")
        read = _STATED[kind].read(text)
        if kind == SELF_AUDIT.kind:
            points_of(read)
        elif len(text.encode()) > MAX_STATEMENT:
            raise NoteMalformed(f"A statement about a day or an order has at most {MAX_STATEMENT} bytes.")
        values = {name: str(value) for name, value in read.items()}
        if values["service"] != service.name:
            raise NoteUntrusted("The statement names another service than the one that signed it.")
        self._check(values)
        if kind == EARLY_DESTRUCTION.kind:
            EarlyDestruction.read(text)
        return kind, values.get("day", values.get("due", "")), values.get("key", "")

    def _read_officers(self, authority: AuthoritySettings, note: str) -> tuple[str, str, str]:
        """(kind, day, '') of what enough officers signed; the day is '' where there are several.

        Raises `NoteMalformed` for another form, `NoteUntrusted` without enough officers, for another authority, another
        kind of clock, days too far away or an end that has not come, `ListRefused` for a second key of a listed day.
        """
        text = unverified_text(note)
        kind = _KINDS.get(kind_of(text))
        if kind is None:
            raise NoteMalformed(f"Of the authority the log takes only these kinds: {', '.join(_KINDS)}.")
        opened = authority.open(note, FEWEST_OFFICERS if kind.kind in BY_OFFICERS else 1)
        values = self._party.read(opened.text, kind)
        _check_authority(authority, values, opened)
        if kind is ORDER_LOGGED:
            return kind.kind, _order_day(values, self._party.calendar), ""
        stated = BY_OFFICERS[kind.kind].read(text)
        if isinstance(stated, AuthorityList):
            self._check_list(kind.kind, AuthorityList.read, text)
            return kind.kind, "", ""
        today = self._party.today()
        check_days(list(stated.keys), today)
        if any(key.done > today for key in stated.keys.values()):
            raise NoteUntrusted("It states an end, or a check, of a day that has not come.")
        return kind.kind, "", ""

    def _check_list(
        self, kind: str, reader: Callable[[str], IssuerList | IntakeList | AuthorityList], text: str
    ) -> None:
        """Holds a list against the keys that its owner listed before. Raises `NoteMalformed`, `NoteUntrusted` for too
        many days or days too far away, `ListRefused` when the log has another key for one of its days."""
        listed, today = reader(text), self._party.today()
        check_days(list(listed.keys), today)
        if min(listed.keys) < today - _PAST_DAYS:
            raise NoteUntrusted(f"It lists keys of days that were over {_PAST_DAYS} days ago.")
        whose = text.split("\n")[1]
        since = self._party.calendar.date(today - _PAST_DAYS)
        known = self._statements.listed(kind, whose.partition(" ")[2], since)
        if known:  # at most one key for each day between
            lines = "".join(f"key {day} {key}\n" for day, key in known)
            merge(reader(f"{kind}\n{whose}\n{lines}").keys, listed.keys)  # type: ignore[type-var]  # of one kind

    def _beside(self, service: str, text: str) -> list[NoteVerifier]:
        """The verifier of the node that a statement is about, which one of the service's lists of its ring's members
        names; or those of officers about a node that is lost, or days to be destroyed early."""
        if kind_of(text) in BY_AUTHORITY:
            return self._authority.verifiers if self._authority else []
        if kind_of(text) not in BY_NODES:
            return []
        node = one(KINDS[kind_of(text)].read(text), "node")
        lists = [stated.note for stated in self._statements.find(RING_MEMBERS, service)]
        vkeys = {vkey for note in lists for vkey in many(RING_MEMBERS.read(unverified_text(note)), "member")}
        return [verifier for verifier in map(NoteVerifier.parse, sorted(vkeys)) if verifier.name == node]

    def _check(self, values: dict[str, str]) -> None:
        """Raises `NoteMalformed` for dates, counts or names of keys that are not well written: shown as they are."""
        date = self._party.calendar.parse_date
        readers: dict[str, Callable[[str], int | None]] = {
            "key": lambda text: _placed(KeyName.parse(text).day),
            **dict.fromkeys(_DATES, lambda text: _placed(date(text))),
            **dict.fromkeys(_COUNTS, read_count),
            **dict.fromkeys(_SIZES, decimal_decode),
        }
        try:
            for name in readers.keys() & values.keys():
                if values[name] not in _UNTOLD.get(name, ()):
                    readers[name](values[name])
        except ValueError:
            raise NoteMalformed("A date, a number or the name of a key is not written as it should be.") from None


def _late(note: str) -> int:
    kind = kind_of(note)
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST)


def _note_digest(note: str) -> bytes:
    """The digest that identifies a service's statement: under its next key the same text is another entry, with a
    proof of its own."""
    return sha256(note.encode(errors="replace"))


def _text_digest(note: str, authority: AuthoritySettings) -> bytes:
    """The digest that identifies the authority's: which of its officers signed does not matter, but that others signed
    it before these were pinned."""
    renewed = sorted(authority.officers) if authority.former else ()
    return sha256("\n".join([unverified_text(note), *renewed]).encode())


def _check_authority(authority: AuthoritySettings, values: Values, opened: Opened) -> None:
    """Raises `NoteUntrusted` for what no audit would count: another authority's, or officers of another name."""
    if one(values, "authority") != authority.name:
        raise NoteUntrusted("It is another authority's than the one whose officers signed it.")
    if officers_of(values, opened.names) != opened.names:
        raise NoteUntrusted(f"The names of officers' keys begin with {authority.name}/.")


def _placed(day: int) -> int:
    """The day, if it has a place in every calendar: a signature alone gives it none. Raises `ValueError` otherwise."""
    if not 0 <= day <= LAST_DAY:
        raise ValueError("not a day of this system")
    return day


def _reject_foreign_lines(note: str, verifiers: Sequence[NoteVerifier]) -> None:
    """Raises `NoteUntrusted` unless each line is of another pinned key: an unpinned line may hold any text, and what is
    logged is public for good."""
    pinned = {(verifier.name, verifier.key_id) for verifier in verifiers}
    lines = [(line.name, line.key_id) for line in split_note(note)[1]]
    if len(set(lines)) != len(lines) or not pinned.issuperset(lines):
        raise NoteUntrusted("The note has a signature line that is not one of a pinned key, once.")


def check_days(days: list[int], today: int) -> None:
    """Raises `NoteMalformed` for too many days, `NoteUntrusted` for one that is too far ahead."""
    if len(days) > MAX_DAYS:
        raise NoteMalformed(f"The log takes at most {MAX_DAYS} days of keys at once.")
    if max(days) > min(today + HORIZON_DAYS, LAST_DAY):
        # Holding the keys of officers or a service for a moment does not decide over years, in the log either.
        raise NoteUntrusted(f"It names days that are more than {HORIZON_DAYS} days ahead.")


def _check_owner(service: CollectedService, listed: IssuerList | IntakeList) -> None:
    """Raises `NoteUntrusted` unless the settings give the service that owner: with the log alone pinned, an issuer's
    number is all that names it."""
    if isinstance(listed, IntakeList):
        if service.issuer is not None or listed.owner != service.name:
            raise NoteUntrusted("The list names another registry than the one that signed it.")
    elif listed.owner != service.issuer:
        raise NoteUntrusted("The list names another issuer's number than that of the one that signed it.")


def _order_day(values: Values, calendar: Calendar) -> str:
    if not all(map(_HASH.fullmatch, many(values, "part"))):
        raise NoteMalformed("An entry names parts by 64 hexadecimal digits.")
    try:
        calendar.parse_date(one(values, "day"))
    except ValueError:
        raise NoteMalformed("A day is written YYYY-MM-DD.") from None
    return one(values, "day")
