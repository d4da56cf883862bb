"""A log whose database or files were changed behind its back signs no second history, and mends its files."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlite_utils

from checkin.errors import LogConflict, NotFound
from checkin.tlog.checkpoint import open_checkpoint
from retention.log import Log
from tests.retention.logs import SIGNER, entries, files_of, head_of


def test_a_database_put_back_from_a_backup_signs_nothing(tmp_path: Path) -> None:
    """It would sign a second history."""
    log = Log(tmp_path, SIGNER)
    log.append([b"a"])
    log.close()
    backup = (tmp_path / "log.sqlite").read_bytes()
    again = Log(tmp_path, SIGNER)
    again.append([b"b"])
    again.close()
    (tmp_path / "log.sqlite").write_bytes(backup)
    with pytest.raises(LogConflict, match="older than what it has published"):
        Log(tmp_path, SIGNER)
    assert open_checkpoint((tmp_path / "checkpoint").read_text(), SIGNER.verifier).size == 2


def test_an_altered_database_signs_nothing(tmp_path: Path) -> None:
    """Whether an entry's hash, its bytes, or the head was changed."""
    for number, change in enumerate(
        (
            "UPDATE entries SET leaf_hash = zeroblob(32) WHERE position = 0",
            "DELETE FROM entries WHERE position = 1",
            "UPDATE heads SET root = zeroblob(32) WHERE size = 2",
        )
    ):
        folder = tmp_path / str(number)
        log = Log(folder, SIGNER)
        log.append([b"a", b"b"])
        log.close()
        database = sqlite_utils.Database(folder / "log.sqlite")
        with database.conn:
            database.execute(change)
        database.close()
        with pytest.raises((LogConflict, NotFound)):
            Log(folder, SIGNER)


def test_an_entry_changed_behind_the_logs_back_is_not_written_out(tmp_path: Path) -> None:
    """Its hash is in the tree already."""
    log = Log(tmp_path, SIGNER)
    log.append([b"a"])
    database = sqlite_utils.Database(tmp_path / "log.sqlite")
    with database.conn:
        database.execute("UPDATE entries SET entry = CAST('x' AS BLOB) WHERE position = 0")
    database.close()
    with pytest.raises(LogConflict):
        log.append([b"b"])
    assert head_of(log).size == 1


def test_lost_or_altered_tiles_are_made_anew_from_the_entries(tmp_path: Path) -> None:
    """The database is the log; the files are its copy."""
    log = Log(tmp_path, SIGNER)
    log.append(entries(0, 300))
    log.close()
    good = files_of(tmp_path)
    for name in ("tile/0/001.p/44", "tile/1/000.p/1"):
        (tmp_path / name).write_bytes(bytes(32))
        Log(tmp_path, SIGNER).close()
        assert files_of(tmp_path) == good
        (tmp_path / name).unlink()
        Log(tmp_path, SIGNER).close()
        assert files_of(tmp_path) == good
    (tmp_path / "checkpoint").write_text("garbage")
    assert Log(tmp_path, SIGNER).published() == Log(tmp_path, SIGNER).checkpoint()


def test_tiles_altered_while_the_log_runs_stop_it(tmp_path: Path) -> None:
    """It does not sign what it cannot explain."""
    log = Log(tmp_path, SIGNER)
    log.append(entries(0, 3))
    (tmp_path / "tile/0/000.p/3").write_bytes(bytes(96))
    with pytest.raises(LogConflict, match="altered"):
        log.append(entries(3, 4))
    assert Log(tmp_path, SIGNER).append(entries(3, 4)) == [3]
