"""What a service states about its key ring of three nodes, and what of it an operator must know (docs/spec/ring.md §5).

ring-members-DATE-…     which nodes the ring has; at every change
ring-held-…, ring-destroyed-…    what a node signed, with the service's signature beside it
ring-awaited-…          a key that a node has not destroyed, or not said so, a day after it was due
ring-lost-…             what officers signed about a node that is lost, with the service's signature beside theirs
"""

from __future__ import annotations

from collections.abc import Iterator

from checkin.clock import DATES
from checkin.errors import CheckinError, NoteUntrusted, NotReady, SettingsInvalid
from checkin.keys.key_ring import KeyName
from checkin.protocol.note import add_signature, unverified_text
from checkin.protocol.primitives import sha256
from checkin.protocol.ring_messages import KEY_AWAITED, NODE_LOST, RING_MEMBERS
from checkin.protocol.statement import many, one
from checkin.purge.clock_guard import ClockGuard
from checkin.purge.purger import SILENCE_SECONDS
from checkin.purge.statement_store import StatementStore
from checkin.service.frame import Finding
from checkin.service.identity import ServiceIdentity
from checkin.service.leased_ring import LeasedRing, StatedRing
from checkin.service.settings import AuthoritySettings
from checkin.service.tasks import Task


class RingStatements:
    """Of a service on a ring; on one machine there is nothing to state, to do or to find."""

    def __init__(
        self, party: ServiceIdentity, guard: ClockGuard, book: StatementStore, authority: AuthoritySettings | None
    ) -> None:
        self._party, self._guard, self._book, self._authority = party, guard, book, authority
        self._ring = party.ring if isinstance(party.ring, LeasedRing) else None
        if self._ring is not None:
            self._ring.stated = StatedRing(book)

    def tasks(self) -> list[Task]:
        if self._ring is None:
            return []
        return [
            Task("leases", self._ring.renew, lane="leases", at_start=False),
            Task("ring_statements", self.state),
        ]

    def state(self) -> None:
        """States what is not stated yet. Repeatable."""
        if self._ring is None:
            return
        self._state_members(self._ring)
        list(self._take_lost(self._ring))
        known = set(self._book.names())
        for title in self._ring.notes.names():
            if title not in known and (note := self._ring.notes.get(title)) is not None:
                # With ours behind the node's signature: a reader that knows the service alone can open it.
                self._book.put(title, add_signature(note, self._party.signer))
        for name, missing, late in self._awaited(self._ring):
            if late:
                self._state_awaited(self._ring, name, missing)

    def findings(self) -> Iterator[Finding]:
        """A warning while a node is silent; a failure when one has been for a day after a key was due."""
        if self._ring is None:
            return
        for why in self._take_lost(self._ring):
            yield Finding("ring_lost", "failure", f"A file under `ring.lost` does not state that a node is lost: {why}")
        try:
            silent = sorted(self._ring.nodes.keys() - self._ring.states().keys())
        except NotReady as error:
            yield Finding("ring", "failure", error.detail)
            return
        if silent:
            yield Finding("ring", "warning", f"Nodes of the key ring do not answer: {', '.join(silent)}.")
        try:
            awaited = list(self._awaited(self._ring))
        except CheckinError as error:
            yield Finding("ring_purge", "failure", error.detail)
            return
        for name, missing, late in awaited:
            signed = _signed(self._ring, missing)
            text = f"{signed} nodes destroyed {name}; missing: {', '.join(missing)}. Bring it back, then it does."
            yield Finding("ring_purge", "failure" if late else "warning", text)

    def state_at_purge(self, _: int) -> None:
        """`state`, at the end of a purge: beside a report its readers find what the nodes signed."""
        self.state()

    def _take_lost(self, ring: LeasedRing) -> Iterator[str]:
        """Takes what officers signed about lost nodes; yields why a file cannot be taken."""
        settings = self._party.settings
        for path in settings.ring.lost if settings.ring else ():
            try:
                if self._authority is None:
                    raise SettingsInvalid("The settings name no authority whose officers could say so.")
                note = path.read_text(encoding="utf-8")
                values = self._party.read(self._authority.open_kept(note).text, NODE_LOST)
                if (values["authority"], values["service"]) != (self._authority.name, settings.name):
                    raise NoteUntrusted("It is another authority's, or about another service.")
                ring.lost(one(values, "node"), note)
            except CheckinError as error:
                yield error.detail
            except (OSError, UnicodeDecodeError):
                yield "It cannot be read."

    def _awaited(self, ring: LeasedRing) -> Iterator[tuple[KeyName, list[str], bool]]:
        """Keys that were due, the nodes that have not signed their destruction, and whether for more than a day."""
        calendar, now = self._party.calendar, self._guard.settled()
        for name in ring.tombstones():
            if not (missing := ring.missing(name)):
                continue
            due = calendar.start(DATES.parse_date(str((ring.tombstone(name) or {})["due"])))
            yield name, missing, now > due + SILENCE_SECONDS

    def _state_members(self, ring: LeasedRing) -> None:
        members = sorted(peer.vkey for peer in ring.nodes.values())
        stated = [note for _, note in self._book.all("ring-members-")]
        if not any(many(RING_MEMBERS.read(unverified_text(note)), "member") == members for note in stated[-1:]):
            since = self._today()
            values = {"service": self._party.settings.name, "since": since, "member": members}
            title = f"ring-members-{since}-{len(stated):04}-{sha256(*(m.encode() for m in members))[:4].hex()}"
            self._book.put(title, self._party.sign(RING_MEMBERS, values))

    def _state_awaited(self, ring: LeasedRing, name: KeyName, missing: list[str]) -> None:
        title = f"ring-awaited-{name.purpose.value}-{DATES.date(name.day)}"
        if title in self._book:
            return
        values = {
            "service": self._party.settings.name,
            "key": str(name),
            "due": str((ring.tombstone(name) or {})["due"]),
            "signed": _signed(ring, missing),
            "missing": missing,
            "day": self._today(),
        }
        self._book.put(title, self._party.sign(KEY_AWAITED, values))

    def _today(self) -> str:
        return self._party.calendar.date(self._guard.today(self._party.calendar))


def _signed(ring: LeasedRing, missing: list[str]) -> str:
    """`2 of 3`; a node that the settings name no more and that is not stated lost counts among them."""
    of = len({*ring.nodes, *missing})
    return f"{of - len(missing)} of {of}"
