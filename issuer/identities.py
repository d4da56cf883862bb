"""Holders of accounts: names, phones and statuses, sealed under the identity key, found by a MAC of the phone.

A person is a *subject*, a random number below 2⁶³ that was never given out before. Random, not counted: a counter
would show the order of registrations, and a database restored from a backup would give numbers out again, so that
an old seal would name another person. Every 28 days all rows are sealed anew under the next key (`Rotation`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Final

import structlog

from checkin.clock import RETENTION_DAYS
from checkin.errors import KeyDestroyed, SealBroken, Unauthorized
from checkin.files.tables import Commit, Tables, Value, Values
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.credential import Status
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import random_bytes, sha256
from checkin.purge.statement_store import KEY_MADE, destroyed_name, made_commitment, made_name
from checkin.service.auth import token_hash
from checkin.service.day_store import DayService
from issuer.contact import Contact
from issuer.identity_keys import IdentityKeys

_PAD: Final = 512  # bytes: the length of a seal shows nothing about that of a name
_ATTEMPTS: Final = 3  # to read a row that is being sealed anew
_HELD: Final = "SELECT subject, key_day, sealed FROM identities WHERE"
_ANY: Final = f"{_HELD} subject = :subject"
_LIVE: Final = f"{_ANY} AND leaving = 0"
_OF_PHONE: Final = "SELECT subject FROM identities WHERE phone = :phone AND key_day = :key_day"
_BEARER: Final = f"{_HELD} token = :token"
_BEARING: Final = "SELECT subject FROM identities WHERE token = :token"
_ADD: Final = """INSERT INTO identities (subject, token, recovery, key_day, phone, leaving, last_issued, sealed)
    VALUES (:subject, :token, :recovery, :key_day, :phone, 0, :today, :sealed)"""
_STORE: Final = "UPDATE identities SET key_day = :key_day, phone = :phone, sealed = :sealed WHERE subject = :subject"
_USED: Final = "UPDATE identities SET last_issued = :day WHERE subject = :subject AND leaving = 0"
_SET_KEYS: Final = "UPDATE identities SET token = :token, recovery = :recovery WHERE subject = :subject AND leaving = 0"
_LEAVE: Final = """UPDATE identities SET leaving = 1, token = NULL, recovery = NULL, last_issued = :last
    WHERE subject = :subject"""
_FINISH: Final = "UPDATE identities SET last_issued = :last WHERE subject = :subject"
_ENDED: Final = "SELECT subject FROM identities WHERE leaving = 1 AND last_issued >= :day ORDER BY subject"
_TO_LOOK_AT: Final = """SELECT subject FROM identities
    WHERE leaving = 0 AND (coalesce(last_issued, 0) <= :limit OR last_issued > :today) AND subject > :after
    ORDER BY subject LIMIT :most"""
_REMOVE: Final = "DELETE FROM identities WHERE subject = :subject"
_UNREADABLE: Final = """UPDATE identities
    SET last_issued = CASE WHEN last_issued > :today THEN :today ELSE coalesce(last_issued, 0) END
    WHERE subject = :subject"""
CHUNK: Final = 500  # rows of a commit that seals them anew
_ROWS: Final = "SELECT subject, sealed FROM identities WHERE key_day = :day ORDER BY subject LIMIT :most"
_NOBODY: Final = "-"  # holds an account that has ended
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Record:
    """What is sealed: name, phone in E.164, day of registration, status with the days on which it holds, and `holder`,
    a hash of the token's hash. That, and not the column beside it, makes a token the holder's: writing into the
    database gives no access to an account. '' in a row of an earlier version."""

    name: str
    phone: str
    registered: int
    status: int = Status.NONE
    valid_from: int = 0
    valid_until: int = 0
    holder: str = ""

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

    def __init__(self, tables: Tables, keys: IdentityKeys) -> None:
        self.tables = tables
        self.keys = keys

    def of_phone(self, commit: Commit, phone: str) -> list[int]:
        """The live accounts of a phone: one, or none, as long as nothing but `Accounts` begins them. `commit` is alone,
        as everywhere here: what it has read another machine would change, or seal under a key that is going."""
        found: set[int] = set()
        for name in self.keys.live():
            found |= {subject for (subject,) in commit.execute(f"{_OF_PHONE} AND leaving = 0", self._by(name, phone))}
        return sorted(found)

    def proves(self, commit: Commit, subject: int, proof: bytes) -> bool:
        """Whether a hash is that of the account's token or of its recovery code."""
        query = "SELECT 1 FROM identities WHERE subject = :subject AND (token = :proof OR recovery = :proof)"
        return bool(commit.execute(query, {"subject": subject, "proof": proof}))

    def add(self, commit: Commit, contact: Contact, hashes: tuple[bytes, bytes], today: int) -> None:
        """A new account, inside the caller's commit; `hashes` are those of its token and its recovery code."""
        subject = _new_subject(commit)
        row = self._sealed(subject, Record(contact.name, contact.phone, today, holder=_holder(hashes[0])))
        commit.execute(_ADD, {**row, "token": hashes[0], "recovery": hashes[1], "today": today})

    def renew(self, commit: Commit, subject: int, contact: Contact, hashes: tuple[bytes, bytes], today: int) -> None:
        """The same account under another name, token and recovery code, registered today, inside the caller's
        commit. Of a damaged record the status is lost."""
        try:
            record = replace(self.live(commit, subject), name=contact.name)
        except SealBroken:
            record = Record(contact.name, contact.phone, today)
        self._store(commit, subject, record)
        self.use_again(commit, subject, today)
        self.set_keys(commit, subject, hashes)

    def use_again(self, commit: Commit, subject: int, day: int) -> None:
        """A live account is registered on this day, inside the caller's commit."""
        self._store(commit, subject, replace(self.live(commit, subject), registered=day))
        commit.execute(_USED, {"subject": subject, "day": day})

    def set_keys(self, commit: Commit, subject: int, hashes: tuple[bytes, bytes]) -> None:
        """Another token and recovery code for a live account, inside the caller's commit."""
        self._store(commit, subject, replace(self.live(commit, subject), holder=_holder(hashes[0])))
        commit.execute(_SET_KEYS, {"subject": subject, "token": hashes[0], "recovery": hashes[1]})

    def find(self, token: str) -> int:
        """The subject of a wallet token; raises `Unauthorized`."""
        return self.bearer(token)[0]

    def knows_token(self, hashed: bytes) -> bool:
        """Whether some wallet's token has this hash."""
        return bool(self.tables.read(_BEARING, {"token": hashed}))

    def read(self, subject: int) -> Record:
        """What is held about a live account; raises `Unauthorized` when it was deleted meanwhile."""
        return self._read(_LIVE, {"subject": subject})[1]

    def bearer(self, token: str) -> tuple[int, Record]:
        """The subject of a wallet token and what is held about it, in one look; raises `Unauthorized`."""
        hashed = token_hash(token)
        subject, record = self._read(_BEARER, {"token": hashed})
        if record.holder not in ("", _holder(hashed)):
            raise Unauthorized
        return subject, record

    def _read(self, query: str, values: Values) -> tuple[int, Record]:
        for _ in range(_ATTEMPTS):
            rows = self.tables.read(query, values)
            if not rows:
                raise Unauthorized
            with suppress(KeyDestroyed):
                return rows[0][0], self._open(*rows[0])
        # Not a rotation, then: the row came back with an old backup, after its key was destroyed.
        raise Unauthorized("The account can no longer be read: register again.")

    def require_live(self, subject: int) -> None:
        """Raises `Unauthorized` when the account was deleted meanwhile."""
        if not self.tables.read(_LIVE, {"subject": subject}):
            raise Unauthorized

    def subjects_of(self, phone: str) -> list[int]:
        """All subjects that an order may mean by this phone: its account, and earlier ones that were deleted and are
        kept still. One pass may miss a row that is being sealed anew, between one key and the next."""
        found: set[int] = set()
        for _ in range(2):
            for name in self.keys.live():
                found |= {subject for (subject,) in self.tables.read(_OF_PHONE, self._by(name, phone))}
        return sorted(found)

    def disclosed(self, subject: int) -> Record | None:
        """The record of a subject, also of a deleted account as long as its name is kept; None when it is destroyed."""
        with suppress(Unauthorized):
            return self._read(_ANY, {"subject": subject})[1]
        return None

    def set_status(self, subject: int, status: Status, valid_from: int, valid_until: int) -> None:
        """Keeps a proved status and the days on which it holds, and nothing else of the proof."""

        def step(commit: Commit) -> None:
            commit.alone()
            record = self.live(commit, subject)
            proved = replace(record, status=int(status), valid_from=valid_from, valid_until=valid_until)
            self._store(commit, subject, proved)

        self.tables.write(step)

    def forget_status(self, commit: Commit, subject: int) -> bool:
        """As `set_status` to none, inside the caller's commit; whether there was one."""
        record = self.live(commit, subject)
        if record.status == Status.NONE:
            return False
        self._store(commit, subject, replace(record, status=Status.NONE, valid_from=0, valid_until=0))
        return True

    def finish(self, subject: int, last: int | None) -> None:
        """Sets until which day name and phone of an account that has ended stay; without one they go now."""
        values: Values = {"subject": subject, "last": last}
        statement = f"{_REMOVE} AND leaving = 1" if last is None else f"{_FINISH} AND leaving = 1"
        self.tables.write(lambda commit: commit.execute(statement, values))

    def ended_from(self, day: int) -> list[int]:
        """Deleted accounts with names that stay until this day, or one after it, is destroyed."""
        return [subject for (subject,) in self.tables.read(_ENDED, {"day": day})]

    def remove(self, commit: Commit, subject: int) -> None:
        """Takes the account out, whatever is in it."""
        commit.execute(_REMOVE, {"subject": subject})

    def leave(self, commit: Commit, subject: int, last: int) -> None:
        """Ends a live account, inside the caller's commit. Name and phone stay, without a status, until the day
        `last` is destroyed; damaged, they go now. Raises `Unauthorized` for an account that ended before."""
        try:
            record = self.live(commit, subject)
        except SealBroken:
            self.remove(commit, subject)
            return
        self._store(commit, subject, Record(record.name, record.phone, record.registered, holder=_NOBODY))
        commit.execute(_LEAVE, {"subject": subject, "last": last})

    def to_look_at(self, limit: int, today: int, after: int, most: int) -> list[int]:
        """Live accounts that were not seen to be used after the day `limit`, or only on a day to come, by subject, from
        the one after `after` on."""
        values: Values = {"limit": limit, "today": today, "after": after, "most": most}
        return [subject for (subject,) in self.tables.read(_TO_LOOK_AT, values)]

    def mark_used(self, commit: Commit, subject: int, day: int) -> None:
        """Notes the newest day on which a live account was used; it was registered no later."""
        record = self.live(commit, subject)
        if record.registered > day:
            self._store(commit, subject, replace(record, registered=day))
        commit.execute(_USED, {"subject": subject, "day": day})

    def drop_unreadable(self, subject: int, limit: int, today: int) -> None:
        """Removes a live account that is damaged or whose identity key is destroyed, once it was not seen to be used
        after the day `limit`; a day to come counts as today."""

        def step(commit: Commit) -> None:
            commit.alone()
            try:
                self.live(commit, subject)
            except (KeyDestroyed, SealBroken):
                commit.execute(_UNREADABLE, {"subject": subject, "today": today})
                commit.execute(f"{_REMOVE} AND last_issued <= :limit", {"subject": subject, "limit": limit})
            except Unauthorized:  # it has ended
                return

        self.tables.write(step)

    def forget_before(self, oldest: int) -> int:
        """Destroys the identities of deleted accounts once their last day is due; how many."""
        delete = "DELETE FROM identities WHERE leaving = 1 AND last_issued < :oldest"
        return self.tables.write(lambda commit: commit.change(delete, {"oldest": oldest}))

    def bears(self, commit: Commit, hashed: bytes) -> bool:
        """As `knows_token`, inside the caller's commit."""
        return bool(commit.execute(_BEARING, {"token": hashed}))

    def live(self, commit: Commit, subject: int) -> Record:
        """As `read`, inside the caller's commit. Raises `KeyDestroyed`, too."""
        for row in commit.execute(_LIVE, {"subject": subject}):
            return self._open(*row)
        raise Unauthorized

    def _store(self, commit: Commit, subject: int, record: Record) -> None:
        commit.execute(_STORE, self._sealed(subject, record))

    def _sealed(self, subject: int, record: Record) -> dict[str, Value]:
        """A row's columns under the key in use."""
        name = self.keys.current()
        return {
            **self._by(name, record.phone),
            "subject": subject,
            "sealed": self.keys.seal(name, subject, record.encode()),
        }

    def _by(self, name: KeyName, phone: str) -> dict[str, Value]:
        """By which a phone is found among the rows of one key."""
        return {"phone": self.keys.phone_mac(name, phone), "key_day": name.day}

    def _open(self, subject: int, key_day: int, sealed: bytes) -> Record:
        return Record.decode(self.keys.open(KeyName(Purpose.IDENTITY, key_day), subject, sealed))


