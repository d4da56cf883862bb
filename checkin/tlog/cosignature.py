"""Cosignatures: a witness says when it saw a log's checkpoint, and that it continues every one it saw before.

Source: c2sp.org/tlog-cosignature, type 0x04 (timestamped Ed25519, "cosignature/v1"). A key that cosigns is used
for nothing else.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from checkin.errors import BadSignature
from checkin.protocol.encoding import u64be
from checkin.protocol.note import Signature, VerifierKey, check_own_name, open_note, split_note
from checkin.protocol.primitives import SigningKey, verify

COSIGNATURE: Final = 0x04
_SIZE: Final = 8 + 64


def _message(text: str, timestamp: int) -> bytes:
    """Two lines before the whole text of the checkpoint."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def cosigned_at(signature: bytes) -> int:
    """The unix time in a cosignature's 72 bytes, not verified here; raises `BadSignature` for another form."""
    timestamp = int.from_bytes(signature[:8], "big")
    # SPEC tlog-cosignature: "It MUST NOT exceed 2^63 - 1"
    if len(signature) != _SIZE or timestamp >= 2**63:
        raise BadSignature
    return timestamp


class CosignatureVerifier(VerifierKey):
    """A witness: type 0x04; fits into `open_note` beside `NoteVerifier`."""

    kind = COSIGNATURE

    def verify(self, text: str, signature: bytes) -> None:
        """Raises `BadSignature` unless `signature` is time u64be ‖ 64 bytes of this key over the checkpoint's text."""
        verify(self.public, _message(text, cosigned_at(signature)), signature[8:])


class Cosigner:
    """A witness's name and key. Time is given by the caller, once it has persisted what it saw."""

    def __init__(self, name: str, key: SigningKey) -> None:
        check_own_name(name)
        self.name = name
        self.verifier = CosignatureVerifier(name, key.public)
        self._key = key

    def cosign(self, text: str, now: float) -> str:
        """The signature line over a checkpoint's text at unix time `now`, with its newline."""
        timestamp = int(now)
        value = u64be(timestamp) + self._key.sign(_message(text, timestamp))
        return Signature(self.name, self.verifier.key_id, value).line()


def cosignatures(note: str, witnesses: Collection[CosignatureVerifier]) -> dict[str, int]:
    """The unix time of each trusted witness's cosignature (the newest of each name), all of them verified.

    Empty when no witness signed. Raises `NoteMalformed`, or `NoteUntrusted` for a known witness's bad signature.
    """
    known = {(witness.name, witness.key_id): witness for witness in witnesses}
    ours = [item for item in split_note(note)[1] if (item.name, item.key_id) in known]
    if ours:
        open_note(note, witnesses)
    times: dict[str, int] = {}
    for item in ours:
        times[item.name] = max(times.get(item.name, 0), cosigned_at(item.value))
    return times
