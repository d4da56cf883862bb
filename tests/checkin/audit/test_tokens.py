"""Tokens decoded field by field for an audit, by a reader that was written from the specification alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checkin.audit.token_check import PLAIN, SHOWN, check_tokens, decode
from checkin.clock import Calendar
from checkin.errors import TokenMalformed
from checkin.protocol import presentation
from checkin.protocol.credential import Draft, IssuerKey, IssuerKeys, Mode, Status, issue, new_opening
from checkin.protocol.primitives import SigningKey, random_bytes

CALENDAR = Calendar()
DAY = CALENDAR.parse_date("2026-11-20")
NOON = int(CALENDAR.start(DAY)) + 12 * 3600
ISSUER = SigningKey(bytes(range(32)))
KEYS = IssuerKeys(IssuerKey(7, ISSUER.public))
VECTORS = Path(__file__).parents[2] / "vectors"


def code(*, shown: bool = False, day: int = DAY, visit_id: bytes | None = None, iat: int = NOON) -> str:
    """A genuine code."""
    holder, opening = SigningKey(random_bytes(32)), new_opening(Status.NONE)
    draft = Draft(day, Mode.SCREEN, visit_id or random_bytes(16), holder.public, random_bytes(72), opening)
    token = presentation.present(issue(draft, 7, ISSUER), holder, iat, opening if shown else None)
    return presentation.to_text(token)


def test_every_byte_of_a_token_belongs_to_a_field() -> None:
    """The fields of the specification add up to its sizes."""
    sizes = [sum(size if isinstance(size, int) else len(size) for _, size in fields) for fields in (PLAIN, SHOWN)]
    assert sizes == [presentation.TOKEN_SIZE, presentation.SHOWN_SIZE]


@pytest.mark.parametrize("shown", [False, True])
def test_a_genuine_sample_has_no_faults(shown: bool) -> None:
    """With the status and without."""
    assert check_tokens([code(shown=shown) for _ in range(5)], CALENDAR, KEYS) == []


def test_the_two_readers_agree_about_every_token_with_one_byte_changed() -> None:
    """Whatever the door refuses as malformed, the audit refuses, and the other way round."""
    token = presentation.from_text(code(shown=True))
    for at in range(len(token)):
        changed = token[:at] + bytes([token[at] ^ 0x40]) + token[at + 1 :]
        text = presentation.to_text(changed)
        assert check_tokens([text], CALENDAR, KEYS), f"byte {at}"


def test_a_token_with_something_more_is_named() -> None:
    """A field that nobody specified, at the end or in place of another."""
    token = presentation.from_text(code())
    with pytest.raises(ValueError, match="byte"):
        decode(token + b"\x00")
    assert check_tokens([presentation.to_text(token + b"\x00")], CALENDAR, KEYS)


def test_two_codes_that_could_be_linked_are_named() -> None:
    """The same visit id twice; the sentence holds no value."""
    faults = check_tokens([code(visit_id=bytes(range(16))) for _ in range(2)], CALENDAR, KEYS)
    assert faults == ["two codes share a visit_id"]


def test_an_id_that_is_not_random_is_named() -> None:
    """A counter in the place of a visit id."""
    assert check_tokens([code(visit_id=(5).to_bytes(16, "big"))], CALENDAR, KEYS) == ["code 1: visit_id is not random"]


def test_a_code_of_another_day_or_an_unlisted_key_is_named() -> None:
    """Signed by whom it says, for the day it says, with nothing else."""
    assert check_tokens([code(iat=NOON + 86400)], CALENDAR, KEYS) == ["code 1: iat lies in another day than day"]
    assert check_tokens([code()], CALENDAR, IssuerKeys()) == ["code 1: unknown_issuer_key"]


def test_the_published_vectors_decode() -> None:
    """Every token that the vectors call good."""
    cases = json.loads((VECTORS / "presentation.json").read_text(encoding="utf-8"))
    texts = [value for value in _strings(cases) if value.startswith("CK1:") and len(value) in (468, 504)]
    decoded = 0
    for text in texts:
        try:
            decode(presentation.from_text(text))
            decoded += 1
        except (TokenMalformed, ValueError):
            continue
    assert decoded > 5


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []
