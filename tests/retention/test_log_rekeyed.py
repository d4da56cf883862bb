"""The log's key is exchanged for another one: the same tree and name go on, and no second history is signed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from checkin.errors import LogConflict, NoteUntrusted, NotReady, SettingsInvalid
from checkin.protocol.note import NoteSigner, NoteVerifier, sign_note, unverified_text
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import Checkpoint, open_checkpoint
from retention.log import Log, LogFiles
from tests.retention.logs import SIGNER, WITNESS, entries, head_of

STRANGER = NoteSigner(SIGNER.name, SigningKey(b"\x16" * 32))
NEW = NoteSigner(SIGNER.name, SigningKey(b"\x15" * 32))
NOW = 1_795_300_000.0


def rekeyed(folder: Path, quorum: int = 0) -> Log:
    return Log(folder, NEW, quorum, former=[SIGNER.verifier])


def cosign(log: Log) -> None:
    log.add_cosignatures(log.size(), [WITNESS.cosign(unverified_text(log.checkpoint()), NOW)])


def test_the_same_head_is_signed_anew_and_keeps_its_cosignatures(tmp_path: Path) -> None:
    """Who pinned the new key verifies it at once, who pinned the former one no more, and the log goes on."""
    log = Log(tmp_path, SIGNER, quorum=1)
    log.append(entries(0, 3))
    cosign(log)
    before = head_of(log)
    log.close()
    log = rekeyed(tmp_path, quorum=1)
    assert open_checkpoint(log.published(), NEW.verifier, [WITNESS.verifier], 1) == before
    with pytest.raises(NoteUntrusted):
        head_of(log)
    assert log.append([*entries(1, 2), b"more\n"]) == [1, 3]
    cosign(log)
    assert open_checkpoint(log.published(), NEW.verifier, [WITNESS.verifier], 1).size == 4


def test_a_head_that_waits_for_its_witness_is_shown_once_it_has_it(tmp_path: Path) -> None:
    """Until then the one before stays, as it was signed."""
    log = Log(tmp_path, SIGNER, quorum=1)
    log.append(entries(0, 1))
    cosign(log)
    log.append(entries(1, 2))
    log.close()
    log = rekeyed(tmp_path, quorum=1)
    assert open_checkpoint(log.published(), SIGNER.verifier).size == 1
    cosign(log)
    assert open_checkpoint(log.published(), NEW.verifier, [WITNESS.verifier], 1).size == 2


@pytest.mark.parametrize("former", [[], [STRANGER.verifier]], ids=["none", "a stranger's"])
def test_a_log_whose_former_key_is_not_named_does_not_open(tmp_path: Path, former: list[NoteVerifier]) -> None:
    """A new key that was made because the old one was gone would take the log over; nothing is signed."""
    log = Log(tmp_path, SIGNER)
    log.append(entries(0, 1))
    note = log.checkpoint()
    log.close()
    with pytest.raises(SettingsInvalid, match="log_former"):
        Log(tmp_path, NEW, former=former)
    assert (tmp_path / "checkpoint").read_text() == note


def test_what_a_thief_of_the_former_key_wrote_into_the_database_is_not_signed_anew(tmp_path: Path) -> None:
    """His head of as many entries is signed as the log's own was, and is not what the entries lead to."""
    log = Log(tmp_path, SIGNER)
    log.append(entries(0, 1))
    forged = sign_note(Checkpoint(SIGNER.name, 1, b"\x01" * 32).write(), SIGNER)
    log._state.keep_note(1, forged)
    log.close()
    with pytest.raises(SettingsInvalid):
        rekeyed(tmp_path)


def test_a_checkpoint_that_the_database_does_not_know_is_noticed_directly_after_a_change(tmp_path: Path) -> None:
    """The former key signed it, and still proves that the database was put back."""
    log = Log(tmp_path, SIGNER)
    log.append(entries(0, 1))
    log.close()
    shutil.copy(tmp_path / "log.sqlite", tmp_path / "older")
    log = Log(tmp_path, SIGNER)
    log.append(entries(1, 2))
    log.close()
    shutil.copy(tmp_path / "older", tmp_path / "log.sqlite")
    with pytest.raises(LogConflict):
        rekeyed(tmp_path)


def test_a_stop_between_signing_and_showing_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path, SIGNER)
    log.append(entries(0, 1))
    log.close()

    def full(*_: object) -> None:
        raise NotReady

    with monkeypatch.context() as patch, pytest.raises(NotReady):
        patch.setattr(LogFiles, "write", full)
        rekeyed(tmp_path)
    assert open_checkpoint((tmp_path / "checkpoint").read_text(), SIGNER.verifier).size == 1
    assert open_checkpoint(rekeyed(tmp_path).published(), NEW.verifier).size == 1
