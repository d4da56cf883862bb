"""What a log says about the nodes of services' key rings, and what they signed (docs/spec/ring.md §5)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from checkin.audit.log_entry import BY_NODES, LogEntry
from checkin.errors import NoteMalformed, NoteUntrusted
from checkin.protocol.note import NoteVerifier, open_note
from checkin.protocol.ring_messages import KEY_HELD, NODE_DESTROYED, NODE_LOST, RING_MEMBERS
from checkin.protocol.statement import many


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
        open_note(note, [NoteVerifier.parse(vkey)])
    except (NoteMalformed, NoteUntrusted):
        return False
    return True
