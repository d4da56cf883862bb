"""Whatever is held up to it, the verifier answers with a documented error and no status."""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import base45
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkin.certificate import registry
from checkin.certificate.trust_list import TrustList
from checkin.certificate.vaccination_proof import STEPS
from checkin.errors import CertificateError, TrustListInvalid
from tests.examples import examples

CODES = {error.code for error in CertificateError.__subclasses__()} - {"certificate_no_status", "certificate_outdated"}
AT = datetime(2021, 6, 1, tzinfo=UTC).timestamp()


def refuse(text: str, trust: TrustList) -> str:
    """The code with which `text` is refused; asserts that the report is whole."""
    report = registry.examine(text, trust, AT).to_json()
    assert list(report["checks"]) == list(STEPS)  # type: ignore[call-overload]
    assert (report["ok"], report["status"], report["valid_from"], report["valid_until"]) == (False, None, None, None)
    assert report["code"] in CODES
    return str(report["code"])


@pytest.fixture(scope="module")
def austrian(cases: dict[str, dict[str, Any]]) -> SimpleNamespace:
    """A genuine certificate of a recovered person, and the list that trusts it."""
    case = cases["AT/2"]
    trust = TrustList.parse(case["TESTCTX"]["CERTIFICATE"].encode())
    assert registry.examine(case["PREFIX"], trust, AT).ok
    return SimpleNamespace(text=case["PREFIX"], message=bytes.fromhex(case["COSE"]), trust=trust)


def pack(message: bytes) -> str:
    return "HC1:" + str(base45.b45encode(zlib.compress(message)), "ascii")


def test_every_truncation_of_the_text_is_refused(austrian: SimpleNamespace) -> None:
    """Cut after each character."""
    assert pack(austrian.message)  # the packing below is the real one
    codes = {refuse(austrian.text[:cut], austrian.trust) for cut in range(len(austrian.text))}
    assert codes == {"certificate_prefix", "certificate_base45", "certificate_compression"}


def test_every_truncation_of_the_message_is_refused(austrian: SimpleNamespace) -> None:
    """Cut after each byte, packed anew: the compression is whole, the message is not."""
    codes = {refuse(pack(austrian.message[:cut]), austrian.trust) for cut in range(len(austrian.message))}
    assert codes == {"certificate_cose"}


def test_every_flipped_bit_of_the_message_is_refused(austrian: SimpleNamespace) -> None:
    """All of them, one at a time, packed anew; also those of the tag and of the unprotected header."""
    unsigned = 0
    for bit in range(8 * len(austrian.message)):
        flipped = bytearray(austrian.message)
        flipped[bit // 8] ^= 1 << bit % 8
        if registry.examine(pack(bytes(flipped)), austrian.trust, AT).ok:
            unsigned += 1
        else:
            refuse(pack(bytes(flipped)), austrian.trust)
    assert unsigned == 0


def test_every_exchanged_character_of_the_text_is_refused(austrian: SimpleNamespace) -> None:
    """One character of the code misread."""
    for at in range(4, len(austrian.text)):
        other = "0" if austrian.text[at] != "0" else "1"
        refuse(austrian.text[:at] + other + austrian.text[at + 1 :], austrian.trust)


@given(st.text() | st.text(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", max_size=400))
def test_any_text_is_refused(austrian: SimpleNamespace, text: str) -> None:
    """With and without the prefix."""
    refuse(text, austrian.trust)
    refuse("HC1:" + text, austrian.trust)


@given(st.binary(max_size=300))
def test_any_message_is_refused(austrian: SimpleNamespace, message: bytes) -> None:
    """Random bytes, properly packed; and as a part of a real message."""
    refuse(pack(message), austrian.trust)
    refuse(pack(austrian.message[:40] + message), austrian.trust)


SHORT = st.text(max_size=9) | st.binary(max_size=9)
KEYS = st.text(max_size=4) | st.integers(-300, 9)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats() | SHORT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@examples(150)
@given(st.dictionaries(st.sampled_from(["ver", "nam", "dob", "v", "r", "t"]), VALUES), VALUES, VALUES, VALUES)
def test_even_a_trusted_signer_cannot_break_the_verifier(
    forge: SimpleNamespace, content: dict[str, object], issued: object, expires: object, extra: object
) -> None:
    """Any content, truly signed: refused with a code, or (if ever) accepted; never anything else."""
    trust = TrustList([forge.signer.der])
    for hcert in (content, {"ver": "1.3.0", "nam": {"fnt": "X"}, "dob": "", **content}):
        text = forge.signer.text({-260: {1: hcert}, 6: issued, 4: expires, 7: extra})
        if len(text) < 8000 and not registry.examine(text, trust, forge.NOW).ok:
            refuse(text, trust)


@given(st.dictionaries(st.integers(-9, 9), VALUES, max_size=4), st.dictionaries(st.integers(-9, 9), VALUES, max_size=4))
def test_no_header_breaks_the_verifier(forge: SimpleNamespace, protected: object, unprotected: object) -> None:
    """Any headers on both sides, truly signed."""
    text = forge.signer.text(forge.claims_of("v"), protected=protected, unprotected=unprotected)
    if len(text) < 8000:
        refuse(text, TrustList([forge.signer.der]))


@given(st.binary(max_size=200), st.integers(0, 700), st.integers(0, 255))
def test_no_file_breaks_the_trust_list(forge: SimpleNamespace, data: bytes, at: int, byte: int) -> None:
    """Random bytes, and a real certificate with one byte changed, as DER and as base64: read or refused."""
    changed = bytearray(forge.signer.der)
    changed[at % len(changed)] = byte
    for file in (data, bytes(changed), base64.b64encode(bytes(changed))):
        try:
            trust = TrustList.parse(file)
        except TrustListInvalid:
            continue
        registry.examine(forge.signer.text(forge.claims_of("v")), trust, forge.NOW)
