"""What a log says about each service's days: held, destroyed and by which statement, or overdue without one; and
about the health authority's keys of these days (`authority_days.py`)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from checkin.audit.authority_days import AuthorityDays
from checkin.audit.log_entry import ALTERED, BY_NODES, MISSING, REORDERED, DayState, LogEntry, officers_of
from checkin.clock import DATES, RETENTION_DAYS
from checkin.errors import NoteMalformed
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.note import NoteVerifier, signed_by
from checkin.protocol.ring_messages import KEY_HELD, NODE_DESTROYED, NODE_LOST, RING_MEMBERS
from checkin.protocol.statement import many
from checkin.purge.due_keys import last_use
from checkin.purge.early import end_of_day
from checkin.purge.statement_store import (
    ABSENT,
    DAY_CLOSED,
    EARLY_DESTRUCTION,
    KEY_DESTROYED,
    KEY_MADE,
    PURGE_REPORT,
)

STRIP_DAYS: Final = 60


class Book:
    """The statements of a log, in their order."""

    def __init__(self, entries: list[LogEntry]) -> None:
        self.entries = entries
        self.authority = AuthorityDays(entries)
        self.reports = [entry for entry in entries if entry.kind == PURGE_REPORT.kind]
        self._made = {
            (entry["service"], entry["key"]): entry for entry in reversed(entries) if entry.kind == KEY_MADE.kind
        }
        self._closed = {
            (entry["service"], entry["day"]): entry for entry in reversed(entries) if entry.kind == DAY_CLOSED.kind
        }
        self._reported = {(entry["service"], entry["day"]): entry for entry in reversed(self.reports)}
        self._early = [entry for entry in entries if entry.kind == EARLY_DESTRUCTION.kind]
        keys = [(service, KeyName.parse(key)) for service, key in self._made]
        self._days = {(service, DATES.date(key.day)) for service, key in keys if key.purpose is Purpose.DAY}

    def newest(self) -> str:
        """The latest day on which a service stated that anything was done, ISO; '' in a log without any."""
        kinds = (PURGE_REPORT.kind, KEY_DESTROYED.kind)
        return max((entry["done"] for entry in self.entries if entry.kind in kinds), default="")

    def report(self, service: str, day: str) -> LogEntry | None:
        """The first report about a day."""
        return self._reported.get((service, day))

    def missing(self, date: str) -> list[tuple[str, str]]:
        """(service, day) of days that were due before `date` and of which the service reported nothing."""
        return [
            (service, day)
            for service, day in sorted(self._days, key=lambda pair: (pair[1], pair[0]))
            if self._due(day) < date and self.report(service, day) is None
        ]

    def contradictions(self) -> Iterator[tuple[LogEntry, LogEntry]]:
        """Reports about one day that say different things: the first, and each later one."""
        for entry in self.reports:
            first = self._reported[entry["service"], entry["day"]]
            if first is not entry:
                yield first, entry

    def quarrels(self) -> Iterator[tuple[LogEntry, str, str]]:
        """Statements that do not fit what the same service stated before; in a word, and in a sentence."""
        ring = RingBook(self.entries)
        for entry in self.reports:
            made = self._made.get((entry["service"], entry["key"]))
            if made is None and entry["commitment"] != ABSENT:
                yield entry, ALTERED, "It names a key that was never stated to be made."
            elif made is not None and made.index > entry.index:
                yield entry, REORDERED, "It stands before the statement that its key was made."
            elif made is not None and made["commitment"] != entry["commitment"]:
                yield entry, ALTERED, "Its key's commitment is not the one that was stated when the key was made."
            yield from ((entry, ALTERED, reason) for reason in self._other_quarrels(entry))
        ended = [entry for entry in self.entries if entry.kind in (PURGE_REPORT.kind, KEY_DESTROYED.kind)]
        for entry in ended:
            if entry.kind == KEY_DESTROYED.kind and self._ended_early(entry):
                yield entry, ALTERED, "The key was destroyed before it was due and by no officers' order."
            made = self._made.get((entry["service"], entry["key"]))
            yield from ((entry, MISSING, reason) for reason in (ring.silent(entry, made.index) if made else ()))
        yield from ((entry, ALTERED, "The node that it names did not sign it.") for entry in ring.unsigned)

    def until(self, index: int) -> Book:
        """As the log was when it had so many entries."""
        return Book([entry for entry in self.entries if entry.index < index])

    def strip(self, date: str) -> list[DayState]:
        """The last 60 days up to `date`, for every service that ever made a day key, and authority that listed one."""
        last = DATES.parse_date(date)
        services = sorted({service for service, _ in self._days})
        states = []
        for day in range(last - STRIP_DAYS + 1, last + 1):
            states += [self._state(service, DATES.date(day), date) for service in services]
            states += [self.authority.state(name, day, date) for name in self.authority.names]
        return states

    def _other_quarrels(self, entry: LogEntry) -> Iterator[str]:
        closed = self._closed.get((entry["service"], entry["day"]))
        if entry["closing"] != (closed["digest"] if closed is not None else ABSENT):
            yield "It does not say what the day was closed with."
        if entry["due"] != self._due(entry["day"]) or (
            entry["done"] < entry["due"] and not ordered_by(self._early, entry, entry["day"])
        ):
            yield "It was destroyed before it was due and by no officers' order, or names another due date."
        oldest = entry["oldest-day-held"]
        if oldest != ABSENT and self._due(oldest) <= entry["done"]:
            yield "The service still held a day that was due."

    def _ended_early(self, entry: LogEntry) -> bool:
        """Whether a key of which there is no report ended before it was over, and officers ordered nothing about it."""
        name = KeyName.parse(entry["key"])
        over = None if name.purpose is Purpose.DAY else last_use(name, DATES)
        if over is None or entry["done"] >= DATES.date(DATES.day(over)):
            return False
        # SPEC retention.md §7: "a signing key opens nothing"
        return name.purpose is not Purpose.INTAKE or not ordered_by(self._early, entry, DATES.date(name.day))

    def _state(self, service: str, day: str, date: str) -> DayState:
        report = self.report(service, day)
        if report is not None:
            order = ordered_by(self._early, report, day)
            state = end_of_day(report["due"], report["done"], ordered=order is not None)
            values = {name: report[name] for name in ("rows", "due", "done", "key")} | {"by": service}
            if state == "early" and order is not None:
                values |= {"by": ", ".join(officers_of(order.values, order.by)), "reason": order["reason"]}
            return DayState(day, service, state, index=report.index, **values)
        if (service, day) not in self._days:
            return DayState(day, service, "none")
        due = self._due(day)
        return DayState(day, service, "missing" if due < date else "held", due=due)

    def _due(self, day: str) -> str:
        return DATES.date(DATES.parse_date(day) + RETENTION_DAYS)


def ordered_by(orders: Iterable[LogEntry], report: LogEntry, day: str) -> LogEntry | None:
    """What officers signed before the report, that this day was to be destroyed before it was due."""
    mine = (entry for entry in orders if entry["service"] == report["service"] and entry.index < report.index)
    return next((e for e in mine if e["first"] <= day <= e["last"] and e["day"] <= report["done"]), None)


class RingBook:
    """The statements of a log about ring nodes, each node's own held against its key."""

    def __init__(self, entries: list[LogEntry]) -> None:
        self._lists: dict[str, list[LogEntry]] = defaultdict(list)
        self._lost: dict[tuple[str, str], int] = {}
        self._said: dict[tuple[str, str, str, str], str] = {}
        self.unsigned: list[LogEntry] = []
        """Statements in the name of a node that no node signed which a list before them names."""
        for entry in entries:
            if entry.kind == RING_MEMBERS.kind:
                self._lists[entry["service"]].append(entry)
            elif entry.kind == NODE_LOST.kind:
                self._lost[entry["service"], entry["node"]] = entry.index
            elif entry.kind in BY_NODES:
                self._add(entry)

    def silent(self, end: LogEntry, made: int) -> Iterator[str]:
        """Nodes that were members between the entry `made`, where the key of `end` was stated, and `end`, where it was
        stated to be destroyed; and of which the log says neither that they destroyed it nor that they are lost."""
        lists = self._lists[end["service"]]
        ends = [entry.index for entry in lists[1:]] + [math.inf]
        there = [entry for entry, over in zip(lists, ends, strict=False) if entry.index < end.index and over > made]
        for vkey in sorted({vkey for entry in there for vkey in many(entry.values, "member")}):
            if not self._has_destroyed(end["service"], vkey, end["key"]) and not self._is_lost(lists, vkey, made):
                yield f"{_name(vkey)}, a node of its ring, neither destroyed the key nor is stated to be lost."

    def _has_destroyed(self, service: str, vkey: str, key: str) -> bool:
        """A node that signed that it holds a key destroyed that one: it does not say later that it never had it."""
        gone = self._said.get((NODE_DESTROYED.kind, service, vkey, key))
        return gone is not None and gone == self._said.get((KEY_HELD.kind, service, vkey, key), gone)

    def _is_lost(self, lists: list[LogEntry], vkey: str, made: int) -> bool:
        """Officers stated it since the key was made, and no list after that names the node again."""
        lost = self._lost.get((lists[0]["service"], vkey), -1)
        return made < lost and not any(entry.index > lost and vkey in many(entry.values, "member") for entry in lists)

    def _add(self, entry: LogEntry) -> None:
        """By the verifier key: a node with a new one is another node, whatever its name."""
        listed = {vkey for members in self._lists[entry["service"]] for vkey in many(members.values, "member")}
        signers = [vkey for vkey in sorted(listed) if _name(vkey) == entry["node"] and _has_signed(vkey, entry.note)]
        for vkey in signers:  # what a node says first stands
            self._said.setdefault((entry.kind, entry["service"], vkey, entry["key"]), entry["commitment"])
        if not signers:
            self.unsigned.append(entry)


def _name(vkey: str) -> str:
    return vkey.partition("+")[0]


def _has_signed(vkey: str, note: str) -> bool:
    try:
        return signed_by(note, NoteVerifier.parse(vkey))
    except NoteMalformed:
        return False
