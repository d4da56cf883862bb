"""What a service's own statements say of its ring, whichever of its machines made them (docs/spec/ring.md §5)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from checkin.keys.key_ring import KeyName
from checkin.protocol.note import unverified_text
from checkin.protocol.ring_messages import KEY_HELD, RING_MEMBERS
from checkin.protocol.statement import many, one
from checkin.purge.statement_store import KEY_MADE, StatementStore, destroyed_name, made_name

_ALWAYS: Final = "9999-12-31"


class StatedRing:
    """Read from the book that the service's machines share; each method raises as that book does."""

    def __init__(self, book: StatementStore) -> None:
        self._book = book
        self._ended: set[KeyName] = set()

    def __contains__(self, title: str) -> bool:
        return title in self._book

    def has_ended(self, name: KeyName) -> bool:
        """Whether the key's destruction is stated: then no node is awaited any more."""
        if name not in self._ended and destroyed_name(name) in self._book:
            self._ended.add(name)
        return name in self._ended

    def former(self, name: KeyName, known: Collection[str]) -> Iterator[str]:
        """Verifier keys of nodes, other than those known, that were members on the day on which the key was made, or
        later."""
        lists = [RING_MEMBERS.read(unverified_text(note)) for _, note in self._book.all("ring-members-")]
        ends = [one(values, "since") for values in lists[1:]] + [_ALWAYS]
        last = {vkey: end for values, end in zip(lists, ends, strict=False) for vkey in many(values, "member")}
        if gone := last.keys() - set(known):
            made = self._book.get(made_name(name))
            since = one(KEY_MADE.read(unverified_text(made)), "day") if made else ""
            yield from sorted(vkey for vkey in gone if last[vkey] >= since)

    def held(self, title: str) -> str | None:
        """The commitment of the key that a node signed it holds, in the statement of that title."""
        note = self._book.get(title)
        return one(KEY_HELD.read(unverified_text(note)), "commitment") if note else None
