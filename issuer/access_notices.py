"""Notices to people about whom an order was executed: made with the answer, handed over with a later batch.

data/receipts.db, one table, without row ids. The file is written anew once a day (`settle`), as issuer.db is, so that
from the next day on nothing tells in which order people were asked about:

    receipts   id (a MAC of the order's part and the subject), day (whose record it is about), owner (a MAC of the
               day), release (the first service day on which it is handed over), sealed (under the day's key)

A notice comes one to three days after the order, at random, and only along with a batch: nobody can ask for it, so
that nobody finds out by asking often whether, and when, an infected person was near. It is gone with its day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import sqlite_utils

from checkin.errors import CheckinError, DayDestroyed, KeyMissing, SealBroken
from checkin.files.state_file import StateFile
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.encoding import u32be, u64be
from checkin.protocol.primitives import Label, aead_open, aead_seal, random_bytes
from checkin.service.identity import ServiceIdentity
from checkin.vault.ledger import subject_group
from checkin.vault.vault import Vault

IDENTIFIED: Final = "identified"
CODES: Final = "codes"
_NONCE: Final = 12
_PAD: Final = 512
LATEST_DAYS: Final = 3


@dataclass(frozen=True)
class AccessNotice:
    """What a person is told: which authority, about which day (ISO date), what for, a case number of the person's own,
    and what was given: `identified` (name and phone) or `codes` (which codes were the person's, sealed)."""

    authority: str
    day: str
    purpose: str
    what: str
    case: str = ""


Row = tuple[bytes, int, bytes, int, bytes]
"""id, day, owner, release, sealed: a row of the table."""


class Drafts(NamedTuple):
    """Notices that are made and not stored: the people's own case numbers, one each, and the rows that are new."""

    cases: list[str]
    rows: list[Row]


class AccessNotices:
    """The table `receipts`."""

    def __init__(self, party: ServiceIdentity, vault: Vault, path: Path) -> None:
        self._party = party
        self._vault = vault
        self._file = StateFile(path, _migrate)

    def draft(self, part: str, about: Iterable[tuple[int, AccessNotice]]) -> Drafts:
        """Notices for (subject, receipt) each, of which nothing is stored yet: the answer may still be refused.

        The same part, person and day have one notice, the stored one where there is one. `part` is the digest of the
        order's part. Raises `DayDestroyed`.
        """
        rows: dict[bytes, Row] = {}
        with self._file.reading() as tables:
            cases = [self._draft(tables, rows, bytes.fromhex(part), subject, receipt) for subject, receipt in about]
        return Drafts(cases, list(rows.values()))

    def add(self, drafts: Drafts) -> None:
        """Stores notices in one commit, on the disk when it returns; those that are there stay as they are."""
        with self._file.writing() as tables:
            for row in drafts.rows:
                tables.execute("INSERT INTO receipts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", list(row))

    def _draft(
        self, tables: sqlite_utils.Database, rows: dict[bytes, Row], part: bytes, subject: int, receipt: AccessNotice
    ) -> str:
        day = self._party.calendar.parse_date(receipt.day)
        row_id = self._vault.mac(day, Label.RECEIPT, part, u64be(subject))
        owner = subject_group(self._vault, day, subject)
        stored = tables.execute("SELECT sealed FROM receipts WHERE id = ?", [row_id]).fetchone()
        sealed = stored[0] if stored else rows[row_id][-1] if row_id in rows else None
        if sealed is not None:
            return self._open(day, row_id, owner, sealed).case
        receipt = replace(receipt, case=random_bytes(6).hex())
        release = self._party.today() + 1 + int.from_bytes(random_bytes(8), "big") % LATEST_DAYS
        rows[row_id] = (row_id, day, owner, release, self._seal(day, row_id, owner, receipt))
        return receipt.case

    def of(self, subject: int) -> list[dict[str, str]]:
        """What goes along with a batch for this person now; the same again with each later one, until the day goes,
        because an answer may be lost."""
        today = self._party.today()
        with self._file.reading() as tables:
            days = tables.execute("SELECT DISTINCT day FROM receipts WHERE release <= ?", [today]).fetchall()
        return [asdict(receipt) for (day,) in sorted(days) for receipt in self._of_day(subject, day, today)]

    def forget(self, subject: int) -> None:
        """Removes the notices of an account that ended: nobody can be handed them any more."""
        with self._file.writing() as tables:
            for (day,) in tables.execute("SELECT DISTINCT day FROM receipts").fetchall():
                with suppress(DayDestroyed, KeyMissing):  # the day is going, and they with it
                    owner = subject_group(self._vault, day, subject)
                    tables.execute("DELETE FROM receipts WHERE day = ? AND owner = ?", [day, owner])

    def forget_before(self, oldest: int) -> None:
        """Removes notices about days that are gone."""
        with self._file.writing() as tables:
            tables.execute("DELETE FROM receipts WHERE day < ?", [oldest])

    def settle(self, today: int) -> None:
        """Erases the order of arrival, at the first call of a day."""
        self._file.settle(today)

    def close(self) -> None:
        """Gives back the file."""
        self._file.close()

    def _of_day(self, subject: int, day: int, today: int) -> list[AccessNotice]:
        query = "SELECT id, sealed FROM receipts WHERE day = ? AND owner = ? AND release <= ?"
        try:
            owner = subject_group(self._vault, day, subject)
            with self._file.reading() as tables:
                rows = tables.execute(query, [day, owner, today]).fetchall()
            return [self._open(day, row_id, owner, sealed) for row_id, sealed in rows]
        except CheckinError:  # the day is going at this moment; issuing must not depend on it
            return []

    def _seal(self, day: int, row_id: bytes, owner: bytes, receipt: AccessNotice) -> bytes:
        text, nonce = json.dumps(asdict(receipt), ensure_ascii=False).encode(), random_bytes(_NONCE)
        padded = text.ljust(-(-len(text) // _PAD) * _PAD)
        return nonce + aead_seal(self._key(day), nonce, padded, _context(day, row_id, owner))

    def _open(self, day: int, row_id: bytes, owner: bytes, sealed: bytes) -> AccessNotice:
        plain = aead_open(self._key(day), sealed[:_NONCE], sealed[_NONCE:], _context(day, row_id, owner))
        try:
            return AccessNotice(**json.loads(plain))
        except (ValueError, TypeError):
            raise SealBroken from None

    def _key(self, day: int) -> bytes:
        return self._party.ring.subkey(KeyName(Purpose.DAY, day), Label.SUB_RECEIPT)


def _context(day: int, row_id: bytes, owner: bytes) -> bytes:
    return Label.RECEIPT + u32be(day) + row_id + owner


def _migrate(tables: sqlite_utils.Database) -> None:
    tables.execute(
        "CREATE TABLE IF NOT EXISTS receipts (id BLOB PRIMARY KEY NOT NULL, day INTEGER NOT NULL, owner BLOB NOT NULL,"
        " release INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID"
    )
    tables.execute("CREATE INDEX IF NOT EXISTS receipts_of_a_day ON receipts (day, owner)")
