"""The registry's tables: venues, scanners, issuers' keys as first seen, and how often queued signatures failed; and
what ended for good, ended again in a database that was put back (docs/spec/keys.md §7).

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

from checkin.files.tables import Commit, Tables, TableSet, Values
from checkin.keys.journal import Ending
from checkin.protocol.primitives import random_bytes

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
SCANNER: Final = "scanner"
OPERATOR: Final = "operator"  # another operator's token: its SHA-256, and that of the one it took the place of
CLOSED: Final = "venue"
_HASH: Final = 32
_AGAIN: Final = {
    # What ended with the one reason does not come back with the other, in whatever order two journals list it.
    SCANNER: """UPDATE scanners SET revoked = 1,
        uploads_until = CASE WHEN revoked = 1 AND uploads_until = 0 THEN 0 ELSE :until END WHERE id = :name""",
    OPERATOR: """UPDATE venues SET operator_sha256 = CASE
        WHEN operator_sha256 = :value OR operator_sha256 = :replaced THEN :value ELSE :void END WHERE id = :name""",
    CLOSED: "UPDATE venues SET closed = 1 WHERE id = :name",
}


def knows_token(tables: Tables, hashed: bytes) -> bool:
    """Whether an operator or a scanner bears the token of this hash."""
    return bool(tables.read(_BEARER, {"hashed": hashed}))


def end_again(commit: Commit, ending: Ending) -> None:
    """Ends once more what a journal line ended; the venue or scanner may be unknown to the database."""
    value = bytes.fromhex(ending.value)
    values: Values = {"name": ending.name, "until": int.from_bytes(value[:8])}
    if ending.kind == OPERATOR:
        # Which of two renewals at two machines was later their journals do not know: then no token holds.
        now, replaced = value[:_HASH], value[_HASH:]  # the second is not in lines of earlier versions
        values = {**values, "value": now, "replaced": replaced, "void": random_bytes(_HASH) if replaced else now}
    commit.execute(_AGAIN[ending.kind], values)
    commit.changed(SCANNERS)


def end_all(commit: Commit) -> None:
    """Ends every scanner and every operator's token, in a database so old that what ended since is not known."""
    commit.execute("UPDATE scanners SET revoked = 1, uploads_until = 0")
    renew = "UPDATE venues SET operator_sha256 = :hashed WHERE id = :venue"
    venues = [{"hashed": random_bytes(32), "venue": venue} for (venue,) in commit.execute("SELECT id FROM venues")]
    commit.many(renew, venues)
    commit.changed(SCANNERS)
