"""Every example of docs/spec/notes.md and docs/spec/log.md is what the code makes and accepts."""

from __future__ import annotations

import re
from pathlib import Path

import sqlite_utils

from checkin.protocol.note import NoteSigner, NoteVerifier, open_note, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.protocol.statement import kind_of
from checkin.purge.statement_store import KINDS
from checkin.tlog.checkpoint import CosignatureVerifier, Cosigner, cosignatures, open_checkpoint
from checkin.tlog.merkle import consistency_proof, leaf_hash, root, subtrees
from checkin.tlog.proof import LogProof, PinnedLog
from checkin.tlog.witness import AddCheckpoint, WatchedLog, Witness, WitnessState
from retention.log import Log

SPEC = Path(__file__).parents[3] / "docs" / "spec"
NOTES = (SPEC / "notes.md").read_text(encoding="utf-8")
PAGE = (SPEC / "log.md").read_text(encoding="utf-8")


def blocks(page: str, kind: str) -> list[str]:
    """The examples of a kind, in their order."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


ENTRIES = [entry.encode() for entry in blocks(PAGE, "entry")]
[LOG_VKEY, WITNESS_VKEY] = blocks(PAGE, "vkeys")[0].split()
LOG = NoteVerifier.parse(LOG_VKEY)
WITNESS = CosignatureVerifier.parse(WITNESS_VKEY)
[CHECKPOINT] = blocks(PAGE, "checkpoint")


def test_the_note_of_the_example_opens_under_its_key() -> None:
    """And is the statement that it says it is."""
    [note], [vkey] = blocks(NOTES, "note"), blocks(NOTES, "vkey")
    verifier = NoteVerifier.parse(vkey.strip())
    text = open_note(note, [verifier]).text
    assert KINDS[kind_of(text)].read(text)["key"] == "day-20779"
    assert sign_note(text, NoteSigner(verifier.name, SigningKey(b"\x01" * 32))) == note
    for entry in ENTRIES:
        text = open_note(entry.decode(), [verifier]).text
        assert KINDS[kind_of(text)].write(KINDS[kind_of(text)].read(text)) == text


def test_the_log_of_the_example_is_the_log_of_its_entries(tmp_path: Path) -> None:
    """Made anew, it has the same head, and the same proof comes out of it."""
    head = open_checkpoint(CHECKPOINT, LOG, [WITNESS])
    assert head.root == root(map(leaf_hash, ENTRIES))
    log = Log(tmp_path, NoteSigner(LOG.name, SigningKey(b"\x05" * 32)))
    log.append(ENTRIES)
    when = cosignatures(CHECKPOINT, [WITNESS])[WITNESS.name]
    log.add_cosignatures(3, [Cosigner(WITNESS.name, SigningKey(b"\x06" * 32)).cosign(head.write(), when)])
    assert log.published() == CHECKPOINT
    assert log.proof(2) == blocks(PAGE, "proof")[0]


def test_the_proof_of_the_example_convinces() -> None:
    """Of its entry and no other."""
    [proof] = blocks(PAGE, "proof")
    assert LogProof.read(proof).verify(ENTRIES[2], PinnedLog(LOG, (WITNESS,))).size == 3


def test_the_request_of_the_example_is_cosigned(tmp_path: Path) -> None:
    """By a witness that has seen two entries."""
    [body] = blocks(PAGE, "add-checkpoint")
    request = AddCheckpoint.read(body)
    assert request.proof == tuple(consistency_proof(2, 3, subtrees([leaf_hash(entry) for entry in ENTRIES])))
    signer = NoteSigner(LOG.name, SigningKey(b"\x05" * 32))
    log = Log(tmp_path, signer)
    log.append(ENTRIES[:2])
    cosigner = Cosigner(WITNESS.name, SigningKey(b"\x06" * 32))
    witness = Witness(WitnessState(tmp_path / "w"), cosigner, [WatchedLog(LOG, LOG.name)])
    witness.add_checkpoint(AddCheckpoint(0, (), log.checkpoint()).write(), 1.0)
    assert open_checkpoint(request.note + witness.add_checkpoint(body, 2.0), LOG, [WITNESS]).size == 3
    witness.state.close()


def test_every_table_and_column_is_on_the_page(tmp_path: Path) -> None:
    """Of the log and of a witness, views included."""
    Log(tmp_path, NoteSigner(LOG.name, SigningKey(b"\x05" * 32))).close()
    WitnessState(tmp_path / "witness.sqlite").close()
    for name in ("log.sqlite", "witness.sqlite"):
        database = sqlite_utils.Database(tmp_path / name)
        for table in [*database.tables, *database.views]:
            assert f"`{table.name}`" in PAGE
            for column in table.columns:
                assert f"`{column.name}`" in PAGE
        database.close()
