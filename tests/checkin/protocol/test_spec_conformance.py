"""The conformance pages hold what the code holds: labels, the signed time, the operator's code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checkin.errors import NoteUntrusted
from checkin.protocol.note import NoteVerifier
from checkin.protocol.primitives import Label, derive
from checkin.protocol.signed_time import read_time

SPEC = Path(__file__).parents[3] / "docs" / "spec"
LABELS = (SPEC / "labels.md").read_text(encoding="utf-8")
SCANNER = (SPEC / "scanner.md").read_text(encoding="utf-8")
NONCE = "AAECAwQFBgcICQoLDA0ODw"


def test_labels_of_the_page_are_those_of_the_code() -> None:
    """Each once, in their order; all different."""
    rows = re.findall(r"^\| `([^`]+)` \|", LABELS, re.MULTILINE)
    assert rows == [label.value.decode("ascii") for label in Label]
    assert len(set(rows)) == len(rows)


def test_the_example_of_a_sub_key_is_computed_right() -> None:
    """HKDF-SHA256 with the label as info."""
    day_key, sub_key = re.findall(r"`([0-9a-f]{64})`", LABELS)
    assert derive(bytes.fromhex(day_key), Label.SUB_ROW).hex() == sub_key


def test_the_example_of_a_signed_time_verifies() -> None:
    """For its nonce, and for no other."""
    verifier = NoteVerifier.parse(re.findall(r"`(registry\.example\+[^`]+)`", SCANNER)[0])
    note = re.findall(r"^```time\n(.*?)^```$", SCANNER, re.MULTILINE | re.DOTALL)[0]
    assert read_time(note, verifier, NONCE) == 1795143603
    with pytest.raises(NoteUntrusted):
        read_time(note, verifier, "A" * 22)
