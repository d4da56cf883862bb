"""A statement of a log as an auditor reads it, and what a day's state is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from checkin.audit.point import AUDIT, SELF_AUDIT, Point
from checkin.clock import DATES
from checkin.errors import NoteMalformed, NoteUntrusted
from checkin.keys.key_ring import KeyName
from checkin.protocol.encoding import decimal_decode
from checkin.protocol.key_list import BY_OFFICERS, FEWEST_OFFICERS, AuthorityList, CheckedList, DestroyedList
from checkin.protocol.ring_messages import KEY_HELD, NODE_DESTROYED
from checkin.protocol.statement import StatementType, Values, kind_of, one
from checkin.purge.early import EarlyDestruction
from checkin.purge.statement_store import BY_AUTHORITY, EARLY_DESTRUCTION, KINDS

ALTERED: Final = "altered"
REORDERED: Final = "reordered"
CONTRADICTS: Final = "contradicts"
MISSING: Final = "missing"
BY_NODES: Final = (KEY_HELD.kind, NODE_DESTROYED.kind)
_BY_SERVICES: Final[dict[str, StatementType]] = {**KINDS, AUDIT.kind: AUDIT, SELF_AUDIT.kind: SELF_AUDIT}


@dataclass(frozen=True)
class LogEntry:
    """An entry: its place in the log, its kind, its fields and its signers. Of an unknown kind `values` is empty."""

    index: int
    kind: str
    values: Values
    by: tuple[str, ...] = ()
    stated: AuthorityList | DestroyedList | CheckedList | None = None
    """What officers of the authority said about its day keys."""
    note: str = ""
    """Of a ring node's statement: as it was signed. Which lines count follows from what stands before it in the log."""

    def __getitem__(self, name: str) -> str:
        """A field; `NoteMalformed` when it is absent."""
        return one(self.values, name)


@dataclass(frozen=True)
class DayState:
    """A day of one service, or of the authority (`rows` is ''). The rest is '' where it does not apply.

    `state`: held, destroyed, early, late, missing or none; of the authority also awaited: due, and to be stated within
    days. `by`: the signers of the statement; of a day that was destroyed early, the officers who ordered it, for the
    `reason`.
    """

    day: str
    service: str
    state: str
    rows: str = ""
    due: str = ""
    done: str = ""
    key: str = ""
    index: int | None = None
    by: str = ""
    reason: str = ""

    @property
    def officers(self) -> int:
        """How many of them ordered a day's early end."""
        return len(self.by.split(", ")) if self.by else 0


T = TypeVar("T", Point, DayState)


@dataclass(frozen=True)
class EarlyEnd:
    """Days `first` to `last` of one service that so many officers had destroyed on the day `done`, and why."""

    service: str
    first: str
    last: str
    done: str
    officers: int
    reason: str

    def words(self, sentence: str) -> str:
        """A sentence about it (`checkin.audit.words.EARLY`)."""
        days = self.first if self.first == self.last else f"{self.first} – {self.last}"
        return sentence.format(days=days, done=self.done, officers=self.officers)

    @classmethod
    def of(cls, days: Iterable[DayState]) -> list[EarlyEnd]:
        """Those among the days, in their order."""
        together: dict[tuple[str, str, int, str], list[str]] = {}
        for day in days:
            if day.state == "early":
                together.setdefault((day.service, day.done, day.officers, day.reason), []).append(day.day)
        return [
            cls(service, min(dates), max(dates), done, officers, reason)
            for (service, done, officers, reason), dates in together.items()
        ]


def by_service(items: Iterable[T]) -> dict[str, list[T]]:
    """The lines, or days, of each service, in their order."""
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(item.service, []).append(item)
    return groups


def read_entry(index: int, text: str, signers: Sequence[str], note: str = "") -> LogEntry:
    """From the text of a note that these signed, and the note; raises `NoteMalformed`, and `NoteUntrusted` unless it is
    a statement by the service that it names, or by two officers of the authority that it names."""
    kind = kind_of(text)
    if kind in BY_OFFICERS:
        return _by_officers(index, kind, text, signers)
    if kind not in _BY_SERVICES:
        return LogEntry(index, kind, {})
    entry = LogEntry(index, kind, _BY_SERVICES[kind].read(text), tuple(signers), note=note if kind in BY_NODES else "")
    if kind in BY_AUTHORITY and len(officers_of(entry.values, signers)) < FEWEST_OFFICERS:
        raise NoteUntrusted("Fewer than two officers of the authority that it names signed it.")
    if entry["service"] not in signers:
        raise NoteUntrusted("The statement names another service than the one that signed it.")
    _check(entry)
    if kind == EARLY_DESTRUCTION.kind:
        EarlyDestruction.read(text)
    return entry


def _by_officers(index: int, kind: str, text: str, signers: Sequence[str]) -> LogEntry:
    values = BY_OFFICERS[kind].statement.read(text)
    officers = officers_of(values, signers)
    if len(officers) < FEWEST_OFFICERS:
        raise NoteUntrusted("Fewer than two officers of the authority that it names signed it.")
    return LogEntry(index, kind, values, officers, stated=BY_OFFICERS[kind].read(text))


def officers_of(values: Values, signers: Sequence[str]) -> tuple[str, ...]:
    """Which of the signers are the named authority's."""
    return tuple(name for name in signers if name.startswith(f"{one(values, 'authority')}/"))


def _check(entry: LogEntry) -> None:
    """Raises `NoteMalformed` for dates, names of keys or sizes that are not written as they should be."""
    try:
        for name in ("day", "due", "done"):
            if isinstance(entry.values.get(name), str):
                DATES.parse_date(entry[name])
        if "key" in entry.values:
            KeyName.parse(entry["key"])
        if entry.kind == AUDIT.kind:
            decimal_decode(entry["size"])
    except ValueError:
        raise NoteMalformed("A date, a size or the name of a key is not written as it should be.") from None
