"""The health authority: which day keys it makes, lists, destroys, and what its officers sign (docs/spec/keys.md §4).

It is given the time and what its folder holds (`authority_folder.py`), and opens nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from checkin.clock import RETENTION_DAYS, Calendar
from checkin.errors import ClockUntrusted, KeyMissing, ListRefused, SettingsInvalid
from checkin.keys.officers import Officers, RingKeys
from checkin.protocol.encoding import b64_decode, b64_encode
from checkin.protocol.key_list import AuthorityKey, AuthorityList, CheckedList, DestroyedKey, DestroyedList, merge
from checkin.protocol.note import unverified_text
from checkin.protocol.primitives import check_sealing_key
from checkin.protocol.statement import CLOCK, Field, StatementType, clock_value, kind_of, one

AHEAD_DAYS: Final = 14
MAX_STATED: Final = 64  # days in one statement: what officers can read, and the log takes
AUTHORITY: Final = StatementType(
    "checkin/authority/v1", "authority", "zone", "ring", Field("list-key", optional=True), CLOCK
)
Stated = TypeVar("Stated", AuthorityList, DestroyedList, CheckedList)


@dataclass(frozen=True)
class Authority:
    """What was decided once, and what follows. `simulated` is for good: an authority is either real or not.

    `last` is everywhere the latest day on which keys were looked through.
    """

    officers: Officers
    calendar: Calendar
    ring_keys: RingKeys
    """Its `list_key` is '' where an earlier version made the authority (see `order_keys`)."""
    simulated: bool

    @classmethod
    def read(cls, text: str, officers: Officers) -> Self:
        """From the text of `authority.txt`, by the officers' name for it; raises `NoteMalformed`, `ValueError`."""
        values = AUTHORITY.read(text)
        public = b64_decode(one(values, "ring"), 32)
        check_sealing_key(public)
        list_key = one(values, "list-key") if "list-key" in values else ""
        keys = RingKeys(officers.authority, public, list_key)
        return cls(officers, Calendar(one(values, "zone")), keys, CLOCK.name in values)

    def text(self) -> str:
        ring, list_key = b64_encode(self.ring_keys.public), self.ring_keys.list_key
        values = {"authority": self.ring_keys.authority, "zone": self.calendar.zone, "ring": ring}
        lists = {"list-key": list_key} if list_key else {}
        return AUTHORITY.write(values | lists | clock_value(simulated=self.simulated))

    def order_keys(self) -> RingKeys:
        """The keys that orders name; raises `SettingsInvalid` where an earlier version made the authority."""
        if not self.ring_keys.list_key:
            raise SettingsInvalid(
                "This authority's folder is of an earlier version: list its keys once with enough officers at hand, "
                "`checkin authority keys list`, which adds the key that signs lists of orders."
            )
        return self.ring_keys

    def oldest(self, now: float, last: int) -> int:
        """The oldest day that may have a key; a clock that was set back does not bring it back."""
        return max(self.calendar.oldest(now), last - RETENTION_DAYS + 1)

    def missing(self, now: float, last: int, taken: Container[int], ahead: int) -> list[int]:
        """The days that get a key: those without one of today and `ahead` days more."""
        today = self.calendar.day(now)
        days = range(max(today, self.oldest(now, last)), today + ahead + 1)
        return [day for day in days if day not in taken]

    def key_list(
        self, listed: Mapping[int, AuthorityKey], held: Mapping[int, AuthorityKey], first: int
    ) -> AuthorityList:
        """Every key from the day `first` on, ready for the officers: those that were listed, and those that are held.

        Raises `ListRefused` if what is held contradicts what was listed, `KeyMissing` if there is no key at all.
        """
        keys = {day: key for day, key in {**listed, **merge(listed, held)}.items() if day >= first}
        if not keys:
            raise KeyMissing("There are no keys to list: run `checkin authority keys make` first.")
        return AuthorityList(self.ring_keys.authority, keys, self.simulated)

    def look(self, now: float, last: int, *, confirmed: bool) -> int:
        """`last`, once keys are looked through now. Raises `ClockUntrusted` when more than a day has passed since, and
        it is not confirmed that the clock is right."""
        today = self.calendar.day(now)
        if today > last + 1 and not confirmed:
            raise ClockUntrusted(
                "The last run was more than a day ago, so either it was left out or the clock is wrong: "
                "compare the clock, then repeat with --confirm-clock."
            )
        return max(today, last)

    def tombstone(self, day: int, key: AuthorityKey, now: float) -> dict[str, str | int]:
        """What stays of a day's key that is destroyed now."""
        return {
            "authority": self.ring_keys.authority,
            "day": day,
            "date": self.calendar.date(day),
            "public": b64_encode(key.public),
            "commitment": key.commitment,
            "due": self.calendar.rfc3339(self.calendar.due(day), "minutes"),
            "destroyed": self.calendar.rfc3339(now, "seconds"),
        }

    def ended(self, day: int, tombstone: Mapping[str, str | int]) -> DestroyedKey:
        """What officers state of it; raises `SettingsInvalid` for a tombstone of another form."""
        try:
            done = self.calendar.parse_date(str(tombstone["destroyed"])[:10])
            return DestroyedKey(str(tombstone["commitment"]), done)
        except (KeyError, ValueError):
            date = self.calendar.date(day)
            raise SettingsInvalid(f"The tombstone of {date} does not say what was destroyed.") from None

    def destroyed_list(self, destroyed: Mapping[int, DestroyedKey], logged: Logged) -> DestroyedList | None:
        """The destroyed keys of which that is not in the log yet, for the officers to state; at most 64 days, the
        oldest first; None when there are none."""
        stated, first = logged.stated(), logged.first_day()
        keys = [(day, key) for day, key in sorted(destroyed.items()) if day not in stated and day >= first]
        return DestroyedList(self.ring_keys.authority, dict(keys[:MAX_STATED]), self.simulated) if keys else None

    def require_own(self, keys: Mapping[int, AuthorityKey], own: Mapping[int, AuthorityKey]) -> None:
        """Holds keys of a list against the ring's own; raises `ListRefused` that names the days of strange ones."""
        strange = [self.calendar.date(day) for day, key in keys.items() if own.get(day) != key]
        if strange:
            raise ListRefused(f"These keys of the list are not the ring's own, do not sign it: {', '.join(strange)}.")

    def checked_list(self, keys: Mapping[int, AuthorityKey], now: float) -> CheckedList:
        """What officers state, today, of keys that are the ring's own."""
        today = self.calendar.day(now)
        checked = {day: DestroyedKey(key.commitment, today) for day, key in keys.items()}
        return CheckedList(self.ring_keys.authority, checked, self.simulated)


