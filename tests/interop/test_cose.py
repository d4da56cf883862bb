"""Both COSE layers of a token, verified by a COSE library that shares no code with the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cwt import COSE, COSEKey
from cwt.exceptions import VerifyError

VECTOR = json.loads((Path(__file__).parent.parent / "vectors" / "credential.json").read_text(encoding="ascii"))


def verified(message: bytes, public: bytes, kid: bytes, external_aad: bytes) -> bytes:
    """The payload, once `cwt` accepts the signature; it wants the tag that the wire leaves out."""
    key = COSEKey.new({1: 1, -1: 6, -2: public, 2: kid, 3: -19})
    payload = COSE.new(verify_kid=False).decode(b"\xd2" + message, key, external_aad=external_aad)
    assert isinstance(payload, bytes)
    return payload


def test_a_cose_library_accepts_both_layers() -> None:
    """A developer with any COSE library can verify a code."""
    holder, issuer = bytes.fromhex(VECTOR["holder_public"]), bytes.fromhex(VECTOR["issuer_public"])
    outer = verified(bytes.fromhex(VECTOR["token"]), holder, b"", b"ck1/presentation")
    credential = outer[-227:]
    assert credential.hex() == VECTOR["credential"]
    aad = b"ck1/credential" + VECTOR["issuer"].to_bytes(4, "big")
    payload = verified(credential, issuer, bytes.fromhex(VECTOR["kid"]), aad)
    assert bytes.fromhex(VECTOR["visit_id"]) in payload


@pytest.mark.parametrize("aad", [b"ck1/credential\x00\x00\x00\x08", b"ck1/presentation", b""])
def test_a_cose_library_refuses_the_credential_in_another_context(aad: bytes) -> None:
    """A credential does not verify as another issuer's, nor as a presentation."""
    credential, public = bytes.fromhex(VECTOR["credential"]), bytes.fromhex(VECTOR["issuer_public"])
    with pytest.raises(VerifyError):
        verified(credential, public, bytes.fromhex(VECTOR["kid"]), aad)
