"""The registry's tables: venues, scanners, issuers' keys as first seen, and how often queued signatures failed.

Nothing about any visit is in them. In data/venue.db or in PostgreSQL; a test holds them against docs/spec/registry.md:

    venues          id, name, category, capacity, operator_sha256, status_rule, closed
    scanners        id, venue, label, token_sha256, revoked, uploads_until
    issuer_lists    issuer, note, proof: the newest list that was accepted, and that the log holds it (or '')
    issuer_keys     issuer, day, public: the first key seen for a day is final
    contradictions  issuer, day, public: another key that an issuer signed for the same day
    alarms          day, failed: how many queued codes' signatures failed
    endings         number: up to which line of the journal beside the key ring this database has seen
    changes         name, number: how often scanners, or issuers' lists, were changed so that memory is to be read anew
"""

from __future__ import annotations

from typing import Final

from checkin.files.tables import Tables, TableSet

SCANNERS: Final = "scanners"
LISTS: Final = "lists"
_FIRST: Final = """
CREATE TABLE IF NOT EXISTS venues (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text NOT NULL,
    category text NOT NULL,
    capacity bigint,
    operator_sha256 bytea NOT NULL,
    status_rule text NOT NULL,
    closed bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS scanners (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    venue text COLLATE "C" NOT NULL,
    label text COLLATE "C" NOT NULL,
    token_sha256 bytea NOT NULL,
    revoked bigint NOT NULL,
    uploads_until bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS issuer_lists (
    issuer bigint NOT NULL PRIMARY KEY,
    note text NOT NULL,
    proof text NOT NULL
);
CREATE TABLE IF NOT EXISTS issuer_keys (
    issuer bigint NOT NULL,
    day bigint NOT NULL,
    public bytea NOT NULL,
    PRIMARY KEY (issuer, day)
);
CREATE TABLE IF NOT EXISTS contradictions (
    issuer bigint NOT NULL,
    day bigint NOT NULL,
    public bytea NOT NULL,
    PRIMARY KEY (issuer, day, public)
);
CREATE TABLE IF NOT EXISTS alarms (
    day bigint NOT NULL PRIMARY KEY,
    failed bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS endings (
    number bigint NOT NULL PRIMARY KEY
);
ALTER TABLE issuer_lists ADD COLUMN IF NOT EXISTS proof text NOT NULL DEFAULT '';
ALTER TABLE scanners ADD COLUMN IF NOT EXISTS uploads_until bigint NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX IF NOT EXISTS idx_venues_operator_sha256 ON venues (operator_sha256);
CREATE UNIQUE INDEX IF NOT EXISTS idx_scanners_token_sha256 ON scanners (token_sha256);
CREATE INDEX IF NOT EXISTS idx_scanners_venue ON scanners (venue);
CREATE INDEX IF NOT EXISTS replaced ON scanners (uploads_until) WHERE uploads_until > 0
"""
"""As files of earlier versions have them, in which there may be no `proof` and no `uploads_until`. Few scanners have
been replaced lately, and every process looks for them again and again."""
REGISTRY: Final = TableSet("venue", (_FIRST,), (SCANNERS, LISTS))

_BEARER: Final = """SELECT 1 FROM venues WHERE operator_sha256 = :hashed AND closed = 0
    UNION ALL SELECT 1 FROM scanners JOIN venues ON venues.id = scanners.venue
    WHERE token_sha256 = :hashed AND revoked = 0 AND closed = 0"""


def knows_token(tables: Tables, hashed: bytes) -> bool:
    """Whether an operator or a scanner bears the token of this hash."""
    return bool(tables.read(_BEARER, {"hashed": hashed}))
