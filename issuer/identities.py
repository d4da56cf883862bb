"""Who has an account: names, phones and statuses, sealed under the identity key, found by a MAC of the phone.

A person is a *subject*, a random number below 2⁶³ that was never given out before. Random, not counted: a counter
would tell the order of registrations, and a database restored from a backup would give numbers out again, so that
an old seal would name somebody else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Final

import sqlite_utils

from checkin.errors import KeyDestroyed, Unauthorized
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.credential import Status
from checkin.protocol.primitives import random_bytes
from checkin.service.auth import new_token, token_hash
from issuer.contact import Contact
from issuer.database import Database, changed, one_row
from issuer.identity_keys import IdentityKeys

_PAD: Final = 512  # bytes: what is sealed tells nothing about how long a name is
_ATTEMPTS: Final = 3  # to read a row that is being sealed anew


@dataclass(frozen=True, slots=True)
class Record:
    """What is sealed: name, phone in E.164, day of registration, status with the days on which it holds."""

    name: str
    phone: str
    registered: int
    status: int = Status.NONE
    valid_from: int = 0
    valid_until: int = 0

    def status_on(self, day: int) -> Status:
        """The status that credentials of a day commit to."""
        return Status(self.status) if self.valid_from <= day <= self.valid_until else Status.NONE

    def encode(self) -> bytes:
        """JSON, padded with spaces."""
        text = json.dumps(asdict(self), ensure_ascii=False).encode()
        return text.ljust(-(-len(text) // _PAD) * _PAD)

    @classmethod
    def decode(cls, plain: bytes) -> Record:
        """Inverse of `encode`."""
        return cls(**json.loads(plain))


@dataclass(frozen=True, slots=True)
class Identity:
    """A live account."""

    subject: int
    record: Record
    last_issued: int | None


class Identities:
    """The table `identities`."""

    def __init__(self, database: Database, keys: IdentityKeys) -> None:
        self._database = database
        self._keys = keys

    def bind(self, tables: sqlite_utils.Database, contact: Contact, today: int) -> str:
        """A new wallet token for the owner of a phone, inside the caller's transaction; older tokens end.

        The same phone is the same subject, under the name that was given last: the phone is what was checked.
        """
        token, name = new_token(), self._keys.current()
        found = self._find_phone(tables, contact.phone)
        if found is None:
            self._add(tables, name, token, Record(contact.name, contact.phone, today))
        else:
            subject, record = found
            self._store(tables, name, subject, replace(record, name=contact.name))
            tables.execute("UPDATE identities SET token = ? WHERE subject = ?", (token_hash(token), subject))
        return token

    def find(self, token: str) -> int:
        """The subject of a wallet token; raises `Unauthorized`."""
        with self._database.reading() as tables:
            row = one_row(tables, "SELECT subject FROM identities WHERE token = ?", token_hash(token))
        if row is None:
            raise Unauthorized
        return int(row[0])

    def read(self, subject: int) -> Identity:
        """What is held about a live account; raises `Unauthorized` when it was deleted meanwhile."""
        query = "SELECT key_day, sealed, last_issued FROM identities WHERE subject = ? AND leaving = 0"
        for _ in range(_ATTEMPTS):
            with self._database.reading() as tables:
                row = one_row(tables, query, subject)
            if row is None:
                raise Unauthorized
            try:
                return Identity(subject, self._open(row[0], subject, row[1]), row[2])
            except KeyDestroyed:
                continue
        # Not a rotation, then: the row came back with an old backup, after its key was destroyed.
        raise Unauthorized("The account can no longer be read: register again.")

    def subjects_of(self, phone: str, passes: int = 2) -> list[int]:
        """Everybody of whom an order may ask by this phone: its account, and earlier ones that were deleted and are
        not gone yet. One pass may miss a row that is being sealed anew, between one key and the next."""
        query = "SELECT subject FROM identities WHERE phone = ? AND key_day = ?"
        found: set[int] = set()
        for _ in range(passes):
            for name in self._keys.live():
                with self._database.reading() as tables:
                    rows = tables.execute(query, (self._keys.phone_mac(name, phone), name.day)).fetchall()
                found |= {int(row[0]) for row in rows}
        return sorted(found)

    def disclosed(self, subject: int) -> Record | None:
        """Whose number it is, also of a deleted account as long as its name is kept; None when it is gone."""
        for _ in range(_ATTEMPTS):
            with self._database.reading() as tables:
                row = one_row(tables, "SELECT key_day, sealed FROM identities WHERE subject = ?", subject)
            if row is None:
                return None
            try:
                return self._open(row[0], subject, row[1])
            except KeyDestroyed:
                continue
        return None

    def set_status(self, subject: int, status: Status, valid_from: int, valid_until: int) -> None:
        """Keeps a proved status and the days on which it holds, and nothing else of the proof."""
        with self._database.writing() as tables:
            row = one_row(tables, "SELECT key_day, sealed FROM identities WHERE subject = ? AND leaving = 0", subject)
            if row is None:
                raise Unauthorized
            record = self._open(row[0], subject, row[1])
            changed_record = replace(record, status=int(status), valid_from=valid_from, valid_until=valid_until)
            self._store(tables, self._keys.current(), subject, changed_record)

    def mark_issued(self, subject: int, day: int) -> None:
        """On disk before a credential of the day leaves: the identity stays as long as the day does.

        Raises `Unauthorized` for a deleted account.
        """
        query = "SELECT last_issued FROM identities WHERE subject = ? AND leaving = 0"
        with self._database.reading() as tables:
            row = one_row(tables, query, subject)
        if row is None:
            raise Unauthorized
        if row[0] is not None and row[0] >= day:
            return
        update = "UPDATE identities SET last_issued = max(ifnull(last_issued, 0), ?) WHERE subject = ? AND leaving = 0"
        with self._database.writing() as tables:
            if not changed(tables, update, day, subject):
                raise Unauthorized

    def leave(self, subject: int, oldest: int) -> int | None:
        """Deletes the account: nothing is issued from now on. The day with which the identity goes, None if it
        went at once because no day is held for which it was issued."""
        with self._database.writing() as tables:
            row = one_row(tables, "SELECT last_issued FROM identities WHERE subject = ? AND leaving = 0", subject)
            if row is None:
                raise Unauthorized
            last: int | None = row[0]
            if last is None or last < oldest:
                tables.execute("DELETE FROM identities WHERE subject = ?", (subject,))
                last = None
            else:
                tables.execute("UPDATE identities SET leaving = 1, token = NULL WHERE subject = ?", (subject,))
        self._database.scrub()
        return last

    def forget_before(self, oldest: int) -> int:
        """Destroys the identities of deleted accounts whose last day is gone; how many."""
        with self._database.writing() as tables:
            return changed(tables, "DELETE FROM identities WHERE leaving = 1 AND last_issued < ?", oldest)

    def _find_phone(self, tables: sqlite_utils.Database, phone: str) -> tuple[int, Record] | None:
        query = "SELECT subject, sealed FROM identities WHERE phone = ? AND key_day = ? AND leaving = 0"
        for name in self._keys.live():
            row = one_row(tables, query, self._keys.phone_mac(name, phone), name.day)
            if row is not None:
                return int(row[0]), self._open(name.day, row[0], row[1])
        return None

    def _add(self, tables: sqlite_utils.Database, name: KeyName, token: str, record: Record) -> None:
        subject = _new_subject(tables)
        tables.execute(
            "INSERT INTO identities VALUES (?, ?, ?, ?, 0, NULL, ?)",
            (
                subject,
                token_hash(token),
                name.day,
                self._keys.phone_mac(name, record.phone),
                self._keys.seal(name, subject, record.encode()),
            ),
        )

    def _store(self, tables: sqlite_utils.Database, name: KeyName, subject: int, record: Record) -> None:
        sealed, phone = self._keys.seal(name, subject, record.encode()), self._keys.phone_mac(name, record.phone)
        tables.execute(
            "UPDATE identities SET key_day = ?, phone = ?, sealed = ? WHERE subject = ?",
            (name.day, phone, sealed, subject),
        )

    def _open(self, key_day: int, subject: int, sealed: bytes) -> Record:
        return Record.decode(self._keys.open(KeyName(Purpose.IDENTITY, key_day), subject, sealed))


def _new_subject(tables: sqlite_utils.Database) -> int:
    """A number that was never given out, kept so for good, also after the account is gone."""
    while True:
        number = int.from_bytes(random_bytes(8), "big") >> 1  # SQLite's integers have 63 bits and a sign
        if changed(tables, "INSERT INTO subjects VALUES (?) ON CONFLICT DO NOTHING", number):
            return number
