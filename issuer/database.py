"""The issuer's tables, beside the ledger. Names and phones are sealed before they come here.

No column is finer than a day, and once a day all tables are written anew, in the order of their keys (`Tables.settle`):
after that nothing shows in which order rows came. In data/issuer.db, a test holds them against docs/spec/issuer.md:

    subjects        number: every subject number that was ever given out, so that none is given twice
    identities      subject, token (SHA-256 of the wallet's token), key_day (which identity key sealed the row), phone
                    (a MAC), leaving (0, or 1 after the account was deleted), last_issued (a day), sealed, recovery
                    (a hash of the recovery code)
    attempts        id (SHA-256 of a registration_id), day, tries
    messages        phone (a MAC of the day), day, sent
    hosted          id, day, owner (a MAC of the day), sealed: one unused credential of a hosted wallet a row
    listed_keys     day, kid, public: the issuer's own list; the first key for a day is final
    authority_keys  day, public, commitment: the authority's list; the first key for a day is final
    endings         number: up to which line of the journal beside the key ring this database has seen
"""

from __future__ import annotations

from typing import Final

from checkin.files.tables import TableSet

_FIRST: Final = """
CREATE TABLE subjects (number bigint NOT NULL PRIMARY KEY);
CREATE TABLE identities (
    subject bigint NOT NULL PRIMARY KEY,
    token bytea,
    key_day bigint NOT NULL,
    phone bytea NOT NULL,
    leaving bigint NOT NULL,
    last_issued bigint,
    sealed bytea NOT NULL
);
CREATE TABLE attempts (
    id bytea NOT NULL PRIMARY KEY,
    day bigint NOT NULL,
    tries bigint NOT NULL
);
CREATE TABLE messages (
    phone bytea NOT NULL,
    day bigint NOT NULL,
    sent bigint NOT NULL,
    PRIMARY KEY (phone, day)
);
CREATE TABLE hosted (
    id bytea NOT NULL PRIMARY KEY,
    day bigint NOT NULL,
    owner bytea NOT NULL,
    sealed bytea NOT NULL
);
CREATE TABLE listed_keys (
    day bigint NOT NULL PRIMARY KEY,
    kid bytea NOT NULL,
    public bytea NOT NULL
);
CREATE TABLE authority_keys (
    day bigint NOT NULL PRIMARY KEY,
    public bytea NOT NULL,
    commitment text NOT NULL
);
CREATE UNIQUE INDEX idx_identities_token ON identities (token);
CREATE INDEX idx_identities_phone ON identities (phone);
CREATE INDEX idx_identities_key_day ON identities (key_day);
CREATE INDEX idx_hosted_day_owner ON hosted (day, owner);
CREATE UNIQUE INDEX idx_listed_keys_kid ON listed_keys (kid)
"""
_RECOVERY: Final = "ALTER TABLE identities ADD COLUMN IF NOT EXISTS recovery bytea"
_ENDINGS: Final = "CREATE TABLE IF NOT EXISTS endings (number bigint NOT NULL PRIMARY KEY)"
ISSUER: Final = TableSet("issuer", (_FIRST, _RECOVERY, _ENDINGS), unordered=True)
