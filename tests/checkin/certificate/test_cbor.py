"""The small CBOR reader against `cbor2`, and what it refuses that `cbor2` takes."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkin.certificate import cbor

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.binary(max_size=40)
)
KEYS = st.integers(-(2**64), 2**64 - 1) | st.text(max_size=9) | st.binary(max_size=9)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_what_a_general_encoder_writes_is_read_as_it_was_meant(value: object) -> None:
    """Every value without tags survives cbor2 → our reader."""
    assert cbor.read(cbor2.dumps(value)) == value


@given(st.binary(max_size=80))
def test_any_bytes_are_a_value_or_a_value_error(data: bytes) -> None:
    """Whatever is held up to the camera, nothing but ValueError escapes; and what is read, cbor2 reads too."""
    try:
        cbor.read(data)
    except ValueError:
        return
    if not any(byte >> 5 == 6 for byte in data):  # tags have code paths of their own there
        cbor2.loads(data)


@given(st.binary(max_size=70000))
def test_a_byte_string_is_written_as_a_general_encoder_does(data: bytes) -> None:
    """Sig_structure is built from these heads; all three lengths of them."""
    assert cbor.byte_string(data) == cbor2.dumps(data)


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65535, 65536])
def test_byte_strings_change_their_head_at_the_right_lengths(size: int) -> None:
    """The edges of RFC 8949 §3.1."""
    assert cbor.byte_string(bytes(size)) == cbor2.dumps(bytes(size))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9f0102ff", [1, 2]),
        ("bf6161f5ff", {"a": True}),
        ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("1800", 0),
        ("1b0000000000000001", 1),
        ("f97bff", 65504.0),
        ("f7", None),
        ("c11a514b67b0", cbor.Tagged(1, 1363896240)),
        ("d83dd280", cbor.Tagged(61, cbor.Tagged(18, []))),
    ],
)
def test_odd_but_allowed_spellings_are_read(text: str, value: object) -> None:
    """Indefinite lengths, long heads, half floats, tags: issuers use them (RFC 8949, Appendix A)."""
    assert cbor.read(bytes.fromhex(text)) == value


@pytest.mark.parametrize(
    "text",
    [
        "", "18", "61", "81", "a1", "a101", "a10102a1", "ff", "81ff", "a1ff01", "a101ff", "bf01ff", "5f6161ff",
        "5f5f4101ffff", "1c", "1f", "3f", "df", "f8ff", "fc", "61ff", "9b7fffffffffffffff", "5b7fffffffffffffff01",
        "a2010101", "a201010102", "a1f501", "a1f901", "a1c10101", "a18001", "c0ff", "81" * 17 + "00", "c1" * 17 + "00",
    ],
)  # fmt: skip
def test_broken_or_doubtful_bytes_are_refused(text: str) -> None:
    """Cut off, stray breaks, mixed chunks, reserved heads, not UTF-8, lengths only announced, odd keys, too deep."""
    with pytest.raises(ValueError):
        cbor.read(bytes.fromhex(text))


def test_bytes_after_the_value_are_refused() -> None:
    """One text, one meaning."""
    with pytest.raises(ValueError, match="after"):
        cbor.read(b"\x01\x01")


def test_tags_come_off_at_every_depth() -> None:
    """A date tagged as one is the text it holds."""
    tagged = cbor2.dumps({"sc": cbor2.CBORTag(0, "2021-06-01T12:00:00Z"), "l": [cbor2.CBORTag(9999, b"x")]})
    assert cbor.plain(cbor.read(tagged)) == {"sc": "2021-06-01T12:00:00Z", "l": [b"x"]}
