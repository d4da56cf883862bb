"""Ed25519 by others' vectors, in every library that the project signs or verifies with.

Sources, with licences beside them: tests/vectors/wycheproof (C2SP/wycheproof), tests/vectors/ed25519-speccheck
(novifinancial/ed25519-speccheck, the 12 signatures on which implementations differ), tests/vectors/cctv-ed25519
(C2SP/CCTV, 914 of them around small order and second spellings).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.bindings import crypto_sign_open
from nacl.exceptions import CryptoError

from checkin.errors import BadSignature, HolderKeyInvalid, NoteMalformed
from checkin.protocol.note import ED25519, NoteVerifier, write_vkey
from checkin.protocol.primitives import SigningKey, check_signing_key, verify

VECTORS = Path(__file__).parent.parent / "vectors"
# Of the twelve, a cofactorless verifier that wants S < L and no small order accepts exactly this one.
SPECCHECK_ACCEPTED = {3}


def accepted_here(public: bytes, message: bytes, signature: bytes) -> bool:
    """What a door of this project says."""
    try:
        verify(public, message, signature)
    except BadSignature:
        return False
    return True


def accepted_by_openssl(public: bytes, message: bytes, signature: bytes) -> bool:
    """What OpenSSL, and with it WebCrypto in Chromium, says."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def accepted_by_libsodium(public: bytes, message: bytes, signature: bytes) -> bool:
    """What libsodium alone says."""
    try:
        crypto_sign_open(signature + message, public)
    except CryptoError:
        return False
    return True


def speccheck() -> list[tuple[bytes, bytes, bytes]]:
    """Key, message, signature of the twelve."""
    cases = json.loads((VECTORS / "ed25519-speccheck" / "cases.json").read_text())
    return [tuple(bytes.fromhex(case[name]) for name in ("pub_key", "message", "signature")) for case in cases]  # type: ignore[misc]  # three items each


def wycheproof() -> Iterator[tuple[int, bytes, bytes, bytes, str]]:
    """Number, key, message, signature, expected result."""
    content = json.loads((VECTORS / "wycheproof" / "ed25519_test.json").read_text())
    for group in content["testGroups"]:
        for test in group["tests"]:
            key = bytes.fromhex(group["publicKey"]["pk"])
            yield test["tcId"], key, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]), test["result"]


def test_wycheproof_agrees_with_both_libraries() -> None:
    """All of Wycheproof's Ed25519 vectors, in libsodium behind our door and in OpenSSL."""
    cases = list(wycheproof())
    assert len(cases) >= 150
    for number, public, message, signature, result in cases:
        assert accepted_here(public, message, signature) == (result == "valid"), number
        assert accepted_by_openssl(public, message, signature) == (result == "valid"), number


def test_of_the_twelve_disputed_signatures_one_is_accepted() -> None:
    """A code that one implementation admits and another refuses would be lost at upload."""
    cases = speccheck()
    assert len(cases) == 12
    assert {i for i, case in enumerate(cases) if accepted_here(*case)} == SPECCHECK_ACCEPTED


def test_whatever_this_door_accepts_openssl_accepts_too() -> None:
    """A scanner in a browser may be laxer than the registry, never stricter."""
    for case in speccheck():
        assert accepted_by_openssl(*case) >= accepted_here(*case)


def test_where_openssl_is_laxer_only_small_order_is_in_play() -> None:
    """The difference between the libraries is exactly what the explicit check refuses in every implementation."""
    laxer = [case for case in speccheck() if accepted_by_openssl(*case) and not accepted_here(*case)]
    assert laxer, "the control must show that the libraries differ"
    small = {bytes.fromhex(text) for text in SMALL_ORDER}
    for public, _, signature in laxer:
        assert clear(public) in small or clear(signature[:32]) in small


def cctv() -> list[tuple[bytes, bytes, bytes]]:
    """Key, message, signature: 14 points as key and R, canonical and not, with parts of small order and without."""
    cases = json.loads((VECTORS / "cctv-ed25519" / "ed25519vectors.json").read_text())
    return [(bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"])) for case in cases]


def of_prime_order(public: bytes) -> bool:
    """What is asked of a key where it enters."""
    try:
        check_signing_key(public)
    except HolderKeyInvalid:
        return False
    return True


def test_of_keys_that_are_taken_all_libraries_accept_the_same_signatures() -> None:
    """But for R of small order, which every verifier here refuses by name."""
    cases = [case for case in cctv() if of_prime_order(case[0])]
    plain = [case for case in cases if clear(case[2][:32]).hex() not in SMALL_ORDER]
    assert (len(cctv()), len(cases), len(plain)) == (914, 28, 8)
    verdicts = [accepted_here(*case) for case in plain]
    assert any(verdicts)
    assert not all(verdicts)
    assert [accepted_by_libsodium(*case) for case in plain] == verdicts
    assert [accepted_by_openssl(*case) for case in plain] == verdicts
    assert not any(accepted_here(*case) for case in cases if case not in plain)


def test_keys_with_a_part_of_small_order_are_refused_though_signatures_under_them_verify() -> None:
    """The control: verifying alone would let them in, here and in OpenSSL, and not in every browser."""
    accepted = {public for public, message, signature in cctv() if accepted_here(public, message, signature)}
    mixed = [public for public in accepted if not of_prime_order(public)]
    assert mixed
    for public in mixed:
        with pytest.raises(HolderKeyInvalid):
            check_signing_key(public)
        with pytest.raises(NoteMalformed):
            NoteVerifier.parse(write_vkey("a.test", ED25519, public))


def test_a_holder_key_of_small_order_is_refused_before_it_is_signed() -> None:
    """The issuer keeps out keys that some verifier refuses later."""
    for text in SMALL_ORDER:
        for sign in (0, 0x80):
            point = bytearray.fromhex(text)
            point[31] |= sign
            with pytest.raises(HolderKeyInvalid):
                check_signing_key(bytes(point))
    check_signing_key(SigningKey(b"\x07" * 32).public)


@pytest.mark.parametrize(
    "point", [b"", b"\x01" * 31, b"\xff" * 32, b"\x02" + bytes(31), b"\xee" + b"\xff" * 30 + b"\x7f"]
)
def test_a_holder_key_that_is_no_canonical_point_is_refused(point: bytes) -> None:
    """Wrong size, off the curve, or a second spelling of a point."""
    with pytest.raises(HolderKeyInvalid):
        check_signing_key(point)


def clear(point: bytes) -> bytes:
    """The encoding without its sign bit."""
    return point[:31] + bytes([point[31] & 0x7F])


# y coordinates of the points whose order divides 8, and p, p+1 as second spellings of 0 and 1
SMALL_ORDER = [
    "00" * 32,
    "01" + "00" * 31,
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
]


def test_the_bytes_of_a_signature_do_not_flow_into_its_message() -> None:
    """libsodium is given both in one piece: only their lengths say where the one ends."""
    key, message = SigningKey(b"\x07" * 32), b"a message"
    signature = key.sign(message)
    verify(key.public, message, signature)
    for size in (63, 65):
        piece = signature + message
        assert not accepted_here(key.public, piece[size:], piece[:size])
    for public in (key.public[:31], key.public + b"\0", b""):
        assert not accepted_here(public, message, signature)
