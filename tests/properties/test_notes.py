"""For every note and statement: what is accepted re-encodes to itself, and only documented errors escape."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from checkin.errors import NoteMalformed, NoteUntrusted
from checkin.protocol.note import NoteSigner, decode_note, join_note, open_note, sign_note, split_note
from checkin.protocol.primitives import SigningKey
from checkin.protocol.statement import Field, StatementType

KNOWN = NoteSigner("issuer.example/checkin", SigningKey(b"\x01" * 32))
STRANGER = NoteSigner("stranger.example", SigningKey(b"\x02" * 32))
TEXT = "ck1/report\nday 2026-11-22\n\nmore\n"
NOTE = sign_note(TEXT, KNOWN, STRANGER).encode()
REPORT = StatementType("ck1/report", "a", Field("b", repeated=True), Field("c", optional=True))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts)
def test_whatever_text_is_signed_comes_back(text: str) -> None:
    """Or is not signed at all."""
    try:
        note = sign_note(text, KNOWN, STRANGER)
    except NoteMalformed:
        return
    assert open_note(note, [KNOWN.verifier]).text == text


@given(st.one_of(texts, texts.map(lambda tail: TEXT + "\n— " + tail), texts.map(lambda tail: NOTE.decode() + tail)))
def test_every_accepted_note_reencodes_to_itself(note: str) -> None:
    """So a note has one spelling."""
    try:
        text, signatures = split_note(note)
    except NoteMalformed:
        return
    assert join_note(text, [signature.line() for signature in signatures]) == note


@given(st.integers(0, len(NOTE) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_changes_nothing_trusted(at: int, byte: int) -> None:
    """An attacker may only touch what nobody relies on: a stranger's line."""
    changed = NOTE[:at] + bytes([byte]) + NOTE[at + 1 :]
    try:
        opened = open_note(decode_note(changed), [KNOWN.verifier])
    except (NoteMalformed, NoteUntrusted):
        return
    assert (opened.text, opened.names) == (TEXT, (KNOWN.name,))


def test_every_single_bit_of_a_note_counts() -> None:
    """The same for all bits, one by one."""
    accepted = 0
    stranger = NOTE.index(b"\xe2\x80\x94 stranger")
    for bit in range(len(NOTE) * 8):
        changed = bytearray(NOTE)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            opened = open_note(decode_note(bytes(changed)), [KNOWN.verifier])
        except (NoteMalformed, NoteUntrusted):
            continue
        assert (opened.text, opened.names) == (TEXT, (KNOWN.name,))
        assert bit // 8 >= stranger
        accepted += 1
    assert accepted > 0


@given(st.text(max_size=80) | st.from_regex(r"ck1/report\n(a|b|c)( .*\n)+", fullmatch=True))
def test_every_accepted_statement_reencodes_to_itself(text: str) -> None:
    """So a statement has one spelling."""
    try:
        values = REPORT.read(text)
    except NoteMalformed:
        return
    assert REPORT.write(values) == text


values_of = st.fixed_dictionaries({"a": texts, "b": st.lists(texts, min_size=1, max_size=3)}, optional={"c": texts})


@given(values_of)
def test_every_written_statement_is_read_back(values: dict[str, str | list[str]]) -> None:
    """No value can pass for a line of its own."""
    try:
        text = REPORT.write(values)
    except NoteMalformed:
        return
    assert REPORT.read(text) == values
