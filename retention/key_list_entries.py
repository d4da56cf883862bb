"""Lists of keys that are put into the log, before anybody counts on them (docs/spec/keys.md §5.2).

The first list for a day is final here, too: a log that took a second key for a day would hand out the proof for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from checkin.clock import RETENTION_DAYS
from checkin.errors import NoteMalformed, NoteUntrusted
from checkin.protocol.key_list import (
    HORIZON_DAYS,
    INTAKE_KEYS,
    ISSUER_KEYS,
    AuthorityList,
    IntakeList,
    IssuerList,
    merge,
)
from checkin.protocol.statement import kind_of
from checkin.purge.statement_store import LAST_DAY
from checkin.service.identity import ServiceIdentity
from retention.settings import CollectedService
from retention.statements import ServiceStatements

MAX_DAYS: Final = 64  # a list has those that are held and those ahead, a statement what `Authority` puts into one
MAX_LISTS: Final = 24  # of one kind and owner a day
READERS: Final[dict[str, Callable[[str], IssuerList | IntakeList]]] = {
    ISSUER_KEYS.kind: IssuerList.read,
    INTAKE_KEYS.kind: IntakeList.read,
}
_PAST_DAYS: Final = RETENTION_DAYS + 7  # a list of keys that are held, and officers come together once a week


def read_list(
    service: CollectedService, text: str, statements: ServiceStatements, party: ServiceIdentity
) -> tuple[str, str, str]:
    """(kind, '', '') of a service's list, whose signature is verified.

    Raises `NoteMalformed`; `NoteUntrusted` for another owner's list, too many days or days too far away;
    `ListRefused` when the log has another key for one of its days.
    """
    kind = kind_of(text)
    _check_owner(service, READERS[kind](text))
    check_list(kind, READERS[kind], text, statements, party)
    return kind, "", ""


def check_list(
    kind: str,
    reader: Callable[[str], IssuerList | IntakeList | AuthorityList],
    text: str,
    statements: ServiceStatements,
    party: ServiceIdentity,
) -> None:
    """Holds a list against the keys that its owner listed before; raises as `read_list`."""
    listed, today = reader(text), party.today()
    check_days(list(listed.keys), today)
    if min(listed.keys) < today - _PAST_DAYS:
        raise NoteUntrusted(f"It lists keys of days that were over {_PAST_DAYS} days ago.")
    whose = text.split("\n")[1]
    known = statements.listed(kind, whose.partition(" ")[2], party.calendar.date(today - _PAST_DAYS))
    if known:  # at most one key for each day between
        lines = "".join(f"key {day} {key}\n" for day, key in known)
        merge(reader(f"{kind}\n{whose}\n{lines}").keys, listed.keys)  # type: ignore[type-var]  # of one kind


def check_days(days: list[int], today: int) -> None:
    """Raises `NoteMalformed` for too many days, `NoteUntrusted` for one that is too far ahead."""
    if len(days) > MAX_DAYS:
        raise NoteMalformed(f"The log takes at most {MAX_DAYS} days of keys at once.")
    if max(days) > min(today + HORIZON_DAYS, LAST_DAY):
        # Who has the keys of officers or a service for a moment does not own the years to come, in the log either.
        raise NoteUntrusted(f"It names days that are more than {HORIZON_DAYS} days ahead.")


def _check_owner(service: CollectedService, listed: IssuerList | IntakeList) -> None:
    """The settings say whose an issuer's number is: who pins the log alone goes by the number."""
    if isinstance(listed, IntakeList):
        if service.issuer is not None or listed.registry != service.name:
            raise NoteUntrusted("The list names another registry than the one that signed it.")
    elif listed.issuer != service.issuer:
        raise NoteUntrusted("The list names another issuer's number than that of the one that signed it.")
