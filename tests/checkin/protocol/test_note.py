"""Signed notes: what is accepted, what is refused, and who counts as having signed."""

from __future__ import annotations

import pytest

from checkin.errors import CheckinError, NoteMalformed, NoteUntrusted
from checkin.protocol.encoding import b64_encode
from checkin.protocol.note import (
    MAX_SIGNATURES,
    NoteSigner,
    NoteVerifier,
    Opened,
    add_signature,
    check_own_name,
    decode_note,
    open_note,
    sign_note,
    split_note,
    write_vkey,
)
from checkin.protocol.primitives import SigningKey

ISSUER = NoteSigner("issuer.example/checkin", SigningKey(b"\x01" * 32))
OFFICER = NoteSigner("authority.example/officers/1", SigningKey(b"\x02" * 32))
OTHER = NoteSigner("authority.example/officers/2", SigningKey(b"\x03" * 32))
TEXT = "purge report\nservice issuer\n"
NOTE = sign_note(TEXT, ISSUER)

# The first example of c2sp.org/signed-note, and the note and key of the documentation of sumdb/note.
C2SP_NOTE = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9o\
JKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""


def test_a_reader_gets_the_text_and_the_signers_name() -> None:
    """The plain case."""
    assert open_note(NOTE, [ISSUER.verifier]) == Opened(TEXT, ("issuer.example/checkin",))


def test_the_note_of_the_go_implementation_opens() -> None:
    """Published by others, so that we do not only agree with ourselves."""
    opened = open_note(GO_NOTE, [NoteVerifier.parse(GO_VKEY)])
    assert opened.names == ("PeterNeumann",)
    assert opened.text.endswith("your problem is.\n")


def test_the_example_of_the_specification_has_its_empty_line_inside_the_text() -> None:
    """The last empty line separates, not the first."""
    text, (signature,) = split_note(C2SP_NOTE)
    assert text.count("\n") == 4
    assert signature.name == "quasimodo.example/salvatore"
    assert len(signature.value) == 64


def test_a_note_that_nobody_trusted_signed_is_refused() -> None:
    """Signed by a stranger, or asked of nobody."""
    with pytest.raises(NoteUntrusted):
        open_note(NOTE, [OFFICER.verifier])
    with pytest.raises(NoteUntrusted):
        open_note(NOTE, [])


def test_a_threshold_below_one_still_needs_a_signature() -> None:
    """A forgotten number must not open anything."""
    with pytest.raises(NoteUntrusted):
        open_note(NOTE, [], threshold=0)


def test_strangers_signatures_are_ignored_even_when_garbled() -> None:
    """An unknown key cannot be checked, so it neither helps nor harms."""
    stranger = f"— {ISSUER.name} {b64_encode(b'abcd' + bytes(64))}\n"
    assert open_note(NOTE + stranger, [ISSUER.verifier]).names == (ISSUER.name,)


def test_a_bad_signature_of_a_known_key_refuses_the_whole_note() -> None:
    """Even when enough other signatures are good."""
    bad = f"— {OFFICER.name} {b64_encode(OFFICER.verifier.key_id + bytes(64))}\n"
    assert open_note(NOTE + bad, [ISSUER.verifier])
    with pytest.raises(NoteUntrusted, match="does not verify"):
        open_note(NOTE + bad, [ISSUER.verifier, OFFICER.verifier])


def test_the_threshold_counts_officers_not_lines() -> None:
    """One officer who signs twice is one officer."""
    officers = [OFFICER.verifier, OTHER.verifier]
    once = sign_note(TEXT, OFFICER)
    twice = once + once.split("\n\n")[1]
    with pytest.raises(NoteUntrusted, match="needs 2"):
        open_note(twice, officers, threshold=2)
    assert open_note(add_signature(once, OTHER), officers, threshold=2).names == (OFFICER.name, OTHER.name)


def test_one_key_under_two_names_is_one_signer() -> None:
    """And two keys under one name are one signer as well."""
    alias = NoteSigner("authority.example/officers/3", SigningKey(b"\x02" * 32))
    renewed = NoteSigner(OFFICER.name, SigningKey(b"\x04" * 32))
    for second in (alias, renewed):
        with pytest.raises(NoteUntrusted, match="has 1"):
            open_note(sign_note(TEXT, OFFICER, second), [OFFICER.verifier, second.verifier], threshold=2)


