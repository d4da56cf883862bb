"""The day vault: rows sealed under the day's key before a database sees them (docs/spec/vault.md).

The issuer's ledger and the registry's visits are both vaults. An engine (`checkin/vault/engines`) holds the rows, the
key ring holds the key, this file is all that joins them: destroy the key and every copy of the rows is noise.

A vault queries the ring anew for every operation, so that all threads and processes stop at once when a key is
destroyed; then every method raises `DayDestroyed`. A day without a key raises `KeyMissing`, one whose slot does not
open `NotReady`: that says nothing about a row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from checkin.errors import DayDestroyed, KeyDestroyed, NotReady, SealBroken
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.encoding import u32be
from checkin.protocol.primitives import Label, aead_open, aead_seal, hmac_sha256, random_bytes
from checkin.vault.engines import KEY_SIZE, NONCE_SIZE, DayStore, Row
from checkin.vault.row_tree import day_root

_SERVICE = re.compile(r"[a-z]{1,16}")


class SubKeys(Protocol):
    """What a vault needs of a `KeyRing`: it never sees a day key itself."""

    def subkey(self, name: KeyName, label: Label) -> bytes:
        """32 bytes; raises `KeyMissing`, `KeyDestroyed`."""


class Vault:
    """Rows of one service by day. Thread-safe, as its store and ring are."""

    def __init__(self, service: str, store: DayStore, ring: SubKeys) -> None:
        """`service` is 1 to 16 letters a-z, bound into every seal: an issuer's row opens in no registry."""
        if not _SERVICE.fullmatch(service):
            raise ValueError("a service is named by 1 to 16 letters a-z")
        self.store = store
        self._service = service.encode("ascii")
        self._ring = ring

    def mac(self, day: int, *parts: bytes) -> bytes:
        """A row's key or group: the first 16 bytes of HMAC-SHA256 under the day's MAC sub-key."""
        return hmac_sha256(self._subkey(day, Label.SUB_MAC), *parts)[:KEY_SIZE]

    def seal(self, day: int, key: bytes, group: bytes, bucket: int, plaintext: bytes) -> Row:
        """A row that opens only on this day and with these columns; 16 bytes longer than the plaintext."""
        nonce = random_bytes(NONCE_SIZE)
        aad = self._context(day, key, group, bucket)
        return Row(key, group, bucket, nonce, aead_seal(self._subkey(day, Label.SUB_ROW), nonce, plaintext, aad))

    def open(self, day: int, row: Row) -> bytes:
        """What was sealed; raises `SealBroken` if any column is another's or any byte was changed."""
        aad = self._context(day, row.key, row.group, row.bucket)
        return aead_open(self._subkey(day, Label.SUB_ROW), row.nonce, row.sealed, aad)

    def insert(self, day: int, rows: Sequence[Row]) -> list[bool]:
        """On the disk when it returns; False for a key that is in the day already. Raises `DayClosed`.

        The key is looked at on both sides of the commit: before, so that a destroyed day is not made again;
        after, so that nothing is acknowledged that cannot be opened.
        """
        self._subkey(day, Label.SUB_ROW)
        added = self.store.insert(day, rows)
        self._subkey(day, Label.SUB_ROW)
        return added

    def attach(self, day: int, label: Label, plaintext: bytes) -> bytes:
        """Keeps `plaintext` sealed with the day unless something is there under `label`; what stands there."""
        nonce = random_bytes(NONCE_SIZE)
        sealed = aead_seal(self._subkey(day, Label.SUB_ROW), nonce, plaintext, self._attached(day, label))
        return self._detach(day, label, self.store.attach(day, label.value.decode("ascii"), nonce + sealed))

    def attachment(self, day: int, label: Label) -> bytes | None:
        """What was attached, opened, or None; raises `SealBroken`."""
        self._subkey(day, Label.SUB_ROW)
        standing = self.store.attachment(day, label.value.decode("ascii"))
        return None if standing is None else self._detach(day, label, standing)

    def root(self, day: int) -> tuple[bytes, int]:
        """Merkle root (RFC 6962, 32 bytes) over all rows in the order of their keys, and how many there are. Raises
        `NotReady` where a large day is not frozen and its rows change meanwhile."""
        self._subkey(day, Label.SUB_ROW)
        return day_root(self.store, day)

    def freeze(self, day: int) -> None:
        """From its return on `insert` raises `DayClosed`, in every process; repeatable."""
        self._subkey(day, Label.SUB_ROW)
        self.store.freeze(day)

    def _detach(self, day: int, label: Label, value: bytes) -> bytes:
        nonce, sealed = value[:NONCE_SIZE], value[NONCE_SIZE:]
        return aead_open(self._subkey(day, Label.SUB_ROW), nonce, sealed, self._attached(day, label))

    def _context(self, day: int, key: bytes, group: bytes, bucket: int) -> bytes:
        return b"".join((self._service, u32be(day), key, group, bytes([bucket])))

    def _attached(self, day: int, label: Label) -> bytes:
        # Begins with "ck1/", which no service name does: never the context of a row.
        return label.value + self._service + u32be(day)

    def _subkey(self, day: int, label: Label) -> bytes:
        try:
            return self._ring.subkey(KeyName(Purpose.DAY, day), label)
        except KeyDestroyed:
            raise DayDestroyed from None
        except SealBroken as error:
            raise NotReady(error.detail) from None
