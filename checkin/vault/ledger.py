"""The issuer's ledger: one row a batch of credentials, which the issuer itself cannot read.

The visit ids of a batch follow from σ, 32 random bytes that the issuer forgets. The row keeps σ and the number of
visit ids, sealed to the authority's key of the day (HPKE), 84 bytes, and this again under the day's row key:

    entry = HPKE(σ 32 ‖ N u32be),  info = "ck1/sigma" ‖ issuer u32be ‖ day u32be ‖ key 16 ‖ group 16
    visit_id(i) = first 16 bytes of HMAC-SHA256(σ, i u32be)

So only the authority, on an order, can list the visit ids of a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from checkin.errors import SealBroken
from checkin.protocol.encoding import u32be, u64be
from checkin.protocol.primitives import Label, OpeningKey, SealingKey, hmac_sha256
from checkin.vault.engines import Row
from checkin.vault.vault import Vault

SIGMA_SIZE: Final = 32
MAX_BATCH: Final = 1000


def visit_id(sigma: bytes, index: int) -> bytes:
    """The visit id of the batch's credential number `index` (u32); 16 bytes."""
    return hmac_sha256(sigma, u32be(index))[:16]


@dataclass(frozen=True, slots=True)
class LedgerBatch:
    """σ, 32 bytes, and how many credentials were issued, 1 .. 1000. `ValueError` otherwise."""

    sigma: bytes
    count: int

    def __post_init__(self) -> None:
        if len(self.sigma) != SIGMA_SIZE or not 0 < self.count <= MAX_BATCH:
            raise ValueError("a batch has a σ of 32 bytes and 1 to 1000 credentials")

    def visit_ids(self) -> list[bytes]:
        """All visit ids of the batch, in order."""
        return [visit_id(self.sigma, index) for index in range(self.count)]

    def encode(self) -> bytes:
        """36 bytes: σ ‖ N u32be."""
        return self.sigma + u32be(self.count)

    @classmethod
    def decode(cls, plain: bytes) -> LedgerBatch:
        """Inverse of `encode`; raises `SealBroken` for anything it could not have made."""
        try:
            return cls(plain[:SIGMA_SIZE], int.from_bytes(plain[SIGMA_SIZE:], "big"))
        except ValueError:
            raise SealBroken("What the entry holds is no batch.") from None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What an issuer hands to the authority of one row: key and group 16 bytes each, sealed 84."""

    key: bytes
    group: bytes
    sealed: bytes


def subject_group(vault: Vault, day: int, subject: int) -> bytes:
    """The group of a subject's rows (subject u64) on that day; on another day it is another."""
    return vault.mac(day, u64be(subject))


def quota_key(vault: Vault, day: int, phone: str, number: int) -> bytes:
    """The key of the row of a phone's batch `number` (u32, from 0 on) of that day; `phone` in E.164. A day has one row
    of a key, on every machine, so a number is given out once."""
    return vault.mac(day, Label.QUOTA, u32be(number), phone.encode("ascii"))


def ledger_row(  # noqa: PLR0913 — what the row binds together
    vault: Vault, day: int, subject: int, batch: LedgerBatch, *, issuer: int, authority: SealingKey, key: bytes
) -> Row:
    """The row of a new batch. Its key is a MAC: it does not link the rows of one person."""
    group = subject_group(vault, day, subject)
    sealed = authority.seal(batch.encode(), _info(issuer, day, key, group))
    return vault.seal(day, key, group, 0, sealed)


def open_row(vault: Vault, day: int, row: Row) -> LedgerEntry:
    """What the issuer can open of its own row: the entry, still sealed to the authority. Raises `SealBroken`."""
    return LedgerEntry(row.key, row.group, vault.open(day, row))


def open_entry(entry: LedgerEntry, *, issuer: int, day: int, authority: OpeningKey) -> LedgerBatch:
    """The batch, for the authority; raises `SealBroken` for another issuer's, day's or row's entry."""
    return LedgerBatch.decode(authority.open(entry.sealed, _info(issuer, day, entry.key, entry.group)))


def _info(issuer: int, day: int, key: bytes, group: bytes) -> bytes:
    return b"".join((Label.SIGMA, u32be(issuer), u32be(day), key, group))
