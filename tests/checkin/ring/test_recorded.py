"""Who recorded all that passed between nodes, and has a node's disk and secrets of later, opens nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.clock import RETENTION_DAYS
from checkin.errors import CheckinError
from checkin.protocol import ring_messages as messages
from checkin.protocol.encoding import b64_decode, b64_encode
from checkin.protocol.note import unverified_text
from checkin.protocol.primitives import OpeningKey, random_bytes
from checkin.protocol.ring_messages import TRANSFER
from checkin.protocol.statement import kind_of, one
from checkin.ring import node as ring_node
from tests.support.ring_in_process import NODES, Ring, day_key
from tests.support.service_folder import DAY


def transfers(ring: Ring) -> list[tuple[bytes, str, str]]:
    """(hash of the request, commitment, what is sealed) of every transfer on the wire."""
    found = []
    for text in (unverified_text(note) for note in ring.sent):
        if kind_of(text) == TRANSFER.kind:
            values = TRANSFER.read(text)
            found.append((bytes.fromhex(one(values, "asked")), one(values, "commitment"), one(values, "sealed")))
    return found


def opened(ring: Ring, privates: list[bytes]) -> list[bytes]:
    """The keys that any of these private keys opens in the recording."""
    found, recorded = [], transfers(ring)
    for private in privates:
        for asked, commitment, sealed in recorded:
            try:
                secret = messages.open_transfer(OpeningKey(private), sealed, asked=asked, commitment=commitment)
            except CheckinError:
                continue
            found.append(secret[16:])
    return found


def windows(folder: Path) -> list[bytes]:
    """Every 32 bytes that stand anywhere in the files below, as they are or in base64."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            found += [content[at : at + 32] for at in range(0, max(0, len(content) - 31), 8)]
            for word in content.split():
                try:
                    found.append(b64_decode(word.decode(), 32))
                except ValueError:
                    continue
    return [window for window in dict.fromkeys(found) if len(window) == 32]


def catch_one_use_keys(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What nodes draw from now on for a transfer, as whoever reads their memory has it."""
    caught: list[bytes] = []

    def catch(size: int) -> bytes:
        caught.append(random_bytes(size))
        return caught[-1]

    monkeypatch.setattr(ring_node, "random_bytes", catch)
    return caught


def test_a_recording_and_a_nodes_disk_open_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the day is destroyed; with two controls: before that the disk alone has the key, and whoever had caught a
    one-use key out of a node's memory opens the recording."""
    caught = catch_one_use_keys(monkeypatch)
    ring = Ring(tmp_path / "ring")
    ring.serve(monkeypatch, direct=True)
    assert len(ring.ask("a", messages.MAKE_REQUEST, key=str(day_key()))) == 3
    key = ring.keys("b").use(day_key())
    assert len(transfers(ring)) == 2
    assert opened(ring, caught) == [key, key]
    ring.go(DAY + RETENTION_DAYS)
    ring.trust()
    for letter in NODES:
        ring.node(letter).purge()
    tried = windows(ring.folder)
    assert len(tried) > 20
    assert opened(ring, tried) == []
    assert key not in tried
    wire = "".join(ring.sent)
    assert b64_encode(key) not in wire and key.hex() not in wire