def test_signing_again_changes_nothing() -> None:
    """Adding a signature can be repeated after a crash."""
    assert add_signature(NOTE, ISSUER) == NOTE


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        TEXT,
        TEXT + "\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("purge", "pur\tge"),
        NOTE.replace("purge", "pur\x00ge"),
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—  "),
        NOTE.replace("checkin ", "check\u00a0in "),
        NOTE.replace("checkin ", "check+in "),
        NOTE.replace(ISSUER.name, ""),
        NOTE.replace("=\n", "\n"),
        NOTE.replace("=\n", "= \n"),
        NOTE.replace("=\n", "=\n\n— x AAAA\n"),
        f"{TEXT}\n— {ISSUER.name} AAAAAA==\n",
        NOTE.replace("purge", "\ud800"),
        "x" * 2**20 + NOTE,
        "ü" * 2**19 + NOTE,
    ],
)
def test_what_is_not_in_canonical_form_is_no_note(note: str) -> None:
    """Not even before anything is verified."""
    with pytest.raises(NoteMalformed):
        open_note(note, [ISSUER.verifier])


def test_base64_with_loose_last_bits_is_refused() -> None:
    """Two spellings of one signature would be two notes with one meaning."""
    assert NOTE.endswith("=\n")
    last = NOTE[-3]
    other = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    loose = NOTE[:-3] + other[other.index(last) ^ 1] + "=\n"
    with pytest.raises(NoteMalformed):
        open_note(loose, [ISSUER.verifier])


def test_the_number_of_signatures_is_limited() -> None:
    """64 are read, 65 are not."""
    line = NOTE.split("\n\n")[1]
    assert open_note(TEXT + "\n" + line * MAX_SIGNATURES, [ISSUER.verifier])
    with pytest.raises(NoteMalformed):
        open_note(TEXT + "\n" + line * (MAX_SIGNATURES + 1), [ISSUER.verifier])


def test_bytes_that_are_not_utf8_are_no_note() -> None:
    """Files and answers come as bytes."""
    assert decode_note(NOTE.encode()) == NOTE
    with pytest.raises(NoteMalformed):
        decode_note(NOTE.encode()[:-75] + b"\xff\n")


@pytest.mark.parametrize("text", ["", "no newline", "a\r\n", "bell\x07\n", "\ud800\n", "x" * 2**20 + "\n"])
def test_a_text_that_no_note_can_have_is_not_signed(text: str) -> None:
    """The signer finds out, not the reader."""
    with pytest.raises(NoteMalformed):
        sign_note(text, ISSUER)


def test_a_note_without_signers_is_not_made() -> None:
    """It would not be read back."""
    with pytest.raises(NoteMalformed):
        sign_note(TEXT)


def test_verifier_keys_have_one_spelling() -> None:
    """What is pinned by hand is read strictly."""
    vkey = ISSUER.verifier.vkey
    assert NoteVerifier.parse(vkey).public == ISSUER.verifier.public
    name, number, key = vkey.split("+", 2)
    wrong = [
        "",
        name,
        f"{name}+{number}",
        f"{name}+{number.upper()}+{key}",
        f"{name}+00000000+{key}",
        f"other.example+{number}+{key}",
        f"{name} +{number}+{key}",
        vkey + "=",
        vkey[:-4],
        write_vkey(name, 4, ISSUER.verifier.public),
    ]
    for text in wrong:
        with pytest.raises(NoteMalformed):
            NoteVerifier.parse(text)


def test_the_same_name_and_id_for_two_keys_is_a_mistake_of_the_reader() -> None:
    """The id is short and can be made to collide; which key is meant could not be told."""
    other = NoteVerifier(ISSUER.name, OFFICER.verifier.public)
    other.key_id = ISSUER.verifier.key_id
    with pytest.raises(NoteUntrusted, match="same name"):
        open_note(NOTE, [ISSUER.verifier, other])


@pytest.mark.parametrize("name", ["issuer.example/checkin", "localhost:8001/checkin", "witness.example", "a/b/c_d~e"])
def test_our_keys_are_named_like_addresses(name: str) -> None:
    """Host, perhaps a port, perhaps a path."""
    check_own_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "https://issuer.example/x", "Issuer", "issuer.example/", "a b", "a+b", "a//b", "é.example", "x" * 256, "a\n"],
)
def test_other_names_are_refused_for_our_keys(name: str) -> None:
    """They would collide by accident, or not be read back."""
    with pytest.raises(CheckinError):
        NoteSigner(name, SigningKey(b"\x01" * 32))
