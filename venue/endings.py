"""What ended for good at the registry, ended again in a database that was put back (docs/spec/keys.md §7)."""

from __future__ import annotations

from typing import Final

import sqlite_utils

from checkin.keys.journal import Ending

SCANNER: Final = "scanner"
OPERATOR: Final = "operator"  # another operator's token: its SHA-256
CLOSED: Final = "venue"
_AGAIN: Final = {
    SCANNER: "UPDATE scanners SET revoked = 1, uploads_until = :until WHERE id = :name",
    OPERATOR: "UPDATE venues SET operator_sha256 = :value WHERE id = :name",
    CLOSED: "UPDATE venues SET closed = 1 WHERE id = :name",
}


def end_again(tables: sqlite_utils.Database, ending: Ending) -> None:
    """The venue or scanner may be unknown to the database."""
    value = bytes.fromhex(ending.value)
    values: dict[str, str | bytes | int] = {"name": ending.name, "value": value}
    if ending.kind == SCANNER:  # until when scans were made that it may still upload
        values["until"] = int.from_bytes(value)
    tables.execute(_AGAIN[ending.kind], values)


def end_all(tables: sqlite_utils.Database) -> None:
    """In a database so old that nobody knows any more what ended since: every scanner and every operator's token."""
    tables.execute("UPDATE scanners SET revoked = 1, uploads_until = 0")
    tables.execute("UPDATE venues SET operator_sha256 = randomblob(32)")
