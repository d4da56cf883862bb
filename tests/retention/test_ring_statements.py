"""What the log takes of the nodes of a service's key ring, and how a stranger reads it there."""

from __future__ import annotations

import httpx
import pytest

from checkin.audit.log_entry import read_entry
from checkin.protocol.note import NoteSigner, add_signature, open_note, sign_note, split_note
from checkin.protocol.primitives import SigningKey
from checkin.protocol.ring_messages import KEY_HELD, NODE_DESTROYED, RING_MEMBERS
from checkin.protocol.statement import StatementType
from tests.retention.world import TOKEN, Retention, Service
from tests.support.house import CALENDAR, DAY

BEARER = {"Authorization": f"Bearer {TOKEN}"}
NODES = [NoteSigner(f"{letter}.ring.registry.example", SigningKey(letter.encode() * 32)) for letter in "abc"]
HELD = {"key": f"day-{DAY}", "commitment": "ab" * 32}
GONE = {**HELD, "due": CALENDAR.date(DAY), "done": CALENDAR.date(DAY)}


def members(service: Service) -> str:
    values = {"service": service.name, "since": CALENDAR.date(DAY), "clock": "simulated"}
    vkeys = [node.verifier.vkey for node in NODES]
    return sign_note(RING_MEMBERS.write({**values, "member": vkeys}), service.signer)


def said(service: Service, kind: StatementType, node: NoteSigner, signer: NoteSigner | None = None) -> str:
    """A node's statement, with the service's signature behind its own."""
    values = {"service": service.name, "node": node.name, "clock": "simulated"}
    text = kind.write({**values, **(GONE if kind is NODE_DESTROYED else HELD)})
    return add_signature(sign_note(text, signer or node), service.signer)


def bring(client: httpx.Client, note: str) -> str:
    """`taken`, or the code of the refusal."""
    return str(client.post("/v1/entries", json={"note": note}, headers=BEARER).json().get("code", "taken"))


@pytest.mark.parametrize("kind", [KEY_HELD, NODE_DESTROYED])
def test_what_a_member_signed_is_logged_beside_the_services_signature(
    retention: Retention, service: Service, kind: StatementType
) -> None:
    """Only once its list of members is there; of nobody else, and with nobody else's line."""
    note = said(service, kind, NODES[1])
    stranger = NoteSigner("d.ring.registry.example", SigningKey(b"d" * 32))
    with retention.client() as client:
        assert bring(client, note) == "note_untrusted"
        assert bring(client, members(service)) == "taken"
        assert bring(client, note) == "taken"
        assert bring(client, said(service, kind, stranger)) == "note_untrusted"
        assert bring(client, said(service, kind, NODES[0], signer=NODES[1])) == "note_untrusted"
        assert bring(client, sign_note(split_note(note)[0], NODES[1])) == "note_untrusted"
    entry = read_entry(0, open_note(note, [service.signer.verifier]).text, [service.name])
    assert (entry.kind, entry["node"]) == (kind.kind, NODES[1].name)


def test_members_come_before_what_they_signed_however_a_service_shows_it(
    retention: Retention, service: Service
) -> None:
    """Names of statements have an order of their own."""
    service.notes += [said(service, NODE_DESTROYED, NODES[0]), members(service)]
    with retention.client() as client:
        shown = client.get("/readyz").json()["findings"]
        assert not any(finding["name"] == "refused" for finding in shown)
        for note in service.notes:
            assert bring(client, note) == "taken"