class Logged(dict[int, tuple[str, str]]):
    """Lists and statements in the public log: (note, proof) by their number there. All raise `NoteMalformed`."""

    def stated(self) -> dict[int, int]:
        """Destroyed days of which that is in the log, and the number of the statement."""
        found: dict[int, int] = {}
        for index, stated in self._all(DestroyedList):
            found = dict.fromkeys(stated.keys, index) | found
        return found

    def keys_by_day(self) -> dict[int, AuthorityKey]:
        """Every key that a list names, also of days long due."""
        found: dict[int, AuthorityKey] = {}
        for _, listed in self._all(AuthorityList):
            found = {**listed.keys, **found}  # the first list for a day is final
        return found

    def first_day(self) -> int:
        """The first day with a key in a list: of earlier ones an end would be stated of a key that is not public. 0
        where no list is in the log."""
        return min(self.keys_by_day(), default=0)

    def last_checked(self) -> int:
        """The day of the newest check of listed keys, 0 without one."""
        return max((key.done for _, check in self._all(CheckedList) for key in check.keys.values()), default=0)

    def _all(self, kind: type[Stated]) -> Iterator[tuple[int, Stated]]:
        for index, (note, _) in self.items():
            text = unverified_text(note)
            if kind_of(text) == kind.statement.kind:
                yield index, kind.read(text)
