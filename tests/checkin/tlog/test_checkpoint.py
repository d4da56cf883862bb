"""Checkpoints: whose head of which log, and who else saw it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checkin.errors import BadSignature, NoteMalformed, NoteUntrusted
from checkin.protocol.encoding import b64_decode, u64be
from checkin.protocol.note import NoteSigner, NoteVerifier, Signature, sign_note, split_note
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import (
    Checkpoint,
    CosignatureVerifier,
    Cosigner,
    cosignatures,
    cosigned_at,
    open_checkpoint,
)
from checkin.tlog.merkle import EMPTY_ROOT
from checkin.tlog.proof import PinnedLog

LOG = NoteSigner("retention.example/log", SigningKey(b"\x05" * 32))
FIRST = Cosigner("witness.example/w1", SigningKey(b"\x06" * 32))
SECOND = Cosigner("press.example/witness", SigningKey(b"\x07" * 32))
HEAD = Checkpoint("retention.example/log", 5, b"\x0a" * 32)
NOTE = sign_note(HEAD.write(), LOG)
NOW = 1_795_300_000.75

# The example of c2sp.org/tlog-checkpoint.
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""


def witnessed(*witnesses: Cosigner, now: float = NOW) -> str:
    """The checkpoint with their lines."""
    return NOTE + "".join(witness.cosign(HEAD.write(), now) for witness in witnesses)


def test_the_example_of_the_specification_is_read() -> None:
    """And written again."""
    head = Checkpoint.read(EXAMPLE)
    assert (head.origin, head.size, len(head.root)) == ("example.com/behind-the-sofa", 20852163, 32)
    assert head.write() == EXAMPLE
    more = Checkpoint.read(EXAMPLE + "extension\n")
    assert more.extensions == ("extension",)
    assert more.write() == EXAMPLE + "extension\n"


def test_an_empty_log_has_a_checkpoint() -> None:
    """Size 0, with the hash of nothing."""
    text = Checkpoint("retention.example/log", 0, EMPTY_ROOT).write()
    assert text.split("\n")[1] == "0"
    assert Checkpoint.read(text).size == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        EXAMPLE[:-1],
        EXAMPLE + "\n",
        "\n" + EXAMPLE,
        EXAMPLE.replace("20852163", "020852163"),
        EXAMPLE.replace("20852163", "+20852163"),
        EXAMPLE.replace("20852163", "-1"),
        EXAMPLE.replace("20852163", "2_0"),
        EXAMPLE.replace("20852163", "٣"),
        EXAMPLE.replace("20852163", str(2**63)),
        EXAMPLE.replace("20852163", ""),
        EXAMPLE.replace("CsUY", ""),
        EXAMPLE.replace("q2I=", "q2J="),
        EXAMPLE.replace("q2I=", "q2I"),
        EXAMPLE.replace("\n", "\r\n"),
        "\n".join(EXAMPLE.split("\n")[:2]) + "\n",
        EXAMPLE + "\n\nx\n",
    ],
)
def test_a_checkpoint_has_one_spelling(text: str) -> None:
    """Anything else is refused, not interpreted."""
    with pytest.raises(NoteMalformed):
        Checkpoint.read(text)


@pytest.mark.parametrize(
    "head",
    [
        replace(HEAD, origin=""),
        replace(HEAD, origin="a\nb"),
        replace(HEAD, size=-1),
        replace(HEAD, root=b"short"),
        replace(HEAD, extensions=("",)),
        replace(HEAD, extensions=("a\nb",)),
    ],
)
def test_what_could_not_be_read_back_is_not_written(head: Checkpoint) -> None:
    """So a log cannot sign nonsense by mistake."""
    with pytest.raises(NoteMalformed):
        head.write()


def test_the_pinned_log_is_believed_about_itself_only() -> None:
    """A key signs for the log of its name."""
    assert open_checkpoint(NOTE, LOG.verifier) == HEAD
    other = sign_note(replace(HEAD, origin="other.example/log").write(), LOG)
    with pytest.raises(NoteUntrusted, match="another log"):
        open_checkpoint(other, LOG.verifier)
    stranger = NoteVerifier(LOG.name, b"\x08" * 32)
    with pytest.raises(NoteUntrusted):
        open_checkpoint(NOTE, stranger)


def test_a_reader_who_trusts_witnesses_wants_to_see_one() -> None:
    """Or as many as asked for; the log's own line is none."""
    both = [FIRST.verifier, SECOND.verifier]
    with pytest.raises(NoteUntrusted):
        open_checkpoint(NOTE, LOG.verifier, both)
    assert open_checkpoint(NOTE, LOG.verifier, both, quorum=0) == HEAD
    assert open_checkpoint(witnessed(FIRST), LOG.verifier, both) == HEAD
    with pytest.raises(NoteUntrusted):
        open_checkpoint(witnessed(FIRST, FIRST), LOG.verifier, both, quorum=2)
    assert open_checkpoint(witnessed(FIRST, SECOND), LOG.verifier, both, quorum=2) == HEAD
    with pytest.raises(NoteUntrusted):
        open_checkpoint(NOTE, LOG.verifier, [], quorum=1)


