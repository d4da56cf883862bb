"""What the health authority may put into the log: entries of orders, lists of its day keys, statements of their end.

All of it is signed by as many officers as the settings ask for, is about this authority and this kind of clock, and
has a known form of a bounded size: what is logged is public for good.
"""

from __future__ import annotations

import re
from typing import Final

from checkin.clock import Calendar
from checkin.errors import NoteMalformed, NoteUntrusted
from checkin.keylist import AUTHORITY_DESTROYED, AUTHORITY_KEYS, AuthorityList, DestroyedList
from checkin.note import split_note
from checkin.orders.orderpart import ORDER_LOGGED
from checkin.service.party import Party
from checkin.service.pins import AuthoritySettings
from checkin.statement import StatementType, Values, kind_of, many, one
from checkin.statements import LAST_DAY
from checkin.trust import HORIZON_DAYS

MAX_DAYS: Final = 64  # a list has those that are held and those ahead, a statement what `Authority` puts into one
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_KINDS: Final[dict[str, StatementType]] = {
    kind.kind: kind for kind in (ORDER_LOGGED, AUTHORITY_KEYS, AUTHORITY_DESTROYED)
}


def read_note(note: str, authority: AuthoritySettings, party: Party) -> tuple[str, str, str]:
    """(kind, day, '') of what enough officers signed; the day is '' where there are several.

    Raises `NoteMalformed` for another form, `NoteUntrusted` without enough officers, for another authority, another
    kind of clock, or days too far ahead.
    """
    text = split_note(note)[0]
    kind = _KINDS.get(kind_of(text))
    if kind is None:
        raise NoteMalformed(f"Of the authority the log takes only these kinds: {', '.join(_KINDS)}.")
    values = party.open(note, kind, authority.verifiers, authority.threshold)
    if one(values, "authority") != authority.name:
        raise NoteUntrusted("It is another authority's than the one whose officers signed it.")
    if kind is ORDER_LOGGED:
        return kind.kind, _order_day(values, party.calendar), ""
    keys = AuthorityList.read(text).keys if kind is AUTHORITY_KEYS else DestroyedList.read(text).keys
    check_days(list(keys), party.today() + HORIZON_DAYS)
    return kind.kind, "", ""


def _order_day(values: Values, calendar: Calendar) -> str:
    if not all(map(_HASH.fullmatch, many(values, "part"))):
        raise NoteMalformed("An entry names parts by 64 hexadecimal digits.")
    try:
        calendar.parse_date(one(values, "day"))
    except ValueError:
        raise NoteMalformed("A day is written YYYY-MM-DD.") from None
    return one(values, "day")


def check_days(days: list[int], last: int) -> None:
    if len(days) > MAX_DAYS:
        raise NoteMalformed(f"The log takes at most {MAX_DAYS} days of the authority's keys at once.")
    if max(days) > min(last, LAST_DAY):
        # Who has the officers' keys for a moment does not own the years to come, in the log either.
        raise NoteUntrusted(f"It names days that are more than {HORIZON_DAYS} days ahead.")
