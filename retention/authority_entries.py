"""What the health authority may put into the log: entries of orders, lists of its day keys, statements of their end.

All of it is signed by as many officers as the settings ask for, is about this authority and this kind of clock, and
has a known form of a bounded size: what is logged is public for good.
"""

from __future__ import annotations

import re
from typing import Final

from checkin.clock import Calendar
from checkin.errors import NoteMalformed, NoteUntrusted
from checkin.orders.part import ORDER_LOGGED
from checkin.protocol.key_list import BY_OFFICERS, AuthorityList, CheckedList, DestroyedList
from checkin.protocol.note import unverified_text
from checkin.protocol.statement import StatementType, Values, kind_of, many, one
from checkin.service.identity import ServiceIdentity
from checkin.service.settings import AuthoritySettings
from retention.key_list_entries import check_days, check_list
from retention.statements import ServiceStatements

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_KINDS: Final[dict[str, StatementType]] = {
    kind.kind: kind for kind in (ORDER_LOGGED, *(stated.statement for stated in BY_OFFICERS.values()))
}


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
    values = party.open(note, kind, authority.verifiers, authority.threshold)
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
