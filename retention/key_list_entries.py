"""Checks of lists of keys before they are logged, and with that before they are used (docs/spec/keys.md §5.2).

The first list for a day is final here, too: a log that took a second key for a day would hand out the proof for it.
And what the health authority may put into the log beside its lists of day keys: entries of orders, statements of the
end of keys. All of it is signed by as many officers as the settings require, is about this authority and this kind of
clock, and has a known form of a bounded size: what is logged is public for good.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from checkin.clock import RETENTION_DAYS, Calendar
from checkin.errors import NoteMalformed, NoteUntrusted
from checkin.orders.part import ORDER_LOGGED
from checkin.protocol.key_list import (
    BY_OFFICERS,
    HORIZON_DAYS,
    INTAKE_KEYS,
    ISSUER_KEYS,
    AuthorityList,
    CheckedList,
    DestroyedList,
    IntakeList,
    IssuerList,
    merge,
)
from checkin.protocol.note import unverified_text
from checkin.protocol.statement import StatementType, Values, kind_of, many, one
from checkin.purge.statement_store import LAST_DAY
from checkin.service.identity import ServiceIdentity
from checkin.service.settings import AuthoritySettings
from retention.settings import CollectedService
from retention.statements import ServiceStatements

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


def read_list(
    service: CollectedService, text: str, statements: ServiceStatements, party: ServiceIdentity
) -> tuple[str, str, str]:
    """(kind, '', '') of a service's list; its signature was verified before.

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
        # Holding the keys of officers or a service for a moment does not decide over years, in the log either.
        raise NoteUntrusted(f"It names days that are more than {HORIZON_DAYS} days ahead.")


def _check_owner(service: CollectedService, listed: IssuerList | IntakeList) -> None:
    """Raises `NoteUntrusted` unless the settings give the service that owner: with the log alone pinned, an issuer's
    number is all that names it."""
    if isinstance(listed, IntakeList):
        if service.issuer is not None or listed.registry != service.name:
            raise NoteUntrusted("The list names another registry than the one that signed it.")
    elif listed.issuer != service.issuer:
        raise NoteUntrusted("The list names another issuer's number than that of the one that signed it.")


def read_note(
    note: str, authority: AuthoritySettings, statements: ServiceStatements, party: ServiceIdentity
) -> tuple[str, str, str]:
    """(kind, day, '') of what enough officers signed; the day is '' where there are several.

    Raises `NoteMalformed` for another form, `NoteUntrusted` without enough officers, for another authority, another
    kind of clock, days too far away or an end that has not come, `ListRefused` for a second key of a listed day.
    """
    text = unverified_text(note)
    kind = _KINDS.get(kind_of(text))
    if kind is None:
        raise NoteMalformed(f"Of the authority the log takes only these kinds: {', '.join(_KINDS)}.")
    values = party.read(authority.open(note).text, kind)
    if one(values, "authority") != authority.name:
        raise NoteUntrusted("It is another authority's than the one whose officers signed it.")
    if kind is ORDER_LOGGED:
        return kind.kind, _order_day(values, party.calendar), ""
    stated = BY_OFFICERS[kind.kind].read(text)
    if isinstance(stated, AuthorityList):
        check_list(kind.kind, AuthorityList.read, text, statements, party)
    else:
        _check_done(stated, party.today())
    return kind.kind, "", ""


def _order_day(values: Values, calendar: Calendar) -> str:
    if not all(map(_HASH.fullmatch, many(values, "part"))):
        raise NoteMalformed("An entry names parts by 64 hexadecimal digits.")
    try:
        calendar.parse_date(one(values, "day"))
    except ValueError:
        raise NoteMalformed("A day is written YYYY-MM-DD.") from None
    return one(values, "day")


def _check_done(stated: DestroyedList | CheckedList, today: int) -> None:
    check_days(list(stated.keys), today)
    if any(key.done > today for key in stated.keys.values()):
        raise NoteUntrusted("It states an end, or a check, of a day that has not come.")
