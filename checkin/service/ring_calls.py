"""Calls to the nodes of a key ring: a request signed by the caller, and an answer that is held against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from checkin.clock import Calendar, Clock
from checkin.errors import NoteMalformed, ServiceError
from checkin.http.asking import conform
from checkin.http.client import Client
from checkin.keys.key_ring import KeyName
from checkin.protocol import ring_messages as messages
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.key_list import read_commitment
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import random_bytes
from checkin.protocol.ring_messages import RingParty, request_digest
from checkin.protocol.statement import StatementType, Values, clock_value
from checkin.purge.statement_store import LAST_DAY
from checkin.service.settings import Peer

PATHS: Final = {
    messages.STATE_REQUEST: "/v1/ring/state",
    messages.LEASE_REQUEST: "/v1/ring/lease",
    messages.MAKE_REQUEST: "/v1/ring/make",
    messages.OFFER: "/v1/ring/offer",
    messages.PULL_REQUEST: "/v1/ring/pull",
    messages.DESTROY_REQUEST: "/v1/ring/destroy",
}
"""Where a node takes a request, by its kind."""
TIMEOUT_SECONDS: Final = 5.0


class RingNotes(BaseModel):
    """What a node answers: signed notes."""

    notes: list[str]


def post(url: str, path: str, body: dict[str, str]) -> Any:
    """The JSON answer; raises the `CheckinError` of the problem, or `Unreachable`."""
    with Client(url, timeout=TIMEOUT_SECONDS) as client:
        return client.post(path, body)


def read_name(text: str) -> KeyName:
    """The name of a key as another party wrote it; `ValueError` also for a day that no calendar reaches."""
    name = KeyName.parse(text)
    if name.day > LAST_DAY:
        raise ValueError("a day beyond all days")
    return name


def read_state(live: Sequence[str], gone: Sequence[str]) -> tuple[dict[KeyName, str], set[KeyName]]:
    """What a node's state says: keys with their commitments, and which are destroyed. Raises `NoteMalformed`."""
    pairs = [line.partition(" ") for line in live]
    try:
        held = {read_name(word): read_commitment(text) for word, _, text in pairs}
        return held, {read_name(word) for word in gone}
    except ValueError:
        raise NoteMalformed("A ring node told of something that is not the name of a key.") from None


class RingCalls:
    """Calls of one party, an app node or a ring node, to the nodes of one service's ring."""

    def __init__(self, signer: NoteSigner, service: str, clock: Clock, calendar: Calendar) -> None:
        self.party = RingParty(signer.name, service, clock.simulated)
        self._signer, self._clock, self._calendar = signer, clock, calendar

    def ask(
        self, peer: Peer, kind: StatementType, values: Mapping[str, str | Sequence[str]]
    ) -> tuple[list[str], bytes]:
        """The notes that the node answered with, not opened yet, and the hash of the request; raises as `post`."""
        text = kind.write(
            {
                "service": self.party.service,
                "from": self.party.name,
                "to": peer.verifier.name,
                "time": self._calendar.rfc3339(self._clock.now()),
                "nonce": b64url_encode(random_bytes(16)),
                **values,
                **clock_value(simulated=self._clock.simulated),
            }
        )
        answer = post(peer.url, PATHS[kind], {"note": sign_note(text, self._signer)})
        return conform(RingNotes, answer).notes, request_digest(text)

    @staticmethod
    def hand_on(peer: Peer, note: str) -> None:
        """What officers signed about keys that are to be destroyed, to a node that holds them; raises as `post`."""
        post(peer.url, PATHS[messages.DESTROY_REQUEST], {"note": note})

    def ask_one(
        self, peer: Peer, kinds: tuple[StatementType, StatementType], values: Mapping[str, str | Sequence[str]]
    ) -> tuple[Values, bytes]:
        """As `ask`, for one note of the second kind, opened: its values."""
        notes, digest = self.ask(peer, kinds[0], values)
        if len(notes) != 1:
            raise ServiceError("The ring node's answer is not one note.")
        return self.party.open_reply(notes[0], kinds[1], peer.verifier, digest), digest