def _holder(token: bytes) -> str:
    """Of a token's hash."""
    return b64url_encode(sha256(token)[:16])


def _new_subject(commit: Commit) -> int:
    """A number that was never given out, kept so for good, also after the account is deleted."""
    while True:
        number = int.from_bytes(random_bytes(8), "big") >> 1  # SQLite's integers have 63 bits and a sign
        if commit.change("INSERT INTO subjects (number) VALUES (:number) ON CONFLICT DO NOTHING", {"number": number}):
            return number


class Rotation:
    """The identity key's end: every row is sealed under the new key, then the old one is destroyed; several processes
    may do so at once.

    In chunks, each its own commit, so that a crash anywhere leaves rows that open under one of two live keys and the
    next round goes on where this one stopped. After it, names and phones in old copies of the database are noise.
    """

    def __init__(self, service: DayService, identities: Identities) -> None:
        self._party, self._book = service.party, service.book
        self._tables, self._keys = identities.tables, identities.keys

    def ensure(self, oldest: int) -> KeyName:
        """The key in use, with a statement that it was made."""
        today = self._party.today()
        stated = made_commitment(self._book, KeyName(Purpose.IDENTITY, today))
        name = self._keys.ensure(today, oldest=oldest, stated=stated)
        statement = made_name(name)
        if statement not in self._book:
            values = {"service": self._party.settings.name, "key": str(name)}
            values |= {"commitment": self._keys.ring.commitment(name), "day": self._party.calendar.date(name.day)}
            self._book.put(statement, self._party.sign(KEY_MADE, values))
        return name

    def run(self, oldest: int, retire: Callable[[KeyName, int], object]) -> None:
        """Makes a new key when one is due, seals all rows under it, and hands every older one to `retire` with the
        day on which that was due. Repeatable."""
        current = self.ensure(oldest)
        for old in self._unfinished():
            if old.day < current.day:
                if self._keys.ring.tombstone(old) is None:
                    self._empty(old, current)
                retire(old, old.day + RETENTION_DAYS)

    def _unfinished(self) -> list[KeyName]:
        """Keys that have a slot, and those that a crash left destroyed but not stated; oldest first."""
        ring = self._keys.ring
        unstated = {name for name in ring.tombstones(Purpose.IDENTITY) if destroyed_name(name) not in self._book}
        return sorted(unstated | set(ring.names(Purpose.IDENTITY)))

    def _empty(self, old: KeyName, current: KeyName) -> None:
        """When it returns, no row is left under the old key, and none can come: see `IdentityKeys.current`."""
        while self._seal_anew(old, current):
            pass
        self._tables.tidy()

    def _seal_anew(self, old: KeyName, current: KeyName) -> int:
        """One chunk; how many rows it had. One that is damaged goes: it would keep the old key, and so every old copy
        of the others, readable for good."""

        def step(commit: Commit) -> tuple[int, int]:
            commit.alone()
            damaged, anew = list[Values](), list[Values]()
            rows = commit.execute(_ROWS, {"day": old.day, "most": CHUNK})
            for subject, sealed in rows:
                try:
                    plain = self._keys.open(old, subject, sealed)
                except SealBroken:
                    damaged.append({"subject": subject})
                    continue
                phone = self._keys.phone_mac(current, Record.decode(plain).phone)
                row: Values = {"subject": subject, "key_day": current.day, "phone": phone}
                anew.append({**row, "sealed": self._keys.seal(current, subject, plain)})
            commit.many(_REMOVE, damaged)
            commit.many(_STORE, anew)
            return len(rows), len(damaged)

        rows, damaged = self._tables.write(step)
        if damaged:
            log.error("damaged_identities_removed", count=damaged)
        return rows
