"""Lists of keys that services put into the log, before anybody counts on them (docs/spec/keys.md §5.2).

The first list for a day is final here, too: a log that took a second key for a day would hand out the proof for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from checkin.clock import RETENTION_DAYS
from checkin.errors import NoteUntrusted
from checkin.keylist import INTAKE_KEYS, ISSUER_KEYS, IntakeList, IssuerList, merge
from checkin.note import split_note
from checkin.service.party import Party
from checkin.statement import kind_of
from checkin.trust import HORIZON_DAYS
from retention.authority import check_days
from retention.settings import Service
from retention.statements import Stated, Statements

READERS: Final[dict[str, Callable[[str], IssuerList | IntakeList]]] = {
    ISSUER_KEYS.kind: IssuerList.read,
    INTAKE_KEYS.kind: IntakeList.read,
}
_REACH: Final = RETENTION_DAYS + HORIZON_DAYS + 1  # days: an older list shares no day with one of today


def read_list(service: Service, text: str, statements: Statements, party: Party) -> tuple[str, str, str]:
    """(kind, '', '') of a service's list, whose signature is verified.

    Raises `NoteMalformed`; `NoteUntrusted` for another owner's list, too many days or days too far ahead;
    `ListRefused` when the log has another key for one of its days.
    """
    kind, today = kind_of(text), party.today()
    listed = READERS[kind](text)
    check_days(list(listed.keys), today + HORIZON_DAYS)
    earlier = statements.find(kind=kind)
    _check_owner(service, listed, earlier)
    since = party.calendar.date(today - _REACH)
    for stated in earlier:
        if stated.service == service.name and stated.received >= since:
            merge(READERS[kind](split_note(stated.note)[0]).keys, listed.keys)  # type: ignore[type-var]  # of one kind
    return kind, "", ""


def _check_owner(service: Service, listed: IssuerList | IntakeList, earlier: list[Stated]) -> None:
    """An issuer's number belongs to whoever listed keys under it first: who pins the log alone goes by the number."""
    if isinstance(listed, IntakeList):
        if listed.registry != service.name:
            raise NoteUntrusted("The list names another registry than the one that signed it.")
        return
    line = f"issuer {listed.issuer}"
    if any(stated.service != service.name and line == stated.note.split("\n")[1] for stated in earlier):
        raise NoteUntrusted("The list names another issuer's number than that of the one that signed it.")
