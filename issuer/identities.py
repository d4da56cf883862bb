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

from checkin.errors import KeyDestroyed, SealBroken, Unauthorized
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.credential import Status
from checkin.protocol.primitives import random_bytes
from checkin.service.auth import token_hash
from issuer.contact import Contact
from issuer.database import IssuerDatabase, changed, one_row
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


class Identities:
    """The table `identities`."""

    def __init__(self, database: IssuerDatabase, keys: IdentityKeys) -> None:
        self._database = database
        self._keys = keys

    def of_phone(self, tables: sqlite_utils.Database, phone: str) -> list[int]:
        """The live accounts of a phone: one, or none, as long as nothing but `Accounts` begins them."""
        query = "SELECT subject FROM identities WHERE phone = ? AND key_day = ? AND leaving = 0"
        found: set[int] = set()
        for name in self._keys.live():
            rows = tables.execute(query, (self._keys.phone_mac(name, phone), name.day)).fetchall()
            found |= {int(row[0]) for row in rows}
        return sorted(found)

    def proves(self, tables: sqlite_utils.Database, subject: int, proof: bytes) -> bool:
        """Whether a hash is that of the account's token or of its recovery code."""
        query = "SELECT 1 FROM identities WHERE subject = ? AND (token = ? OR recovery = ?)"
        return one_row(tables, query, subject, proof, proof) is not None

    def add(self, tables: sqlite_utils.Database, contact: Contact, hashes: tuple[bytes, bytes], today: int) -> None:
        """A new account, inside the caller's transaction; `hashes` are those of its token and its recovery code."""
        name, subject = self._keys.current(), _new_subject(tables)
        sealed = self._keys.seal(name, subject, Record(contact.name, contact.phone, today).encode())
        tables.execute(
            "INSERT INTO identities (subject, token, recovery, key_day, phone, leaving, last_issued, sealed)"
            " VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
            (subject, *hashes, name.day, self._keys.phone_mac(name, contact.phone), today, sealed),
        )

    def renew(
        self, tables: sqlite_utils.Database, subject: int, contact: Contact, hashes: tuple[bytes, bytes], today: int
    ) -> None:
        """The same account under another name, token and recovery code, registered today, inside the caller's
        transaction. Of a damaged record the status is lost."""
        try:
            record = replace(self._record(tables, subject), name=contact.name)
        except SealBroken:
            record = Record(contact.name, contact.phone, today)
        self._store(tables, subject, record)
        self.use_again(tables, subject, today)
        self.set_keys(tables, subject, hashes)

    def use_again(self, tables: sqlite_utils.Database, subject: int, day: int) -> None:
        """A live account is registered on this day, inside the caller's transaction."""
        self._store(tables, subject, replace(self._record(tables, subject), registered=day))
        tables.execute("UPDATE identities SET last_issued = ? WHERE subject = ?", (day, subject))

    def set_keys(self, tables: sqlite_utils.Database, subject: int, hashes: tuple[bytes, bytes]) -> None:
        """Another token and recovery code for a live account, inside the caller's transaction."""
        update = "UPDATE identities SET token = ?, recovery = ? WHERE subject = ? AND leaving = 0"
        tables.execute(update, (*hashes, subject))

    def find(self, token: str) -> int:
        """The subject of a wallet token; raises `Unauthorized`."""
        with self._database.reading() as tables:
            row = one_row(tables, "SELECT subject FROM identities WHERE token = ?", token_hash(token))
        if row is None:
            raise Unauthorized
        return int(row[0])

    def knows_token(self, hashed: bytes) -> bool:
        """Whether some wallet's token has this hash."""
        with self._database.reading() as tables:
            return one_row(tables, "SELECT 1 FROM identities WHERE token = ?", hashed) is not None

    def read(self, subject: int) -> Record:
        """What is held about a live account; raises `Unauthorized` when it was deleted meanwhile."""
        query = "SELECT key_day, sealed FROM identities WHERE subject = ? AND leaving = 0"
        for _ in range(_ATTEMPTS):
            with self._database.reading() as tables:
                row = one_row(tables, query, subject)
            if row is None:
                raise Unauthorized
            try:
                return self._open(row[0], subject, row[1])
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
            record = self._record(tables, subject)
            proved = replace(record, status=int(status), valid_from=valid_from, valid_until=valid_until)
            self._store(tables, subject, proved)

    def forget_status(self, tables: sqlite_utils.Database, subject: int) -> bool:
        """As `set_status` to none, inside the caller's transaction; whether there was one."""
        record = self._record(tables, subject)
        if record.status == Status.NONE:
            return False
        self._store(tables, subject, Record(record.name, record.phone, record.registered))
        return True

    def remove(self, tables: sqlite_utils.Database, subject: int) -> None:
        """Takes the account out, whatever is in it."""
        tables.execute("DELETE FROM identities WHERE subject = ?", (subject,))

    def leave(self, tables: sqlite_utils.Database, subject: int, last: int | None) -> None:
        """Ends a live account, inside the caller's transaction. Name and phone stay, without a status, until the day
        `last` is destroyed; without one, or damaged, they go now. Raises `Unauthorized` for an account that ended
        before."""
        try:
            record = self._record(tables, subject)
        except SealBroken:
            last = None
        if last is None:
            self.remove(tables, subject)
            return
        self._store(tables, subject, Record(record.name, record.phone, record.registered))
        update = "UPDATE identities SET leaving = 1, token = NULL, recovery = NULL, last_issued = ? WHERE subject = ?"
        tables.execute(update, (last, subject))

    def to_look_at(self, limit: int, today: int, after: int, most: int) -> list[int]:
        """Live accounts that were not seen to be used after the day `limit`, or only on a day to come, by subject, from
        the one after `after` on."""
        query = (
            "SELECT subject FROM identities WHERE leaving = 0 AND (ifnull(last_issued, 0) <= ? OR last_issued > ?)"
            " AND subject > ? ORDER BY subject LIMIT ?"
        )
        with self._database.reading() as tables:
            return [int(row[0]) for row in tables.execute(query, (limit, today, after, most)).fetchall()]

    def mark_used(self, tables: sqlite_utils.Database, subject: int, day: int) -> None:
        """Notes the newest day on which a live account was used; it was registered no later."""
        record = self._record(tables, subject)
        if record.registered > day:
            self._store(tables, subject, replace(record, registered=day))
        tables.execute("UPDATE identities SET last_issued = ? WHERE subject = ? AND leaving = 0", (day, subject))

    def drop_unreadable(self, subject: int, limit: int, today: int) -> None:
        """Removes a live account that is damaged or whose identity key is destroyed, once it was not seen to be used
        after the day `limit`; a day to come counts as today."""
        with self._database.writing() as tables:
            try:
                self._record(tables, subject)
            except (KeyDestroyed, SealBroken):
                update = "UPDATE identities SET last_issued = min(ifnull(last_issued, 0), ?) WHERE subject = ?"
                tables.execute(update, (today, subject))
                tables.execute("DELETE FROM identities WHERE subject = ? AND last_issued <= ?", (subject, limit))
            except Unauthorized:  # it has ended
                return

    def forget_before(self, oldest: int) -> int:
        """Destroys the identities of deleted accounts whose last day is gone; how many."""
        with self._database.writing() as tables:
            return changed(tables, "DELETE FROM identities WHERE leaving = 1 AND last_issued < ?", oldest)

    def _record(self, tables: sqlite_utils.Database, subject: int) -> Record:
        row = one_row(tables, "SELECT key_day, sealed FROM identities WHERE subject = ? AND leaving = 0", subject)
        if row is None:
            raise Unauthorized
        return self._open(row[0], subject, row[1])

    def _store(self, tables: sqlite_utils.Database, subject: int, record: Record) -> None:
        name = self._keys.current()
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
