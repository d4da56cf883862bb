"""A proof carried along with an entry convinces whoever pinned the log and its witnesses, and nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checkin.errors import NoteMalformed, NoteUntrusted, ProofInvalid
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import Checkpoint, Cosigner
from checkin.tlog.merkle import inclusion_proof, leaf_hash, subtrees
from checkin.tlog.proof import LogProof, PinnedLog

LOG = NoteSigner("retention.example/log", SigningKey(b"\x05" * 32))
WITNESS = Cosigner("witness.example/w1", SigningKey(b"\x06" * 32))
PINNED, WITNESSED = PinnedLog(LOG.verifier), PinnedLog(LOG.verifier, (WITNESS.verifier,))
ENTRIES = [b"entry %d" % number for number in range(11)]
SUBTREE = subtrees([leaf_hash(entry) for entry in ENTRIES])
TEXT = Checkpoint(LOG.name, 11, SUBTREE(0, 11)).write()
NOTE = sign_note(TEXT, LOG) + WITNESS.cosign(TEXT, 1_795_300_000)


def proof_of(index: int, note: str = NOTE) -> LogProof:
    """What the log hands out."""
    return LogProof(index, tuple(inclusion_proof(index, 11, SUBTREE)), note)


@pytest.mark.parametrize("index", range(11))
def test_an_entry_is_proved_without_asking_anybody(index: int) -> None:
    """After a trip as text."""
    proof = LogProof.read(proof_of(index).write())
    assert proof == proof_of(index)
    assert proof.verify(ENTRIES[index], WITNESSED).size == 11


def test_another_entry_another_place_and_an_unwitnessed_head_are_refused() -> None:
    """Each by its own error."""
    with pytest.raises(ProofInvalid):
        proof_of(3).verify(ENTRIES[4], PINNED)
    with pytest.raises(ProofInvalid):
        replace(proof_of(3), index=2).verify(ENTRIES[3], PINNED)
    with pytest.raises(ProofInvalid):
        replace(proof_of(3), index=11).verify(ENTRIES[3], PINNED)
    with pytest.raises(NoteUntrusted):
        proof_of(3, sign_note(TEXT, LOG)).verify(ENTRIES[3], WITNESSED)


def test_every_changed_bit_of_a_hash_is_refused() -> None:
    """One by one."""
    proof = proof_of(3)
    for at in range(len(proof.hashes)):
        for bit in range(256):
            changed = bytearray(proof.hashes[at])
            changed[bit // 8] ^= 1 << bit % 8
            hashes = (*proof.hashes[:at], bytes(changed), *proof.hashes[at + 1 :])
            with pytest.raises(ProofInvalid):
                replace(proof, hashes=hashes).verify(ENTRIES[3], PINNED)


GOOD = proof_of(3).write()


@pytest.mark.parametrize(
    "text",
    [
        "",
        NOTE,
        GOOD.replace("@v1", "@v2"),
        GOOD.replace("index 3", "index 03"),
        GOOD.replace("index 3", "index -1"),
        GOOD.replace("index 3\n", ""),
        GOOD.replace("index 3\n", "index 3\nAAAA\n"),
        GOOD.replace("index 3\n", "extra AAA\nindex 3\n"),
        GOOD.replace("index 3\n", "index 3\n" + ("A" * 43 + "=\n") * 65),
        GOOD.replace("\n\n", "\n", 1),
        GOOD.replace("\n", "\r\n"),
        GOOD + "x" * 2**18,
        GOOD + "\ud83d",
    ],
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    """Before or when it is verified; never believed."""
    with pytest.raises(NoteMalformed):
        LogProof.read(text).verify(ENTRIES[3], PINNED)
