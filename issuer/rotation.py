"""The identity key's end: every row is sealed under the new key, then the old one is destroyed.

In chunks, each its own commit, so that a crash anywhere leaves rows that open under one of two live keys and the
next round goes on where this one stopped. After it, names and phones in old copies of the database are noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from checkin.clock import RETENTION_DAYS
from checkin.errors import SealBroken
from checkin.files.tables import Commit, Tables, Values
from checkin.keys.key_ring import KeyName, Purpose
from checkin.purge.statement_store import KEY_MADE, StatementStore, destroyed_name, made_commitment, made_name
from checkin.service.identity import ServiceIdentity
from issuer.identities import Record
from issuer.identity_keys import IdentityKeys

CHUNK: Final = 500
_ROWS: Final = "SELECT subject, sealed FROM identities WHERE key_day = :day ORDER BY subject LIMIT :most"
_ANEW: Final = "UPDATE identities SET key_day = :day, phone = :phone, sealed = :sealed WHERE subject = :subject"
log = structlog.get_logger()


class Rotation:
    """Rotates the identity keys of one issuer; several processes may do so at once."""

    def __init__(self, party: ServiceIdentity, tables: Tables, keys: IdentityKeys, book: StatementStore) -> None:
        self._party = party
        self._tables = tables
        self._keys = keys
        self._book = book

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
                row: Values = {"subject": subject, "day": current.day, "phone": phone}
                anew.append({**row, "sealed": self._keys.seal(current, subject, plain)})
            commit.many("DELETE FROM identities WHERE subject = :subject", damaged)
            commit.many(_ANEW, anew)
            return len(rows), len(damaged)

        rows, damaged = self._tables.write(step)
        if damaged:
            log.error("damaged_identities_removed", count=damaged)
        return rows
