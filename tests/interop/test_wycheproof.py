"""Wycheproof's vectors for everything under the primitives but signatures (those: test_signatures.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from checkin.errors import SealBroken
from checkin.protocol.primitives import aead_open, aead_seal, check_sealing_key, hmac_sha256

VECTORS = Path(__file__).parent.parent / "vectors" / "wycheproof"


def cases(name: str, **group: int) -> Iterator[tuple[dict[str, bytes], dict[str, Any]]]:
    """The vectors of a file in groups with these sizes: hex members as bytes, and all members as they are."""
    content = json.loads((VECTORS / f"{name}_test.json").read_text(encoding="utf-8"))
    for found in content["testGroups"]:
        if all(found[size] == bits for size, bits in group.items()):
            for test in found["tests"]:
                hexes = {k: v for k, v in test.items() if isinstance(v, str) and k not in ("comment", "result")}
                yield {k: bytes.fromhex(v) for k, v in hexes.items()}, test


def test_a_seal_opens_exactly_where_wycheproof_says() -> None:
    """AES-256-GCM with nonces of 12 bytes and tags of 16, the one form used here."""
    tried = 0
    for raw, test in cases("aes_gcm", ivSize=96, keySize=256, tagSize=128):
        tried += 1
        try:
            opened = aead_open(raw["key"], raw["iv"], raw["ct"] + raw["tag"], raw["aad"])
        except SealBroken:
            assert test["result"] == "invalid", test["tcId"]
            continue
        assert (test["result"], opened) == ("valid", raw["msg"]), test["tcId"]
        assert aead_seal(raw["key"], raw["iv"], raw["msg"], raw["aad"]) == raw["ct"] + raw["tag"]
    assert tried >= 50


def test_pseudonyms_are_standard_hmac() -> None:
    """Full and truncated tags alike."""
    tried = 0
    for raw, test in cases("hmac_sha256"):
        tried += 1
        tag = hmac_sha256(raw["key"], raw["msg"])[: len(raw["tag"])]
        assert (tag == raw["tag"]) == (test["result"] == "valid"), test["tcId"]
    assert tried >= 100


def test_the_library_under_derive_is_standard_hkdf() -> None:
    """`derive` fixes salt and length; the construction under it is judged here in all of them."""
    tried = 0
    for raw, test in cases("hkdf_sha256"):
        if test["result"] == "valid":
            tried += 1
            hkdf = HKDF(algorithm=SHA256(), length=test["size"], salt=raw["salt"], info=raw["info"])
            assert hkdf.derive(raw["ikm"]) == raw["okm"], test["tcId"]
    assert tried >= 50


def test_keys_to_seal_to_are_refused_where_the_shared_secret_would_be_zero() -> None:
    """X25519 agrees on every vector; public keys of small order are refused before anything is sealed to them."""
    tried = refused = 0
    for raw, test in cases("x25519"):
        tried += 1
        try:
            check_sealing_key(raw["public"])
        except ValueError:
            refused += 1
            assert test["result"] != "valid" or raw["public"][31] & 0x80, test["tcId"]
            continue
        ours = X25519PrivateKey.from_private_bytes(raw["private"])
        assert ours.exchange(X25519PublicKey.from_public_bytes(raw["public"])) == raw["shared"], test["tcId"]
    assert tried >= 400
    assert refused >= 10
