"""Hosted wallets, for API users and feature phones: the issuer keeps the holder keys and presents the codes.

The batches and the format are those of every wallet. What differs is said wherever it is offered: here the issuer
sees when a code was made, and it could list the visit ids of the codes it still holds. Each credential is a row
of its own, sealed under the day key, and is deleted as it is taken, so that it is used once by whichever worker.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from checkin.errors import DayDestroyed, KeyDestroyed, NotReady, QuotaUsed
from checkin.files.durable import open_private
from checkin.files.tables import Commit, Tables, Values
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol import presentation
from checkin.protocol.credential import CREDENTIAL_SIZE, Mode, Status, StatusOpening
from checkin.protocol.encoding import u32be
from checkin.protocol.primitives import Label, SigningKey, aead_open, aead_seal, random_below, random_bytes
from checkin.service.identity import ServiceIdentity
from checkin.vault.ledger import subject_group
from checkin.vault.vault import Vault
from issuer.credential_batches import BATCH_SIZE, BatchIssuer, Issued

_NONCE: Final = 12
_LEFT: Final = "SELECT id FROM hosted WHERE day = :day AND owner = :owner"
_TAKE: Final = "DELETE FROM hosted WHERE id = :id RETURNING id, sealed"
_STORE: Final = "INSERT INTO hosted (id, day, owner, sealed) VALUES (:id, :day, :owner, :sealed)"
_STRIPES: Final = 256


@dataclass(frozen=True, slots=True)
class Code:
    """A code to draw as a QR code, until when it is good (unix seconds), and the status in it, if requested."""

    token: str
    expires: int
    shows: int | None


class Hosted:
    """The table `hosted`."""

    def __init__(self, party: ServiceIdentity, tables: Tables, vault: Vault, batches: BatchIssuer) -> None:
        self._party = party
        self._tables = tables
        self._vault = vault
        self._batches = batches
        self._stripes = Stripes(party.data / "hosted.lock")

    def present(self, subject: int, *, show_status: bool) -> Code:
        """The next code, made now; a new batch is taken when none is left. Raises what `Batches.issue` raises."""
        now = self._party.now()
        day = self._party.calendar.day(now)
        owner = subject_group(self._vault, day, subject)
        seed, issued = self._take(day, owner) or self._refill(subject, day, owner)
        shown = issued.opening if show_status else None
        token = presentation.present(issued.credential, SigningKey(seed), int(now), shown)
        return Code(presentation.to_text(token), int(now) + presentation.LIFE_SECONDS, shown.status if shown else None)

    def sample(self, day: int, count: int) -> list[str]:
        """Up to `count` unused codes of a day, presented for the issuer's own audit; they stay unused and stay here."""
        query = "SELECT id, owner, sealed FROM hosted WHERE day = :day LIMIT :count"
        rows = self._tables.read(query, {"day": day, "count": count})
        opened = [self._open(day, owner, row_id, sealed) for row_id, owner, sealed in rows]
        now = int(self._party.now())
        tokens = [presentation.present(issued.credential, SigningKey(seed), now) for seed, issued in opened]
        return [presentation.to_text(token) for token in tokens]

    def forget(self, commit: Commit, subject: int) -> None:
        """Destroys all unused credentials of a subject, inside the caller's commit."""
        for (day,) in commit.execute("SELECT DISTINCT day FROM hosted"):
            with suppress(DayDestroyed):  # early: they cannot be opened any more
                values: Values = {"day": day, "owner": subject_group(self._vault, day, subject)}
                commit.execute("DELETE FROM hosted WHERE day = :day AND owner = :owner", values)

    def forget_before(self, today: int) -> None:
        """Destroys what was left over of earlier days: it has expired."""
        delete = "DELETE FROM hosted WHERE day < :today"
        self._tables.write(lambda commit: commit.execute(delete, {"today": today}))

    def close(self) -> None:
        """Gives back files."""
        self._stripes.close()

    def _take(self, day: int, owner: bytes) -> tuple[bytes, Issued] | None:
        """Takes one of the unused codes, at random: requests at the same time seldom wait for the same one, and never
        get it. None when none is left."""
        left = [row_id for (row_id,) in self._tables.read(_LEFT, {"day": day, "owner": owner})]
        while left:
            values: Values = {"id": left.pop(random_below(len(left)))}
            for row_id, sealed in self._tables.write(lambda commit, one=values: commit.execute(_TAKE, one)):  # type: ignore[misc]
                return self._open(day, owner, row_id, sealed)
        return None

    def _refill(self, subject: int, day: int, owner: bytes) -> tuple[bytes, Issued]:
        with self._stripes.held(owner):  # several requests at once take one new batch, not one each
            taken = self._take(day, owner)
            if taken is not None:
                return taken
            seeds = [random_bytes(32) for _ in range(BATCH_SIZE)]
            public = [SigningKey(seed).public for seed in seeds]
            try:
                made = self._batches.issue(subject, day, Mode.SCREEN, public)
            except QuotaUsed:
                if taken := self._take(day, owner):  # of the last batch, which another machine has taken meanwhile
                    return taken
                raise
            first, *rest = zip(seeds, made, strict=True)
            rows = sorted((self._sealed(day, owner, *one) for one in rest), key=lambda row: row["id"])
            self._tables.write(lambda commit: commit.many(_STORE, rows))
        return first

    def _sealed(self, day: int, owner: bytes, seed: bytes, issued: Issued) -> dict[str, Any]:
        row_id, nonce = random_bytes(16), random_bytes(_NONCE)
        plain = b"".join((seed, issued.credential, bytes([issued.opening.status]), issued.opening.salt))
        sealed = nonce + aead_seal(self._key(day), nonce, plain, _context(day, row_id, owner))
        return {"id": row_id, "day": day, "owner": owner, "sealed": sealed}

    def _open(self, day: int, owner: bytes, row_id: bytes, sealed: bytes) -> tuple[bytes, Issued]:
        plain = aead_open(self._key(day), sealed[:_NONCE], sealed[_NONCE:], _context(day, row_id, owner))
        seed, rest = plain[:32], plain[32:]
        credential, opening = rest[:CREDENTIAL_SIZE], rest[CREDENTIAL_SIZE:]
        return seed, Issued(credential, StatusOpening(Status(opening[0]), opening[1:]))

    def _key(self, day: int) -> bytes:
        try:
            return self._party.ring.subkey(KeyName(Purpose.DAY, day), Label.SUB_WALLET)
        except KeyDestroyed:
            raise NotReady("The day's key is gone: look at the service's clock.") from None


def _context(day: int, row_id: bytes, owner: bytes) -> bytes:
    return Label.HOSTED + u32be(day) + row_id + owner


class Stripes:
    """Locks for one person at a time, without one lock for all: record locks (fcntl(2)) between processes, a lock of
    its own between the threads of one.

    A person's key picks one of 256 bytes of a file; the holder of that byte works for that person (and now and then
    another one waits for the same byte). Nothing is written: the file says nothing about any person.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        self._threads = [threading.Lock() for _ in range(_STRIPES)]

    @contextmanager
    def held(self, key: bytes) -> Iterator[None]:
        """Waits for its turn; `key` is a hash, so that its first byte is evenly spread. Not reentrant."""
        stripe = key[0]
        with self._threads[stripe]:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX, 1, stripe)
            try:
                yield
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, stripe)

    def close(self) -> None:
        """Gives back the file."""
        os.close(self._descriptor)
