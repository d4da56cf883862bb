"""HPKE both ways with `pyhpke`, a library that shares no code with the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

from checkin.errors import SealBroken
from checkin.protocol.primitives import OpeningKey, SealingKey, random_bytes

SUITE = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)
VECTOR = json.loads((Path(__file__).parent.parent / "vectors" / "credential.json").read_text(encoding="ascii"))


def test_pyhpke_opens_the_sealed_subject_of_the_vector() -> None:
    """What the authority opens is standard HPKE, and bound to its visit."""
    sealed = bytes.fromhex(VECTOR["sealed_subject"])
    private = bytes.fromhex(VECTOR["authority_private"])
    key = KEMKey.from_pyca_cryptography_key(X25519PrivateKey.from_private_bytes(private))
    context = SUITE.create_recipient_context(sealed[:32], key, info=b"ck1/subject" + bytes.fromhex(VECTOR["context"]))
    assert context.open(sealed[32:]).hex() == VECTOR["inner"]


def test_a_seal_made_by_pyhpke_opens_here() -> None:
    """A wallet or scanner in another language can seal to our keys."""
    seed = random_bytes(32)
    opening = OpeningKey(seed)
    key = KEMKey.from_pyca_cryptography_key(X25519PrivateKey.from_private_bytes(seed).public_key())
    enc, context = SUITE.create_sender_context(key, info=b"any context")
    assert opening.open(enc + context.seal(b"hello"), b"any context") == b"hello"


def test_a_seal_opens_neither_in_another_context_nor_changed_nor_under_another_key() -> None:
    """Whoever moves or alters a seal has nothing."""
    seed = random_bytes(32)
    opening = OpeningKey(seed)
    sealed = SealingKey(opening.public).seal(b"subject", b"context")
    for candidate, key, info in [
        (sealed, opening, b"another"),
        (sealed[:-1] + bytes([sealed[-1] ^ 1]), opening, b"context"),
        (sealed, OpeningKey(random_bytes(32)), b"context"),
        (sealed[:40], opening, b"context"),
        (b"", opening, b"context"),
    ]:
        with pytest.raises(SealBroken):
            key.open(candidate, info)
