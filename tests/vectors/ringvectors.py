"""What ring nodes and app nodes say to one another, good and bad, for `make.py`: each judged by Python."""

from __future__ import annotations

from typing import Any

from checkin.protocol import ring_messages as messages
from checkin.protocol.encoding import b64_encode
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import OpeningKey, SealingKey, SigningKey, commit
from checkin.protocol.ring_messages import RingParty
from checkin.protocol.statement import StatementType
from tests.vectors.material import code_of, seed

SERVICE = "registry.example"
KEY = "day-20779"
SECRET = bytes(range(0xA0, 0xB0)) + bytes(range(0x20, 0x40))  # salt and key of the example in keys.md
COMMITMENT = commit(SECRET[:16], SECRET[16:])
TIME = "2026-11-22T09:00:00+09:00"
NODE = NoteSigner(f"a.ring.{SERVICE}", SigningKey(seed("ring node a")))
OTHER = NoteSigner(f"b.ring.{SERVICE}", SigningKey(seed("ring node b")))
APP = NoteSigner(f"app.{SERVICE}", SigningKey(seed("app node")))
ONCE = OpeningKey(seed("one-use key"))
LEASES = [f"{KEY} ck1/sub/row {COMMITMENT} 60", f"intake-20779 raw {'1f' * 32} 60"]
LEASED = [seed("row sub-key"), seed("intake key")]
KINDS = {
    kind.kind: kind for kind in (messages.LEASE_REQUEST, messages.LEASES, messages.PULL_REQUEST, messages.TRANSFER)
}


def asked(kind: StatementType, sender: NoteSigner, to: str, **values: str | list[str]) -> str:
    """The text of a request."""
    head = {"service": SERVICE, "from": sender.name, "to": to, "time": TIME, "nonce": "A" * 22}
    return kind.write({**head, **values})


def told(kind: StatementType, sender: NoteSigner, to: str, request: str, **values: str | list[str]) -> str:
    """The text of an answer."""
    digest = messages.request_digest(request).hex()
    return kind.write({"service": SERVICE, "from": sender.name, "to": to, "asked": digest, **values})


LEASE_REQUEST = asked(
    messages.LEASE_REQUEST,
    APP,
    NODE.name,
    public=b64_encode(ONCE.public),
    lease=[f"{KEY} ck1/sub/row", "intake-20779 raw"],
)
PULL_REQUEST = asked(messages.PULL_REQUEST, OTHER, NODE.name, key=KEY, public=b64_encode(ONCE.public))


def sealed(kept: dict[str, bytes]) -> None:
    """Fills in the two seals that chance makes; b64 texts as bytes."""
    to = SealingKey(ONCE.public)
    lease, pull = messages.request_digest(LEASE_REQUEST), messages.request_digest(PULL_REQUEST)
    text = kept.get("leases", b"").decode()
    if code_of(lambda: messages.open_leases(ONCE, LEASES, text, asked=lease)) != "ok":
        kept["leases"] = messages.seal_leases(to, LEASES, LEASED, asked=lease).encode()
    other = kept.get("transfer", b"").decode()
    if code_of(lambda: messages.open_transfer(ONCE, other, asked=pull, commitment=COMMITMENT)) != "ok":
        kept["transfer"] = messages.seal_transfer(to, SECRET, asked=pull, commitment=COMMITMENT).encode()


def judge(case: dict[str, Any]) -> None:
    """Raises what reading a case raises: a request, or an answer and what is sealed in it."""
    reader = RingParty(case["reader"], SERVICE, simulated=False)
    kind = KINDS[case["kind"]]
    if case["request"] is None:
        reader.open_request(case["note"], kind, [APP.verifier, OTHER.verifier])
        return
    digest = messages.request_digest(case["request"])
    values = reader.open_reply(case["note"], kind, NODE.verifier, digest)
    once = OpeningKey(bytes.fromhex(case["once"]))
    if kind is messages.LEASES:
        messages.open_leases(once, list(values["lease"]), str(values["sealed"]), asked=digest)
    else:
        messages.open_transfer(once, str(values["sealed"]), asked=digest, commitment=str(values["commitment"]))


def ring_file(kept: dict[str, bytes]) -> dict[str, Any]:
    """`ring.json`."""
    leases = told(messages.LEASES, NODE, APP.name, LEASE_REQUEST, lease=LEASES, sealed=kept["leases"].decode())
    transfer = told(
        messages.TRANSFER, NODE, OTHER.name, PULL_REQUEST,
        key=KEY, commitment=COMMITMENT, sealed=kept["transfer"].decode(),
    )  # fmt: skip
    again = LEASE_REQUEST.replace("A" * 22, "B" * 22)
    longer = leases.replace(f"{COMMITMENT} 60", f"{COMMITMENT} 61")
    renamed = leases.replace(f"lease {KEY}", "lease day-20780")
    other = transfer.replace(COMMITMENT, "00" * 32)
    simulated = LEASE_REQUEST + "clock simulated\n"
    once, wrong = seed("one-use key").hex(), seed("another one-use key").hex()
    rows: list[tuple[str, str, NoteSigner, str, str | None, str]] = [
        ("a request for leases", LEASE_REQUEST, APP, NODE.name, None, once),
        ("to another node", LEASE_REQUEST, APP, OTHER.name, None, once),
        ("signed by another party than it names", LEASE_REQUEST, OTHER, NODE.name, None, once),
        ("signed by nobody known", LEASE_REQUEST, NODE, NODE.name, None, once),
        ("about another service", LEASE_REQUEST.replace("service r", "service a"), APP, NODE.name, None, once),
        ("under a simulated clock", simulated, APP, NODE.name, None, once),
        ("without a time", LEASE_REQUEST.replace(TIME, "now"), APP, NODE.name, None, once),
        ("leases", leases, NODE, APP.name, LEASE_REQUEST, once),
        ("leases of another question", leases, NODE, APP.name, again, once),
        ("leases that were made longer", longer, NODE, APP.name, LEASE_REQUEST, once),
        ("leases under another name", renamed, NODE, APP.name, LEASE_REQUEST, once),
        ("leases to another one-use key", leases, NODE, APP.name, LEASE_REQUEST, wrong),
        ("leases for another app node", leases, NODE, OTHER.name, LEASE_REQUEST, once),
        ("leases that another node signed", leases, OTHER, APP.name, LEASE_REQUEST, once),
        ("a request for a key", PULL_REQUEST, OTHER, NODE.name, None, once),
        ("a transfer", transfer, NODE, OTHER.name, PULL_REQUEST, once),
        ("a transfer to another one-use key", transfer, NODE, OTHER.name, PULL_REQUEST, wrong),
        ("a transfer with another commitment", other, NODE, OTHER.name, PULL_REQUEST, once),
    ]  # fmt: skip
    cases = [
        {"name": name, "kind": text.partition("\n")[0], "note": sign_note(text, signer), "reader": reader,
         "request": request, "once": key}
        for name, text, signer, reader, request, key in rows
    ]  # fmt: skip
    return {
        "spec": "docs/spec/ring.md", "service": SERVICE, "node": NODE.verifier.vkey,
        "senders": [APP.verifier.vkey, OTHER.verifier.vkey], "secret": SECRET.hex(),
        "cases": [{**case, "expected": code_of(judge, case)} for case in cases],
    }  # fmt: skip
