"""Checkpoints: the signed tree head of a log, that is how many entries it has and the root over them; and cosignatures,
by which a witness says when it saw a checkpoint, and that it continues every one it saw before.

Sources: c2sp.org/tlog-checkpoint; c2sp.org/tlog-cosignature, type 0x04 (timestamped Ed25519, "cosignature/v1"). A
reader pins the log's key, and the keys of witnesses that look for forks. A key that cosigns is used for nothing else.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from checkin.errors import BadSignature, NoteMalformed, NoteUntrusted
from checkin.protocol.encoding import b64_decode, b64_encode, decimal_decode, u64be
from checkin.protocol.note import (
    NoteVerifier,
    Signature,
    Verifier,
    check_own_name,
    check_text,
    open_note,
    split_note,
    unverified_text,
)
from checkin.protocol.primitives import SigningKey, verify
from checkin.tlog.merkle import HASH_SIZE

COSIGNATURE: Final = 0x04
_SIZE: Final = 8 + 64  # of a cosignature


@dataclass(frozen=True)
class Checkpoint:
    """The tree head of the log named `origin`: `size` entries, `root` of 32 bytes, and lines that we never write."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def write(self) -> str:
        """The note text; raises `NoteMalformed` for what `read` would not take."""
        text = "\n".join([self.origin, str(self.size), b64_encode(self.root), *self.extensions]) + "\n"
        if Checkpoint.read(text) != self:
            raise NoteMalformed("A line of a checkpoint is empty or holds a newline.")
        return text

    @classmethod
    def read(cls, text: str) -> Checkpoint:
        """Inverse of `write`; raises `NoteMalformed`."""
        check_text(text)
        origin, *lines = text[:-1].split("\n")
        if not origin or len(lines) < 2 or not all(lines):
            raise NoteMalformed("A checkpoint has at least three lines, none of them empty.")
        try:
            # SPEC tlog-checkpoint: "the ASCII decimal representation of the number of leaves in the tree, with no
            # leading zeroes"
            return cls(origin, decimal_decode(lines[0]), b64_decode(lines[1], HASH_SIZE), tuple(lines[2:]))
        except ValueError:
            raise NoteMalformed("A checkpoint's size is a decimal number, its root 32 bytes in base64.") from None


def stated_size(note: str) -> int:
    """The size that a checkpoint in a note states, which is ours or was verified; raises `NoteMalformed`."""
    return Checkpoint.read(unverified_text(note)).size


def open_checkpoint(
    note: str,
    log: NoteVerifier,
    witnesses: Collection[Verifier] = (),
    quorum: int | None = None,
    former: Collection[NoteVerifier] = (),
) -> Checkpoint:
    """The checkpoint that `log`, or a `former` key of it, signed and at least `quorum` different witnesses cosigned.

    `quorum` is 1 when there are witnesses and none was named, 0 when there are none. Raises `NoteMalformed`,
    `NoteUntrusted`.
    """
    checkpoint = Checkpoint.read(open_note(note, [log, *former]).text)
    # A pinned log key signs for its own log only, or one log could pass for another.
    if checkpoint.origin != log.name:
        raise NoteUntrusted("The checkpoint is another log's.")
    needed = (1 if witnesses else 0) if quorum is None else quorum
    if needed > 0:
        open_note(note, witnesses, needed)
    return checkpoint


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


class CosignatureVerifier(Verifier):
    """A witness: type 0x04; fits into `open_note` beside `NoteVerifier`."""

    kind = COSIGNATURE

    def verify(self, text: str, signature: bytes) -> None:
        """Time u64be ‖ 64 bytes over the checkpoint's text."""
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
