"""The signed message: lenient about its wrapping, strict about who decides what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cbor2
import pytest

from checkin.certificate import cose, registry
from checkin.certificate.trust_list import TrustList
from checkin.errors import CertificateCose

Tag = cbor2.CBORTag


def checks(forge: SimpleNamespace, text: str) -> dict[str, bool | None]:
    return registry.examine(text, TrustList([forge.signer.der]), forge.NOW).checks


@pytest.mark.parametrize("tags", [(), (18,), (61,), (61, 18), (55799,), (55799, 61, 18), (18, 61)])
def test_every_usual_wrapping_is_opened(tags: tuple[int, ...], forge: SimpleNamespace) -> None:
    """Untagged, COSE_Sign1, CWT, both, self-described."""
    message: Any = forge.signer.message(forge.claims_of("v"))
    for number in reversed(tags):
        message = Tag(number, message)
    assert all(checks(forge, forge.to_text(message)).values())


@pytest.mark.parametrize("number", [0, 16, 17, 24, 96, 98, 999])
def test_another_kind_of_message_is_refused(number: int, forge: SimpleNamespace) -> None:
    """A MAC or an encryption is not a signature, whatever four items it has."""
    text = forge.to_text(Tag(number, forge.signer.message(forge.claims_of("v"))))
    assert checks(forge, text)["cose"] is False


def test_claims_wrapped_as_a_cwt_are_opened(forge: SimpleNamespace) -> None:
    """A tag 61 around the claims inside the payload, and times in tag 1, floats among them."""
    claims = forge.claims_of("v", {6: Tag(1, forge.ISSUED), 4: float(forge.EXPIRES)})
    assert all(checks(forge, forge.signer.text(Tag(61, claims))).values())


def test_the_key_id_may_stand_on_either_side(forge: SimpleNamespace) -> None:
    """Protected, unprotected, or both; the protected one decides, as the other can be written by whoever relays."""
    signer, claims = forge.signer, forge.claims_of("v")
    good: list[dict[str, Any]] = [
        {"protected": {1: -7}, "unprotected": {4: signer.kid}},
        {"protected": {}, "unprotected": {1: -7, 4: signer.kid}},
        {"protected": {4: signer.kid}},
        {"unprotected": {4: b"foo", 1: -37}},
    ]
    for headers in good:
        assert all(checks(forge, signer.text(claims, **headers)).values()), headers
    bad: list[dict[str, Any]] = [
        {"protected": {1: -7}},
        {"protected": {}},
        {"protected": {1: -7, 4: b"foo"}, "unprotected": {4: signer.kid}},
        {"protected": {1: -7, 4: signer.kid + b"\x00"}},
        {"protected": {1: -7, 4: signer.kid.hex()}},
        {"protected": {1: -7, 4: 7}},
        {"protected": {1: -7, 4: [signer.kid]}},
    ]
    for headers in bad:
        answer = checks(forge, signer.text(claims, **headers))
        assert (answer["cose"], answer["signature"], answer["key_usage"]) == (True, False, None), headers


def test_an_encoded_empty_header_counts_as_no_header(forge: SimpleNamespace) -> None:
    """RFC 9052 §3: an empty map and an empty string are signed alike."""
    header, outside, payload, signature = forge.signer.message(
        forge.claims_of("v"), protected={}, unprotected={4: forge.signer.kid}
    )
    assert header == b""
    assert all(checks(forge, forge.to_text([b"\xa0", outside, payload, signature])).values())


@pytest.mark.parametrize("algorithm", [-37, -35, -8, -257, 5, 0, "ES256", None, [-7], b"\xf9"])
def test_a_header_does_not_choose_the_algorithm(algorithm: object, forge: SimpleNamespace) -> None:
    """The key is for ES256; any other name in the header is refused though the signature is right."""
    headers = {1: algorithm, 4: forge.signer.kid}
    answer = checks(forge, forge.signer.text(forge.claims_of("v"), protected=headers))
    assert answer["signature"] is (algorithm is None)


def test_a_critical_header_nobody_knows_is_refused(forge: SimpleNamespace) -> None:
    """RFC 9052 §3.1: crit lists what a recipient must understand."""
    headers = {1: -7, 2: [99], 4: forge.signer.kid, 99: 1}
    assert checks(forge, forge.signer.text(forge.claims_of("v"), protected=headers))["cose"] is False


@pytest.mark.parametrize("at", [0, 1, 2, 3])
@pytest.mark.parametrize("value", [None, 1, "text", [], {"a": 1}, b"\x01", b"\xff"])
def test_an_item_of_another_type_is_refused(at: int, value: object, forge: SimpleNamespace) -> None:
    """Each of the four items replaced in turn; where the form allows it, the signature fails."""
    message = forge.signer.message(forge.claims_of("v"))
    message[at] = value
    answer = checks(forge, forge.to_text(message))
    assert answer["cose"] is False or (answer["signature"] is False or (at == 1 and value == {"a": 1}))


@pytest.mark.parametrize("hcert", [None, 1, [], {}, {2: {}}, {1: b"\xa0"}, {1: [1]}, {"1": {}}])
def test_claims_without_a_certificate_are_refused(hcert: object, forge: SimpleNamespace) -> None:
    """Claim -260 must hold a map under 1."""
    assert checks(forge, forge.signer.text(forge.claims_of("v", {-260: hcert})))["cose"] is False


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x84\x40\xa0\x40\x40", b"\xd2\x83\x40\xa0\x40", b"\xa0", b"\xd2"])
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    """Too few items, no claims, nothing at all."""
    with pytest.raises(CertificateCose):
        cose.read(data)


def test_a_duplicate_claim_is_refused() -> None:
    """Two `exp` in one map: readers differ on which one counts."""
    payload = bytes.fromhex("a2041a614a2b80041a814a2b80")
    with pytest.raises(CertificateCose):
        cose.read(cbor2.dumps([b"", {}, payload, b"x" * 64]))
