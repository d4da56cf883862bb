"""A small state file: one commit or nothing, and a clear word when the disk or another process is in the way."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlite_utils

from checkin.errors import NotReady
from checkin.files.database import StateFile


def migrate(tables: sqlite_utils.Database) -> None:
    """One table."""
    tables.table("numbers").create({"number": int}, pk="number", strict=True, if_not_exists=True)


def numbers(state: StateFile) -> list[int]:
    """What is in it."""
    with state.reading() as tables:
        return [row[0] for row in tables.execute("SELECT number FROM numbers ORDER BY number")]


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Whatever it was that failed, and even when the block gave up its transaction itself."""
    state = StateFile(tmp_path / "made" / "state.sqlite", migrate)
    for rolled_back in (False, True):
        with pytest.raises(KeyError), state.writing() as tables:
            tables.execute("INSERT INTO numbers VALUES (1)")
            if rolled_back:
                tables.execute("ROLLBACK")
            raise KeyError
    with state.writing() as tables:
        tables.execute("INSERT INTO numbers VALUES (2)")
    assert numbers(state) == [2]
    state.close()


def test_every_commit_is_on_the_disk_before_it_returns(tmp_path: Path) -> None:
    """In SQLite's words: a write-ahead log, and synchronous=FULL."""
    state = StateFile(tmp_path / "state.sqlite", migrate)
    with state.reading() as tables:
        assert tables.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert tables.execute("PRAGMA synchronous").fetchone() == (2,)
    state.close()


def test_what_is_deleted_is_overwritten_whatever_sqlite_does_by_itself(tmp_path: Path) -> None:
    """Some builds of SQLite leave it in the file."""
    state = StateFile(tmp_path / "state.sqlite", migrate)
    with state.reading() as tables:
        assert tables.execute("PRAGMA secure_delete").fetchone() == (1,)
    state.close()


def test_another_process_that_holds_the_file_too_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not ready, and nothing lost: it can be tried again."""
    monkeypatch.setattr("checkin.files.database.TIMEOUT", 0.05)
    path = tmp_path / "state.sqlite"
    state, other = StateFile(path, migrate), StateFile(path, migrate)
    with other.writing() as tables:
        tables.execute("INSERT INTO numbers VALUES (1)")
        with pytest.raises(NotReady, match="try again"), state.writing():
            pass
    assert numbers(state) == [1]
    state.close()
    other.close()
