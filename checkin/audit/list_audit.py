"""Lists of keys in an audit: a service gives out none that is not in the log, and no two in the log contradict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from checkin.audit.point import Point, not_run, seen
from checkin.errors import CheckinError, NoteMalformed
from checkin.keys.key_ring import Purpose, ServiceKeys
from checkin.protocol.key_list import INTAKE_KEYS, ISSUER_KEYS
from checkin.protocol.note import split_note
from checkin.protocol.statement import kind_of, many, one
from checkin.tlog.proof import PinnedLog

GIVEN: Final = "lists-logged"
AGREE: Final = "key-lists"
_OWNED: Final = {statement.kind: statement for statement in (ISSUER_KEYS, INTAKE_KEYS)}


class GivenList(NamedTuple):
    """A list that a service gives out: its owner, the signed note, and the inclusion proof."""

    whose: str
    note: str
    proof: str | None


def given_lists(
    name: str, pinned: PinnedLog | None, lists: Sequence[GivenList], ring: ServiceKeys, today: int
) -> Iterator[Point]:
    """A service's own line: each proof is verified under the log that its settings pin; none if they pin none.

    A list without a proof is a fault, but where the service has run for a day at most, by the keys of its days: its
    first list may wait for the log yet, and the line is undecided.
    """
    if pinned is None:
        return
    faults, young = [], all(key.day >= today - 1 for key in ring.names(Purpose.DAY))
    waiting = [item.whose for item in lists if item.proof is None] if young else []
    for item in lists:
        if item.whose in waiting:
            continue
        try:
            pinned.require(item.note, item.proof)
        except CheckinError as error:
            faults.append(f"{item.whose}: {error.code}")
    if waiting and not faults:
        yield not_run(GIVEN, name, f"Still without a proof, and so refused by who pins the log: {', '.join(waiting)}.")
        return
    yield seen(GIVEN, name, faults, f"Lists of keys that are given out: {len(lists)}; each is in the log.")


def quarrels(notes: Iterable[str]) -> tuple[int, list[tuple[int, str]]]:
    """How many lists of issuer and intake keys a log's entries have; the place of each that contradicts an earlier one,
    and how."""
    owners: dict[str, str] = {}
    first: dict[tuple[str, str], tuple[str, int]] = {}
    count = 0
    found: list[tuple[int, str]] = []
    for index, note in enumerate(notes):
        try:
            text, lines = split_note(note)
            statement = _OWNED.get(kind_of(text))
            if statement is None:
                continue
            values = statement.read(text)
        except NoteMalformed:
            continue
        count += 1
        role = statement.fields[0].name
        owner = f"{role} {one(values, role)}"
        if owners.setdefault(owner, lines[0].name) != lines[0].name:
            found.append((index, f"{lines[0].name} lists keys of {owner}, as another service did before"))
            continue
        for line in many(values, "key"):
            date, _, key = line.partition(" ")  # as it is written: what is the same text is the same key
            before, place = first.setdefault((owner, date), (key, index))
            if before != key:
                found.append((index, f"it has another key of {owner} for {date} than entry {place}"))
    return count, found
