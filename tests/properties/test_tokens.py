"""Whatever a camera or an attacker brings: only documented errors, and one spelling for what is accepted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checkin.clock import Calendar
from checkin.errors import SealBroken, TokenError, TokenMalformed
from checkin.protocol import credential as credentials
from checkin.protocol import presentation
from checkin.protocol.credential import IssuerKey, IssuerKeys
from checkin.protocol.primitives import Label, OpeningKey, SealingKey

VECTOR = json.loads((Path(__file__).parent.parent / "vectors" / "credential.json").read_text(encoding="ascii"))
TOKEN = bytes.fromhex(VECTOR["token"])
SHOWN = bytes.fromhex(VECTOR["token_with_status"])
CALENDAR = Calendar("Asia/Seoul")
KEYS = IssuerKeys(IssuerKey(VECTOR["issuer"], bytes.fromhex(VECTOR["issuer_public"])))


def admitted(text: str) -> presentation.Presentation | None:
    """The presentation that a door admits at the right moment, or None; any other error than a `TokenError` escapes."""
    try:
        return presentation.verify(text, VECTOR["iat"], CALENDAR, lambda _: KEYS)
    except TokenError:
        return None


@given(st.text(max_size=700))
@example("CK1:")
def test_any_text_is_refused_with_a_documented_error(text: str) -> None:
    """No traceback at a door, whatever a poster on the wall says."""
    assert admitted(text) is None
    assert admitted("CK1:" + text) is None


@given(st.binary(max_size=512))
def test_any_bytes_are_refused_with_a_documented_error(data: bytes) -> None:
    """Nor for well-spelt base45 of anything."""
    assert admitted(presentation.to_text(data)) is None


@given(st.sampled_from([TOKEN, SHOWN]), st.integers(0, len(SHOWN) * 8 - 1))
def test_a_changed_bit_anywhere_is_refused(token: bytes, bit: int) -> None:
    """There is no bit of a code that could be changed and still pass, the unsigned header included."""
    bit %= len(token) * 8
    assert admitted(presentation.to_text(token)) is not None
    changed = bytearray(token)
    changed[bit // 8] ^= 1 << bit % 8
    assert admitted(presentation.to_text(bytes(changed))) is None


@given(st.sampled_from([TOKEN, SHOWN]), st.integers(0, 340), st.binary(min_size=1, max_size=8), st.booleans())
def test_what_is_read_reencodes_to_itself(token: bytes, at: int, patch: bytes, insert: bool) -> None:
    """One code, one spelling: a scanner's memory of a code cannot be fooled by a second form of it."""
    data = token[:at] + patch + token[at if insert else at + len(patch) :]
    try:
        read = presentation.read(data)
    except TokenMalformed:
        return
    assert len(data) in (309, 333)
    plain = read.encoded
    if read.opening is None:
        assert plain == data
    else:
        header = bytes([read.opening.status]) + b"\x50" + read.opening.salt
        assert data == plain[:5] + b"\xa1\x3a\x00\x01\x11\x70\x82" + header + plain[6:]
    assert credentials.read(read.credential.encoded).encoded == plain[16 : 16 + 227]


@given(st.integers(0, 2**32 - 1), st.floats(0, 2**32, allow_nan=False))
def test_a_screen_code_lives_twenty_five_seconds(iat: int, now: float) -> None:
    """From five seconds before it was presented to twenty after, ends included."""
    read = presentation.read(TOKEN)
    moved = presentation.Presentation(iat, read.credential, None, read.encoded)
    try:
        presentation.reject_outside_window(moved, now, CALENDAR)
        inside = True
    except TokenError:
        inside = False
    assert inside == (iat - 5 <= now <= iat + 20)


@given(st.binary(min_size=28, max_size=28), st.integers(0, 27), st.integers(0, 2**64 - 1))
def test_a_subjects_number_opens_for_its_own_visit_alone(context: bytes, at: int, subject: int) -> None:
    """Both seals, the authority's around the issuer's, are bound to issuer, day and visit."""
    authority, seal_key = OpeningKey(b"\x05" * 32), b"\x06" * 32
    sealed = credentials.seal_subject(seal_key, SealingKey(authority.public), subject, context)
    assert len(sealed) == 72
    inner = authority.open(sealed, Label.SUBJECT + context)
    assert credentials.open_inner(seal_key, inner, context) == subject
    other = context[:at] + bytes([context[at] ^ 1]) + context[at + 1 :]
    with pytest.raises(SealBroken):
        authority.open(sealed, Label.SUBJECT + other)
    with pytest.raises(SealBroken):
        credentials.open_inner(seal_key, inner, other)
