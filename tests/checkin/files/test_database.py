"""SQLite files of ours are opened by several processes at once."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from checkin.files.database import connect


def opened(path: Path) -> str:
    """The journal of a file that was just opened."""
    with closing(connect(path)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        return str(mode)


def test_a_new_file_that_another_is_turning_to_its_log_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the workers of one server that start together: SQLite itself refuses one of them at once."""
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("checkin.files.database.TIMEOUT", 0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            opened(path)
        monkeypatch.setattr("checkin.files.database.TIMEOUT", 60.0)
        waiting = pool.submit(opened, path)
        other.execute("CREATE TABLE one (number INTEGER)")
        other.execute("COMMIT")
        assert waiting.result() == "wal"
