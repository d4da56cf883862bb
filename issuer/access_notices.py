"""Access notices: made when an order about a person is executed, handed over with a later batch.

data/receipts.db, one table. It is written anew once a day, as issuer.db is, so that from the next day on nothing shows
in which order people's records were queried:

    receipts   id (a MAC of the order's part and the subject), day (of the record it is about), owner (a MAC of the
               day), release (the first service day on which it is handed over), sealed (under the day's key)

A notice comes one to three days after the order, at random, and only along with a batch: no request returns it, so
that none, however often, shows whether, and when, an infected person was near. It is destroyed with its day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, NamedTuple

from checkin.errors import CheckinError, DayDestroyed, KeyMissing, SealBroken
from checkin.files.tables import Commit, Tables, TableSet, Value, Values, read_in
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
    """An access notice: which authority, about which day (ISO date), what for, a case number of the person's own,
    and what was given: `identified` (name and phone) or `codes` (which codes were the person's, sealed)."""

    authority: str
    day: str
    purpose: str
    what: str
    case: str = ""


_FIRST: Final = """CREATE TABLE IF NOT EXISTS receipts (
    id bytea NOT NULL PRIMARY KEY,
    day bigint NOT NULL,
    owner bytea NOT NULL,
    release bigint NOT NULL,
    sealed bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS receipts_of_a_day ON receipts (day, owner)"""
NOTICES: Final = TableSet("receipts", (_FIRST,), unordered=True)
_STORED: Final = "SELECT id, sealed FROM receipts WHERE id IN"
ADD: Final = """INSERT INTO receipts (id, day, owner, release, sealed)
    VALUES (:id, :day, :owner, :release, :sealed)
    ON CONFLICT (id) DO UPDATE SET release = excluded.release, sealed = excluded.sealed"""
_RELEASED: Final = "SELECT day, id, owner, sealed FROM receipts WHERE release <= :today"


class Drafts(NamedTuple):
    """Notices that are made and not stored: the people's own case numbers, one each, and the rows that are new, by id,
    each as its columns."""

    cases: list[str]
    rows: dict[bytes, dict[str, Any]]


class AccessNotices:
    """The table `receipts`."""

    def __init__(self, party: ServiceIdentity, vault: Vault, tables: Tables) -> None:
        self._party = party
        self._vault = vault
        self._tables = tables
        self._known: tuple[int, list[int]] = (-1, [])

    def draft(self, part: str, about: Iterable[tuple[int, AccessNotice]]) -> Drafts:
        """Notices for (subject, notice) each, of which nothing is stored yet: the answer may still be refused.

        The same part, person and day have one notice, the stored one where there is one. `part` is the digest of the
        order's part. Raises `DayDestroyed`.
        """
        drafts, named = Drafts([], {}), list[tuple[bytes, int, int, AccessNotice]]()
        for subject, notice in about:
            day = self._party.calendar.parse_date(notice.day)
            row_id = self._vault.mac(day, Label.RECEIPT, bytes.fromhex(part), u64be(subject))
            named.append((row_id, day, subject, notice))
        stored: dict[bytes, bytes] = dict(read_in(self._tables, _STORED, {row_id for row_id, *_ in named}))
        for row_id, day, subject, notice in named:
            owner = subject_group(self._vault, day, subject)
            case = self._case(day, row_id, owner, stored.get(row_id))
            if case is None:
                # The same on every machine that executes the part: the answer that stands may be another one's.
                case = self._vault.mac(day, Label.RECEIPT, b"case", bytes.fromhex(part), u64be(subject))[:6].hex()
                sealed = self._seal(day, row_id, owner, replace(notice, case=case))
                release = self._party.today() + 1 + int.from_bytes(random_bytes(8), "big") % LATEST_DAYS
                row = {"id": row_id, "day": day, "owner": owner, "release": release, "sealed": sealed}
                drafts.rows[row_id], stored[row_id] = row, sealed
            drafts.cases.append(case)
        return drafts

    def add(self, drafts: Drafts) -> None:
        """Stores notices in one commit, on the disk when it returns, also in the place of damaged ones."""
        rows = [drafts.rows[row_id] for row_id in sorted(drafts.rows)]
        if rows:
            self._tables.write(lambda commit: commit.many(ADD, rows))

    def of(self, subject: int) -> list[dict[str, str]]:
        """The notices for a batch of this person now; the same again with each later one, until the day is
        destroyed, because an answer may be lost."""
        today = self._party.today()
        return [asdict(notice) for notice in self._about(self._released(today), subject, today)]

    def forget(self, subject: int) -> None:
        """Removes the notices of an account that ended: no batch can carry them any more."""

        def step(commit: Commit) -> None:
            for (day,) in commit.execute("SELECT DISTINCT day FROM receipts"):
                with suppress(DayDestroyed, KeyMissing):  # the day is going, and they with it
                    values: Values = {"day": day, "owner": subject_group(self._vault, day, subject)}
                    commit.execute("DELETE FROM receipts WHERE day = :day AND owner = :owner", values)

        self._tables.write(step)

    def forget_before(self, oldest: int) -> None:
        """Removes notices about days that are due."""
        delete = "DELETE FROM receipts WHERE day < :oldest"
        self._tables.write(lambda commit: commit.execute(delete, {"oldest": oldest}))

    def settle(self, today: int) -> None:
        """Erases the order of arrival, at the first call of a day."""
        self._tables.settle(today)

    def _released(self, today: int) -> list[int]:
        """The days of notices that are released today: read once, since what is made today comes tomorrow."""
        if self._known[0] != today:
            days = self._tables.read("SELECT DISTINCT day FROM receipts WHERE release <= :today", {"today": today})
            self._known = (today, [day for (day,) in days])
        return self._known[1]

    def _about(self, days: list[int], subject: int, today: int) -> list[AccessNotice]:
        """A person's notices about some days, released by today. A day that is being destroyed at this moment is left
        out: issuing must not depend on it."""
        values: dict[str, Value] = {"today": today}
        which = []
        for number, day in enumerate(days):
            with suppress(CheckinError):
                values |= {f"day{number}": day, f"owner{number}": subject_group(self._vault, day, subject)}
                which.append(f"(day = :day{number} AND owner = :owner{number})")
        notices = []
        if which:
            for row in self._tables.read(f"{_RELEASED} AND ({' OR '.join(which)}) ORDER BY day, id", values):
                with suppress(CheckinError):
                    notices.append(self._open(*row))
        return notices

    def _case(self, day: int, row_id: bytes, owner: bytes, sealed: bytes | None) -> str | None:
        """The number in a stored notice; None where there is none, or a damaged one."""
        try:
            return self._open(day, row_id, owner, sealed).case if sealed else None
        except SealBroken:
            return None

    def _seal(self, day: int, row_id: bytes, owner: bytes, notice: AccessNotice) -> bytes:
        text, nonce = json.dumps(asdict(notice), ensure_ascii=False).encode(), random_bytes(_NONCE)
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
