"""data/venue.db: venues, scanners, issuers' keys as first seen, and how often queued signatures failed.

Nothing about any visit is in it. Tables (a test holds them against docs/spec/registry.md):

    venues          id, name, category, capacity, operator_sha256, status_rule, closed
    scanners        id, venue, label, token_sha256, revoked, uploads_until
    issuer_lists    issuer, note, proof: the newest list that was accepted, and that the log holds it (or '')
    issuer_keys     issuer, day, public: the first key seen for a day is final
    contradictions  issuer, day, public: another key that an issuer signed for the same day
    alarms          day, failed: how many queued codes' signatures failed
    endings         number: up to which line of the journal beside the key ring this file has seen
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import sqlite_utils

from checkin.files.database import connect, opening
from checkin.files.state_file import StateFile

_TIMEOUT = 10.0  # seconds to wait for another worker's commit
_TABLES: dict[str, tuple[dict[str, Any], str | tuple[str, ...]]] = {
    "venues": (
        {
            "id": str,
            "name": str,
            "category": str,
            "capacity": int,
            "operator_sha256": bytes,
            "status_rule": str,
            "closed": int,
        },
        "id",
    ),
    "scanners": (
        {"id": str, "venue": str, "label": str, "token_sha256": bytes, "revoked": int, "uploads_until": int},
        "id",
    ),
    "issuer_lists": ({"issuer": int, "note": str, "proof": str}, "issuer"),
    "issuer_keys": ({"issuer": int, "day": int, "public": bytes}, ("issuer", "day")),
    "contradictions": ({"issuer": int, "day": int, "public": bytes}, ("issuer", "day", "public")),
    "alarms": ({"day": int, "failed": int}, "day"),
    "endings": ({"number": int}, "number"),
}

_BEARER = """SELECT 1 FROM venues WHERE operator_sha256 = ? AND closed = 0
    UNION ALL SELECT 1 FROM scanners JOIN venues ON venues.id = scanners.venue
    WHERE token_sha256 = ? AND revoked = 0 AND closed = 0"""


class RegistryDatabase(StateFile):
    """One connection a process, used by one thread at a time; every commit is on the disk before it returns."""

    def __init__(self, path: Path) -> None:
        """Makes the file if need be; several processes may do so at once."""
        super().__init__(path, _migrate, timeout=_TIMEOUT)
        # A second connection that never writes: SQLite tells it when any other one has committed.
        with opening(path):
            self._watch = connect(path, _TIMEOUT)
        self._watching = threading.Lock()
        self.seen = 0
        """What the last look saw."""

    def look(self) -> int:
        """Another number whenever anybody, in this or another process, has committed since the last look.

        Costs 6 µs (measured), so it is asked for each check-in, and a revoked scanner is out at its next one.
        """
        with self._watching:
            (self.seen,) = self._watch.execute("PRAGMA data_version").fetchone()
            return self.seen

    def knows_token(self, hashed: bytes) -> bool:
        """Whether an operator or a scanner bears the token of this hash."""
        with self.reading() as tables:
            return tables.execute(_BEARER, [hashed, hashed]).fetchone() is not None

    def close(self) -> None:
        """Gives back the file."""
        super().close()
        with self._watching:
            self._watch.close()


def _migrate(tables: sqlite_utils.Database) -> None:
    """Makes what is missing; a later version adds its columns and indexes here."""
    for name, (columns, key) in _TABLES.items():
        optional = {"capacity"}
        tables.table(name).create(columns, pk=key, not_null=set(columns) - optional, strict=True, if_not_exists=True)
    if "proof" not in tables.table("issuer_lists").columns_dict:  # of a version that asked for none
        tables.table("issuer_lists").add_column("proof", str, not_null_default="")
    if "uploads_until" not in tables.table("scanners").columns_dict:  # of a version whose revocations ended all
        tables.table("scanners").add_column("uploads_until", int, not_null_default=0)
    tables.table("venues").create_index(["operator_sha256"], unique=True, if_not_exists=True)
    tables.table("scanners").create_index(["token_sha256"], unique=True, if_not_exists=True)
    tables.table("scanners").create_index(["venue"], if_not_exists=True)
    # Few have been replaced lately, and every worker looks for them again and again.
    tables.execute("CREATE INDEX IF NOT EXISTS replaced ON scanners (uploads_until) WHERE uploads_until > 0")
