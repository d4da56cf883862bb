"""Messages between the nodes of a key ring and its app nodes, and statements about nodes (docs/spec/ring.md).

Every message is a signed note. A request names sender, receiver and time; an answer names the request by its hash. Keys
are in none of them but sealed to a one-use key that the sender made for that request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from checkin.clock import parse_rfc3339
from checkin.errors import NoteMalformed, NoteUntrusted, SealBroken
from checkin.protocol.encoding import b64_decode, b64_encode
from checkin.protocol.note import NoteVerifier, open_note
from checkin.protocol.primitives import Label, OpeningKey, SealingKey, commit, sha256
from checkin.protocol.statement import CLOCK, Field, StatementType, Values, one

QUORUM: Final = 2
"""So many of the three nodes hold a key before it is used."""
GONE_DAYS: Final = 100
"""For so many days a node states of a key that it is destroyed."""
LEASE_SECONDS: Final = 60
SKEW_SECONDS: Final = 60
"""By how much the clocks of sender and receiver may differ."""
RAW: Final = "raw"
"""The use of a key that is leased itself, and no sub-key of it."""
PUBLIC: Final = "public"
"""The use of such a key that is to be listed: its public half."""
SALT_SIZE: Final = 16
SECRET_SIZE: Final = SALT_SIZE + 32  # salt, key

_ASK: Final = ("service", "from", "to", "time", "nonce")
_TOLD: Final = ("service", "from", "to", "asked")
STATE_REQUEST: Final = StatementType("checkin/ring-state-request/v1", *_ASK, CLOCK)
STATE: Final = StatementType(
    "checkin/ring-state/v1",
    *_TOLD,
    Field("live", repeated=True, optional=True),
    Field("gone", repeated=True, optional=True),
    CLOCK,
)
LEASE_REQUEST: Final = StatementType(
    "checkin/ring-lease-request/v1", *_ASK, "public", Field("lease", repeated=True), CLOCK
)
LEASES: Final = StatementType("checkin/ring-leases/v1", *_TOLD, Field("lease", repeated=True), "sealed", CLOCK)
MAKE_REQUEST: Final = StatementType(
    "checkin/ring-make-request/v1", *_ASK, "key", Field("commitment", optional=True), CLOCK
)
OFFER: Final = StatementType("checkin/ring-offer/v1", *_ASK, "key", "commitment", CLOCK)
PULL_REQUEST: Final = StatementType("checkin/ring-pull-request/v1", *_ASK, "key", "public", CLOCK)
TRANSFER: Final = StatementType("checkin/ring-transfer/v1", *_TOLD, "key", "commitment", "sealed", CLOCK)
DESTROY_REQUEST: Final = StatementType("checkin/ring-destroy-request/v1", *_ASK, "key", CLOCK)

KEY_HELD: Final = StatementType("checkin/key-held/v1", "service", "key", "commitment", "node", CLOCK)
NODE_DESTROYED: Final = StatementType(
    "checkin/key-destroyed/v2", "service", "node", "key", "commitment", "due", "done", CLOCK
)
RING_MEMBERS: Final = StatementType(
    "checkin/ring-members/v1", "service", "since", Field("member", repeated=True), CLOCK
)
KEY_AWAITED: Final = StatementType(
    "checkin/key-awaited/v1", "service", "key", "due", "signed", Field("missing", repeated=True), "day", CLOCK
)
NODE_LOST: Final = StatementType("checkin/ring-node-lost/v1", "authority", "service", "node", "day", CLOCK)
RING_KINDS: Final = (KEY_HELD, NODE_DESTROYED, RING_MEMBERS, KEY_AWAITED, NODE_LOST)
"""What is stated for good; everything else is a message."""


@dataclass(frozen=True)
class RingQuestion:
    """A verified request: its sender, the time by the sender's clock (unix seconds), its fields, its text's hash."""

    sender: str
    time: float
    values: Values
    digest: bytes

    def text(self, name: str) -> str:
        return one(self.values, name)


def request_digest(text: str) -> bytes:
    """What an answer names its request by, and what binds a seal to it: SHA-256 of the request's text."""
    return sha256(text.encode())


@dataclass(frozen=True)
class RingParty:
    """The reader of a message: a node or app node by its `name`, for one service's keys, under one kind of clock."""

    name: str
    service: str
    simulated: bool

    def open_request(self, note: str, kind: StatementType, senders: Iterable[NoteVerifier]) -> RingQuestion:
        """Raises `NoteMalformed`, or `NoteUntrusted` for one of an unknown sender, to another node, of another service
        or of the other kind of clock. How old it is the caller judges."""
        opened = open_note(note, list(senders))
        values = kind.read(opened.text)
        if one(values, "from") not in opened.names:
            raise NoteUntrusted("The request was signed by another party than the one that it names.")
        self._check_ends(values)
        try:
            time = parse_rfc3339(one(values, "time"))
        except ValueError:
            raise NoteMalformed("The time of a request is written as RFC 3339 has it.") from None
        return RingQuestion(one(values, "from"), time, values, request_digest(opened.text))

    def open_reply(self, note: str, kind: StatementType, node: NoteVerifier, asked: bytes) -> Values:
        """The values of that node's answer to the request of this hash; raises as `open_request`."""
        values = kind.read(open_note(note, [node]).text)
        self._check_ends(values)
        if one(values, "from") != node.name or one(values, "asked") != asked.hex():
            raise NoteUntrusted("The note is not this node's answer to this question.")
        return values

    def _check_ends(self, values: Values) -> None:
        if one(values, "service") != self.service or one(values, "to") != self.name:
            raise NoteUntrusted("The note is for another node, or about another service.")
        if (CLOCK.name in values) != self.simulated:
            raise NoteUntrusted("Real and simulated time do not mix: the note was made under the other one.")


def seal_transfer(to: SealingKey, secret: bytes, *, asked: bytes, commitment: str) -> str:
    """Salt and key (48 bytes) for the node that requested them; base64."""
    return b64_encode(to.seal(secret, Label.RING_TRANSFER + asked + bytes.fromhex(commitment)))


def open_transfer(key: OpeningKey, sealed: str, *, asked: bytes, commitment: str) -> bytes:
    """Salt and key, those of that commitment; raises `SealBroken`."""
    secret = key.open(_decoded(sealed), Label.RING_TRANSFER + asked + bytes.fromhex(commitment))
    if len(secret) != SECRET_SIZE or commit(secret[:SALT_SIZE], secret[SALT_SIZE:]) != commitment:
        raise SealBroken("The key that came is not the one that was committed to.")
    return secret


def seal_leases(to: SealingKey, lines: Sequence[str], keys: Sequence[bytes], *, asked: bytes) -> str:
    """One key of 32 bytes a line, in their order; base64."""
    return b64_encode(to.seal(b"".join(keys), _lease_info(asked, lines)))


def open_leases(key: OpeningKey, lines: Sequence[str], sealed: str, *, asked: bytes) -> list[bytes]:
    """Inverse of `seal_leases`; raises `SealBroken`, also where a line was changed."""
    keys = key.open(_decoded(sealed), _lease_info(asked, lines))
    if len(keys) != 32 * len(lines):
        raise SealBroken
    return [keys[at : at + 32] for at in range(0, len(keys), 32)]


def _lease_info(asked: bytes, lines: Sequence[str]) -> bytes:
    return Label.RING_LEASE + asked + sha256("\n".join(lines).encode())


def _decoded(sealed: str) -> bytes:
    try:
        return b64_decode(sealed)
    except ValueError:
        raise NoteMalformed("What is sealed is written in base64.") from None
