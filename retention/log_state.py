"""log.sqlite: the entries of the log in their order, and every tree head it ever had.

What is in the files of the log is made from this; what is signed is decided here. Tables (docs/spec/log.md §7):

    log       origin
    entries   position, leaf_hash (unique), entry
    heads     size, root, note: the signed checkpoint with its cosignatures, NULL until it is signed

A view `statements` shows the entries as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import sqlite_utils

from checkin.errors import LogConflict, NotFound, SettingsInvalid
from checkin.files.database import NOTES_PAGE, StateFile
from checkin.tlog.merkle import EMPTY_ROOT, leaf_hash

_SWAP = """INSERT INTO heads (size, root) SELECT :size, :root
    WHERE (SELECT max(size) FROM heads) = :old_size AND (SELECT root FROM heads WHERE size = :old_size) = :old_root"""
_STATEMENTS = "SELECT position, CAST(entry AS TEXT) AS text, lower(hex(leaf_hash)) AS leaf_hash FROM entries"


class Head(NamedTuple):
    """How many entries are under a root, and the root."""

    size: int
    root: bytes


def _migrate(tables: sqlite_utils.Database) -> None:
    tables.table("log").create({"origin": str}, pk="origin", strict=True, if_not_exists=True)
    columns = {"position": int, "leaf_hash": bytes, "entry": bytes}
    tables.table("entries").create(columns, pk="position", not_null=set(columns), strict=True, if_not_exists=True)
    tables.table("entries").create_index(["leaf_hash"], unique=True, if_not_exists=True)
    tables.table("heads").create(
        {"size": int, "root": bytes, "note": str}, pk="size", not_null={"size", "root"}, strict=True, if_not_exists=True
    )
    tables.create_view("statements", _STATEMENTS, ignore=True)
    tables.execute("INSERT INTO heads (size, root) VALUES (0, ?) ON CONFLICT DO NOTHING", [EMPTY_ROOT])


class LogState(StateFile):
    """The log's own memory. Every method is one commit, on the disk when it returns."""

    def __init__(self, path: Path, origin: str) -> None:
        """Makes the file if need be; raises `SettingsInvalid` when it is another log's."""
        super().__init__(path, _migrate, page=NOTES_PAGE)
        with self.writing() as tables:
            tables.execute("INSERT INTO log (origin) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM log)", [origin])
            (known,) = tables.execute("SELECT origin FROM log").fetchone()
        if known != origin:
            self.close()
            raise SettingsInvalid("The folder holds a log of another name.")

    def sequence(self, entries: Sequence[bytes]) -> list[int]:
        """The place of each entry, for good: its old one if it is there already, else the next."""
        places = []
        with self.writing() as tables:
            (following,) = tables.execute("SELECT coalesce(max(position) + 1, 0) FROM entries").fetchone()
            for entry in entries:
                leaf = leaf_hash(entry)
                known = tables.execute("SELECT position FROM entries WHERE leaf_hash = ?", [leaf]).fetchone()
                if known is None:
                    tables.execute("INSERT INTO entries VALUES (?, ?, ?)", [following, leaf, entry])
                    known = (following,)
                    following += 1
                places.append(known[0])
        return places

    def count(self) -> int:
        """How many entries have a place, also those that no tree head covers yet."""
        [(count,)] = self.rows("SELECT coalesce(max(position) + 1, 0) FROM entries")
        return int(count)

    def leaf_hashes(self, low: int, high: int) -> list[bytes]:
        """Of the entries [low, high)."""
        return self._column("leaf_hash", low, high)

    def entries(self, low: int, high: int) -> list[bytes]:
        """The entries [low, high)."""
        return self._column("entry", low, high)

    def _column(self, name: str, low: int, high: int) -> list[bytes]:
        query = f"SELECT {name} FROM entries WHERE position >= ? AND position < ? ORDER BY position"  # noqa: S608 - a constant
        values = [value for (value,) in self.rows(query, low, high)]
        if len(values) != high - low:
            raise NotFound("The log has no such entries.")
        return values

    def head(self) -> Head:
        """The newest tree head, signed or about to be."""
        [newest] = self.rows("SELECT size, root FROM heads ORDER BY size DESC LIMIT 1")
        return Head(*newest)

    def root(self, size: int) -> bytes | None:
        """The root of the tree head of this size, None if there is none."""
        found = self.rows("SELECT root FROM heads WHERE size = ?", size)
        return found[0][0] if found else None

    def swap(self, old: Head, new: Head) -> None:
        """Compare and swap: `new` follows `old`, which must be the newest; raises `LogConflict` otherwise.

        Only a tree head that stands here may be signed, so one log never signs two that fork.
        """
        if new.size <= old.size:
            raise LogConflict("A log does not shrink.")
        values = {"size": new.size, "root": new.root, "old_size": old.size, "old_root": old.root}
        with self.writing() as tables:
            if tables.execute(_SWAP, values).rowcount != 1:
                raise LogConflict

    def note(self, size: int) -> str | None:
        """The signed checkpoint of a tree head, None while it is not signed."""
        found = self.rows("SELECT note FROM heads WHERE size = ?", size)
        return found[0][0] if found else None

    def keep_note(self, size: int, note: str) -> None:
        """Keeps the signed checkpoint of a tree head, or the same with more cosignatures."""
        with self.writing() as tables:
            tables.execute("UPDATE heads SET note = ? WHERE size = ?", [note, size])

    def notes(self) -> list[tuple[int, str]]:
        """The last 100 signed checkpoints with their sizes, newest first."""
        return self.rows("SELECT size, note FROM heads WHERE note IS NOT NULL ORDER BY size DESC LIMIT 100")
