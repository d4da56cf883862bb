"""A ring node at work: it makes, holds, hands on, leases and destroys the keys of one service (docs/spec/ring.md).

Its slots are those of any key ring. What leaves it is sealed to a one-use key of the caller; what it does about time,
it does by its own clock and guard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

import structlog

from checkin.errors import (
    CheckinError,
    ClockUntrusted,
    DayDestroyed,
    KeyDestroyed,
    KeyExists,
    KeyMissing,
    NoteUntrusted,
    NotReady,
    RequestInvalid,
    SettingsInvalid,
)
from checkin.files.durable import locked, locked_if_possible
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.protocol import ring_messages as messages
from checkin.protocol.encoding import b64_encode
from checkin.protocol.key_list import read_commitment, read_sealing_key
from checkin.protocol.note import NoteVerifier
from checkin.protocol.primitives import Label, OpeningKey, SealingKey, random_bytes
from checkin.protocol.ring_messages import GONE_DAYS, PUBLIC, QUORUM, RAW, RingQuestion
from checkin.protocol.statement import StatementType, kind_of, many, one
from checkin.purge.clock_guard import ClockGuard
from checkin.purge.due_keys import DueKeys, last_use
from checkin.purge.early import EarlyDestructions
from checkin.purge.purger import LOCK
from checkin.purge.statement_store import EARLY_DESTRUCTION, StatementFolder
from checkin.ring.settings import LoggedCommitments, RingSettings
from checkin.service.identity import ServiceIdentity
from checkin.service.ring_calls import RingCalls, read_name, read_state
from checkin.service.settings import Peer

DAYS_AHEAD: Final = 40
"""No key is made for a later day."""
_SUBKEYS: Final = {label.value.decode(): label for label in Label if label.value.startswith(b"ck1/sub/")}
_SEALED_ONLY: Final = (Purpose.DAY, Purpose.IDENTITY)
"""Purposes of which callers get sub-keys, never the key."""
_SERVED: Final = (Purpose.DAY, Purpose.INTAKE, Purpose.SIGNING, Purpose.IDENTITY)
States = dict[str, tuple[dict[KeyName, str], set[KeyName]]]
"""By node, which keys it holds, with their commitments, and which it destroyed."""
log = structlog.get_logger()


class RingNode:
    """One per process of a node."""

    def __init__(self, party: ServiceIdentity, ring: KeyRing, guard: ClockGuard, settings: RingSettings) -> None:
        """Raises `SettingsInvalid` where the settings name another key for this node than its own."""
        self._party, self._ring, self._guard, self._settings = party, ring, guard, settings
        self._book = StatementFolder(party.data / "statements")
        service, *former = map(NoteVerifier.parse, (settings.service, *settings.former))
        self._service = service.name
        self._early = EarlyDestructions(ring.folder, self._service, settings.authority, party.clock, party.calendar)
        self._due = DueKeys(ring, party.calendar, self._early)
        self._unlent: dict[KeyName, float] = {}
        """When this process first saw that a key is destroyed early, boot seconds."""
        self._logged = LoggedCommitments(settings.log, service, *former) if settings.log else None
        self.contradicted: list[KeyName] = []
        """Keys that the others hold and this node does not fetch: the log has another commitment, or none."""
        self._others = {peer.verifier.name: peer for peer in settings.members}
        self._own = party.signer.verifier
        if self._others.pop(settings.name).vkey != self._own.vkey:
            raise SettingsInvalid(f"The member {settings.name} is this node, and has another key than its own.")
        self._apps = [NoteVerifier.parse(vkey) for vkey in settings.apps]
        self._members = [peer.verifier for peer in self._others.values()]
        self._calls = RingCalls(party.signer, self._service, party.clock, party.calendar)

    # --- requests ------------------------------------------------------------------------------------------

    def state(self, note: str) -> list[str]:
        """Which keys it holds, with their commitments, and which it destroyed. For app nodes and other nodes."""
        asked = self._asked(note, messages.STATE_REQUEST, [*self._apps, *self._members])
        live = [f"{name} {commitment}" for name, commitment in self._live().items()]
        floor = self._gone_from()
        gone = [str(name) for name in self._ring.tombstones() if name.day >= floor and self._ring.is_gone(name)]
        return [self._answer(asked, messages.STATE, {"live": live, "gone": gone})]

    def lease(self, note: str) -> list[str]:
        """Sub-keys, and keys that are used themselves, each for a minute at most and never past its due moment."""
        asked = self._asked(note, messages.LEASE_REQUEST, self._apps)
        self._guard.require_trusted()
        to = SealingKey(read_sealing_key(asked.text("public")))
        lines, keys = [], []
        refused: CheckinError = KeyMissing()
        for wanted in many(asked.values, "lease"):
            name, use = self._wanted(wanted)
            try:
                seconds = self._seconds(name)
                key = self._key(name, use)
                lines.append(f"{wanted} {self._ring.commitment(name)} {seconds}")
                keys.append(key)
            except (KeyMissing, KeyDestroyed, NotReady) as error:
                refused = error
        if not lines:
            raise refused
        sealed = messages.seal_leases(to, lines, keys, asked=asked.digest)
        return [self._answer(asked, messages.LEASES, {"lease": lines, "sealed": sealed})]

    def make(self, note: str) -> list[str]:
        """Draws a key, or finds the one that is there, and gives it to the others; returns what each holder signed.
        Draws none where the request or the log names one.

        Raises `NotReady` where this is not the maker, or fewer than two hold it; `KeyExists` where another key has the
        name."""
        asked = self._asked(note, messages.MAKE_REQUEST, self._apps)
        if self._settings.maker != self._own.name:
            raise NotReady(f"{self._settings.maker} makes the keys of this ring.")
        name = _name(asked.text("key"))
        self._guard.require_trusted()
        self._check_ahead(name)
        stated = read_commitment(asked.text("commitment")) if "commitment" in asked.values else ""
        with locked(self._ring.folder / "make.lock"):
            commitment = self._found_or_made(name, stated)
        held = [self._held(name), *self._give(name, commitment)]
        # SPEC ring.md §3: "fewer than two of the three nodes"
        if len(held) < QUORUM:
            raise NotReady("No other node of the ring took the key: it is not to be used yet.")
        return held

    def offer(self, note: str) -> list[str]:
        """Fetches the key that the maker offers, and signs that it is held. Raises `KeyExists` where another key has
        the name."""
        asked = self._asked(note, messages.OFFER, [peer for peer in self._members if peer.name == self._settings.maker])
        name, commitment = _name(asked.text("key")), read_commitment(asked.text("commitment"))
        self._guard.require_trusted()
        if self._logged_commitment(name) not in ("", commitment):
            raise KeyExists("The log has another key of that name.")
        self._take(name, commitment, self._others[asked.sender])
        return [self._held(name)]

    def pull(self, note: str) -> list[str]:
        """A key, sealed to the one-use key of the calling node."""
        asked = self._asked(note, messages.PULL_REQUEST, self._members)
        self._guard.require_trusted()
        name = _name(asked.text("key"))
        self._seconds(name)
        commitment = self._ring.commitment(name)
        to = SealingKey(read_sealing_key(asked.text("public")))
        sealed = messages.seal_transfer(to, self._ring.secret(name), asked=asked.digest, commitment=commitment)
        values = {"key": str(name), "commitment": commitment, "sealed": sealed}
        return [self._answer(asked, messages.TRANSFER, values)]

    def destroy(self, note: str) -> list[str]:
        """Destroys a key that is over by this node's clock, if it has not done so yet, and signs that. What officers
        signed about keys that are to be destroyed early is taken from any caller, and carried out.

        One that it never had gets a tombstone, too, if its day is not long over: it never will. Raises `NotReady` for a
        key that is not due, `KeyMissing` for any other that it never had."""
        if kind_of(note) == EARLY_DESTRUCTION.kind:
            self._guard.require_trusted()
            order = self._early.take(note)
            # Any caller may hand it in again: a purge is made once.
            if any(order.covers(name) for name in self._ring.names()):
                self.purge()
            return []
        asked = self._asked(note, messages.DESTROY_REQUEST, self._apps)
        name = _name(asked.text("key"))
        self._guard.require_trusted()
        over, now = last_use(name, self._party.calendar), self._guard.settled()
        if over is not None and now < over and not self._early.covers(name):
            raise NotReady(f"{name} is not due by this node's clock.")
        with locked_if_possible(self._ring.folder / LOCK):
            if self._ring.tombstone(name) is None:
                # SPEC ring.md §5: "of the last 100 days"
                young = self._gone_from() <= name.day <= self._party.calendar.day(now)
                if name not in self._ring.names() and not (young and name.purpose in _SERVED):
                    raise KeyMissing
                due = now if over is None else over
                self._ring.entomb(name, self._due.bare_record(name, self._party.calendar.day(due)))
            self._due.end(name)
            return [self._state_destroyed(name)] if self._leases_ended(name) else []

    # --- what it does by itself ---------------------------------------------------------------------------

    def purge(self) -> None:
        """Destroys what is due by this node's clock, and signs that. Raises `ClockUntrusted`, `NotReady`."""
        self._guard.tick()
        self._guard.require_trusted()
        with locked_if_possible(self._ring.folder / LOCK):
            failed = self._due.destroy(self._due.due(self._guard.settled()), self._due.bare_record)
            for name in self._ring.tombstones():
                if self._title(name) not in self._book and self._ring.is_gone(name) and self._leases_ended(name):
                    self._state_destroyed(name)
        if failed:
            raise NotReady(f"Keys that are due could not be destroyed ({', '.join(map(str, failed))}): see the disk.")

    def fill(self) -> None:
        """Fetches what the two other nodes both hold and this one does not: it was away, or its key of that name was
        never acknowledged. Where it has none, and the log names it, one that holds it is enough. Raises
        `ClockUntrusted`."""
        self._guard.require_trusted()
        own, states = self._live(), self._states()
        agreed = [key for key in _agreed(states) if own.get(key[0]) != key[1] and self._ring.tombstone(key[0]) is None]
        alone = self._held_by_one(states, own) if self._logged else {}
        stated = self._logged.read() if (agreed or alone) and self._logged else None
        self.contradicted = [key[0] for key in agreed if stated is not None and not self._is_stated(key, stated)]
        holders = {key: self._others[next(iter(states))] for key in agreed if key[0] not in self.contradicted}
        holders |= {key: peer for key, peer in alone.items() if stated and stated.get(key[0]) == key[1]}
        for (name, commitment), peer in holders.items():
            with locked(self._ring.folder / "make.lock"), suppress(KeyDestroyed, DayDestroyed, RequestInvalid):
                self._seconds(name)
                if name in own:
                    # Two hold another one, so ours was never acknowledged.
                    self._ring.discard(name)
                self._take(name, commitment, peer)

    def _held_by_one(self, states: States, own: Mapping[KeyName, str]) -> dict[tuple[KeyName, str], Peer]:
        """Keys that one other node holds, this one does not, and none has destroyed."""
        gone = {*self._ring.tombstones()}.union(*(over for _, over in states.values()))
        keys = [(key, self._others[node]) for node, (live, _) in states.items() for key in live.items()]
        both = {*_agreed(states)}
        return {key: peer for key, peer in keys if key not in both and key[0] not in own and key[0] not in gone}

    def _is_stated(self, key: tuple[KeyName, str], stated: Mapping[KeyName, str]) -> bool:
        """Whether the log agrees; of a key of these days it may not have heard yet."""
        name, commitment = key
        known = stated.get(name)
        # SPEC ring.md §5: "a key of a day before yesterday that was never logged"
        return known == commitment if known else name.day >= self._guard.today(self._party.calendar) - 1

    def overdue(self) -> list[str]:
        """Keys that should be destroyed by this node's clock."""
        return [str(name) for name in self._due.due(self._guard.settled()) if not self._ring.is_gone(name)]

    # --- how ----------------------------------------------------------------------------------------------

    def _asked(self, note: str, kind: StatementType, senders: Sequence[NoteVerifier]) -> RingQuestion:
        asked = self._calls.party.open_request(note, kind, senders)
        # SPEC ring.md §2: "differs by more than a minute"
        if abs(asked.time - self._party.now()) > messages.SKEW_SECONDS:
            raise ClockUntrusted("The clock of who asks differs from this node's by more than a minute: compare both.")
        return asked

    def _answer(self, asked: RingQuestion, kind: StatementType, values: Mapping[str, str | Sequence[str]]) -> str:
        head = {"service": self._service, "from": self._own.name, "to": asked.sender, "asked": asked.digest.hex()}
        return self._party.sign(kind, {**head, **values})

    def _wanted(self, line: str) -> tuple[KeyName, str]:
        word, _, use = line.partition(" ")
        name = _name(word)
        whole = use in (RAW, PUBLIC)
        if (not whole and use not in _SUBKEYS) or (whole and name.purpose in _SEALED_ONLY):
            raise NoteUntrusted("A day's key and the identity key are leased as sub-keys alone.")
        return name, use

    def _key(self, name: KeyName, use: str) -> bytes:
        """What is leased for that use; raises `NotReady` for a whole key of a day that is not near."""
        if use == PUBLIC:
            return self._ring.public_key(name)
        if use != RAW:
            return self._ring.subkey(name, _SUBKEYS[use])
        # SPEC ring.md §4: "from the beginning of the day before its own"
        if self._guard.now() + messages.SKEW_SECONDS < self._party.calendar.start(name.day - 1):
            raise NotReady("A key that signs or opens is leased from the day before its own.")
        return self._ring.use(name)

    def _seconds(self, name: KeyName) -> int:
        """For how long a key may be leased now; raises `KeyDestroyed` when it is over, its slot there or not."""
        over = last_use(name, self._party.calendar)
        # SPEC ring.md §4: "never past the moment at which the key is due"
        left = messages.LEASE_SECONDS if over is None else min(messages.LEASE_SECONDS, int(over - self._guard.now()))
        if left < 1 or self._has_ended(name):
            raise KeyDestroyed
        return left

    def _has_ended(self, name: KeyName) -> bool:
        """Whether it is destroyed, or officers ordered it: also of a key that this node never had, or could not end."""
        return self._ring.tombstone(name) is not None or self._early.covers(name)

    def _leases_ended(self, name: KeyName) -> bool:
        """Whether no app node can have a lease any more of a key that is destroyed: one that was due has none."""
        over, now = last_use(name, self._party.calendar), self._party.clock.boot()
        # SPEC ring.md §5: "a minute after it was destroyed"
        early = over is not None and self._guard.settled() < over
        return not early or now - self._unlent.setdefault(name, now) >= messages.LEASE_SECONDS

    def _check_ahead(self, name: KeyName) -> None:
        if name.day > self._guard.today(self._party.calendar) + DAYS_AHEAD:
            raise RequestInvalid(f"No key is made more than {DAYS_AHEAD} days ahead.")

    def _gone_from(self) -> int:
        return self._guard.today(self._party.calendar) - GONE_DAYS

    def _live(self) -> dict[KeyName, str]:
        found = {}
        for name in self._ring.names():
            with suppress(KeyMissing, KeyDestroyed):
                found[name] = self._ring.commitment(name)
        return found

    def _found_or_made(self, name: KeyName, stated: str) -> str:
        """The commitment of the key of that name: this node's, or that of one that another node has, or, where none was
        stated, a new one."""
        oldest = self._guard.floor(self._party.calendar)
        if self._has_ended(name):
            raise DayDestroyed
        stated = stated or self._logged_commitment(name)
        with suppress(KeyMissing):
            own = self._ring.commitment(name)
            if stated not in ("", own):
                raise KeyExists("This node holds another key of that name than the one that was stated.")
            return own
        states = self._states()
        # SPEC ring.md §3: "at least one other node has said that it has none"
        if not states:
            raise NotReady("No other node of the ring answers: whether one has this key is not known.")
        over = last_use(name, self._party.calendar)
        gone = [name in destroyed for _, destroyed in states.values()]
        # SPEC ring.md §3: "one node's word"
        if all(gone) or (any(gone) and (over is None or self._guard.now() >= over)):
            raise DayDestroyed
        for peer, (live, _) in states.items():
            if name in live and stated in ("", live[name]):
                self._take(name, live[name], self._others[peer])
                return live[name]
        # SPEC ring.md §3: "draws none"
        if stated:
            raise NotReady("A key of that name was stated, and no node that answers has it: no second one is drawn.")
        return self._ring.make(name, oldest=oldest)

    def _logged_commitment(self, name: KeyName) -> str:
        """What the log has for that key, or nothing. Raises `NotReady` where it cannot be read; a key of a day ahead,
        of which no code was used yet, is made all the same."""
        if self._logged is None:
            return ""
        try:
            return self._logged.read().get(name, "")
        except CheckinError as error:
            log.warning("log_not_read", why=error.code)
            if name.day > self._guard.today(self._party.calendar):
                return ""
            raise NotReady("Whether the log has a key of that name is not known: it cannot be read.") from None

    def _give(self, name: KeyName, commitment: str) -> Iterator[str]:
        """Offers it to the other nodes; yields what those that took it sign."""
        values = {"key": str(name), "commitment": commitment}
        for peer in self._others.values():
            try:
                yield from self._calls.ask(peer, messages.OFFER, values)[0]
            except CheckinError as error:
                log.warning("key_not_taken", key=str(name), node=peer.url, why=error.code)

    def _take(self, name: KeyName, commitment: str, peer: Peer) -> None:
        """Fetches a key under a one-use key that is in this process's memory for that long alone."""
        with suppress(KeyMissing):
            if self._ring.commitment(name) != commitment:
                raise KeyExists("This node holds another key of that name: two nodes drew one.")
            return
        self._check_ahead(name)
        if self._early.covers(name):
            raise DayDestroyed
        once = OpeningKey(random_bytes(32))
        kinds = (messages.PULL_REQUEST, messages.TRANSFER)
        values = {"key": str(name), "public": b64_encode(once.public)}
        answer, digest = self._calls.ask_one(peer, kinds, values)
        secret = messages.open_transfer(once, one(answer, "sealed"), asked=digest, commitment=commitment)
        with suppress(KeyExists):  # another request was faster; the caller compares what stands
            self._ring.hold(name, secret, oldest=self._guard.floor(self._party.calendar))

    def _states(self) -> States:
        """What each other node that answers holds, with commitments, and what it destroyed."""
        found = {}
        for node, peer in self._others.items():
            try:
                answer, _ = self._calls.ask_one(peer, (messages.STATE_REQUEST, messages.STATE), {})
                found[node] = read_state(many(answer, "live"), many(answer, "gone"))
            except CheckinError as error:
                log.warning("node_silent", node=peer.url, why=error.code)
        return found

    def _held(self, name: KeyName) -> str:
        values = {"service": self._service, "key": str(name), "commitment": self._ring.commitment(name)}
        return self._party.sign(messages.KEY_HELD, {**values, "node": self._own.name})

    def _state_destroyed(self, name: KeyName) -> str:
        """The statement about a destroyed key, made once."""
        if (known := self._book.get(self._title(name))) is not None:
            return known
        record, calendar = self._ring.tombstone(name) or {}, self._party.calendar
        values = {
            "service": self._service,
            "node": self._own.name,
            "key": str(name),
            "commitment": str(record.get("commitment", "-")),
            "due": str(record.get("due", "-")),
            "done": calendar.date(calendar.day(self._guard.settled())),
        }
        self._book.put(self._title(name), self._party.sign(messages.NODE_DESTROYED, values))
        return self._book.get(self._title(name)) or ""

    def _title(self, name: KeyName) -> str:
        return f"key-destroyed-{name.purpose.value}-{self._party.calendar.date(name.day)}"


def _agreed(states: States) -> list[tuple[KeyName, str]]:
    """Keys that both other nodes hold, one and the same."""
    lives = [live.items() for live, _ in states.values()]
    return sorted(lives[0] & lives[1]) if len(lives) == QUORUM else []


def _name(text: str) -> KeyName:
    try:
        return read_name(text)
    except ValueError:
        raise RequestInvalid("That is not the name of a key.") from None
