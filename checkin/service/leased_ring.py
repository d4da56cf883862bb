"""The keys of a service that has a ring of three nodes: leased from them for a minute at a time (docs/spec/ring.md §4).

    keys/NAME.tombstone    what the report about a key that was due will say, as on one machine
    keys/ring/*.txt        what nodes signed: that they hold a key, that they destroyed it
    keys/ring/NAME.json    what the tombstone of a closed day will say
    keys/ring/nodes.json   every node there ever was; of one that is there no more, the keys that it may have

There are no slots here and no master key. A lease is measured on the boot clock from before it was requested, so no
setting of a clock makes it longer.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from checkin.clock import DATES, RETENTION_DAYS, STOPWATCH, Calendar, Clock
from checkin.errors import (
    CheckinError,
    DayDestroyed,
    KeyDestroyed,
    KeyMissing,
    NoteUntrusted,
    NotReady,
    ServiceError,
    SettingsInvalid,
    Unreachable,
)
from checkin.files.durable import create_file, replace_file
from checkin.keys.key_ring import KeyName, Purpose
from checkin.keys.secret_file import read_secret
from checkin.keys.slots import SlotFolder
from checkin.protocol import ring_messages as messages
from checkin.protocol.encoding import b64_encode
from checkin.protocol.key_list import read_commitment
from checkin.protocol.note import NoteSigner, open_note, unverified_text
from checkin.protocol.primitives import Label, OpeningKey, SigningKey, random_bytes, sha256
from checkin.protocol.ring_messages import GONE_DAYS, LEASE_SECONDS, PUBLIC, QUORUM, RAW
from checkin.protocol.statement import CLOCK, StatementType, Values, many, one
from checkin.purge.due_keys import last_use
from checkin.purge.inventory import RingNodeStatus
from checkin.purge.statement_store import KEY_MADE, StatementFolder, StatementStore, destroyed_name, made_name
from checkin.service.ring_calls import RingCalls, read_name, read_state
from checkin.service.settings import Peer, RingUse, ServiceSettings

STATE_SECONDS = 2.0
"""What the nodes said of their keys is believed for so long."""
SILENT_SECONDS = 10.0
"""A node that did not answer is not queried for so long."""
_NO_MAGIC: Final = b"ck1/none"  # of slots: there are none, the folder has tombstones alone
_NO_GRAVE_NEEDED: Final = (Purpose.IDENTITY,)
_ALWAYS: Final = "9999-12-31"
log = structlog.get_logger()

State = tuple[dict[KeyName, str], set[KeyName]]
"""Which keys a node holds, with their commitments, and which it destroyed."""
Titles = set[str] | StatementFolder
"""Of what nodes signed: listed once for many keys, or looked up for one."""


@dataclass(repr=False)
class _Lease:
    """A key until a moment of the boot clock; `used` since it was last renewed."""

    key: bytes
    until: float = 0.0
    used: bool = True
    signing: SigningKey | None = None
    opening: OpeningKey | None = None


class StatedRing:
    """What a service's own statements say of its ring, whichever of its machines made them (docs/spec/ring.md §5), read
    from the book that they share; each method raises as that book does."""

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
        lists = [messages.RING_MEMBERS.read(unverified_text(note)) for _, note in self._book.all("ring-members-")]
        ends = [one(values, "since") for values in lists[1:]] + [_ALWAYS]
        last = {vkey: end for values, end in zip(lists, ends, strict=False) for vkey in many(values, "member")}
        if gone := last.keys() - set(known):
            made = self._book.get(made_name(name))
            since = one(KEY_MADE.read(unverified_text(made)), "day") if made else ""
            yield from sorted(vkey for vkey in gone if last[vkey] >= since)

    def held(self, title: str) -> str | None:
        """The commitment of the key that a node signed it holds, in the statement of that title."""
        note = self._book.get(title)
        return one(messages.KEY_HELD.read(unverified_text(note)), "commitment") if note else None


class LeasedRing:
    """One per process; the interface is `ServiceKeys`. Processes of a service share its folder."""

    def __init__(self, settings: ServiceSettings, ring: RingUse, clock: Clock, calendar: Calendar) -> None:
        """Raises `SettingsInvalid` where the folder has keys of its own."""
        if any(settings.keys.glob("*.slot")):
            raise SettingsInvalid(
                f"There are keys in {settings.keys}, and the settings name a ring: leave `ring` out, or begin a new "
                "service."
            )
        self.folder = settings.keys
        self._graves = SlotFolder(self.folder, _NO_MAGIC, 1, allow_unfit=True)
        self.notes = StatementFolder(self.folder / "ring")
        self.stated = StatedRing(self.notes)
        """The service's statements, those of its other machines too once its book is open (`VaultFolder` sets it)."""
        self.nodes = {peer.verifier.name: peer for peer in ring.nodes}
        self._verifiers, self._vkeys = [peer.verifier for peer in ring.nodes], [peer.vkey for peer in ring.nodes]
        self._service, self._clock, self._calendar = settings.name, clock, calendar
        signer = NoteSigner(ring.name, SigningKey(read_secret(ring.key)))
        self._calls = RingCalls(signer, settings.name, clock, calendar)
        self._lock, self._looking = threading.RLock(), threading.Lock()
        self._leases: dict[tuple[KeyName, str], _Lease] = {}
        self._commitments: dict[KeyName, str] = {}
        self._seen: tuple[float, dict[str, State]] | None = None
        self._silent: dict[str, float] = {}
        self._timer: threading.Timer | None = None
        self._nodes_file = self.folder / "ring" / "nodes.json"
        self._former: dict[str, list[str] | None] = _read_nodes(self._nodes_file)

    # --- use ----------------------------------------------------------------------------------------------

    def use(self, name: KeyName) -> bytes:
        """The key, 32 bytes; a node gives none of a day's vault or of identities, and others from the day before on.
        Raises `KeyMissing`, `KeyDestroyed`, `ClockUntrusted` where the nodes' clocks are others, `NotReady` where none
        answers."""
        return self._lease(name, RAW).key

    def subkey(self, name: KeyName, label: Label) -> bytes:
        return self._lease(name, label.value.decode()).key

    def signing_key(self, name: KeyName) -> SigningKey:
        lease = self._lease(name, RAW)
        lease.signing = lease.signing or SigningKey(lease.key)
        return lease.signing

    def opening_key(self, name: KeyName) -> OpeningKey:
        lease = self._lease(name, RAW)
        lease.opening = lease.opening or OpeningKey(lease.key)
        return lease.opening

    def public_key(self, name: KeyName) -> bytes:
        """The public half of a key that signs or opens, 32 bytes, also for days ahead; as `use`."""
        return self._lease(name, PUBLIC).key

    def renew(self) -> None:
        """Renews the leases that were used since the last time; the rest expires. Raises as `use`, and then what is
        held stays until it expires."""
        with self._lock:
            self._drop()
            wanted = [place for place, lease in self._leases.items() if lease.used]
            if wanted:
                with suppress(KeyDestroyed):  # all of it is over
                    self._fetch(wanted)
                for place in self._leases.keys() & set(wanted):
                    self._leases[place].used = False

    def _lease(self, name: KeyName, use: str) -> _Lease:
        over = last_use(name, self._calendar)
        lease = self._leases.get((name, use))
        if lease is None or self._clock.boot() >= lease.until or (over is not None and self._clock.now() >= over):
            with self._lock:
                self._drop()
                if over is not None and self._clock.now() >= over:
                    raise KeyDestroyed
                lease = self._leases.get((name, use)) or self._fetch([(name, use)])
        lease.used = True
        return lease

    def _fetch(self, wanted: list[tuple[KeyName, str]]) -> _Lease:
        """Leases from the first node that gives any; the last of them."""
        refused: CheckinError = NotReady("No node of the key ring answers: look at them, and at the way there.")
        for peer in self._answering():
            try:
                found = self._fetch_from(peer, wanted)
            except Unreachable:
                self._silent[peer.url] = STOPWATCH.boot()
            except CheckinError as error:
                refused = error
            else:
                self._leases |= found
                self._arm()
                return next(reversed(found.values()))
        raise self._signed(wanted[-1][0], refused)

    def _signed(self, name: KeyName, refused: CheckinError) -> CheckinError:
        """The error for a key that no node leases. That it is missing or destroyed closes an account or a scan for
        good, and a refusal has no signature: what nodes sign of their keys decides."""
        if not isinstance(refused, KeyMissing | KeyDestroyed):
            return refused
        states = self.states()
        # SPEC ring.md §4: "only where two signed that it is destroyed"
        if sum(name in gone for _, gone in states.values()) >= QUORUM:
            return KeyDestroyed()
        known = any(name in live or name in gone for live, gone in states.values())
        if len(states) == len(self.nodes) and not known:
            return KeyMissing()
        return NotReady("Too few nodes of the key ring answer to know whether the key is there.")

    def _fetch_from(self, peer: Peer, wanted: list[tuple[KeyName, str]]) -> dict[tuple[KeyName, str], _Lease]:
        begun, once = self._clock.boot(), OpeningKey(random_bytes(32))
        values = {"public": b64_encode(once.public), "lease": [f"{name} {use}" for name, use in wanted]}
        answer, asked = self._calls.ask_one(peer, (messages.LEASE_REQUEST, messages.LEASES), values)
        lines = many(answer, "lease")
        found = {}
        for line, key in zip(lines, messages.open_leases(once, lines, one(answer, "sealed"), asked=asked), strict=True):
            name, use, commitment, seconds = _read_lease(line)
            # SPEC ring.md §4: "the key that two nodes hold"
            if (name, use) not in wanted or commitment != self._known_commitment(name):
                raise NoteUntrusted("The ring node leases another key than the one that was asked for.")
            lease = self._leases.get((name, use))
            if lease is None or lease.key != key:
                lease = _Lease(key)
            lease.until = begun + min(seconds, LEASE_SECONDS)
            found[name, use] = lease
        if not found:
            raise KeyMissing
        return found

    def _drop(self) -> None:
        """Forgets what is over, and comes back when the next is."""
        with self._lock:
            now = self._clock.boot()
            self._leases = {place: lease for place, lease in self._leases.items() if now < lease.until}
            self._arm()

    def _arm(self) -> None:
        # SPEC ring.md §4: "drops it at its end, whether or not anybody asks"
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._leases:
            left = min(lease.until for lease in self._leases.values()) - self._clock.boot()
            self._timer = threading.Timer(max(0.05, left), self._drop)
            self._timer.daemon = True
            self._timer.start()

    # --- make and know --------------------------------------------------------------------------------------

    def ensure(self, name: KeyName, *, oldest: int, stated: str = "") -> str:
        """The commitment of the key that two nodes hold, made now if there is none and none was `stated`. Raises
        `DayDestroyed`, `NotReady`."""
        if name.day < oldest or self.tombstone(name) is not None:
            raise DayDestroyed
        try:
            commitment = self.commitment(name)
        except KeyDestroyed:
            raise DayDestroyed from None
        except (KeyMissing, NotReady):  # a key that one node holds is given to the others then
            return self._make(name, stated)
        if sum(self._held(name, peer.vkey) in self.notes for peer in self.nodes.values()) < QUORUM:
            with suppress(NotReady):  # an answer was lost; two said so in their state, and the maker may be away
                self._make(name, commitment)
        return commitment

    def commitment(self, name: KeyName) -> str:
        """That of the key of which two nodes say that they hold it; 64 hex digits. Raises `KeyMissing`, `KeyDestroyed`,
        `NotReady`."""
        states = self.states()
        if self.tombstone(name) is not None:
            raise KeyDestroyed
        held = [live[name] for live, _ in states.values() if name in live]
        for commitment in held:
            if held.count(commitment) >= QUORUM:
                self._commitments[name] = commitment
                return commitment
        if any(name in gone for _, gone in states.values()):
            raise KeyDestroyed
        if held and len(states) < len(self.nodes):
            if (known := self._commitments.get(name)) in held:
                return known  # two said so before, and it never changes
            raise NotReady("Too few nodes of the key ring answer to know which key is the right one.")
        raise KeyMissing

    def _known_commitment(self, name: KeyName) -> str:
        with suppress(KeyMissing):
            return self._commitments.get(name) or self.commitment(name)
        self.forget()  # another process had it made a moment ago
        return self.commitment(name)

    def _make(self, name: KeyName, stated: str) -> str:
        values = {"key": str(name), "commitment": stated} if stated else {"key": str(name)}
        failed = ["no node answers"]
        for peer in self._answering():
            try:
                notes, _ = self._calls.ask(peer, messages.MAKE_REQUEST, values)
                commitment = self._witnessed(name, notes)
                if stated not in ("", commitment):
                    raise ServiceError("The nodes hold another key than the one that was stated.")
            except DayDestroyed:
                raise
            except CheckinError as error:
                failed.append(f"{error.code}: {error.detail}")
                if isinstance(error, Unreachable):
                    self._silent[peer.url] = STOPWATCH.boot()
            else:
                self._commitments[name] = commitment
                self.forget()
                return commitment
        raise NotReady(f"The key ring made no key {name} ({failed[-1]})")

    def _witnessed(self, name: KeyName, notes: Iterable[str]) -> str:
        """The commitment that enough nodes signed; what they signed is kept."""
        held: dict[str, str] = {}
        for note in notes:
            values = self._open(note, messages.KEY_HELD, name)
            node = self.nodes[one(values, "node")]
            held[node.vkey] = read_commitment(one(values, "commitment"))
            self.notes.put(self._held(name, node.vkey), note)
        if len(held) < QUORUM or len({*held.values()}) != 1:
            raise ServiceError("Fewer than two nodes signed that they hold the key, or they hold different ones.")
        return next(iter(held.values()))

    def _open(self, note: str, kind: StatementType, name: KeyName) -> Values:
        """What a node states about a key; raises `NoteMalformed`, `NoteUntrusted`."""
        opened = open_note(note, self._verifiers)
        values = kind.read(opened.text)
        said = (one(values, "service"), one(values, "key"), CLOCK.name in values)
        if one(values, "node") not in opened.names or said != (self._service, str(name), self._clock.simulated):
            raise NoteUntrusted("The node's statement is about something else, or not its own.")
        return values

    def names(self, purpose: Purpose | None = None) -> list[KeyName]:
        """Keys that a node holds; that are destroyed and have no tombstone here yet; or that a node has not yet signed
        to have destroyed."""
        states = self.states()
        graves = self.tombstones(purpose)
        gone = {name for _, over in states.values() for name in over if name.purpose not in _NO_GRAVE_NEEDED}
        said = set(self.notes.names()) if purpose is None else self.notes
        awaited = {name for name in graves if self._is_awaited(name, said)}
        found = self._live(states) | (gone - set(graves)) | awaited
        return sorted(name for name in found if purpose in (None, name.purpose))

    def _live(self, states: Mapping[str, State]) -> set[KeyName]:
        """Keys that a node holds. The newest identity key is the one in use: it is one that two nodes hold or that was
        stated, be it since the nodes were queried or where none that holds it answers."""
        held = [name for live, _ in states.values() for name in live]
        identities = {name for name in held if name.purpose is Purpose.IDENTITY}
        sure = {name for name in identities if held.count(name) >= QUORUM or made_name(name) in self.stated}
        if sure:
            first, today = max(sure).day + RETENTION_DAYS, self._calendar.day(self._clock.now())
            newer = (KeyName(Purpose.IDENTITY, day) for day in range(first, today + 2))
            sure |= {name for name in newer if made_name(name) in self.stated and self.tombstone(name) is None}
        identities = {name for name in identities if sure and name < max(sure)}
        return {name for name in held if name.purpose is not Purpose.IDENTITY} | sure | identities

    # --- destroy --------------------------------------------------------------------------------------------

    def remember(self, name: KeyName, record: Callable[[], Mapping[str, str | int]]) -> None:
        """Writes down what the tombstone will say, once: when the day is due no node lends the key that opens it."""
        if not self._will(name).exists() and self.tombstone(name) is None:
            create_file(self._will(name), json.dumps(dict(record())).encode())

    def entomb(self, name: KeyName, record: Mapping[str, str | int]) -> None:
        """Durably, before `destroy`; what `remember` wrote down goes first. The first record stays, without secrets."""
        with suppress(OSError, ValueError):
            record = json.loads(self._will(name).read_bytes())
        self._graves.entomb(str(name), record)
        self._will(name).unlink(missing_ok=True)

    def tombstone(self, name: KeyName) -> dict[str, str | int] | None:
        return self._graves.tombstone(str(name))

    def tombstones(self, purpose: Purpose | None = None) -> list[KeyName]:
        """All that were entombed here, sorted; of one purpose at a fraction of the cost, for every batch."""
        begin = "" if purpose is None else f"{purpose.value}-"
        return sorted(KeyName.parse(text) for text in self._graves.tombstones() if text.startswith(begin))

    def overwritten(self, name: KeyName) -> bool:
        """Whether each node signed that it overwrote the key."""
        return self.tombstone(name) is not None and not self.missing(name)

    def is_gone(self, name: KeyName) -> bool:
        """Whether it is entombed here, and no node that answers holds it."""
        return self.tombstone(name) is not None and not any(name in live for live, _ in self.states().values())

    def missing(self, name: KeyName) -> list[str]:
        """Nodes that have not signed yet that they destroyed a key that is entombed, those included that this machine
        knows from the service's statements alone. Raises `NotReady` where these cannot be read."""
        if self.tombstone(name) is None or self.is_over(name):
            return []
        away = self._missing(name, self.notes)
        if not self.stated.has_ended(name):
            known = {*self._former, *self._vkeys}
            former = ((vkey, _lost(vkey)) for vkey in self.stated.former(name, known))
            away += [vkey for vkey, lost in former if lost not in self.notes and lost not in self.stated]
        left = [vkey for vkey in away if self._destroyed(name, vkey) not in self.stated]
        return list(dict.fromkeys(vkey.partition("+")[0] for vkey in left))

    def _is_awaited(self, name: KeyName, said: Titles) -> bool:
        try:
            return bool(self._missing(name, said)) and not self.is_over(name)
        except (CheckinError, OSError):
            return False  # of a key of long ago: what is due now must go, statements or not

    def is_over(self, name: KeyName) -> bool:
        """Whether no node is queried about a key any more: it is long over, and that is stated. Raises as `missing`."""
        floor = self._calendar.day(self._clock.now()) - GONE_DAYS
        return name.day < floor and (name.purpose in _NO_GRAVE_NEEDED or self.stated.has_ended(name))

    def lost(self, vkey: str, note: str) -> None:
        """Keeps what officers stated (verified by the caller): this node is lost with its volume, and not awaited."""
        self.notes.put(_lost(vkey), note)

    def hand_on(self, note: str) -> None:
        """Sends what officers signed to each node that answers: it lends the keys no more. The others get it later."""
        for peer in self._answering():
            try:
                self._calls.hand_on(peer, note)
            except CheckinError as error:
                log.warning("early_destruction_refused", node=peer.url, why=error.code)
        self.forget()

    def destroy(self, name: KeyName) -> None:
        """Drops the leases here, has each node destroy the key, and keeps what they sign; a silent one is asked again
        in the next round. Raises `ValueError` without a tombstone, `NotReady` where a node refuses."""
        if self.tombstone(name) is None:
            raise ValueError("a tombstone comes before destroying")
        with self._lock:
            self._leases = {place: lease for place, lease in self._leases.items() if place[0] != name}
        refused, missing = "", self._missing(name, self.notes)
        for node, peer in self.nodes.items():  # of one that is here no more officers have to say that it is lost
            if peer.vkey not in missing or peer not in self._answering():
                continue
            try:
                self._destroy_at(peer, name)
            except Unreachable:
                self._silent[peer.url] = STOPWATCH.boot()
            except CheckinError as error:
                refused = f"{node}: {error.code}, {error.detail}"
        self.forget()
        if refused:
            raise NotReady(f"A node of the key ring did not destroy {name} ({refused})")

    def _destroy_at(self, peer: Peer, name: KeyName) -> None:
        for note in self._calls.ask(peer, messages.DESTROY_REQUEST, {"key": str(name)})[0]:
            values = self._open(note, messages.NODE_DESTROYED, name)
            title, gone = self._held(name, peer.vkey), one(values, "commitment")
            # SPEC ring.md §5: "A node that signed that it holds the key"
            held = StatedRing(self.notes).held(title) or self.stated.held(title) or gone
            if one(values, "node") == peer.verifier.name and gone == held:
                self.notes.put(self._destroyed(name, peer.vkey), note)
            else:
                log.warning("ring_node_destroyed_another_key", node=peer.url, key=str(name))

    def _will(self, name: KeyName) -> Path:
        return self.folder / "ring" / f"{name}.json"

    def _missing(self, name: KeyName, said: Titles) -> list[str]:
        """Verifier keys of nodes that have not said that they destroyed it: a node with a new one is another node."""
        former = [
            vkey
            for vkey, keys in self._former.items()
            if vkey not in self._vkeys and (keys is None or str(name) in keys) and _lost(vkey) not in said
        ]
        return [vkey for vkey in self._vkeys + former if self._destroyed(name, vkey) not in said]

    def _held(self, name: KeyName, vkey: str) -> str:
        return f"ring-held-{name.purpose.value}-{DATES.date(name.day)}-{_mark(vkey)}"

    def _destroyed(self, name: KeyName, vkey: str) -> str:
        return f"ring-destroyed-{name.purpose.value}-{DATES.date(name.day)}-{_mark(vkey)}"

    # --- the nodes --------------------------------------------------------------------------------------------

    def states(self) -> dict[str, State]:
        """What each node that answers holds and destroyed, as of a moment ago. Raises `NotReady` if none answers."""
        with self._looking:
            if self._seen is None or STOPWATCH.boot() - self._seen[0] >= STATE_SECONDS:
                found = {}
                for peer in self._answering():
                    with suppress(CheckinError):
                        found[peer.verifier.name] = self._state(peer)
                self._seen = (STOPWATCH.boot(), found)
                if found:
                    self._note_nodes(found)
            states = self._seen[1]
        if not states:
            raise NotReady("No node of the key ring answers: look at them, and at the way there.")
        return states

    def status(self) -> list[RingNodeStatus]:
        """Each node's, those that do not answer included."""
        try:
            states = self.states()
        except NotReady:
            states = {}
        now, said, graves = self._clock.now(), self.notes.names(), self.tombstones()
        floor = self._calendar.day(now) - GONE_DAYS
        found = []
        for node, peer in self.nodes.items():
            live = states[node][0] if node in states else {}
            over = {name: last_use(name, self._calendar) for name in sorted(live)}
            ours = {title for title in said if title.endswith(_mark(peer.vkey))}
            found.append(
                RingNodeStatus(
                    node=node,
                    answers=node in states,
                    held=len(live),
                    due=[str(name) for name, end in over.items() if end is not None and end <= now],
                    destroyed=sum(title.startswith("ring-destroyed-") for title in ours),
                    awaited=[str(n) for n in graves if n.day >= floor and self._destroyed(n, peer.vkey) not in ours],
                )
            )
        return found

    def forget(self) -> None:
        """What the nodes said is old."""
        self._seen = None

    def _state(self, peer: Peer) -> State:
        try:
            answer, _ = self._calls.ask_one(peer, (messages.STATE_REQUEST, messages.STATE), {})
        except CheckinError as error:
            self._silent[peer.url] = STOPWATCH.boot()
            log.warning("ring_node_silent", node=peer.url, why=error.code)
            raise
        return read_state(many(answer, "live"), many(answer, "gone"))

    def _note_nodes(self, states: Mapping[str, State]) -> None:
        """Which nodes there are; of one that the settings name no more, which keys it may have: all that are there, and
        those that it has not said to have destroyed. Until those that stayed have all answered, it may have any."""
        stayed = {node for node, peer in self.nodes.items() if peer.vkey in self._former}
        known: dict[str, list[str] | None] = dict.fromkeys(sorted(self._vkeys))
        for vkey in self._former.keys() - set(self._vkeys):
            former = self._former[vkey]
            known[vkey] = self._held_or_awaited(states) if former is None and stayed <= states.keys() else former
        if known != self._former:
            replace_file(self._nodes_file, json.dumps(known).encode())
            self._former = known

    def _held_or_awaited(self, states: Mapping[str, State]) -> list[str]:
        said = set(self.notes.names())
        may = {name for live, _ in states.values() for name in live}
        return sorted(map(str, may | {name for name in self.tombstones() if self._missing(name, said)}))

    def _answering(self) -> list[Peer]:
        """The nodes but those that were silent a moment ago."""
        now = STOPWATCH.boot()
        return [p for p in self.nodes.values() if now - self._silent.get(p.url, -SILENT_SECONDS) >= SILENT_SECONDS]


def _mark(vkey: str) -> str:
    return sha256(vkey.encode())[:8].hex()


def _lost(vkey: str) -> str:
    return f"ring-lost-{_mark(vkey)}"


def _read_nodes(path: Path) -> dict[str, list[str] | None]:
    """Verifier key → the keys that a former node may have, None for any, as of one that is there; `SettingsInvalid`."""
    try:
        known: dict[str, list[str] | None] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise SettingsInvalid(f"{path} is damaged: which nodes the key ring had is not known without it.") from None
    return known


def _read_lease(line: str) -> tuple[KeyName, str, str, int]:
    """Name, use, commitment and seconds; raises `NoteUntrusted`."""
    try:
        word, use, commitment, seconds = line.split(" ")
        return read_name(word), use, commitment, int(seconds)
    except ValueError:
        raise NoteUntrusted("The ring node leases something that is no key.") from None
