"""Base45 against the `base45` package, and RFC 9285's own examples."""

from __future__ import annotations

import base45
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkin.errors import TokenMalformed
from checkin.protocol.encoding import base45_decode, base45_encode

# RFC 9285 §4.3 and §4.4
EXAMPLES = [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0")]


@pytest.mark.parametrize(("data", "text"), EXAMPLES)
def test_the_examples_of_the_rfc(data: bytes, text: str) -> None:
    """RFC 9285 §4.3 and §4.4."""
    assert base45_encode(data) == text
    assert base45_decode(text) == data


@given(st.binary(max_size=600))
def test_both_libraries_spell_bytes_alike(data: bytes) -> None:
    """Any reader of base45 reads our codes."""
    text = base45_encode(data)
    assert text == base45.b45encode(data).decode()
    assert base45_decode(text) == data


@given(st.text(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", max_size=60))
def test_what_is_accepted_reencodes_to_itself_and_the_rest_is_refused(text: str) -> None:
    """There is one text for one token; the oracle agrees on every accepted one."""
    try:
        data = base45_decode(text)
    except TokenMalformed:
        return
    assert base45_encode(data) == text
    assert base45.b45decode(text) == data