def test_a_pinned_log_is_read_back_and_its_quorum_is_a_number_of_its_witnesses() -> None:
    """Also out of a file that somebody else wrote."""
    pinned = PinnedLog.of(LOG.verifier.vkey, [FIRST.verifier.vkey, SECOND.verifier.vkey], 2)
    plain = pinned.plain()
    assert PinnedLog.read(plain).plain() == plain
    assert PinnedLog.read(plain | {"quorum": 0}).head(NOTE) == HEAD
    for quorum in (-1, 3, True, "1", 1.0, None):
        with pytest.raises(NoteMalformed):
            PinnedLog.read(plain | {"quorum": quorum})
    for left_out in plain:
        with pytest.raises(NoteMalformed):
            PinnedLog.read({name: value for name, value in plain.items() if name != left_out})


def test_a_quorum_without_the_log_is_nothing() -> None:
    """Witnesses do not speak for the log."""
    alone = HEAD.write() + "\n" + FIRST.cosign(HEAD.write(), NOW)
    with pytest.raises(NoteUntrusted):
        open_checkpoint(alone, LOG.verifier, [FIRST.verifier])


def test_a_cosignature_tells_when_the_witness_looked() -> None:
    """To the second, the newest of each witness."""
    note = witnessed(FIRST) + FIRST.cosign(HEAD.write(), NOW + 60)
    assert cosignatures(note, [FIRST.verifier, SECOND.verifier]) == {FIRST.name: int(NOW) + 60}
    assert cosignatures(NOTE, [FIRST.verifier]) == {}


def test_the_signed_message_is_that_of_the_specification() -> None:
    """Two lines, then the whole text."""
    line = split_note(witnessed(FIRST))[1][1]
    message = f"cosignature/v1\ntime {int(NOW)}\n{HEAD.write()}".encode()
    assert line.value == u64be(int(NOW)) + SigningKey(b"\x06" * 32).sign(message)


def test_no_changed_bit_of_a_cosignature_passes() -> None:
    """The time is signed too; a changed key id makes it a stranger's."""
    line = split_note(witnessed(FIRST))[1][1]
    for bit in range(8 * len(line.value)):
        value = bytearray(line.value)
        value[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NoteUntrusted):
            cosignatures(NOTE + Signature(line.name, line.key_id, bytes(value)).line(), [FIRST.verifier])


@pytest.mark.parametrize("value", [b"", bytes(71), bytes(73), b"\x80" + bytes(71)])
def test_a_cosignature_has_one_size_and_a_time_that_exists(value: bytes) -> None:
    """Eight bytes of time below 2⁶³, 64 of signature."""
    with pytest.raises(BadSignature):
        cosigned_at(value)
    with pytest.raises(BadSignature):
        FIRST.verifier.verify(HEAD.write(), value)


def test_a_witness_key_is_no_note_key() -> None:
    """The types have different ids and different spellings, so one cannot pass for the other."""
    as_note = NoteVerifier(FIRST.name, FIRST.verifier.public)
    assert as_note.key_id != FIRST.verifier.key_id
    assert CosignatureVerifier.parse(FIRST.verifier.vkey).public == FIRST.verifier.public
    with pytest.raises(NoteMalformed):
        CosignatureVerifier.parse(as_note.vkey)
    with pytest.raises(NoteMalformed):
        NoteVerifier.parse(FIRST.verifier.vkey)
    assert b64_decode(FIRST.verifier.vkey.split("+", 2)[2])[0] == 4
    with pytest.raises(NoteMalformed):
        Cosigner("no spaces", SigningKey(b"\x06" * 32))
