"""What a log says about the health authority's day keys: listed, and by which officers stated to be destroyed.

A list is of days ahead, so each day's first listing is its key; what is stated later must name that key's commitment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from checkin.audit.log_entry import ALTERED, CONTRADICTS, REORDERED, DayState, LogEntry
from checkin.audit.point import AUDIT
from checkin.clock import DATES, RETENTION_DAYS
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.key_list import AuthorityKey, AuthorityList, CheckedList, DestroyedKey, DestroyedList
from checkin.purge.early import end_of_day

CHECK_DAYS: Final = 8  # once a week, and a day more: officers that list check that the keys are the ring's own
GRACE_DAYS: Final = 7  # officers come together once a week to sign


class AuthorityDays:
    """Days of every authority that listed keys in the log."""

    def __init__(self, entries: list[LogEntry]) -> None:
        self._lists = [(entry, entry.stated.keys) for entry in entries if isinstance(entry.stated, AuthorityList)]
        self._ends = [(entry, entry.stated.keys) for entry in entries if isinstance(entry.stated, DestroyedList)]
        self._checks = [(entry, entry.stated.keys) for entry in entries if isinstance(entry.stated, CheckedList)]
        self._listed: dict[tuple[str, int], tuple[AuthorityKey, LogEntry]] = {}
        for entry, keys in self._lists:
            for day, key in keys.items():
                self._listed.setdefault((entry["authority"], day), (key, entry))
        self._stated: dict[tuple[str, int], tuple[DestroyedKey, LogEntry]] = {}
        for entry, ends in self._ends:
            for day, gone in ends.items():
                known = self._listed.get((entry["authority"], day))
                if known is not None and known[0].commitment == gone.commitment:
                    self._stated.setdefault((entry["authority"], day), (gone, entry))
        self._audited = [(int(entry["size"]), entry["day"]) for entry in entries if entry.kind == AUDIT.kind]
        self.names = sorted({name for name, _ in self._listed})

    def state(self, name: str, day: int, date: str) -> DayState:
        """One day of one authority, as of `date` (ISO)."""
        shown, stated = DATES.date(day), self._stated.get((name, day))
        if (name, day) not in self._listed:
            return DayState(shown, name, "none")
        due, key = self._due(day), str(KeyName(Purpose.AUTHORITY, day))
        if stated is None:
            state = "held" if due >= date else "missing" if self._overdue(day, date) else "awaited"
            return DayState(shown, name, state, due=due, key=key)
        gone, entry = stated
        done = DATES.date(gone.done)
        state = end_of_day(due, done, ordered=False)  # no order is about the authority's own keys
        return DayState(shown, name, state, due=due, done=done, key=key, index=entry.index, by=", ".join(entry.by))

    def missing(self, date: str) -> list[tuple[str, str, int]]:
        """(authority, day, place of the list) of days that were due a week and more before `date`, of which no officer
        stated an end."""
        return [
            (name, DATES.date(day), entry.index)
            for (name, day), (_, entry) in sorted(self._listed.items(), key=lambda item: (item[0][1], item[0][0]))
            if self._overdue(day, date) and (name, day) not in self._stated
        ]

    def unchecked(self, date: str) -> list[tuple[str, str, int]]:
        """(authority, day, place) of each last check of the listed keys that is older than 8 days on `date`; where
        there was none, of the first list, and the first day that it names."""
        last: dict[str, tuple[int, int]] = {}
        for entry, listed in reversed(self._lists):
            last[entry["authority"]] = (min(listed), entry.index)
        for entry, checked in self._checks:
            check = (max(key.done for key in checked.values()), entry.index)
            last[entry["authority"]] = max(last.get(entry["authority"], check), check)
        return [
            (name, DATES.date(done), index)
            for name, (done, index) in sorted(last.items())
            if DATES.date(done + CHECK_DAYS) < date
        ]

    def counts(self, date: str) -> tuple[int, int]:
        """How many keys of days that are due by `date` were listed, and how many of them are stated destroyed."""
        due = [place for place in self._listed if self._due(place[1]) <= date]
        return len(due), sum(place in self._stated for place in due)

    def quarrels(self, date: str) -> Iterator[tuple[LogEntry, str, str]]:
        """Entries that do not fit what was logged before, or the audit's day (`date`): in a word, and in a sentence."""
        for entry, keys in self._lists:
            for day, key in keys.items():
                first, where = self._listed[entry["authority"], day]
                if first != key:
                    yield entry, CONTRADICTS, f"It lists another key for {DATES.date(day)} than entry {where.index}."
        yield from self._check_quarrels()
        for entry, ends in self._ends:
            # An audit saw the log so long on its day: what stands before was stated by then.
            by = min([day for size, day in self._audited if entry.index < size], default=date) or date
            for day, gone in ends.items():
                yield from self._quarrel(entry, day, gone)
                if date and DATES.date(gone.done) > by:
                    yield entry, ALTERED, f"It states an end of the key for {DATES.date(day)} that had not come."

    def _check_quarrels(self) -> Iterator[tuple[LogEntry, str, str]]:
        for entry, keys in self._checks:
            for day, checked in keys.items():
                listed = self._listed.get((entry["authority"], day))
                if listed is None or listed[0].commitment != checked.commitment:
                    reason = f"It states a check of another key for {DATES.date(day)} than was listed."
                    yield entry, ALTERED, reason

    def _quarrel(self, entry: LogEntry, day: int, gone: DestroyedKey) -> Iterator[tuple[LogEntry, str, str]]:
        date = DATES.date(day)
        listed = self._listed.get((entry["authority"], day))
        if listed is None:
            yield entry, ALTERED, f"It states the end of a key for {date} that was never listed."
        elif listed[0].commitment != gone.commitment:
            yield entry, ALTERED, f"Its commitment for {date} is not the one that entry {listed[1].index} listed."
        elif listed[1].index > entry.index:
            yield entry, REORDERED, f"It stands before the list with the key for {date}."
        if DATES.date(gone.done) < self._due(day):
            yield entry, ALTERED, f"By it the key for {date} was destroyed before it was due."
        first, where = self._stated.get((entry["authority"], day), (gone, entry))
        if first != gone:
            yield entry, CONTRADICTS, f"Entry {where.index} states something else about {date}."

    def _overdue(self, day: int, date: str) -> bool:
        return DATES.date(day + RETENTION_DAYS + GRACE_DAYS) < date

    def _due(self, day: int) -> str:
        return DATES.date(day + RETENTION_DAYS)
